"""A run with nothing new: after a first run, the same again."""

import subprocess

from parts.common import AS_OF


def measure(bench) -> dict:
    raw = bench.data() / "raw"
    project = bench.project(bench.work / "nothing", raw, {"nightly": bench.job("nightly")})
    subprocess.run(bench.run(project, "nightly", AS_OF, *bench.six()), check=True, capture_output=True)
    sides = {"ours": bench.measured(bench.run(project, "nightly", AS_OF, *bench.six()), repeat=max(5, bench.options.repeat))}
    expect_nothing(sides["ours"], bench, project, AS_OF, *bench.six())
    # many small objects, and every table of the job
    demo = bench.folder / "demo"
    if not (demo / "warehouse").exists():
        subprocess.run([bench.binary, "--project", bench.root, "demo", "--dir", demo], check=True, capture_output=True)
    sides["ours_demo"] = bench.measured(bench.run(demo, "nightly", AS_OF), repeat=max(5, bench.options.repeat))
    expect_nothing(sides["ours_demo"], bench, demo, AS_OF)
    return {"sides": sides, "objects": {"ours": count_files(raw), "ours_demo": count_files(demo / "raw")}}


def count_files(folder) -> int:
    return sum(1 for file in folder.rglob("*") if file.is_file())


def expect_nothing(facts, bench, project, *arguments):
    done = subprocess.run(bench.run(project, "nightly", *arguments), check=True, capture_output=True, text=True)
    if "nothing to do" not in done.stdout + done.stderr:
        raise RuntimeError(f"there was something to do: {done.stdout}{done.stderr}")
