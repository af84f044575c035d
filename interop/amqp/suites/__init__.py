"""All suites, in the order in which they run."""

from . import golang, javascript, python, rust

SUITES = [*javascript.SUITES, *golang.SUITES, *python.SUITES, *rust.SUITES]
