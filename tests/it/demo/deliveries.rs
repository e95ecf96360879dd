//! What comes after the window: one more day, a corrected object, a late one.

use chrono::Days;
use lifecycle::demo::{DemoError, deliver_correction, deliver_late_object, deliver_next_day};

use super::contract::contracts;
use super::files::{objects, rows};
use super::{small, write};

#[test]
fn one_more_day_delivers_that_day_only() {
    let directory = tempfile::tempdir().unwrap();
    let settings = small(directory.path(), 800, 200);
    let window = write(&settings);
    let next = deliver_next_day(&settings, 1).unwrap();
    let day = settings.last_day + Days::new(1);
    assert_eq!(next.last_day, day);
    assert!(next.objects.iter().all(|object| object.date == day));
    assert!(next.objects.iter().any(|object| object.feed == "orders" && object.rows > 0));
    assert_eq!(objects(directory.path()).len(), window.objects.len() + next.objects.len());
    assert!(next.facts.stages.reached[0] >= window.facts.stages.reached[0]);
}

#[test]
fn a_correction_changes_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let settings = small(directory.path(), 2_000, 100);
    let summary = write(&settings);
    let day = settings.last_day - Days::new(20);
    let path = directory.path().join(format!("raw/orders/date={day}/orders.csv.gz"));
    let before = rows(&path);
    let corrected = deliver_correction(directory.path(), day, settings.last_day).unwrap();
    let after = rows(&path);
    assert_eq!(before.len(), after.len());
    let changed: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
    let [(Ok(old), Ok(new))] = changed[..] else { panic!("one whole line changes, not {changed:?}") };
    assert_eq!(old["order_no"].as_ref(), Some(&corrected.order_no));
    assert_eq!(new["line_no"].as_ref(), Some(&corrected.line_no));
    let cents = |text: &Option<String>| text.as_ref().unwrap().replace('.', "").parse::<i64>().unwrap();
    assert_eq!(cents(&old["net_amount"]), corrected.cents_before);
    assert_eq!(cents(&new["net_amount"]), corrected.cents_now);
    assert!(contracts()["orders"].fault(&changed[0].1.clone()).is_none());
    assert!(summary.facts.scripted.iter().all(|scripted| scripted.customer != corrected.customer_no));
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    assert_eq!(chrono::DateTime::<chrono::Utc>::from(modified).date_naive(), settings.last_day + Days::new(1));
}

#[test]
fn nothing_to_correct_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let settings = small(directory.path(), 0, 5);
    write(&settings);
    let error = deliver_correction(directory.path(), settings.last_day, settings.last_day).unwrap_err();
    assert!(matches!(error, DemoError::NothingToCorrect { .. }), "{error}");
    let error = deliver_correction(directory.path(), settings.last_day + Days::new(9), settings.last_day).unwrap_err();
    assert!(matches!(error, DemoError::Read { .. }), "{error}");
}

#[test]
fn a_late_object_lies_in_its_old_day() {
    let directory = tempfile::tempdir().unwrap();
    let settings = small(directory.path(), 100, 50);
    write(&settings);
    let day = settings.last_day - Days::new(40);
    let late = deliver_late_object(directory.path(), day, "c000001", settings.last_day).unwrap();
    assert_eq!(late.object, format!("raw/orders/date={day}/orders-late.csv.gz"));
    let rows = rows(&directory.path().join(&late.object));
    assert_eq!(rows.len(), 1);
    assert!(contracts()["orders"].fault(&rows[0]).is_none());
    let row = rows[0].as_ref().unwrap();
    assert_eq!(row["order_no"].as_ref(), Some(&late.order_no));
    assert!(row["sold_at"].as_ref().unwrap().starts_with(&day.to_string()));
}
