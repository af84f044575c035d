"""Suites as they are published: fetched with the registry's own client, checked, unpacked below target/interop.

A file that is there with the right checksum is not fetched again.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
#: Everything that is made here; can be thrown away.
WORK = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve() / "interop"


@dataclass(frozen=True)
class Package:
    registry: str
    name: str
    version: str
    sha256: str

    @property
    def directory(self) -> Path:
        top = WORK / "src" / f"{self.name}-{self.version}"
        # A crate is put into a workspace of its own, or cargo would take it for a part of ours.
        return top / "package" if self.registry == "crates" else top


AMQPLIB = Package("npm", "amqplib", "0.10.9", "f3102ba19abf66322e179f236756ecd8c7c835c2f7d56ab3236c7fc7572b7357")
PY_AMQP = Package("pypi", "amqp", "5.4.2", "9362660c4a31150cf18e78cae2ce8aa1e929fc6c6739e69f6dd5dbea9c3edc82")
KOMBU = Package("pypi", "kombu", "5.7.0", "31e62fdfd2381caa3422f8e02b84a491d9a2180ddda74507b57f4cb1e1c2c2c9")
AIORMQ = Package("pypi", "aiormq", "7.2.4", "5fd20bb9583d73de85572198496b65cf028f27527c1733c9840d458e0b40e8fa")
AIO_PIKA = Package("pypi", "aio-pika", "10.2.1", "e4f77afd9179a3cca5a904c3b0a1190256a36d9f90650db908b1b2245eb27487")
LAPIN = Package("crates", "lapin", "4.12.3", "3212643cc0031d982f81a62360998106268587237d81d6e8501a0a323e13b656")
AMQPRS = Package("crates", "amqprs", "2.1.5", "b768f791c4e8b038dc883cb0f1b533a498a9e59a7ddb352ed2ea9cb0a728dbf4")
HTTP_CLIENT = Package(
    "crates", "rabbitmq_http_client", "0.93.0", "d4fab622e711cbde87f6651294f8ba61c3c67c337b495981e2eafda489147c7d"
)


def unpack(package: Package) -> Path:
    """The unpacked package, fetched if need be."""
    done = package.directory / ".unpacked"
    if done.is_file() and done.read_text() == package.sha256:
        return package.directory
    archive = _fetch(package)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != package.sha256:
        raise RuntimeError(f"{archive.name} has sha256 {found}, not {package.sha256}")
    shutil.rmtree(package.directory, ignore_errors=True)
    temporary = package.directory.with_suffix(".new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    with tarfile.open(archive) as files:
        files.extractall(temporary, filter="data")
    (top,) = temporary.iterdir()
    top.rename(package.directory)
    temporary.rmdir()
    if package.registry == "crates":
        around = package.directory.parent
        (around / "Cargo.toml").write_text('[workspace]\nmembers = ["package"]\nresolver = "2"\n')
        shutil.copy(package.directory / "Cargo.lock", around / "Cargo.lock")
    done.write_text(package.sha256)
    return package.directory


def _fetch(package: Package) -> Path:
    directory = WORK / "download" / f"{package.name}-{package.version}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    print(f"fetching {package.name} {package.version}", flush=True)
    match package.registry:
        case "npm":
            run(["npm", "pack", "--silent", f"{package.name}@{package.version}"], cwd=directory)
            return next(directory.glob("*.tgz"))
        case "pypi":
            # pip looks at the metadata of what it downloads, with the build tools of the package.
            run(
                [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
                + ["--no-binary", package.name, f"{package.name}=={package.version}"],
                cwd=directory,
            )
            return next(directory.glob("*.tar.gz"))
        case "crates":
            # cargo keeps what it fetched, as it was published, in its cache.
            (directory / "src").mkdir()
            (directory / "src/lib.rs").touch()
            (directory / "Cargo.toml").write_text(
                '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n'
                f'[dependencies]\n{package.name} = "={package.version}"\n'
            )
            run(["cargo", "fetch", "--quiet"], cwd=directory)
            home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
            return next(home.glob(f"registry/cache/*/{package.name}-{package.version}.crate"))
        case other:
            raise RuntimeError(f"no such registry: {other}")


def venv() -> Path:
    """The directory of programs of the one virtual environment of all Python suites, made again when its pins change."""
    directory = WORK / "venv"
    pins = HERE / "requirements.txt"
    stamp = directory / ".requirements"
    if not stamp.is_file() or stamp.read_bytes() != pins.read_bytes():
        run([sys.executable, "-m", "venv", "--clear", str(directory)])
        run([str(directory / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", "-r", str(pins)])
        shutil.copy(pins, stamp)
    return directory / "bin"


def certificates() -> dict[str, Path]:
    """The certificates that aiormq's tests bring along for both sides."""
    directory = unpack(AIORMQ) / "tests/certs"
    return {
        name: directory / file
        for name, file in {
            "ca": "ca.pem",
            "server": "server.pem",
            "server_key": "server.key",
            "client": "client.pem",
            "client_key": "client.key",
        }.items()
    }


def run(command: list[str], **options) -> None:
    subprocess.run([str(word) for word in command], check=True, **options)
