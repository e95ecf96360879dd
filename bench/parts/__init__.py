"""The parts of the benchmark, in the order in which they are measured."""

from parts import backfill, first, fits, four, landing, marts, night, nights, nothing, validate

PARTS = {
    "landing": landing,
    "marts": marts,
    "first": first,
    "night": night,
    "nothing": nothing,
    "validate": validate,
    "fits": fits,
    "backfill": backfill,
    "four": four,
    "nights": nights,
}
