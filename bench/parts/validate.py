"""`validate` of the whole project: every file read, all SQL planned."""

from parts.common import copy


def measure(bench) -> dict:
    project = bench.work / "validate"
    copy(bench.root / "sql", project / "sql")
    copy(bench.root / "jobs", project / "jobs")
    copy(bench.root / "config", project / "config")
    facts = bench.measured(bench.lifecycle(project, "validate"), repeat=max(5, bench.options.repeat))
    return {"sides": {"ours": facts}}
