"""A backfill of 90 days against 90 single runs of the same days."""

import datetime
import subprocess

from parts import data, nights
from parts.common import SIX, agree, copy

LAST, DAYS = 200, 90


def measure(bench) -> dict:
    days = DAYS if not bench.options.quick else 10
    raw = bench.folder / "data-backfill" / "raw"
    nights.make(raw, LAST)
    job = bench.job("nightly").replace("models: [marts]", f"models: [{', '.join(SIX)}]")
    base = bench.project(bench.work / "backfill-base", raw, {"nightly": job})
    dates = [str(data.START + datetime.timedelta(LAST - days + number)) for number in range(days)]
    subprocess.run(bench.run(base, "nightly", str(data.START + datetime.timedelta(LAST))), check=True, capture_output=True)
    single, filled = bench.work / "backfill-single", bench.work / "backfill"
    copy(base, single)
    runs = [bench.measured(bench.run(single, "nightly", as_of), repeat=1) for as_of in dates]
    sides = {
        "single": {
            "seconds": sum(run["seconds"] for run in runs),
            "cpu_seconds": sum(run["cpu_seconds"] for run in runs),
            "peak_bytes": max(run["peak_bytes"] for run in runs),
            "all_seconds": [round(run["seconds"], 3) for run in runs],
        }
    }
    command = ["backfill", "nightly", "--from", dates[0], "--to", dates[-1]]
    help_text = subprocess.run([bench.binary, "backfill", "--help"], capture_output=True, text=True).stdout
    ways = {"ours": []} | ({f"ours_parallel_{number}": ["--parallel", str(number)] for number in (1, 4)} if "--parallel" in help_text else {})
    for name, more in ways.items():
        sides[name] = bench.measured(bench.lifecycle(filled, *command, *more), before=lambda: copy(base, filled), repeat=1)
        agree("histories", histories(bench, filled), histories(bench, single))
    return {"sides": sides, "days": days}


def histories(bench, project):
    return {
        name: bench.query(project, f"select count(*) as n, count(distinct as_of) as days, cast(sum({money}) as varchar) as money from marts.{name}_history")
        for name, money in (("churn", "revenue_lost"), ("referral_roi", "referred_margin"))
    }
