"""The tasks of the Celery workload; what its workers and its client import."""

import os
import time

from celery import Celery

app = Celery("interop", broker=os.environ["INTEROP_URL"], backend=os.environ.get("INTEROP_BACKEND", "rpc://"))
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=8,
    broker_connection_retry_on_startup=True,
    worker_send_task_events=True,
    task_send_sent_event=True,
    result_expires=600,
    task_default_queue=os.environ.get("INTEROP_QUEUE", "interop.celery"),
)


@app.task
def add(a, b):
    return a + b


@app.task
def slow(number):
    time.sleep(0.02)
    return number


@app.task(bind=True, max_retries=3)
def flaky(self, number):
    """Succeeds at its third try."""
    if self.request.retries < 2:
        raise self.retry(countdown=0.2)
    return number, self.request.retries


@app.task
def when():
    return time.time()


@app.task
def total(numbers):
    return sum(numbers)
