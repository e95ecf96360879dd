"""The parts of the benchmark, in the order in which they are measured."""

from parts import landing, nothing, validate

PARTS = {"landing": landing, "validate": validate, "nothing": nothing}
