"""Four times the data: how the time grows, and whether all tables finish within 2 GiB."""

import shutil

from parts.common import AS_OF, HERE

LIMIT = "2GiB"


def measure(bench) -> dict:
    sides = {}
    for times in (1, 4):
        raw = bench.data(times) / "raw"
        bench.warm(raw)
        project = bench.project(bench.work / "four", raw, {"nightly": bench.job("nightly")}, LIMIT)

        def fresh(project=project):
            shutil.rmtree(project / "warehouse", ignore_errors=True)
            shutil.rmtree(project / ".lifecycle", ignore_errors=True)

        sides[f"ours_x{times}"] = bench.measured(bench.run(project, "nightly", AS_OF, *bench.six()), before=fresh, repeat=1)
        facts = bench.query(project, "select rows_landed, rows_rejected, message from ops.runs order by started_at desc limit 1")[0]
        sides[f"ours_x{times}"]["run"] = facts
    if not bench.options.ours:
        sides |= peers(bench, project)
    # every table of the job, built anew from the landed rows
    try:
        sides["ours_all_x4"] = bench.measured(bench.run(project, "nightly", AS_OF, "--full-refresh"), repeat=1)
        sides["ours_all_x4"]["run"] = bench.query(project, "select tables_built, checks, message from ops.runs order by started_at desc limit 1")[0]
    except RuntimeError as error:
        sides["ours_all_x4"] = {"failed": str(error)[-1500:]}
    return {"sides": sides, "rows": {times: bench.manifest(times)["feeds"] for times in (1, 4)}}


def peers(bench, project) -> dict:
    """The six marts by hand in DuckDB over the same landed rows, under the same limit."""
    from parts.marts import stage

    staged, out = stage(bench, project, bench.work / "staged-x4"), bench.work / "four-duck"
    shutil.rmtree(out, ignore_errors=True)
    command = [bench.python, HERE / "peers" / "duck_marts.py", staged, out, AS_OF, LIMIT]
    try:
        return {"duck_x4": bench.measured(command, repeat=1)}
    except RuntimeError as error:
        return {"duck_x4": {"failed": str(error).strip().splitlines()[-1]}}
