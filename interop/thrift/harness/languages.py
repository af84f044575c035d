"""The six languages: what their libraries have, and how their programs are built below target/ and called."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
#: Everything that is made here; can be thrown away.
WORK = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve() / "interop/thrift"
IDL = HERE / "idl"
PROGRAMS = HERE / "programs"

#: The variables of our own build are none of the programs' business.
STRIPPED = {"CARGO_MANIFEST_DIR", "RUSTFLAGS", "CARGO_TARGET_DIR", "PYTHONPATH"}
JARS = ("thrift", "httpclient", "httpcore", "slf4j-api", "slf4j-nop", "commons-lang3", "commons-logging", "commons-codec")
CLASS_PATH = [Path(f"/usr/share/java/{jar}.jar") for jar in JARS]
GO_LIBRARY = Path("/usr/share/gocode")

Dialect = tuple[str, str]

ALL = ("binary", "binary-old", "compact", "json")
IN_HEADER = ("binary", "compact")


#: Below `framed`: TLS, and sockets that are files.
TLS, UNIX = "tls", "unix"
#: What is within TLS, and what is within it.
WITHIN_TLS = {TLS: "framed", "https": "http", "wss": "websocket"}


def dialects(*transports: str, protocols: tuple[str, ...] = ALL) -> list[Dialect]:
    """Every protocol over every transport; only two of them over the header transport."""
    return [
        (transport, protocol)
        for transport in transports
        for protocol in (IN_HEADER if transport == "header" else protocols)
    ]


# One of each: they are told apart as objects.
@dataclass(frozen=True, eq=False)
class Language:
    name: str
    version: str
    #: What `thrift --gen` is told.
    generator: str
    clients: list[Dialect]
    servers: list[Dialect]
    #: Makes the programs out of the directory of the build, where generated code is in `gen`.
    make: Callable[[Path], None]
    #: What runs a program in that directory.
    command: Callable[[Path, str], list[str]]
    #: Programs that have to be on the search path.
    tools: tuple[str, ...] = ()
    #: Files that a system package brings; the package.
    files: tuple[tuple[Path, str], ...] = ()

    @property
    def directory(self) -> Path:
        return WORK / self.name

    def missing(self) -> str | None:
        """Why it cannot run here."""
        for tool in ("thrift", "openssl", "keytool", *self.tools):
            if not shutil.which(tool):
                return "apt-get install thrift-compiler" if tool == "thrift" else f"{tool} is not installed"
        for file, package in self.files:
            if not file.exists():
                return f"apt-get install {package}"
        return None

    def build(self) -> None:
        """Quick when nothing changed."""
        stamp = self.directory / ".built"
        sources = self._digest()
        if stamp.is_file() and stamp.read_text() == sources:
            return
        print(f"building the programs of {self.name}", flush=True)
        stamp.unlink(missing_ok=True)
        shutil.copytree(PROGRAMS / self.name, self.directory, dirs_exist_ok=True)
        generated = self.directory / "gen"
        shutil.rmtree(generated, ignore_errors=True)
        generated.mkdir(parents=True)
        for file in sorted(IDL.glob("*.thrift")):
            # Its warnings are about numbers that some languages do not have.
            quiet(["thrift", "--gen", self.generator, "-out", generated, file], self.directory)
        self.make(self.directory)
        stamp.write_text(sources)

    def _digest(self) -> str:
        digest = hashlib.sha256(f"{self.generator} {self.version}".encode())
        files = [*IDL.rglob("*"), *(PROGRAMS / self.name).rglob("*"), Path(__file__), HERE / "requirements.txt"]
        for file in sorted(file for file in files if file.is_file()):
            digest.update(str(file).encode() + b"\0" + file.read_bytes())
        return digest.hexdigest()

    def run(self, program: str, *words: str) -> list[str]:
        return [str(word) for word in (*self.command(self.directory, program), *words)]


def environment(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in STRIPPED} | more


def quiet(command: list, cwd: Path, **more: str) -> None:
    """Runs a command; shows what it said only if it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=900,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{done.stdout[-4000:]}")


def make_python(directory: Path) -> None:
    quiet([sys.executable, "-m", "venv", "--clear", directory / "venv"], directory)
    pip = [directory / "venv/bin/pip", "install", "--quiet", "--disable-pip-version-check"]
    quiet([*pip, "-r", HERE / "requirements.txt"], directory)


def make_node(directory: Path) -> None:
    quiet(["npm", "ci", "--silent", "--no-audit", "--no-fund"], directory)


def make_go(directory: Path) -> None:
    # The library's package has no module: the tree is one of the time before modules.
    source = directory / "src"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(directory / "gen", source)
    for package in ("dialects", "client", "server"):
        shutil.copytree(directory / package, source / "interop" / package)
    for program in ("client", "server"):
        go = ["go", "build", "-o", directory / "bin" / program, f"interop/{program}"]
        quiet(go, directory, GO111MODULE="off", GOPATH=f"{directory}:{GO_LIBRARY}", GOFLAGS="")


def make_java(directory: Path) -> None:
    classes = directory / "classes"
    shutil.rmtree(classes, ignore_errors=True)
    javac = ["javac", "-nowarn", "-encoding", "UTF-8", "-cp", ":".join(map(str, CLASS_PATH)), "-d", classes]
    quiet([*javac, *directory.glob("gen/*/*.java"), *directory.glob("*.java")], directory)


def make_cpp(directory: Path) -> None:
    quiet(["make", "-j2", "GEN=gen"], directory)


def make_rust(directory: Path) -> None:
    shutil.rmtree(directory / "src/gen", ignore_errors=True)
    shutil.copytree(directory / "gen", directory / "src/gen")
    quiet(["cargo", "build", "--locked", "--target-dir", directory / "target"], directory)


def java(directory: Path, program: str) -> list:
    path = ":".join([str(directory / "classes"), *map(str, CLASS_PATH)])
    # Programs that run for a second: the quick compiler, no threads for the collector.
    return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", path, program.capitalize()]


PYTHON_PROTOCOLS = ("binary", "binary-fast", "binary-old", "compact", "compact-fast", "json")

LANGUAGES = [
    Language(
        name="cpp",
        version="0.17.0",
        generator="cpp:no_skeleton",
        clients=dialects("buffered", "framed", "header", "http", "zlib")
        + [(TLS, "binary"), (TLS, "compact"), (UNIX, "binary"), ("https", "binary"), ("https", "compact")],
        servers=dialects("buffered", "framed", "nonblocking", "header", "http", "zlib")
        + [("websocket", "binary"), ("websocket", "compact"), ("websocket", "json")]
        + [(TLS, "binary"), (TLS, "compact"), ("wss", "binary"), ("wss", "json")],
        make=make_cpp,
        command=lambda directory, program: [directory / program],
        tools=("g++", "make"),
        files=(
            (Path("/usr/include/thrift/Thrift.h"), "libthrift-dev"),
            (Path("/usr/include/boost/numeric/conversion/cast.hpp"), "libboost-dev"),
            (Path("/usr/include/event.h"), "libevent-dev"),
            (Path("/usr/include/openssl/sha.h"), "libssl-dev"),
            (Path("/usr/include/zlib.h"), "zlib1g-dev"),
        ),
    ),
    Language(
        name="go",
        version="0.17.0",
        generator="go:thrift_import=github.com/apache/thrift/lib/go/thrift,skip_remote",
        clients=dialects("buffered", "framed", "header", "http", "zlib")
        + [(TLS, "binary"), (TLS, "compact"), (UNIX, "binary"), ("https", "binary"), ("https", "json")],
        servers=dialects("buffered", "framed", "header", "http", "zlib") + [(TLS, "binary"), ("https", "compact")],
        make=make_go,
        command=lambda directory, program: [directory / "bin" / program],
        tools=("go",),
        files=((GO_LIBRARY / "src/github.com/apache/thrift/lib/go/thrift", "golang-thrift-dev"),),
    ),
    Language(
        name="java",
        version="0.16.0",
        generator="java:generated_annotations=suppress",
        clients=dialects("buffered", "framed", "fast-framed", "http", "zlib")
        + [(TLS, "binary"), (TLS, "compact"), ("https", "binary"), ("https", "compact")],
        servers=dialects("buffered", "framed", "fast-framed", "nonblocking", "zlib") + [(TLS, "binary"), (TLS, "compact")],
        make=make_java,
        command=java,
        tools=("java", "javac"),
        files=tuple(
            (Path(f"/usr/share/java/{jar}.jar"), package)
            for jar, package in (
                ("thrift", "libthrift-java"),
                ("httpclient", "libhttpclient-java"),
                ("slf4j-api", "libslf4j-java"),
                ("commons-lang3", "libcommons-lang3-java"),
            )
        ),
    ),
    Language(
        name="node",
        version="0.24.0",
        generator="js:node,es6",
        clients=dialects("buffered", "framed", "header", "http", "websocket")
        + [(TLS, "binary"), (TLS, "compact"), (UNIX, "binary"), ("https", "binary"), ("wss", "binary"), ("wss", "json")],
        servers=dialects("buffered", "framed", "header", "http", "websocket")
        + [(TLS, "binary"), ("https", "binary"), ("wss", "binary")],
        make=make_node,
        command=lambda directory, program: ["node", "--no-deprecation", directory / f"{program}.js"],
        tools=("node", "npm"),
    ),
    Language(
        name="python",
        version="0.25.0",
        generator="py",
        clients=dialects("buffered", "framed", "header", "http", "zlib", protocols=PYTHON_PROTOCOLS)
        + [(TLS, "binary"), (TLS, "compact"), (UNIX, "binary"), ("https", "binary"), ("https", "compact-fast")],
        servers=dialects("buffered", "framed", "header", "http", "zlib", protocols=PYTHON_PROTOCOLS)
        + [(TLS, "binary"), (TLS, "compact-fast")],
        make=make_python,
        command=lambda directory, program: [directory / "venv/bin/python", "-B", directory / f"{program}.py"],
    ),
    Language(
        name="rust",
        version="0.25.0",
        generator="rs",
        clients=dialects("buffered", "framed", protocols=("binary", "binary-old", "compact"))
        + [(TLS, "binary"), (TLS, "compact"), (UNIX, "binary")],
        servers=dialects("buffered", "framed", protocols=("binary", "binary-old", "compact"))
        + [(TLS, "binary"), (TLS, "compact")],
        make=make_rust,
        command=lambda directory, program: [directory / "target/debug" / program],
        tools=("cargo",),
    ),
]
