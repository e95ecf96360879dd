"""A night with one new day, the same six marts: against DuckDB's landing of that day and dbt's incremental build."""

import datetime
import os
import re
import shutil
import subprocess

from parts import compare, data, dbt, first
from parts.common import AS_OF, HERE, copy, say
from parts.first import export
from parts.marts import GRAINS

DAY = data.DAYS
NEXT = str(data.AS_OF + datetime.timedelta(1))


def measure(bench) -> dict:
    raw = next_raw(bench)
    base, project = bench.work / "night-base", bench.work / "night"
    if "first" not in bench.done and not bench.options.ours:
        say("night: it begins where the part `first` ends, so that runs before it")
        bench.part("first", first)
    if "first" in bench.done:
        copy(bench.work / "first", base)
    else:
        bench.project(base, bench.data() / "raw", {"nightly": bench.job("nightly")})
        subprocess.run(bench.run(base, "nightly", AS_OF, *bench.six()), check=True, capture_output=True)
    move_raw(base, raw)

    def fresh():
        copy(base, project)
        bench.warm(project / "warehouse", raw)

    sides = {"ours": bench.measured(bench.run(project, "nightly", NEXT, *bench.six()), before=fresh)}
    run = bench.query(project, "select * from ops.runs order by started_at desc limit 1")[0]
    facts = {"sides": sides, "run": run}
    facts["tables"] = bench.query(project, f"select table_name, row_count, seconds from ops.run_tables where run_id = '{run['run_id']}'")
    facts["checks"] = bench.query(project, f"select count(*) as n, sum(seconds) as seconds from ops.checks where run_id = '{run['run_id']}'")[0]
    export(bench, project, bench.work / "night-ours")
    if bench.options.ours:
        return facts

    given_folder = bench.work / "given-next"
    dbt.give(bench, project, given_folder)
    landed, landed_base = bench.work / "night-landed", bench.work / "first-landed"
    peer = dbt.Project(bench, bench.work / "dbt-night")

    def fresh_landed():
        copy(landed_base, landed)

    def fresh_database():
        # what dbt has learnt of the project stays with it, as on a server
        copy(bench.work / "dbt", peer.folder)
        use_given(peer, given_folder)
        bench.warm(landed)

    script = [bench.python, HERE / "peers" / "duck_landing.py", "feeds", raw, landed, NEXT, NEXT]
    sides["duck_landing"] = bench.measured(script, before=fresh_landed)
    sides["dbt_build"] = bench.measured(peer.command("build", NEXT, landed, given_folder), before=fresh_database, repeat=2)
    peer.export(bench.work / "night-dbt")
    facts["rows"] = compare.folders(bench.work / "night-ours", bench.work / "night-dbt", GRAINS, {})
    return facts


def next_raw(bench):
    """The raw files and those of one more day."""
    folder, old = bench.folder / "data-next" / "raw", bench.data() / "raw"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(old, folder, copy_function=os.link)
    data.make_day(folder, bench.scale, DAY)
    return folder


def move_raw(project, raw):
    config = project / "config" / "local.yaml"
    config.write_text(re.sub(r"^raw: .*", f"raw: {raw}", config.read_text(), flags=re.M))


def use_given(peer, given_folder):
    sql = f"create or replace view given.predictions as select * from read_parquet('{given_folder}/predictions.parquet');"
    code = "import duckdb, sys; connection = duckdb.connect(sys.argv[1]); connection.execute(sys.stdin.read())"
    subprocess.run([peer.python, "-c", code, peer.database], input=sql, text=True, check=True)
