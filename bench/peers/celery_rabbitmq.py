"""Celery on RabbitMQ: persistent confirmed messages, late acknowledgement, persistent results over rpc://."""

import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

from common import Servers, arguments, check, free_port, report, wait_until

RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def main():
    place, jobs = arguments()
    with Servers() as servers:
        broker = start_rabbitmq(servers, place)
        os.environ["BENCH_BROKER"] = broker
        from kombu import Connection

        wait_until(lambda: Connection(broker).connect(), "rabbitmq")
        from celery_app import app, index

        worker = [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "--concurrency=2", "--loglevel=WARNING"]
        flags = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        servers.start(worker + flags, place / "worker.log", cwd=Path(__file__).parent)
        wait_until(lambda: app.control.ping(timeout=0.5), "the worker")
        if index.delay(-1).get(timeout=30) != -1:
            raise SystemExit("the first job is wrong")

        before = servers.cpu()
        begun = time.monotonic()
        asked = [index.delay(i) for i in range(jobs)]
        submitted = time.monotonic()
        results = [one.get(timeout=60) for one in asked]
        ended = time.monotonic()
        cpu = servers.cpu() - before
        check(results, jobs)
        with Connection(broker) as connection:
            rabbitmq = connection.connection.server_properties["version"]
        note = "persistent, confirmed, acks_late, 2 worker processes"
        report(f"Celery {version('celery')}, RabbitMQ {rabbitmq}", jobs, begun, submitted, ended, cpu, True, note)


def start_rabbitmq(servers, place):
    epmd, port = free_port(), free_port()
    (place / "plugins").write_text("[].")
    environment = os.environ | {
        "HOME": str(place),
        "ERL_EPMD_PORT": str(epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"bench{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(place / "mnesia"),
        "RABBITMQ_LOG_BASE": str(place / "rabbitmq-log"),
        "RABBITMQ_PID_FILE": str(place / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(place / "plugins"),
        "RABBITMQ_CONF_ENV_FILE": str(place / "no-such-file"),
    }
    # Its own port mapper: the usual one is a daemon that would stay behind on a fixed port.
    servers.start(["epmd", "-port", epmd, "-address", "127.0.0.1"], place / "epmd.log", env=environment)
    servers.start([RABBITMQ], place / "rabbitmq.log", env=environment)
    return f"amqp://guest:guest@127.0.0.1:{port}//"


main()
