"""How a suite looks to the driver."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .broker import Broker
from .fetch import WORK
from .report import Expected, Results


@dataclass(frozen=True)
class Context:
    """What a run of a suite is given."""

    broker: Broker
    expected: Expected
    #: The files that it was read from.
    lists: tuple[Path, ...]
    #: A directory of its own; output that is worth reading goes there.
    work: Path
    #: False if excluded tests are to be run as well, as for a baseline.
    leave_out: bool

    def is_left_out(self, test: str) -> bool:
        return self.leave_out and self.expected.matches(test) is not None

    def run(self, command: list, *, cwd: Path | None = None, timeout: float = 600, log: str = "output.txt", **more) -> int:
        """Runs a program of a suite, its output going to a file. Returns its exit code; 124 if it took too long."""
        environment = {name: value for name, value in os.environ.items() if name not in STRIPPED} | more
        with open(self.work / log, "wb") as output:
            child = subprocess.Popen(
                [str(word) for word in command],
                cwd=cwd or self.work,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                return child.wait(timeout)
            except subprocess.TimeoutExpired:
                return 124
            finally:
                # Whatever it left behind has its process group.
                try:
                    os.killpg(child.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                child.wait()

    def read(self, name: str) -> str:
        return (self.work / name).read_text(errors="replace")


#: The variables of our own build are none of the suites' business.
STRIPPED = {"CARGO_MANIFEST_DIR", "RUSTFLAGS", "CARGO_TARGET_DIR", "PYTHONPATH"}


@dataclass(frozen=True)
class Suite:
    name: str
    version: str
    #: Runs it. Fetching and building is part of it, and quick when it was done before.
    run: Callable[[Context], Results]
    #: Programs that have to be on the search path.
    tools: tuple[str, ...] = ()
    #: Files that a system package brings; the package.
    files: tuple[tuple[str, str], ...] = ()
    #: Whether it takes its time without using the machine: it runs beside others like it.
    mostly_waits: bool = False
    #: Writes down what the oracle does, for suites that compare with it.
    record: Callable[[Context], None] | None = None
    #: Whether it needs the management API, TLS.
    needs_http: bool = False
    needs_tls: bool = False

    def missing(self, broker: Broker) -> str | None:
        """Why it cannot run here."""
        for tool in self.tools:
            if not shutil.which(tool):
                return f"{tool} is not installed"
        for file, package in self.files:
            if not Path(file).exists():
                return f"apt-get install {package}"
        if self.needs_http and not broker.http:
            return "the broker was given without its management API"
        if self.needs_tls and not broker.tls_port:
            return "the broker was given without TLS"
        return None


def work_of(suite: Suite) -> Path:
    directory = WORK / "run" / suite.name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory
