"""What every driver needs: servers that end with it, free ports, CPU of process trees, one line of result."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def arguments():
    """The directory of this run and the number of jobs."""
    return Path(sys.argv[1]), int(sys.argv[2])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(there, what, seconds=60):
    """Asks until `there()` is true; what it raises means no."""
    end = time.monotonic() + seconds
    while True:
        try:
            if there():
                return
            problem = "not yet"
        except Exception as error:  # whatever a client library raises for a server that starts
            problem = error
        if time.monotonic() > end:
            raise TimeoutError(f"{what} is not there after {seconds} s: {problem}")
        time.sleep(0.05)


class Servers:
    """Processes that end with this one, newest first, by their id."""

    def __init__(self):
        self.processes = []
        # SIGTERM must run the `finally` blocks too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def __enter__(self):
        return self

    def start(self, command, log, **options):
        with open(log, "ab") as output:
            process = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options
            )
        self.processes.append(process)
        return process

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def cpu(self):
        """CPU seconds of all of them, their children and their ended children."""
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit() and (fields := stat(int(entry))):
                parents[int(entry)] = int(fields[1])
        mine = {process.pid for process in self.processes}
        grew = True
        while grew:
            more = {pid for pid, parent in parents.items() if parent in mine and pid not in mine}
            grew = bool(more)
            mine |= more
        return sum(sum(map(int, fields[11:15])) for pid in mine if (fields := stat(pid))) / TICKS


def stat(pid):
    """The fields of /proc/PID/stat after the name."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def report(system, jobs, begun, submitted, ended, cpu, durable, note):
    """The one line that the load tool reads. Only reached when every result was right."""
    print(
        json.dumps(
            {
                "system": system,
                "jobs": jobs,
                "jobs_per_s": jobs / (ended - begun),
                "submit_per_s": jobs / (submitted - begun),
                "cpu_ms_per_job": cpu / jobs * 1e3,
                "durable": durable,
                "checked": True,
                "note": note,
            }
        )
    )


def check(results, jobs):
    """Every job returned its index."""
    if sorted(results) != list(range(jobs)):
        raise SystemExit(f"wrong results: {len(results)} of {jobs}")
