"""Writes what was measured to MODELS.md."""

import json
import os
import platform
import re
import subprocess
import time
from pathlib import Path

import given

MUCH_SLOWER = 2.0
MUCH_MEMORY = 1.5 * 2**30
# Below this a ratio says more about the clock and planning than about the work.
SMALL = 0.1


def write(bench) -> int:
    first, ours, duck, agree = (bench.read(name) for name in ("first", "ours", "duck", "agree"))
    sizes, as_of = ours["sizes"], ours["run"]["as_of"]
    kinds = {model["name"]: model["kind"] for model in bench.read("plan")["models"]}
    compared = [row(table, duck["tables"], agree) for table in ours["tables"] if table["table_name"] in kinds]
    marts = [line for line in compared if line["name"].startswith("marts.")]
    others = [line for line in compared if line["name"].startswith("intermediate.")]
    text = [
        "# Every table, beside DuckDB\n",
        f"Measured {time.strftime('%Y-%m-%d')} by `python3 bench/run.py models`. What is measured, and how: [README.md](README.md).\n",
        *machine(bench, ours, duck),
        f"- Data: demo business of {bench.options.customers:,} customers over {bench.options.days} days, as of {as_of}:"
        f" {sizes['buyers']:,} buyers, {sizes['customers']:,} customers known, {sizes['interactions']:,} interactions,"
        f" {sizes['order_lines']:,} order lines.",
        f"- Both: {ours.get('threads', 2)} threads, memory limit 2 GiB. Load of the machine (1 minute) before our run"
        f" {ours['load']:.2f}, before DuckDB's {duck['load']:.2f}.\n",
        "## As a whole\n",
        *whole(first, ours, duck, compared),
        *verdicts(marts, others, ours, duck, agree),
        "## Marts\n",
        *table(marts),
        "## Intermediate tables\n",
        *table(others),
        "## Rows\n",
        *rows_agree(agree),
    ]
    bench.options.results.write_text("\n".join(text).rstrip() + "\n")
    failed = [name for name, facts in duck["tables"].items() if "error" in facts] + [name for name in agree if differs(agree[name])]
    print(f"{bench.options.results}: {len(agree)} tables compared, {len(failed)} differ")
    return 1 if failed else 0


def row(table: dict, duck: dict, agree: dict) -> dict:
    name = table["table_name"]
    theirs = duck.get(name, {})
    line = {"name": name, "rows": table["row_count"], "ours": table["seconds"], "duck": theirs.get("seconds"), "peak": theirs.get("peak_bytes")}
    line["ratio"] = line["ours"] / line["duck"] if line["duck"] else None
    line["note"] = ""
    if name in given.TABLES:
        line["note"] = f"not comparable: {given.TABLES[name]}"
    elif name in given.PARTLY:
        line["note"] = f"DuckDB does less: {given.PARTLY[name]}"
    elif "error" in theirs:
        line["note"] = "DuckDB failed"
    if differs(agree.get(name, {})):
        line["note"] = (line["note"] + "; rows differ").removeprefix("; ")
    return line


def result(line: dict) -> str:
    if line["ratio"] is None or line["name"] in given.PARTLY:
        return ""
    if line["ratio"] <= 1:
        return "won"
    if line["ratio"] <= MUCH_SLOWER:
        return "lost"
    return "lost" if max(line["ours"], line["duck"]) < SMALL else "**lost, over 2x**"


def build(facts: dict) -> str:
    return "release build" if "release" in Path(facts["binary"]).parts else "NOT a release build: slower"


def machine(bench, ours: dict, duck: dict) -> list[str]:
    facts = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", facts)
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) / 2**20
    version = subprocess.run([bench.binary, "--version"], capture_output=True, text=True).stdout.strip()
    lock = (bench.root / "Cargo.lock").read_text()
    datafusion = re.search(r'name = "datafusion"\nversion = "(.*)"', lock)[1]
    commit = subprocess.run(["git", "-C", bench.root, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return [
        f"- Machine: {os.cpu_count()} cores ({model[1].strip() if model else platform.machine()}), {memory:.0f} GiB memory, {platform.system()} {platform.release().split('-')[0]}.",
        f"- Versions: {version} ({build(ours)}, commit {commit}), DataFusion {datafusion}; DuckDB {duck['version']}, Python {platform.python_version()}.",
    ]


def gib(size) -> str:
    return f"{size / 2**30:.2f} GiB"


def whole(first: dict, ours: dict, duck: dict, compared: list[dict]) -> list[str]:
    both = [line for line in compared if line["duck"]]
    ours_sum, duck_sum = sum(line["ours"] for line in both), sum(line["duck"] for line in both)
    # Checks of one query carry the same time: it is counted once.
    checks = sum(seconds for _, seconds in {(check["table_name"], check["seconds"]) for check in ours["checks"]})
    spilled = gib(duck["spilled_bytes"]) if duck["spilled_bytes"] else "nothing"
    lines = [
        "| | ours | DuckDB |",
        "|---|--:|--:|",
        f"| all {len(both)} tables that both build, seconds | {ours_sum:.1f} | {duck_sum:.1f} |",
        f"| peak resident memory while building | {gib(ours['peak_bytes'])} | {gib(duck['peak_bytes'])} |",
        f"| spilled to disk | not measured | {spilled} |",
        "",
        f"Our whole run took {ours['seconds']:.1f} s: {sum(table['seconds'] for table in ours['tables']):.1f} s to build {len(ours['tables'])} tables,"
        f" {checks:.1f} s for {len(ours['checks'])} checks, the rest to plan, publish and export. Its peak memory is that of all of it; DuckDB has neither checks nor exports.",
        "",
        f"The first run ({build(first)}), with landing {first['run']['rows_landed']:,} rows: {first['run']['seconds']:.1f} s"
        f" (with the making of the raw files {first['seconds']:.1f} s, peak memory of both {gib(first['peak_bytes'])}).",
        "",
    ]
    return lines


def verdicts(marts, others, ours, duck, agree) -> list[str]:
    lines = []
    for title, tables in (("Marts", marts), ("Intermediate tables", others)):
        counted = [result(line) for line in tables]
        won, lost, far = counted.count("won"), counted.count("lost"), counted.count("**lost, over 2x**")
        lines.append(f"- {title}: {won} won, {lost} lost by less than 2x (or both under {SMALL} s), {far} lost by more, {counted.count('')} not comparable.")
    over = [line for line in marts + others if result(line).startswith("**")]
    for line in over:
        lines.append(f"  - over 2x: `{line['name']}` {line['ours']:.2f} s against {line['duck']:.2f} s")
    lines.append(f"- Memory: ours is {'over' if ours['peak_bytes'] > MUCH_MEMORY else 'under'} 1.5 GiB ({gib(ours['peak_bytes'])}), DuckDB's {'over' if duck['peak_bytes'] > MUCH_MEMORY else 'under'} ({gib(duck['peak_bytes'])}).")
    bad = [name for name, facts in agree.items() if differs(facts)]
    lines.append(f"- Rows: {len(agree) - len(bad)} of {len(agree)} tables agree" + (f"; these do not: {', '.join(bad)}." if bad else "."))
    return lines + [""]


def table(lines: list[dict]) -> list[str]:
    text = ["| table | rows | ours, s | DuckDB, s | ratio | | DuckDB's peak memory | |", "|---|--:|--:|--:|--:|---|--:|---|"]
    for line in sorted(lines, key=lambda line: -line["ours"]):
        duck = f"{line['duck']:.2f}" if line["duck"] else ""
        ratio = f"{line['ratio']:.2f}" if line["ratio"] else ""
        peak = gib(line["peak"]) if line["peak"] else ""
        text.append(f"| {line['name'].split('.')[1]} | {line['rows']:,} | {line['ours']:.2f} | {duck} | {ratio} | {result(line)} | {peak} | {line['note']} |")
    return text + [""]


def differs(facts: dict) -> bool:
    return bool(facts) and bool(
        facts.get("error") or facts["rows"] != facts["other_rows"] or facts["columns"] or facts["unmatched"] or facts["missing"]
    )


def rows_agree(agree: dict) -> list[str]:
    text = [
        f"{sum(facts.get('rows', 0) for facts in agree.values()):,} rows of {len(agree)} tables were compared by their grain, in every column;"
        " doubles may differ by 1e-9, relative.",
    ]
    for name, columns in given.SKIPPED.items():
        text.append(f"Not compared: {', '.join(columns)} of `{name}`.")
    for name, facts in agree.items():
        if differs(facts):
            text.append(f"- `{name}`: {json.dumps(facts)}")
    return text + [""]
