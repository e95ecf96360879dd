//! How Delta logs grow: nobody but Delta cleans them.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field, Schema};
use lifecycle::publish::{Contents, set_files};
use lifecycle::storage::{Stores, Warehouse};
use std::sync::Arc;
use url::Url;

/// Commits are made by changing the description of a table without files.
#[tokio::test]
#[ignore = "long: 250 commits"]
async fn the_log_of_a_table_of_many_nights() {
    let folder = tempfile::tempdir().unwrap();
    let url = Url::from_directory_path(folder.path()).unwrap();
    let warehouse = Warehouse::new(&Stores::new(&BTreeMap::new()), &url);
    let table = warehouse.table("marts", "nights").unwrap();
    let schema = Arc::new(Schema::new(vec![Field::new("day", DataType::Date32, true)]));
    let mut base = None;
    for number in 0..250 {
        let contents = Contents {
            schema: schema.clone(),
            partition_columns: Vec::new(),
            files: Vec::new(),
            description: Some(format!("Night {number}.")),
            facts: Default::default(),
        };
        // A column that comes and goes makes each commit a change.
        let contents = Contents {
            schema: if number % 2 == 0 {
                schema.clone()
            } else {
                Arc::new(Schema::new(vec![
                    Field::new("day", DataType::Date32, true),
                    Field::new("more", DataType::Utf8, true),
                ]))
            },
            ..contents
        };
        base = Some(set_files(&table, base.as_ref(), &contents, "run").await.unwrap());
    }
    let names: Vec<String> = std::fs::read_dir(folder.path().join("marts/nights/_delta_log"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let commits = names.iter().filter(|name| name.ends_with(".json")).count();
    let mut others: Vec<&String> = names.iter().filter(|name| !name.ends_with(".json")).collect();
    others.sort();
    println!("after 250 commits: {commits} commits, and {others:?}");
    assert_eq!(base.unwrap().version, 249);
    assert!(others.iter().any(|name| name.contains("checkpoint")), "{others:?}");
}
