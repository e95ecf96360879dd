"""Compares `lifecycle schedule simulate` with a second calculation: expressions read by croniter, clocks by zoneinfo.

The rules: an expression that runs in every hour fires whenever the wall clock shows one of its times. Any other fires
once per time of day: when the clock first reaches or passes it. Times that fall on one instant are one run.

    python tests/peers/schedules.py target/release/lifecycle
"""

import argparse
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from time import monotonic
from zoneinfo import ZoneInfo, reset_tzpath

import numpy
import pyarrow.parquet
from croniter import croniter

PATTERNS = [
    "0 2 * * *", "30 1 * * *", "30 2 * * *", "0 0 * * *", "59 23 * * *", "15 3 * * *", "0 1,2,3 * * *",
    "30 1,2 * * *", "0 2,3 * * *", "*/15 2 * * *", "*/30 1-3 * * *", "0 */2 * * *", "0 */6 * * *", "0 * * * *",
    "30 * * * *", "*/15 * * * *", "7,37 * * * *", "0 2 * * 0", "0 2 * * SAT", "0 9 * * 1-5", "*/10 9-17 * * 1-5",
    "0 2 1 * *", "0 2 31 * *", "0 2 29 2 *", "0 0 1 1 *", "0 2 1,15 * 0", "30 1 13 * 5", "0 0-23 * * *",
    "15 1 * 3,10 *", "0 12 * 11 SUN",
]  # fmt: skip
# Every kind of change: half hours, hours at midnight, days left out, four changes a year, none.
ZONES = """
    UTC Europe/London Europe/Dublin Europe/Berlin Europe/Lisbon Europe/Moscow Europe/Istanbul Europe/Chisinau
    Europe/Volgograd Europe/Samara America/New_York America/Chicago America/Denver America/Phoenix America/Los_Angeles
    America/Anchorage America/St_Johns America/Halifax America/Sao_Paulo America/Santiago America/Asuncion
    America/Havana America/Caracas America/Mexico_City America/Godthab America/Port-au-Prince America/Scoresbysund
    Africa/Casablanca Africa/Cairo Africa/Windhoek Africa/Tripoli Asia/Tehran Asia/Beirut Asia/Gaza Asia/Amman
    Asia/Damascus Asia/Kolkata Asia/Kathmandu Asia/Pyongyang Asia/Tokyo Asia/Ulaanbaatar Asia/Magadan
    Australia/Lord_Howe Australia/Sydney Australia/Adelaide Pacific/Apia Pacific/Auckland Pacific/Chatham
    Pacific/Norfolk Antarctica/Troll
""".split()
FROM, TO = datetime(2011, 1, 1), datetime(2021, 1, 1)
# Of one simulation: it stops after a million decisions.
SPANS = [(FROM, datetime(2016, 1, 1)), (datetime(2016, 1, 1), TO)]
EPOCH = datetime(1970, 1, 1)


def minute(time):
    """Minutes since 1970 of a time without a zone."""
    return int((time - EPOCH).total_seconds()) // 60


def wall_times(pattern):
    """All times of the wall clock at which an expression fires, two days more on both sides, as minutes."""
    times = []
    iterator = croniter(pattern, FROM - timedelta(days=2, minutes=1))
    while (time := iterator.get_next(datetime)) < TO + timedelta(days=2):
        times.append(minute(time))
    return numpy.array(times, dtype=numpy.int64)


def runs_in_every_hour(pattern):
    hours = croniter(pattern).expanded[1]
    return hours == ["*"] or sorted(hours) == list(range(24))


def spans_of(zone):
    """The stretches of a zone between two changes of its offset: first minute, last minute, offset in minutes."""

    def offset(at):
        shown = (EPOCH.replace(tzinfo=timezone.utc) + timedelta(minutes=at)).astimezone(zone)
        return int(shown.utcoffset().total_seconds()) // 60

    first, last = minute(FROM - timedelta(days=2)), minute(TO + timedelta(days=2))
    spans, begun = [], first
    for at in range(first, last, 60):
        before, after = offset(at), offset(min(at + 60, last))
        if before == after:
            continue
        low, high = at, min(at + 60, last)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == before else (low, middle)
        spans.append((begun, high, before))
        begun = high
    return [*spans, (begun, last, offset(begun))]


def instants(walls, is_every_hour, spans):
    """When the wall times come, as minutes since 1970."""
    found, furthest = [], None
    for begin, end, offset in spans:
        first, last = begin + offset, end + offset
        if is_every_hour:
            shown = walls[numpy.searchsorted(walls, first) : numpy.searchsorted(walls, last)]
        else:
            # What the clock has shown before is over; what it has left out comes with the first minute after.
            since = first if furthest is None else furthest
            shown = walls[numpy.searchsorted(walls, since) : max(0, numpy.searchsorted(walls, last))]
            furthest = max(since, last)
        found.append(numpy.maximum(shown - offset, begin))
    found = numpy.unique(numpy.concatenate(found))
    return found[(found >= minute(FROM)) & (found < minute(TO))]


def project_of(zone, folder):
    for name in ("config", "jobs", "sql/staging", "raw/orders"):
        (folder / name).mkdir(parents=True)
    (folder / "config/local.yaml").write_text(
        "timezone: UTC\ncurrency: EUR\nraw: raw\nwarehouse: warehouse\nstate: .lifecycle/state.db\n"
    )
    for number, pattern in enumerate(PATTERNS):
        (folder / f"jobs/job_{number:02}.yaml").write_text(
            f"name: job_{number:02}\n"
            f'schedule: {{cron: "{pattern}", timezone: {zone}, jitter: 0s, overlap: allow}}\n'
            "sources:\n"
            f"  orders_{number:02}:\n"
            "    location: ${raw}/orders/*.csv\n"
            "    format: csv\n"
            "    key: [id]\n"
            "    columns: {id: {type: string, required: true}}\n"
        )


def simulated(binary, zone):
    """What the binary would start, by job, as minutes since 1970."""
    started = {f"job_{number:02}": [] for number in range(len(PATTERNS))}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "project"
        project_of(zone, folder)
        for begin, end in SPANS:
            into = Path(scratch) / "decisions.parquet"
            command = [binary, "--project", folder, "schedule", "simulate", "-o", "parquet"]
            command += ["--from", f"{begin:%Y-%m-%dT%H:%M:00Z}", "--to", f"{end:%Y-%m-%dT%H:%M:00Z}"]
            with into.open("wb") as file:
                subprocess.run(command, stdout=file, check=True)
            table = pyarrow.parquet.read_table(into)
            strange = set(table["decision"].unique().to_pylist()) - {"run"}
            if strange:
                sys.exit(f"{zone}: decisions {strange}, where every run starts")
            at = table["scheduled_at"].cast("int64").to_numpy()
            jobs = table["job"].dictionary_encode().combine_chunks()
            for place, job in enumerate(jobs.dictionary.to_pylist()):
                started[job].append(at[jobs.indices.to_numpy() == place] // 60_000_000)
    return [numpy.sort(numpy.concatenate(of_job)) for of_job in started.values()]


def compare(binary, zone, walls):
    """The number of instants of a zone, and what differs."""
    spans, differences, count = spans_of(ZoneInfo(zone)), [], 0
    for pattern, walls_of, found in zip(PATTERNS, walls, simulated(binary, zone)):
        expected = instants(walls_of, runs_in_every_hour(pattern), spans)
        count += len(expected)
        if not numpy.array_equal(found, expected):
            more, less = numpy.setdiff1d(found, expected), numpy.setdiff1d(expected, found)
            shown = [str(EPOCH + timedelta(minutes=int(at))) for at in (*more[:1], *less[:1])]
            differences.append(f"{zone} `{pattern}`: {len(more)} more, {len(less)} less than expected, first {shown}")
    return count, differences


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=Path)
    arguments = parser.parse_args()
    binary, begun = arguments.binary.resolve(), monotonic()
    # The zones of the package that is pinned, not those of this machine.
    reset_tzpath(to=[])
    walls = [wall_times(pattern) for pattern in PATTERNS]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = list(pool.map(lambda zone: compare(binary, zone, walls), ZONES))
    count = sum(count for count, _ in outcomes)
    differences = [line for _, lines in outcomes for line in lines]
    print(*differences, sep="\n", end="\n" if differences else "")
    print(
        f"10 years x {len(ZONES)} zones x {len(PATTERNS)} expressions: {count:,} instants, "
        f"{len(differences)} of {len(ZONES) * len(PATTERNS)} pairs differ, {monotonic() - begun:.0f} s"
    )
    sys.exit(bool(differences))


if __name__ == "__main__":
    main()
