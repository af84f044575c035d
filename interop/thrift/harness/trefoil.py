"""The platform under test: started with a contract and nothing else, told about instances through its interface."""

import json
import shutil
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from .certificates import Certificates
from .languages import IDL, UNIX, WORK
from .process import Running

#: The service that `idl/conformance.thrift` says it is.
SERVICE = "interop/conformance:1.0.0"
#: How long an instance may take to be found good.
READY_SECONDS = 30


def service_directory(parent: Path) -> None:
    """Publishes the contract: a directory with it, in a directory of services. It has what Debian's compiler does not know."""
    directory = parent / "conformance"
    directory.mkdir(parents=True, exist_ok=True)
    contract = (IDL / "conformance.thrift").read_text()
    (directory / "contract.thrift").write_text(contract.replace("//+ ", ""))


class Trefoil:
    def __init__(self, program: Path, services: Path, name: str, certificates: Certificates):
        self.certificates = certificates
        self._data = WORK / "run" / f"{name}-data"
        shutil.rmtree(self._data, ignore_errors=True)
        self._data.mkdir(parents=True)
        command = [str(program), "up", "--json", "--data", str(self._data), "--services", str(services)]
        for listener in ("http", "thrift", "amqp", "management"):
            command += [f"--{listener}-listen", "127.0.0.1:0"]
        command += ["--thrift-tls-certificate", str(certificates.certificate), "--thrift-tls-key", str(certificates.key)]
        command += ["--thrift-tls-directory", str(certificates.directory)]
        # Paths of sockets may not be long.
        self._sockets = tempfile.TemporaryDirectory(prefix="trefoil-")
        self._unix = f"{self._sockets.name}/thrift"
        command += ["--thrift-unix-listen", self._unix]
        command += ["--drain-timeout", "5s"]
        self._running = Running(command, WORK / "run" / f"{name}.log")
        try:
            said = json.loads(self._running.said)
            self.thrift = said["thrift"]
            self._http = said["http"]
            self.version = said["version"]
        except BaseException:
            self._running.end()
            raise

    def address(self, transport: str) -> str:
        """Where a client finds it."""
        return self._unix if transport == UNIX else self.thrift

    def register(
        self, address: str, is_within_tls: bool, transport: str | None, protocol: str | None, multiplex: str
    ) -> None:
        """Registers the one instance, and waits until it is called healthy. Within TLS it asks for a certificate."""
        tls = {"ca": "ca.pem", "certificate": "client.pem", "key": "client.key"} if is_within_tls else None
        thrift = {"transport": transport, "protocol": protocol, "multiplex": multiplex or None, "tls": tls}
        thrift = {name: value for name, value in thrift.items() if value is not None}
        self._ask("PUT", self._instance(), {"address": address, "thrift": thrift})
        end = time.monotonic() + READY_SECONDS
        while (view := self._ask("GET", self._instance()))["state"] != "healthy":
            if time.monotonic() > end:
                raise RuntimeError(f"the instance is {view['state']}: {view['reason']}")
            time.sleep(0.02)

    def deregister(self) -> None:
        self._ask("DELETE", self._instance())

    def end(self) -> None:
        """Asks it to end, as an operator would, and expects that it does so well."""
        alive = self._running.is_alive()
        code = self._running.end(politely=True)
        shutil.rmtree(self._data, ignore_errors=True)
        self._sockets.cleanup()
        if not alive or code:
            what = "ended with" if alive else "ended before it was asked to, with"
            raise RuntimeError(f"trefoil {what} {code}; its log is {self._running.log}")

    @staticmethod
    def _instance() -> str:
        return f"services/{SERVICE}/instances/peer"

    def _ask(self, method: str, path: str, body: object = None) -> dict:
        request = urllib.request.Request(
            f"{self._http}/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')[:400]}") from error
        return json.loads(text) if text else {}
