"""Certificates for TLS: an authority, and what the platform shows."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from .languages import WORK

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
#: Whoever reads the directory may read it: it only has what everybody may know.
PASSWORD = "interop"


@dataclass(frozen=True)
class Certificates:
    ca: Path
    certificate: Path
    key: Path


def make() -> Certificates:
    """New ones, for a few days."""
    directory = WORK / "run"
    directory.mkdir(parents=True, exist_ok=True)
    ca, ca_key, key, certificate = (directory / name for name in ("ca.pem", "ca.key", "server.key", "server.pem"))
    request, extensions, store = (directory / name for name in ("server.csr", "server.ext", "ca.p12"))
    authority = ["-days", "3", "-subj", "/CN=interop authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    run("openssl", "req", "-x509", *KEY, "-keyout", ca_key, "-out", ca, *authority)
    run("openssl", "req", *KEY, "-keyout", key, "-out", request, "-subj", "/CN=localhost")
    extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
    signed = ["-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "3", "-extfile", extensions]
    run("openssl", "x509", "-req", "-in", request, *signed, "-out", certificate)
    store.unlink(missing_ok=True)
    into = ["-keystore", store, "-storetype", "PKCS12", "-storepass", PASSWORD]
    run("keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", ca, *into)
    return Certificates(ca, certificate, key)


def run(*command) -> None:
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr or done.stdout}")
