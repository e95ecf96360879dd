"""Builds four of the marts with Polars' streaming engine: folder of landed Parquet, folder to write to, day.

interaction_days, customer_value, churn and cohort_retention, without what needs the purchase models. Each is written as Parquet.
"""

import datetime
import json
import os
import sys
import time
from pathlib import Path

os.environ["POLARS_MAX_THREADS"] = "2"

import polars as pl  # noqa: E402

MONEY = pl.Decimal(18, 2)


def london_day(column: str) -> pl.Expr:
    return pl.col(column).dt.convert_time_zone("Europe/London").dt.date()


class Marts:
    def __init__(self, landed: Path, out: Path, as_of: datetime.date):
        self.landed, self.out, self.as_of, self.took = landed, out, as_of, {}
        out.mkdir(parents=True, exist_ok=True)

    def read(self, name: str) -> pl.LazyFrame:
        return pl.scan_parquet(self.landed / f"{name}.parquet")

    def days_ago(self, days: int) -> datetime.date:
        return self.as_of - datetime.timedelta(days)

    def timed(self, name: str, make):
        started = time.perf_counter()
        result = make()
        self.took[name] = round(time.perf_counter() - started, 3)
        return result

    def publish(self, name: str, make) -> pl.DataFrame:
        def written():
            frame = make()
            frame = frame.collect(engine="streaming") if isinstance(frame, pl.LazyFrame) else frame
            frame.write_parquet(self.out / f"{name}.parquet", compression="zstd")
            return frame

        return self.timed(name, written)

    def run(self):
        self.members = self.timed("members", self.make_members)
        self.lines = self.timed("lines", lambda: self.make_lines().collect(engine="streaming"))
        self.customer_days = self.timed("customer_days", lambda: self.make_customer_days().collect(engine="streaming"))
        self.buyers = self.timed("buyers", self.make_buyers)
        self.interaction_days = self.publish("interaction_days", self.make_interaction_days)
        self.contacts = self.timed("contacts", lambda: self.make_contacts().collect(engine="streaming"))
        self.publish("customer_value", self.make_customer_value)
        self.publish("churn", self.make_churn)
        self.publish("cohort_retention", self.make_cohort_retention)

    # shared facts

    def make_members(self) -> pl.DataFrame:
        """The smallest customer id that can be reached from each linked id."""
        links = (
            self.read("identities")
            .filter(pl.col("alias_id").is_not_null() & pl.col("customer_id").is_not_null())
            .filter(pl.col("linked_at").is_null() | (london_day("linked_at") <= self.as_of))
            .select(a="alias_id", b="customer_id")
            .collect()
        )
        edges = pl.concat([links, links.select(a="b", b="a")])
        named = links.select(pl.col("b").unique())
        labels = edges.select(id=pl.col("a").unique()).with_columns(label=pl.when(pl.col("id").is_in(named["b"].implode())).then("id"))
        while True:
            nearest = edges.join(labels, left_on="b", right_on="id", nulls_equal=False).group_by("a").agg(near=pl.col("label").min())
            closer = labels.join(nearest, left_on="id", right_on="a", how="left").select("id", label=pl.min_horizontal("label", "near"))
            closer = closer.sort("id")
            if closer.equals(labels):
                break
            labels = closer
        return labels.filter(pl.len().over("label") <= 50).select(landed_id="id", resolved="label")

    def resolved(self, frame: pl.LazyFrame, column: str = "customer_id") -> pl.LazyFrame:
        joined = frame.join(self.members.lazy(), left_on=column, right_on="landed_id", how="left")
        return joined.with_columns(pl.coalesce("resolved", column).alias(column)).drop("resolved")

    def make_lines(self) -> pl.LazyFrame:
        lines = (
            self.read("order_lines")
            .filter(pl.col("customer_id").is_not_null() & pl.col("ordered_at").is_not_null())
            .select(
                "customer_id",
                "order_id",
                "ordered_at",
                "product_id",
                "quantity",
                "net_amount",
                day=london_day("ordered_at"),
                margin=pl.coalesce("margin", "net_amount"),
            )
            .filter(pl.col("day") <= self.as_of)
        )
        return self.resolved(lines)

    def make_customer_days(self) -> pl.LazyFrame:
        days = self.lines.lazy().group_by("customer_id", "day").agg(
            pl.col("net_amount").sum().alias("revenue"),
            pl.col("margin").sum(),
            pl.col("quantity").sum(),
            pl.col("ordered_at").min().alias("first_line_at"),
            pl.col("ordered_at").filter(pl.col("quantity") > 0).min().alias("first_positive_at"),
        )
        return days.with_columns(
            is_purchase_day=(pl.col("revenue") > 0) | ((pl.col("revenue") == 0) & (pl.col("quantity") > 0)),
            purchased_at=pl.coalesce("first_positive_at", "first_line_at"),
        )

    def make_buyers(self) -> pl.DataFrame:
        days = self.customer_days.lazy()
        totals = days.group_by("customer_id").agg(pl.col("revenue").sum(), pl.col("margin").sum())
        purchases = (
            days.filter("is_purchase_day")
            .group_by("customer_id")
            .agg(
                purchase_days=pl.len().cast(pl.Int64),
                first_purchase_on=pl.col("day").min(),
                last_purchase_on=pl.col("day").max(),
                first_revenue=pl.col("revenue").get(pl.col("day").arg_min()),
                purchase_revenue=pl.col("revenue").sum(),
            )
            .with_columns(repeat_revenue=pl.col("purchase_revenue") - pl.col("first_revenue"))
        )
        orders = (
            self.lines.lazy()
            .group_by("customer_id", "order_id")
            .agg(pl.col("net_amount").sum(), pl.col("quantity").sum())
            .filter((pl.col("net_amount") > 0) | ((pl.col("net_amount") == 0) & (pl.col("quantity") > 0)))
            .group_by("customer_id")
            .agg(orders=pl.len().cast(pl.Int64))
        )
        joined = purchases.join(totals, on="customer_id").join(orders, on="customer_id", how="left")
        return joined.with_columns(pl.col("orders").fill_null(0)).collect(engine="streaming")

    def make_interaction_days(self) -> pl.LazyFrame:
        described = self.read("interactions").filter(pl.col("customer_id").is_not_null() & pl.col("occurred_at").is_not_null())
        unknown = [pl.col(name).fill_null("(none)") for name in ("direction", "channel", "kind")]
        described = described.select(*unknown, "customer_id", "occurred_at", pl.col("response").fill_null("none"), day=london_day("occurred_at"))
        return described.group_by("day", "customer_id", "direction", "channel", "kind", "response").agg(
            interactions=pl.len().cast(pl.Int64), first_at=pl.col("occurred_at").min(), last_at=pl.col("occurred_at").max()
        )

    def make_contacts(self) -> pl.LazyFrame:
        kinds = self.read("interaction_kinds").select("kind", "cost", "is_complaint")
        days = self.interaction_days.lazy().filter(pl.col("day") <= self.as_of).join(kinds, on="kind", how="left")
        cost = pl.col("cost").fill_null(0) * pl.col("interactions").cast(pl.Decimal(18, 0))
        return (
            self.resolved(days)
            .group_by("customer_id")
            .agg(cost_to_serve=cost.sum(), last_complaint_on=pl.col("day").filter("is_complaint").max())
        )

    # marts

    def make_customer_value(self) -> pl.LazyFrame:
        drawn = self.read("campaign_members").filter(pl.col("customer_id").is_not_null() & (london_day("assigned_at") <= self.as_of))
        drawn = drawn.with_columns(landed_id="customer_id", arm=pl.col("arm").fill_null("treatment"))
        drawn = self.resolved(drawn).sort("assigned_at", "landed_id").group_by("campaign_id", "customer_id").agg(pl.col("arm").first())
        drawn = drawn.filter(pl.col("arm") != "control")
        shares = drawn.group_by("campaign_id").agg(members=pl.len()).join(self.read("campaigns").select("campaign_id", "cost"), on="campaign_id", how="left")
        # cents, half away from zero
        cents = (pl.col("cost").fill_null(0) * 100).cast(pl.Int64)
        share = (cents * 2 + pl.col("members").cast(pl.Int64)) // (pl.col("members").cast(pl.Int64) * 2)
        shares = shares.select("campaign_id", cost=share.cast(pl.Decimal(20, 0)) * pl.lit("0.01").cast(MONEY))
        rewards = self.read("referrals").filter(pl.col("referrer_id").is_not_null() & (london_day("referred_at") <= self.as_of))
        rewards = self.resolved(rewards, "referrer_id").select(customer_id="referrer_id", cost=pl.col("reward_cost").fill_null(0).cast(pl.Decimal(38, 2)))
        shares = drawn.join(shares, on="campaign_id").select("customer_id", pl.col("cost").cast(pl.Decimal(38, 2)))
        spent = pl.concat([shares, rewards]).group_by("customer_id").agg(marketing_cost=pl.col("cost").sum())
        historic = (
            self.buyers.lazy()
            .join(self.contacts.lazy().select("customer_id", "cost_to_serve"), on="customer_id", how="left")
            .join(spent, on="customer_id", how="left")
            .with_columns(pl.col("cost_to_serve", "marketing_cost").fill_null(0))
            .with_columns(profit=pl.col("margin") - pl.col("cost_to_serve") - pl.col("marketing_cost"))
            .collect(engine="streaming")
        )
        count = historic.height

        def fifth(column: str) -> pl.Expr:
            rank = pl.col(column).rank("min").cast(pl.Int64) - 1
            return pl.max_horizontal(pl.lit(1, pl.Int64), (5 * rank + count - 2) // max(count - 1, 1))

        historic = historic.with_columns(r=fifth("last_purchase_on"), f=fifth("purchase_days"), m=fifth("revenue"))
        historic = historic.sort("profit", "customer_id", descending=[True, False]).with_row_index("place", 1)
        triples = historic.select("r", "f", "m").unique()
        segments = self.read("rfm_segments").collect()
        triples = triples.join(segments, how="cross").filter(
            pl.all_horizontal(pl.col(name).is_between(pl.col(f"{name}_from"), pl.col(f"{name}_to")) for name in "rfm")
        )
        triples = triples.sort("rank").group_by("r", "f", "m").agg(rfm_segment=pl.col("segment").first())
        fifth_part = -(-count // 5)
        gap = (pl.col("last_purchase_on") - pl.col("first_purchase_on")).dt.total_days()
        average = pl.when(pl.col("purchase_days") > 1).then(gap.cast(pl.Float64) / (pl.col("purchase_days") - 1))
        half_up = (average + 0.5).floor().cast(pl.Int64)
        return historic.lazy().join(triples.lazy(), on=["r", "f", "m"], how="left").select(
            "customer_id",
            "first_purchase_on",
            "last_purchase_on",
            "purchase_days",
            "orders",
            *(pl.col(name).cast(MONEY) for name in ("revenue", "margin", "cost_to_serve", "marketing_cost", "profit")),
            average_days_between=average,
            expected_next_purchase_on=pl.col("last_purchase_on") + pl.duration(days=half_up),
            frequency=pl.col("purchase_days") - 1,
            recency=gap / 7.0,
            age=(pl.lit(self.as_of) - pl.col("first_purchase_on")).dt.total_days() / 7.0,
            monetary=pl.when(pl.col("purchase_days") > 1).then(pl.col("repeat_revenue").cast(pl.Float64) / (pl.col("purchase_days") - 1)),
            r="r",
            f="f",
            m="m",
            rfm_segment="rfm_segment",
            value_tier=pl.when(pl.col("place") <= fifth_part)
            .then(pl.lit("vip"))
            .when(count - pl.col("place").cast(pl.Int64) < fifth_part)
            .then(pl.lit("low"))
            .otherwise(pl.lit("core")),
        )

    def make_churn(self) -> pl.LazyFrame:
        day, middle, start = pl.col("day"), self.days_ago(90), self.days_ago(180)
        now, before = day > middle, (day > start) & (day <= middle)
        purchase = pl.col("is_purchase_day")
        windows = self.customer_days.lazy().group_by("customer_id").agg(
            last_purchase_on=day.filter(purchase).max(),
            has_bought_before=(purchase & before).any(),
            has_bought_now=(purchase & now).any(),
            revenue_before=pl.col("revenue").filter(before).sum(),
            revenue_now=pl.col("revenue").filter(now).sum(),
        )
        items = (
            self.lines.lazy()
            .filter((day > start) & (pl.col("quantity") > 0) & pl.col("product_id").is_not_null())
            .join(self.read("products").select("product_id", "category"), on="product_id", how="left")
            .select("customer_id", item=pl.coalesce("category", "product_id"), is_now=now)
            .unique()
        )
        profiles = items.group_by("customer_id").agg(
            products_before=(~pl.col("is_now")).sum().cast(pl.Int64), products_now=pl.col("is_now").sum().cast(pl.Int64)
        )
        fell = pl.col("revenue_now").cast(pl.Decimal(38, 3)) * 10 < pl.col("revenue_before").cast(pl.Decimal(38, 3)) * 9
        positions = (
            windows.filter(pl.col("last_purchase_on").is_not_null())
            .join(profiles, on="customer_id", how="left")
            .with_columns(pl.col("products_before", "products_now").fill_null(0))
            .with_columns(
                category=pl.when(~pl.col("has_bought_now"))
                .then(pl.lit("account"))
                .when(pl.col("has_bought_before") & (pl.col("products_now") < pl.col("products_before")))
                .then(pl.lit("product"))
                .when(pl.col("has_bought_before") & fell)
                .then(pl.lit("spend"))
                .otherwise(pl.lit("none"))
            )
            .collect(engine="streaming")
            .lazy()
        )
        leaving = positions.filter(pl.col("category") != "none").select("customer_id", "category", "last_purchase_on")
        answers = self.resolved(
            self.read("surveys").filter(pl.col("customer_id").is_not_null()).with_columns(day=london_day("responded_at")).filter(day <= self.as_of)
        )
        key = lambda column: pl.col(column).str.to_lowercase().str.replace_all(r"\s+", "")  # noqa: E731
        reasons = self.read("churn_reasons").group_by(key=key("text")).agg(known=pl.col("reason").min())
        stated = (
            leaving.join(answers.filter(pl.col("kind") == "exit"), on="customer_id")
            .filter(pl.col("last_purchase_on") <= day)
            .sort("responded_at", "survey_id", descending=[True, False])
            .group_by("customer_id")
            .agg(pl.col("reason").first())
            .with_columns(key=key("reason"))
            .join(reasons, on="key", how="left")
            .select("customer_id", stated=pl.col("known").fill_null("other"))
        )
        angry = pl.concat(
            [
                answers.filter(((pl.col("kind") == "csat") & (pl.col("score") <= 2)) | ((pl.col("kind") == "nps") & (pl.col("score") <= 6))).select("customer_id", "day"),
                self.contacts.lazy().select("customer_id", day="last_complaint_on"),
            ]
        )
        angry = angry.group_by("customer_id").agg(angry_on=day.max())
        sent = self.resolved(self.interaction_days.lazy().filter(pl.col("direction") == "outbound").select("customer_id", "day"))
        last = pl.col("last_purchase_on")
        soon_after = day.is_between(last, last + pl.duration(days=90))
        contacted = (
            sent.join(leaving, on="customer_id")
            .filter(pl.when(pl.col("category") == "account").then(soon_after).otherwise(day > middle))
            .select("customer_id")
            .unique()
            .with_columns(is_contacted=True)
        )
        stays = pl.col("category") == "none"
        is_angry = (pl.col("angry_on") > last - pl.duration(days=90)).fill_null(False)
        is_contacted = pl.col("is_contacted").fill_null(False)
        lost = (pl.col("revenue_before") - pl.col("revenue_now")).cast(MONEY)
        nothing = pl.lit(0).cast(MONEY)
        return (
            positions.join(stated, on="customer_id", how="left")
            .join(angry, on="customer_id", how="left")
            .join(contacted, on="customer_id", how="left")
            .select(
                "customer_id",
                "category",
                (pl.col("has_bought_before") & ~stays).alias("is_new_churn"),
                "products_before",
                "products_now",
                pl.col("revenue_before").cast(MONEY),
                pl.col("revenue_now").cast(MONEY),
                pl.when(stays | (lost < nothing)).then(nothing).otherwise(lost).alias("revenue_lost"),
                "last_purchase_on",
                pl.when(stays)
                .then(None)
                .when(pl.col("stated").is_not_null())
                .then("stated")
                .when(is_angry)
                .then(pl.lit("dissatisfaction"))
                .when(~is_contacted)
                .then(pl.lit("unappreciated"))
                .otherwise(pl.lit("unknown"))
                .alias("reason"),
                pl.when(stays)
                .then(None)
                .when(pl.col("stated").is_not_null())
                .then(pl.lit("stated"))
                .when(is_angry | ~is_contacted)
                .then(pl.lit("inferred"))
                .otherwise(pl.lit("unknown"))
                .alias("reason_source"),
                "has_bought_before",
            )
        )

    def make_cohort_retention(self) -> pl.DataFrame:
        own = pl.col("customer_id") == pl.col("landed_id")
        profiles = (
            self.resolved(self.read("customers").select("customer_id", "acquisition_source").with_columns(landed_id="customer_id"))
            .sort(~own, "landed_id")
            .group_by("customer_id")
            .agg(source=pl.col("acquisition_source").first())
        )
        members = (
            self.buyers.lazy()
            .select("customer_id", "first_purchase_on", "last_purchase_on")
            .join(profiles, on="customer_id", how="left")
            .with_columns(pl.col("source").fill_null("(none)"), cohort=pl.col("first_purchase_on").dt.truncate("1mo"))
            .collect(engine="streaming")
            .lazy()
        )

        def month(column: str) -> pl.Expr:
            return pl.col(column).dt.year().cast(pl.Int64) * 12 + pl.col(column).dt.month()

        def period(kind: str, column: str) -> pl.Expr:
            if kind == "calendar_month":
                return month(column) - month("first_purchase_on")
            return (pl.col(column) - pl.col("first_purchase_on")).dt.total_days() // 30

        kinds = ("calendar_month", "customer_month")
        bought = self.customer_days.lazy().select("customer_id", "day", "revenue", "is_purchase_day").join(members, on="customer_id")
        facts, lasts = [], []
        for kind in kinds:
            since = "cohort" if kind == "calendar_month" else "first_purchase_on"
            per_customer = (
                bought.filter(pl.col("day") >= pl.col(since))
                .group_by("cohort", "source", "customer_id", period=period(kind, "day"))
                .agg(pl.col("revenue").sum(), has_bought=pl.col("is_purchase_day").any())
                .group_by("cohort", "source", "period")
                .agg(active=pl.col("has_bought").sum().cast(pl.Int64), revenue=pl.col("revenue").sum())
            )
            facts.append(per_customer.with_columns(cohort_kind=pl.lit(kind)))
            last = members.group_by("cohort", "source", period=period(kind, "last_purchase_on")).agg(last_active=pl.len().cast(pl.Int64))
            lasts.append(last.with_columns(cohort_kind=pl.lit(kind)))
        sizes = members.group_by("cohort", "source").agg(cohort_size=pl.len().cast(pl.Int64), oldest_on=pl.col("first_purchase_on").min())
        facts, lasts, sizes = pl.collect_all([pl.concat(facts), pl.concat(lasts), sizes], engine="streaming")

        def with_all(frame: pl.DataFrame, *aggregates) -> pl.DataFrame:
            frame = frame.rename({"source": "segment"})
            keys = [name for name in ("cohort_kind", "cohort", "segment", "period") if name in frame.columns]
            everyone = frame.with_columns(segment=pl.lit("all")).group_by(keys).agg(*aggregates)
            return pl.concat([frame.select(keys + everyone.columns[len(keys) :]), everyone])

        facts = with_all(facts, pl.col("active").sum(), pl.col("revenue").sum())
        lasts = with_all(lasts, pl.col("last_active").sum())
        cohorts = with_all(sizes, pl.col("cohort_size").sum(), pl.col("oldest_on").min())
        today = pl.lit(self.as_of)
        as_of_month = self.as_of.year * 12 + self.as_of.month
        tomorrow = self.as_of + datetime.timedelta(1)
        open_month = tomorrow.year * 12 + tomorrow.month
        periods = []
        for kind in kinds:
            last = as_of_month - month("cohort") if kind == "calendar_month" else (today - pl.col("oldest_on")).dt.total_days() // 30
            periods.append(cohorts.with_columns(cohort_kind=pl.lit(kind), period=pl.int_ranges(0, last + 1)))
        keys = ["cohort_kind", "cohort", "segment", "period"]
        frame = pl.concat(periods).explode("period").join(facts, on=keys, how="left").join(lasts, on=keys, how="left")
        frame = frame.sort(keys).with_columns(pl.col("active", "last_active", "revenue").fill_null(0))
        group = ["cohort_kind", "cohort", "segment"]
        youngest = pl.col("cohort").dt.month_end() + pl.duration(days=30 * pl.col("period") + 29)
        complete = pl.when(pl.col("cohort_kind") == "calendar_month").then(month("cohort") + pl.col("period") < open_month).otherwise(youngest <= today)
        frame = frame.with_columns(
            is_complete=complete,
            active_on_or_after=pl.col("last_active").cum_sum(reverse=True).over(group),
            # sums of cents, so that no double is added to another
            cumulative=(pl.col("revenue") * 100).cast(pl.Int64).cum_sum().over(group) / 100.0,
        )
        size = pl.col("cohort_size")
        return frame.select(
            *keys,
            "cohort_size",
            "active",
            pl.when("is_complete").then(pl.col("active") / size).alias("retention_rate"),
            "active_on_or_after",
            pl.when("is_complete").then(pl.col("active_on_or_after") / size).alias("retention_on_or_after"),
            pl.col("revenue").cast(MONEY),
            (pl.col("cumulative") / size).alias("cumulative_revenue_per_customer"),
            "is_complete",
        )


if __name__ == "__main__":
    marts = Marts(Path(sys.argv[1]), Path(sys.argv[2]), datetime.date.fromisoformat(sys.argv[3]))
    marts.run()
    print(json.dumps(marts.took))
