"""DBOS on SQLite: durable workflows, started directly (its queues poll)."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from common import arguments, check, report


def main():
    place, jobs = arguments()
    worker = [sys.executable, Path(__file__).parent / "dbos_worker.py", place / "dbos.sqlite", str(jobs)]
    done = subprocess.run(worker, capture_output=True, text=True, timeout=80)
    if done.returncode != 0:
        raise SystemExit(done.stderr.strip())
    row = json.loads(done.stdout.splitlines()[-1])
    check(row["results"], jobs)
    note = "one process submits, runs and stores; its CPU includes the driver"
    system = f"DBOS {version('dbos')}, SQLite"
    report(system, jobs, row["begun"], row["submitted"], row["ended"], row["cpu"], True, note)


main()
