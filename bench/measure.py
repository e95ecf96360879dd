"""Runs one command and writes down what it took: seconds, processor seconds, most resident memory.

The kernel's figures of that child alone (wait4). This is a process of its own and imports next to nothing, because a child's
peak memory is never less than that of the process that forked it.
"""

import json
import os
import sys
import time


def main():
    result, *command = sys.argv[1:]
    started = time.perf_counter()
    child = os.fork()
    if child == 0:
        try:
            os.execvp(command[0], command)
        except OSError as error:
            print(f"{command[0]}: {error}", file=sys.stderr)
            os._exit(127)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - started
    facts = {
        "exit": os.waitstatus_to_exitcode(status),
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * 1024,
    }
    with open(result, "w") as file:
        json.dump(facts, file)


if __name__ == "__main__":
    main()
