"""The 700th night against the 100th: one run after the other, each with a day of the same size and the same customers."""

import datetime
import json
import shutil
import statistics

import numpy as np

from parts import data

# as dense as the demo: 6,000 customers, 137 interactions and 27 order lines a day
SCALE = 0.02
EARLY, LATE = (95, 105), (695, 705)


def measure(bench) -> dict:
    early, late = (EARLY, LATE) if not bench.options.quick else ((5, 9), (20, 24))
    last = late[1]
    raw = bench.folder / "data-nights" / "raw"
    make(raw, last)
    project = bench.project(bench.work / "nights", raw, {"nightly": bench.job("nightly")})
    # night 0 lands the profiles
    seconds, work, peaks = [], [], []
    for day in range(last + 1):
        as_of = str(data.START + datetime.timedelta(day))
        facts = bench.measured(bench.run(project, "nightly", as_of, *bench.six()), repeat=1)
        seconds.append(round(facts["seconds"], 4))
        work.append(facts["cpu_seconds"])
        peaks.append(facts["peak_bytes"])
    sides = {
        name: {
            "seconds": statistics.median(seconds[a : b + 1]),
            "cpu_seconds": statistics.median(work[a : b + 1]),
            "peak_bytes": max(peaks[a : b + 1]),
            "all_seconds": seconds[a : b + 1],
        }
        for name, (a, b) in (("early", early), ("late", late))
    }
    files = sum(1 for _ in (project / "warehouse").rglob("*.parquet"))
    return {"sides": sides, "nights": {"early": early, "late": late}, "seconds": seconds, "files": files}


def make(raw, last: int):
    """A day's deliveries for each night; all customers are there from the first day on."""
    stamp = raw.parent / "made.json"
    if stamp.exists() and json.loads(stamp.read_text()) == [SCALE, last]:
        return
    shutil.rmtree(raw, ignore_errors=True)
    world = data.World(SCALE)
    world.joined[:] = 0.0
    data.make_customers(raw, world, np.arange(world.customers), 0, "profiles")
    data.make_fixed(raw, world, 0)
    for day in range(last + 1):
        data.make_day(raw, SCALE, day, world=world)
    stamp.write_text(json.dumps([SCALE, last]))
