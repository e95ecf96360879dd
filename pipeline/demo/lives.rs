//! The scripted lives: one for every rule whose outcome a test wants to know for certain.
//!
//! Ages are days before the last day: the window is ages 0 to 89, the window before it ages 90 to 179.

use super::facts::ScriptedCustomer;
use super::scripted::{Life, What};

impl Life {
    fn new(role: &'static str, stage: &'static str) -> Self {
        let expected = ScriptedCustomer { role, stage, ..ScriptedCustomer::default() };
        Self { registers: None, is_from_list: false, is_referred: false, acts: Vec::new(), expected }
    }

    fn act(mut self, age: u32, what: What) -> Self {
        self.acts.push((age, what));
        self
    }

    fn buys(self, age: u32, categories: &'static [u8], cents: i64) -> Self {
        self.act(age, What::Buy { categories, cents })
    }

    /// An order of 40.00 in one category at each of these ages.
    fn buys_at(self, ages: &[u32]) -> Self {
        ages.iter().fold(self, |life, age| life.buys(*age, &[0], 4_000))
    }

    fn hears(self, age: u32) -> Self {
        self.act(age, What::Message { kind: "care_call", response: "none" })
    }

    fn leaves(self, age: u32, reason: &'static str) -> Self {
        self.act(age, What::Exit { reason })
    }

    fn refers(self, age: u32, life: usize) -> Self {
        self.act(age, What::Refer { life })
    }

    fn referrals(mut self, referrals: u32, converted: u32) -> Self {
        self.expected.referrals = referrals;
        self.expected.converted = converted;
        self
    }

    fn band(mut self, band: &'static str) -> Self {
        self.expected.second_purchase_band = Some(band);
        self
    }

    fn stays(mut self) -> Self {
        self.expected.churn = Some("none");
        self
    }

    fn churns(mut self, churn: &'static str, reason: &'static str, source: Option<&'static str>) -> Self {
        self.expected.churn = Some(churn);
        self.expected.is_new_churn = true;
        self.expected.reason = Some(reason);
        self.expected.reason_source = source;
        self
    }

    /// Last bought before both windows, and nobody called since.
    fn long_gone(self) -> Self {
        let mut life = self.churns("account", "unappreciated", Some("inferred"));
        life.expected.is_new_churn = false;
        life
    }

    fn calls_for(mut self, action: &'static str) -> Self {
        self.expected.action = Some(action);
        self
    }

    fn registers(mut self, age: u32) -> Self {
        self.registers = Some(age);
        self
    }

    fn on_a_list(mut self) -> Self {
        self.is_from_list = true;
        self
    }

    fn referred(mut self, age: u32) -> Self {
        self.is_referred = true;
        self.registers(age)
    }
}

/// Every life. Lives refer to each other by their places in the list.
pub(super) fn lives() -> Vec<Life> {
    let mut lives = Vec::new();
    account_churn(&mut lives);
    product_churn(&mut lives);
    spend_churn(&mut lives);
    stages(&mut lives);
    second_purchases(&mut lives);
    referrals(&mut lives);
    actions(&mut lives);
    lives
}

fn account_churn(lives: &mut Vec<Life>) {
    let leaver = |role| Life::new(role, "repeat").buys_at(&[330, 250, 170, 120]).band("61-90");
    for (role, words, reason) in [
        ("churn_account_deceased", "passed away", "deceased"),
        ("churn_account_moved", "Moved Away", "moved"),
        ("churn_account_associate_advice", "a friend advised another shop", "associate_advice"),
        ("churn_account_better_value", " too expensive", "better_value"),
        ("churn_account_dissatisfaction", "poor quality", "dissatisfaction"),
        ("churn_account_unappreciated", "never heard from you", "unappreciated"),
        ("churn_account_other", "gave up the hobby", "other"),
    ] {
        lives.push(leaver(role).hears(110).leaves(100, words).churns("account", reason, Some("stated")));
    }
    lives.push(leaver("churn_account_complained").act(110, What::Case { subject: "complaint" }).churns(
        "account",
        "dissatisfaction",
        Some("inferred"),
    ));
    lives.push(leaver("churn_account_detractor").act(115, What::Nps { score: 6 }).hears(112).churns(
        "account",
        "dissatisfaction",
        Some("inferred"),
    ));
    lives.push(leaver("churn_account_silence").churns("account", "unappreciated", Some("inferred")));
    // Somebody called, nothing was wrong: nobody knows why.
    lives.push(leaver("churn_account_unknown").hears(100).churns("account", "unknown", None));
    // The first day of the window before, and the last one.
    lives.push(
        Life::new("churn_account_at_90_days", "repeat")
            .buys_at(&[300, 90])
            .band("91-365")
            .leaves(80, "moved abroad")
            .churns("account", "moved", Some("stated")),
    );
    lives.push(Life::new("churn_account_at_179_days", "repeat").buys_at(&[240, 179]).band("61-90").churns(
        "account",
        "unappreciated",
        Some("inferred"),
    ));
    lives.push(
        Life::new("churn_account_at_180_days", "repeat")
            .buys_at(&[240, 180])
            .band("31-60")
            .long_gone()
            .calls_for("win_back"),
    );
    lives.push(Life::new("churn_account_long_ago", "repeat").buys_at(&[400, 350, 250]).band("31-60").long_gone());
}

fn product_churn(lives: &mut Vec<Life>) {
    let five_to_three = |role| {
        Life::new(role, "repeat")
            .buys(170, &[0, 1, 2], 6_000)
            .buys(130, &[3, 4], 4_000)
            .buys(60, &[0, 1], 6_000)
            .buys(20, &[2], 6_000)
            .band("31-60")
    };
    lives.push(five_to_three("churn_product_unknown").hears(40).churns("product", "unknown", None));
    lives.push(five_to_three("churn_product_silence").churns("product", "unappreciated", Some("inferred")));
    lives.push(five_to_three("churn_product_stated").leaves(15, "Too Expensive").churns(
        "product",
        "better_value",
        Some("stated"),
    ));
}

fn spend_churn(lives: &mut Vec<Life>) {
    let spends = |role, second_cents| {
        Life::new(role, "repeat")
            .buys(165, &[0, 1], 10_000)
            .buys(125, &[0, 1], 10_000)
            .buys(75, &[0, 1], 9_000)
            .buys(25, &[0, 1], second_cents)
            .band("31-60")
    };
    lives.push(spends("churn_spend_falls", 7_000).churns("spend", "unappreciated", Some("inferred")));
    lives.push(spends("churn_spend_by_a_penny", 8_999).hears(30).churns("spend", "unknown", None));
    lives.push(
        spends("churn_spend_by_a_return", 9_500)
            .act(12, What::Return { category: 1, cents: 2_000 })
            .act(14, What::Case { subject: "complaint" })
            .churns("spend", "dissatisfaction", Some("inferred")),
    );
    lives.push(spends("stays_at_exactly_90_percent", 9_000).stays());
    lives.push(spends("stays_and_grows", 15_000).stays());
    lives.push(Life::new("stays_at_the_edges", "repeat").buys_at(&[179, 89]).band("61-90").stays());
}

fn stages(lives: &mut Vec<Life>) {
    lives.push(Life::new("suspect_silent", "suspect").on_a_list());
    lives.push(Life::new("suspect_written_to", "suspect").on_a_list().hears(150).hears(20));
    lives.push(Life::new("suspect_only_returned", "suspect").act(70, What::Return { category: 2, cents: 1_500 }));
    lives.push(
        Life::new("suspect_bought_and_returned_at_once", "suspect")
            .act(65, What::BuyAndReturn { category: 3, cents: 2_500 }),
    );
    lives.push(Life::new("prospect_enquired", "prospect").act(80, What::Case { subject: "enquiry" }));
    lives.push(Life::new("prospect_visited", "prospect").act(45, What::Visit { kind: "content_view" }));
    lives.push(
        Life::new("prospect_answered", "prospect")
            .on_a_list()
            .act(90, What::Message { kind: "offer", response: "positive" }),
    );
    lives.push(
        Life::new("suspect_refused", "suspect")
            .on_a_list()
            .act(90, What::Message { kind: "offer", response: "negative" }),
    );
    lives
        .push(Life::new("prospect_by_anonymous_visit", "prospect").act(210, What::AnonymousVisit).act(200, What::Link));
    lives.push(Life::new("new_once", "new").buys_at(&[40]).band("waiting").stays().calls_for("second_purchase_window"));
    lives.push(Life::new("new_free_sample", "new").act(50, What::TakeSample).band("waiting").stays());
    lives.push(
        Life::new("repeat_praised_too_early", "repeat")
            .buys_at(&[75])
            .act(60, What::Nps { score: 10 })
            .buys_at(&[35])
            .band("31-60")
            .stays(),
    );
    lives.push(
        Life::new("repeat_passive", "repeat").buys_at(&[75, 35]).act(30, What::Nps { score: 8 }).band("31-60").stays(),
    );
    lives.push(
        Life::new("advocate_nps", "advocate").buys_at(&[75, 35]).act(30, What::Nps { score: 9 }).band("31-60").stays(),
    );
    lives.push(
        Life::new("advocate_review", "advocate")
            .buys_at(&[75, 35])
            .act(25, What::Visit { kind: "review" })
            .band("31-60")
            .stays(),
    );
    // Two numbers, one purchase each. The alias has the smaller number, and loses all the same.
    let customer = lives.len() + 1;
    lives.push(Life::new("merged_alias", "").act(60, What::SameAs { life: customer }).buys_at(&[80]));
    lives.push(Life::new("merged_customer", "repeat").registers(300).buys_at(&[50]).band("0-30").stays());
}

fn second_purchases(lives: &mut Vec<Life>) {
    for (role, gap, band) in [
        ("second_after_30_days", 30, "0-30"),
        ("second_after_31_days", 31, "31-60"),
        ("second_after_60_days", 60, "31-60"),
        ("second_after_61_days", 61, "61-90"),
        ("second_after_90_days", 90, "61-90"),
        ("second_after_91_days", 91, "91-365"),
    ] {
        lives.push(Life::new(role, "repeat").buys_at(&[420, 420 - gap]).band(band).long_gone());
    }
    lives.push(Life::new("second_after_365_days", "repeat").buys_at(&[420, 55]).band("91-365").stays());
    lives.push(Life::new("second_after_366_days", "repeat").buys_at(&[420, 54]).band("none_in_365").stays());
    lives.push(Life::new("second_never", "new").buys_at(&[400]).band("none_in_365").long_gone());
}

fn referrals(lives: &mut Vec<Life>) {
    let referrer = |role, stage| Life::new(role, stage).buys_at(&[410, 370]).band("31-60").long_gone();
    let friend = |role, age| Life::new(role, "new").referred(299).buys_at(&[age]).long_gone();
    // The four referrers come first, then the friends.
    let friends = lives.len() + 4;
    lives.push(
        referrer("referrer_of_three", "advocate")
            .refers(300, friends)
            .refers(300, friends + 1)
            .refers(300, friends + 2)
            .refers(300, friends + 3)
            .referrals(4, 3),
    );
    lives.push(
        referrer("referrer_of_two", "advocate")
            .refers(360, friends + 6)
            .refers(300, friends + 4)
            .refers(300, friends + 5)
            .refers(340, friends + 7)
            .referrals(4, 2),
    );
    lives.push(
        referrer("referrer_in_vain", "repeat")
            .refers(300, friends + 8)
            .refers(300, friends + 9)
            .refers(300, friends + 5)
            .referrals(3, 0),
    );
    // Second to refer a friend who then bought: a duplicate. And second to refer one whose first referral had run out: the winner.
    lives.push(referrer("referrer_late", "advocate").refers(290, friends).refers(200, friends + 7).referrals(2, 1));
    lives.push(friend("friend_referred_twice", 250).band("waiting"));
    lives.push(friend("friend_converted", 240).band("waiting"));
    lives.push(friend("friend_converted_again", 230).band("waiting"));
    lives.push(Life::new("friend_never_bought", "suspect").referred(299));
    // The last day of the term, and the day after it.
    lives.push(
        Life::new("friend_after_180_days", "new")
            .referred(299)
            .buys_at(&[120])
            .band("waiting")
            .hears(100)
            .churns("account", "unknown", None),
    );
    lives.push(
        Life::new("friend_after_181_days", "new")
            .referred(299)
            .buys_at(&[119])
            .band("waiting")
            .hears(100)
            .churns("account", "unknown", None),
    );
    lives.push(Life::new("friend_converted_early", "new").referred(359).buys_at(&[310]).band("waiting").long_gone());
    lives.push(
        Life::new("friend_of_the_later_referrer", "new")
            .referred(339)
            .buys_at(&[150])
            .band("waiting")
            .hears(140)
            .churns("account", "unknown", None),
    );
    // Was a customer already.
    lives.push(Life::new("friend_was_customer", "new").buys_at(&[330]).band("waiting").long_gone());
    lives.push(
        Life::new("friend_only_visited", "prospect").referred(299).act(260, What::Visit { kind: "product_view" }),
    );
    let selfish = lives.len();
    lives.push(Life::new("refers_self", "new").refers(310, selfish).buys_at(&[305]).band("waiting").long_gone());
    lives.push(
        Life::new("refers_in_a_circle", "repeat")
            .refers(320, selfish + 2)
            .buys_at(&[315, 285])
            .band("0-30")
            .long_gone(),
    );
    lives.push(
        Life::new("refers_back", "repeat").refers(318, selfish + 1).buys_at(&[312, 282]).band("0-30").long_gone(),
    );
}

/// What calls for an action on the last day; a win-back and a second purchase are among the others.
fn actions(lives: &mut Vec<Life>) {
    lives.push(
        Life::new("prospect_asks_for_quotes", "prospect")
            .act(3, What::Case { subject: "quote_request" })
            .act(2, What::Case { subject: "quote_request" })
            .act(1, What::Case { subject: "enquiry" })
            .calls_for("hot_lead"),
    );
    lives.push(
        Life::new("suspect_says_later", "suspect")
            .on_a_list()
            .act(20, What::Message { kind: "offer", response: "later" })
            .calls_for("contact_later_due"),
    );
    lives.push(
        Life::new("new_and_angry", "new")
            .buys_at(&[10])
            .act(5, What::Case { subject: "complaint" })
            .band("waiting")
            .stays()
            .calls_for("complaint_follow_up"),
    );
    lives.push(Life::new("new_this_week", "new").buys_at(&[3]).band("waiting").stays().calls_for("thank_you"));
    lives.push(
        Life::new("repeat_returns_after_a_gap", "repeat")
            .buys_at(&[205, 5])
            .band("91-365")
            .stays()
            .calls_for("say_welcome_back"),
    );
    lives.push(
        Life::new("repeat_left_alone", "repeat")
            .buys_at(&[120, 60])
            .hears(100)
            .band("31-60")
            .stays()
            .calls_for("unappreciated_risk"),
    );
    lives.push(
        Life::new("advocate_just_now", "advocate")
            .buys_at(&[75, 35])
            .act(10, What::Nps { score: 10 })
            .band("31-60")
            .stays()
            .calls_for("ask_for_referral"),
    );
}
