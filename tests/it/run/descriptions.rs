//! What a table says of itself travels with it, into the metadata that readers of Delta see.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Shop, last_day};

/// Description and column comments of a Delta table's newest metadata, read from the log's own JSON.
fn metadata(shop: &Shop, table: &str) -> (String, BTreeMap<String, String>) {
    let log = shop.path("warehouse").join(table.replace('.', "/")).join("_delta_log");
    let mut entries: Vec<_> = std::fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    entries.sort();
    let mut actions = entries.iter().flat_map(|path| {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
    });
    let newest = actions.rfind(|action| action.get("metaData").is_some()).unwrap();
    let schema: Value = serde_json::from_str(newest["metaData"]["schemaString"].as_str().unwrap()).unwrap();
    let columns = schema["fields"].as_array().unwrap().iter().map(|field| {
        let comment = field["metadata"]["comment"].as_str().unwrap_or_default();
        (field["name"].as_str().unwrap().to_owned(), comment.to_owned())
    });
    (newest["metaData"]["description"].as_str().unwrap_or_default().to_owned(), columns.collect())
}

#[test]
fn every_published_table_and_column_says_what_it_is() {
    let shop = Shop::after_first_night();
    let project = shop.project();
    let release = shop.release();
    let mut seen = 0;
    for (name, model) in &project.models {
        if !release.tables.contains_key(&name.to_string()) {
            continue;
        }
        let (description, comments) = metadata(&shop, &name.to_string());
        assert_eq!(description, model.description.trim(), "{name}");
        for column in &model.columns {
            let words = column.description.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(comments[&column.name], words, "{name}.{}", column.name);
            assert!(!words.is_empty(), "{name}.{} says nothing", column.name);
        }
        seen += 1;
    }
    assert!(seen > 20, "only {seen} tables");
    let (description, comments) = metadata(&shop, "marts.churn_history");
    assert!(description.starts_with("Snapshots of: "), "{description}");
    assert!(!comments["as_of"].is_empty() && !comments["category"].is_empty(), "{comments:?}");
}

#[test]
fn a_rollback_brings_the_words_back_too() {
    let shop = Shop::after_first_night();
    let before = metadata(&shop, "marts.referral_goal");
    shop.edit("sql/marts/referral_goal.yaml", "description: >", "description: >\n  Edited.");
    shop.lifecycle(&[
        "run",
        "nightly",
        "-s",
        "marts.referral_goal",
        "--as-of",
        &last_day().to_string(),
        "--var",
        "referral_goal=0.5",
    ])
    .expect(0);
    assert!(metadata(&shop, "marts.referral_goal").0.starts_with("Edited."));
    shop.lifecycle(&["rollback"]).expect(0);
    assert_eq!(metadata(&shop, "marts.referral_goal"), before);
}
