"""Compares tables row by row: all rows by their grain, all columns; doubles within 1e-9, relative."""

from pathlib import Path

from parts.common import Disagree

RELATIVE, ABSOLUTE = "1e-9", "1e-9"


def folders(ours: Path, theirs: Path, grains: dict, left_out: dict) -> dict:
    """How many rows were the same, for each table that both sides have; anything else is an error."""
    import duckdb

    connection, same = duckdb.connect(), {}
    connection.execute("set timezone = 'UTC'")
    for name, grain in grains.items():
        if not (theirs / f"{name}.parquet").exists():
            continue
        for side, folder in (("o", ours), ("t", theirs)):
            connection.execute(f"create or replace view {side} as select * from read_parquet('{folder / name}.parquet')")
        same[name] = rows(connection, name, grain, left_out.get(name, []))
    return same


def rows(connection, name: str, grain: list[str], left_out: list[str]) -> int:
    columns = connection.execute("describe o").fetchall()
    known = {row[0] for row in connection.execute("describe t").fetchall()}
    missing = {row[0] for row in columns} - set(left_out) ^ known
    if missing:
        raise Disagree(f"{name} has other columns: {', '.join(sorted(missing))}")
    counts = [connection.execute(f"select count(*) from {side}").fetchone()[0] for side in ("o", "t")]
    tests = {}
    for column, kind, *_ in columns:
        if column in grain or column in left_out:
            continue
        a, b = f'o."{column}"', f'cast(t."{column}" as {kind})'
        if kind in ("DOUBLE", "FLOAT"):
            tests[column] = f"({a} is null) <> ({b} is null) or abs({a} - {b}) > {ABSOLUTE} + {RELATIVE} * greatest(abs({a}), abs({b}))"
        else:
            tests[column] = f"{a} is distinct from {b}"
    keys = " and ".join(f'o."{key}" is not distinct from t."{key}"' for key in grain)
    sums = ", ".join(["count(*)", *(f"count(*) filter (where {test})" for test in tests.values())])
    matched, *differing = connection.execute(f"select {sums} from o join t on {keys}").fetchone()
    differing = {column: count for column, count in zip(tests, differing) if count}
    if differing or counts != [matched, matched]:
        raise Disagree(f"{name}: {counts[0]:,} and {counts[1]:,} rows, {matched:,} of the same keys; differing: {differing}")
    return matched
