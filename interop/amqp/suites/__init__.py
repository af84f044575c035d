"""All suites, in the order in which they run."""

from . import differential, golang, javascript, python, rust

SUITES = [*differential.SUITES, *javascript.SUITES, *golang.SUITES, *python.SUITES, *rust.SUITES]
