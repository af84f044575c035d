"""Certificates for TLS: an authority, what servers show, the platform among them, and what the platform shows to servers."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from .languages import WORK

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
#: Whoever reads the directory may read it: it only has what everybody may know.
PASSWORD = "interop"


@dataclass(frozen=True)
class Certificates:
    """Where they are: `ca.pem`, and `NAME.pem` and `NAME.key` of a server and of a client."""

    directory: Path

    @property
    def ca(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def certificate(self) -> Path:
        return self.directory / "server.pem"

    @property
    def key(self) -> Path:
        return self.directory / "server.key"


def make() -> Certificates:
    """New ones, for a few days."""
    directory = WORK / "run"
    directory.mkdir(parents=True, exist_ok=True)
    ca, ca_key, store = (directory / name for name in ("ca.pem", "ca.key", "ca.p12"))
    authority = ["-days", "3", "-subj", "/CN=interop authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    run("openssl", "req", "-x509", *KEY, "-keyout", ca_key, "-out", ca, *authority)
    for name, usage in (("server", "serverAuth"), ("client", "clientAuth")):
        key, certificate, request, extensions = (directory / f"{name}.{kind}" for kind in ("key", "pem", "csr", "ext"))
        run("openssl", "req", *KEY, "-keyout", key, "-out", request, "-subj", "/CN=localhost")
        extensions.write_text(f"subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage={usage}\n")
        signed = ["-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "3", "-extfile", extensions]
        run("openssl", "x509", "-req", "-in", request, *signed, "-out", certificate)
    # Java has stores of its own.
    kept = ["-inkey", directory / "server.key", "-in", directory / "server.pem", "-passout", f"pass:{PASSWORD}"]
    run("openssl", "pkcs12", "-export", *kept, "-out", directory / "server.p12")
    store.unlink(missing_ok=True)
    into = ["-keystore", store, "-storetype", "PKCS12", "-storepass", PASSWORD]
    run("keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", ca, *into)
    return Certificates(directory)


def run(*command) -> None:
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr or done.stdout}")
