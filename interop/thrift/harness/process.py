"""Programs that are started, and ended, here."""

import json
import os
import selectors
import signal
import subprocess
import time
from pathlib import Path

from .languages import Language, environment

#: How long a program may take to say where it listens, a client for all of its checks, and anything to end when asked to.
START_SECONDS = 30
CLIENT_SECONDS = 90
END_SECONDS = 10


class Running:
    """A program that serves: what it says first is kept. Ended with everything it started."""

    def __init__(self, command: list[str], log: Path, cwd: Path | None = None, **more: str):
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        with open(log, "wb") as errors:
            self._child = subprocess.Popen(
                command,
                cwd=cwd,
                env=environment(**more),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        try:
            self.said = self._first_line()
        except BaseException:
            self.end()
            raise

    def _first_line(self) -> str:
        line, end = b"", time.monotonic() + START_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(0, end - time.monotonic())):
                    raise RuntimeError(f"{self._child.args[0]} says nothing; its log is {self.log}")
                more = os.read(self._child.stdout.fileno(), 65536)
                if not more:
                    raise RuntimeError(f"{self._child.args[0]} ended at once; its log is {self.log}")
                line += more
        return line.decode()

    def is_alive(self) -> bool:
        return self._child.poll() is None

    def end(self, politely: bool = False) -> int:
        """Its exit code. Asked politely, it may take its time; anything else is ended as it is."""
        try:
            if politely and self._child.poll() is None:
                self._child.terminate()
                try:
                    self._child.wait(END_SECONDS)
                except subprocess.TimeoutExpired:
                    pass
            try:
                # The group is its own, so there is nothing in it that was not started here.
                os.killpg(self._child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        finally:
            self._child.wait()
            self._child.stdout.close()
        return self._child.returncode


def options(transport: str, protocol: str, multiplex: str) -> list[str]:
    words = ["--transport", transport, "--protocol", protocol]
    return words + ["--multiplex", multiplex] if multiplex else words


def server(
    language: Language, transport: str, protocol: str, multiplex: str, log: Path, ca: Path | None = None
) -> Running:
    """A stock server on a port of its own, which it says."""
    command = language.run("server", "0", *options(transport, protocol, multiplex))
    command += ["--ca", str(ca)] if ca else []
    return Running(command, log, language.directory, **programs(language))


def client(
    language: Language,
    address: str,
    transport: str,
    protocol: str,
    multiplex: str,
    log: Path,
    ca: Path | None = None,
    without: list[str] | None = None,
) -> dict:
    """What a client says of its checks: `{"checks": N, "failed": {name: why}}`. Those `without` fail without being tried."""
    log.parent.mkdir(parents=True, exist_ok=True)
    command = language.run("client", address, *options(transport, protocol, multiplex))
    command += ["--ca", str(ca)] if ca else []
    command += ["--without", ",".join(without)] if without else []
    with open(log, "wb") as errors:
        child = subprocess.Popen(
            command,
            cwd=language.directory,
            env=environment(**programs(language)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        try:
            output, _ = child.communicate(timeout=CLIENT_SECONDS)
        except subprocess.TimeoutExpired:
            return {"checks": 0, "failed": {"(all)": f"not done within {CLIENT_SECONDS} s"}}
        finally:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()
    try:
        return json.loads(output.decode(errors="replace").strip().splitlines()[-1])
    except (IndexError, ValueError):
        errors = log.read_text(errors="replace").strip().splitlines()
        why = errors[-1] if errors else "it said nothing"
        return {"checks": 0, "failed": {"(all)": f"ended with {child.returncode}: {why}"[:400]}}


def programs(language: Language) -> dict[str, str]:
    return {"PYTHONPATH": str(language.directory / "gen")} if language.name == "python" else {}
