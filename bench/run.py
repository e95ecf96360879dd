#!/usr/bin/env python3
"""Benchmarks all tables of the nightly job against the same SQL in DuckDB, and writes RESULTS.md. See README.md."""

import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
VENV = ROOT / "target" / "bench-venv"


def install():
    """Makes the environment of the benchmark, and goes on in it."""
    python = VENV / "bin" / "python"
    if not python.exists():
        venv.create(VENV, with_pip=True)
    wanted = (HERE / "requirements.txt").read_text()
    stamp = VENV / "installed.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", HERE / "requirements.txt"], check=True)
        stamp.write_text(wanted)
    os.execv(python, [str(python), str(HERE / "run.py"), *sys.argv[1:]])


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=425_000, help="customers of the made-up business; about 47 %% of them are buyers")
    parser.add_argument("--days", type=int, default=730, help="days of business")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/lifecycle")
    parser.add_argument("--results", type=Path, default=HERE / "RESULTS.md", help="the file to write")
    parser.add_argument("--only", choices=["ours", "duck", "report"], help="do one part again, with what the others left")
    return parser.parse_args()


if __name__ == "__main__":
    if Path(sys.prefix).resolve() != VENV.resolve():
        install()
    from benchmark import Benchmark

    sys.exit(Benchmark(options(), ROOT).run())
