//! What is told, to whom, how often, and what happens when nobody answers.

use std::collections::BTreeSet;
use std::time::Duration;

use lifecycle::state::{RunOutcome, RunTrouble, Trigger};
use lifecycle::watch::{Notifier, SendError};

use super::servers::{Answer, HttpServer, SmtpServer};
use super::{IMPATIENT, Place, Recorded, SECRET_PASSWORD, SECRET_PATH, Time, at, record};

fn trouble() -> RunTrouble {
    RunTrouble {
        causes: vec![
            "12 times: column `amount` is not a number <b>".to_owned(),
            "object 1.csv: 12 of 20 rows".to_owned(),
        ],
        hint: Some("mend the source's contract".to_owned()),
    }
}

fn too_many_rejected(number: u32, started: i64) -> Recorded {
    Recorded {
        message: Some("landing failed: source `orders`: 12 of 20 rows were rejected, more than the limit of 1%"),
        trouble: trouble(),
        ..Recorded::failed(number, started)
    }
}

#[tokio::test]
async fn a_failure_is_told_once_with_all_that_helps() {
    let server = HttpServer::start(&[]).await;
    let place = Place::new().told_by_webhook(&server.url);
    let (project, state, time) = (place.project(), place.state().await, Time::at(10));
    let notifier = Notifier::new(&project, IMPATIENT);
    let run = too_many_rejected(1, 0);
    record(&state, &run).await;
    let job = &project.jobs["nightly"];
    assert!(notifier.run_ended(&state, job, &run.run_id, time.now()).await.unwrap());
    let report = notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap();
    assert_eq!(report.sent(), 1);

    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].line, format!("POST /{SECRET_PATH} HTTP/1.1"));
    assert!(requests[0].head.contains("content-type: application/json"));
    assert!(requests[0].head.contains(&format!("idempotency-key: failure:{}", run.run_id)));
    let body = requests[0].json();
    let name = place.path("").file_name().unwrap().to_str().unwrap().to_owned();
    insta::assert_snapshot!(body["text"].as_str().unwrap().replace(&name, "SHOP"), @r"
    *nightly failed: landing failed: source `orders`: 12 of 20 rows were rejected, more than the limit of 1%*
    Project: SHOP
    Environment: local
    Job: nightly
    As of: 2026-01-01
    Run: 0192f3a4-0000-7000-8000-000000000001
    • 12 times: column `amount` is not a number &lt;b&gt;
    • object 1.csv: 12 of 20 rows
    _Hint:_ mend the source's contract
    `lifecycle runs show 0192f3a4-0000`
    `lifecycle rejected orders`
    notice failure:0192f3a4-0000-7000-8000-000000000001
    ");
    let blocks = body["blocks"].as_array().unwrap();
    let kinds: Vec<&str> = blocks.iter().map(|block| block["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["section", "section", "section", "section", "section", "context"]);
    assert!(blocks.iter().all(|block| block.to_string().len() < 3_000));

    // However often anybody looks, at whatever time.
    for minutes in [11, 60, 600] {
        time.set(minutes);
        assert!(!notifier.run_ended(&state, job, &run.run_id, time.now()).await.unwrap());
        notifier.look_around(&state, &project.jobs, time.now()).await.unwrap();
        notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap();
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_crash_between_the_end_of_a_run_and_its_notice_tells_it_at_the_next_look() {
    let server = HttpServer::start(&[]).await;
    let place = Place::new().told_by_webhook(&server.url);
    let (project, state, time) = (place.project(), place.state().await, Time::at(3));
    record(&state, &too_many_rejected(1, 0)).await;
    let notifier = Notifier::new(&project, IMPATIENT);
    // Right after its end whoever ran it may still try it again.
    assert_eq!(notifier.look_around(&state, &project.jobs, time.now()).await.unwrap(), 0);
    time.set(30);
    assert_eq!(notifier.look_around(&state, &project.jobs, time.now()).await.unwrap(), 1);
    // The process dies between recording and sending: another one sends.
    let other = Notifier::new(&project, IMPATIENT);
    let other_state = place.state().await;
    assert_eq!(other.send_due(&other_state, &project.jobs, &time.clock()).await.unwrap().sent(), 1);
    assert!(server.requests()[0].json()["text"].as_str().unwrap().contains("12 of 20 rows were rejected"));
}

#[tokio::test]
async fn a_claim_of_a_process_that_died_is_free_again_after_a_while() {
    let server = HttpServer::start(&[]).await;
    let place = Place::new().told_by_webhook(&server.url);
    let (project, state, time) = (place.project(), place.state().await, Time::at(10));
    let run = Recorded::failed(1, 0);
    record(&state, &run).await;
    let notifier = Notifier::new(&project, IMPATIENT);
    notifier.run_ended(&state, &project.jobs["nightly"], &run.run_id, time.now()).await.unwrap();
    let nightly = BTreeSet::from(["nightly"]);
    let claimed = state.claim_sends(&nightly, 8, Duration::from_secs(60), time.now()).await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap().deliveries.len(), 0);
    time.set(12);
    assert_eq!(notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap().sent(), 1);
}

#[tokio::test]
async fn the_first_good_run_after_a_failure_is_told_once() {
    let server = HttpServer::start(&[]).await;
    let place = Place::new().told_by_webhook(&server.url);
    let (project, state) = (place.project(), place.state().await);
    let notifier = Notifier::new(&project, IMPATIENT);
    let time = Time::at(0);
    let job = &project.jobs["nightly"];
    // Good from the beginning: nothing to tell.
    let runs = [
        Recorded::new(1, RunOutcome::Succeeded, 0),
        Recorded::failed(2, 60),
        Recorded::failed(3, 120),
        // By hand: it counts as well.
        Recorded { trigger: Trigger::Manual, ..Recorded::new(4, RunOutcome::NothingToDo, 180) },
        Recorded::new(5, RunOutcome::Succeeded, 240),
    ];
    for run in &runs {
        record(&state, run).await;
        time.set(run.started + 3);
        notifier.run_ended(&state, job, &run.run_id, time.now()).await.unwrap();
        notifier.look_around(&state, &project.jobs, time.now()).await.unwrap();
        notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap();
    }
    let told: Vec<String> = server
        .requests()
        .iter()
        .map(|request| request.json()["text"].as_str().unwrap().lines().next().unwrap().to_owned())
        .collect();
    assert_eq!(
        told,
        [
            "*nightly failed: landing failed: the disk is full*",
            "*nightly failed: landing failed: the disk is full*",
            "*nightly works again*"
        ]
    );
    assert!(server.requests()[2].text().contains("it had failed at 2026-01-02 04:02 GMT"));
}

#[tokio::test]
async fn what_people_stopped_and_runs_by_hand_are_no_news() {
    let server = HttpServer::start(&[]).await;
    let place = Place::new().told_by_webhook(&server.url);
    let (project, state, time) = (place.project(), place.state().await, Time::at(0));
    let notifier = Notifier::new(&project, IMPATIENT);
    let stopped = Recorded::new(1, RunOutcome::Interrupted, 0);
    record(&state, &stopped).await;
    assert!(!notifier.run_ended(&state, &project.jobs["nightly"], &stopped.run_id, at(3)).await.unwrap());
    record(&state, &Recorded { trigger: Trigger::Manual, ..Recorded::failed(2, 60) }).await;
    time.set(200);
    assert_eq!(notifier.look_around(&state, &project.jobs, time.now()).await.unwrap(), 0);
    // But asked to tell, it tells.
    let run_id = Recorded::failed(2, 60).run_id;
    assert!(notifier.run_ended(&state, &project.jobs["nightly"], &run_id, time.now()).await.unwrap());
    // A run that failed long before anybody was to be told is no news either.
    let old = place.state().await;
    assert_eq!(notifier.look_around(&old, &project.jobs, at(60 * 24 * 10)).await.unwrap(), 0);
}

#[tokio::test]
async fn a_scheduled_run_whose_process_died_is_told() {
    let server = HttpServer::start(&[]).await;
    let place = Place::new().told_by_webhook(&server.url);
    let (project, state, time) = (place.project(), place.state().await, Time::at(90));
    record(&state, &Recorded { outcome: None, ..Recorded::new(1, RunOutcome::Failed, 0) }).await;
    let notifier = Notifier::new(&project, IMPATIENT);
    assert_eq!(notifier.look_around(&state, &project.jobs, time.now()).await.unwrap(), 1);
    notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap();
    let text = server.requests()[0].json()["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("*nightly was interrupted"), "{text}");
}

#[tokio::test]
async fn stale_data_are_told_once_for_each_time() {
    let server = HttpServer::start(&[]).await;
    let place = Place::new().told_by_webhook(&server.url);
    let (project, state, time) = (place.project(), place.state().await, Time::at(0));
    let notifier = Notifier::new(&project, IMPATIENT);
    // Published up to 2026-01-01, whose end is 2026-01-02 00:00 in London; 36 hours later is 2026-01-03 12:00.
    record(&state, &Recorded::new(1, RunOutcome::Succeeded, 0)).await;
    let hours = |hours: i64| hours * 60 - 120;
    for (hour, expected) in [(35, 0), (36, 0), (37, 1), (40, 0), (60, 0)] {
        time.set(hours(hour));
        let new = notifier.look_around(&state, &project.jobs, time.now()).await.unwrap();
        assert_eq!(new, expected, "after {hour} hours");
    }
    notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap();
    let text = server.requests()[0].json()["text"].as_str().unwrap().to_owned();
    let first = "*the data of nightly are late by 1 h: published up to 2026-01-01, 37 h old, where 36 h are allowed*";
    assert_eq!(text.lines().next().unwrap(), first);
    // Fresh again, and stale once more.
    record(&state, &Recorded { as_of: "2026-01-03", ..Recorded::new(2, RunOutcome::Succeeded, hours(61)) }).await;
    assert_eq!(notifier.look_around(&state, &project.jobs, at(hours(62))).await.unwrap(), 0);
    assert_eq!(notifier.look_around(&state, &project.jobs, at(hours(110))).await.unwrap(), 1);
}

#[tokio::test]
async fn a_missed_run_is_told_once() {
    let server = HttpServer::start(&[]).await;
    let place = Place::new().told_by_webhook(&server.url);
    let (project, state, time) = (place.project(), place.state().await, Time::at(200));
    let notifier = Notifier::new(&project, IMPATIENT);
    let job = &project.jobs["nightly"];
    let reason = "the deadline of 3 h had passed";
    assert!(notifier.run_missed(&state, job, at(0), reason, time.now()).await.unwrap());
    assert!(!notifier.run_missed(&state, job, at(0), reason, time.now()).await.unwrap());
    notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap();
    let text = server.requests()[0].json()["text"].as_str().unwrap().to_owned();
    assert!(
        text.starts_with("*nightly did not run at 2026-01-02 02:00 GMT: the deadline of 3 h had passed*"),
        "{text}"
    );
}

#[tokio::test]
async fn a_webhook_that_fails_twice_gets_it_at_the_third_try() {
    let server = HttpServer::start(&[Answer::Status(503), Answer::Close]).await;
    let place = Place::new().told_by_webhook(&server.url);
    let (project, state, time) = (place.project(), place.state().await, Time::at(10));
    let notifier = Notifier::new(&project, IMPATIENT);
    let run = Recorded::failed(1, 0);
    record(&state, &run).await;
    notifier.run_ended(&state, &project.jobs["nightly"], &run.run_id, time.now()).await.unwrap();
    assert_eq!(notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap().sent(), 1);
    let bodies: Vec<String> = server.requests().iter().map(|request| request.text()).collect();
    assert_eq!(bodies.len(), 3);
    assert!(bodies.iter().all(|body| *body == bodies[0]), "the same notice, with the same id");
}

#[tokio::test]
async fn a_webhook_that_hangs_is_cut_off_and_tried_later_until_it_is_given_up() {
    let server = HttpServer::start(&[Answer::Hang; 12]).await;
    let place = Place::new().told_by_webhook(&server.url);
    let (project, state, time) = (place.project(), place.state().await, Time::at(10));
    let notifier = Notifier::new(&project, IMPATIENT);
    let run = Recorded::failed(1, 0);
    record(&state, &run).await;
    notifier.run_ended(&state, &project.jobs["nightly"], &run.run_id, time.now()).await.unwrap();
    let began = std::time::Instant::now();
    let report = notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap();
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    let (delivery, error) = report.failed().next().unwrap();
    assert!(matches!(error, SendError::TimedOut(_)) && delivery.is_tried_again);
    assert_eq!(error.to_string(), "there was no answer within 0.3 s");
    assert_eq!((delivery.target.as_str(), server.requests().len()), ("webhook 1 of on_failure", 3));
    // Not at once again, but after two minutes.
    assert!(notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap().deliveries.is_empty());
    time.set(12);
    assert_eq!(notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap().failed().count(), 1);
    // A day later nobody needs to know.
    time.set(60 * 25);
    let report = notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap();
    assert!(!report.failed().next().unwrap().0.is_tried_again);
    time.set(60 * 48);
    assert!(notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap().deliveries.is_empty());
}

#[tokio::test]
async fn a_webhook_that_is_gone_is_not_tried_again() {
    let server = HttpServer::start(&[Answer::Status(404)]).await;
    let place = Place::new().told_by_webhook(&server.url);
    let (project, state, time) = (place.project(), place.state().await, Time::at(10));
    let notifier = Notifier::new(&project, IMPATIENT);
    let run = Recorded::failed(1, 0);
    record(&state, &run).await;
    notifier.run_ended(&state, &project.jobs["nightly"], &run.run_id, time.now()).await.unwrap();
    let report = notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap();
    let (delivery, error) = report.failed().next().unwrap();
    assert!(matches!(error, SendError::Http(404)) && !delivery.is_tried_again);
    assert_eq!(server.requests().len(), 1);
}

fn mailing(port: u16, login: &str) -> Place {
    Place::new()
        .with_variable("SMTP_PASSWORD", SECRET_PASSWORD.to_owned())
        .with_environment(&format!(
            "smtp: {{host: 127.0.0.1, port: {port}, tls: none, from: Lifecycle <lifecycle@example.com>{login}}}\n"
        ))
        .with_job("notify: {on_failure: [{email: [Ann <ann@example.com>, bob@example.com]}]}\n")
}

#[tokio::test]
async fn an_email_says_the_same_in_plain_text() {
    let server = SmtpServer::start(None).await;
    let place = mailing(server.port, ", user: robot, password: \"${env:SMTP_PASSWORD}\"");
    let (project, state, time) = (place.project(), place.state().await, Time::at(10));
    let notifier = Notifier::new(&project, IMPATIENT);
    let run = too_many_rejected(1, 0);
    record(&state, &run).await;
    notifier.run_ended(&state, &project.jobs["nightly"], &run.run_id, time.now()).await.unwrap();
    let report = notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap();
    assert_eq!(report.sent(), 1, "{report:?}");
    let mail = &server.mails()[0];
    assert!(mail.from.contains("<lifecycle@example.com>"), "{}", mail.from);
    assert_eq!(mail.to.len(), 2);
    assert!(mail.login.is_some(), "it signed in");
    let name = place.path("").file_name().unwrap().to_str().unwrap().to_owned();
    let subject = mail.header("Subject").replace(&name, "SHOP");
    assert_eq!(subject, "[lifecycle] nightly failed (SHOP, local, as of 2026-01-01)");
    let id = "<failure.0192f3a4-0000-7000-8000-000000000001@example.com>";
    assert_eq!(mail.header("Message-ID"), id);
    insta::assert_snapshot!(mail.text().replace(&name, "SHOP"), @r"
    nightly failed: landing failed: source `orders`: 12 of 20 rows were rejected, more than the limit of 1%

    Project:     SHOP
    Environment: local
    Job:         nightly
    As of:       2026-01-01
    Run:         0192f3a4-0000-7000-8000-000000000001

    - 12 times: column `amount` is not a number <b>
    - object 1.csv: 12 of 20 rows

    Hint: mend the source's contract

    To look at it:
      lifecycle runs show 0192f3a4-0000
      lifecycle rejected orders

    Notice failure:0192f3a4-0000-7000-8000-000000000001. It may come twice; it is the same then.
    ");
}

#[tokio::test]
async fn a_mail_server_that_refuses_is_told_apart_from_one_that_asks_to_wait() {
    for (code, is_tried_again, tries) in [(550, false, 1), (451, true, 3)] {
        let server = SmtpServer::start(Some(code)).await;
        let place = mailing(server.port, "");
        let (project, state, time) = (place.project(), place.state().await, Time::at(10));
        let notifier = Notifier::new(&project, IMPATIENT);
        let run = Recorded::failed(1, 0);
        record(&state, &run).await;
        notifier.run_ended(&state, &project.jobs["nightly"], &run.run_id, time.now()).await.unwrap();
        let report = notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap();
        let (delivery, error) = report.failed().next().unwrap();
        assert!(matches!(error, SendError::Smtp(found) if *found == code), "{error}");
        assert_eq!((delivery.is_tried_again, server.mails().len()), (is_tried_again, 0), "{tries}");
    }
}

#[tokio::test]
async fn one_target_that_fails_does_not_keep_the_others_from_hearing() {
    let (broken, works) = (HttpServer::start(&[Answer::Hang; 3]).await, HttpServer::start(&[]).await);
    let place = Place::new().with_job(&format!(
        "notify: {{on_failure: [{{webhook: \"{}\"}}, {{webhook: \"{}\"}}]}}\n",
        broken.url, works.url
    ));
    let (project, state, time) = (place.project(), place.state().await, Time::at(10));
    let notifier = Notifier::new(&project, IMPATIENT);
    let run = Recorded::failed(1, 0);
    record(&state, &run).await;
    notifier.run_ended(&state, &project.jobs["nightly"], &run.run_id, time.now()).await.unwrap();
    let report = notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap();
    assert_eq!((report.sent(), report.failed().count(), works.requests().len()), (1, 1, 1));
}

#[tokio::test]
async fn two_processes_that_look_at_once_send_one() {
    let server = HttpServer::start(&[]).await;
    let place = Place::new().told_by_webhook(&server.url);
    let (project, time) = (place.project(), Time::at(30));
    record(&place.state().await, &Recorded::failed(1, 0)).await;
    let mut both = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (project, time, state) = (project.clone(), time.clone(), place.state().await);
        both.spawn(async move {
            let notifier = Notifier::new(&project, IMPATIENT);
            notifier.look_around(&state, &project.jobs, time.now()).await.unwrap();
            notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap().sent()
        });
    }
    let sent: usize = both.join_all().await.into_iter().sum();
    assert_eq!((sent, server.requests().len()), (1, 1));
}
