//! Texts of the types that contracts, models and seeds use.

use lifecycle::config::{DataType, Value};

#[test]
fn texts_are_parsed_without_rounding() {
    let money = DataType::Decimal { precision: 18, scale: 2 };
    let small = DataType::Decimal { precision: 3, scale: 3 };
    for (text, data_type, expected) in [
        ("12.30", money, Some(Value::Decimal(1230))),
        ("-0.5", money, Some(Value::Decimal(-50))),
        ("+7", money, Some(Value::Decimal(700))),
        ("7.", money, Some(Value::Decimal(700))),
        (".05", money, Some(Value::Decimal(5))),
        ("1.2300", money, Some(Value::Decimal(123))),
        ("1.005", money, None),
        ("1e3", money, None),
        (".", money, None),
        ("-", money, None),
        ("12345678901234567.00", money, None),
        ("1234567890123456.78", money, Some(Value::Decimal(123_456_789_012_345_678))),
        ("0.999", small, Some(Value::Decimal(999))),
        ("1", small, None),
        ("9223372036854775807", DataType::Integer, Some(Value::Integer(i64::MAX))),
        ("9223372036854775808", DataType::Integer, None),
        ("1.0", DataType::Integer, None),
        (" 1", DataType::Integer, None),
        ("1e-3", DataType::Double, Some(Value::Double(0.001))),
        ("inf", DataType::Double, None),
        ("True", DataType::Boolean, Some(Value::Boolean(true))),
        ("yes", DataType::Boolean, None),
        ("", DataType::String, Some(Value::Text(String::new()))),
    ] {
        assert_eq!(Value::parse(text, data_type), expected, "{text} as {data_type}");
    }
}

#[test]
fn dates_and_timestamps_are_iso_8601() {
    let parses = |text: &str, data_type| Value::parse(text, data_type).is_some();
    for text in ["2024-02-29", "1900-01-01"] {
        assert!(parses(text, DataType::Date) && parses(text, DataType::Timestamp), "{text}");
    }
    for text in ["2023-02-29", "2024-2-9", "29/02/2024", "2024-02-29T00:00:00", ""] {
        assert!(!parses(text, DataType::Date), "{text}");
    }
    let instant = |text: &str| match Value::parse(text, DataType::Timestamp) {
        Some(Value::Timestamp(instant)) => instant.timestamp_micros(),
        other => panic!("{text}: {other:?}"),
    };
    let noon = 1_709_208_000_000_000;
    for text in [
        "2024-02-29T12:00:00Z",
        "2024-02-29 12:00:00",
        "2024-02-29T13:00:00+01:00",
        "2024-02-29T13:00:00+0100",
        "2024-02-29T12:00:00.000000Z",
    ] {
        assert_eq!(instant(text), noon, "{text}");
    }
    assert_eq!(instant("2024-02-29T12:00:00.25"), noon + 250_000);
    assert!(!parses("2024-02-29T25:00:00Z", DataType::Timestamp));
}
