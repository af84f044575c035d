"""The tests in the published crates of Rust's AMQP clients, and of the client of the management API."""

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import fetch
from harness.broker import standing_at
from harness.report import FAILED, PASSED, SKIPPED, Results
from harness.suite import STRIPPED, Context, Suite


def _build(context: Context, package: fetch.Package, *arguments: str) -> dict[str, Path]:
    """The test programs by their names, built with the dependencies that the crate was published with."""
    source = fetch.unpack(package)
    # Nothing in it changes: what was built once need not be looked at again.
    built = source.parent / "programs.json"
    if built.is_file():
        programs = {name: Path(program) for name, program in json.loads(built.read_text()).items()}
        if all(program.is_file() for program in programs.values()):
            return programs
    status = context.run(
        ["cargo", "test", "--locked", "--no-run", *arguments],
        cwd=source,
        timeout=1800,
        log="build.txt",
        CARGO_TARGET_DIR=str(fetch.WORK / "cargo"),
        CARGO_PROFILE_TEST_DEBUG="0",
        CARGO_PROFILE_DEV_DEBUG="0",
        CARGO_TERM_COLOR="never",
    )
    text = context.read("build.txt")
    if status != 0:
        raise RuntimeError(f"the crate does not build: {text[-2000:]}")
    programs = {}
    for path, program in re.findall(r"Executable (?:unittests )?(\S+) \((.+)\)", text):
        stem = Path(path).parent.name if path.endswith("main.rs") else Path(path).stem
        programs[stem] = Path(program) if program.startswith("/") else source.parent / program
    built.write_text(json.dumps({name: str(program) for name, program in programs.items()}))
    return programs


def _run(context: Context, package: fetch.Package, programs: dict[str, Path], at_once: int = 1, **environment: str) -> Results:
    def run(name: str) -> Results:
        results, program = Results(), programs[name]
        listed = subprocess.run(
            [program, "--list"], capture_output=True, text=True, check=True, cwd=package.directory, env=_clean()
        ).stdout
        tests = re.findall(r"^(.+): test$", listed, re.MULTILINE)
        out = {test for test in tests if context.is_left_out(f"{name} {test}")}
        results.left_out |= {f"{name} {test}" for test in out}
        if len(out) == len(tests):
            return results
        command = [program, "--test-threads=1", "--exact"]
        for test in sorted(out):
            command += ["--skip", test]
        log = f"{name}.txt"
        context.run(command, cwd=package.directory, log=log, timeout=300, CARGO_MANIFEST_DIR=str(package.directory), **environment)
        text = context.read(log)
        for test in tests:
            if test not in out:
                results.add(f"{name} {test}", *_outcome(text, test))
        return results

    found = Results()
    with ThreadPoolExecutor(at_once) as pool:
        for results in pool.map(run, programs):
            found.left_out |= results.left_out
            for test, outcome in results.outcomes.items():
                found.add(test, outcome, results.why.get(test, ""))
    return found


def _outcome(text: str, test: str) -> tuple[str, str]:
    # What a test prints itself comes between its name and how it went.
    begun = re.search(rf"^test {re.escape(test)}(?: - should panic)? \.\.\. ", text, re.MULTILINE)
    if not begun:
        return FAILED, "it did not run: a test before it hung or ended the program"
    rest = re.split(r"^(?:test .+ \.\.\. |failures:$|successes:$)", text[begun.end() :], maxsplit=1, flags=re.MULTILINE)[0]
    ended = re.search(r"(?:^|\s)(ok|FAILED|ignored.*)\s*$", rest.partition("\ntest result: ")[0].rstrip())
    if ended and ended[1] == "ok":
        return PASSED, ""
    if ended and ended[1].startswith("ignored"):
        return SKIPPED, ended[1]
    section = re.search(rf"^---- {re.escape(test)} stdout ----\n(.*?)(?:\n\n|\nnote: )", text, re.MULTILINE | re.DOTALL)
    why = re.sub(r"^thread .* panicked at .*\n", "", section[1].strip(), flags=re.MULTILINE) if section else "it did not end"
    return FAILED, why.partition("\n")[0]


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in STRIPPED}


def _lapin(context: Context) -> Results:
    programs = _build(context, fetch.LAPIN)
    # Its unit tests and this one need no broker.
    for without in ("lib", "conn_refused"):
        programs.pop(without)
    return _run(context, fetch.LAPIN, programs, AMQP_ADDR=f"{context.broker.url}/%2f")


def _amqprs(context: Context) -> Results:
    programs = _build(context, fetch.AMQPRS)
    programs.pop("lib")
    # The names that its tests have written in them.
    context.broker.add_user("user", "bitnami")
    with standing_at(5672, context.broker.host, context.broker.port):
        # They mostly wait, one of them for 45 seconds.
        return _run(context, fetch.AMQPRS, programs, at_once=4)


def _http_client(context: Context) -> Results:
    programs = {"integration": _build(context, fetch.HTTP_CLIENT, "--all-features")["integration"]}
    broker = context.broker
    # The part of its bin/ci/before_build.sh that is not about RabbitMQ's packaging.
    broker.add_vhost("rust/http/api/client")
    broker.add_user("rust3", "rust3")
    broker.manage("PUT", "cluster-name", {"name": "rabbitmq@localhost"})
    host, _, port = broker.http.rpartition(":")
    with standing_at(15672, host, int(port)), standing_at(5672, broker.host, broker.port):
        # How long it waits before it reads statistics; RabbitMQ collects them now and then only.
        delay = "100" if context.leave_out else "500"
        return _run(context, fetch.HTTP_CLIENT, programs, TEST_STATS_DELAY=delay)


SUITES = [
    Suite("lapin", fetch.LAPIN.version, _lapin, tools=("cargo",)),
    Suite("amqprs", fetch.AMQPRS.version, _amqprs, tools=("cargo",), needs_http=True, mostly_waits=True),
    Suite("rabbitmq_http_client", fetch.HTTP_CLIENT.version, _http_client, tools=("cargo",), needs_http=True),
]
