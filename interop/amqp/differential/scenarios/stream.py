"""Streams: what is read stays. Names differ from scenario to scenario: RabbitMQ takes a stream's files away in its own time."""

STREAM = {"x-queue-type": "stream"}
FIRST = {"x-stream-offset": "first"}


def _filled(s, name, count=3):
    """A stream with messages `m0`, `m1` and so on, each in a chunk of its own."""
    c = s.connect()
    c.declare(name, durable=True, arguments=STREAM)
    c.confirm()
    for number in range(count):
        c.publish("", name, f"m{number}")
        c.read()
    return c


def _reader(s, name, prefetch=10, **options):
    """A connection that reads the stream."""
    c = s.connect()
    c.call("basic.qos", prefetch_count=prefetch)
    c.consume(name, **options)
    return c


def needs_durable(s):
    s.connect().declare("s", arguments=STREAM)


def is_not_exclusive(s):
    s.connect().declare("s", durable=True, exclusive=True, arguments=STREAM)


def is_not_auto_delete(s):
    s.connect().declare("s", durable=True, auto_delete=True, arguments=STREAM)


def has_no_generated_name(s):
    s.connect().declare("", durable=True, arguments=STREAM)


def arguments_that_are_wrong(s):
    for name, content in [
        ("x-max-age", "1x"),
        ("x-max-age", "7d"),
        ("x-max-age", "0s"),
        ("x-max-age", 5),
        ("x-max-length-bytes", -1),
        ("x-max-length", 1),
        ("x-message-ttl", 1),
        ("x-overflow", "drop-head"),
        ("x-single-active-consumer", True),
        ("x-stream-max-segment-size-bytes", 3_000_000_001),
        ("x-stream-max-segment-size-bytes", -1),
        ("x-initial-cluster-size", 0),
        ("x-queue-leader-locator", "here"),
    ]:
        s.connect().declare("s", durable=True, arguments=STREAM | {name: content})


def arguments_that_differ(s):
    c = s.connect()
    c.declare("s1", durable=True, arguments=STREAM | {"x-max-age": "7D"})
    c.declare("s1", durable=True, arguments=STREAM | {"x-max-age": "7D"})
    c.declare("s1", durable=True, arguments=STREAM | {"x-max-age": "8D"})
    s.connect().declare("s1", durable=True, arguments=STREAM)


def consume_without_prefetch(s):
    c = s.connect()
    c.declare("s2", durable=True, arguments=STREAM)
    c.consume("s2")


def consume_without_acknowledgement(s):
    c = s.connect()
    c.declare("s3", durable=True, arguments=STREAM)
    c.call("basic.qos", prefetch_count=1)
    c.consume("s3", no_ack=True)


def consume_with_global_prefetch(s):
    c = s.connect()
    c.declare("s4", durable=True, arguments=STREAM)
    c.call("basic.qos", prefetch_count=1)
    c.call("basic.qos", prefetch_count=1, **{"global": True})
    c.consume("s4")


def consume_with_a_priority(s):
    c = s.connect()
    c.declare("s5", durable=True, arguments=STREAM)
    c.call("basic.qos", prefetch_count=1)
    c.consume("s5", arguments={"x-priority": 1})


def get(s):
    c = s.connect()
    c.declare("s6", durable=True, arguments=STREAM)
    c.get("s6")


def purge(s):
    c = s.connect()
    c.declare("s7", durable=True, arguments=STREAM)
    c.call("queue.purge", queue="s7")


def delete_passes_over_its_flags(s):
    c = _filled(s, "s8", 2)
    _reader(s, "s8", arguments=FIRST).read(2)
    c.call("queue.delete", queue="s8", if_unused=True, if_empty=True)


def what_is_read_stays(s):
    _filled(s, "s9")
    for _ in range(2):
        r = _reader(s, "s9", arguments=FIRST)
        r.read(3)
        r.ack(0, multiple=True)
        r.nothing()


def offsets(s):
    _filled(s, "s10")
    for offset in ["first", "last", "next", 0, 2, 7, -1, ("l", 1), ("T", 0), ("T", 4_000_000_000), "1h", "5x"]:
        _reader(s, "s10", arguments={"x-stream-offset": offset}).nothing(0.3)
    _reader(s, "s10").nothing(0.3)


def an_offset_that_is_to_come(s):
    c = _filled(s, "s11", 1)
    r = _reader(s, "s11", arguments={"x-stream-offset": 2})
    for body in ["m1", "m2"]:
        c.publish("", "s11", body)
        c.read()
    r.read()
    r.nothing()


def every_way_of_settling_gives_credit(s):
    _filled(s, "s12", 6)
    r = _reader(s, "s12", prefetch=1, arguments=FIRST)
    r.read()
    r.ack(1)
    r.read()
    r.send("basic.nack", delivery_tag=2, requeue=True)
    r.read()
    r.send("basic.nack", delivery_tag=3)
    r.read()
    r.send("basic.reject", delivery_tag=4, requeue=True)
    r.read()
    r.nothing()
    r.ack(5)
    r.read()
    r.ack(6)
    r.nothing()
    r.ack(6)
    r.read()


def headers_and_properties(s):
    c = s.connect()
    c.declare("s13", durable=True, arguments=STREAM)
    c.confirm()
    c.publish("", "s13", "x", headers={"h": "v"}, priority=3, expiration="1", delivery_mode=1, content_type="text/plain")
    c.read()
    _reader(s, "s13", arguments=FIRST).read()


def an_exclusive_consumer_is_not_alone(s):
    _filled(s, "s14", 1)
    for _ in range(2):
        _reader(s, "s14", exclusive=True, arguments=FIRST).read()


def beside_another_queue(s):
    c = s.connect()
    c.declare("s15", durable=True, arguments=STREAM)
    c.declare("q")
    for queue in ["s15", "q"]:
        c.bind(queue, "amq.fanout")
    c.confirm()
    c.publish("amq.fanout", "k", "x")
    c.read()
    c.get("q")
    _reader(s, "s15", arguments=FIRST).read()


def arguments_of_streams_on_other_queues(s):
    c = s.connect()
    c.declare("q")
    c.consume("q", arguments=FIRST)
