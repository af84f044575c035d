"""What is not expected to pass, because a library cannot do it: `excluded.txt`."""

from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from .matrix import Cell, Side


@dataclass(frozen=True)
class Line:
    number: int
    role: str
    language: str
    dialect: str
    check: str
    reason: str

    def is_of(self, cell: Cell) -> bool:
        # What only fails with nothing in between.
        if self.is_direct and cell.part != "direct":
            return False
        side: Side = cell.client if self.role.endswith("client") else cell.server
        return fnmatchcase(side.language.name, self.language) and fnmatchcase(side.dialect, self.dialect)

    @property
    def is_direct(self) -> bool:
        return self.role.startswith("direct-")

    @property
    def pattern(self) -> str:
        return self.check.removeprefix(UNTRIED)

    @property
    def is_untried(self) -> bool:
        """The check would keep others from passing."""
        return self.check.startswith(UNTRIED)

    @property
    def is_whole(self) -> bool:
        """No check of the cell is worth trying."""
        return self.check == "*"

    def __str__(self) -> str:
        return f"{self.role} {self.language} {self.dialect} {self.check}"


#: Before a check that is not tried.
UNTRIED = "!"
ROLES = ("client", "server", "direct-client", "direct-server")


class Excluded:
    """Lines of `ROLE LANGUAGE TRANSPORT/PROTOCOL CHECK  # reason`, `*` for any text, `!CHECK` for one that is not tried."""

    def __init__(self, path: Path):
        self.lines: list[Line] = []
        self.used: Counter[Line] = Counter()
        for number, text in enumerate(path.read_text().splitlines(), 1):
            if not text or text.startswith("#"):
                continue
            words, _, reason = text.partition("  # ")
            parts = words.split()
            if len(parts) != 4 or parts[0] not in ROLES or not reason.strip():
                raise RuntimeError(f"{path.name}:{number}: not `ROLE LANGUAGE TRANSPORT/PROTOCOL CHECK  # reason`")
            self.lines.append(Line(number, *parts, reason.strip()))

    def whole(self, cell: Cell) -> Line | None:
        """Why the cell is not run at all."""
        return self._first(line for line in self.lines if line.is_whole and line.is_of(cell))

    def check(self, cell: Cell, check: str) -> Line | None:
        """Why a check of the cell may fail."""
        lines = (line for line in self.lines if not line.is_whole and fnmatchcase(check, line.pattern))
        return self._first(line for line in lines if line.is_of(cell))

    def untried(self, cell: Cell) -> list[str]:
        """Patterns of checks that are not tried."""
        return [line.pattern for line in self.lines if line.is_untried and line.is_of(cell)]

    def _first(self, lines) -> Line | None:
        line = next(lines, None)
        if line:
            self.used[line] += 1
        return line

    def stale(self) -> list[Line]:
        """Lines that nothing answered to."""
        return [line for line in self.lines if line not in self.used and not line.is_direct]
