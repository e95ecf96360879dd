"""Every table of the nightly job against the same SQL in DuckDB: the data, our run, DuckDB's, the comparison, the report."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import report
import translate

HERE = Path(__file__).resolve().parent
MEMORY, THREADS = "2GiB", 2
STAGING = "staging"


class Benchmark:
    def __init__(self, options, root: Path):
        self.options, self.root = options, root
        self.binary = options.binary.resolve()
        self.folder = root / "target" / "bench" / "models" / str(options.customers)
        self.demo, self.tables = self.folder / "demo", self.folder / "ours"
        self.folder.mkdir(parents=True, exist_ok=True)

    def run(self) -> int:
        only = self.options.only
        if not (self.folder / "first.json").exists():
            self.make_data()
        if only in (None, "ours"):
            self.measure_ours()
            self.export()
        if only in (None, "ours", "duck"):
            self.measure_duck()
        return report.write(self)

    # the data

    def make_data(self):
        shutil.rmtree(self.demo, ignore_errors=True)
        say(f"making the business of {self.options.customers:,} customers; its first run lands and builds everything")
        size = ["--customers", str(self.options.customers), "--days", str(self.options.days)]
        facts = self.timed(["--project", str(self.root), "demo", "--dir", str(self.demo), *size])
        facts["run"] = self.rows("select * from ops.runs order by started_at limit 1")[0]
        self.save("first", facts)

    # ours

    def measure_ours(self):
        for part in ("sql", "jobs"):
            shutil.rmtree(self.demo / part)
            shutil.copytree(self.root / part, self.demo / part)
        as_of = self.read("first")["run"]["as_of"]
        say("our run: every table from the landed ones")
        load = os.getloadavg()[0]
        facts = self.timed(["--project", str(self.demo), "run", "nightly", "--as-of", as_of, "--full-refresh", "-s", "intermediate", "-s", "marts"])
        facts["load"] = load
        facts["run"] = self.rows("select * from ops.runs order by started_at desc limit 1")[0]
        run_id = facts["run"]["run_id"]
        facts["tables"] = self.rows(f"select table_name, row_count, bytes, seconds from ops.run_tables where run_id = '{run_id}'")
        checks = self.rows(f"select table_name, check_name, status, seconds from ops.checks where run_id = '{run_id}'")
        # rows of one query share its time
        facts["checks"] = checks
        facts["sizes"] = self.rows("""
            select
                (select count(*) from marts.customer_value) as buyers,
                (select count(*) from intermediate.known_customers) as customers,
                (select count(*) from staging.interactions) as interactions,
                (select count(*) from staging.order_lines) as order_lines
        """)[0]
        self.save("ours", facts)

    def export(self):
        say("exporting our tables for DuckDB")
        shutil.rmtree(self.tables, ignore_errors=True)
        self.tables.mkdir()
        names = [model["name"] for model in self.models() if model["kind"] == "table"]
        names += [f"staging.{file.stem}" for file in (self.root / "sql/staging").glob("*.sql")]
        names += [f"seeds.{file.stem}" for file in (self.root / "sql/seeds").glob("*.csv")]
        for name in names:
            file = self.tables / f"{name}.parquet"
            command = [self.binary, "--project", self.demo, "--quiet", "query", f"select * from {name}", "-o", "parquet", "--file", file]
            subprocess.run(command, check=True)

    # DuckDB

    def models(self) -> list[dict]:
        """All models of the job but staging, in the order of what they read."""
        import given

        as_of = self.read("first")["run"]["as_of"]
        values = translate.parameters(self.root)
        texts = {f"{file.parent.name}.{file.stem}": file.read_text() for part in ("intermediate", "marts") for file in (self.root / "sql" / part).glob("*.sql")}
        models = []
        for name in translate.in_order(texts):
            schema, table = name.split(".")
            facts = (self.root / "sql" / schema / f"{table}.yaml").read_text()
            sql = given.PATCHES.get(name, lambda text: text)(texts[name])
            kind = "view" if re.search(r"^materialized: *view", facts, re.M) else "table"
            grain = re.search(r"^grain: *\[(.*)\]", facts, re.M)[1]
            models.append({"name": name, "kind": kind, "grain": [key.strip() for key in grain.split(",")], "sql": translate.translate(sql, as_of, values)})
        return models

    def measure_duck(self):
        plan = {"folder": str(self.folder), "tables": str(self.tables), "threads": THREADS, "memory_limit": MEMORY, "models": self.models()}
        self.save("plan", plan)
        say("DuckDB: the same tables from the same rows")
        load = os.getloadavg()[0]
        subprocess.run([sys.executable, HERE / "duck.py", self.folder / "plan.json"], check=True)
        facts = self.read("duck")
        facts["load"] = load
        self.save("duck", facts)
        say("comparing the rows of both")
        subprocess.run([sys.executable, HERE / "agree.py", self.folder / "plan.json"], check=True)

    # helpers

    def timed(self, arguments: list[str]) -> dict:
        """Runs the program; how long it took, and its peak memory."""
        started = time.perf_counter()
        process = subprocess.Popen([self.binary, *arguments])
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{self.binary.name} {' '.join(arguments)} ended with {process.returncode}")
        return {"binary": str(self.binary), "seconds": time.perf_counter() - started, "peak_bytes": usage.ru_maxrss * 1024, "cpu_seconds": usage.ru_utime + usage.ru_stime}

    def rows(self, sql: str) -> list[dict]:
        command = [self.binary, "--project", self.demo, "--quiet", "query", sql, "-o", "json"]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def save(self, name: str, facts):
        (self.folder / f"{name}.json").write_text(json.dumps(facts, indent=1))

    def read(self, name: str):
        return json.loads((self.folder / f"{name}.json").read_text())


def say(text: str):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def main(arguments: list[str], root: Path) -> int:
    parser = argparse.ArgumentParser(prog="run.py models", description=__doc__)
    parser.add_argument("--customers", type=int, default=425_000, help="customers of the made-up business; about 47 %% of them are buyers")
    parser.add_argument("--days", type=int, default=730, help="days of business")
    parser.add_argument("--binary", type=Path, default=root / "target/release/lifecycle")
    parser.add_argument("--results", type=Path, default=HERE.parent / "MODELS.md", help="the file to write")
    parser.add_argument("--only", choices=["ours", "duck", "report"], help="do one part again, with what the others left")
    return Benchmark(parser.parse_args(arguments), root).run()
