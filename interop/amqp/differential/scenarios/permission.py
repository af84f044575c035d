"""What a user may not do. Made and taken away through the management API."""

import contextlib
import functools


def _limited(configure="", write="", read="", tags=""):
    """A scenario that is given the connection of a user with these rights as well."""

    def wrap(scenario):
        @functools.wraps(scenario)
        def run(s):
            manage = s.broker.manage
            manage("PUT", "users/limited", {"password": "limited", "tags": tags})
            manage("PUT", "permissions/%2F/limited", {"configure": configure, "write": write, "read": read})
            try:
                scenario(s, s.connect(), s.connect(user="limited", password="limited"))
            finally:
                with contextlib.suppress(OSError):
                    manage("DELETE", "users/limited")

        return run

    return wrap


@_limited()
def nothing_at_all(s, admin, c):
    admin.declare("q")
    admin.exchange("x", "direct")
    for method, arguments in (
        ("queue.declare", {"queue": "new"}),
        ("queue.declare", {"queue": ""}),
        ("queue.delete", {"queue": "q"}),
        ("queue.purge", {"queue": "q"}),
        ("queue.bind", {"queue": "q", "exchange": "x"}),
        ("queue.unbind", {"queue": "q", "exchange": "x"}),
        ("basic.get", {"queue": "q"}),
        ("basic.consume", {"queue": "q"}),
        ("exchange.declare", {"exchange": "new", "type": "direct"}),
        ("exchange.delete", {"exchange": "x"}),
        ("exchange.bind", {"destination": "x", "source": "amq.direct"}),
        ("exchange.unbind", {"destination": "x", "source": "amq.direct"}),
    ):
        c.call(method, **arguments)
        if not c.is_open(1):
            c.open(1)
    c.publish("x", "k", "x")
    c.read()
    c.open(1)
    c.publish("", "q", "x")
    c.read()


@_limited(configure="mine.*", write="mine.*", read="mine.*")
def only_what_matches(s, admin, c):
    c.declare("mine.q")
    c.exchange("mine.x", "direct")
    c.bind("mine.q", "mine.x", "k")
    c.publish("mine.x", "k", "x")
    c.settle("mine.q", 1)
    c.get("mine.q")
    c.declare("theirs")
    c.open(1)
    c.bind("mine.q", "amq.direct", "k")


@_limited(configure=".*", write="", read="")
def dead_letter_exchange_needs_rights_too(s, admin, c):
    c.declare("q", arguments={"x-dead-letter-exchange": "dlx"})
    c.open(1)
    c.exchange("x", "direct", arguments={"alternate-exchange": "other"})


@_limited(configure="", write="", read="")
def passive_declare(s, admin, c):
    admin.declare("q")
    c.count("q")


@_limited(configure=".*", write=".*", read=".*")
def user_id_of_another(s, admin, c):
    c.declare("q")
    c.publish("", "q", "x", user_id="guest")
    c.read()


@_limited(configure=".*", write=".*", read=".*", tags="impersonator")
def user_id_of_another_as_impersonator(s, admin, c):
    c.declare("q")
    c.publish("", "q", "x", user_id="guest")
    c.settle("q", 1)
    c.get("q")


def no_access_to_the_virtual_host(s):
    s.broker.manage("PUT", "users/outsider", {"password": "outsider", "tags": ""})
    try:
        s.connect(user="outsider", password="outsider")
    finally:
        s.broker.manage("DELETE", "users/outsider")
