#!/usr/bin/env python3
"""What travels with a call (traces, deadlines, idempotency keys, files), by a stock client and a stock server in Python.

    travels.py --trefoil PATH

Code is generated from the contracts that Trefoil derives. Prints what fails and, as its last line, the counts as JSON.
Exits with 1 if anything fails; with CI=true also if it cannot run here.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

from harness.languages import LANGUAGES, PROGRAMS, WORK, quiet  # noqa: E402
from harness.process import CLIENT_SECONDS, Running  # noqa: E402

#: How long the server may take to be found good.
READY_SECONDS = 30
RUN = WORK / "run" / "travels"
SEEN = PROGRAMS / "python/travels/seen.thrift"

METADATA = """\
key: interop/size
version: 1.0.0
type: computational
name: Size
description: How large a table is, and a copy of it.
inputs:
  table: {type: 'data:*/*'}
outputs:
  size: {type: integer}
  copy: {type: 'data:*/*'}
"""
PROGRAM = """\
#!/bin/sh
cp "$INPUT_TABLE" "$OUTPUT_FOLDER/copy"
printf '{"size": %d}' "$(wc -c < "$INPUT_TABLE")" > "$OUTPUT_FOLDER/outputs.json"
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trefoil", metavar="PATH", type=Path, required=True, help="the program")
    options = parser.parse_args()
    python = next(language for language in LANGUAGES if language.name == "python")
    missing = python.missing()
    if missing:
        print(f"python: skipped: {missing}")
        print(json.dumps({"passed": 0, "failed": 0}))
        return 1 if os.environ.get("CI") in ("true", "1") else 0
    python.build()
    shutil.rmtree(RUN, ignore_errors=True)
    services(RUN / "services")
    command = [str(options.trefoil.resolve()), "up", "--json", "--data", str(RUN / "data"), "--amqp-enabled=false"]
    command += ["--services", str(RUN / "services"), "--http-listen", "127.0.0.1:0", "--thrift-listen", "127.0.0.1:0"]
    platform = Running(command, RUN / "trefoil.log")
    try:
        said = json.loads(platform.said)
        generate(said["http"])
        paths = {"PYTHONPATH": str(RUN / "gen")}
        server = Running(python.run("travels/server"), RUN / "server.log", python.directory, **paths)
        try:
            register(said["http"], f"127.0.0.1:{server.said.strip()}")
            result = client(python.run("travels/client", said["thrift"]), paths)
        finally:
            server.end()
    finally:
        platform.end(politely=True)
    for name, why in result["failed"].items():
        print(f"failed: {name}: {why}")
    failed = len(result["failed"])
    print(json.dumps({"passed": result["checks"] - failed, "failed": failed}))
    return 1 if failed else 0


def services(directory: Path) -> None:
    size, seen = directory / "size", directory / "seen"
    size.mkdir(parents=True)
    seen.mkdir()
    (size / "metadata.yml").write_text(METADATA)
    (size / "service.toml").write_text('[run]\ncommand = ["./size"]\n')
    (size / "size").write_text(PROGRAM)
    (size / "size").chmod(0o755)
    shutil.copy(SEEN, seen / "contract.thrift")


def generate(http: str) -> None:
    """Code for the contracts, each in a package with a short name."""
    (RUN / "gen").mkdir()
    for name, key in (("echo", "trefoil/echo"), ("size", "interop/size"), ("seen", "interop/seen")):
        with urllib.request.urlopen(f"{http}/v1/contracts/{key}", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        file = RUN / f"{name}.thrift"
        file.write_text("\n".join(line for line in lines if not line.startswith("namespace")) + "\n")
        quiet(["thrift", "--gen", "py", "-out", RUN / "gen", file], RUN)


def register(http: str, address: str) -> None:
    url = f"{http}/v1/services/interop/seen:1.0.0/instances/peer"
    body = json.dumps({"address": address, "thrift": {"transport": "header"}}).encode()
    request = urllib.request.Request(url, method="PUT", data=body, headers={"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()
    end = time.monotonic() + READY_SECONDS
    while True:
        with urllib.request.urlopen(url, timeout=10) as answer:
            view = json.load(answer)
        if view["state"] == "healthy":
            return
        if time.monotonic() > end:
            raise RuntimeError(f"the instance is {view['state']}: {view['reason']}")
        time.sleep(0.02)


def client(command: list[str], paths: dict[str, str]) -> dict:
    done = subprocess.run(
        command,
        env=os.environ | paths,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=CLIENT_SECONDS,
    )
    lines = done.stdout.strip().splitlines()
    if not lines:
        raise RuntimeError(f"the client ended with {done.returncode} and said nothing")
    return json.loads(lines[-1])


if __name__ == "__main__":
    sys.exit(main())
