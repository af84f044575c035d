"""Our own programs with stock clients that publish no tests of theirs, or whose use by a framework is what counts."""

import json
import re
import shutil
import subprocess
from pathlib import Path

from harness import fetch
from harness.report import FAILED, PASSED, Results
from harness.suite import Context, Suite

PROGRAMS = fetch.HERE / "programs"
JAVA_CLIENT = "/usr/share/java/amqp-client.jar"
JAVA_LOGGING = "/usr/share/java/slf4j-api.jar"
C_CLIENT = "/usr/include/amqp.h"


def _pinned(name: str) -> str:
    pins = dict(re.findall(r"^([\w-]+)==(\S+)$", (fetch.HERE / "requirements.txt").read_text(), re.MULTILINE))
    return pins[name]


def _debian(package: str) -> str:
    if not shutil.which("dpkg-query"):
        return "-"
    asked = subprocess.run(["dpkg-query", "-W", "-f=${Version}", package], capture_output=True, text=True)
    return asked.stdout.partition("-")[0] or "-"


def _pika(context: Context) -> Results:
    written = context.work / "results.json"
    broker = context.broker
    context.run([fetch.venv() / "python", PROGRAMS / "pika_scenarios.py", broker.host, broker.port, written], timeout=120)
    return _json(context, written)


def _celery(context: Context) -> Results:
    written = context.work / "results.json"
    broker = context.broker
    api = f"http://guest:guest@{broker.http}/api/"
    context.run(
        [fetch.venv() / "python", PROGRAMS / "celery_workload.py", f"{broker.url}//", api, context.work, written], timeout=300
    )
    return _json(context, written)


def _json(context: Context, written: Path) -> Results:
    if not written.is_file():
        raise RuntimeError(f"the program did not finish: {context.read('output.txt')[-2000:]}")
    results = Results()
    for check, (outcome, why) in json.loads(written.read_text()).items():
        results.add(check, outcome, why)
    return results


def _java(context: Context) -> Results:
    classes = fetch.WORK / "java"
    path = f"{JAVA_CLIENT}:{JAVA_LOGGING}"
    if context.run(["javac", "-nowarn", "-cp", path, "-d", classes, PROGRAMS / "Scenarios.java"], log="build.txt", timeout=120):
        raise RuntimeError(f"the program does not build: {context.read('build.txt')[-2000:]}")
    broker = context.broker
    context.run(["java", "-cp", f"{path}:{classes}", "Scenarios", broker.host, broker.port], timeout=120)
    return _lines(context)


def _c(context: Context) -> Results:
    program = fetch.WORK / "c/scenarios"
    program.parent.mkdir(exist_ok=True)
    if context.run(["cc", "-Wall", "-o", program, PROGRAMS / "scenarios.c", "-lrabbitmq"], log="build.txt", timeout=60):
        raise RuntimeError(f"the program does not build: {context.read('build.txt')[-2000:]}")
    context.run([program, context.broker.host, context.broker.port], timeout=60)
    results = _lines(context)
    if shutil.which("amqp-publish"):
        results.add("amqp-tools", *_tools(context))
    return results


def _tools(context: Context) -> tuple[str, str]:
    """The command-line tools of the library, as a shell script uses them."""
    script = (
        "set -e\n"
        'amqp-declare-queue --url="$URL" -q interop.tools >/dev/null\n'
        'amqp-publish --url="$URL" -r interop.tools -p -b "a message"\n'
        "sleep 0.2\n"
        'test "$(amqp-get --url="$URL" -q interop.tools)" = "a message"\n'
        'amqp-publish --url="$URL" -r interop.tools -b "another"\n'
        'test "$(amqp-consume --url="$URL" -q interop.tools -c 1 cat)" = "another"\n'
        'amqp-delete-queue --url="$URL" -q interop.tools >/dev/null\n'
    )
    status = context.run(["sh", "-c", script], timeout=30, log="tools.txt", URL=context.broker.url)
    return (PASSED, "") if status == 0 else (FAILED, f"exit code {status}: {context.read('tools.txt')[-200:]}")


def _lines(context: Context) -> Results:
    results = Results()
    for line in context.read("output.txt").splitlines():
        if line.startswith("ok "):
            results.add(line[3:], PASSED)
        elif line.startswith("FAILED "):
            check, _, why = line[7:].partition(": ")
            results.add(check, FAILED, why)
    return results


SUITES = [
    Suite("pika", _pinned("pika"), _pika),
    Suite("celery", _pinned("celery"), _celery, needs_http=True),
    Suite(
        "java",
        _debian("librabbitmq-client-java"),
        _java,
        tools=("java", "javac"),
        files=((JAVA_CLIENT, "librabbitmq-client-java"), (JAVA_LOGGING, "libslf4j-java")),
    ),
    Suite("librabbitmq", _debian("librabbitmq-dev"), _c, tools=("cc", "amqp-publish"), files=((C_CLIENT, "librabbitmq-dev"),)),
]
