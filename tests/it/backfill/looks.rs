//! How a backfill is seen: while it works, from elsewhere, and as data.

use super::disturbed::{Holder, kiosk, newest_backfill, stop_between_days};
use super::kiosk::{DAYS, Kiosk};

/// One blank between words.
fn squeezed(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// What `status` says under `backfills`.
fn lines(kiosk: &Kiosk) -> Vec<String> {
    let all = squeezed(&kiosk.0.lifecycle(&["status"]).expect(0).stdout);
    all.into_iter().skip_while(|line| line != "backfills").skip(1).collect()
}

fn list(kiosk: &Kiosk) -> Vec<String> {
    squeezed(&kiosk.0.lifecycle(&["backfill", "list"]).expect(0).stdout)
}

#[test]
fn each_day_is_told_with_how_far_it_is_and_what_is_left() {
    let kiosk = kiosk();
    let ran = kiosk.backfill(0, 3, &["--parallel", "1", "--log-format", "json"]).expect(0);
    let lines: Vec<serde_json::Value> = ran.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let days: Vec<&serde_json::Value> = lines.iter().filter(|line| line.get("days_done").is_some()).collect();
    assert_eq!(days.len(), 4, "{lines:?}");
    let id = newest_backfill(&kiosk);
    for (number, line) in days.iter().enumerate() {
        assert_eq!(
            (&line["backfill_id"], &line["job"], &line["status"]),
            (&id.as_str().into(), &"nightly".into(), &"done".into())
        );
        assert_eq!((&line["days_done"], &line["days"]), (&(number + 1).into(), &4.into()));
        assert!(line["run_id"].is_string() && line["seconds"].as_f64().unwrap() > 0.0, "{line}");
        // None before two days are done, none when nothing is left.
        assert!((1..3).contains(&number) || line["seconds_left"].is_null(), "{line}");
    }
    let message = days[3]["message"].as_str().unwrap();
    assert!(message.starts_with("2025-11-29: ") && message.ends_with("(4 of 4)"), "{message}");
}

#[test]
fn a_backfill_is_seen_from_elsewhere_with_its_days() {
    let kiosk = kiosk();
    let holder = Holder::new(&kiosk);
    assert!(lines(&kiosk).is_empty());
    let (mut child, next) = stop_between_days(&kiosk, &holder);
    let (id, done) = (newest_backfill(&kiosk), holder.days("done"));
    let left = DAYS - 1 - done;
    let percent = done * 100 / (DAYS - 1);
    let counted = format!("{done} of 7 days done ({percent} %), {left} waiting");
    let line = lines(&kiosk).remove(0);
    let expected = format!("{} nightly 2025-11-26 to 2025-12-02: running, {counted}", &id[..13]);
    assert!(line.starts_with(&expected), "{line}");
    let listed = list(&kiosk);
    assert_eq!(listed[0], "backfill job from to which status done left failed % time left");
    let expected = format!("{} nightly 2025-11-26 2025-12-02 missing running {done} {left} 0 {percent}", &id[..13]);
    assert!(listed[1].starts_with(&expected), "{listed:?}");
    kiosk.0.lifecycle(&["backfill", "pause", &id]).expect(0);
    assert_eq!(child.wait().unwrap().code(), Some(3));
    holder.give_back(&next);

    let shown = squeezed(&kiosk.0.lifecycle(&["backfill", "show", &id[..14]]).expect(0).stdout);
    assert_eq!(shown[0], format!("backfill {id}"));
    assert_eq!(
        shown[1..3],
        ["job nightly, environment local", "days 2025-11-26 to 2025-12-02, missing, the oldest first"]
    );
    assert!(shown[4].starts_with("status paused by ") && shown[4].contains(" at 20"), "{shown:?}");
    assert_eq!(shown[5], format!("progress {counted}"));
    let table = shown.iter().position(|line| line == "day status attempts run took message").unwrap();
    assert!(shown[table + 1].starts_with("2025-11-26 done 1 0"), "{shown:?}");
    assert_eq!(shown.last().unwrap(), "2025-12-02 pending 0");
    assert_eq!(shown.len(), table + 8);
    // A pace needs two days.
    assert_eq!(shown.iter().any(|line| line.starts_with("pace ")), done > 1, "{shown:?}");

    let json: serde_json::Value =
        serde_json::from_str(&kiosk.0.lifecycle(&["backfill", "show", &id, "-o", "json"]).expect(0).stdout).unwrap();
    assert_eq!(json["days"].as_array().unwrap().len(), 7);
    assert_eq!(
        (&json["days_done"], &json["days_pending"], &json["percent"]),
        (&done.into(), &left.into(), &percent.into())
    );
    assert_eq!(json["days_per_minute"].is_number(), done > 1);
    assert!(json["estimated_end"].is_null() && json["paused_at"].is_string(), "{json}");
    let first = &json["days"][0];
    assert_eq!(
        (&first["as_of"], &first["status"], &first["attempts"]),
        (&"2025-11-26".into(), &"done".into(), &1.into())
    );
    assert!(first["run_id"].is_string() && first["seconds"].is_number() && first["message"].is_null(), "{first}");

    kiosk.0.lifecycle(&["backfill", "resume", &id]).expect(0);
    assert!(lines(&kiosk).is_empty());
    assert!(list(&kiosk)[1].ends_with("missing done 7 0 0 100"), "{:?}", list(&kiosk));
}
