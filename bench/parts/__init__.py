"""The parts of the benchmark, in the order in which they are measured."""

from parts import landing, marts, nothing, validate

PARTS = {"landing": landing, "marts": marts, "validate": validate, "nothing": nothing}
