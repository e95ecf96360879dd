//! Who the customers are: names, homes, work. Nothing of this is kept; it is drawn again whenever a profile is written.

use super::ledger::NO_FACTS;
use super::random::{Dice, Stream};
use super::record::{Handling, Record, Value, id_text};

pub(super) const SOURCES: [&str; 7] = ["list", "web", "email", "phone", "store", "social", "referral"];
pub(super) const LIST: u8 = 0;
pub(super) const WEB: u8 = 1;
pub(super) const STORE: u8 = 4;
pub(super) const SOCIAL: u8 = 5;
pub(super) const REFERRAL: u8 = 6;

pub(super) const PERSONAS: [&str; 5] = ["home_baker", "tea_lover", "gift_giver", "bargain_hunter", "host"];
pub(super) const BARGAIN_HUNTER: u8 = 3;

const FIRST: [&str; 20] = [
    "anna", "ben", "chloe", "daniel", "ella", "finn", "grace", "harry", "isla", "jack", "kate", "leo", "maya", "noah",
    "olive", "paul", "rosa", "sam", "tess", "will",
];
const LAST: [&str; 16] = [
    "archer", "baker", "carter", "dyer", "evans", "fisher", "glover", "hughes", "jones", "knight", "mason", "patel",
    "reid", "shaw", "turner", "wood",
];
const OCCUPATIONS: [&str; 8] =
    ["teacher", "nurse", "engineer", "retired", "student", "chef", "office worker", "self-employed"];
const INCOMES: [&str; 5] = ["under 20k", "20k-35k", "35k-50k", "50k-80k", "over 80k"];

/// Country, region, city, latitude, longitude, weight.
const PLACES: [(&str, &str, &str, f64, f64, f64); 20] = [
    ("GB", "London", "London", 51.507, -0.128, 9.0),
    ("GB", "South East", "Brighton", 50.823, -0.137, 3.0),
    ("GB", "South East", "Oxford", 51.752, -1.258, 2.0),
    ("GB", "South West", "Bristol", 51.454, -2.588, 3.0),
    ("GB", "South West", "Bath", 51.381, -2.359, 1.5),
    ("GB", "East of England", "Cambridge", 52.205, 0.119, 2.0),
    ("GB", "West Midlands", "Birmingham", 52.486, -1.890, 3.5),
    ("GB", "East Midlands", "Nottingham", 52.954, -1.158, 2.0),
    ("GB", "Yorkshire", "Leeds", 53.801, -1.549, 2.5),
    ("GB", "Yorkshire", "York", 53.959, -1.082, 1.5),
    ("GB", "North West", "Manchester", 53.481, -2.242, 4.0),
    ("GB", "North East", "Newcastle upon Tyne", 54.978, -1.618, 1.5),
    ("GB", "Scotland", "Edinburgh", 55.953, -3.188, 2.5),
    ("GB", "Scotland", "Glasgow", 55.864, -4.252, 2.0),
    ("GB", "Wales", "Cardiff", 51.481, -3.179, 1.5),
    ("GB", "Northern Ireland", "Belfast", 54.597, -5.930, 1.0),
    ("IE", "Leinster", "Dublin", 53.349, -6.260, 1.5),
    ("FR", "Île-de-France", "Paris", 48.857, 2.352, 0.6),
    ("DE", "Bayern", "München", 48.137, 11.575, 0.5),
    ("CH", "Zürich", "Zürich", 47.377, 8.541, 0.3),
];

/// What a profile row needs beside the customer's number.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProfileState {
    pub source: u8,
    pub persona: u8,
    pub may_contact: bool,
    /// Rises when the customer moves house.
    pub version: u8,
    pub is_deleted: bool,
    /// London's clock, seconds since 1970.
    pub created_local: i64,
    pub updated_local: i64,
}

pub(super) fn email(seed: u64, customer: u32) -> String {
    let mut dice = Dice::new(seed, Stream::Profile, u64::from(customer), 0);
    format!("{}.{}{}@example.com", dice.pick(&FIRST), dice.pick(&LAST), customer + 1)
}

/// The profile of a customer, without facts: the caller knows what it tells.
pub(super) fn profile_row(seed: u64, customer: u32, state: ProfileState, at: i64) -> Record {
    let mut values = vec![Value::Id('c', customer + 1)];
    if state.is_deleted {
        values.extend(std::iter::repeat_n(Value::Null, 14));
        values.extend([Value::Local(state.updated_local), Value::Word("deleted")]);
        return Record { values, at, facts: NO_FACTS, handling: Handling::Plain };
    }
    let mut dice = Dice::new(seed, Stream::Profile, u64::from(customer), 1);
    let sometimes = |dice: &mut Dice, share: f64, value: Value| if dice.chance(share) { value } else { Value::Null };
    values.push(Value::text(email(seed, customer)));
    // Born between 1940 and 2005.
    let born = Value::Date(dice.between(0, 24_000) as i32 - 10_957);
    values.push(sometimes(&mut dice, 0.8, born));
    let gender = Value::Word(["female", "male", "other"][dice.weighted(&[0.56, 0.41, 0.03])]);
    values.push(sometimes(&mut dice, 0.9, gender));
    let income = Value::Word(INCOMES[dice.weighted(&[1.0, 2.0, 2.0, 1.5, 0.7])]);
    values.push(sometimes(&mut dice, 0.6, income));
    let occupation = Value::Word(dice.pick(&OCCUPATIONS));
    values.push(sometimes(&mut dice, 0.6, occupation));
    values.push(Value::Word(PERSONAS[usize::from(state.persona) % PERSONAS.len()]));
    let mut home = Dice::new(seed, Stream::Profile, u64::from(customer), 2 + u64::from(state.version));
    let (country, region, city, latitude, longitude, _) = PLACES[home.weighted(&PLACES.map(|place| place.5))];
    values.extend([Value::Word(country), Value::Word(region), Value::Word(city)]);
    if home.chance(0.85) {
        let near =
            |home: &mut Dice, centre: f64| Value::Double(((centre + (home.share() - 0.5) * 0.2) * 1e4).round() / 1e4);
        values.extend([near(&mut home, latitude), near(&mut home, longitude)]);
    } else {
        values.extend([Value::Null, Value::Null]);
    }
    values.extend([
        Value::Word(SOURCES[usize::from(state.source) % SOURCES.len()]),
        Value::Flag(state.may_contact),
        Value::Local(state.created_local),
        Value::Local(state.updated_local),
        Value::Word("active"),
    ]);
    Record { values, at, facts: NO_FACTS, handling: Handling::Plain }
}

/// The text of a customer's number.
pub(super) fn customer_no(customer: u32) -> String {
    id_text('c', customer + 1)
}
