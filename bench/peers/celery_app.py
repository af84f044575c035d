"""The worker's side of celery_rabbitmq.py."""

import os

from celery import Celery

app = Celery("celery_app", broker=os.environ["BENCH_BROKER"], backend="rpc://")
app.conf.update(
    # Durable as far as Celery can be: persistent messages that are confirmed, acknowledged after the work.
    task_default_delivery_mode="persistent",
    broker_transport_options={"confirm_publish": True},
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    result_persistent=True,
    worker_prefetch_multiplier=64,
    broker_connection_retry_on_startup=True,
)


@app.task
def index(i):
    return i
