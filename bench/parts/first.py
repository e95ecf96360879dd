"""The first run: from raw files to published tables with all checks, against DuckDB's landing and dbt build."""

import json
import shutil

from parts import compare, dbt
from parts.common import AS_OF, HERE, SIX
from parts.marts import GRAINS


def measure(bench) -> dict:
    raw = bench.data() / "raw"
    bench.warm(raw)
    project = bench.project(bench.work / "first", raw, {"nightly": bench.job("nightly")})

    def fresh():
        shutil.rmtree(project / "warehouse", ignore_errors=True)
        shutil.rmtree(project / ".lifecycle", ignore_errors=True)

    sides = {"ours": bench.measured(bench.run(project, "nightly", AS_OF, *bench.six()), before=fresh, repeat=min(2, bench.options.repeat))}
    run = bench.query(project, "select * from ops.runs")[0]
    facts = {"sides": sides, "checks": run["checks"]}
    export(bench, project, bench.work / "first-ours")
    if bench.options.ours:
        return facts
    given_folder, landed = bench.work / "given", bench.work / "first-landed"
    dbt.give(bench, project, given_folder)
    peer = dbt.Project(bench, bench.work / "dbt")
    peer.write()
    script = [bench.python, HERE / "peers" / "duck_landing.py", "feeds", raw, landed, AS_OF]
    sides["duck_landing"] = bench.measured(script, before=lambda: shutil.rmtree(landed, ignore_errors=True), repeat=2)
    facts["landed"] = json.loads(sides["duck_landing"]["output"])
    sides["dbt_parse"] = bench.measured(peer.command("parse", AS_OF, landed, given_folder, "--no-partial-parse"), before=lambda: peer.prepare(given_folder), repeat=1)
    sides["dbt_build"] = bench.measured(peer.command("build", AS_OF, landed, given_folder), before=lambda: peer.prepare(given_folder), repeat=2)
    facts["tests"] = peer.tests
    peer.export(bench.work / "first-dbt")
    facts["rows"] = compare.folders(bench.work / "first-ours", bench.work / "first-dbt", GRAINS, {})
    return facts


def export(bench, project, out):
    for name in SIX:
        schema = "intermediate" if name == "interaction_days" else "marts"
        bench.export(project, f"select * from {schema}.{name}", out / f"{name}.parquet")
