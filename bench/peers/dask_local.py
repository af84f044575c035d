"""Dask distributed: a scheduler and two worker processes. Nothing is durable: a scheduler that ends forgets all."""

import sys
import time
from importlib.metadata import version

from common import Servers, arguments, check, free_port, report, wait_until


def index(i):
    return i


def main():
    place, jobs = arguments()
    with Servers() as servers:
        port = free_port()
        address = f"tcp://127.0.0.1:{port}"
        dask = [sys.executable, "-m", "dask"]
        scheduler = ["scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"]
        servers.start(dask + scheduler, place / "scheduler.log", cwd=place)
        for _ in range(2):
            worker = ["worker", address, "--nthreads", 1, "--no-nanny", "--no-dashboard", "--local-directory", place]
            servers.start(dask + worker, place / "worker.log", cwd=place)
        from distributed import Client

        wait_until(lambda: Client(address, timeout=2).close() is None, "the scheduler")
        with Client(address) as client:
            client.wait_for_workers(2, timeout=30)
            check(client.gather(client.map(index, range(10), pure=False)), 10)
            before = servers.cpu()
            begun = time.monotonic()
            futures = client.map(index, range(jobs), pure=False)
            submitted = time.monotonic()
            results = client.gather(futures)
            ended = time.monotonic()
            cpu = servers.cpu() - before
            check(results, jobs)
        note = "in memory only; scheduler and 2 worker processes; submit returns before anything is sent"
        report(f"Dask {version('distributed')}", jobs, begun, submitted, ended, cpu, False, note)


main()
