#!/usr/bin/env python3
"""Stock clients' own tests, and programs with stock clients, against a running AMQP broker.

    run.py --amqp HOST:PORT [--http HOST:PORT] [--tls-port PORT] [--ctl COMMAND] [SUITE…]
    run.py --rabbitmq [SUITE…]       starts a RabbitMQ of its own, and expects what baseline/ says
    run.py --list                    what suites there are
    run.py --certificates            where the certificates are that a broker with TLS needs

Prints one JSON line a suite and a table at the end. Exits with 1 if a test fails that is not on the suite's list, or if a
list has a line that no test answers to. With CI=true a suite that cannot run fails too.
"""

import argparse
import contextlib
import json
import os
import shlex
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

from harness import fetch, report  # noqa: E402
from harness.broker import Broker  # noqa: E402
from harness.suite import Context, Suite, work_of  # noqa: E402
from suites import SUITES  # noqa: E402

#: Failures of a suite that are shown one by one.
SHOWN = 60


def main() -> int:
    options = parse()
    if options.list:
        for suite in SUITES:
            print(f"{suite.name:<22} {suite.version}")
        return 0
    if options.certificates:
        print(json.dumps({name: str(path) for name, path in fetch.certificates().items()}))
        return 0
    wanted = options.suites or [suite.name for suite in SUITES]
    unknown = set(wanted) - {suite.name for suite in SUITES}
    if unknown:
        sys.exit(f"no such suite: {', '.join(sorted(unknown))}; --list shows them")
    with contextlib.ExitStack() as stack:
        broker = broker_of(options, stack)
        product = broker.product()
        print(f"{product} at {broker.host}:{broker.port}", flush=True)
        chosen = [suite for suite in SUITES if suite.name in wanted]
        rows = [run(suite, broker, product, options) for suite in chosen if not suite.mostly_waits]
        # These hardly need the machine; all at once they take as long as the longest.
        with ThreadPoolExecutor(8) as pool:
            rows += pool.map(lambda suite: run(suite, broker, product, options), (suite for suite in chosen if suite.mostly_waits))
    print(report.table(rows))
    must_run = os.environ.get("CI") in ("true", "1")
    bad = [row for row in rows if not row.is_good or (row.skipped and must_run)]
    for row in bad:
        if row.skipped:
            print(f"{row.suite} may not be skipped in CI: {row.skipped}")
    return 1 if bad else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--amqp", metavar="HOST:PORT", help="the broker")
    parser.add_argument("--http", metavar="HOST:PORT", help="its management API")
    parser.add_argument("--tls-port", type=int, metavar="PORT", help="its port for TLS, with aiormq's certificates")
    parser.add_argument("--ctl", metavar="COMMAND", default="", help="a command compatible with rabbitmqctl")
    parser.add_argument("--rabbitmq", action="store_true", help="start the installed RabbitMQ, on ports of its own")
    parser.add_argument("--record", action="store_true", help="with --rabbitmq: write what fails to baseline/")
    parser.add_argument("--list", action="store_true", help="what suites there are")
    parser.add_argument("--certificates", action="store_true", help="where the certificates for TLS are, as JSON")
    parser.add_argument("suites", nargs="*", metavar="SUITE")
    options = parser.parse_args()
    if not (options.list or options.certificates) and bool(options.amqp) == options.rabbitmq:
        parser.error("give either --amqp or --rabbitmq")
    return options


def broker_of(options: argparse.Namespace, stack: contextlib.ExitStack) -> Broker:
    if options.rabbitmq:
        from harness.rabbitmq import RabbitMq

        return stack.enter_context(RabbitMq()).broker
    host, _, port = options.amqp.rpartition(":")
    return Broker(host, int(port), options.http, options.tls_port, tuple(shlex.split(options.ctl)))


def run(suite: Suite, broker: Broker, product: str, options: argparse.Namespace) -> report.Row:
    missing = suite.missing(broker)
    if missing:
        row = report.Row(suite.name, suite.version, skipped=missing)
        print(f"--- {suite.name}: skipped: {missing}\n{row.line()}", flush=True)
        return row
    print(f"--- {suite.name} {suite.version}", flush=True)
    clock = report.Clock()
    lists = (HERE / "excluded" / f"{suite.name}.txt",)
    if options.rabbitmq:
        lists += (HERE / "baseline" / f"{suite.name}.txt",)
    # The oracle shows what it does with everything.
    context = Context(broker, report.Expected(*lists), lists, work_of(suite), leave_out=not options.rabbitmq)
    try:
        if options.record and suite.record:
            suite.record(context)
        results = suite.run(context)
    except Exception as error:  # noqa: BLE001: one suite that cannot be run must not end the others
        traceback.print_exc()
        row = report.Row(suite.name, suite.version, failed=1, seconds=round(clock.seconds, 1))
        row.failures.append(f"(the suite could not be run: {error})")
        print(row.line(), flush=True)
        return row
    if options.record and not suite.record:
        report.record(lists[-1], product, results, report.Expected(lists[0]))
    row = report.judge(suite.name, suite.version, results, report.Expected(*lists), clock.seconds)
    # In one piece: others may write at the same time.
    print("\n".join([*explain(row, results), row.line()]), flush=True)
    return row


def explain(row: report.Row, results: report.Results) -> list[str]:
    """What is not as it should be."""
    lines = [f"    {row.suite}: failed: {test}: {results.why.get(test, '')[:300]}" for test in row.failures[:SHOWN]]
    if len(row.failures) > SHOWN:
        lines.append(f"    {row.suite}: failed: {len(row.failures) - SHOWN} more; all are in the JSON line")
    lines += [f"    {row.suite}: no test answers to this line of the list: {entry}" for entry in row.stale]
    lines += [f"    {row.suite}: passes although it is on the list: {test}" for test in row.better]
    return lines


if __name__ == "__main__":
    sys.exit(main())
