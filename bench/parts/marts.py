"""Six marts from the landed rows: by hand in DuckDB's SQL and in Polars, and our run with its checks."""

import json
import shutil
import subprocess

from parts import compare
from parts.common import AS_OF, HERE, SIX, copy, say

STAGING = ["order_lines", "interactions", "identities", "customers", "campaign_members", "campaigns", "referrals", "surveys", "products"]
SEEDS = ["interaction_kinds", "rfm_segments", "churn_reasons", "tenure_bands"]
# The purchase models are ours alone.
LEFT_OUT = {
    "customer_value": ["p_alive", "expected_purchases", "expected_purchase_value", "clv"],
    "churn": ["p_alive"],
    "customer_matrix": ["predicted_spend"],
    "referral_roi": ["ltv_referred", "ltv_other"],
}
GRAINS = {
    "interaction_days": ["day", "customer_id", "direction", "channel", "kind", "response"],
    "cohort_retention": ["cohort_kind", "cohort", "period", "segment"],
    "churn": ["customer_id"],
    "referral_roi": ["level", "key"],
    "customer_matrix": ["customer_id"],
    "customer_value": ["customer_id"],
}


def measure(bench) -> dict:
    raw = bench.data() / "raw"
    landed = land(bench, raw, bench.work / "marts-landed")
    sides = {"ours": ours(bench, landed)}
    facts = {"sides": sides}
    if not bench.options.ours:
        staged = stage(bench, bench.work / "marts", bench.work / "staged")
        bench.warm(staged)
        for peer in ("duck", "polars"):
            out = bench.work / f"marts-{peer}"
            command = [bench.python, HERE / "peers" / f"{peer}_marts.py", staged, out, AS_OF]
            sides[peer] = bench.measured(command, before=lambda out=out: shutil.rmtree(out, ignore_errors=True))
            sides[peer]["tables"] = json.loads(sides[peer].pop("output"))
            facts[f"rows_{peer}"] = compare.folders(bench.work / "marts-ours", out, GRAINS, LEFT_OUT)
    return facts


def land(bench, raw, folder):
    """A project in which everything is landed and nothing built."""
    project = bench.project(folder, raw, {"nightly": bench.sources_alone()})
    subprocess.run(bench.run(project, "nightly", AS_OF), check=True, capture_output=True)
    (project / "jobs" / "nightly.yaml").write_text(bench.job("nightly"))
    return project


def ours(bench, landed) -> dict:
    project = bench.work / "marts"

    def fresh():
        copy(landed, project)
        bench.warm(project / "warehouse")

    facts = bench.measured(bench.run(project, "nightly", AS_OF, *bench.six()), before=fresh)
    run = bench.query(project, "select * from ops.runs order by started_at desc limit 1")[0]
    facts["run"] = run
    facts["tables"] = bench.query(project, f"select table_name, row_count, bytes, seconds from ops.run_tables where run_id = '{run['run_id']}'")
    facts["checks"] = bench.query(project, f"select count(*) as n, sum(seconds) as seconds from ops.checks where run_id = '{run['run_id']}'")[0]
    out = bench.work / "marts-ours"
    for name in SIX:
        schema = "intermediate" if name == "interaction_days" else "marts"
        bench.export(project, f"select * from {schema}.{name}", out / f"{name}.parquet")
    return facts


def stage(bench, project, folder):
    """The peers' input: our landed rows, without repeated ones, as plain Parquet."""
    say("exporting the landed rows for the peers")
    for name in STAGING:
        bench.export(project, f"select * from staging.{name}", folder / f"{name}.parquet")
    for name in SEEDS:
        bench.export(project, f"select * from seeds.{name}", folder / f"{name}.parquet")
    return folder
