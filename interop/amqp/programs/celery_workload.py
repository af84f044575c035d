"""A real workload of Celery with Flower beside it: celery_workload.py AMQP_URL API_URL DIRECTORY RESULTS.

2,000 tasks with results over the broker, retries, tasks that are not due yet, chords, remote control, a worker that is
killed in the midst of it, and Flower's views. Writes a JSON object: what became of each check.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
import urllib.request
from datetime import datetime, timedelta, timezone

URL, API, DIRECTORY, RESULTS = sys.argv[1:5]
PROGRAMS = os.path.dirname(os.path.abspath(__file__))
TIMEOUT_S = 60

os.environ["INTEROP_URL"] = URL
sys.path.insert(0, PROGRAMS)

from celery.result import ResultSet  # noqa: E402

from celery_app import add, app, flaky, slow, when  # noqa: E402


class Workers:
    def __init__(self):
        self.children = {}

    def start(self, name, *arguments, **environment):
        log = open(f"{DIRECTORY}/{name}.log", "ab")
        command = [sys.executable, "-m", "celery", "-A", "celery_app", *arguments]
        self.children[name] = subprocess.Popen(
            command,
            cwd=DIRECTORY,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": PROGRAMS, "C_FORCE_ROOT": "1"} | environment,
        )

    def worker(self, name, **environment):
        self.start(name, "worker", "-n", f"{name}@interop", "-c", "2", "--loglevel", "INFO", **environment)

    def kill(self, name, how=signal.SIGKILL):
        child = self.children.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, how)
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


workers = Workers()


def until(condition, what, seconds=TIMEOUT_S):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")


def remote_control():
    until(lambda: any("first@interop" in answer for answer in app.control.ping(timeout=1)), "the worker answers a ping")
    active = app.control.inspect(timeout=2).registered()
    assert "celery_app.add" in active["first@interop"], active


def two_thousand_tasks():
    results = [add.delay(number, 1) for number in range(2000)]
    values = ResultSet(results).join_native(timeout=TIMEOUT_S)
    assert values == [number + 1 for number in range(2000)], values[:10]


def retries():
    results = [flaky.delay(number) for number in range(50)]
    values = [result.get(timeout=TIMEOUT_S) for result in results]
    assert values == [[number, 2] for number in range(50)], values[:5]


def due_later():
    # Fewer than the worker prefetches: kombu raises the limit for tasks that wait only on RabbitMQ before 4.0.
    begun = time.time()
    soon = [when.apply_async(countdown=2) for _ in range(8)]
    later = [when.apply_async(eta=datetime.now(timezone.utc) + timedelta(seconds=3)) for _ in range(4)]
    now = when.delay().get(timeout=TIMEOUT_S)
    assert now - begun < 2, "what is due now waits behind what is not"
    for result in soon:
        at = result.get(timeout=TIMEOUT_S) - begun
        assert 1.9 < at < 8, at
    for result in later:
        at = result.get(timeout=TIMEOUT_S) - begun
        assert 2.9 < at < 8, at


def chords():
    """Their parts are joined through a backend of files: that of RPC has no chords."""
    backend = f"file://{DIRECTORY}/results"
    environment = dict(INTEROP_BACKEND=backend, INTEROP_QUEUE="interop.celery.chords")
    workers.worker("chords", **environment)
    script = (
        "from celery import chord; from celery_app import add, total\n"
        "ends = [chord(add.s(n, n) for n in range(10))(total.s()) for _ in range(10)]\n"
        "print([end.get(timeout=60) for end in ends])\n"
    )
    command = [sys.executable, "-c", script]
    told = subprocess.run(
        command, env=os.environ | environment | {"PYTHONPATH": PROGRAMS}, cwd=DIRECTORY, capture_output=True, text=True, timeout=90
    )
    workers.kill("chords", signal.SIGTERM)
    assert told.stdout.strip() == str([90] * 10), told.stdout + told.stderr[-500:]


def a_worker_is_killed():
    workers.kill("first", signal.SIGTERM)
    workers.worker("second")
    results = [slow.delay(number) for number in range(300)]
    assert results[40].get(timeout=TIMEOUT_S) == 40
    workers.kill("second")
    workers.worker("third")
    values = [result.get(timeout=TIMEOUT_S) for result in results]
    assert values == list(range(300)), "tasks were lost"


def ask_flower(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=20) as answer:
        return json.load(answer)


def flower():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    workers.start("flower", f"--broker={URL}", "flower", f"--port={port}", "--address=127.0.0.1", f"--broker-api={API}",
                  FLOWER_UNAUTHENTICATED_API="true")  # fmt: skip
    try:

        def workers_seen():
            with contextlib.suppress(OSError):
                return ask_flower(port, "api/workers?refresh=true")

        seen = until(workers_seen, "Flower sees a worker")
        assert any(name.endswith("@interop") for name in seen), seen

        # It asks the management API about the queues that workers listen to.
        def lengths():
            queues = ask_flower(port, "api/queues/length")["active_queues"]
            return {queue["name"]: queue["messages"] for queue in queues}

        until(lambda: lengths().get("interop.celery") == 0, "Flower shows the queue and that it is empty")
    finally:
        workers.kill("flower", signal.SIGTERM)


CHECKS = [remote_control, two_thousand_tasks, retries, due_later, chords, flower, a_worker_is_killed]


def main():
    os.makedirs(f"{DIRECTORY}/results", exist_ok=True)
    results = {}
    workers.worker("first")
    try:
        for check in CHECKS:
            begun = time.monotonic()
            try:
                check()
                results[check.__name__] = ["passed", ""]
            except Exception as error:  # noqa: BLE001: every check is told
                traceback.print_exc()
                results[check.__name__] = ["failed", f"{type(error).__name__}: {error}"]
            print(f"{check.__name__}: {results[check.__name__][0]}, {time.monotonic() - begun:.1f} s", flush=True)
    finally:
        for name in list(workers.children):
            workers.kill(name)
        with app.connection() as connection:
            for queue in ("interop.celery", "interop.celery.chords"):
                with contextlib.suppress(Exception):
                    connection.default_channel.queue_delete(queue)
    with open(RESULTS, "w") as file:
        json.dump(results, file)


if __name__ == "__main__":
    main()
