"""Builds the six marts with marts.sql: folder of landed Parquet, folder to write to, day. Each mart is written as Parquet."""

import json
import re
import sys
import time
from pathlib import Path

import duckdb


def main(landed: Path, out: Path, as_of: str, memory_limit: str | None):
    out.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect()
    for setting in ("threads = 2", "preserve_insertion_order = false", "timezone = 'UTC'", f"temp_directory = '{out}/spill'"):
        connection.execute(f"set {setting}")
    if memory_limit:
        connection.execute(f"set memory_limit = '{memory_limit}'")
    connection.execute(f"set variable as_of = date '{as_of}'")
    for file in sorted(landed.glob("*.parquet")):
        connection.execute(f"create view {file.stem} as select * from read_parquet('{file}')")
    took = {}
    for statement in (Path(__file__).parent / "marts.sql").read_text().split("\n----\n"):
        started = time.perf_counter()
        connection.execute(statement)
        name = re.search(r"create (?:temp table|macro) (\w+)", statement)[1]
        if "-- mart:" in statement:
            connection.execute(f"copy {name} to '{out}/{name}.parquet' (format parquet, compression zstd)")
        took[name] = round(time.perf_counter() - started, 3)
    print(json.dumps(took))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4] if len(sys.argv) > 4 else None)
