"""A pytest plugin: the fixtures that aiormq keeps outside of its published tests, for the broker under test."""

import os
from types import SimpleNamespace

import pytest
from yarl import URL


@pytest.fixture(scope="session")
def rabbitmq_container():
    ports = {"5672/tcp": int(os.environ["INTEROP_PORT"]), "5671/tcp": int(os.environ["INTEROP_TLS_PORT"])}
    return SimpleNamespace(id="broker", host="127.0.0.1", ports=ports)


@pytest.fixture(scope="session")
def amqp_direct_url(rabbitmq_container):
    return URL.build(
        scheme="amqp",
        user="guest",
        password="guest",
        path="//",
        host=rabbitmq_container.host,
        port=rabbitmq_container.ports["5672/tcp"],
    )
