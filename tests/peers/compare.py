#!/usr/bin/env python3
"""Compares what other engines read from the published tables with what `lifecycle query` says.

    python compare.py LIFECYCLE_BINARY PROJECT_FOLDER [--delta-scan FOLDER]

Every published mart is read as a Delta table at the version of the current release, by DuckDB (through
deltalake), by Polars, and with --delta-scan by DuckDB's own Delta reader from the packages in FOLDER; and every
export, Parquet and CSV, by DuckDB and by Polars. All rows are compared: exactly, but for doubles, which may
differ by 1e-12 of their size. Ends with status 1 where anything differs.
"""

import argparse
import gzip
import json
import os
import pickle
import re
import subprocess
import sys
import tempfile
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote, urlparse

RELATIVE = 1e-12
UTC = timezone.utc


class Rows:
    """Rows as a reader gave them: names of columns, and tuples of Python values."""

    def __init__(self, columns, rows):
        self.columns = list(columns)
        self.rows = [tuple(plain(value) for value in row) for row in rows]


def plain(value):
    """Instants in UTC; everything else as it is."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return value


# Readers.


def duckdb_rows(connection, sql, parameters=None):
    cursor = connection.execute(sql, parameters)
    columns = [column[0] for column in cursor.description]
    return Rows(columns, cursor.fetchall())


def polars_rows(frame):
    return Rows(frame.columns, frame.iter_rows())


def connect_duckdb():
    import duckdb

    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    return connection


def read_delta_with_duckdb(connection, folder, version):
    from deltalake import DeltaTable

    connection.register("delta_table", DeltaTable(str(folder), version=version).to_pyarrow_dataset())
    return duckdb_rows(connection, "select * from delta_table")


def read_delta_with_polars(folder, version):
    import polars

    return polars_rows(polars.read_delta(str(folder), version=version))


def read_parquet_with_duckdb(connection, file):
    return duckdb_rows(connection, "select * from read_parquet(?)", [str(file)])


def read_parquet_with_polars(file):
    import polars

    return polars_rows(polars.read_parquet(file))


def read_csv_with_duckdb(connection, file, parquet):
    """Reads a CSV export with the types that DuckDB sees in the Parquet export."""
    described = connection.execute("describe select * from read_parquet(?)", [str(parquet)]).fetchall()
    types = "{" + ", ".join(f"'{row[0]}': '{row[1]}'" for row in described) + "}"
    return duckdb_rows(connection, f"select * from read_csv(?, header = true, columns = {types})", [str(file)])


def read_csv_with_polars(file, parquet):
    """Reads a CSV export with the types that Polars sees in the Parquet export."""
    import polars

    text = polars.read_csv(file, infer_schema=False)
    casts = []
    for name, data_type in polars.read_parquet_schema(parquet).items():
        column = polars.col(name)
        if data_type == polars.Boolean:
            column = column.replace_strict({"true": True, "false": False}, return_dtype=polars.Boolean)
        elif isinstance(data_type, polars.Datetime):
            column = column.str.to_datetime("%+", time_unit="us", time_zone="UTC")
        elif data_type == polars.Date:
            column = column.str.to_date("%Y-%m-%d")
        elif data_type != polars.String:
            column = column.cast(data_type)
        casts.append(column)
    return polars_rows(text.select(casts))


def delta_at_version(folder, version, scratch):
    """A view of a local Delta table whose newest version is the one given: links to its files."""
    view = Path(scratch) / folder.name
    (view / "_delta_log").mkdir(parents=True)
    for entry in folder.rglob("*"):
        if entry.is_dir():
            continue
        if entry.parent.name == "_delta_log":
            number = re.match(r"(\d{20})\.", entry.name)
            if not number or int(number.group(1)) > version:
                continue
        target = view / entry.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(entry)
    return view


def read_with_delta_scan(packages, tables):
    """Reads {name: (folder, version)} in a process that has the other DuckDB: {name: Rows}."""
    with tempfile.TemporaryDirectory() as scratch:
        views = {
            name: str(delta_at_version(folder, version, scratch)) for name, (folder, version) in tables.items()
        }
        environment = {**os.environ, "PYTHONPATH": str(packages), "PYTHONNOUSERSITE": "1"}
        worker = subprocess.run(
            [sys.executable, __file__, "--delta-scan-worker", str(packages)],
            input=json.dumps(views).encode(),
            env=environment,
            stdout=subprocess.PIPE,
            check=True,
        )
    return {name: Rows(columns, rows) for name, (columns, rows) in pickle.loads(worker.stdout).items()}


def delta_scan_worker(packages):
    """The other process: folders on stdin, rows on stdout."""
    import duckdb

    compressed = Path(packages) / f"duckdb_extension_delta/extensions/v{duckdb.__version__}/delta.duckdb_extension.gz"
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    with tempfile.TemporaryDirectory() as scratch:
        extension = Path(scratch) / "delta.duckdb_extension"
        extension.write_bytes(gzip.decompress(compressed.read_bytes()))
        connection.execute(f"load '{extension}'")
    connection.execute("set TimeZone = 'UTC'")
    found = {}
    for name, folder in json.load(sys.stdin).items():
        cursor = connection.execute(f"select * from delta_scan('file://{folder}')")
        found[name] = ([column[0] for column in cursor.description], cursor.fetchall())
    sys.stdout.buffer.write(pickle.dumps(found))


# The other side.


class Lifecycle:
    """The binary, asked about one project."""

    def __init__(self, binary, project):
        self.command = [str(binary), "--quiet", "--project", str(project)]

    def lines(self, *arguments):
        output = subprocess.run([*self.command, *arguments, "-o", "ndjson"], stdout=subprocess.PIPE, check=True).stdout
        # Numbers stay text until the reader's type says what they are.
        return [
            json.loads(line, parse_float=Number, parse_int=Number) for line in output.decode().split("\n") if line
        ]

    def tables(self):
        return self.lines("tables")

    def rows(self, table):
        return self.lines("query", f"select * from {table}")


class Number(str):
    """A number of a JSON document, digit for digit."""


def typed(value, example):
    """The value of a JSON document as the type of the value that a reader gave for its column."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(example, bool):
        return value
    if isinstance(example, datetime):
        return plain(datetime.fromisoformat(value.replace("Z", "+00:00")))
    for kind, convert in [(int, int), (float, float), (Decimal, Decimal), (date, date.fromisoformat)]:
        if isinstance(example, kind):
            return convert(value)
    return value


# Comparison.


def differences(said, read, empty_text_is_null):
    """What differs between the lines of `lifecycle query` and the rows of a reader; none where they agree."""
    if len(said) != len(read.rows):
        return [f"{len(read.rows)} rows, expected {len(said)}"]
    if not said:
        return []
    names = set().union(*said)
    if not names <= set(read.columns):
        return [f"no column {', '.join(sorted(names - set(read.columns)))}"]
    examples = [
        next((row[index] for row in read.rows if row[index] is not None), None) for index in range(len(read.columns))
    ]
    try:
        expected = [
            tuple(typed(line.get(name), example) for name, example in zip(read.columns, examples)) for line in said
        ]
    except (ValueError, ArithmeticError) as error:
        return [f"a value is not of the type that was read: {error}"]

    def text(rows):
        if not empty_text_is_null:
            return rows
        return [tuple(None if value == "" else value for value in row) for row in rows]

    doubles = {index for index, example in enumerate(examples) if isinstance(example, float)}

    def order(row):
        exact = [sortable(value) for index, value in enumerate(row) if index not in doubles]
        rough = [sortable(None if row[index] is None else float(f"{row[index]:.9e}")) for index in sorted(doubles)]
        return exact + rough

    found = []
    for left, right in zip(sorted(text(expected), key=order), sorted(text(read.rows), key=order)):
        for name, one, other in zip(read.columns, left, right):
            if not same(one, other):
                found.append(f"{name}: {other!r}, expected {one!r}, in the row {left[:3]!r}")
    return found


def sortable(value):
    """Nulls first; values of one column are of one type."""
    return (value is not None, 0 if value is None else value)


def same(one, other):
    if isinstance(one, float) and isinstance(other, float):
        if one != one or other != other:
            return one != one and other != other
        return one == other or abs(one - other) <= RELATIVE * max(abs(one), abs(other))
    if isinstance(one, Decimal) and isinstance(other, Decimal):
        return one == other and one.as_tuple().exponent == other.as_tuple().exponent
    return type(one) is type(other) and one == other


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary", type=Path)
    parser.add_argument("project", type=Path)
    parser.add_argument("--delta-scan", type=Path, metavar="FOLDER", help="packages with DuckDB's own Delta reader")
    arguments = parser.parse_args()

    lifecycle = Lifecycle(arguments.binary.resolve(), arguments.project.resolve())
    connection = connect_duckdb()
    tables = {}
    for line in lifecycle.tables():
        folder = Path(unquote(urlparse(line["location"]).path))
        tables[line["table"]] = (folder, int(line["version"]))
    if not tables:
        sys.exit("no table is published")
    scanned = read_with_delta_scan(arguments.delta_scan.resolve(), tables) if arguments.delta_scan else {}
    exports = {
        file.stem: file for file in sorted(arguments.project.resolve().glob("warehouse/exports/*/*.parquet"))
    }

    passed = failed = exported = 0
    for table, (folder, version) in tables.items():
        said = lifecycle.rows(table)
        readings = {
            "Delta, DuckDB": lambda: read_delta_with_duckdb(connection, folder, version),
            "Delta, Polars": lambda: read_delta_with_polars(folder, version),
        }
        if table in scanned:
            readings["Delta, delta_scan"] = lambda: scanned[table]
        parquet = exports.get(table.removeprefix("marts."))
        if parquet:
            exported += 1
            csv = parquet.with_suffix(".csv")
            readings["Parquet, DuckDB"] = lambda: read_parquet_with_duckdb(connection, parquet)
            readings["Parquet, Polars"] = lambda: read_parquet_with_polars(parquet)
            readings["CSV, DuckDB"] = lambda: read_csv_with_duckdb(connection, csv, parquet)
            readings["CSV, Polars"] = lambda: read_csv_with_polars(csv, parquet)
        wrong = []
        for name, read in readings.items():
            try:
                found = differences(said, read(), name.startswith("CSV"))
            except Exception as error:  # A reader that cannot read the table is a difference.
                found = [f"{type(error).__name__}: {error}"]
            wrong += [f"    {name}: {difference}" for difference in found[:3]]
            if len(found) > 3:
                wrong.append(f"    {name}: {len(found) - 3} more")
        failed += bool(wrong)
        passed += not wrong
        word = "FAILED" if wrong else "ok"
        print(f"{table} version {version}: {len(said)} rows, {len(readings)} readings ... {word}")
        if wrong:
            print("\n".join(wrong))
    if exported == 0:
        print("no table has exports")
        failed += 1
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--delta-scan-worker"]:
        delta_scan_worker(sys.argv[2])
    else:
        main()
