"""Lands both feeds with Polars' streaming engine and keeps every bad row as it came: raw folder, folder to write to.

Polars has no reject mode. Lines are read as text; what is JSON is decoded as text and cast without `strict`.
"""

import json
import os
import sys
from pathlib import Path

os.environ["POLARS_MAX_THREADS"] = "2"

import polars as pl  # noqa: E402

TEXTS = ["interaction_id", "customer_id", "occurred_at", "direction", "channel", "kind", "campaign_id", "content_id", "product_id", "response", "value"]
ORDERS = ["order_no", "line_no", "customer_no", "email", "sku", "quantity", "net_amount", "margin", "campaign_code", "gift_wrap", "sold_at", "sales_channel"]


def given_but_not_read(column: str, cast: pl.Expr) -> pl.Expr:
    return pl.col(column).is_not_null() & cast.is_null()


def interactions(raw: Path) -> pl.LazyFrame:
    lines = pl.scan_lines(sorted(raw.glob("interactions/*/*.ndjson.gz")))
    is_json = pl.col("line").str.json_path_match("$.interaction_id").is_not_null()
    cells = pl.when(is_json).then("line").str.json_decode(pl.Struct({name: pl.String for name in TEXTS}))
    at = pl.col("occurred_at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", strict=False, time_unit="us").dt.replace_time_zone("UTC")
    value = pl.col("value").cast(pl.Float64, strict=False)
    good = (
        pl.all_horizontal(pl.col("interaction_id", "channel", "kind").is_not_null())
        & at.is_not_null()
        & pl.col("direction").is_in(["inbound", "outbound"])
        & ~given_but_not_read("value", value)
        & (pl.col("value").is_null() | (value >= 0))
    )
    return lines.with_columns(cells=cells).unnest("cells").with_columns(is_good=good.fill_null(False), occurred_at=at, value=value)


def orders(raw: Path) -> pl.LazyFrame:
    lines = pl.scan_lines(sorted(raw.glob("orders/*/*.csv.gz"))).filter(~pl.col("line").str.starts_with("order_no,"))
    # no cell of these files is quoted; a line with a quote would need another way
    cells = pl.col("line").str.split(",")
    cut = lines.with_columns(cells=cells).with_columns(
        pl.when(pl.col("cells").list.len() == len(ORDERS)).then(pl.col("cells").list.get(number, null_on_oob=True).replace("", None)).alias(name)
        for number, name in enumerate(ORDERS)
    )
    casts = {
        "line_no": pl.col("line_no").cast(pl.Int64, strict=False),
        "quantity": pl.col("quantity").cast(pl.Decimal(12, 3), strict=False),
        "net_amount": pl.col("net_amount").cast(pl.Decimal(18, 2), strict=False),
        "margin": pl.col("margin").cast(pl.Decimal(18, 2), strict=False),
        "gift_wrap": pl.col("gift_wrap").replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean),
        "sold_at": pl.col("sold_at")
        .str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False, time_unit="us")
        .dt.replace_time_zone("Europe/London", ambiguous="earliest", non_existent="null"),
    }
    good = (
        pl.all_horizontal(pl.col("order_no", "sku").is_not_null())
        & pl.all_horizontal(casts[name].is_not_null() for name in ("line_no", "quantity", "net_amount", "sold_at"))
        & ~pl.any_horizontal(given_but_not_read(name, casts[name]) for name in ("margin", "gift_wrap"))
        & casts["line_no"].is_between(1, 99)
        & casts["quantity"].is_between(-1000, 1000)
        & pl.col("sales_channel").is_in(["web", "phone", "store"])
    )
    return cut.with_columns(is_good=good.fill_null(False), **casts).drop("cells")


def main(raw: Path, out: Path):
    out.mkdir(parents=True, exist_ok=True)
    counts = {}
    for name, rows in (("interactions", interactions(raw)), ("orders", orders(raw))):
        landed = rows.filter("is_good").drop("line", "is_good").sink_parquet(out / f"{name}.parquet", compression="zstd", lazy=True)
        rejected = rows.filter(~pl.col("is_good")).select("line").sink_parquet(out / f"{name}_rejected.parquet", compression="zstd", lazy=True)
        pl.collect_all([landed, rejected], engine="streaming")
        for part, file in (("", name), ("_rejected", f"{name}_rejected")):
            counts[name + part] = pl.scan_parquet(out / f"{file}.parquet").select(pl.len()).collect().item()
    print(json.dumps(counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
