"""Makes RESULTS.md from the figures that the parts have kept: every line of the table, won or lost, then all that was measured."""

import platform
import re
import tomllib

from parts import PARTS
from parts.common import HERE

MIB, GIB = 2**20, 2**30
NAMES = {
    "ours": "ours",
    "duck_native": "DuckDB, native readers: loses the text of bad JSON, makes bad numbers null",
    "duck_newest": "DuckDB, and then of repeated rows one (ours does it while landing)",
    "duck_twice": "DuckDB, every bad row kept, two passes",
    "duck_whole": "DuckDB, every bad row kept, one pass",
    "polars": "Polars, streaming, every bad row kept",
    "floor_zlib_1": "floor: decompress to nothing, zlib, one process",
    "floor_zlib_2": "floor: zlib, two processes",
    "floor_zlib-ng_2": "floor: zlib-ng, two processes",
    "floor_isal_2": "floor: ISA-L, two processes",
    "duck": "DuckDB, by hand",
    "duck_landing": "DuckDB, landing",
    "dbt_build": "dbt build",
    "dbt_parse": "dbt parse, without what it remembers",
    "ours_demo": "ours, the demo's project",
    "lifetimes": "lifetimes, the whole process",
    "single": "ours, single runs",
    "early": "ours, the nights around the 100th (median)",
    "late": "ours, the nights around the 700th (median)",
    "ours_x1": "ours, six marts from raw",
    "ours_x4": "ours, six marts from raw, four times the data",
    "ours_all_x4": "ours, all tables from landed, four times the data",
    "duck_x4": "DuckDB, the six marts by hand, four times the data, 2 GiB",
}


class Figures:
    """The kept figures, with what is missing as nothing."""

    def __init__(self, bench):
        self.parts = {name: bench.read(name) or {} for name in PARTS}

    def side(self, part: str, side: str) -> dict:
        return self.parts[part].get("sides", {}).get(side) or {}

    def seconds(self, part: str, *sides: str, key: str = "seconds") -> float | None:
        found = [self.side(part, side).get(key) for side in sides]
        return None if None in found else sum(found)

    def peak(self, part: str, *sides: str) -> int | None:
        found = [self.side(part, side).get("peak_bytes") for side in sides]
        return None if None in found else max(found)


def write(bench) -> int:
    figures = Figures(bench)
    causes = tomllib.loads((HERE / "causes.toml").read_text())
    lines = goals(figures)
    text = ["# Results\n", *head(bench, figures), "## What was to be reached\n", *goal_table(lines), *lost(lines, causes)]
    for name, part in PARTS.items():
        text += section(name, part, figures.parts[name])
        if name == "validate" and (parse := figures.side("first", "dbt_parse")):
            text.append(f"For scale: `dbt parse` of the models and tests of the six marts takes {parse['seconds']:.2f} s.\n")
    file = bench.options.results or (bench.folder / "RESULTS.md" if bench.options.quick else HERE / "RESULTS.md")
    file.write_text("\n".join(text).rstrip() + "\n")
    print(f"{file}: {sum(line['is_won'] is True for line in lines)} won, {sum(line['is_won'] is False for line in lines)} lost, {sum(line['is_won'] is None for line in lines)} not measured")
    return 0


# the goals


def goals(figures: Figures) -> list[dict]:
    lines = []

    def ratio(key: str, what: str, most: float, part: str, our_side: str, peers: tuple[str, ...], against: str, theirs: float | None = None):
        ours, peer = figures.seconds(part, our_side), theirs or figures.seconds(part, *peers)
        our_work, work = figures.seconds(part, our_side, key="cpu_seconds"), figures.seconds(part, *peers, key="cpu_seconds")
        value = ours / peer if ours is not None and peer else None
        is_won = None if value is None else value <= most
        line = {"key": key, "what": what, "goal": f"{most:g}x {against}", "ours": clock(ours), "peer": clock(peer), "value": times(value), "is_won": is_won}
        lines.append(line | {"work": times(our_work / work) if our_work and work and not theirs else ""})

    def limit(key: str, what: str, most: float, value: float | None, show):
        is_won = None if value is None else value <= most
        lines.append({"key": key, "what": what, "goal": f"at most {show(most)}", "ours": show(value), "peer": "", "value": "", "work": "", "is_won": is_won})

    ratio("landing", "landing both feeds, every rejected row kept whole", 0.55, "landing", "ours", ("duck_native",), "DuckDB native")
    ratio("landing_floor", "the same", 1.8, "landing", "ours", ("floor_zlib_1",), "decompressing (zlib, one process)")
    ratio("landing_floor_fast", "the same", 1.8, "landing", "ours", ("floor_isal_2",), "decompressing (ISA-L, two processes)")
    limit("landing_memory", "the same: peak memory", 400 * MIB, figures.peak("landing", "ours"), size)
    ratio("marts", "six marts, from landed to published and checked", 1.0, "marts", "ours", ("duck",), "DuckDB by hand")
    limit("marts_memory", "the same: peak memory", GIB, figures.peak("marts", "ours"), size)
    ratio("first", "first run, raw to published, all checks", 0.5, "first", "ours", ("duck_landing", "dbt_build"), "DuckDB landing + dbt build")
    ratio("night", "a night with one new day, six marts", 0.15, "night", "ours", ("duck_landing", "dbt_build"), "landing + dbt build")
    ratio("nights", "the 700th night", 1.3, "nights", "late", ("early",), "the 100th")
    limit("nothing", "a run with nothing new", 0.3, figures.seconds("nothing", "ours"), clock)
    objects = figures.parts["nothing"].get("objects", {}).get("ours_demo", 0)
    limit("nothing_demo", f"the same, the demo's {objects:,} objects", 0.3, figures.seconds("nothing", "ours_demo"), clock)
    ratio("four", "four times the data, six marts from raw", 4.4, "four", "ours_x4", ("ours_x1",), "ours with the data once")
    limit("four_memory", "the same: resident memory under `memory_limit: 2GiB`", 2 * GIB, figures.peak("four", "ours_x4"), size)
    limit("four_all_memory", "all tables with four times the data finish: resident memory", 2 * GIB, figures.peak("four", "ours_all_x4"), size)
    if "failed" in figures.side("four", "ours_all_x4"):
        lines[-1] |= {"ours": "did not finish", "is_won": False}
    fit = figures.side("fits", "lifetimes").get("fit_and_predict")
    ratio("fits", "BG/NBD and Gamma-Gamma, 200,000 customers: our whole run", 0.1, "fits", "ours", ("lifetimes",), "lifetimes' fit and predict alone", fit)
    limit("validate", "`validate` of the whole project", 0.3, figures.seconds("validate", "ours"), clock)
    days = figures.parts["backfill"].get("days", 90)
    ratio("backfill", f"a backfill of {days} days", 1.0, "backfill", "ours", ("single",), "single runs (no goal was set)")
    return lines


def goal_table(lines: list[dict]) -> list[str]:
    text = ["| what | to reach | ours | other | ratio | of processor seconds | |", "|---|---|--:|--:|--:|--:|---|"]
    for line in lines:
        text.append(f"| {line['what']} | {line['goal']} | {line['ours']} | {line['peer']} | {line['value']} | {line['work']} | {verdict(line)} |")
    return text + [""]


def verdict(line: dict) -> str:
    return {True: "won", False: "**lost**", None: "not measured"}[line["is_won"]]


def lost(lines: list[dict], causes: dict) -> list[str]:
    found = [line for line in lines if line["is_won"] is False]
    text = ["What is lost, and why (from profiles):\n"] if found else []
    for line in found:
        text.append(f"- {line['what']}, {line['goal']}: {causes.get(line['key'], 'cause not written down yet')}")
    return text + ([""] if found else [])


# what was measured


def head(bench, figures: Figures) -> list[str]:
    measured = [facts for facts in figures.parts.values() if facts]
    if not measured:
        return ["Nothing is measured yet.\n"]
    dates = sorted({facts["date"] for facts in measured})
    machine, binaries = measured[-1]["machine"], {(facts["binary"]["version"], facts["binary"]["commit"], facts["binary"]["is_release"]) for facts in measured}
    lock = (bench.root / "Cargo.lock").read_text()
    datafusion = re.search(r'name = "datafusion"\nversion = "(.*)"', lock)[1]
    ours = ", ".join(f"{version} ({'release build' if release else 'NOT a release build: slower'}, commit {commit})" for version, commit, release in sorted(binaries))
    return [
        f"Measured {' to '.join(sorted({dates[0], dates[-1]}))} by `python3 bench/run.py`. What is measured, how, and what is not alike: [README.md](README.md).\n",
        f"- Machine: {machine['cores']} cores ({machine['model']}), {machine['memory_gib']} GiB memory, Linux {machine['kernel']}. All use two threads.",
        f"- Versions: {ours}, DataFusion {datafusion}; {versions()}.",
        f"- Data: {data_line(bench)}",
        "- Seconds are of the clock, the best of the runs named beside them; each process is new, the files are in the cache. Memory is the most that was resident in any of the runs.\n",
    ]


def versions() -> str:
    wanted = (HERE / "requirements.txt").read_text().split()
    from parts import dbt, fits

    more = [text for text in dbt.REQUIREMENTS if text.startswith("dbt")] + fits.REQUIREMENTS[:1]
    shown = [text.replace("==", " ") for text in wanted + more if not text.startswith(("numpy", "pyarrow", "pyyaml"))]
    return f"Python {platform.python_version()}, {', '.join(shown)}"


def data_line(bench) -> str:
    feeds = bench.manifest()["feeds"]
    names = {"interactions": "interactions as NDJSON.gz", "orders": "order lines as CSV.gz"}
    parts = [
        f"{facts['rows']:,} {names[name]} in {facts['objects']} objects"
        f" ({facts['bytes'] / MIB:.0f} MiB; {facts['rejected']:,} bad, {facts['repeated']:,} repeated)"
        for name, facts in feeds.items()
    ]
    return f"{bench.manifest()['customers']:,} customers, {', '.join(parts)}."


def section(name: str, part, facts: dict) -> list[str]:
    text = [f"## {name}\n", " ".join(part.__doc__.split()) + "\n"]
    if not facts:
        return text + ["Not measured.\n"]
    text.append(f"{facts['date']}, load before it (1 minute) {facts['load']:.1f}; the part took {facts['took']:.0f} s.\n")
    if "error" in facts:
        text.append(f"**Failed: {facts['error'][:500]}**\n")
    if facts.get("sides"):
        text += ["| | seconds | all runs | processor s | peak memory |", "|---|--:|---|--:|--:|"]
        for side, values in facts["sides"].items():
            label = NAMES.get(side, side.replace("_", " "))
            if "failed" in values:
                text.append(f"| {label} | did not finish | | | |")
                continue
            runs = values["all_seconds"]
            shown = ", ".join(f"{run:.2f}" for run in runs[:5]) + (f", … ({len(runs)})" if len(runs) > 5 else "")
            cpu = f"{values['cpu_seconds']:.1f}" if values["cpu_seconds"] else ""
            text.append(f"| {label} | {values['seconds']:.2f} | {shown} | {cpu} | {size(values['peak_bytes'])} |")
        text.append("")
    text += notes(name, facts)
    return text


def notes(name: str, facts: dict) -> list[str]:
    text = []
    for key, whom in (("rows", "dbt's"), ("rows_duck", "DuckDB's"), ("rows_polars", "Polars'")):
        if key in facts and name in ("marts", "first", "night"):
            text.append(f"Rows that agree with {whom}, all columns: " + ", ".join(f"{table} {count:,}" for table, count in facts[key].items()) + ".")
    if name == "landing" and "feeds" in facts and "error" not in facts:
        feeds = facts["feeds"]
        sums = ", ".join(f"{feed} {values['rows'] - values['rejected']:,} + {values['rejected']:,}" for feed, values in feeds.items())
        text.append(f"Rows in = landed + rejected on every side: {sums}; sums over every column agree.")
    if name in ("first", "night") and "sides" in facts:
        checks = facts.get("checks")
        text.append(f"Our run made {checks['n'] if isinstance(checks, dict) else checks} checks.")
    if name == "fits" and "differences" in facts:
        text.append("Largest relative differences: " + ", ".join(f"{key} {value:.1e}" for key, value in facts["differences"].items()) + f". Of lifetimes' process, fit and predict are {facts['sides']['lifetimes']['fit_and_predict']:.2f} s.")
    if name == "nights" and "files" in facts:
        text.append(f"{facts['files']:,} Parquet files lie in the warehouse after the last night.")
    if "tables" in facts.get("sides", {}).get("ours", {}):
        longest = sorted(facts["sides"]["ours"]["tables"], key=lambda table: -table["seconds"])[:6]
        text.append("Our longest tables: " + ", ".join(f"{table['table_name'].split('.')[1]} {table['seconds']:.2f} s" for table in longest) + ".")
    if "tables" in facts.get("sides", {}).get("duck", {}):
        longest = sorted(facts["sides"]["duck"]["tables"].items(), key=lambda table: -table[1])[:6]
        text.append("DuckDB's: " + ", ".join(f"{table} {seconds:.2f} s" for table, seconds in longest) + ".")
    return [line + "\n" for line in text]


def clock(value) -> str:
    return "" if value is None else f"{value:.2f} s"


def size(value) -> str:
    if value is None:
        return ""
    return f"{value / MIB:.0f} MiB" if value < GIB else f"{value / GIB:.2f} GiB"


def times(value) -> str:
    return "" if value is None else f"{value:.2f}"
