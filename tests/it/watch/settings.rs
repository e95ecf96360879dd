//! The keys of the YAML.

use std::time::Duration;

use lifecycle::config::{
    LineageTarget, NotifyTarget, Problems, SmtpTls, load_environment, load_jobs_alone, load_project,
    load_project_to_look,
};

use super::{Place, SECRET_PASSWORD, SECRET_PATH};

const SMTP: &str = "smtp: {host: mail.example.com, tls: tls, user: robot, password: \"${env:SMTP_PASSWORD}\", \
                    from: Lifecycle <lifecycle@example.com>}\n";

fn problems_of(place: &Place) -> Problems {
    let read = |name: &str| (name == "HOOK").then(|| format!("https://hooks.example.com/{SECRET_PATH}"));
    load_project(&place.path(""), "local", &read).unwrap_err()
}

#[track_caller]
fn one_problem(place: &Place) -> (usize, String) {
    let problems = problems_of(place);
    assert_eq!(problems.0.len(), 1, "{problems}");
    let problem = &problems.0[0];
    (problem.line.unwrap(), format!("{}; {}", problem.message, problem.hint.clone().unwrap_or_default()))
}

#[test]
fn targets_and_servers_are_read() {
    let place = Place::new()
        .with_environment(SMTP)
        .with_environment("openlineage: {folder: lineage, namespace: shop}\n")
        .with_variable("SMTP_PASSWORD", SECRET_PASSWORD.to_owned())
        .with_job(
            "freshness: 1d12h\nnotify:\n  on_failure: [{webhook: \"https://example.com/x\"}, {email: [ann@example.com, \
             Bob B <bob@example.com>]}]\n  on_stale: [{email: [ann@example.com]}]\n",
        );
    let project = place.project();
    let job = &project.jobs["nightly"];
    assert_eq!(job.freshness, Some(Duration::from_secs(36 * 3_600)));
    let both = vec!["ann@example.com".to_owned(), "Bob B <bob@example.com>".to_owned()];
    let expected = [NotifyTarget::Webhook("https://example.com/x".to_owned()), NotifyTarget::Email(both)];
    assert_eq!(job.notify.on_failure, expected);
    assert_eq!((job.notify.on_recovery.len(), job.notify.on_stale.len()), (0, 1));
    let smtp = project.environment.smtp.clone().unwrap();
    assert_eq!((smtp.port, smtp.tls), (465, SmtpTls::Tls));
    assert_eq!(smtp.login.clone().unwrap().password, SECRET_PASSWORD);
    let lineage = project.environment.openlineage.clone().unwrap();
    assert_eq!(lineage.namespace, "shop");
    assert!(matches!(&lineage.target, LineageTarget::Folder(folder) if folder.0.path().ends_with("/lineage")));
    let shown = format!("{:?} {:?}", project.environment, job);
    assert!(!shown.contains(SECRET_PASSWORD) && !shown.contains("example.com/x"), "{shown}");
}

#[test]
fn each_mistake_has_its_place() {
    let job = |keys: &str| Place::new().with_job(keys);
    let (line, text) = one_problem(&job("notify: {on_failure: [{email: [ann@example.com]}]}\n"));
    assert_eq!(line, 17);
    assert_eq!(
        text,
        "`email` needs a server, but the environment has no `smtp`; add `smtp: {host: …, from: …}` to the \
         environment's file under config/"
    );
    let (_, text) = one_problem(&job("notify: {on_failure: [{}]}\n"));
    assert_eq!(text, "the target is empty, expected `webhook: URL` or `email: [ADDRESS]`; ");
    let (_, text) = one_problem(&job("notify: {on_stale: [{webhook: \"https://x.example.com\"}]}\n"));
    assert_eq!(
        text,
        "`on_stale` without a `freshness` is never told; say how old the data may become: `freshness: 36h`"
    );
    let (_, text) = one_problem(&job("freshness: \"36\"\n"));
    assert_eq!(
        text,
        "`freshness` is `36`, expected a duration such as `30s`, `10m`, `24h` or `7d`; add a unit: `36s` is 36 seconds"
    );
    let (_, text) = one_problem(&job("freshness: 0h\n"));
    assert_eq!(text, "`freshness` is `0h`, expected a duration such as `36h`; ");
    let (_, text) = one_problem(&job("notify: {on_failur: []}\n"));
    assert!(text.contains("unknown key `on_failur`") && text.contains("did you mean `on_failure`?"), "{text}");
    // What came from the environment is not shown, also where it is wrong.
    let (_, text) = one_problem(&job("notify: {on_failure: [{webhook: \"ftp:${env:HOOK}\"}]}\n"));
    assert_eq!(text, "`webhook` is `ftp:${env:HOOK}`, expected a URL that begins with `https://`; ");

    let environment = |keys: &str| Place::new().with_environment(keys);
    let (_, text) = one_problem(&environment("smtp: {host: mail.example.com, from: nobody}\n"));
    assert!(text.starts_with("`from` is `nobody`, expected an address such as"), "{text}");
    let problems = problems_of(&environment(&format!(
        "smtp: {{host: mail.example.com, from: a@example.com, user: robot, password: {SECRET_PASSWORD}}}\n"
    )));
    assert!(problems.to_string().contains("`password` is a secret, expected `${env:NAME}`"), "{problems}");
    assert!(!problems.to_string().contains(SECRET_PASSWORD), "{problems}");
    let (_, text) = one_problem(&environment("smtp: {host: mail.example.com, from: a@example.com, tls: ssl}\n"));
    assert!(text.contains("expected one of `starttls`, `tls`, `none`"), "{text}");
    let (_, text) = one_problem(&environment("openlineage: {namespace: shop}\n"));
    assert!(text.starts_with("`openlineage` needs a `url` or a `folder`"), "{text}");
}

#[test]
fn jobs_are_read_without_the_models_and_one_mistake_leaves_the_others() {
    let place = Place::new().with_job("freshness: 36h\n");
    place.write("sql/marts/totals.yaml", "columns: 7\n");
    place.write("jobs/broken.yaml", "sauces: {}\n");
    let read = load_jobs_alone(&place.path(""), "local", &|_| None).unwrap();
    assert_eq!(read.jobs.keys().collect::<Vec<_>>(), ["nightly"]);
    assert!(read.problems.0.iter().all(|problem| problem.file.ends_with("broken.yaml")), "{}", read.problems);
    assert!(!read.problems.is_empty());
}

#[test]
fn whoever_only_looks_needs_no_secret_of_those_who_are_told() {
    let place = Place::new()
        .with_environment(SMTP)
        .with_environment("openlineage: {url: \"${env:LINEAGE_URL}\"}\n")
        .with_job("notify: {on_failure: [{webhook: \"${env:HOOK}\"}, {email: [ann@example.com]}]}\n");
    let (root, nothing) = (place.path(""), |_: &str| None);
    let project = load_project_to_look(&root, "local", &nothing).unwrap();
    assert!(project.jobs["nightly"].notify.is_empty() && project.environment.smtp.is_none());
    assert!(load_environment(&root, "local", &nothing).is_ok());
    let read = load_jobs_alone(&root, "local", &nothing).unwrap();
    assert!(read.problems.is_empty() && read.jobs.contains_key("nightly"), "{}", read.problems);
    let problems = load_project(&root, "local", &nothing).unwrap_err().to_string();
    for variable in ["SMTP_PASSWORD", "LINEAGE_URL", "HOOK"] {
        assert!(problems.contains(&format!("the environment variable `{variable}` is not set")), "{problems}");
    }
    // Other secrets are needed by everybody.
    let place = place.with_environment("parameters: {shop: \"${env:SHOP}\"}\n");
    assert!(load_project_to_look(&place.path(""), "local", &nothing).is_err());
}
