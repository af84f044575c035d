"""queue.*: declaring, binding, purging, deleting."""


def declare_answers_with_counts(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "1")
    c.publish("", "q", "2")
    c.settle("q", 2)
    c.declare("q")
    c.consume("q")
    c.read(2)
    c.declare("q")


def declare_without_a_name(s):
    c = s.connect()
    made = c.declare("", exclusive=True)
    name = made["queue"].decode()
    c.count(name)
    c.publish("", name, "to a generated name")
    c.settle(name, 1)
    c.get(name)


def empty_name_is_the_last_declared(s):
    c = s.connect()
    c.declare("q1")
    c.declare("q2")
    c.call("queue.purge", queue="")
    c.publish("", "q2", "x")
    c.settle("q2", 1)
    c.get("")
    c.bind("", "amq.direct", "")
    c.publish("amq.direct", "q2", "the key of the binding is the name of the queue")
    c.settle("q2", 1)
    c.get("q2")
    c.consume("", "t")
    c.call("queue.delete", queue="")
    # kombu relies on this order: its own deletion is answered before its consumers are told.
    c.read()


def empty_name_with_a_key_keeps_the_key(s):
    c = s.connect()
    c.declare("q")
    c.bind("", "amq.direct", "k")
    c.publish("amq.direct", "k", "hit")
    c.settle("q", 1)
    c.get("q")
    c.publish("amq.direct", "q", "missed", mandatory=True)
    c.read()


def empty_name_and_none_declared(s):
    c = s.connect()
    for method in ("queue.bind", "queue.purge", "queue.delete", "basic.get", "basic.consume", "queue.unbind"):
        extra = {"exchange": "amq.direct"} if "bind" in method else {}
        c.call(method, queue="", **extra)
        c.open(1)


def empty_name_passive(s):
    c = s.connect()
    c.call("queue.declare", queue="", passive=True)


def empty_name_passive_after_declare(s):
    c = s.connect()
    c.declare("q")
    c.call("queue.declare", queue="", passive=True)


def the_last_declared_is_of_the_channel(s):
    c = s.connect()
    c.declare("q")
    c.open(2)
    c.call("queue.purge", 2, queue="")


def passive_missing(s):
    c = s.connect()
    c.count("absent")


def passive_ignores_everything_else(s):
    c = s.connect()
    c.declare("q")
    c.call("queue.declare", queue="q", passive=True, durable=True, auto_delete=True, exclusive=True, arguments={"x-max-length": 1})


def reserved_prefix(s):
    c = s.connect()
    c.declare("amq.mine")


def reserved_prefix_passive(s):
    c = s.connect()
    c.count("amq.mine")


def line_breaks_are_taken_out_of_names(s):
    c = s.connect()
    c.declare("q\r\nq")
    c.count("qq")
    c.call("queue.delete", queue="qq")


def name_of_255_bytes(s):
    c = s.connect()
    c.declare("n" * 255)


def name_that_is_not_ascii(s):
    c = s.connect()
    c.declare("häuser.☃")
    c.publish("", "häuser.☃", "x")
    c.settle("häuser.☃", 1)
    c.get("häuser.☃")


def redeclare_with_other_durable(s):
    c = s.connect()
    c.declare("q", durable=True)
    c.declare("q")


def redeclare_with_other_auto_delete(s):
    c = s.connect()
    c.declare("q")
    c.declare("q", auto_delete=True)


def redeclare_with_other_exclusive(s):
    c = s.connect()
    c.declare("q")
    c.declare("q", exclusive=True)


def redeclare_exclusive_as_shared(s):
    c = s.connect()
    c.declare("q", exclusive=True)
    c.declare("q")


def redeclare_checks_durable_before_auto_delete(s):
    c = s.connect()
    c.declare("q")
    c.declare("q", durable=True, auto_delete=True, arguments={"x-max-length": 3})


def redeclare_with_integers_of_all_widths(s):
    c = s.connect()
    c.declare("q", arguments={"x-message-ttl": ("I", 10)})
    for tag in "bBsuiIlL":
        c.declare("q", arguments={"x-message-ttl": (tag, 10)})


def redeclare_with_float_for_integer(s):
    c = s.connect()
    c.declare("q", arguments={"x-message-ttl": 10})
    c.declare("q", arguments={"x-message-ttl": 10.0})


def redeclare_with_other_value(s):
    c = s.connect()
    for name, one, other in (
        ("x-message-ttl", 10, 11),
        ("x-expires", 100000, 100001),
        ("x-max-length", 5, 6),
        ("x-max-length-bytes", 5, 6),
        ("x-max-priority", 5, 6),
        ("x-dead-letter-exchange", "a", "b"),
        ("x-overflow", "drop-head", "reject-publish"),
        ("x-single-active-consumer", True, False),
        ("x-queue-mode", "lazy", "default"),
    ):
        queue = f"q-{name}"
        c.declare(queue, arguments={name: one})
        c.declare(queue, arguments={name: other})
        c.open(1)


def redeclare_with_argument_left_out(s):
    c = s.connect()
    c.declare("q", arguments={"x-message-ttl": 10})
    c.declare("q")


def redeclare_with_argument_added(s):
    c = s.connect()
    c.declare("q")
    c.declare("q", arguments={"x-message-ttl": 10})


def redeclare_ignores_unknown_arguments(s):
    c = s.connect()
    c.declare("q", arguments={"x-nonsense": 1})
    c.declare("q", arguments={"x-nonsense": "other", "more": True})
    c.declare("q")


def redeclare_with_classic_type_said(s):
    c = s.connect()
    c.declare("q")
    c.declare("q", arguments={"x-queue-type": "classic"})


def bad_arguments(s):
    c = s.connect()
    for number, (name, content) in enumerate(BAD_ARGUMENTS):
        c.declare(f"q{number}", arguments={name: content})
        if not c.is_open(1):
            c.open(1)


BAD_ARGUMENTS = [
    ("x-message-ttl", -1),
    ("x-message-ttl", "10"),
    ("x-message-ttl", 1.5),
    ("x-message-ttl", ("l", 2**62)),
    ("x-message-ttl", ("L", 315360000001)),
    ("x-message-ttl", True),
    ("x-message-ttl", None),
    ("x-expires", 0),
    ("x-expires", -5),
    ("x-expires", "soon"),
    ("x-expires", ("l", 315360000001)),
    ("x-max-length", -1),
    ("x-max-length", "5"),
    ("x-max-length-bytes", -1),
    ("x-max-length-bytes", []),
    ("x-max-priority", -1),
    ("x-max-priority", 256),
    ("x-max-priority", "5"),
    ("x-overflow", "explode"),
    ("x-overflow", 1),
    ("x-dead-letter-exchange", 5),
    ("x-dead-letter-routing-key", "without an exchange"),
    ("x-dead-letter-routing-key", 5),
    ("x-single-active-consumer", "yes"),
    ("x-queue-type", "nonsense"),
    ("x-queue-type", 5),
    ("x-queue-mode", "eager"),
    ("x-queue-mode", 5),
]


def good_arguments(s):
    c = s.connect()
    for number, (name, content) in enumerate(
        [
            ("x-message-ttl", 0),
            ("x-message-ttl", ("l", 315360000000)),
            ("x-expires", 100000),
            ("x-max-length", 0),
            ("x-max-length-bytes", 0),
            ("x-max-priority", 255),
            ("x-max-priority", 1),
            ("x-overflow", "reject-publish"),
            ("x-overflow", "reject-publish-dlx"),
            ("x-queue-mode", "lazy"),
            ("x-queue-mode", "default"),
            ("x-single-active-consumer", True),
            ("x-dead-letter-exchange", "is not there"),
            ("x-dead-letter-exchange", ""),
            ("x-queue-type", "classic"),
        ]
    ):
        c.declare(f"q{number}", arguments={name: content})


def delete_missing(s):
    c = s.connect()
    c.call("queue.delete", queue="absent")


def delete_counts_messages(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "1")
    c.publish("", "q", "2")
    c.settle("q", 2)
    c.call("queue.delete", queue="q")


def delete_if_unused_in_use(s):
    c = s.connect()
    c.declare("q")
    c.consume("q")
    c.call("queue.delete", queue="q", if_unused=True)


def delete_if_unused(s):
    c = s.connect()
    c.declare("q")
    c.call("queue.delete", queue="q", if_unused=True)
    c.count("q")


def delete_if_empty_not_empty(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "1")
    c.settle("q", 1)
    c.call("queue.delete", queue="q", if_empty=True)


def delete_if_empty_with_unacknowledged(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "1")
    c.settle("q", 1)
    c.get("q", no_ack=False)
    c.call("queue.delete", queue="q", if_empty=True)


def delete_cancels_consumers(s):
    c = s.connect()
    other = s.connect()
    c.declare("q")
    c.consume("q", "t")
    other.call("queue.delete", queue="q")
    c.read()


def delete_does_not_tell_a_client_without_the_capability(s):
    c = s.connect(capabilities=["basic.nack"])
    other = s.connect()
    c.declare("q")
    c.consume("q", "t")
    other.call("queue.delete", queue="q")
    c.nothing()


def delete_drops_unacknowledged(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "1")
    c.settle("q", 1)
    c.get("q", no_ack=False)
    c.call("queue.delete", queue="q")
    c.ack(1)
    c.declare("q")


def purge_missing(s):
    c = s.connect()
    c.call("queue.purge", queue="absent")


def purge_leaves_unacknowledged(s):
    c = s.connect()
    c.declare("q")
    for number in range(3):
        c.publish("", "q", str(number))
    c.settle("q", 3)
    c.get("q", no_ack=False)
    c.call("queue.purge", queue="q")
    c.send("basic.nack", delivery_tag=1, requeue=True)
    c.settle("q", 1)
    c.get("q")


def bind_missing_queue(s):
    c = s.connect()
    c.bind("absent", "amq.direct", "k")


def bind_missing_exchange(s):
    c = s.connect()
    c.declare("q")
    c.bind("q", "absent", "k")


def bind_missing_both(s):
    c = s.connect()
    c.bind("absent", "absent-too", "k")


def bind_to_the_default_exchange(s):
    c = s.connect()
    c.declare("q")
    c.bind("q", "", "k")


def unbind_from_the_default_exchange(s):
    c = s.connect()
    c.declare("q")
    c.call("queue.unbind", queue="q", exchange="", routing_key="q")


def bind_twice_delivers_once(s):
    c = s.connect()
    c.declare("q")
    c.bind("q", "amq.direct", "k")
    c.bind("q", "amq.direct", "k")
    c.publish("amq.direct", "k", "once")
    c.settle("q", 1)
    c.call("queue.unbind", queue="q", exchange="amq.direct", routing_key="k")
    c.publish("amq.direct", "k", "not at all", mandatory=True)
    c.read()
    c.count("q")


def bindings_with_other_arguments_are_others(s):
    c = s.connect()
    c.declare("q")
    c.bind("q", "amq.direct", "k", arguments={"a": 1})
    c.bind("q", "amq.direct", "k", arguments={"a": 2})
    c.call("queue.unbind", queue="q", exchange="amq.direct", routing_key="k", arguments={"a": 1})
    c.publish("amq.direct", "k", "once")
    c.settle("q", 1)
    c.get("q")


def unbind_absent(s):
    c = s.connect()
    c.declare("q")
    c.call("queue.unbind", queue="q", exchange="amq.direct", routing_key="never bound")


def unbind_missing_exchange(s):
    c = s.connect()
    c.declare("q")
    c.call("queue.unbind", queue="q", exchange="absent", routing_key="k")


def unbind_missing_queue(s):
    c = s.connect()
    c.call("queue.unbind", queue="absent", exchange="amq.direct", routing_key="k")


def nowait(s):
    c = s.connect()
    c.send("queue.declare", queue="q", nowait=True)
    c.send("queue.bind", queue="q", exchange="amq.direct", routing_key="k", nowait=True)
    c.publish("amq.direct", "k", "x")
    c.settle("q", 1)
    c.send("queue.purge", queue="q", nowait=True)
    c.count("q")
    c.send("queue.delete", queue="q", nowait=True)
    c.count("q")


def nowait_with_an_error(s):
    c = s.connect()
    c.send("queue.declare", queue="absent", passive=True, nowait=True)
    c.read()
    c.open(1)
    c.send("queue.bind", queue="absent", exchange="amq.direct", routing_key="k", nowait=True)
    c.read()


def exclusive_seen_from_another_connection(s):
    a = s.connect()
    b = s.connect()
    a.declare("q", exclusive=True)
    for method, more in (
        ("queue.declare", {"exclusive": True}),
        ("queue.declare", {"passive": True}),
        ("queue.declare", {}),
        ("queue.bind", {"exchange": "amq.direct", "routing_key": "k"}),
        ("queue.unbind", {"exchange": "amq.direct", "routing_key": "k"}),
        ("queue.purge", {}),
        ("queue.delete", {}),
        ("basic.consume", {"consumer_tag": "t"}),
        ("basic.get", {}),
    ):
        b.call(method, queue="q", **more)
        if not b.is_open(1):
            b.open(1)
    b.publish("", "q", "publishing to it is allowed")
    a.settle("q", 1)
    a.get("q")


def exclusive_seen_from_another_channel(s):
    c = s.connect()
    c.declare("q", exclusive=True)
    c.open(2)
    c.call("queue.declare", 2, queue="q", exclusive=True)
    c.call("basic.consume", 2, queue="q", consumer_tag="t")


def exclusive_is_gone_before_close_ok(s):
    a = s.connect()
    b = s.connect()
    a.declare("q", exclusive=True)
    a.call("connection.close", 0, code=200)
    b.count("q")


def exclusive_is_gone_after_the_socket(s):
    a = s.connect()
    b = s.connect()
    a.declare("q", exclusive=True)
    a.drop()
    s.pause(0.3)
    b.count("q")


def exclusive_and_durable(s):
    c = s.connect()
    c.declare("q", exclusive=True, durable=True)
    c.declare("q", exclusive=True, durable=True)
    c.declare("q", exclusive=True)


def auto_delete_after_the_last_consumer(s):
    c = s.connect()
    c.declare("q", auto_delete=True)
    c.consume("q", "t1")
    c.consume("q", "t2")
    c.call("basic.cancel", consumer_tag="t1")
    c.count("q")
    c.call("basic.cancel", consumer_tag="t2")
    c.count("q")


def auto_delete_stays_without_a_consumer(s):
    c = s.connect()
    c.declare("q", auto_delete=True)
    c.publish("", "q", "x")
    c.settle("q", 1)
    c.get("q")
    c.count("q")


def auto_delete_when_the_channel_closes(s):
    c = s.connect()
    c.declare("q", auto_delete=True)
    c.open(2)
    c.call("basic.consume", 2, queue="q", consumer_tag="t")
    c.call("channel.close", 2, code=200)
    s.pause(0.1)
    c.count("q")


def expires_when_unused(s):
    c = s.connect()
    c.declare("q", arguments={"x-expires": 150})
    s.pause(0.08)
    c.count("q")
    s.pause(0.4)
    c.count("q")


def expires_not_while_consumed(s):
    c = s.connect()
    c.declare("q", arguments={"x-expires": 100})
    c.consume("q", "t")
    s.pause(0.3)
    c.count("q")
    c.call("basic.cancel", consumer_tag="t")
    s.pause(0.3)
    c.count("q")


def quorum_needs_durable(s):
    c = s.connect()
    c.declare("q", arguments={"x-queue-type": "quorum"})


def quorum_is_not_exclusive(s):
    c = s.connect()
    c.declare("q", durable=True, exclusive=True, arguments={"x-queue-type": "quorum"})


def quorum_has_no_generated_name(s):
    c = s.connect()
    c.declare("", durable=True, arguments={"x-queue-type": "quorum"})


def quorum_with_a_classic_argument(s):
    c = s.connect()
    c.declare("q", durable=True, arguments={"x-queue-type": "quorum", "x-max-priority": 5})


def quorum_delete_if_unused(s):
    c = s.connect()
    c.declare("quorum1", durable=True, arguments={"x-queue-type": "quorum"})
    c.call("queue.delete", queue="quorum1", if_unused=True)


def quorum_delete_if_empty(s):
    c = s.connect()
    c.declare("quorum2", durable=True, arguments={"x-queue-type": "quorum"})
    c.call("queue.delete", queue="quorum2", if_empty=True)


def quorum_counts_deliveries(s):
    c = s.connect()
    c.declare("dead")
    c.declare(
        "quorum3",
        durable=True,
        arguments={
            "x-queue-type": "quorum", "x-delivery-limit": 2, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead",
        },
    )  # fmt: skip
    c.publish("", "quorum3", "x", delivery_mode=2)
    c.settle("quorum3", 1)
    for _ in range(3):
        got = c.get("quorum3", no_ack=False)
        c.send("basic.nack", delivery_tag=got["delivery_tag"] if got else 0, requeue=True)
        s.pause(0.1)
    c.settle("dead", 1)
    c.get("dead")
