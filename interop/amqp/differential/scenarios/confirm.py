"""confirm.* and tx.*."""


def select_twice(s):
    c = s.connect()
    c.confirm()
    c.confirm()


def select_nowait(s):
    c = s.connect()
    c.declare("q")
    c.send("confirm.select", nowait=True)
    c.publish("", "q", "x")
    c.read()


def _read_confirms(c, last):
    """Until the last is confirmed; acks may come together or one by one, so only what is confirmed in the end is said."""
    confirmed, noted = {}, []
    while len(confirmed) < last:
        items = c.read(note=False)
        if not items:
            break
        _, name, values = items[0]
        if name not in ("basic.ack", "basic.nack"):
            noted += c._last
            continue
        first = min(set(range(1, last + 1)) - set(confirmed), default=last) if values["multiple"] else values["delivery_tag"]
        for tag in range(first, values["delivery_tag"] + 1):
            confirmed.setdefault(tag, name)
    for line in noted:
        c._note(line)
    c._note(f"confirmed: {' '.join(f'{tag}:{confirmed[tag][6:]}' for tag in sorted(confirmed))}")


def numbers_begin_with_one(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "before")
    c.confirm()
    for number in range(5):
        c.publish("", "q", str(number))
    _read_confirms(c, 5)
    c.count("q")


def numbers_are_of_the_channel(s):
    c = s.connect()
    c.open(2)
    c.declare("q")
    c.confirm()
    c.confirm(2)
    c.publish("", "q", "a")
    c.read()
    c.publish("", "q", "b", channel=2)
    c.read()


def persistent(s):
    c = s.connect()
    c.declare("q", durable=True)
    c.confirm()
    for number in range(5):
        c.publish("", "q", str(number), delivery_mode=2)
    _read_confirms(c, 5)


def unroutable_is_acknowledged(s):
    c = s.connect()
    c.confirm()
    c.publish("amq.direct", "nowhere", "x")
    c.read()


def returns_come_before_acknowledgements(s):
    c = s.connect()
    c.declare("q")
    c.confirm()
    c.publish("amq.direct", "nowhere", "returned", mandatory=True)
    c.read(2)
    c.publish("", "q", "routed", mandatory=True)
    c.read()
    c.publish("", "no queue", "returned", mandatory=True)
    c.read(2)


def to_several_queues(s):
    c = s.connect()
    for queue in ("q1", "q2"):
        c.declare(queue, durable=True)
        c.bind(queue, "amq.fanout")
    c.confirm()
    c.publish("amq.fanout", "", "x", delivery_mode=2)
    c.read()


def missing_exchange_is_not_confirmed(s):
    c = s.connect()
    c.confirm()
    c.publish("absent", "k", "x")
    c.read()


def full_queue_refuses(s):
    c = s.connect()
    c.declare("q", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    c.confirm()
    c.publish("", "q", "fits")
    c.read()
    c.publish("", "q", "does not")
    c.read()
    c.get("q")
    c.publish("", "q", "fits again")
    c.read()


def full_queue_beside_another(s):
    c = s.connect()
    c.declare("q1", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    c.declare("q2")
    c.bind("q1", "amq.fanout")
    c.bind("q2", "amq.fanout")
    c.confirm()
    c.publish("amq.fanout", "", "1")
    c.read()
    c.publish("amq.fanout", "", "2")
    c.read()
    c.count("q1")
    c.count("q2")


def full_queue_refuses_silently_without_confirms(s):
    c = s.connect()
    c.declare("q", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    c.publish("", "q", "1")
    c.publish("", "q", "2")
    c.settle("q", 1)
    s.pause(0.05)
    c.get("q")
    c.get("q")


def full_queue_refuses_and_dead_letters(s):
    c = s.connect()
    c.declare("dead")
    c.declare(
        "q",
        arguments={
            "x-max-length": 1, "x-overflow": "reject-publish-dlx", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead",
        },
    )  # fmt: skip
    c.confirm()
    c.publish("", "q", "1")
    c.read()
    c.publish("", "q", "2")
    c.read()
    c.settle("dead", 1)
    c.get("dead")


def select_after_tx(s):
    c = s.connect()
    c.call("tx.select")
    c.confirm()


def tx_select_after_confirm(s):
    c = s.connect()
    c.confirm()
    c.call("tx.select")


def tx_select_twice(s):
    c = s.connect()
    c.call("tx.select")
    c.call("tx.select")


def tx_commit_without_select(s):
    c = s.connect()
    c.call("tx.commit")


def tx_rollback_without_select(s):
    c = s.connect()
    c.call("tx.rollback")


def tx_commit_publishes(s):
    c = s.connect()
    c.declare("q")
    c.call("tx.select")
    c.publish("", "q", "1")
    c.publish("", "q", "2")
    s.pause(0.05)
    c.count("q")
    c.call("tx.commit")
    c.count("q")
    c.get("q")


def tx_rollback_forgets(s):
    c = s.connect()
    c.declare("q")
    c.call("tx.select")
    c.publish("", "q", "1")
    c.call("tx.rollback")
    c.publish("", "q", "2")
    c.call("tx.commit")
    c.count("q")
    c.get("q")


def tx_acknowledgements(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "1")
    c.publish("", "q", "2")
    c.settle("q", 2)
    c.call("tx.select")
    c.get("q", no_ack=False)
    c.get("q", no_ack=False)
    c.ack(1)
    c.call("tx.rollback")
    c.ack(1)
    c.call("tx.commit")
    c.call("basic.recover", requeue=True)
    c.settle("q", 1)
    c.get("q")


def tx_unknown_delivery_tag(s):
    c = s.connect()
    c.call("tx.select")
    c.ack(9)
    c.read()


def tx_rejections(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "1")
    c.settle("q", 1)
    c.call("tx.select")
    c.get("q", no_ack=False)
    c.send("basic.nack", delivery_tag=1, requeue=True)
    s.pause(0.05)
    c.count("q")
    c.call("tx.commit")
    c.settle("q", 1)
    c.get("q")


def tx_returns_come_with_the_commit(s):
    c = s.connect()
    c.call("tx.select")
    c.publish("amq.direct", "nowhere", "x", mandatory=True)
    c.nothing()
    c.send("tx.commit")
    c.read(2)


def tx_missing_exchange(s):
    c = s.connect()
    c.call("tx.select")
    c.publish("absent", "k", "x")
    c.read()


def tx_closing_the_channel_forgets(s):
    c = s.connect()
    c.declare("q")
    c.open(2)
    c.call("tx.select", 2)
    c.publish("", "q", "1", channel=2)
    c.call("channel.close", 2, code=200)
    s.pause(0.05)
    c.count("q")


def tx_twice_the_same_acknowledgement(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "1")
    c.settle("q", 1)
    c.call("tx.select")
    c.get("q", no_ack=False)
    c.ack(1)
    c.ack(1)
    c.read()
