"""Builds all models in DuckDB, one after the other, and writes down what each took. A process of its own: its peak memory
is DuckDB's."""

import json
import os
import sys
import threading
import time
from pathlib import Path

import duckdb

import given


class Spill:
    """The most bytes that a folder held."""

    def __init__(self, folder: Path):
        self.folder, self.most, self.is_on = folder, 0, True
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        while self.is_on:
            try:
                self.most = max(self.most, sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file()))
            except OSError:
                pass
            time.sleep(0.1)


def peak_bytes() -> int:
    """The most resident memory of this process since the last call of `forget_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def forget_peak():
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def main(plan: dict):
    folder = Path(plan["folder"])
    database, spill_folder = folder / "duck.db", folder / "spill"
    spill_folder.mkdir(exist_ok=True)
    database.unlink(missing_ok=True)
    connection = duckdb.connect(str(database))
    for setting in (
        f"set threads = {plan['threads']}",
        f"set memory_limit = '{plan['memory_limit']}'",
        f"set temp_directory = '{spill_folder}'",
        "set preserve_insertion_order = false",
        "set timezone = 'UTC'",
        # as the project's dialect has it
        "set integer_division = true",
        "set default_null_order = 'nulls_last_on_asc_first_on_desc'",
    ):
        connection.execute(setting)
    connection.execute("attach ':memory:' as ours")
    for schema in ("staging", "intermediate", "marts", "seeds", "given"):
        connection.execute(f"create schema {schema}")
        connection.execute(f"create schema ours.{schema}")
    tables = Path(plan["tables"])
    for file in sorted(tables.glob("*.parquet")):
        owner = "ours" if file.stem.startswith(("intermediate", "marts")) else "duck"
        connection.execute(f"create view {owner}.{file.stem} as select * from read_parquet('{file}')")
    connection.execute((Path(__file__).parent / "macros.sql").read_text())
    for name, sql in given.FACTS.items():
        connection.execute(f"create table {name} as {sql}")
    for name in given.TABLES:
        connection.execute(f"create table {name} as select * from ours.{name}")

    spill, took, worst = Spill(spill_folder), {}, 0
    begun = time.perf_counter()
    for model in plan["models"]:
        name, kind = model["name"], model["kind"]
        if name in given.TABLES:
            continue
        forget_peak()
        started = time.perf_counter()
        try:
            connection.execute(f"create {kind} {name} as\n{model['sql']}")
        except duckdb.Error as error:
            message = str(error).strip()
            took[name] = {"error": message}
            print(f"{name}: {message}", file=sys.stderr)
            if plan.get("stop", False):
                break
            continue
        if kind == "table":
            peak = peak_bytes()
            worst = max(worst, peak)
            took[name] = {"seconds": time.perf_counter() - started, "peak_bytes": peak}
    seconds = time.perf_counter() - begun
    spill.is_on = False
    result = {"version": duckdb.__version__, "seconds": seconds, "peak_bytes": worst, "spilled_bytes": spill.most, "tables": took}
    (folder / "duck.json").write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    os.chdir(Path(__file__).parent)
    main(json.loads(Path(sys.argv[1]).read_text()))
