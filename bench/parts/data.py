"""Makes the raw files: a made-up shop's exports, the same for the same size and seed.

Interactions come as NDJSON and order lines as CSV, gzip level 6, in objects of one month (interactions) or quarter (order
lines); four times the data is four objects in the place of one. Bad rows, repeated rows and late rows are spread over all
objects, and `manifest.json` counts them, so that a landing can be checked to the row.
"""

import argparse
import datetime
import json
import multiprocessing
import os
import shutil
import zlib
from pathlib import Path

import numpy as np
import polars as pl

START, DAYS = datetime.date(2024, 1, 2), 730
AS_OF = START + datetime.timedelta(DAYS - 1)
EPOCH = (START - datetime.date(1970, 1, 1)).days
SEED = 20251231
CUSTOMERS, INTERACTIONS, ORDER_LINES = 300_000, 5_000_000, 1_000_000
VISITORS_PER_CUSTOMER = 0.3
PRODUCTS, CAMPAIGNS, CONTENTS = 2_000, 24, 200

# kind: share, direction, channels, what it refers to
KINDS = {
    "visit": (0.330, "inbound", "web", ""),
    "product_view": (0.180, "inbound", "web", "product"),
    "content_view": (0.100, "inbound", "web", "content"),
    "basket": (0.050, "inbound", "web", "product"),
    "app_use": (0.080, "inbound", "web", ""),
    "newsletter_signup": (0.005, "inbound", "web", ""),
    "unsubscribe": (0.004, "inbound", "web", ""),
    "review": (0.004, "inbound", "web", "product"),
    "share": (0.004, "inbound", "web", "content"),
    "enquiry": (0.012, "inbound", "service", "product"),
    "quote_request": (0.006, "inbound", "service", "product"),
    "complaint": (0.006, "inbound", "service", "product"),
    "return_request": (0.004, "inbound", "service", "product"),
    "store_visit": (0.010, "inbound", "service", ""),
    "praise": (0.002, "inbound", "service", ""),
    "newsletter": (0.120, "outbound", "sent", "content"),
    "offer": (0.050, "outbound", "sent", "campaign"),
    "cross_sell": (0.010, "outbound", "sent", "campaign"),
    "win_back": (0.004, "outbound", "sent", "campaign"),
    "care_call": (0.004, "outbound", "sent", ""),
    "thank_you": (0.008, "outbound", "sent", ""),
    "referral_request": (0.004, "outbound", "sent", "campaign"),
    "complaint_reply": (0.002, "outbound", "sent", ""),
    "welcome_back": (0.001, "outbound", "sent", ""),
}
CHANNELS = {
    "web": (["web", "social"], [0.85, 0.15]),
    "service": (["phone", "email", "store", "social"], [0.4, 0.35, 0.2, 0.05]),
    "sent": (["email", "mail", "phone", "social"], [0.8, 0.1, 0.05, 0.05]),
}
RESPONSES, RESPONSE_SHARES = ["none", "positive", "negative", "later"], [0.74, 0.18, 0.05, 0.03]
# Of 10,000 rows.
BAD_INTERACTIONS = {"cut": 12, "timestamp": 6, "missing": 6, "number": 6, "value": 5}
BAD_ORDER_LINES = {"cut": 6, "timestamp": 5, "missing": 6, "number": 12, "value": 5}
REPEATED = 30


class World:
    """Who the customers are and what they buy."""

    def __init__(self, scale: float, seed: int = SEED):
        self.scale, self.seed = scale, seed
        self.customers = max(200, round(CUSTOMERS * scale))
        self.visitors = round(self.customers * VISITORS_PER_CUSTOMER)
        self.interactions, self.order_lines = round(INTERACTIONS * scale), round(ORDER_LINES * scale)
        # a third of the customers were there before the first day
        rng = self.rng("customers")
        joined = np.where(rng.random(self.customers) < 0.33, 0.0, rng.random(self.customers) * DAYS)
        self.joined = np.sort(joined)
        self.weights = np.cumsum(rng.gamma(0.7, 1.0, self.customers) + 0.05)
        self.values = rng.gamma(4.0, 9.0, self.customers) + 4.0
        self.prices = np.round(rng.gamma(2.0, 8.0, PRODUCTS) + 1.5, 2)

    def rng(self, *names) -> np.random.Generator:
        return np.random.default_rng([self.seed, *(zlib.crc32(str(name).encode()) for name in names)])

    def draw_customers(self, rng, days: np.ndarray) -> np.ndarray:
        """Customers who have joined by these days, the active ones more often."""
        there = np.maximum(np.searchsorted(self.joined, days, side="right"), 1)
        return np.searchsorted(self.weights, rng.random(len(days)) * self.weights[there - 1], side="right").clip(0, self.customers - 1)

    def purchases(self) -> tuple[np.ndarray, np.ndarray]:
        """Moments (in days since the start) and customers of all orders, in order of time: BG/NBD."""
        rng = self.rng("purchases")
        buyers = np.flatnonzero(rng.random(self.customers) < 0.68)
        at = self.joined[buyers] + rng.exponential(25.0, len(buyers))
        rates = rng.gamma(0.9, 1 / 75.0, len(buyers)) + 1e-4
        drops = rng.beta(0.9, 2.6, len(buyers))
        moments, who = [], []
        while len(buyers):
            kept = at < DAYS
            buyers, at, rates, drops = buyers[kept], at[kept], rates[kept], drops[kept]
            moments.append(at)
            who.append(buyers)
            kept = rng.random(len(buyers)) >= drops
            buyers, at, rates, drops = buyers[kept], at[kept], rates[kept], drops[kept]
            at = at + rng.exponential(1.0, len(at)) / rates
        moments, who = np.concatenate(moments), np.concatenate(who)
        order = np.argsort(moments, kind="stable")
        return moments[order], who[order]


def customer_ids(numbers) -> pl.Series:
    return _ids("c", numbers, 7)


def visitor_ids(numbers) -> pl.Series:
    return _ids("v", numbers, 8)


def _ids(prefix: str, numbers, width: int) -> pl.Series:
    digits = pl.Series("id", numbers, dtype=pl.Int64).cast(pl.String).str.zfill(width)
    return pl.Series("id", [prefix]) + digits


def scattered(numbers: np.ndarray) -> np.ndarray:
    """Other numbers below 2^46, no two alike: ids that neither compress nor sort well, like real ones."""
    mask = np.uint64(2**46 - 1)
    with np.errstate(over="ignore"):
        mixed = (numbers.astype(np.uint64) * np.uint64(46_912_496_118_443)) & mask
        mixed ^= mixed >> np.uint64(23)
        return ((mixed * np.uint64(31_415_926_535_897)) & mask).astype(np.int64)


def moments(days: np.ndarray, seconds: np.ndarray) -> pl.Series:
    micros = ((days + EPOCH) * 86_400 + seconds) * 1_000_000
    return pl.Series("at", micros.astype(np.int64)).cast(pl.Datetime("us"))


def instants(at: pl.Series) -> pl.Series:
    return at.dt.strftime("%Y-%m-%dT%H:%M:%SZ")


def picks(rng, values: list[str], shares: list[float], count: int) -> pl.Series:
    shares = np.array(shares) / np.sum(shares)
    numbers = rng.choice(len(values), count, p=shares)
    return pl.Series("picked", values).gather(numbers)


# interactions


def interaction_lines(world: World, rng, first_id: int, count: int, from_day: int, to_day: int) -> pl.Series:
    """`count` clean lines of days from `from_day` up to and without `to_day`, in order of time but for late ones."""
    days = np.sort(rng.integers(from_day, to_day, count))
    late = rng.random(count) < 0.005
    days = np.maximum(days - np.where(late, rng.integers(1, 4, count), 0), 0)
    seconds = (np.minimum(rng.beta(2.4, 1.7, count), 0.99999) * 86_400).astype(np.int64)
    kinds = list(KINDS)
    shares = np.array([KINDS[kind][0] for kind in kinds])
    kind = rng.choice(len(kinds), count, p=shares / shares.sum())
    group = pl.Series("group", [KINDS[name][2] for name in kinds]).gather(kind)
    about = pl.Series("about", [KINDS[name][3] for name in kinds]).gather(kind)
    customers = world.draw_customers(rng, days)
    anonymous = (rng.random(count) < 0.25) & (kind < kinds.index("review"))
    visitors = rng.integers(0, world.visitors, count)
    outbound = pl.Series("direction", [KINDS[name][1] for name in kinds]).gather(kind)
    value = np.round(rng.gamma(1.3, 60.0, count), 1)
    has_value = (kind < 3) | (kind == 4)
    campaign = rng.integers(0, CAMPAIGNS, count)
    has_campaign = rng.random(count) < np.where(kind < 3, 0.03, 0.0)
    frame = pl.DataFrame(
        {
            "id": _ids("i", scattered(np.arange(first_id, first_id + count)), 14),
            "at": instants(moments(days, seconds)),
            "kind": pl.Series(kinds).gather(kind),
            "direction": outbound,
            "group": group,
            "about": about,
            "web": picks(rng, *CHANNELS["web"], count),
            "service": picks(rng, *CHANNELS["service"], count),
            "sent": picks(rng, *CHANNELS["sent"], count),
            "response": picks(rng, RESPONSES, RESPONSE_SHARES, count),
            "who": pl.select(pl.when(pl.Series(anonymous)).then(visitor_ids(visitors)).otherwise(customer_ids(customers))).to_series(),
            "campaign": _ids("m", campaign, 3),
            "has_campaign": has_campaign,
            "product": _ids("p", rng.integers(0, PRODUCTS, count), 5),
            "content": _ids("t", rng.integers(0, CONTENTS, count), 4),
            "value": value,
            "has_value": has_value,
        }
    )
    channel = pl.when(pl.col("group") == "web").then(pl.col("web")).when(pl.col("group") == "service").then(pl.col("service")).otherwise(pl.col("sent"))

    def part(condition, name: str, column: str, quote: str = '"'):
        text = pl.format(f',"{name}":{quote}{{}}{quote}', pl.col(column).cast(pl.String))
        return pl.when(condition).then(text).otherwise(pl.lit(""))

    line = pl.concat_str(
        pl.lit('{"interaction_id":"'),
        "id",
        pl.lit('","customer_id":"'),
        "who",
        pl.lit('","occurred_at":"'),
        "at",
        pl.lit('","direction":"'),
        "direction",
        pl.lit('","channel":"'),
        channel,
        pl.lit('","kind":"'),
        "kind",
        pl.lit('"'),
        part((pl.col("about") == "campaign") | pl.col("has_campaign"), "campaign_id", "campaign"),
        part(pl.col("about") == "content", "content_id", "content"),
        part(pl.col("about") == "product", "product_id", "product"),
        part(pl.col("direction") == "outbound", "response", "response"),
        part(pl.col("has_value"), "value", "value", ""),
        pl.lit("}"),
    )
    return frame.select(line.alias("line")).to_series()


def spoil_interactions(lines: pl.Series, bad: pl.Series) -> pl.Series:
    line = pl.col("line")
    changes = {
        "cut": line.str.slice(0, (line.str.len_bytes() * 0.8).cast(pl.UInt32)),
        "timestamp": line.str.replace(r'"occurred_at":"\d+-\d+-\d+', '"occurred_at":"2025-13-45'),
        "missing": line.str.replace(r',"kind":"\w+"', ""),
        "number": line.str.replace(r',"value":[0-9.]+', "").str.replace(r"\}$", ',"value":"n/a"}'),
        "value": line.str.replace(r'"direction":"\w+"', '"direction":"sideways"'),
    }
    return _changed(lines, bad, changes, BAD_INTERACTIONS)


def spoil_order_lines(lines: pl.Series, bad: pl.Series) -> pl.Series:
    line = pl.col("line")
    changes = {
        "cut": line.str.slice(0, (line.str.len_bytes() * 0.5).cast(pl.UInt32)),
        "timestamp": line.str.replace(r",\d+-\d+-\d+ ", ",2025-31-02 "),
        "missing": line.str.replace(r",p\d+,", ",,"),
        "number": line.str.replace(r"(,p\d+,[^,]*),[^,]*,", "$1,n/a,"),
        "value": line.str.replace(r"\w+$", "fax"),
    }
    return _changed(lines, bad, changes, BAD_ORDER_LINES)


def _changed(lines: pl.Series, bad: pl.Series, changes: dict, classes: dict) -> pl.Series:
    expression = pl.col("line")
    for number, name in enumerate(classes, 1):
        expression = pl.when(pl.col("bad") == number).then(changes[name]).otherwise(expression)
    return pl.DataFrame({"line": lines, "bad": bad}).select(expression.alias("line")).to_series()


def choose_bad(rng, count: int, classes: dict) -> tuple[pl.Series, dict]:
    """For each row 0, or which mistake it gets; how many of each."""
    bounds = np.cumsum(list(classes.values()))
    bad = np.searchsorted(bounds, rng.random(count) * 10_000, side="right") + 1
    bad[bad > len(bounds)] = 0
    counts = np.bincount(bad, minlength=len(bounds) + 1)[1:]
    return pl.Series("bad", bad), dict(zip(classes, map(int, counts)))


def spoil_and_repeat(rng, lines: pl.Series, repeats: int, classes: dict, spoil) -> tuple[pl.Series, dict]:
    """Some lines get a mistake; some good ones come again, exactly the same, a little later."""
    bad, counts = choose_bad(rng, len(lines), classes)
    again = np.sort(rng.choice(np.flatnonzero(bad.to_numpy() == 0), repeats, replace=False))
    places = np.minimum(again + rng.integers(1, max(2, len(lines) // 20), repeats), len(lines)) - 0.5
    order = np.argsort(np.concatenate([np.arange(len(lines)), places]), kind="stable")
    return spoil(lines, bad).gather(np.concatenate([np.arange(len(lines)), again])[order]), counts


def write_gzip(path: Path, lines: pl.Series, header: str = ""):
    path.parent.mkdir(parents=True, exist_ok=True)
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    with open(path, "wb") as file:
        if header:
            file.write(packer.compress(f"{header}\n".encode()))
        for start in range(0, len(lines), 50_000):
            text = "\n".join(lines.slice(start, 50_000).to_list()) + "\n"
            file.write(packer.compress(text.encode()))
        file.write(packer.flush())


def day_name(day: int) -> str:
    return f"date={START + datetime.timedelta(int(day))}"


def make_interactions(raw: Path, world: World, name: str, first_id: int, rows: int, from_day: int, to_day: int) -> dict:
    """One object of `rows` lines, delivered on the last of its days."""
    rng = world.rng("interactions", name)
    repeats = round(rows * REPEATED / 10_000)
    lines = interaction_lines(world, rng, first_id, rows - repeats, from_day, to_day)
    lines, bad = spoil_and_repeat(rng, lines, repeats, BAD_INTERACTIONS, spoil_interactions)
    write_gzip(raw / "interactions" / day_name(to_day - 1) / f"{name}.ndjson.gz", lines)
    return {"feed": "interactions", "rows": rows, "rejected": sum(bad.values()), "repeated": repeats, "bad": bad}


# order lines

ORDER_HEADER = "order_no,line_no,customer_no,email,sku,quantity,net_amount,margin,campaign_code,gift_wrap,sold_at,sales_channel"


def order_days(world: World, lines_wanted: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Day, customer and number of lines of each order, in order of time: exactly as many lines as wanted."""
    at, who = world.purchases()
    rng = world.rng("order sizes")
    sizes = 1 + rng.poisson(1.05, len(at))
    if sizes.sum() < lines_wanted:
        raise SystemExit(f"the customers buy {sizes.sum():,} lines, {lines_wanted:,} are wanted")
    order = rng.permutation(len(at))
    kept = np.zeros(len(at), dtype=bool)
    kept[order[np.cumsum(sizes[order]) <= lines_wanted]] = True
    at, who, sizes = at[kept], who[kept], sizes[kept]
    sizes[-1] += lines_wanted - sizes.sum()
    return at.astype(np.int64), who, sizes


def order_lines(world: World, rng, first_order: int, days: np.ndarray, customers: np.ndarray, sizes: np.ndarray) -> pl.Series:
    orders = np.repeat(np.arange(len(days)), sizes)
    count = len(orders)
    line_no = np.arange(count) - np.repeat(np.cumsum(sizes) - sizes, sizes) + 1
    # in shop hours, when no clock changes
    seconds = (8 * 3600 + rng.beta(2.0, 1.6, len(days)) * 13 * 3600).astype(np.int64)
    product = rng.integers(0, PRODUCTS, count)
    quantity = np.minimum(rng.geometric(0.75, count), 9)
    mood = rng.gamma(6.0, 1 / 6.0, len(days))
    amount = np.round(world.values[customers][orders] * mood[orders] / sizes[orders] * rng.gamma(8.0, 1 / 8.0, count), 2) + 0.5
    margin = np.round(amount * rng.uniform(0.25, 0.5, count), 2)
    returned = rng.random(len(days))[orders] < 0.04
    sign = np.where(returned, -1, 1)
    counter = rng.random(len(days)) < 0.03
    has_email = (rng.random(len(days)) < 0.4) & ~counter
    frame = pl.DataFrame(
        {
            "order": _ids("o", scattered(first_order + orders), 14),
            "line_no": line_no,
            "customer": pl.Series(["c"]) + pl.Series(customers[orders]).cast(pl.String).str.zfill(7),
            "counter": counter[orders],
            "has_email": has_email[orders],
            "sku": _ids("p", product, 5),
            "quantity": quantity * sign,
            "amount": np.round(amount * sign, 2),
            "margin": np.round(margin * sign, 2),
            "has_margin": rng.random(count) < 0.9,
            "campaign": _ids("m", rng.integers(0, CAMPAIGNS, count), 3),
            "has_campaign": rng.random(count) < 0.05,
            "gift": picks(rng, ["", "true", "false"], [0.5, 0.1, 0.4], count),
            "at": moments(days, seconds).gather(orders).dt.strftime("%Y-%m-%d %H:%M:%S"),
            "channel": picks(rng, ["web", "store", "phone"], [0.6, 0.34, 0.06], len(days)).gather(orders),
        }
    )
    nothing = pl.lit("")
    line = pl.concat_str(
        "order",
        "line_no",
        pl.when("counter").then(nothing).otherwise("customer"),
        pl.when("has_email").then(pl.format("{}@example.com", "customer")).otherwise(nothing),
        "sku",
        "quantity",
        "amount",
        pl.when("has_margin").then(pl.col("margin").cast(pl.String)).otherwise(nothing),
        pl.when("has_campaign").then("campaign").otherwise(nothing),
        "gift",
        "at",
        "channel",
        separator=",",
    )
    return frame.select(line.alias("line")).to_series()


def make_order_lines(raw: Path, world: World, name: str, first_order: int, days, customers, sizes, to_day: int, repeats: int) -> dict:
    rng = world.rng("order lines", name)
    lines = order_lines(world, rng, first_order, days, customers, sizes)
    lines, bad = spoil_and_repeat(rng, lines, repeats, BAD_ORDER_LINES, spoil_order_lines)
    write_gzip(raw / "orders" / day_name(to_day - 1) / f"{name}.csv.gz", lines, ORDER_HEADER)
    return {"feed": "orders", "rows": len(lines), "rejected": sum(bad.values()), "repeated": repeats, "bad": bad}


# the rest: small feeds, one object each


def text_columns(columns: dict) -> pl.DataFrame:
    return pl.DataFrame(columns).with_columns(pl.all().cast(pl.String))


def csv_lines(columns: dict) -> tuple[str, pl.Series]:
    """No cell of these holds a comma or a quote."""
    frame = text_columns(columns)
    return ",".join(frame.columns), frame.select(pl.concat_str(pl.all().fill_null(""), separator=",").alias("line")).to_series()


def local(at: pl.Series, form: str = "%Y-%m-%d %H:%M:%S") -> pl.Series:
    return at.dt.strftime(form)


def shop_moments(rng, days: np.ndarray) -> pl.Series:
    return moments(days, rng.integers(8 * 3600, 21 * 3600, len(days)))


def make_customers(raw: Path, world: World, numbers: np.ndarray, day: int, name: str):
    rng = world.rng("profiles", name)
    count = len(numbers)
    joined = shop_moments(rng, np.minimum(world.joined[numbers].astype(np.int64), day))
    born = moments(rng.integers(-80 * 365, -18 * 365, count), np.zeros(count, dtype=np.int64))
    some = lambda values, share: pl.select(pl.when(pl.Series(rng.random(count) < share)).then(values)).to_series()  # noqa: E731
    header, lines = csv_lines(
        {
            "customer_no": customer_ids(numbers),
            "email": some(pl.select(pl.format("{}@example.com", customer_ids(numbers))).to_series(), 0.8),
            "birth_date": some(local(born, "%d/%m/%Y"), 0.7),
            "gender": some(picks(rng, ["female", "male", "other"], [0.52, 0.46, 0.02], count), 0.85),
            "income_band": some(picks(rng, ["low", "middle", "high"], [0.3, 0.5, 0.2], count), 0.5),
            "occupation": some(picks(rng, ["office", "trade", "health", "education", "retired", "student"], [0.3, 0.2, 0.15, 0.1, 0.15, 0.1], count), 0.5),
            "persona": some(picks(rng, ["explorer", "saver", "loyalist", "gifter"], [0.3, 0.3, 0.2, 0.2], count), 0.6),
            "country": pl.Series(["GB"]).gather(np.zeros(count, dtype=np.uint32)),
            "region": picks(rng, ["London", "South East", "North West", "Scotland", "Wales", "Midlands"], [0.25, 0.2, 0.15, 0.1, 0.08, 0.22], count),
            "city": picks(rng, ["London", "Brighton", "Manchester", "Leeds", "Glasgow", "Cardiff", "Bristol"], [0.3, 0.1, 0.15, 0.1, 0.15, 0.1, 0.1], count),
            "latitude": np.round(rng.uniform(50.5, 57.5, count), 4),
            "longitude": np.round(rng.uniform(-5.0, 1.0, count), 4),
            "source": some(picks(rng, ["list", "web", "email", "phone", "store", "social", "referral"], [0.2, 0.4, 0.1, 0.05, 0.1, 0.1, 0.05], count), 0.95),
            "may_contact": picks(rng, ["true", "false"], [0.8, 0.2], count),
            "created_at": local(joined, "%d/%m/%Y %H:%M:%S"),
            "updated_at": local(joined, "%d/%m/%Y %H:%M:%S"),
            "status": picks(rng, ["active", "deleted"], [0.99, 0.01], count),
        }
    )
    write_gzip(raw / "customers" / day_name(day) / f"{name}.csv.gz", lines, header)


def make_referrals(raw: Path, world: World, count: int, from_day: int, to_day: int, name: str):
    rng = world.rng("referrals", name)
    friends = rng.integers(world.customers // 4, world.customers, count)
    sources = rng.integers(0, np.maximum(friends, 1))
    days = np.clip(world.joined[friends].astype(np.int64) - rng.integers(0, 30, count), from_day, to_day - 1)
    # some recommend themselves, some each other, and some friends are named twice
    itself, twice = rng.random(count) < 0.004, rng.random(count) < 0.05
    sources = np.where(itself, friends, sources)
    friends[1:] = np.where(twice[1:], friends[:-1], friends[1:])
    circle = np.flatnonzero(rng.random(count) < 0.01)
    circle = circle[circle > 0]
    sources[circle], friends[circle] = friends[circle - 1], sources[circle - 1]
    header, lines = csv_lines(
        {
            "referral_no": _ids("r", scattered(np.arange(count) + 1_000_000 * from_day), 14),
            "from_customer": customer_ids(sources),
            "to_customer": customer_ids(friends),
            "source": picks(rng, ["email", "social", "card", "app", ""], [0.35, 0.3, 0.1, 0.15, 0.1], count),
            "reward": picks(rng, ["0.00", "5.00", "10.00", ""], [0.2, 0.5, 0.2, 0.1], count),
            "referred_at": local(shop_moments(rng, days)),
        }
    )
    write_gzip(raw / "referrals" / day_name(to_day - 1) / f"{name}.csv.gz", lines, header)


def make_identities(raw: Path, world: World, count: int, from_day: int, to_day: int, name: str):
    rng = world.rng("identities", name)
    aliases = rng.choice(world.visitors, min(count, world.visitors), replace=False)
    others = max(1, count // 8)
    alias = pl.concat([visitor_ids(aliases), customer_ids(rng.integers(0, world.customers, others))])
    count = len(alias)
    at = instants(shop_moments(rng, rng.integers(from_day, to_day, count)))
    frame = pl.DataFrame({"alias": alias, "who": customer_ids(rng.integers(0, world.customers, count)), "at": at})
    line = pl.concat_str(pl.lit('{"alias":"'), "alias", pl.lit('","customer_no":"'), "who", pl.lit('","linked_at":"'), "at", pl.lit('"}'))
    lines = frame.select(line.alias("line")).to_series()
    write_gzip(raw / "identities" / day_name(to_day - 1) / f"{name}.ndjson.gz", lines)


def make_surveys(raw: Path, world: World, count: int, from_day: int, to_day: int, name: str):
    rng = world.rng("surveys", name)
    kind = picks(rng, ["nps", "csat", "exit"], [0.5, 0.35, 0.15], count)
    score = pl.Series(np.minimum(rng.poisson(7.5, count), 10).astype(float)).cast(pl.String)
    reasons = ["Moved away", "too expensive", "poor quality", "never heard from you", "better  price elsewhere", "something else", "passed away"]
    frame = pl.DataFrame({"kind": kind, "score": score, "reason": picks(rng, reasons, [1.0] * len(reasons), count)})
    frame = text_columns(
        {
            "response_id": _ids("s", scattered(np.arange(count) + 1_000_000 * from_day), 14),
            "customer_no": customer_ids(rng.integers(0, world.customers, count)),
            "answered_at": instants(shop_moments(rng, rng.integers(from_day, to_day, count))),
            "survey": kind,
            "score": frame.select(pl.when(pl.col("kind") != "exit").then("score")).to_series(),
            "reason": frame.select(pl.when(pl.col("kind") == "exit").then("reason")).to_series(),
            "touchpoint": picks(rng, ["checkout", "delivery", "service"], [0.4, 0.4, 0.2], count),
        }
    )
    path = raw / "surveys" / day_name(to_day - 1) / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path)


def make_fixed(raw: Path, world: World, day: int):
    """Catalogue, campaigns, their members, the library."""
    rng = world.rng("fixed")
    folder = day_name(day)
    products = np.arange(PRODUCTS)
    header, lines = csv_lines(
        {
            "sku": _ids("p", products, 5),
            "title": pl.select(pl.format("Product {}", pl.Series(products).cast(pl.String))).to_series(),
            "category": picks(rng, ["tea", "coffee", "cups", "pots", "books", "gifts", "snacks", "kits", "tins", "other", ""], [1.0] * 11, PRODUCTS),
            "list_price": world.prices,
        }
    )
    path = raw / "products" / folder / "products.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *lines]) + "\n")
    objectives = ["retention", "acquisition", "reactivation", "cross_sell", "referral", "retention"]
    months = [START + datetime.timedelta(30 * number) for number in range(CAMPAIGNS)]
    campaigns = [
        {
            "campaign_code": f"m{number:03}",
            "title": f"Campaign {number}",
            "objective": objectives[number % len(objectives)],
            "channel": "email",
            "starts_on": str(months[number]),
            "ends_on": str(months[number] + datetime.timedelta(28)),
            "budget": round(float(rng.uniform(2_000, 20_000)) * world.scale, 2),
        }
        for number in range(CAMPAIGNS)
    ]
    path = raw / "campaigns" / folder / "campaigns.ndjson"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(campaign) + "\n" for campaign in campaigns))
    each = world.customers // 30
    drawn = np.concatenate([rng.choice(world.customers, each, replace=False) for _ in range(CAMPAIGNS)])
    which = np.repeat(np.arange(CAMPAIGNS), each)
    header, lines = csv_lines(
        {
            "campaign_code": _ids("m", which, 3),
            "customer_no": customer_ids(drawn),
            "arm": picks(rng, ["treatment", "control"], [0.9, 0.1], len(drawn)),
            "drawn_at": instants(moments(which * 30, np.full(len(drawn), 9 * 3600))),
        }
    )
    write_gzip(raw / "campaign_members" / folder / "members.csv.gz", lines, header)
    content = [
        {"content_id": f"t{number:04}", "title": f"Article {number}", "content_type": "article" if number % 3 else "film", "buying_stage": ["awareness", "research", "comparison", "purchase"][number % 4]}
        for number in range(CONTENTS)
    ]
    write_gzip(raw / "content" / "library.ndjson.gz", pl.Series([json.dumps(row) for row in content]))


# all of it


def _call(job):
    function, arguments = job
    return function(*arguments)


def bounds(parts: int) -> list[int]:
    return [round(DAYS * number / parts) for number in range(parts + 1)]


def make(folder: Path, scale: float, months: int = 24, quarters: int = 8, shards: int = 1):
    """The business up to its last day; `shards` objects for each month and quarter."""
    world, raw = World(scale), folder / "raw"
    shutil.rmtree(folder, ignore_errors=True)
    jobs = []
    edges, first = bounds(months), 0
    objects = months * shards
    for number in range(objects):
        month, shard = divmod(number, shards)
        rows = world.interactions * (number + 1) // objects - world.interactions * number // objects
        jobs.append((make_interactions, (raw, world, f"visits-{month + 1:02}-{shard + 1}", first, rows, edges[month], edges[month + 1])))
        first += rows
    repeats = round(world.order_lines * REPEATED / 10_000)
    days, customers, sizes = order_days(world, world.order_lines - repeats)
    edges = bounds(quarters)
    for quarter in range(quarters):
        start, end = np.searchsorted(days, [edges[quarter], edges[quarter + 1]])
        for shard in range(shards):
            a, b = start + (end - start) * shard // shards, start + (end - start) * (shard + 1) // shards
            number = quarter * shards + shard
            again = repeats * (number + 1) // (quarters * shards) - repeats * number // (quarters * shards)
            jobs.append((make_order_lines, (raw, world, f"till-{quarter + 1}-{shard + 1}", int(a), days[a:b], customers[a:b], sizes[a:b], edges[quarter + 1], again)))
    jobs.append((make_customers, (raw, world, np.arange(world.customers), DAYS - 1, "profiles")))
    jobs.append((make_referrals, (raw, world, max(40, round(20_000 * scale)), 0, DAYS, "referrals")))
    jobs.append((make_identities, (raw, world, max(40, round(16_000 * scale)), 0, DAYS, "links")))
    jobs.append((make_surveys, (raw, world, max(40, round(40_000 * scale)), 0, DAYS, "surveys")))
    jobs.append((make_fixed, (raw, world, DAYS - 1)))
    with multiprocessing.Pool(min(2, os.cpu_count() or 1)) as pool:
        made = [facts for facts in pool.map(_call, jobs, chunksize=1) if facts]
    _manifest(folder, world, made, len(days))


def _manifest(folder: Path, world: World, made: list[dict], orders: int):
    manifest = {"seed": world.seed, "scale": world.scale, "as_of": str(AS_OF), "customers": world.customers, "orders": orders, "feeds": {}}
    for feed in ("interactions", "orders"):
        parts = [facts for facts in made if facts["feed"] == feed]
        files = sorted((folder / "raw" / feed).rglob("*.gz"))
        manifest["feeds"][feed] = {
            "objects": len(files),
            "bytes": sum(file.stat().st_size for file in files),
            "rows": sum(facts["rows"] for facts in parts),
            "rejected": sum(facts["rejected"] for facts in parts),
            "repeated": sum(facts["repeated"] for facts in parts),
            "bad": {name: sum(facts["bad"][name] for facts in parts) for name in parts[0]["bad"]},
        }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))


def make_day(raw: Path, scale: float, day: int, seed: int = SEED, interactions: int | None = None, lines: int | None = None, world: World | None = None) -> dict:
    """One day's deliveries of all feeds that move, day 730 being the first after the business's last."""
    world = world or World(scale, seed)
    rng = world.rng("day", day)
    rows = interactions or max(20, world.interactions // DAYS)
    name = f"day-{day:05}"
    first = 2**40 + day * 2**20
    facts = [make_interactions(raw, world, name, first, rows, day, day + 1)]
    wanted = lines or max(10, world.order_lines // DAYS)
    sizes = 1 + rng.poisson(1.05, wanted)
    sizes = sizes[np.cumsum(sizes) <= wanted]
    customers = world.draw_customers(rng, np.full(len(sizes), day))
    facts.append(make_order_lines(raw, world, name, first, np.full(len(sizes), day), customers, sizes, day + 1, round(wanted * REPEATED / 10_000)))
    make_referrals(raw, world, max(2, round(27 * scale)), day, day + 1, name)
    make_identities(raw, world, max(2, round(22 * scale)), day, day + 1, name)
    make_surveys(raw, world, max(2, round(55 * scale)), day, day + 1, name)
    return {part["feed"]: part for part in facts}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--shards", type=int, default=1)
    options = parser.parse_args()
    make(options.folder, options.scale, shards=options.shards)
    print((options.folder / "manifest.json").read_text())
