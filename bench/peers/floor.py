"""Decompresses all objects of both feeds to nothing, one or two processes: what any reader of these files has to spend at least."""

import json
import multiprocessing
import sys
import zlib
from pathlib import Path

from isal import isal_zlib
from zlib_ng import zlib_ng

CHUNK = 1 << 20


def decompress(job: tuple[str, Path]) -> int:
    how, path = job
    module = {"isal": isal_zlib, "zlib-ng": zlib_ng, "zlib": zlib}[how]
    unpacker, size = module.decompressobj(31), 0
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            size += len(unpacker.decompress(chunk))
    return size


if __name__ == "__main__":
    how, raw, processes = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    files = sorted((raw / "interactions").rglob("*.gz")) + sorted((raw / "orders").rglob("*.gz"))
    # the largest first, so that both have the same to do
    files.sort(key=lambda file: -file.stat().st_size)
    jobs = [(how, file) for file in files]
    if processes == 1:
        sizes = [decompress(job) for job in jobs]
    else:
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            sizes = list(pool.imap_unordered(decompress, jobs))
    print(json.dumps({"bytes": sum(sizes)}))
