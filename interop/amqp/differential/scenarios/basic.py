"""basic.*: publishing, getting, consuming, acknowledging."""

from .. import codec


def publish_to_a_missing_exchange(s):
    c = s.connect()
    c.publish("absent", "k", "x")
    c.read()


def publish_immediate(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "x", immediate=True)
    c.read()


def publish_immediate_to_a_missing_exchange(s):
    c = s.connect()
    c.publish("absent", "k", "x", immediate=True)
    c.read()


def publish_mandatory_unroutable(s):
    c = s.connect()
    c.publish("amq.direct", "nowhere", "back", mandatory=True, content_type="text/plain", headers={"a": 1}, delivery_mode=2)
    c.read()


def publish_mandatory_to_the_default_exchange(s):
    c = s.connect()
    c.publish("", "no such queue", "back", mandatory=True)
    c.read()


def publish_unroutable(s):
    c = s.connect()
    c.publish("amq.direct", "nowhere", "dropped")
    c.nothing()


def publish_with_a_bad_expiration(s):
    c = s.connect()
    c.declare("q")
    for expiration in ("abc", "", "-1", "1.5", "10s", " 10", "99999999999999999999"):
        c.publish("", "q", "x", expiration=expiration)
        c.read()
        c.open(1)


def publish_with_a_good_expiration(s):
    c = s.connect()
    c.declare("q")
    for expiration in ("60000", "007000", "315360000000"):
        c.publish("", "q", "x", expiration=expiration)
    c.settle("q", 3)
    for _ in range(3):
        c.get("q")


def publish_with_an_expiration_that_is_too_long(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "x", expiration="315360000001")
    c.read()


def publish_as_somebody_else(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "x", user_id="somebody")
    c.read()


def publish_as_oneself(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "x", user_id="guest")
    c.settle("q", 1)
    c.get("q")


def publish_all_properties(s):
    c = s.connect()
    c.declare("q")
    c.publish(
        "", "q", "body", content_type="text/plain", content_encoding="utf-8", headers={"a": "b"}, delivery_mode=2, priority=7,
        correlation_id="correlation", reply_to="reply", expiration="60000", message_id="message", timestamp=1234567890123,
        type="kind", user_id="guest", app_id="app", cluster_id="cluster",
    )  # fmt: skip
    c.settle("q", 1)
    c.get("q")


def publish_headers_of_every_type(s):
    c = s.connect()
    c.declare("q")
    headers = [
        ("bool", True), ("no", False), ("i8", ("b", -128)), ("u8", ("B", 255)), ("i16", ("s", -32768)), ("u16", ("u", 65535)),
        ("i32", ("I", -(2**31))), ("u32", ("i", 2**32 - 1)), ("i64", ("l", -(2**63))), ("L", ("L", 2**63 - 1)), ("f32", ("f", 0.5)),
        ("f64", ("d", -1e300)), ("decimal", ("D", (3, 2**32 - 1))), ("text", "häßlich ☃"), ("raw", ("S", b"\xff\x00\xfe")),
        ("bytes", ("x", b"\x00\x01\x02")), ("time", ("T", 2**33)), ("void", None), ("empty", {}), ("list", [1, "a", [True, None], {"in": ["side"]}]),
        ("deep", {"a": {"b": {"c": {"d": []}}}}), ("", "no name"), ("twice", 1), ("twice", 2),
    ]  # fmt: skip
    c.publish("", "q", "x", headers=headers)
    c.settle("q", 1)
    c.get("q")


def publish_and_return_keep_headers_of_every_type(s):
    c = s.connect()
    c.publish("amq.direct", "nowhere", "x", mandatory=True, headers=[("u8", ("B", 1)), ("L", ("L", 5)), ("twice", 1), ("twice", 2)])
    c.read()


def publish_large_bodies(s):
    c = s.connect(tune={"frame_max": 4096})
    c.declare("q")
    for size in (0, 1, 4087, 4088, 4089, 8176, 8177, 100000):
        c.publish("", "q", bytes(number % 251 for number in range(size)))
        c.settle("q", 1)
        c.get("q")


def publish_of_several_channels_interleaved(s):
    c = s.connect()
    c.open(2)
    c.declare("q")
    frames = {}
    for channel, body in ((1, b"one" * 4), (2, b"two" * 4)):
        frames[channel] = [
            (codec.METHOD, codec.method("basic.publish", exchange="", routing_key="q")),
            (codec.HEADER, codec.header(12, {})),
            (codec.BODY, body[:6]),
            (codec.BODY, body[6:]),
        ]
    for first, second in zip(frames[1], frames[2]):
        c.frame(first[0], 1, first[1])
        c.frame(second[0], 2, second[1])
    c.settle("q", 2)
    c.consume("q", no_ack=True)
    c.read(2, unordered=True)


def publish_to_several_queues(s):
    c = s.connect()
    for queue in ("q1", "q2", "q3"):
        c.declare(queue)
        c.bind(queue, "amq.fanout")
    c.publish("amq.fanout", "k", "to all")
    for queue in ("q1", "q2", "q3"):
        c.settle(queue, 1)
        c.get(queue)


def carbon_copies(s):
    c = s.connect()
    for queue in ("q1", "q2", "q3", "q4"):
        c.declare(queue)
    c.publish("", "q1", "x", headers={"CC": ["q2", "q3", "q1"], "BCC": ["q4"], "other": 1})
    for queue in ("q1", "q2", "q3", "q4"):
        c.settle(queue, 1)
        c.get(queue)


def carbon_copies_on_a_topic(s):
    c = s.connect()
    c.declare("q1")
    c.bind("q1", "amq.topic", "a.#")
    c.declare("q2")
    c.bind("q2", "amq.topic", "b.#")
    c.publish("amq.topic", "none", "x", mandatory=True, headers={"CC": ["a.1", "b.1"]})
    c.settle("q2", 1)
    c.get("q1")
    c.get("q2")


def blind_copies_only(s):
    c = s.connect()
    c.declare("q1")
    c.publish("amq.direct", "none", "x", headers={"BCC": ["q1"]}, mandatory=True)
    c.read()
    c.publish("", "none", "x", headers={"BCC": ["q1"]}, mandatory=True)
    c.settle("q1", 1)
    c.get("q1")


def carbon_copies_that_are_no_list(s):
    c = s.connect()
    c.declare("q")
    for headers in ({"CC": "q"}, {"BCC": 5}, {"CC": {"a": 1}}, {"CC": [1]}, {"CC": ["q", True]}):
        c.publish("", "q", "x", headers=headers)
        c.nothing(0.1)
        if c.is_over:
            return
        if not c.is_open(1):
            c.open(1)


def get_empty(s):
    c = s.connect()
    c.declare("q")
    c.get("q")


def get_missing(s):
    c = s.connect()
    c.get("absent")


def get_counts_what_is_left(s):
    c = s.connect()
    c.declare("q")
    for number in range(3):
        c.publish("", "q", str(number))
    c.settle("q", 3)
    for _ in range(4):
        c.get("q", no_ack=False)


def get_and_acknowledge(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "x")
    c.settle("q", 1)
    c.get("q", no_ack=False)
    c.ack(1)
    c.ack(1)
    c.read()


def acknowledge_unknown(s):
    c = s.connect()
    c.ack(7)
    c.read()


def acknowledge_zero(s):
    c = s.connect()
    c.ack(0)
    c.read()


def acknowledge_all_of_nothing(s):
    c = s.connect()
    c.ack(0, multiple=True)
    c.nothing()


def acknowledge_multiple_unknown(s):
    c = s.connect()
    c.ack(5, multiple=True)
    c.read()


def acknowledge_multiple(s):
    c = s.connect()
    c.declare("q")
    for number in range(4):
        c.publish("", "q", str(number))
    c.settle("q", 4)
    for _ in range(4):
        c.get("q", no_ack=False)
    c.ack(2, multiple=True)
    c.send("basic.nack", delivery_tag=0, multiple=True, requeue=True)
    c.settle("q", 2)
    c.get("q")
    c.get("q")
    c.get("q")


def acknowledge_multiple_twice(s):
    c = s.connect()
    c.declare("q")
    for number in range(3):
        c.publish("", "q", str(number))
    c.settle("q", 3)
    for _ in range(3):
        c.get("q", no_ack=False)
    c.ack(2, multiple=True)
    c.ack(2, multiple=True)
    c.read()


def acknowledge_what_needs_none(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "x")
    c.settle("q", 1)
    c.get("q", no_ack=True)
    c.ack(1)
    c.read()


def acknowledge_on_another_channel(s):
    c = s.connect()
    c.open(2)
    c.declare("q")
    c.publish("", "q", "x")
    c.settle("q", 1)
    c.get("q", no_ack=False)
    c.ack(1, channel=2)
    c.read()


def reject_unknown(s):
    c = s.connect()
    c.send("basic.reject", delivery_tag=3, requeue=True)
    c.read()


def nack_unknown(s):
    c = s.connect()
    c.send("basic.nack", delivery_tag=3)
    c.read()


def reject_and_drop(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "x")
    c.settle("q", 1)
    c.get("q", no_ack=False)
    c.send("basic.reject", delivery_tag=1)
    s.pause(0.05)
    c.count("q")


def requeue_to_the_old_position(s):
    c = s.connect()
    c.declare("q")
    for number in range(5):
        c.publish("", "q", str(number))
    c.settle("q", 5)
    for _ in range(3):
        c.get("q", no_ack=False)
    c.send("basic.reject", delivery_tag=2, requeue=True)
    c.settle("q", 3)
    c.send("basic.nack", delivery_tag=1, requeue=True)
    c.settle("q", 4)
    for _ in range(5):
        c.get("q")


def requeue_many_in_order(s):
    c = s.connect()
    c.declare("q")
    for number in range(6):
        c.publish("", "q", str(number))
    c.settle("q", 6)
    for _ in range(4):
        c.get("q", no_ack=False)
    c.send("basic.nack", delivery_tag=4, multiple=True, requeue=True)
    c.settle("q", 6)
    for _ in range(6):
        c.get("q")


def closing_a_channel_requeues(s):
    c = s.connect()
    c.declare("q")
    for number in range(3):
        c.publish("", "q", str(number))
    c.settle("q", 3)
    c.open(2)
    for _ in range(2):
        c.get("q", no_ack=False, channel=2)
    c.call("channel.close", 2, code=200)
    c.settle("q", 3)
    for _ in range(3):
        c.get("q")


def losing_a_connection_requeues(s):
    a = s.connect()
    b = s.connect()
    a.declare("q")
    a.publish("", "q", "1")
    a.publish("", "q", "2")
    a.settle("q", 2)
    b.get("q", no_ack=False)
    b.drop()
    a.settle("q", 2)
    a.get("q")
    a.get("q")


def recover(s):
    c = s.connect()
    c.declare("q")
    for number in range(3):
        c.publish("", "q", str(number))
    c.settle("q", 3)
    c.get("q", no_ack=False)
    c.get("q", no_ack=False)
    c.call("basic.recover", requeue=True)
    c.settle("q", 3)
    for _ in range(3):
        c.get("q")


def recover_without_requeue(s):
    c = s.connect()
    c.call("basic.recover", requeue=False)


def recover_async(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "x")
    c.settle("q", 1)
    c.get("q", no_ack=False)
    c.send("basic.recover-async", requeue=True)
    c.settle("q", 1)
    c.get("q")


def recover_async_without_requeue(s):
    c = s.connect()
    c.send("basic.recover-async", requeue=False)
    c.read()


def recover_redelivers_to_the_consumer(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "x")
    c.settle("q", 1)
    c.consume("q")
    c.read()
    c.send("basic.recover", requeue=True)
    c.read(2, unordered=True)


def consume_ok_comes_before_the_first_delivery(s):
    c = s.connect()
    c.declare("q")
    for number in range(3):
        c.publish("", "q", str(number))
    c.settle("q", 3)
    c.send("basic.consume", queue="q", consumer_tag="t", no_ack=True)
    c.read(4)


def consume_missing(s):
    c = s.connect()
    c.consume("absent")


def consume_without_a_tag(s):
    c = s.connect()
    c.declare("q")
    c.consume("q", "")
    c.publish("", "q", "x")
    c.read()


def consume_with_a_tag_twice(s):
    c = s.connect()
    c.declare("q")
    c.consume("q", "t")
    c.consume("q", "t")


def consume_with_the_same_tag_on_two_channels(s):
    c = s.connect()
    c.open(2)
    c.declare("q")
    c.consume("q", "t")
    c.consume("q", "t", channel=2)


def consume_exclusive_conflict(s):
    c = s.connect()
    c.declare("q")
    c.consume("q", "t1")
    c.consume("q", "t2", exclusive=True)
    c.open(1)
    c.consume("q", "t3", exclusive=True)
    c.open(2)
    c.consume("q", "t4", channel=2)


def consume_nowait(s):
    c = s.connect()
    c.declare("q")
    c.send("basic.consume", queue="q", consumer_tag="t", nowait=True, no_ack=True)
    c.publish("", "q", "x")
    c.read()


def consume_no_local_is_ignored(s):
    c = s.connect()
    c.declare("q")
    c.consume("q", "t", no_local=True, no_ack=True)
    c.publish("", "q", "to myself")
    c.read()


def consume_bad_priority(s):
    c = s.connect()
    c.declare("q")
    for priority in ("5", None, [], {}, 1.5, True):
        c.consume("q", "t", arguments={"x-priority": priority})
        if c.is_over:
            return
        if c.is_open(1):
            c.call("basic.cancel", consumer_tag="t")
        else:
            c.open(1)


def consumers_take_turns(s):
    c = s.connect()
    c.declare("q")
    c.consume("q", "t1", no_ack=True)
    c.consume("q", "t2", no_ack=True)
    for number in range(6):
        c.publish("", "q", str(number))
        c.read()


def consumer_priority(s):
    c = s.connect()
    c.declare("q")
    c.call("basic.qos", prefetch_count=1)
    c.consume("q", "low", arguments={"x-priority": -5})
    c.consume("q", "high", arguments={"x-priority": 10})
    c.consume("q", "middle")
    for number in range(4):
        c.publish("", "q", str(number))
    c.read(3)
    c.ack(1)
    c.read()
    c.count("q")


def cancel(s):
    c = s.connect()
    c.declare("q")
    c.consume("q", "t")
    c.publish("", "q", "1")
    c.read()
    c.call("basic.cancel", consumer_tag="t")
    c.publish("", "q", "2")
    c.settle("q", 1)
    c.count("q")
    c.ack(1)
    c.get("q")


def cancel_unknown(s):
    c = s.connect()
    c.call("basic.cancel", consumer_tag="never seen")


def cancel_nowait(s):
    c = s.connect()
    c.declare("q")
    c.consume("q", "t")
    c.send("basic.cancel", consumer_tag="t", nowait=True)
    c.count("q")


def cancel_of_another_channel(s):
    c = s.connect()
    c.open(2)
    c.declare("q")
    c.consume("q", "t")
    c.call("basic.cancel", 2, consumer_tag="t")
    c.count("q")


def qos_prefetch_size(s):
    c = s.connect()
    c.call("basic.qos", prefetch_size=100)


def qos_each_consumer(s):
    c = s.connect()
    c.declare("q")
    c.call("basic.qos", prefetch_count=2)
    c.consume("q", "t")
    for number in range(4):
        c.publish("", "q", str(number))
    c.read(2)
    c.nothing()
    c.ack(1)
    c.read()
    c.ack(3, multiple=True)
    c.read()


def qos_is_for_later_consumers(s):
    c = s.connect()
    c.declare("q")
    c.consume("q", "t")
    c.call("basic.qos", prefetch_count=1)
    for number in range(3):
        c.publish("", "q", str(number))
    c.read(3)


def qos_of_the_channel(s):
    c = s.connect()
    c.declare("q")
    c.call("basic.qos", prefetch_count=2, **{"global": True})
    c.consume("q", "t1")
    c.consume("q", "t2")
    for number in range(4):
        c.publish("", "q", str(number))
    c.read(2)
    c.nothing()
    c.ack(2, multiple=True)
    c.read(2)


def qos_of_the_channel_raised(s):
    c = s.connect()
    c.declare("q")
    c.call("basic.qos", prefetch_count=1, **{"global": True})
    c.consume("q", "t")
    for number in range(4):
        c.publish("", "q", str(number))
    c.read()
    c.nothing()
    c.call("basic.qos", prefetch_count=3, **{"global": True})
    c.read(2)
    c.nothing()
    c.call("basic.qos", prefetch_count=0, **{"global": True})
    c.read()


def qos_does_not_limit_get(s):
    c = s.connect()
    c.declare("q")
    c.call("basic.qos", prefetch_count=1, **{"global": True})
    for number in range(3):
        c.publish("", "q", str(number))
    c.settle("q", 3)
    for _ in range(3):
        c.get("q", no_ack=False)


def qos_does_not_limit_without_acknowledgements(s):
    c = s.connect()
    c.declare("q")
    c.call("basic.qos", prefetch_count=1)
    c.consume("q", "t", no_ack=True)
    for number in range(3):
        c.publish("", "q", str(number))
    c.read(3)


def redelivered_after_a_consumer_went(s):
    c = s.connect()
    c.open(2)
    c.declare("q")
    c.consume("q", "t", channel=2)
    c.publish("", "q", "x")
    c.read()
    c.call("channel.close", 2, code=200)
    c.settle("q", 1)
    c.get("q", no_ack=False)
    c.send("basic.reject", delivery_tag=1, requeue=True)
    c.settle("q", 1)
    c.get("q")


def order_of_one_publisher_and_one_consumer(s):
    c = s.connect()
    c.declare("q")
    for number in range(50):
        c.publish("", "q", str(number))
    c.settle("q", 50)
    c.consume("q", no_ack=True)
    c.read(50)


def single_active_consumer(s):
    c = s.connect()
    c.declare("q", arguments={"x-single-active-consumer": True})
    c.consume("q", "t1", no_ack=True)
    c.consume("q", "t2", no_ack=True)
    for number in range(3):
        c.publish("", "q", str(number))
    c.read(3)
    c.call("basic.cancel", consumer_tag="t1")
    c.publish("", "q", "3")
    c.read()


def single_active_consumer_get(s):
    c = s.connect()
    c.declare("q", arguments={"x-single-active-consumer": True})
    c.get("q")


def single_active_consumer_exclusive(s):
    c = s.connect()
    c.declare("q", arguments={"x-single-active-consumer": True})
    c.consume("q", "t", exclusive=True)


def single_active_consumer_keeps_its_credit(s):
    c = s.connect()
    c.declare("q", arguments={"x-single-active-consumer": True})
    c.call("basic.qos", prefetch_count=1)
    c.consume("q", "t1")
    c.consume("q", "t2")
    for number in range(3):
        c.publish("", "q", str(number))
    c.read()
    c.nothing()
    c.ack(1)
    c.read()


def direct_reply(s):
    client = s.connect()
    server = s.connect()
    server.declare("rpc")
    server.consume("rpc", "server", no_ack=True)
    client.consume("amq.rabbitmq.reply-to", "client", no_ack=True)
    client.publish("", "rpc", "question", reply_to="amq.rabbitmq.reply-to", correlation_id="1")
    [(_, _, asked)] = server.read()
    address = asked["properties"]["reply_to"].decode()
    server.count(address)
    server.publish("", address, "answer", correlation_id="1", mandatory=True)
    client.read()
    client.call("basic.cancel", consumer_tag="client")
    server.publish("", address, "too late", mandatory=True)
    server.read()
    server.count(address)


def direct_reply_without_a_consumer(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "x", reply_to="amq.rabbitmq.reply-to")
    c.read()


def direct_reply_with_acknowledgements(s):
    c = s.connect()
    c.consume("amq.rabbitmq.reply-to", "t")


def direct_reply_twice(s):
    c = s.connect()
    c.consume("amq.rabbitmq.reply-to", "t1", no_ack=True)
    c.consume("amq.rabbitmq.reply-to", "t2", no_ack=True)


def direct_reply_declare(s):
    c = s.connect()
    c.count("amq.rabbitmq.reply-to")
    c.declare("amq.rabbitmq.reply-to")


def direct_reply_to_a_made_up_address(s):
    c = s.connect()
    c.publish("", "amq.rabbitmq.reply-to.nonsense", "x", mandatory=True)
    c.read()


def direct_reply_bind(s):
    c = s.connect()
    c.bind("amq.rabbitmq.reply-to", "amq.direct", "k")


def direct_reply_other_reply_to_is_left_alone(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "x", reply_to="my own queue")
    c.settle("q", 1)
    c.get("q")


def publish_an_infinite_header(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "x", headers={"infinite": float("inf")})
    c.nothing(0.1)
