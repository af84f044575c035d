"""A pytest plugin: leaves out what is excluded, and writes what each test did. No test is changed."""

import json
import os
import sys

sys.path.insert(0, os.environ["INTEROP_HARNESS"])

from harness.report import Expected  # noqa: E402
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402

EXPECTED = Expected(*map(Path, filter(None, os.environ["INTEROP_EXPECTED"].split(os.pathsep))))
outcomes: dict[str, list[str]] = {}
left_out: list[str] = []
seconds: dict[str, float] = {}


# After every hook of the suite itself: what its own selection drops does not exist for us.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    # One process of several takes every so-manieth test, or the files that are for it.
    shard, shards = (int(number) for number in os.environ["INTEROP_SHARD"].split("/"))
    groups = [group.split() for group in os.environ["INTEROP_GROUPS"].split(",")] if os.environ["INTEROP_GROUPS"] else None
    kept, dropped = [], []
    for number, item in enumerate(items):
        turn = number % shards
        if groups:
            file, _, test = item.nodeid.rpartition("/")[2].partition("::")
            mine = {file, f"{file}::{test.partition('[')[0]}"}
            # The last process takes all that no other has.
            turn = next((turn for turn, group in enumerate(groups) if mine & set(group)), len(groups))
        if EXPECTED.matches(item.nodeid):
            left_out.append(item.nodeid)
            dropped.append(item)
        elif turn == shard:
            kept.append(item)
        else:
            dropped.append(item)
    config.hook.pytest_deselected(items=dropped)
    items[:] = kept


def pytest_runtest_logreport(report):
    seconds[report.nodeid] = round(seconds.get(report.nodeid, 0) + report.duration, 2)
    why = ""
    if report.failed:
        lines = report.longreprtext.strip().splitlines()
        errors = [line[1:].strip() for line in lines if line.startswith("E ")]
        why = (errors or lines or [""])[0]
    old = outcomes.get(report.nodeid)
    if report.failed and not (report.when == "teardown" and old and old[0] == "failed"):
        outcomes[report.nodeid] = ["failed", why]
    elif report.skipped:
        outcomes.setdefault(report.nodeid, ["skipped", str(report.longrepr[-1]) if report.longrepr else ""])
    elif report.when == "call":
        outcomes[report.nodeid] = ["passed", ""]


def pytest_collectreport(report):
    if report.failed:
        outcomes[f"{report.nodeid} (collection)"] = ["failed", report.longreprtext.strip().splitlines()[-1]]


def pytest_sessionfinish():
    with open(os.environ["INTEROP_RESULTS"], "w") as file:
        json.dump({"outcomes": outcomes, "left_out": left_out, "seconds": seconds}, file)
