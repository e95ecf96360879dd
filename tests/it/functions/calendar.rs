//! Arithmetic on days.

use chrono::NaiveDate;

use super::{error, session, text};

#[tokio::test]
async fn adds_and_counts_days() {
    let context = session(1);
    for (sql, expected) in [
        ("add_days(date '2024-02-28', 2)", "2024-03-01"),
        ("add_days(date '2024-03-01', -1)", "2024-02-29"),
        ("add_days(date '2024-03-01', cast(1 as smallint))", "2024-03-02"),
        ("add_days(date '2024-03-01', arrow_cast(1, 'UInt64'))", "2024-03-02"),
        ("add_days(null, 1)", "NULL"),
        ("add_days(date '2024-03-01', null)", "NULL"),
        ("days_between(date '2024-02-28', date '2024-03-01')", "2"),
        ("days_between(date '2024-03-01', date '2024-02-28')", "-2"),
        ("days_between(date '2024-03-01', null)", "NULL"),
        ("arrow_typeof(days_between(date '2024-03-01', date '2024-03-01'))", "Int64"),
        ("days_between(arrow_cast(date '2024-03-01', 'Date64'), date '2024-03-02')", "1"),
    ] {
        assert_eq!(text(&context, &format!("select {sql}")).await, expected, "{sql}");
    }
    let message = error(&context, "select add_days(date '2024-01-01', 9223372036854775807)").await;
    assert!(message.contains("add_days: 9223372036854775807 days lead beyond the dates there are"), "{message}");
    let message = error(&context, "select days_between(timestamp '2024-01-01T00:00:00', date '2024-01-01')").await;
    assert!(message.contains("business_day(ts) makes one"), "{message}");
}

#[tokio::test]
async fn counts_whole_calendar_months() {
    let context = session(1);
    for (from, to, months) in [
        ("2024-01-15", "2024-01-15", 0),
        ("2024-01-15", "2024-02-14", 0),
        ("2024-01-15", "2024-02-15", 1),
        ("2023-01-31", "2023-02-27", 0),
        ("2023-01-31", "2023-02-28", 1),
        ("2024-01-31", "2024-02-28", 0),
        ("2024-01-31", "2024-02-29", 1),
        ("2024-01-30", "2024-02-29", 1),
        ("2024-02-29", "2025-02-28", 12),
        ("2024-02-29", "2024-03-28", 0),
        ("2024-02-29", "2024-03-29", 1),
        ("2024-03-31", "2024-04-30", 1),
        ("2022-12-31", "2024-12-30", 23),
        ("2022-12-31", "2024-12-31", 24),
    ] {
        for (from, to, months) in [(from, to, months), (to, from, -months)] {
            let sql = format!("select months_between(date '{from}', date '{to}')");
            assert_eq!(text(&context, &sql).await, months.to_string(), "{from} {to}");
        }
    }
    assert_eq!(text(&context, "select months_between(null, date '2024-01-01')").await, "NULL");
}

#[tokio::test]
async fn months_are_those_that_the_calendar_adds() {
    let context = session(1);
    // The largest n such that adding n months does not lead past the day.
    let from = NaiveDate::from_ymd_opt(2023, 12, 25).unwrap();
    for start in 0..40 {
        let start = from + chrono::Days::new(start);
        for step in (0..800).step_by(13) {
            let end = start + chrono::Days::new(step);
            let expected = (0..40).take_while(|n| start + chrono::Months::new(*n) <= end).last().unwrap();
            let sql = format!("select months_between(date '{start}', date '{end}')");
            assert_eq!(text(&context, &sql).await, expected.to_string(), "{start} {end}");
        }
    }
}
