//! cohort_retention, period by period.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::compare::{Cell, Expected, Row, ratio};
use super::facts::{Buyer, Facts};
use super::load::Run;
use super::moments::{days_between, month_after, plus};

type Cohort<'a> = Vec<&'a Buyer>;

/// The two ways of counting periods.
#[derive(Clone, Copy)]
enum Kind {
    CalendarMonth,
    CustomerMonth,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::CalendarMonth => "calendar_month",
            Self::CustomerMonth => "customer_month",
        }
    }

    /// First and last day of a period for someone who first bought on `first` in the month that begins with `cohort`.
    fn bounds(self, cohort: NaiveDate, first: NaiveDate, period: i64) -> (NaiveDate, NaiveDate) {
        match self {
            Self::CalendarMonth => (month_after(cohort, period), plus(month_after(cohort, period + 1), -1)),
            Self::CustomerMonth => (plus(first, 30 * period), plus(first, 30 * period + 29)),
        }
    }
}

pub fn cohort_retention(run: &Run) -> Expected {
    let facts = &run.facts;
    let mut cohorts: BTreeMap<(NaiveDate, String), Cohort<'_>> = BTreeMap::new();
    for (id, buyer) in &facts.buyers {
        for segment in ["all".to_owned(), facts.acquisition_source(id)] {
            cohorts.entry((month_after(buyer.first(), 0), segment)).or_default().push(buyer);
        }
    }
    let mut rows = Vec::new();
    for kind in [Kind::CalendarMonth, Kind::CustomerMonth] {
        for ((cohort, segment), members) in &cohorts {
            periods(facts, kind, *cohort, segment, members, &mut rows);
        }
    }
    Expected { grain: &["cohort_kind", "cohort", "period", "segment"], rows }
}

fn periods(facts: &Facts, kind: Kind, cohort: NaiveDate, segment: &str, members: &[&Buyer], rows: &mut Vec<Row>) {
    let as_of = facts.as_of();
    let oldest = members.iter().map(|member| member.first()).min().unwrap();
    let youngest_possible = plus(month_after(cohort, 1), -1);
    let size = members.len() as i64;
    let mut cumulative = 0;
    for period in 0.. {
        if kind.bounds(cohort, oldest, period).0 > as_of {
            break;
        }
        let (mut active, mut later, mut revenue) = (0, 0, 0);
        for member in members {
            let (from, to) = kind.bounds(cohort, member.first(), period);
            active += i64::from(member.bought(|day| from <= day && day <= to));
            later += i64::from(member.bought(|day| from <= day));
            revenue += member.money(|day| from <= day && day <= to).0;
        }
        cumulative += revenue;
        let is_complete = days_between(kind.bounds(cohort, youngest_possible, period).1, as_of) >= 0;
        let rate = |count| if is_complete { ratio(count, size) } else { Cell::Null };
        rows.push(Row::from([
            ("cohort_kind", kind.name().into()),
            ("cohort", cohort.into()),
            ("period", period.into()),
            ("segment", segment.into()),
            ("cohort_size", size.into()),
            ("active", active.into()),
            ("retention_rate", rate(active)),
            ("active_on_or_after", later.into()),
            ("retention_on_or_after", rate(later)),
            ("revenue", Cell::Money(revenue)),
            ("cumulative_revenue_per_customer", ratio(cumulative, 100 * size)),
            ("is_complete", is_complete.into()),
        ]));
    }
}
