"""amqp091-go, whose tests are in Debian's source package of it."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from harness import fetch
from harness.broker import standing_at
from harness.report import FAILED, PASSED, SKIPPED, Results
from harness.suite import Context, Suite

GOPATH = Path("/usr/share/gocode")
SOURCE = GOPATH / "src/github.com/rabbitmq/amqp091-go"
LEAKS = GOPATH / "src/go.uber.org/goleak"
#: The other files test the client without a broker, or against one of their own.
WITH_BROKER = ["integration_test.go", "connection_test.go", "reconnect_test.go", "example_client_test.go", "examples_test.go"]
PACKAGE = "golang-github-rabbitmq-amqp091-go-dev"


def _version() -> str:
    asked = subprocess.run(["dpkg-query", "-W", "-f=${Version}", PACKAGE], capture_output=True, text=True)
    return asked.stdout.partition("-")[0] or "-"


def _amqp091(context: Context) -> Results:
    program = fetch.WORK / "golang" / f"amqp091-{_version()}.test"
    environment = {
        # Debian's packages are a GOPATH; nothing is fetched.
        "GO111MODULE": "off",
        "GOPATH": str(GOPATH),
        "GOCACHE": str(fetch.WORK / "golang/cache"),
        "GOFLAGS": "",
    }
    if not program.is_file():
        program.parent.mkdir(exist_ok=True)
        status = context.run(
            ["go", "test", "-c", "-tags", "integration", "-o", program, "github.com/rabbitmq/amqp091-go"],
            log="build.txt",
            timeout=900,
            **environment,
        )
        if status != 0:
            raise RuntimeError(f"the tests do not build: {context.read('build.txt')[-2000:]}")
    # Some tests read files of their sources.
    source = context.work / "source"
    shutil.copytree(SOURCE, source)
    listed = subprocess.run([program, "-test.list", "."], capture_output=True, text=True, check=True, cwd=source).stdout
    theirs = set(re.findall(r"^func (\w+)\(", "".join((SOURCE / file).read_text() for file in WITH_BROKER), re.MULTILINE))
    tests = [line for line in listed.splitlines() if line in theirs]
    results = Results(left_out={test for test in tests if context.is_left_out(test)})
    chosen = [test for test in tests if test not in results.left_out]
    more = {"RABBITMQ_RABBITMQCTL_PATH": _ctl(context)} if context.broker.ctl else {}
    with standing_at(5672, context.broker.host, context.broker.port):
        context.run(
            ["go", "tool", "test2json", "-t", program, "-test.v", "-test.timeout=240s"]
            + ["-test.run", "^(" + "|".join(chosen) + ")$"],
            cwd=source,
            timeout=300,
            AMQP_URL=f"{context.broker.url}/",
            **environment,
            **more,
        )
    said: dict[str, list[str]] = {}
    for line in context.read("output.txt").splitlines():
        if not line.startswith("{"):
            continue
        event = json.loads(line)
        test = event.get("Test")
        # Sub-tests count with the test that they are of.
        if not test or "/" in test:
            continue
        if event["Action"] == "output":
            said.setdefault(test, []).append(event["Output"])
        elif event["Action"] in ("pass", "fail", "skip"):
            outcome = {"pass": PASSED, "fail": FAILED, "skip": SKIPPED}[event["Action"]]
            results.add(test, outcome, "".join(said.get(test, [])[1:3]).strip() if outcome == FAILED else "")
    for test in chosen:
        if test not in results.outcomes:
            results.add(test, FAILED, "it did not end")
    return results


def _ctl(context: Context) -> str:
    """A program that is what the tests take for rabbitmqctl."""
    program = context.work / "rabbitmqctl"
    program.write_text(f'#!/bin/sh\nexec {context.broker.ctl_line} "$@"\n')
    os.chmod(program, 0o755)
    return str(program)


SUITES = [
    Suite(
        "amqp091-go",
        _version() if shutil.which("dpkg-query") else "-",
        _amqp091,
        tools=("go",),
        files=((str(SOURCE / "integration_test.go"), PACKAGE), (str(LEAKS), "golang-uber-goleak-dev")),
    )
]
