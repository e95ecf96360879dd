"""Lands feeds with DuckDB: how, raw folder, folder to write to.

native: read_json with ignore_errors and read_csv with store_rejects, then what the contract says. Rows whose JSON is broken
are gone, and a bad number is null in a row that stays.
whole: lines of JSON are read as text and cast with try_cast, so that a bad row is kept as it came; one pass, good and bad
rows parted while writing. twice: the same in two passes, one for each, which needs less memory.
feeds: all feeds, as native but exact to the row (for dbt), or with two more arguments those that one day brought.
"""

import json
import sys
from pathlib import Path

import duckdb

INTERACTIONS = {
    "interaction_id": "VARCHAR",
    "customer_id": "VARCHAR",
    "occurred_at": "TIMESTAMPTZ",
    "direction": "VARCHAR",
    "channel": "VARCHAR",
    "kind": "VARCHAR",
    "campaign_id": "VARCHAR",
    "content_id": "VARCHAR",
    "product_id": "VARCHAR",
    "response": "VARCHAR",
    "value": "DOUBLE",
}
ORDERS = {
    "order_no": "VARCHAR",
    "line_no": "BIGINT",
    "customer_no": "VARCHAR",
    "email": "VARCHAR",
    "sku": "VARCHAR",
    "quantity": "DECIMAL(12,3)",
    "net_amount": "DECIMAL(18,2)",
    "margin": "DECIMAL(18,2)",
    "campaign_code": "VARCHAR",
    "gift_wrap": "BOOLEAN",
    "sold_at": "TIMESTAMP",
    "sales_channel": "VARCHAR",
}
# what the contracts say beyond types
GOOD_INTERACTION = """
    interaction_id is not null and occurred_at is not null and channel is not null and kind is not null
    and direction in ('inbound', 'outbound') and (value is null or value >= 0)"""
GOOD_ORDER = """
    order_no is not null and line_no between 1 and 99 and sku is not null and quantity between -1000 and 1000
    and net_amount is not null and sold_at is not null and sales_channel in ('web', 'phone', 'store')"""


def typed(columns: dict) -> str:
    return "{" + ", ".join(f"{name}: '{kind}'" for name, kind in columns.items()) + "}"


def connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set threads = 2")
    connection.execute("set preserve_insertion_order = false")
    connection.execute("set timezone = 'UTC'")
    return connection


def land_orders(connection, raw: Path, out: Path) -> tuple[int, int]:
    landed = connection.execute(f"""
        copy (
            select * replace (timezone('Europe/London', sold_at) as sold_at)
            from read_csv(
                '{raw}/orders/*/*.csv.gz', header = true, columns = {typed(ORDERS)},
                store_rejects = true, rejects_limit = 0
            )
            where {GOOD_ORDER}
        ) to '{out}/orders.parquet' (format parquet, compression zstd)
    """).fetchone()[0]
    lines = connection.execute("select count(*) from (select distinct scan_id, file_id, line from reject_errors)").fetchone()[0]
    connection.execute(f"copy reject_errors to '{out}/orders_rejected.parquet' (format parquet, compression zstd)")
    return landed, lines


def native(connection, raw: Path, out: Path) -> dict:
    interactions = connection.execute(f"""
        copy (
            select *
            from read_json(
                '{raw}/interactions/*/*.ndjson.gz', format = 'newline_delimited', ignore_errors = true,
                columns = {typed(INTERACTIONS)}
            )
            where {GOOD_INTERACTION}
        ) to '{out}/interactions.parquet' (format parquet, compression zstd)
    """).fetchone()[0]
    orders, orders_rejected = land_orders(connection, raw, out)
    return {"interactions": interactions, "orders": orders, "orders_rejected_with_text": orders_rejected}


def judged(raw: Path) -> str:
    """Every line of the interactions, its cells, and whether the contract takes it."""
    paths = list(INTERACTIONS)
    cells = ", ".join(
        f"cells[{place}] as {name}" if kind == "VARCHAR" else f"try_cast(cells[{place}] as {kind}) as {name}"
        for place, (name, kind) in enumerate(INTERACTIONS.items(), 1)
    )
    return f"""
        with lines as (
            select line, json_valid(line) as is_json
            from read_csv(
                '{raw}/interactions/*/*.ndjson.gz', header = false, columns = {{line: 'VARCHAR'}},
                delim = '\x01', quote = '', escape = '', strict_mode = false
            )
        ),
        cut as (
            select line, case when is_json then json_extract_string(line, {["$." + name for name in paths]}) end as cells
            from lines
        ),
        cast_cells as (select line, cells, {cells} from cut),
        judged as (
            select
                *,
                not (
                    coalesce({GOOD_INTERACTION}, false)
                    and (value is not null or cells[{paths.index("value") + 1}] is null)
                ) as is_rejected
            from cast_cells
        )
    """


def whole(connection, raw: Path, out: Path) -> dict:
    connection.execute(f"""
        copy (
            {judged(raw)}
            select {", ".join(INTERACTIONS)}, case when is_rejected then line end as raw, is_rejected from judged
        ) to '{out}/interactions' (format parquet, compression zstd, partition_by (is_rejected), overwrite_or_ignore)
    """)
    return counted(connection, raw, out)


def twice(connection, raw: Path, out: Path) -> dict:
    for columns, is_rejected in ((", ".join(INTERACTIONS), "false"), ("line as raw", "true")):
        folder = out / "interactions" / f"is_rejected={is_rejected}"
        folder.mkdir(parents=True)
        connection.execute(f"""
            copy ({judged(raw)} select {columns} from judged where is_rejected = {is_rejected})
            to '{folder}/rows.parquet' (format parquet, compression zstd)
        """)
    return counted(connection, raw, out)


def counted(connection, raw: Path, out: Path) -> dict:
    landed, rejected = (
        connection.execute(f"select count(*) from read_parquet('{out}/interactions/is_rejected={key}/*.parquet')").fetchone()[0]
        for key in ("false", "true")
    )
    orders, orders_rejected = land_orders(connection, raw, out)
    return {"interactions": landed, "interactions_rejected": rejected, "orders": orders, "orders_rejected_with_text": orders_rejected}


SMALL = {
    "customers": (
        "csv.gz",
        "customer_no varchar, email varchar, birth_date date, gender varchar, income_band varchar, occupation varchar, persona varchar,"
        " country varchar, region varchar, city varchar, latitude double, longitude double, source varchar, may_contact boolean,"
        " created_at timestamp, updated_at timestamp, status varchar",
        ", dateformat = '%d/%m/%Y', timestampformat = '%d/%m/%Y %H:%M:%S'",
    ),
    "products": ("csv", "sku varchar, title varchar, category varchar, list_price decimal(18,2)", ""),
    "campaigns": ("ndjson", "campaign_code varchar, title varchar, objective varchar, channel varchar, starts_on date, ends_on date, budget decimal(18,2)", ""),
    "campaign_members": ("csv.gz", "campaign_code varchar, customer_no varchar, arm varchar, drawn_at timestamptz", ""),
    "referrals": ("csv.gz", "referral_no varchar, from_customer varchar, to_customer varchar, source varchar, reward decimal(18,2), referred_at timestamp", ""),
    "surveys": ("parquet", "response_id varchar, customer_no varchar, answered_at timestamptz, survey varchar, score double, reason varchar, touchpoint varchar", ""),
    "identities": ("ndjson.gz", "alias varchar, customer_no varchar, linked_at timestamptz", ""),
}
LOCAL = {"created_at", "updated_at", "referred_at", "sold_at"}


def feeds(connection, raw: Path, out: Path, delivered: str, day: str = "*") -> dict:
    """Every feed as `<feed>/delivered=<day>/rows.parquet`, of all objects or those of one day."""
    counts = {}

    def write(feed: str, sql: str):
        folder = out / feed / f"delivered={delivered}"
        folder.mkdir(parents=True, exist_ok=True)
        counts[feed] = connection.execute(f"copy ({sql}) to '{folder}/rows.parquet' (format parquet, compression zstd)").fetchone()[0]

    # a number that is none is read as text first: else it would become null and its row stay
    columns = INTERACTIONS | {"value": "VARCHAR"}
    write(
        "interactions",
        f"""
        select * replace (try_cast(value as double) as value)
        from read_json('{raw}/interactions/date={day}/*.ndjson.gz', format = 'newline_delimited', ignore_errors = true, columns = {typed(columns)})
        where {GOOD_INTERACTION.replace("value >= 0", "try_cast(value as double) >= 0")}
        """,
    )
    write(
        "orders",
        f"""
        select * replace (timezone('Europe/London', sold_at) as sold_at)
        from read_csv('{raw}/orders/date={day}/*.csv.gz', header = true, columns = {typed(ORDERS)}, store_rejects = true, rejects_limit = 0)
        where {GOOD_ORDER}
        """,
    )
    for feed, (ending, columns, options) in SMALL.items():
        files = f"{raw}/{feed}/date={day}/*.{ending}"
        if not list(raw.glob(f"{feed}/date={day}/*.{ending}")):
            continue
        kinds = dict(column.strip().split(" ", 1) for column in columns.replace("(18,2)", "(18;2)").split(","))
        kinds = {name: kind.replace(";", ",") for name, kind in kinds.items()}
        if ending.startswith("csv"):
            table = f"read_csv('{files}', header = true, columns = {typed(kinds)}{options})"
        elif ending.startswith("ndjson"):
            table = f"read_json('{files}', format = 'newline_delimited', columns = {typed(kinds)})"
        else:
            table = f"read_parquet('{files}')"
        cells = (f"timezone('Europe/London', {name}) as {name}" if name in LOCAL else f"cast({name} as {kind}) as {name}" for name, kind in kinds.items())
        write(feed, f"select {', '.join(cells)} from {table}")
    return counts


def newest(connection, folder: Path, out: Path) -> dict:
    """What ours does while it lands: of rows that came more than once, one. Only those keys are sorted out."""
    counts = {}
    for name, keys in (("interactions", "interaction_id"), ("orders", "order_no, line_no")):
        connection.execute(f"""
            create temp table {name}_twice as
            select {keys} from read_parquet('{folder}/{name}.parquet') group by {keys} having count(*) > 1
        """)
        counts[name] = connection.execute(f"""
            copy (
                select * from read_parquet('{folder}/{name}.parquet') anti join {name}_twice using ({keys})
                union all
                select distinct on ({keys}) *
                from read_parquet('{folder}/{name}.parquet') semi join {name}_twice using ({keys})
            ) to '{out}/{name}.parquet' (format parquet, compression zstd)
        """).fetchone()[0]
    return counts


if __name__ == "__main__":
    how, raw, out, *days = sys.argv[1:]
    Path(out).mkdir(parents=True, exist_ok=True)
    ways = {"native": native, "whole": whole, "twice": twice, "newest": newest, "feeds": feeds}
    print(json.dumps(ways[how](connect(), Path(raw), Path(out), *days)))
