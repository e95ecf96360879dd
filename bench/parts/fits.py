"""BG/NBD and Gamma-Gamma, fitted and predicted for 200,000 customers, against lifetimes."""

import json
import shutil
import subprocess

import numpy as np
import polars as pl

from parts.common import AS_OF, HERE, Disagree, copy, environment

# the last release; it needs an older numpy and pandas
REQUIREMENTS = ["lifetimes==0.11.3", "numpy==1.26.4", "pandas==2.2.3", "scipy==1.17.1", "autograd==1.9.1", "pyarrow==17.0.0"]
CUSTOMERS = 200_000
PARAMETERS = ["r", "alpha", "a", "b", "p", "q", "v"]


def measure(bench) -> dict:
    count = round(CUSTOMERS * bench.scale)
    raw = bench.folder / "data-fits" / "raw"
    source = raw / "histories" / "histories.parquet"
    make(source, count)
    job = (HERE / "project" / "fits" / "fits.yaml").read_text()
    landed, project = bench.work / "fits-landed", bench.work / "fits"
    bench.project(landed, raw, {"fits": job.replace("models: [marts]", "models: []")})
    for folder in ("staging", "intermediate", "marts"):
        shutil.rmtree(landed / "sql" / folder)
    copy(HERE / "project" / "fits" / "sql" / "marts", landed / "sql" / "marts")
    subprocess.run(bench.run(landed, "fits", AS_OF), check=True, capture_output=True)
    (landed / "jobs" / "fits.yaml").write_text(job)
    sides = {"ours": bench.measured(bench.run(project, "fits", AS_OF), before=lambda: copy(landed, project))}
    facts = {"sides": sides, "customers": count}
    facts["parameters"] = bench.query(project, "select * from marts.fitted")[0]
    facts["tables"] = bench.query(project, "select table_name, seconds from ops.run_tables order by table_name")
    if bench.options.ours:
        return facts
    bench.export(project, "select * from marts.predicted", bench.work / "fits.parquet")
    python = environment(bench.root / "target" / "bench-lifetimes", REQUIREMENTS)
    figures, predictions = bench.work / "lifetimes.json", bench.work / "lifetimes.parquet"
    runs = []

    def remember():
        if figures.exists():
            runs.append(json.loads(figures.read_text()))

    figures.unlink(missing_ok=True)
    sides["lifetimes"] = bench.measured([python, HERE / "peers" / "lifetimes_fits.py", source, predictions, figures], before=remember)
    remember()
    best = min(runs, key=lambda run: run["fit"] + run["predict"])
    # without starting Python, importing and reading
    sides["lifetimes"]["fit_and_predict"] = best["fit"] + best["predict"]
    facts["theirs"] = best
    facts["differences"] = differences(facts["parameters"], best, bench.work / "fits.parquet", predictions)
    return facts


def make(file, count: int):
    """Histories as BG/NBD and Gamma-Gamma have them, times in weeks."""
    if file.exists() and pl.scan_parquet(file).select(pl.len()).collect().item() == count:
        return
    rng = np.random.default_rng(20251231)
    age = rng.uniform(10.0, 104.0, count)
    rates, drops = rng.gamma(0.8, 1 / 9.0, count), rng.beta(0.9, 2.8, count)
    frequency, recency = np.zeros(count, dtype=np.int64), np.zeros(count)
    alive, at = np.ones(count, dtype=bool), np.zeros(count)
    while alive.any():
        # the first purchase is at 0; after each repeated one some drop out
        at = at + rng.exponential(1.0, count) / rates
        alive &= at <= age
        frequency += alive
        recency = np.where(alive, at, recency)
        alive &= rng.random(count) >= drops
    spending = 15.0 / rng.gamma(4.0, 1.0, count)
    times = np.maximum(frequency, 1)
    monetary = np.where(frequency > 0, rng.gamma(6.0 * times, 1.0) * 60.0 / 15.0 * spending / times, 0.0)
    file.parent.mkdir(parents=True, exist_ok=True)
    ids = pl.Series("customer_id", [f"c{number:07}" for number in range(count)])
    frame = pl.DataFrame({"customer_id": ids, "frequency": frequency, "recency": np.where(frequency > 0, np.maximum(np.round(recency, 4), 0.0001), 0.0), "age": np.round(age, 4), "monetary": np.round(monetary, 2)})
    frame.write_parquet(file)


def differences(ours: dict, theirs: dict, our_file, their_file) -> dict:
    """The largest relative differences; more than one in a thousand is an error."""
    found = {name: abs(ours[name] / theirs[name] - 1) for name in PARAMETERS}
    joined = pl.read_parquet(our_file).join(pl.read_parquet(their_file), on="customer_id", suffix="_theirs")
    if joined.height != pl.read_parquet(their_file).height:
        raise Disagree("not everyone has a prediction")
    for name in ("p_alive", "expected_purchases", "expected_value"):
        gap = (pl.col(name) - pl.col(f"{name}_theirs")).abs() / (pl.col(f"{name}_theirs").abs() + 1e-3)
        found[name] = joined.select(gap.max()).item()
    far = {name: gap for name, gap in found.items() if not gap <= 1e-3}
    if far:
        raise Disagree(f"lifetimes has other answers: {far}; ours {ours}, theirs {theirs}")
    return found
