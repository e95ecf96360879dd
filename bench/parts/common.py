"""What the parts share: folders, projects, measuring, and the figures that are kept."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import traceback
import venv
from pathlib import Path

from parts import data

HERE = Path(__file__).resolve().parent.parent
THREADS = 2
SIX = ["interaction_days", "cohort_retention", "churn", "referral_roi", "customer_matrix", "customer_value"]


class Disagree(Exception):
    """Two sides do not have the same answer."""


class Bench:
    def __init__(self, options, root: Path):
        self.options, self.root = options, root
        self.binary = options.binary.resolve()
        self.scale = 0.1 if options.quick else 1.0
        self.folder = root / "target" / "bench" / ("quick" if options.quick else "full")
        self.results, self.work = self.folder / "results", self.folder / "work"
        for folder in (self.results, self.work):
            folder.mkdir(parents=True, exist_ok=True)
        self.python = sys.executable
        # parts that this call has measured without an error
        self.done: set[str] = set()

    def part(self, name: str, part) -> bool:
        """Runs one part and keeps its figures; an error of one does not end the others."""
        say(f"{name}: {part.__doc__.strip().splitlines()[0]}")
        facts = {"load": os.getloadavg()[0], "date": time.strftime("%Y-%m-%d"), "machine": self.machine(), "binary": self.binary_facts()}
        started = time.perf_counter()
        try:
            facts |= part.measure(self)
        except Exception as error:
            if isinstance(error, (RuntimeError, Disagree)):
                print(f"{name} failed: {error}", file=sys.stderr)
            else:
                traceback.print_exc()
            facts["error"] = f"{type(error).__name__}: {error}"
        facts["took"] = time.perf_counter() - started
        old = self.read(name)
        if self.options.ours and old:
            # the peers' last figures, with when they were measured
            for side, figures in old.get("sides", {}).items():
                facts.setdefault("sides", {}).setdefault(side, figures)
        self.save(name, facts)
        if "error" not in facts:
            self.done.add(name)
        return name in self.done

    # data

    def data(self, times: int = 1) -> Path:
        """The folder of the raw files, made once."""
        folder = self.folder / ("data" if times == 1 else f"data-x{times}")
        stamp = folder / "made.txt"
        made = (HERE / "parts" / "data.py").read_text()
        if not stamp.exists() or stamp.read_text() != made:
            say(f"making the raw files ({self.scale * times:g} times 5 million interactions)")
            script = [self.python, HERE / "parts" / "data.py", folder, "--scale", str(self.scale * times), "--shards", str(times)]
            subprocess.run(script, check=True, stdout=subprocess.DEVNULL)
            stamp.write_text(made)
        return folder

    def manifest(self, times: int = 1) -> dict:
        return json.loads((self.data(times) / "manifest.json").read_text())

    def warm(self, *folders: Path):
        """Reads files once, so that everyone finds them in the cache."""
        for folder in folders:
            for file in sorted(folder.rglob("*")):
                if file.is_file():
                    with open(file, "rb") as opened:
                        while opened.read(1 << 20):
                            pass

    # projects

    def project(self, folder: Path, raw: Path, jobs: dict[str, str], memory_limit: str = "2GiB") -> Path:
        """A fresh project: the repository's SQL, the bench's feeds, the given jobs."""
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "config").mkdir(parents=True)
        (folder / "jobs").mkdir()
        shutil.copytree(self.root / "sql", folder / "sql")
        shutil.copytree(HERE / "project" / "sql", folder / "sql", dirs_exist_ok=True)
        config = (HERE / "project" / "config" / "local.yaml").read_text()
        config = re.sub(r"^raw: .*", f"raw: {raw}", config, flags=re.M)
        config = re.sub(r"^memory_limit: .*", f"memory_limit: {memory_limit}", config, flags=re.M)
        (folder / "config" / "local.yaml").write_text(config)
        for name, text in jobs.items():
            (folder / "jobs" / f"{name}.yaml").write_text(text)
        return folder

    def job(self, name: str) -> str:
        return (HERE / "project" / "jobs" / f"{name}.yaml").read_text()

    def sources_alone(self) -> str:
        """The nightly job with all its feeds and no models."""
        return re.sub(r"^models: .*", "models: []", self.job("nightly"), flags=re.M)

    def lifecycle(self, project: Path, *arguments: str) -> list:
        return [self.binary, "--project", project, *arguments]

    def run(self, project: Path, job: str, as_of: str, *arguments: str) -> list:
        return self.lifecycle(project, "run", job, "--as-of", as_of, *arguments)

    def six(self) -> list[str]:
        return [word for name in SIX for word in ("-s", name)]

    def query(self, project: Path, sql: str) -> list[dict]:
        command = self.lifecycle(project, "--quiet", "query", sql, "-o", "json")
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def export(self, project: Path, sql: str, file: Path):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        subprocess.run(self.lifecycle(project, "--quiet", "query", sql, "-o", "parquet", "--file", str(file)), check=True)

    # measuring

    def measured(self, command: list, repeat: int | None = None, before=None, expect: int = 0) -> dict:
        """Runs a command some times, each time after `before`; its best time, all times, its most memory, its output."""
        runs, output = [], ""
        for _ in range(repeat or self.options.repeat):
            if before:
                before()
            result = self.work / f"measure-{os.getpid()}.json"
            wrapped = [self.python, "-S", "-E", HERE / "measure.py", result, *command]
            done = subprocess.run([str(word) for word in wrapped], capture_output=True, text=True, cwd=self.work)
            facts = json.loads(result.read_text())
            result.unlink()
            if facts["exit"] != expect:
                raise RuntimeError(f"{' '.join(map(str, command))} ended with {facts['exit']}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
            runs.append(facts)
            output = done.stdout
        return summary(runs) | {"output": output.strip()}

    # facts

    def machine(self) -> dict:
        facts = Path("/proc/cpuinfo").read_text()
        model = re.search(r"model name\s*: (.*)", facts)
        memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) / 2**20
        return {"cores": os.cpu_count(), "model": model[1].strip() if model else "", "memory_gib": round(memory), "kernel": os.uname().release.split("-")[0]}

    def binary_facts(self) -> dict:
        version = subprocess.run([self.binary, "--version"], capture_output=True, text=True).stdout.strip()
        commit = subprocess.run(["git", "-C", self.root, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
        return {"version": version, "commit": commit, "is_release": "release" in self.binary.parts}

    def save(self, name: str, facts: dict):
        (self.results / f"{name}.json").write_text(json.dumps(facts, indent=1, default=str))

    def read(self, name: str) -> dict | None:
        file = self.results / f"{name}.json"
        return json.loads(file.read_text()) if file.exists() else None


def summary(runs: list[dict]) -> dict:
    best = min(runs, key=lambda run: run["seconds"])
    return {
        "seconds": best["seconds"],
        "cpu_seconds": best["cpu_seconds"],
        "peak_bytes": max(run["peak_bytes"] for run in runs),
        "all_seconds": [round(run["seconds"], 3) for run in runs],
    }


def environment(folder: Path, requirements: list[str]) -> Path:
    """Python of an environment of its own with these packages, made once."""
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    wanted = "\n".join(requirements)
    if not stamp.exists() or stamp.read_text() != wanted:
        say(f"installing {', '.join(requirements)}")
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], check=True)
        stamp.write_text(wanted)
    return python


def copy(source: Path, target: Path):
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


def agree(what: str, ours, theirs):
    if ours != theirs:
        raise Disagree(f"{what}: {ours} is not {theirs}")


def say(text: str):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


AS_OF = str(data.AS_OF)
