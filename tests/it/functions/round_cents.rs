//! Money to the cent, half away from zero.

use super::{error, session, text};

#[tokio::test]
async fn rounds_half_away_from_zero() {
    let context = session(1);
    for (x, expected) in [
        ("1.005", "1.01"),
        ("-1.005", "-1.01"),
        ("1.0049999", "1.00"),
        ("0.285", "0.29"),
        ("2.675", "2.68"),
        ("0.004999999999", "0.00"),
        ("-0.005", "-0.01"),
        ("1234567890123.455", "1234567890123.46"),
        ("0", "0.00"),
        ("7", "7.00"),
        ("-7.1", "-7.10"),
    ] {
        for type_ in ["double", "decimal(38,15)"] {
            let sql = format!("select round_cents(cast({x} as {type_}))");
            assert_eq!(text(&context, &sql).await, expected, "{sql}");
        }
    }
    for (sql, expected) in [
        ("round_cents(cast(2.345 as decimal(5,3)))", "2.35"),
        ("round_cents(cast(2.3 as decimal(5,1)))", "2.30"),
        ("round_cents(arrow_cast(12, 'Int32'))", "12.00"),
        ("round_cents(arrow_cast(1.5, 'Float32'))", "1.50"),
        ("round_cents(arrow_cast(0.05, 'Decimal256(50, 3)'))", "0.05"),
        ("round_cents(cast(0.00000000000000000000000000000000000005 as decimal(38,38)))", "0.00"),
        ("round_cents(null)", "NULL"),
        ("round_cents(1e-300)", "0.00"),
        ("round_cents(999999999999999.0)", "999999999999999.00"),
        ("arrow_typeof(round_cents(1.5))", "Decimal128(18, 2)"),
    ] {
        assert_eq!(text(&context, &format!("select {sql}")).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn refuses_what_is_no_money() {
    let context = session(1);
    for (x, expected) in [
        ("1e16", "does not fit decimal(18,2)"),
        ("'NaN'::double", "round_cents: NaN does not fit"),
        ("cast(12345678901234567890 as decimal(38,0))", "does not fit decimal(18,2)"),
        ("'1.5'", "argument 1 (x) is Utf8, expected a number"),
    ] {
        let message = error(&context, &format!("select round_cents({x})")).await;
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn agrees_with_the_decimal_it_is_written_as() {
    let context = session(1);
    let sql = "select count(*) from (select value as n, round_cents(value / 1000.0) as a, \
               round_cents(cast(value as decimal(20,0)) / cast(1000 as decimal(20,0))) as b from generate_series(-20000, 20000)) where a <> b";
    assert_eq!(text(&context, sql).await, "0");
}
