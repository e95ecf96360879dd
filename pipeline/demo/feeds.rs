//! The feeds: which systems drop what, in which format, with which columns.

/// The feeds, in the order in which a day's objects are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Feed {
    Products,
    Content,
    Campaigns,
    CampaignMembers,
    Customers,
    Identities,
    Referrals,
    Orders,
    Visits,
    Service,
    Messages,
    Surveys,
}

pub(super) const FEEDS: [Feed; 12] = [
    Feed::Products,
    Feed::Content,
    Feed::Campaigns,
    Feed::CampaignMembers,
    Feed::Customers,
    Feed::Identities,
    Feed::Referrals,
    Feed::Orders,
    Feed::Visits,
    Feed::Service,
    Feed::Messages,
    Feed::Surveys,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    NdJson,
    Parquet,
}

/// How a column's values are written, and with that how they can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// One of a few words; the contract names them.
    Word,
    Number,
    Money,
    Flag,
    /// `2025-03-01 14:05:33` in London's wall clock.
    LocalTime,
    /// `01/03/2025 14:05:33` in London's wall clock.
    BritishTime,
    /// `2025-03-01T14:05:33Z`.
    Instant,
    /// `01/03/2025`.
    BritishDate,
    /// `2025-03-01`.
    Date,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub name: &'static str,
    pub kind: Kind,
    /// The contract refuses a row without it.
    pub is_required: bool,
    /// Sent from the second half of the window on.
    pub comes_midway: bool,
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, is_required: false, comes_midway: false }
}

const fn required(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, is_required: true, comes_midway: false }
}

const fn midway(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, is_required: false, comes_midway: true }
}

use Kind::{BritishDate, BritishTime, Date, Flag, Instant, LocalTime, Money, Number, Text, Word};

const ORDERS: &[Column] = &[
    required("order_no", Text),
    required("line_no", Number),
    column("customer_no", Text),
    column("email", Text),
    required("sku", Text),
    required("quantity", Number),
    required("net_amount", Money),
    column("margin", Money),
    column("campaign_code", Text),
    midway("gift_wrap", Flag),
    required("sold_at", LocalTime),
    required("sales_channel", Word),
];

const VISITS: &[Column] = &[
    required("event_id", Text),
    required("visitor_id", Text),
    column("customer_no", Text),
    required("at", Instant),
    required("event", Word),
    required("channel", Word),
    column("sku", Text),
    column("content_id", Text),
    column("campaign_code", Text),
    column("seconds", Number),
    midway("device", Text),
];

const SERVICE: &[Column] = &[
    required("case_no", Text),
    required("customer_no", Text),
    required("subject", Word),
    column("sku", Text),
    column("note", Text),
    required("received_at", LocalTime),
    required("channel", Word),
];

const MESSAGES: &[Column] = &[
    required("message_id", Text),
    required("customer_no", Text),
    required("sent_at", Instant),
    required("kind", Word),
    required("channel", Word),
    column("campaign_code", Text),
    column("content_id", Text),
    required("response", Word),
    column("answer_value", Number),
];

const CUSTOMERS: &[Column] = &[
    required("customer_no", Text),
    column("email", Text),
    column("birth_date", BritishDate),
    column("gender", Word),
    column("income_band", Text),
    column("occupation", Text),
    column("persona", Text),
    column("country", Text),
    column("region", Text),
    column("city", Text),
    column("latitude", Number),
    column("longitude", Number),
    column("source", Text),
    column("may_contact", Flag),
    column("created_at", BritishTime),
    required("updated_at", BritishTime),
    required("status", Word),
];

const PRODUCTS: &[Column] =
    &[required("sku", Text), required("title", Text), column("category", Text), required("list_price", Money)];

const CAMPAIGNS: &[Column] = &[
    required("campaign_code", Text),
    required("title", Text),
    required("objective", Word),
    column("channel", Text),
    required("starts_on", Date),
    column("ends_on", Date),
    column("budget", Money),
];

const CAMPAIGN_MEMBERS: &[Column] = &[
    required("campaign_code", Text),
    required("customer_no", Text),
    column("arm", Word),
    required("drawn_at", Instant),
];

const CONTENT: &[Column] = &[
    required("content_id", Text),
    required("title", Text),
    required("content_type", Text),
    required("buying_stage", Word),
];

const REFERRALS: &[Column] = &[
    required("referral_no", Text),
    required("from_customer", Text),
    required("to_customer", Text),
    column("source", Word),
    column("reward", Money),
    required("referred_at", LocalTime),
];

const SURVEYS: &[Column] = &[
    required("response_id", Text),
    required("customer_no", Text),
    required("answered_at", Instant),
    required("survey", Word),
    column("score", Number),
    column("reason", Text),
    column("touchpoint", Text),
];

const IDENTITIES: &[Column] = &[required("alias", Text), required("customer_no", Text), required("linked_at", Instant)];

impl Feed {
    /// The source's name in the job, and the folder's below `raw/`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Products => "products",
            Self::Content => "content",
            Self::Campaigns => "campaigns",
            Self::CampaignMembers => "campaign_members",
            Self::Customers => "customers",
            Self::Identities => "identities",
            Self::Referrals => "referrals",
            Self::Orders => "orders",
            Self::Visits => "visits",
            Self::Service => "service",
            Self::Messages => "messages",
            Self::Surveys => "surveys",
        }
    }

    pub(super) fn columns(self) -> &'static [Column] {
        match self {
            Self::Products => PRODUCTS,
            Self::Content => CONTENT,
            Self::Campaigns => CAMPAIGNS,
            Self::CampaignMembers => CAMPAIGN_MEMBERS,
            Self::Customers => CUSTOMERS,
            Self::Identities => IDENTITIES,
            Self::Referrals => REFERRALS,
            Self::Orders => ORDERS,
            Self::Visits => VISITS,
            Self::Service => SERVICE,
            Self::Messages => MESSAGES,
            Self::Surveys => SURVEYS,
        }
    }

    pub(super) fn format(self) -> Format {
        match self {
            Self::Messages | Self::Surveys => Format::Parquet,
            Self::Visits | Self::Identities | Self::Content | Self::Campaigns => Format::NdJson,
            _ => Format::Csv,
        }
    }

    pub(super) fn is_gzip(self) -> bool {
        !matches!(self, Self::Messages | Self::Surveys | Self::Products | Self::Campaigns)
    }

    /// Every column is text, whatever it means: the survey tool's export knows nothing else.
    pub(super) fn is_all_text(self) -> bool {
        self == Self::Surveys
    }

    /// One object a day even when nothing happened: a header, or nothing at all.
    pub(super) fn is_daily(self) -> bool {
        matches!(self, Self::Orders | Self::Visits)
    }

    /// Dropped on Mondays; other feeds on the day itself.
    pub(super) fn is_weekly(self) -> bool {
        matches!(self, Self::Identities | Self::Referrals | Self::Surveys)
    }

    /// The largest share of an object's rows that is broken: below what the contract lets pass, so that a night alone passes too.
    pub(super) fn broken_share_of_object(self) -> f64 {
        match self {
            Self::Orders | Self::Visits | Self::Messages => 0.04,
            Self::CampaignMembers => 0.08,
            Self::Customers => 0.16,
            Self::Service => 0.25,
            Self::Identities | Self::Referrals | Self::Surveys => 0.34,
            Self::Products | Self::Content | Self::Campaigns => 0.0,
        }
    }

    /// Events may come late, or twice; profiles and lists do not.
    pub(super) fn may_be_late(self) -> bool {
        matches!(self, Self::Orders | Self::Visits | Self::Service | Self::Messages)
    }

    /// The object's path below `raw/`, of a day written as `yyyy-mm-dd`.
    pub(super) fn object(self, day: &str) -> String {
        let name = self.name();
        let ending = match self.format() {
            Format::Csv => "csv",
            Format::NdJson => "ndjson",
            Format::Parquet => "parquet",
        };
        let packed = if self.is_gzip() { ".gz" } else { "" };
        match self {
            Self::Content => format!("{name}/{name}.{ending}{packed}"),
            _ => format!("{name}/date={day}/{name}.{ending}{packed}"),
        }
    }
}
