//! News that are found late, by whoever looks, and notices that wait for others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lifecycle::state::{Decision, Notice, NoticeKind, RunOutcome, ScheduledEnd, State, Trigger, Verdict};
use lifecycle::watch::Notifier;

use super::servers::{Answer, HttpServer};
use super::{IMPATIENT, Place, Recorded, Time, at, record};

#[tokio::test]
async fn a_notice_of_what_is_long_past_is_tried_as_long_as_a_new_one() {
    let server = HttpServer::start(&[Answer::Status(503); 3]).await;
    let place = Place::new().told_by_webhook(&server.url);
    // Nobody was there for 30 hours, and the network comes a little later.
    let (project, state, time) = (place.project(), place.state().await, Time::at(60 * 30));
    let notifier = Notifier::new(&project, IMPATIENT);
    assert!(
        notifier.run_missed(&state, &project.jobs["nightly"], at(0), "nobody was there", time.now()).await.unwrap()
    );
    let report = notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap();
    assert!(report.failed().next().unwrap().0.is_tried_again);
    time.set(60 * 30 + 3);
    assert_eq!(notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap().sent(), 1);
}

/// A run that was due, and whose owner recorded nothing but that it failed.
async fn fail_alone(state: &State, due: i64, message: Option<&str>) {
    let basis = state.begin_schedule("nightly", "a", at(due - 1)).await.unwrap();
    let verdict = Verdict::Start { is_made_up: false };
    let as_of = "2026-01-01".parse().unwrap();
    let decision = Decision { instant: at(due), first: at(due), instants: 1, as_of, verdict, answers: None };
    assert!(state.decide(&basis, &[decision], &[], at(due), "tester", at(due)).await.unwrap());
    let open = state.open_scheduled_runs().await.unwrap();
    let claim = state.claim_scheduled_run(&open[0], "tester", Duration::from_secs(60), at(due)).await.unwrap().unwrap();
    let message = message.map(str::to_owned);
    let end = ScheduledEnd { run_id: None, outcome: RunOutcome::Failed, message };
    assert!(state.finish_claim(&claim, &end, at(due + 1)).await.unwrap());
}

#[tokio::test]
async fn a_scheduled_run_that_failed_without_a_trace_of_its_own_is_told_once() {
    let server = HttpServer::start(&[]).await;
    let place = Place::new().told_by_webhook(&server.url);
    let (project, state, time) = (place.project(), place.state().await, Time::at(30));
    let notifier = Notifier::new(&project, IMPATIENT);
    let job = &project.jobs["nightly"];
    // Whoever was there heard of it, and could not write it down.
    fail_alone(&state, 0, Some("its process died 3 times while it was at work")).await;
    assert_eq!(notifier.look_around(&state, &project.jobs, time.now()).await.unwrap(), 1);
    assert_eq!(notifier.look_around(&state, &project.jobs, time.now()).await.unwrap(), 0);
    assert!(!notifier.run_never_began(&state, job, at(0), None, at(1), time.now()).await.unwrap());
    // The other way round: what was told is not found again.
    fail_alone(&state, 40, None).await;
    time.set(45);
    assert!(notifier.run_never_began(&state, job, at(40), None, at(41), time.now()).await.unwrap());
    assert_eq!(notifier.look_around(&state, &project.jobs, time.now()).await.unwrap(), 0);
    notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap();
    let texts: Vec<String> =
        server.requests().iter().map(|request| request.json()["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts.len(), 2);
    let of = |first: &str| texts.iter().find(|text| text.lines().next().unwrap() == first).unwrap();
    let died = of("*nightly failed: its process died 3 times while it was at work*");
    assert!(died.contains("• it was due at 2026-01-02 02:00 GMT\n") && !died.contains("could not begin"), "{died}");
    of("*nightly failed: it could not begin*");
    // A good run afterwards is the recovery.
    record(&state, &Recorded::new(1, RunOutcome::Succeeded, 50)).await;
    assert_eq!(notifier.look_around(&state, &project.jobs, at(60)).await.unwrap(), 1);
    // Days later nothing of it is news.
    let old = Place::new().told_by_webhook(&server.url);
    fail_alone(&old.state().await, 0, None).await;
    assert_eq!(notifier.look_around(&old.state().await, &project.jobs, at(60 * 24 * 4)).await.unwrap(), 0);
}

#[tokio::test]
async fn a_failed_run_is_found_behind_the_days_of_a_backfill() {
    let server = HttpServer::start(&[]).await;
    let place = Place::new().told_by_webhook(&server.url);
    let (project, state) = (place.project(), place.state().await);
    record(&state, &Recorded::failed(1, 0)).await;
    for number in 2..32 {
        let minutes = i64::from(number) * 3;
        let day = Recorded { trigger: Trigger::Backfill, ..Recorded::new(number, RunOutcome::Succeeded, minutes) };
        record(&state, &day).await;
    }
    let notifier = Notifier::new(&project, IMPATIENT);
    assert_eq!(notifier.look_around(&state, &project.jobs, at(120)).await.unwrap(), 1);
}

#[tokio::test]
async fn all_that_is_due_is_sent_however_much_it_is() {
    let server = HttpServer::start(&[]).await;
    let place = Place::new().told_by_webhook(&server.url);
    let (project, state, time) = (place.project(), place.state().await, Time::at(300));
    let notifier = Notifier::new(&project, IMPATIENT);
    for number in 0..20 {
        notifier.run_missed(&state, &project.jobs["nightly"], at(number), "too late", time.now()).await.unwrap();
    }
    assert_eq!(notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap().sent(), 20);
    let bodies: BTreeSet<String> = server.requests().iter().map(|request| request.text()).collect();
    assert_eq!((bodies.len(), server.requests().len()), (20, 20));
}

#[tokio::test]
async fn a_checkout_that_lacks_a_job_leaves_its_notices_to_others() {
    let server = HttpServer::start(&[]).await;
    let place = Place::new().told_by_webhook(&server.url);
    let (project, state, time) = (place.project(), place.state().await, Time::at(10));
    let notifier = Notifier::new(&project, IMPATIENT);
    notifier.run_missed(&state, &project.jobs["nightly"], at(0), "too late", time.now()).await.unwrap();
    let elsewhere = BTreeMap::from([("hourly".to_owned(), project.jobs["nightly"].clone())]);
    assert!(notifier.send_due(&state, &elsewhere, &time.clock()).await.unwrap().deliveries.is_empty());
    assert_eq!(notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap().sent(), 1);
}

#[tokio::test]
async fn a_notice_that_cannot_be_read_is_given_up_and_said_to_be() {
    let server = HttpServer::start(&[]).await;
    let place = Place::new().told_by_webhook(&server.url);
    let (project, state, time) = (place.project(), place.state().await, Time::at(10));
    let notice = Notice {
        notice_id: "missed:nightly:x".to_owned(),
        job: "nightly".to_owned(),
        kind: NoticeKind::Missed,
        run_id: None,
        happened_at: at(0),
        message: "{}".to_owned(),
    };
    // As a newer version of the program may write it; and for a target that the job's file no longer has.
    state.record_notice(&notice, 2, at(0)).await.unwrap();
    let notifier = Notifier::new(&project, IMPATIENT);
    let report = notifier.send_due(&state, &project.jobs, &time.clock()).await.unwrap();
    let errors: BTreeSet<String> = report.failed().map(|(_, error)| error.to_string()).collect();
    let expected = ["the job's file no longer names this target", "the recorded notice cannot be read"];
    assert_eq!(errors.iter().collect::<Vec<_>>(), expected);
    assert!(report.failed().all(|(delivery, _)| !delivery.is_tried_again) && server.requests().is_empty());
}
