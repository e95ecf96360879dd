"""The same models and tests as a dbt project: bench/dbt, and with it those of sql/, translated.

Of what DuckDB has no function for, identities and circles of referrals are written as recursive queries; the fits and the
expected purchases come from our run (`given`).
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import given
import translate
import yaml

from parts.common import HERE, SIX, environment

REQUIREMENTS = ["dbt-core==1.11.16", "dbt-duckdb==1.11.1", "duckdb==2.0.0"]
TABLE = re.compile(r"\b(from|join)\s+(staging|intermediate|marts|seeds)\.(\w+)")
ROOTS = [f"{'intermediate' if name == 'interaction_days' else 'marts'}.{name}" for name in SIX]
EVENT_TIMES = {"staging.interactions": "occurred_at", "staging.order_lines": "ordered_at"}
SEED_TYPES = {"string": "varchar", "integer": "bigint", "double": "double", "boolean": "boolean", "money": "decimal(18,2)", "date": "date"}


class Project:
    """A dbt project in a folder, its database beside it."""

    def __init__(self, bench, folder: Path):
        self.bench, self.folder, self.database = bench, folder, folder / "bench.duckdb"
        self.python = environment(bench.root / "target" / "bench-dbt", REQUIREMENTS)
        self.parameters = translate.parameters(bench.root)
        self.tests = 0

    def write(self):
        """All files anew; no database."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(HERE / "dbt", self.folder)
        sql = self.bench.root / "sql"
        texts = {f"{file.parent.name}.{file.stem}": file.read_text() for part in ("intermediate", "marts") for file in (sql / part).glob("*.sql")}
        needed = closure(texts)
        facts = {name: yaml.safe_load((sql / name.replace(".", "/")).with_suffix(".yaml").read_text()) for name in needed}
        for name in sorted(needed):
            schema, table = name.split(".")
            if schema == "seeds":
                self.seed(sql, table, facts[name])
            elif schema != "staging":
                if name != "intermediate.identity_members":
                    self.model(name, texts[name], facts[name])
                if facts[name]["materialized"] != "view":
                    self.checks(name, facts[name], needed)

    def translated(self, text: str) -> str:
        text = translate.translate(text, "{{ var('as_of') }}", self.parameters)
        return TABLE.sub(lambda found: f"{found[1]} {{{{ ref('{found[2]}__{found[3]}') }}}}", text)

    def model(self, name: str, text: str, facts: dict):
        schema, table = name.split(".")
        kind = facts["materialized"]
        config = f"alias='{table}', schema='{schema}', materialized='{kind}'"
        if kind == "incremental":
            config += f", unique_key='{facts['day']}', incremental_strategy='delete+insert'"
        if name == "intermediate.clv_fit":
            sql = "select * from read_parquet('{{ var(\"given\") }}/clv_fit.parquet')"
        elif name == "intermediate.referral_outcomes":
            sql = circles(self.translated(given.PATCHES[name](text)))
        else:
            sql = self.translated(given.PATCHES.get(name, lambda text: text)(text))
        if kind == "incremental":
            for source, column in EVENT_TIMES.items():
                read = f"select * from {{{{ ref('{source.replace('.', '__')}') }}}}"
                sql = sql.replace(read, f"{read}\n    {{{{ new_days('{column}') }}}}")
        file = self.folder / "models" / schema / f"{schema}__{table}.sql"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{{{{ config({config}) }}}}\n{sql}\n")

    def seed(self, sql: Path, table: str, facts: dict):
        file = self.folder / "seeds" / f"seeds__{table}.csv"
        file.parent.mkdir(exist_ok=True)
        shutil.copy(sql / "seeds" / f"{table}.csv", file)
        types = {column["name"]: SEED_TYPES[column["type"]] for column in facts["columns"]}
        seed = {"name": f"seeds__{table}", "config": {"alias": table, "schema": "seeds", "column_types": types}}
        file.with_suffix(".yml").write_text(yaml.safe_dump({"seeds": [seed]}))

    def checks(self, name: str, facts: dict, needed: set[str]):
        """The tests of a table: what our run checks, no more and no less."""
        schema, table = name.split(".")
        columns = []
        for column in facts["columns"]:
            tests = [self.column_test(check) for check in column.get("checks", [])]
            # a key is not null, said or not
            if column["name"] in facts["grain"] and "not_null" not in tests:
                tests.append("not_null")
            if tests:
                columns.append({"name": column["name"], "data_tests": tests})
                self.tests += len(tests)
        model = {"name": f"{schema}__{table}", "data_tests": [{"grain": {"arguments": {"columns": facts["grain"]}}}], "columns": columns}
        (self.folder / "models" / schema).mkdir(parents=True, exist_ok=True)
        (self.folder / "models" / schema / f"{schema}__{table}.yml").write_text(yaml.safe_dump({"models": [model]}, sort_keys=False))
        self.tests += 1
        for check in facts.get("checks", []):
            if "sql" not in check or not translate.references(check["sql"]) <= needed:
                continue
            severity = check.get("severity", "error")
            sql = f"{{{{ config(severity='{severity}') }}}}\n{self.translated(check['sql'])}\n"
            (self.folder / "tests" / f"{table}__{check['name']}.sql").write_text(sql)
            self.tests += 1

    def column_test(self, check):
        if isinstance(check, str):
            return check
        (kind, facts), = check.items()
        if kind == "relationships":
            to = facts["to"].replace(".", "__")
            return {"relationships": {"arguments": {"to": f"ref('{to}')", "field": facts["column"]}}}
        return {"accepted_values": {"arguments": {"values": facts}}}

    def prepare(self, given_folder: Path):
        """A new database with the functions of the project and what our run gives; not measured."""
        self.database.unlink(missing_ok=True)
        sql = (HERE / "models" / "macros.sql").read_text()
        sql += f"""
            create schema given;
            create view given.predictions as select * from read_parquet('{given_folder}/predictions.parquet');
        """
        code = "import duckdb, sys; connection = duckdb.connect(sys.argv[1]); connection.execute(sys.stdin.read())"
        subprocess.run([self.python, "-c", code, self.database], input=sql, text=True, check=True)

    def command(self, verb: str, as_of: str, landed: Path, given_folder: Path, *arguments: str) -> list:
        variables = f"{{as_of: '{as_of}', landed: '{landed}', given: '{given_folder}'}}"
        os.environ["BENCH_DATABASE"] = str(self.database)
        os.environ["DO_NOT_TRACK"] = "1"
        dbt = self.python.parent / "dbt"
        return [dbt, verb, "--quiet", "--project-dir", self.folder, "--profiles-dir", self.folder, "--vars", variables, *arguments]

    def export(self, out: Path):
        """The six marts as Parquet, to compare."""
        out.mkdir(parents=True, exist_ok=True)
        copies = "".join(f"copy {name} to '{out}/{name.split('.')[1]}.parquet' (format parquet);" for name in ROOTS)
        code = "import duckdb, sys; connection = duckdb.connect(sys.argv[1], read_only=True); connection.execute(\"set timezone = 'UTC'\"); connection.execute(sys.stdin.read())"
        subprocess.run([self.python, "-c", code, self.database], input=copies, text=True, check=True)


def closure(texts: dict[str, str]) -> set[str]:
    """The six marts and all that they read."""
    needed: set[str] = set()
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += translate.references(texts.get(name, ""))
    return needed


def circles(sql: str) -> str:
    """Referrals whose friend can be followed back to the one who recommended, instead of a given table."""
    sql = sql.replace("with ", "with recursive ", 1).replace("given.circles", "circles")
    return sql.replace(
        "judged_links as (",
        """circle_edges as (
    select distinct cut_on, referrer_id as a, referred_id as b
    from links
    where referrer_id is not null and referred_id is not null and referrer_id <> referred_id
),

circle_paths(cut_on, a, b) as (
    select * from circle_edges
    union
    select circle_paths.cut_on, circle_paths.a, circle_edges.b
    from circle_paths
    inner join circle_edges on circle_paths.cut_on = circle_edges.cut_on and circle_paths.b = circle_edges.a
),

circles as (
    select links.cut_on, links.referral_id
    from links
    inner join circle_paths
        on
            links.cut_on = circle_paths.cut_on
            and links.referred_id = circle_paths.a
            and links.referrer_id = circle_paths.b
    where links.referrer_id <> links.referred_id
),

judged_links as (""",
        1,
    )


def give(bench, project: Path, folder: Path):
    """What dbt gets from our run: the fits, and the expected purchases."""
    bench.export(project, "select * from intermediate.clv_fit", folder / "clv_fit.parquet")
    bench.export(
        project,
        """select
            customer_id,
            expected_purchases,
            clv / nullif(expected_purchase_value * margin_rate, 0) as discounted_purchases
        from marts.customer_value
        cross join (select margin_rate from intermediate.clv_fit)""",
        folder / "predictions.parquet",
    )
