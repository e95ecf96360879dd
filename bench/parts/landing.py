"""Landing both feeds: 5 million interactions as NDJSON.gz, 1 million order lines as CSV.gz."""

import json
import shutil

from parts.common import AS_OF, HERE, agree

PEERS = HERE / "peers"
# Of rows without repeated ones: whether the cells are the same, and not only as many.
SUMS = {
    "interactions": """
        select
            count(*) as n, count(campaign_id) as campaigns, count(content_id) as contents, count(product_id) as products,
            count(response) as responses, count(value) as "values",
            cast(sum(cast(value as decimal(18, 1))) as varchar) as value,
            count(*) filter (where direction = 'inbound') as inbound,
            cast(sum(cast(date_part('epoch', occurred_at) as bigint)) as varchar) as moments,
            cast(sum(length(customer_id) + length(kind) + length(channel)) as bigint) as letters
        from {table}""",
    "orders": """
        select
            count(*) as n, count(customer_no) as customers, count(email) as emails, count(campaign_code) as campaigns,
            count(*) filter (where gift_wrap) as gifts, cast(sum(quantity) as varchar) as quantity,
            cast(sum(net_amount) as varchar) as net_amount, cast(sum(margin) as varchar) as margin,
            cast(sum(cast(date_part('epoch', sold_at) as bigint)) as varchar) as moments
        from {table}""",
}


def measure(bench) -> dict:
    raw = bench.data() / "raw"
    bench.warm(raw / "interactions", raw / "orders")
    feeds = bench.manifest()["feeds"]
    sides = {"ours": ours(bench, raw, feeds)}
    if not bench.options.ours:
        sides |= peers(bench, raw, feeds)
        agree_on_sums(sides["ours"]["sums"], bench.work / "landing-duck-whole")
    return {"sides": sides, "feeds": feeds}


def ours(bench, raw, feeds) -> dict:
    project = bench.project(bench.work / "landing", raw, {"landing": bench.job("landing")})

    def fresh():
        shutil.rmtree(project / "warehouse", ignore_errors=True)
        shutil.rmtree(project / ".lifecycle", ignore_errors=True)

    facts = bench.measured(bench.run(project, "landing", AS_OF), before=fresh)
    for source in bench.query(project, "select * from ops.run_sources"):
        feed = feeds[source["source"]]
        agree(f"our rows of {source['source']}", (source["landed"], source["rejected"]), (feed["rows"] - feed["rejected"], feed["rejected"]))
    for name, feed in feeds.items():
        distinct = bench.query(project, f"select count(*) as n from landed.{name}")[0]["n"]
        agree(f"our rows of {name} without repeated ones", distinct, feed["rows"] - feed["rejected"] - feed["repeated"])
    facts["sums"] = {name: bench.query(project, SUMS[name].format(table=f"landed.{name}"))[0] for name in SUMS}
    facts["warehouse_bytes"] = sum(file.stat().st_size for file in (project / "warehouse").rglob("*.parquet"))
    return facts


def peers(bench, raw, feeds) -> dict:
    sides = {}
    landed = {name: feed["rows"] - feed["rejected"] for name, feed in feeds.items()}

    def out(name):
        folder = bench.work / f"landing-{name}"
        return folder, lambda: shutil.rmtree(folder, ignore_errors=True)

    def counted(name, command, fresh=None, repeat=None):
        sides[name] = bench.measured(command, before=fresh, repeat=repeat)
        return json.loads(sides[name]["output"])

    folder, fresh = out("duck-native")
    counts = counted("duck_native", [bench.python, PEERS / "duck_landing.py", "native", raw, folder], fresh)
    # a bad number in JSON becomes null without a word, and its row stays
    agree("DuckDB's interactions", counts["interactions"], landed["interactions"] + feeds["interactions"]["bad"]["number"])
    agree("DuckDB's order lines", counts["orders"], landed["orders"])

    target, fresh_newest = out("duck-newest")
    counts = counted("duck_newest", [bench.python, PEERS / "duck_landing.py", "newest", folder, target], fresh_newest, repeat=1)
    agree("DuckDB's order lines without repeated ones", counts["orders"], landed["orders"] - feeds["orders"]["repeated"])

    for how in ("twice", "whole"):
        folder, fresh = out(f"duck-{how}")
        counts = counted(f"duck_{how}", [bench.python, PEERS / "duck_landing.py", how, raw, folder], fresh, repeat=1)
        agree("DuckDB's interactions, all kept", (counts["interactions"], counts["interactions_rejected"]), (landed["interactions"], feeds["interactions"]["rejected"]))

    folder, fresh = out("polars")
    counts = counted("polars", [bench.python, PEERS / "polars_landing.py", raw, folder], fresh, repeat=1)
    for name, feed in feeds.items():
        agree(f"Polars' {name}", (counts[name], counts[f"{name}_rejected"]), (landed[name], feed["rejected"]))

    for how, processes in (("zlib", 1), ("zlib", 2), ("zlib-ng", 2), ("isal", 2)):
        counted(f"floor_{how}_{processes}", [bench.python, PEERS / "floor.py", how, raw, str(processes)])
    return sides


def agree_on_sums(ours: dict, folder):
    """Our cells against those that DuckDB has landed where it keeps every bad row."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    tables = {
        "interactions": f"(select distinct on (interaction_id) * from read_parquet('{folder}/interactions/is_rejected=false/*.parquet'))",
        "orders": f"(select distinct on (order_no, line_no) * from read_parquet('{folder}/orders.parquet'))",
    }
    for name, table in tables.items():
        rows = connection.execute(SUMS[name].format(table=table))
        theirs = dict(zip([column[0] for column in rows.description], rows.fetchone()))
        agree(f"sums of {name}", ours[name], theirs)
