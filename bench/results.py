"""Makes RESULTS.md from the figures that the parts have kept."""


def write(bench) -> int:
    return 0
