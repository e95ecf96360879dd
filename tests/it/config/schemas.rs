//! The committed JSON Schemas are those of the types.

use std::path::Path;

/// Set `LIFECYCLE_UPDATE_SCHEMAS=1` to write the schemas anew.
#[test]
fn committed_schemas_are_generated_from_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/schemas");
    for (name, schema) in lifecycle::config::json_schemas() {
        let path = folder.join(format!("{name}.schema.json"));
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).expect("a schema"));
        if std::env::var_os("LIFECYCLE_UPDATE_SCHEMAS").is_some() {
            std::fs::write(&path, &text).expect("a written schema");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "{} differs: run the tests with LIFECYCLE_UPDATE_SCHEMAS=1", path.display());
    }
}

#[test]
fn schemas_refuse_unknown_keys_and_nulls() {
    for (name, schema) in lifecycle::config::json_schemas() {
        assert_eq!(schema["additionalProperties"], false, "{name}");
        assert!(!schema.to_string().contains("\"null\""), "{name} allows null somewhere");
        assert!(
            !schema.to_string().contains("\"$ref\""),
            "{name} refers to a subschema, which the checker does not follow"
        );
    }
}

#[test]
fn shipped_files_name_their_schema_in_the_first_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["config", "jobs", "sql/staging", "sql/intermediate", "sql/marts", "sql/seeds", "tests/sql"] {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { continue };
        for path in entries.map(|entry| entry.expect("an entry").path()) {
            if path.extension().is_none_or(|ending| ending != "yaml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a file");
            let first = text.lines().next().unwrap_or_default();
            let schema = first.strip_prefix("# yaml-language-server: $schema=").unwrap_or_default();
            let target = path.parent().expect("a folder").join(schema);
            assert!(!schema.is_empty() && target.is_file(), "{}: the first line names no schema", path.display());
        }
    }
}
