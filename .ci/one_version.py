"""Refuses a lock file that holds a crate in two versions where the whole program must agree on one.

deny.toml says the same to people who have cargo-deny.
"""

import sys
import tomllib
from collections import defaultdict

LOCKSTEP = ["arrow", "parquet", "datafusion", "object_store", "deltalake-core"]

with open(sys.argv[1], "rb") as file:
    versions = defaultdict(list)
    for package in tomllib.load(file)["package"]:
        versions[package["name"]].append(package["version"])
wrong = [name for name in LOCKSTEP if len(versions[name]) != 1]
for name in LOCKSTEP:
    print(f"{name} {', '.join(versions[name]) or 'is missing'}")
sys.exit(f"expected one version each of {', '.join(wrong)}" if wrong else 0)
