#!/usr/bin/env python3
"""Measures us and the peers, checks that the answers agree, and writes RESULTS.md. See README.md.

    python3 bench/run.py                        everything
    python3 bench/run.py --only landing,marts   these parts again; the report keeps what the others measured last
    python3 bench/run.py --only landing --ours  our side alone
    python3 bench/run.py models                 every table of the nightly job against the same SQL in DuckDB (MODELS.md)
"""

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


def main() -> int:
    sys.path[:0] = [str(HERE), str(HERE / "models")]
    if sys.argv[1:2] == ["models"]:
        import benchmark

        return benchmark.main(sys.argv[2:], ROOT)
    from parts import PARTS
    from parts.common import Bench
    import results

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], metavar="PART,…", help=f"of {', '.join(PARTS)}; `report` measures nothing")
    parser.add_argument("--ours", action="store_true", help="measure our side alone; the peers' last figures stay")
    parser.add_argument("--quick", action="store_true", help="a tenth of the data, to try the scripts; figures and report are kept apart")
    parser.add_argument("--repeat", type=int, default=3, help="how often the short ones are measured; the best counts")
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/lifecycle")
    parser.add_argument("--results", type=Path, help="the file to write; RESULTS.md")
    options = parser.parse_args()
    unknown = [name for name in options.only if name not in PARTS and name != "report"]
    if unknown:
        parser.error(f"no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if not options.binary.is_file():
        parser.error(f"{options.binary} does not exist: `cargo build --release` makes it, --binary names another")
    bench = Bench(options, ROOT)
    if not options.only:
        bench.data(4)  # before anything is measured
    failed = [name for name, part in PARTS.items() if name in (options.only or PARTS) and not bench.part(name, part)]
    return results.write(bench) or (1 if failed else 0)


if __name__ == "__main__":
    if Path(sys.prefix).resolve() != VENV.resolve():
        install()
    sys.exit(main())
