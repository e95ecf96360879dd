//! Instants and days in the environment's zone, also where clocks change.

use chrono::{DateTime, TimeDelta, TimeZone, Utc};

use super::{error, number, rows, session, session_in, text};

#[tokio::test]
async fn business_day_is_the_local_date() {
    let context = session(1);
    for (instant, day) in [
        ("2024-01-31T23:59:59Z", "2024-01-31"),
        ("2024-06-30T22:59:59.999999Z", "2024-06-30"),
        ("2024-06-30T23:00:00Z", "2024-07-01"),
        // The clocks go forward at 01:00 UTC and back at 01:00 UTC.
        ("2024-03-30T23:30:00Z", "2024-03-30"),
        ("2024-03-31T22:59:59Z", "2024-03-31"),
        ("2024-03-31T23:00:00Z", "2024-04-01"),
        ("2024-10-27T22:59:59Z", "2024-10-27"),
        ("2024-10-27T23:30:00Z", "2024-10-27"),
        ("1969-12-31T23:30:00Z", "1970-01-01"),
        ("1840-06-01T00:00:30Z", "1840-05-31"),
        ("2090-06-30T23:00:00Z", "2090-07-01"),
    ] {
        let sql = format!("select cast(business_day(cast('{instant}' as timestamp)) as varchar)");
        assert_eq!(text(&context, &sql).await, day, "{instant}");
    }
}

#[tokio::test]
async fn all_units_and_zones_of_timestamps_are_utc_instants() {
    let context = session(1);
    for unit in ["Second", "Millisecond", "Microsecond", "Nanosecond"] {
        for zone in ["None", "Some(\"UTC\")", "Some(\"+00:00\")"] {
            let instant = format!("arrow_cast('2024-06-30T23:00:00', 'Timestamp({unit}, {zone})')");
            let sql = format!("select business_day({instant}) = date '2024-07-01'");
            assert_eq!(text(&context, &sql).await, "true", "{instant}");
            let sql = format!("select arrow_typeof(local_time({instant}))");
            let short = [("Second", "s"), ("Millisecond", "ms"), ("Microsecond", "µs"), ("Nanosecond", "ns")];
            let short = short.iter().find(|(name, _)| *name == unit).unwrap().1;
            assert_eq!(text(&context, &sql).await, format!("Timestamp({short})"));
        }
    }
    // A type's zone changes how an instant is written, not what it is.
    let sql = "select business_day(arrow_cast('2024-06-30T19:00:00-04:00', 'Timestamp(Microsecond, Some(\"America/New_York\"))'))";
    assert_eq!(text(&context, sql).await, "2024-07-01");
}

#[tokio::test]
async fn local_time_is_the_wall_clock() {
    let context = session(1);
    for (instant, local) in [
        ("2024-06-30T23:00:00.123456Z", "2024-07-01T00:00:00.123456"),
        ("2024-03-31T00:59:59Z", "2024-03-31T00:59:59"),
        ("2024-03-31T01:00:00Z", "2024-03-31T02:00:00"),
        ("2024-10-27T00:59:59Z", "2024-10-27T01:59:59"),
        ("2024-10-27T01:00:00Z", "2024-10-27T01:00:00"),
    ] {
        let sql = format!("select local_time(arrow_cast('{instant}', 'Timestamp(Microsecond, Some(\"UTC\"))'))");
        assert_eq!(text(&context, &sql).await, local);
    }
}

#[tokio::test]
async fn day_start_is_the_first_instant_of_the_day() {
    let london = session(1);
    for (day, start) in [
        ("2024-01-15", "2024-01-15T00:00:00Z"),
        ("2024-03-31", "2024-03-31T00:00:00Z"),
        ("2024-04-01", "2024-03-31T23:00:00Z"),
        ("2024-10-27", "2024-10-26T23:00:00Z"),
        ("2090-07-01", "2090-06-30T23:00:00Z"),
    ] {
        assert_eq!(text(&london, &format!("select day_start(date '{day}')")).await, start);
    }
    assert_eq!(text(&london, "select arrow_typeof(day_start(date '2024-01-01'))").await, "Timestamp(µs, \"UTC\")");
    // Midnight is skipped, happens twice, and a whole day is skipped.
    for (zone, day, start) in [
        (chrono_tz::America::Sao_Paulo, "2018-11-04", "2018-11-04T03:00:00Z"),
        (chrono_tz::Asia::Beirut, "2024-03-31", "2024-03-30T22:00:00Z"),
        (chrono_tz::America::Havana, "2024-11-03", "2024-11-03T04:00:00Z"),
        (chrono_tz::Pacific::Apia, "2011-12-30", "2011-12-30T10:00:00Z"),
        (chrono_tz::Pacific::Apia, "2011-12-31", "2011-12-30T10:00:00Z"),
    ] {
        let context = session_in(1, zone);
        assert_eq!(text(&context, &format!("select day_start(date '{day}')")).await, start, "{zone}");
    }
}

#[tokio::test]
async fn agrees_with_the_zone_itself_hour_by_hour() {
    for zone in [
        chrono_tz::Europe::London,
        chrono_tz::America::New_York,
        chrono_tz::Australia::Lord_Howe,
        chrono_tz::Africa::Casablanca,
        chrono_tz::Asia::Kathmandu,
        chrono_tz::America::Sao_Paulo,
        chrono_tz::Pacific::Apia,
    ] {
        let context = session_in(1, zone);
        // 53 years in steps of 37 minutes and a bit, forwards; a remainder makes the order jump.
        let sql = "select ts, business_day(ts) as day, local_time(ts) as local from (select \
                   arrow_cast((value * 7919 % 20011) * 83521 + 17, 'Timestamp(Second, None)') as ts from generate_series(1, 20000))";
        let batch = rows(&context, sql).await;
        let column = |name: &str| {
            let cast = datafusion::arrow::compute::cast(
                batch.column_by_name(name).unwrap(),
                &datafusion::arrow::datatypes::DataType::Int64,
            );
            let cast = cast.or_else(|_| {
                let days = datafusion::arrow::compute::cast(
                    batch.column_by_name(name).unwrap(),
                    &datafusion::arrow::datatypes::DataType::Int32,
                )?;
                datafusion::arrow::compute::cast(&days, &datafusion::arrow::datatypes::DataType::Int64)
            });
            let cast = cast.unwrap();
            datafusion::arrow::array::AsArray::as_primitive::<datafusion::arrow::datatypes::Int64Type>(&cast)
                .values()
                .to_vec()
        };
        let (instants, days, locals) = (column("ts"), column("day"), column("local"));
        for row in 0..batch.num_rows() {
            let utc: DateTime<Utc> = DateTime::from_timestamp(instants[row], 0).unwrap();
            let local = zone.from_utc_datetime(&utc.naive_utc()).naive_local();
            assert_eq!(locals[row], local.and_utc().timestamp(), "{zone} {utc}");
            let day = local.date().signed_duration_since(chrono::NaiveDate::from_ymd_opt(1970, 1, 1).unwrap());
            assert_eq!(TimeDelta::days(days[row]), day, "{zone} {utc}");
        }
        // The start of each day belongs to it, and the microsecond before does not.
        let sql = "select count(*) from (select add_days(date '1971-01-01', value) as day from generate_series(0, 25000)) \
                   where business_day(day_start(day)) <> day \
                   or business_day(day_start(day) - interval '1 microsecond') >= day";
        let skipped = if zone == chrono_tz::Pacific::Apia { 1.0 } else { 0.0 };
        assert_eq!(number(&context, sql).await, Some(skipped), "{zone}");
    }
}

#[tokio::test]
async fn nulls_stay_and_wrong_types_are_refused() {
    let context = session(1);
    for sql in [
        "select business_day(null)",
        "select local_time(null)",
        "select day_start(null)",
        "select business_day(arrow_cast(null, 'Timestamp(Nanosecond, None)'))",
    ] {
        assert_eq!(text(&context, sql).await, "NULL");
    }
    let message = error(&context, "select business_day(date '2024-01-01')").await;
    assert!(message.contains("business_day: argument 1 (ts) is Date32, expected a timestamp"), "{message}");
    let message = error(&context, "select business_day()").await;
    assert!(message.contains("expected business_day(ts)"), "{message}");
}

#[tokio::test]
async fn calls_on_literals_are_folded() {
    let context = session(1);
    let plan = context
        .sql("select business_day(timestamp '2024-06-30T23:00:00'), add_days(date '2024-01-01', 31)")
        .await
        .unwrap();
    let plan = plan.into_optimized_plan().unwrap().to_string();
    assert!(plan.contains("2024-07-01") && plan.contains("2024-02-01"), "{plan}");
}
