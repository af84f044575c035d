"""What a run did, as tables and as one JSON line."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from .expected import Line
from .matrix import PARTS, Cell

PASSED, FAILED, EXCLUDED = "passed", "failed", "excluded"


@dataclass
class Result:
    cell: Cell
    outcome: str
    checks: int = 0
    #: Checks that failed and should not have: why.
    failures: dict[str, str] = field(default_factory=dict)
    #: Checks that a library cannot pass: the line that says so.
    excluded: dict[str, Line] = field(default_factory=dict)
    #: Why the whole cell was not run.
    reason: str = ""
    seconds: float = 0.0

    @property
    def mark(self) -> str:
        """As short as a cell of a table is."""
        match self.outcome:
            case "passed" if self.excluded:
                return f"{self.checks - len(self.excluded)}-{len(self.excluded)}"
            case "passed":
                return str(self.checks)
            case "failed":
                return f"FAIL {len(self.failures)}"
        return "excl"


def tables(results: list[Result]) -> str:
    """A table a part: languages and dialects of the side that is varied, or a language of either side."""
    text = []
    for part in dict.fromkeys(result.cell.part for result in results):
        here = [result for result in results if result.cell.part == part]
        text.append(f"\n{part}: {PARTS.get(part, 'without Trefoil between them')}")
        text += by_pair(here) if part in ("pairs", "uuids", "direct") else by_dialect(here)
    return "\n".join(text)


def by_dialect(results: list[Result]) -> list[str]:
    sides = {id(result): result.cell.client if result.cell.part == "clients" else result.cell.server for result in results}
    languages = list(dict.fromkeys(side.language.name for side in sides.values()))
    rows: dict[str, dict[str, str]] = defaultdict(dict)
    for result in results:
        side = sides[id(result)]
        row = side.dialect + (f" as {side.multiplex}" if side.multiplex else "")
        rows[row][side.language.name] = result.mark
    width = max(map(len, rows))
    lines = [" " * width + "".join(f"{language:>9}" for language in languages)]
    for row, marks in rows.items():
        lines.append(f"{row:<{width}}" + "".join(f"{marks.get(language, '·'):>9}" for language in languages))
    return lines


def by_pair(results: list[Result]) -> list[str]:
    width = max(len(str(result.cell)) for result in results)
    return [f"{str(result.cell):<{width}}  {result.mark:>7}" for result in results]


def summary(results: list[Result], version: str, seconds: float, stale: list[Line], skipped: dict[str, str]) -> str:
    cells = Counter(result.outcome for result in results)
    reasons = Counter()
    for result in results:
        reasons.update(line.reason for line in result.excluded.values())
        if result.outcome == EXCLUDED:
            reasons[result.reason] += 1
    ran = [result for result in results if result.outcome in (PASSED, FAILED)]
    checks = sum(result.checks for result in ran)
    failures = sum(len(result.failures) for result in ran)
    excluded = sum(len(result.excluded) for result in ran)
    return json.dumps(
        {
            "suite": "thrift",
            "version": version,
            "run": len(ran),
            "passed": cells[PASSED],
            "failed": cells[FAILED] + len(stale),
            "excluded": cells[EXCLUDED],
            "checks": {"run": checks, "passed": checks - failures - excluded, "failed": failures, "excluded": excluded},
            "reasons": dict(reasons.most_common()),
            "stale": [str(line) for line in stale],
            "skipped": skipped,
            "seconds": round(seconds, 1),
        }
    )
