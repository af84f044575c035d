"""What a suite did, against what is expected of it."""

import json
import re
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .fetch import HERE

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass
class Results:
    """What each test of a suite did, by its id."""

    outcomes: dict[str, str] = field(default_factory=dict)
    #: Why tests failed, by their id.
    why: dict[str, str] = field(default_factory=dict)
    #: Tests that exist and were not run because they are excluded.
    left_out: set[str] = field(default_factory=set)

    def add(self, test: str, outcome: str, why: str = "") -> None:
        # A test that appears twice passed only if it did so both times.
        if self.outcomes.get(test) != FAILED:
            self.outcomes[test] = outcome
        if why:
            self.why[test] = why


class Expected:
    """A list of tests that are not expected to pass: `TEST ID  # reason`, `*` for any text. Comments begin with `#`."""

    def __init__(self, *paths: Path):
        self.reasons: dict[str, str] = {}
        for path in paths:
            self._read(path)
        self._patterns = {
            entry: re.compile(".*".join(re.escape(part) for part in entry.split("*")), re.DOTALL) for entry in self.reasons
        }

    def _read(self, path: Path) -> None:
        for number, line in enumerate(path.read_text().splitlines() if path.is_file() else [], 1):
            if not line or line.startswith("#"):
                continue
            test, _, reason = line.partition("  # ")
            if not reason.strip():
                raise RuntimeError(f"{path.relative_to(HERE)}:{number}: an excluded test needs a reason")
            self.reasons[test.strip()] = reason.strip()

    def matches(self, test: str) -> str | None:
        """The line that a test is under."""
        if test in self.reasons:
            return test
        return next((entry for entry, pattern in self._patterns.items() if pattern.fullmatch(test)), None)


@dataclass
class Row:
    suite: str
    version: str
    run: int = 0
    passed: int = 0
    failed: int = 0
    excluded: int = 0
    seconds: float = 0.0
    #: Set if the suite did not run: the tool that is missing.
    skipped: str | None = None
    #: Tests that failed and should not have.
    failures: list[str] = field(default_factory=list)
    #: Lines of the list that no test has.
    stale: list[str] = field(default_factory=list)
    #: Tests that are on the list and passed all the same.
    better: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not (self.failures or self.stale)

    def line(self) -> str:
        return json.dumps(asdict(self))


def judge(suite: str, version: str, results: Results, expected: Expected, seconds: float) -> Row:
    row = Row(suite, version, seconds=round(seconds, 1))
    used = set()
    for test in sorted(results.left_out):
        used.add(expected.matches(test))
        row.excluded += 1
    for test, outcome in sorted(results.outcomes.items()):
        entry = expected.matches(test)
        used.add(entry)
        if entry:
            row.excluded += 1
            if outcome == PASSED:
                row.better.append(test)
            continue
        if outcome == SKIPPED:
            # What the suite itself leaves out on this broker was not run.
            continue
        row.run += 1
        if outcome == PASSED:
            row.passed += 1
        else:
            row.failed += 1
            row.failures.append(test)
    row.stale = sorted(set(expected.reasons) - used)
    if not results.outcomes:
        row.failed += 1
        row.failures.append("(no test ran)")
    return row


def record(path: Path, product: str, results: Results, excluded: Expected) -> None:
    """Writes down what failed and is not excluded anyway, for the list of a baseline."""
    lines = [f"# What fails on {product}, as recorded: the oracle is not perfect either."]
    for test, outcome in sorted(results.outcomes.items()):
        if outcome == FAILED and not excluded.matches(test):
            why = (results.why.get(test) or "failed").strip().splitlines() or ["failed"]
            lines.append(f"{test}  # {why[-1].strip()[:200] or 'failed'}")
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def table(rows: list[Row]) -> str:
    lines = [f"{'suite':<22} {'version':<10} {'run':>5} {'passed':>7} {'failed':>7} {'excluded':>9} {'time':>8}"]
    for row in rows:
        if row.skipped:
            lines.append(f"{row.suite:<22} {row.version:<10} skipped: {row.skipped}")
            continue
        lines.append(
            f"{row.suite:<22} {row.version:<10} {row.run:>5} {row.passed:>7} {row.failed:>7} {row.excluded:>9} {row.seconds:>6.1f} s"
        )
    total = sum(row.seconds for row in rows)
    sums = [sum(getattr(row, name) for row in rows) for name in ("run", "passed", "failed", "excluded")]
    lines.append(f"{'all':<22} {'':<10} {sums[0]:>5} {sums[1]:>7} {sums[2]:>7} {sums[3]:>9} {total:>6.1f} s")
    return "\n".join(lines)


class Clock:
    def __init__(self):
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun
