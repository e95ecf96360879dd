//! Notices and logs of the real binary, and that no secret is in what it leaves.

use serde_json::Value;

use super::servers::{Answer, HttpServer, SmtpServer};
use super::{Place, SECRET_PASSWORD, SECRET_PATH};

const BROKEN: &str = "order_no,customer_no,sold_at,amount,email\n1,ann,2026-01-01T10:00:00Z,ten,ann.secret@example.com\n\
                      2,bob,2026-01-01T11:00:00Z,20.00,bob@example.com\n";

#[tokio::test]
async fn a_run_by_hand_tells_when_it_is_asked_to() {
    let server = HttpServer::start(&[]).await;
    let place = Place::new().told_by_webhook(&server.url);
    place.write("raw/orders/1.csv", BROKEN);
    let night = ["run", "nightly", "--as-of", "2026-01-01"];
    assert_eq!(place.run(&night).await.0, Some(1));
    assert!(server.requests().is_empty());
    let asked = ["run", "nightly", "--as-of", "2026-01-01", "--notify"];
    assert_eq!(place.run(&asked).await.0, Some(1));
    let text = server.requests()[0].json()["text"].as_str().unwrap().to_owned();
    for part in [
        "*nightly failed: landing failed: source `orders`: 1 of 2 rows were rejected, more than the limit of 1%*",
        "1 times: ",
        "amount",
        "object orders/1.csv: 1 of 2 rows",
        "mend the source's contract or the objects",
        "`lifecycle rejected orders`",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(!text.contains("ann.secret"), "{text}");
    place.write("raw/orders/1.csv", &BROKEN.replace("ten", "10.00"));
    assert_eq!(place.run(&asked).await.0, Some(0));
    let text = server.requests()[1].json()["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("*nightly works again, release 1*"), "{text}");
}

#[tokio::test]
async fn what_cannot_be_told_does_not_change_what_a_run_returns() {
    let server = HttpServer::start(&[Answer::Status(404)]).await;
    let place = Place::new().told_by_webhook(&server.url);
    place.write("raw/orders/1.csv", BROKEN);
    let (code, _, stderr) = place.run(&["run", "nightly", "--as-of", "2026-01-01", "--notify"]).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("a notice could not be sent"), "{stderr}");
    assert!(stderr.contains("the server answered with status 404"), "{stderr}");
    assert!(stderr.contains("webhook 1 of on_failure"), "{stderr}");
    assert!(!stderr.contains(SECRET_PATH) && !stderr.contains("127.0.0.1"), "{stderr}");
}

#[tokio::test]
async fn doctor_sends_a_test_to_every_target() {
    let (hook, mail) = (HttpServer::start(&[]).await, SmtpServer::start(None).await);
    let place = Place::new()
        .with_environment(&format!(
            "smtp: {{host: 127.0.0.1, port: {}, tls: none, from: lifecycle@example.com}}\n",
            mail.port
        ))
        .with_variable("ALERT_WEBHOOK", format!("{}/{SECRET_PATH}", hook.url))
        .with_job(
            "notify:\n  on_failure: [{webhook: \"${env:ALERT_WEBHOOK}\"}, {email: [ann@example.com]}]\n  \
             on_missed: [{webhook: \"${env:ALERT_WEBHOOK}\"}]\n",
        );
    let (code, stdout, stderr) = place.run(&["doctor", "--notify", "nightly"]).await;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("webhook 1 of on_failure of nightly: a test was sent"), "{stdout}");
    assert!(stdout.contains("email 2 of on_failure of nightly: a test was sent"), "{stdout}");
    assert_eq!((hook.requests().len(), mail.mails().len()), (1, 1), "each target once");
    assert!(mail.mails()[0].header("Subject").contains("nightly sends a test"));
    let (code, _, stderr) = place.run(&["doctor", "--notify", "nigtly"]).await;
    assert_eq!(code, Some(2), "{stderr}");
    drop(hook);
    let (code, stdout, _) = place.run(&["doctor", "--notify", "nightly"]).await;
    assert_eq!(code, Some(1));
    assert!(stdout.contains("the server cannot be reached") && !stdout.contains(SECRET_PATH), "{stdout}");
}

#[tokio::test]
async fn no_secret_is_in_logs_output_or_state() {
    let hook = HttpServer::start(&[Answer::Status(404), Answer::Status(302), Answer::Close]).await;
    let mail = SmtpServer::start(Some(535)).await;
    let lineage = HttpServer::start(&[Answer::Status(401), Answer::Status(401)]).await;
    let secrets = [SECRET_PATH, "hunter2", SECRET_PASSWORD, "lineage-key-77"];
    let place = Place::new()
        .with_environment(&format!(
            "smtp: {{host: 127.0.0.1, port: {}, tls: none, user: robot, password: \"${{env:SMTP_PASSWORD}}\", from: \
             lifecycle@example.com}}\nopenlineage: {{url: \"${{env:LINEAGE_URL}}\", api_key: \"${{env:LINEAGE_KEY}}\"}}\n",
            mail.port
        ))
        .with_variable("SMTP_PASSWORD", SECRET_PASSWORD.to_owned())
        .with_variable("LINEAGE_URL", format!("{}/{SECRET_PATH}", lineage.url))
        .with_variable("LINEAGE_KEY", "lineage-key-77".to_owned())
        .with_variable("ALERT_WEBHOOK", format!("{}/{SECRET_PATH}", hook.url))
        .with_job("notify: {on_failure: [{webhook: \"${env:ALERT_WEBHOOK}\"}, {email: [ann@example.com]}]}\n");
    place.write("raw/orders/1.csv", BROKEN);
    let otlp = format!("http://user:{SECRET_PASSWORD}@127.0.0.1:9/{SECRET_PATH}");
    let mut said = String::new();
    for format in ["text", "json"] {
        let night =
            ["run", "nightly", "--as-of", "2026-01-01", "--notify", "-vvv", "--log-format", format, "--otlp", &otlp];
        let (code, stdout, stderr) = place.run(&night).await;
        assert_eq!(code, Some(1), "{stderr}");
        said.push_str(&stdout);
        said.push_str(&stderr);
    }
    for command in [&["status", "-o", "json"][..], &["runs", "-o", "json"], &["doctor", "--notify", "nightly"]] {
        let (_, stdout, stderr) = place.run(command).await;
        said.push_str(&stdout);
        said.push_str(&stderr);
    }
    for error in ["answered with status 404", "answered with status 302", "the server does not speak as expected"] {
        assert!(said.contains(error), "{error} in\n{said}");
    }
    for secret in secrets {
        let line = said.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{secret}: {line:?}");
    }
    assert_eq!(place.state_holds(&secrets), Vec::<String>::new());
    assert_eq!(place.state_holds(&["127.0.0.1:"]), Vec::<String>::new());
}

#[tokio::test]
async fn every_line_within_a_run_has_its_id() {
    let place = Place::new();
    place.write("raw/orders/2.csv", "order_no,customer_no,sold_at,amount\n9,cat,2026-01-01T10:00:00Z,1.00\n");
    let (code, _, stderr) =
        place.run(&["run", "nightly", "--as-of", "2026-01-01", "-vvv", "--log-format", "json"]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let lines: Vec<Value> = stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let run_id = lines.iter().find_map(|line| line["run_id"].as_str()).unwrap().to_owned();
    let first = lines.iter().position(|line| line["run_id"].is_string()).unwrap();
    let messages: Vec<&str> = lines.iter().filter_map(|line| line["message"].as_str()).collect();
    assert!(messages.contains(&"landed") && messages.contains(&"built"), "{messages:?}");
    // Libraries log from threads of their own, which know no run.
    let is_ours = |line: &&Value| line["target"].as_str().is_none_or(|target| target.starts_with("lifecycle"));
    for line in lines[first..].iter().filter(is_ours) {
        assert_eq!(line["run_id"], run_id.as_str(), "{line}");
        assert_eq!((line["job"].as_str(), line["as_of"].as_str()), (Some("nightly"), Some("2026-01-01")), "{line}");
    }
    let built = lines.iter().find(|line| line["message"] == "built").unwrap();
    assert_eq!(built["model"], "marts.totals");
    // Also what went wrong.
    place.write("raw/orders/1.csv", BROKEN);
    let (_, _, stderr) = place.run(&["run", "nightly", "--as-of", "2026-01-01", "--log-format", "json"]).await;
    let error: Value = serde_json::from_str(stderr.lines().last().unwrap()).unwrap();
    assert_eq!((error["level"].as_str(), error["job"].as_str()), (Some("error"), Some("nightly")));
    assert!(error["run_id"].is_string(), "{error}");
}
