//! What each type takes and refuses.

use lifecycle::config::{ColumnContract, DataType};

use super::{Zone, column, csv_format, decimal, feed, required};

/// Lands one value a line and gives, in order, the landed value or `refused`.
async fn values(contract: ColumnContract, texts: &[&str]) -> Vec<String> {
    let zone = Zone::new();
    let source = feed("*.csv", csv_format(), vec![required("n", DataType::Integer), contract.clone()]);
    let lines: String =
        texts.iter().enumerate().map(|(row, text)| format!("{row},\"{}\"\n", text.replace('"', "\"\""))).collect();
    zone.put("a.csv", format!("n,{}\n{lines}", contract.from.as_deref().unwrap_or(&contract.name)));
    let report = zone.land(&source).await;
    assert_eq!(report.rows_in() as usize, texts.len());
    let landed = zone.rows(&source).await;
    (0..texts.len())
        .map(|row| {
            let prefix = format!("{row}|");
            landed.iter().find_map(|line| line.strip_prefix(&prefix)).unwrap_or("refused").to_owned()
        })
        .collect()
}

#[tokio::test]
async fn integers() {
    let texts = [
        "7",
        "-7",
        "+7",
        " 7 ",
        "7.0",
        "7.5",
        "7e2",
        "",
        "  ",
        "x",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
    ];
    let expected = [
        "7",
        "-7",
        "7",
        "7",
        "7",
        "refused",
        "700",
        "-",
        "-",
        "refused",
        "9223372036854775807",
        "refused",
        "-9223372036854775808",
    ];
    assert_eq!(values(column("v", DataType::Integer), &texts).await, expected);
}

#[tokio::test]
async fn decimals_are_exact() {
    let texts = [
        "1",
        "1.25",
        "1.2500",
        "1.255",
        "-0.01",
        ".5",
        "5.",
        "1e2",
        "125e-2",
        "1255e-3",
        "999999.99",
        "1000000",
        "1,5",
        "",
        "0e999999999",
        "1e99",
        "-",
    ];
    let expected = [
        "1.00",
        "1.25",
        "1.25",
        "refused",
        "-0.01",
        "0.50",
        "5.00",
        "100.00",
        "1.25",
        "refused",
        "999999.99",
        "refused",
        "refused",
        "-",
        "0.00",
        "refused",
        "refused",
    ];
    assert_eq!(values(column("v", decimal(8, 2)), &texts).await, expected);
    let wide = "12345678901234567890123456789012345.678";
    assert_eq!(values(column("v", decimal(38, 3)), &[wide]).await, [wide]);
}

#[tokio::test]
async fn doubles_are_finite() {
    let texts = ["1.5", "-1e-3", "1e400", "NaN", "inf", "-Infinity", "0x10", "1_000"];
    let expected = ["1.5", "-0.001", "refused", "refused", "refused", "refused", "refused", "refused"];
    assert_eq!(values(column("v", DataType::Double), &texts).await, expected);
}

#[tokio::test]
async fn booleans() {
    let texts = ["true", "FALSE", "t", "no", "1", "0", "2", "maybe", ""];
    let expected = ["true", "false", "true", "false", "true", "false", "refused", "refused", "-"];
    assert_eq!(values(column("v", DataType::Boolean), &texts).await, expected);
}

#[tokio::test]
async fn dates() {
    let texts = [
        "2024-02-29",
        "2023-02-29",
        "0001-01-01",
        "9999-12-31",
        "0000-12-31",
        "20240229",
        "2024-2-9",
        "2024-02-29T10:00:00",
    ];
    let expected = ["2024-02-29", "refused", "0001-01-01", "9999-12-31", "refused", "refused", "refused", "refused"];
    assert_eq!(values(column("v", DataType::Date), &texts).await, expected);
    let formats = vec!["%d-%m-%Y".to_owned(), "%Y%m%d".to_owned()];
    let contract = ColumnContract { formats, ..column("v", DataType::Date) };
    assert_eq!(
        values(contract, &["21-07-2015", "20150721", "2015-07-21"]).await,
        ["2015-07-21", "2015-07-21", "refused"]
    );
}

#[tokio::test]
async fn instants() {
    let texts = [
        "2024-06-01T12:00:00Z",
        "2024-06-01 12:00:00+02:00",
        "2024-06-01T12:00:00.1234567-0530",
        "2024-06-01T12:00",
        "2024-06-01",
        "2024-06-01T24:00:00",
        "2024-06-01T12:00:60",
        "2024-06-01T12:00:00 Z",
        "0001-01-01T00:00:00+01:00",
        "yesterday",
    ];
    let expected = [
        "2024-06-01T12:00:00Z",
        "2024-06-01T10:00:00Z",
        "2024-06-01T17:30:00.123456Z",
        "2024-06-01T12:00:00Z",
        "2024-06-01T00:00:00Z",
        "refused",
        "refused",
        "2024-06-01T12:00:00Z",
        "refused",
        "refused",
    ];
    assert_eq!(values(column("v", DataType::Timestamp), &texts).await, expected);
}

#[tokio::test]
async fn wall_clocks_follow_their_zone() {
    let london = Some(chrono_tz::Tz::Europe__London);
    let contract = ColumnContract { timezone: london, ..column("v", DataType::Timestamp) };
    // 2024-03-31 01:00 to 02:00 does not exist; 2024-10-27 01:00 to 02:00 exists twice.
    let texts = [
        "2024-01-01T09:00:00",
        "2024-07-01T09:00:00",
        "2024-03-31T01:30:00",
        "2024-10-27T01:30:00",
        "2024-07-01T09:00:00Z",
    ];
    let expected =
        ["2024-01-01T09:00:00Z", "2024-07-01T08:00:00Z", "refused", "2024-10-27T00:30:00Z", "2024-07-01T09:00:00Z"];
    assert_eq!(values(contract, &texts).await, expected);
    let formats = ["%d/%m/%Y %H:%M", "%s", "%d/%m/%Y", "%Y-%m-%dT%H:%M:%S%z"].map(str::to_owned).to_vec();
    let contract = ColumnContract { timezone: london, formats, ..column("v", DataType::Timestamp) };
    let texts = ["01/07/2024 09:00", "1719824400", "01/07/2024", "2024-07-01T09:00:00+0200", "31/03/2024 01:30"];
    let expected =
        ["2024-07-01T08:00:00Z", "2024-07-01T09:00:00Z", "2024-06-30T23:00:00Z", "2024-07-01T07:00:00Z", "refused"];
    assert_eq!(values(contract, &texts).await, expected);
}

#[tokio::test]
async fn bounds_accepted_values_nulls_and_other_names() {
    let contract =
        ColumnContract { min: Some("0".to_owned()), max: Some("10.5".to_owned()), ..column("v", decimal(8, 2)) };
    assert_eq!(values(contract, &["0", "-0.01", "10.50", "10.51"]).await, ["0.00", "refused", "10.50", "refused"]);
    let contract = ColumnContract { min: Some("2024-01-01".to_owned()), ..column("v", DataType::Timestamp) };
    assert_eq!(
        values(contract, &["2023-12-31T23:59:59Z", "2024-01-01T00:00:00Z"]).await,
        ["refused", "2024-01-01T00:00:00Z"]
    );
    let contract = ColumnContract {
        from: Some("The Value".to_owned()),
        accepted_values: vec!["a".to_owned(), "b".to_owned()],
        null_values: vec!["n/a".to_owned(), "NULL".to_owned()],
        ..column("v", DataType::String)
    };
    assert_eq!(values(contract.clone(), &["a", "c", "n/a", "NULL", ""]).await, ["a", "refused", "-", "-", "-"]);
    let contract = ColumnContract { required: true, ..contract };
    assert_eq!(values(contract, &["a", "n/a", ""]).await, ["a", "refused", "refused"]);
}

#[tokio::test]
async fn a_contract_that_cannot_be_used_is_an_error() {
    let zone = Zone::new();
    let bound = ColumnContract { max: Some("many".to_owned()), ..column("v", DataType::Integer) };
    let error = zone.try_land(&feed("*.csv", csv_format(), vec![bound])).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "source `feed`: max of `v` is not an integer: `many`");
    let mut source = feed("*.csv", csv_format(), vec![column("v", DataType::Integer)]);
    source.key = vec!["w".to_owned()];
    assert!(zone.try_land(&source).await.is_err());
}
