"""amqplib for Node.js; its package has its tests."""

import json

from harness import fetch
from harness.broker import standing_at
from harness.report import FAILED, PASSED, SKIPPED, Results
from harness.suite import Context, Suite

#: The test runner that amqplib 0.10.9 asks for; its dependencies are in suites/amqplib/package-lock.json.
MOCHA = fetch.HERE / "suites/amqplib"
#: The other files test its codec and its own streams without a broker.
WITH_BROKER = ["test/connect.js", "test/channel_api.js", "test/callback_api.js"]


def _amqplib(context: Context) -> Results:
    source = fetch.unpack(fetch.AMQPLIB)
    # Installed around the package: what it needs is found above it, and the package stays as it was published.
    tools = fetch.WORK / "amqplib"
    pins = (MOCHA / "package-lock.json").read_text()
    stamp = tools / ".installed"
    if not stamp.is_file() or stamp.read_text() != pins:
        tools.mkdir(exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            (tools / name).write_bytes((MOCHA / name).read_bytes())
        fetch.run(["npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=tools)
        stamp.write_text(pins)
    report = context.work / "report.json"
    broker = context.broker
    # Some tests of connecting have the default address written in them.
    with standing_at(5672, broker.host, broker.port):
        context.run(
            ["node", tools / "node_modules/mocha/bin/mocha", "--reporter", "json", "--reporter-option", f"output={report}"]
            + ["--exit", "-u", "tdd", *WITH_BROKER],
            cwd=source,
            URL=broker.url,
            NODE_PATH=str(tools / "node_modules"),
            timeout=120,
        )
    written = json.loads(report.read_text())
    results = Results()
    for kind, outcome in (("passes", PASSED), ("failures", FAILED), ("pending", SKIPPED)):
        for test in written[kind]:
            file = test["file"].rsplit("/", 1)[-1]
            results.add(f"{file} {test['fullTitle']}", outcome, (test["err"].get("message") or "").partition("\n")[0])
    return results


SUITES = [Suite("amqplib", fetch.AMQPLIB.version, _amqplib, tools=("node", "npm"))]
