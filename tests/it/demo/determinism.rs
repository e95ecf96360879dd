//! The same settings give the same bytes; others do not.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use lifecycle::demo::{DemoError, DemoSettings, deliver_next_day, generate};

use super::files::objects;
use super::{small, write};

fn contents(directory: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let read = |object: String| {
        let path = directory.join(&object);
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        (object, (std::fs::read(path).unwrap(), modified))
    };
    objects(directory).into_iter().map(read).collect()
}

#[test]
fn the_same_settings_give_the_same_bytes_and_times() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first_summary = write(&small(first.path(), 600, 560));
    let second_summary = write(&small(second.path(), 600, 560));
    assert_eq!(first_summary, second_summary);
    assert!(contents(first.path()) == contents(second.path()), "bytes or times differ");
}

#[test]
fn another_seed_gives_another_business() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first_summary = write(&small(first.path(), 200, 30));
    let second_summary = write(&DemoSettings { seed: 2, ..small(second.path(), 200, 30) });
    assert_ne!(first_summary.feeds["orders"], second_summary.feeds["orders"]);
}

#[test]
fn a_later_day_changes_no_earlier_object() {
    let (directory, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let settings = small(directory.path(), 600, 560);
    write(&settings);
    let window = contents(directory.path());
    let elsewhere = DemoSettings { directory: after.path().to_owned(), ..settings.clone() };
    let first = deliver_next_day(&settings, 1).unwrap();
    let both = contents(directory.path());
    assert_eq!(both.len(), window.len() + first.objects.len());
    assert!(window.iter().all(|(object, content)| both[object] == *content));
    // The second day is the same whether the first was delivered before it or not.
    deliver_next_day(&settings, 2).unwrap();
    deliver_next_day(&elsewhere, 2).unwrap();
    let both = contents(directory.path());
    assert!(contents(after.path()).iter().all(|(object, content)| both[object] == *content));
}

#[test]
fn objects_are_dated_to_the_night_after_their_day() {
    let directory = tempfile::tempdir().unwrap();
    let summary = write(&small(directory.path(), 300, 60));
    for object in &summary.objects {
        let modified = std::fs::metadata(directory.path().join(&object.path)).unwrap().modified().unwrap();
        let modified = chrono::DateTime::<chrono::Utc>::from(modified).date_naive();
        let nights = if object.is_corrected { 4 } else { 1 };
        assert_eq!((modified - object.date).num_days(), nights, "{}", object.path);
    }
    assert_eq!(summary.objects.iter().filter(|object| object.is_corrected).count(), 1);
}

#[test]
fn a_folder_with_raw_objects_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let settings = small(directory.path(), 10, 3);
    write(&settings);
    let error = generate(&settings, &mut |_| {}).unwrap_err();
    assert!(matches!(error, DemoError::NotEmpty { .. }), "{error}");
}

#[test]
fn impossible_settings_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    for settings in
        [small(directory.path(), 10, 0), small(directory.path(), 10, 10_001), small(directory.path(), u32::MAX, 5)]
    {
        let error = generate(&settings, &mut |_| {}).unwrap_err();
        assert!(matches!(error, DemoError::Settings { .. }), "{error}");
    }
    assert!(!directory.path().join("raw").exists());
    assert!(deliver_next_day(&small(directory.path(), 10, 10), 32).is_err());
}
