"""Procrastinate on PostgreSQL with its default durability (fsync and synchronous_commit on)."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import psycopg

from common import Servers, arguments, check, free_port, report, wait_until

CHUNK = 500


def main():
    place, jobs = arguments()
    with Servers() as servers:
        database = start_postgres(servers, place)
        os.environ["BENCH_DATABASE"] = database
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("CREATE TABLE bench_result (i bigint)")
            postgres = connection.info.server_version // 10_000
            asyncio.run(schema())
            worker = [sys.executable, "-m", "procrastinate", "--app", "procrastinate_app.app", "worker"]
            servers.start(worker + ["--concurrency", "8"], place / "worker.log", cwd=Path(__file__).parent)
            count = lambda: connection.execute("SELECT count(*) FROM bench_result").fetchone()[0]
            asyncio.run(defer([-1]))
            wait_until(lambda: count() == 1, "the worker")
            connection.execute("DELETE FROM bench_result")

            before = servers.cpu()
            begun = time.monotonic()
            asyncio.run(defer(range(jobs)))
            submitted = time.monotonic()
            wait_until(lambda: ended_jobs(connection) == jobs + 1, "the end", 80)
            ended = time.monotonic()
            cpu = servers.cpu() - before
            check([row[0] for row in connection.execute("SELECT i FROM bench_result")], jobs)
        note = "1 worker process, 8 coroutines; submitted in batches of 500"
        system = f"Procrastinate {version('procrastinate')}, PostgreSQL {postgres}"
        report(system, jobs, begun, submitted, ended, cpu, True, note)


def ended_jobs(connection):
    return connection.execute("SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'").fetchone()[0]


async def schema():
    from procrastinate_app import app

    async with app.open_async():
        await app.schema_manager.apply_schema_async()


async def defer(indexes):
    from procrastinate_app import app, index

    rows = [{"i": i} for i in indexes]
    async with app.open_async():
        for first in range(0, len(rows), CHUNK):
            await index.batch_defer_async(*rows[first : first + CHUNK])


def start_postgres(servers, place):
    binaries = Path(subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True).stdout.strip())
    if not (binaries / "initdb").is_file():
        binaries = max(Path("/usr/lib/postgresql").glob("*/bin"))
    data, port = place / "postgres", free_port()
    data.mkdir()
    # PostgreSQL does not run as root; everybody else is allowed to be its user.
    options = {"cwd": data}
    if os.geteuid() == 0:
        options["user"] = "postgres"
        shutil.chown(data, "postgres")
        place.chmod(0o755)
        place.parent.chmod(0o755)
    init = [binaries / "initdb", "--pgdata", data, "--username=bench", "--auth=trust", "--no-sync"]
    subprocess.run(init, check=True, stdout=subprocess.DEVNULL, **options)
    server = [binaries / "postgres", "-D", data, "-p", port, "-h", "127.0.0.1", "-k", ""]
    servers.start(server, place / "postgres.log", **options)
    database = f"host=127.0.0.1 port={port} user=bench dbname=postgres"
    wait_until(lambda: psycopg.connect(database).close() is None, "postgres")
    return database


main()
