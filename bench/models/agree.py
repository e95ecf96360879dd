"""Compares what DuckDB built with what we built: row by row by the grain, all columns; doubles within 1e-9, relative."""

import json
import sys
from pathlib import Path

import duckdb

import given

RELATIVE, ABSOLUTE = "1e-9", "1e-12"


def differences(connection, name: str, grain: list[str]) -> dict:
    facts = connection.execute(f"describe ours.{name}").fetchall()
    theirs = {row[0] for row in connection.execute(f"describe duck.{name}").fetchall()}
    ours = {row[0] for row in facts}
    rows, other_rows = (connection.execute(f"select count(*) from {side}.{name}").fetchone()[0] for side in ("ours", "duck"))
    found = {"rows": rows, "other_rows": other_rows, "columns": {}, "unmatched": 0}
    found["missing"] = sorted(ours ^ theirs)
    keys = " and ".join(f'o."{key}" is not distinct from d."{key}"' for key in grain)
    sums, names = [], []
    for column, kind, *_ in facts:
        if column in grain or column not in theirs or column in given.SKIPPED.get(name, []):
            continue
        a, b = f'o."{column}"', f'd."{column}"'
        if kind in ("DOUBLE", "FLOAT"):
            b = f"cast({b} as double)"
            differs = f"""({a} is null) <> ({b} is null) or (isnan({a}) <> isnan({b})) or abs({a} - {b})
                > {ABSOLUTE} + {RELATIVE} * greatest(abs({a}), abs({b}))"""
        else:
            differs = f"{a} is distinct from cast({b} as {kind})"
        names.append(column)
        sums.append(f"count(*) filter (where {differs})")
    matched = f"from ours.{name} as o join duck.{name} as d on {keys}"
    counts = connection.execute(f"select {', '.join(['count(*)'] + sums)} {matched}").fetchone()
    found["unmatched"] = rows - counts[0] + other_rows - counts[0]
    for column, count in zip(names, counts[1:]):
        if count:
            found["columns"][column] = count
    return found


def main(plan: dict):
    folder, tables = Path(plan["folder"]), Path(plan["tables"])
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.execute(f"attach '{folder / 'duck.db'}' as duck (read_only)")
    connection.execute("attach ':memory:' as ours")
    for schema in ("intermediate", "marts"):
        connection.execute(f"create schema ours.{schema}")
    for file in tables.glob("*.parquet"):
        if file.stem.startswith(("intermediate", "marts")):
            connection.execute(f"create view ours.{file.stem} as select * from read_parquet('{file}')")
    result = {}
    for model in plan["models"]:
        name = model["name"]
        if model["kind"] == "table" and name not in given.TABLES:
            try:
                result[name] = differences(connection, name, model["grain"])
            except duckdb.Error as error:
                result[name] = {"error": str(error)}
    (folder / "agree.json").write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
