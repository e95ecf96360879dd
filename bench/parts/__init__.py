"""The parts of the benchmark, in the order in which they are measured."""

from parts import first, landing, marts, nothing, validate

PARTS = {"landing": landing, "marts": marts, "first": first, "nothing": nothing, "validate": validate}
