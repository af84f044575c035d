"""All suites, in the order in which they run."""

from . import differential, golang, javascript, programs, python, rust

SUITES = [
    *differential.SUITES,
    *programs.SUITES,
    *javascript.SUITES,
    *golang.SUITES,
    *rust.SUITES,
    *python.SUITES,
]
