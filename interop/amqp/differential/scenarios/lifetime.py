"""TTL, dead-lettering, length limits, priorities."""

DEAD = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}


def queue_ttl(s):
    c = s.connect()
    c.declare("q", arguments={"x-message-ttl": 100})
    c.publish("", "q", "x")
    c.settle("q", 1)
    s.pause(0.2)
    c.get("q")


def queue_ttl_of_zero(s):
    c = s.connect()
    c.declare("q", arguments={"x-message-ttl": 0})
    c.publish("", "q", "gone at once")
    s.pause(0.05)
    c.get("q")
    c.consume("q", no_ack=True)
    c.publish("", "q", "deliverable at once")
    c.read()


def message_ttl(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "x", expiration="100")
    c.settle("q", 1)
    s.pause(0.2)
    c.get("q")


def message_ttl_of_zero(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "x", expiration="0")
    s.pause(0.05)
    c.get("q")
    c.consume("q", no_ack=True)
    c.publish("", "q", "deliverable at once", expiration="0")
    c.read()


def the_shorter_ttl_counts(s):
    c = s.connect()
    c.declare("q", arguments={"x-message-ttl": 100})
    c.publish("", "q", "x", expiration="60000")
    c.settle("q", 1)
    s.pause(0.2)
    c.get("q")


def message_ttl_behind_a_longer_one(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "long", expiration="60000")
    c.publish("", "q", "short", expiration="50")
    c.settle("q", 2)
    s.pause(0.15)
    c.get("q")
    c.get("q")


def ttl_not_of_what_is_unacknowledged(s):
    c = s.connect()
    c.declare("q", arguments={"x-message-ttl": 80})
    c.publish("", "q", "x")
    c.consume("q")
    c.read()
    s.pause(0.2)
    c.ack(1)
    c.nothing()


def ttl_after_requeue(s):
    c = s.connect()
    c.declare("q", arguments={"x-message-ttl": 100})
    c.publish("", "q", "x")
    c.settle("q", 1)
    c.get("q", no_ack=False)
    s.pause(0.2)
    c.send("basic.reject", delivery_tag=1, requeue=True)
    s.pause(0.1)
    c.get("q")


def _dead(c, count=1):
    c.settle("dead", count)
    for _ in range(count):
        c.get("dead")


def dead_rejected(s):
    c = s.connect()
    c.declare("dead")
    c.declare("q", arguments=DEAD)
    c.publish("", "q", "x", headers={"mine": 1}, content_type="text/plain")
    c.settle("q", 1)
    c.get("q", no_ack=False)
    c.send("basic.reject", delivery_tag=1)
    _dead(c)


def dead_rejected_by_nack_multiple(s):
    c = s.connect()
    c.declare("dead")
    c.declare("q", arguments=DEAD)
    for number in range(3):
        c.publish("", "q", str(number))
    c.settle("q", 3)
    for _ in range(3):
        c.get("q", no_ack=False)
    c.send("basic.nack", delivery_tag=3, multiple=True)
    _dead(c, 3)


def dead_expired_by_the_queue(s):
    c = s.connect()
    c.declare("dead")
    c.declare("q", arguments=DEAD | {"x-message-ttl": 50})
    c.publish("", "q", "x")
    _dead(c)


def dead_expired_by_the_message(s):
    c = s.connect()
    c.declare("dead")
    c.declare("q", arguments=DEAD)
    c.publish("", "q", "x", expiration="50", headers={"a": "b"})
    _dead(c)


def dead_too_long(s):
    c = s.connect()
    c.declare("dead")
    c.declare("q", arguments=DEAD | {"x-max-length": 1})
    c.publish("", "q", "1")
    c.publish("", "q", "2")
    _dead(c)
    c.get("q")


def dead_keeps_the_key(s):
    c = s.connect()
    c.exchange("dlx", "topic")
    c.declare("dead")
    c.bind("dead", "dlx", "#")
    c.declare("q", arguments={"x-dead-letter-exchange": "dlx"})
    c.bind("q", "amq.topic", "a.*")
    c.publish("amq.topic", "a.b", "x")
    c.settle("q", 1)
    c.get("q", no_ack=False)
    c.send("basic.reject", delivery_tag=1)
    _dead(c)


def dead_with_copies(s):
    c = s.connect()
    c.exchange("dlx", "fanout")
    c.declare("dead")
    c.bind("dead", "dlx")
    c.declare("q", arguments={"x-dead-letter-exchange": "dlx"})
    c.publish("", "q", "x", headers={"CC": ["elsewhere", "q2"], "BCC": ["secret"]})
    c.settle("q", 1)
    c.get("q", no_ack=False)
    c.send("basic.reject", delivery_tag=1)
    _dead(c)


def dead_with_copies_and_a_key_of_its_own(s):
    c = s.connect()
    c.declare("dead")
    c.declare("q", arguments=DEAD)
    c.publish("", "q", "x", headers={"CC": ["elsewhere"]})
    c.settle("q", 1)
    c.get("q", no_ack=False)
    c.send("basic.reject", delivery_tag=1)
    _dead(c)


def dead_exchange_is_missing(s):
    c = s.connect()
    c.declare("q", arguments={"x-dead-letter-exchange": "absent"})
    c.publish("", "q", "x")
    c.settle("q", 1)
    c.get("q", no_ack=False)
    c.send("basic.reject", delivery_tag=1)
    s.pause(0.05)
    c.count("q")


def dead_twice_from_the_same_queue(s):
    c = s.connect()
    c.declare("dead")
    c.declare("q", arguments=DEAD)
    headers = {"mine": 1}
    for _ in range(2):
        c.publish("", "q", "x", headers=headers)
        c.settle("q", 1)
        tag = c.get("q", no_ack=False)["delivery_tag"]
        c.send("basic.reject", delivery_tag=tag)
        c.settle("dead", 1)
        headers = c.get("dead")["properties"]["headers"]


def dead_through_two_queues(s):
    c = s.connect()
    c.declare("dead")
    c.declare("q2", arguments=DEAD | {"x-message-ttl": 30})
    c.declare("q1", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "q2"})
    c.publish("", "q1", "x")
    c.settle("q1", 1)
    c.get("q1", no_ack=False)
    c.send("basic.reject", delivery_tag=1)
    _dead(c)


def dead_in_a_circle_of_expiry_is_dropped(s):
    c = s.connect()
    c.declare("q", arguments={"x-dead-letter-exchange": "", "x-message-ttl": 20})
    c.publish("", "q", "x")
    s.pause(0.2)
    c.count("q")


def dead_in_a_circle_with_a_rejection(s):
    c = s.connect()
    c.declare("q", arguments={"x-dead-letter-exchange": ""})
    c.publish("", "q", "x")
    c.settle("q", 1)
    for _ in range(3):
        got = c.get("q", no_ack=False)
        c.send("basic.reject", delivery_tag=got["delivery_tag"])
        c.settle("q", 1)
    c.get("q")


def dead_forth_and_back(s):
    """The usual retry: rejected into a queue that waits, which gives it back."""
    c = s.connect()
    c.declare("wait", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "q", "x-message-ttl": 30})
    c.declare("q", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "wait"})
    c.publish("", "q", "x")
    for _ in range(3):
        c.settle("q", 1)
        got = c.get("q", no_ack=False)
        c.send("basic.reject", delivery_tag=got["delivery_tag"])
    c.settle("q", 1)
    c.get("q")


def dead_and_the_publishers_own_death(s):
    c = s.connect()
    c.declare("dead")
    c.declare("q", arguments=DEAD)
    death = [{"count": ("l", 7), "reason": "rejected", "queue": "elsewhere", "exchange": "x", "routing-keys": ["k"]}]
    c.publish("", "q", "x", headers={"x-death": death})
    c.settle("q", 1)
    c.get("q", no_ack=False)
    c.send("basic.reject", delivery_tag=1)
    _dead(c)


def dead_and_a_death_that_is_none(s):
    c = s.connect()
    c.declare("dead")
    c.declare("q", arguments=DEAD)
    c.publish("", "q", "x", headers={"x-death": "what"})
    c.settle("q", 1)
    c.get("q", no_ack=False)
    c.send("basic.reject", delivery_tag=1)
    _dead(c)


def dead_when_purged_or_deleted_is_not(s):
    c = s.connect()
    c.declare("dead")
    c.declare("q", arguments=DEAD)
    c.publish("", "q", "1")
    c.settle("q", 1)
    c.call("queue.purge", queue="q")
    c.publish("", "q", "2")
    c.settle("q", 1)
    c.call("queue.delete", queue="q")
    s.pause(0.05)
    c.count("dead")


def dead_keeps_all_properties(s):
    c = s.connect()
    c.declare("dead")
    c.declare("q", arguments=DEAD)
    c.publish(
        "", "q", "body", content_type="t", content_encoding="e", headers=[("u8", ("B", 5)), ("twice", 1), ("twice", 2)], delivery_mode=1,
        priority=3, correlation_id="c", reply_to="r", message_id="m", timestamp=12, type="y", user_id="guest", app_id="a", cluster_id="z",
    )  # fmt: skip
    c.settle("q", 1)
    c.get("q", no_ack=False)
    c.send("basic.reject", delivery_tag=1)
    _dead(c)


def length_drops_the_head(s):
    c = s.connect()
    c.declare("q", arguments={"x-max-length": 2})
    for number in range(4):
        c.publish("", "q", str(number))
    c.settle("q", 2)
    s.pause(0.05)
    for _ in range(3):
        c.get("q")


def length_of_zero(s):
    c = s.connect()
    c.declare("q", arguments={"x-max-length": 0})
    c.publish("", "q", "gone")
    s.pause(0.05)
    c.get("q")
    c.consume("q", no_ack=True)
    c.publish("", "q", "deliverable")
    c.read()


def length_counts_ready_only(s):
    c = s.connect()
    c.declare("q", arguments={"x-max-length": 1})
    c.publish("", "q", "1")
    c.settle("q", 1)
    c.get("q", no_ack=False)
    c.publish("", "q", "2")
    c.settle("q", 1)
    c.send("basic.reject", delivery_tag=1, requeue=True)
    s.pause(0.05)
    c.get("q")
    c.get("q")


def length_in_bytes(s):
    c = s.connect()
    c.declare("q", arguments={"x-max-length-bytes": 10})
    for body in ("12345", "67890", "abc"):
        c.publish("", "q", body)
    s.pause(0.05)
    for _ in range(3):
        c.get("q")


def length_in_bytes_of_one_message_too_large(s):
    c = s.connect()
    c.declare("q", arguments={"x-max-length-bytes": 10})
    c.publish("", "q", "12345")
    c.publish("", "q", "much more than ten bytes")
    s.pause(0.05)
    c.get("q")


def priorities(s):
    c = s.connect()
    c.declare("q", arguments={"x-max-priority": 5})
    for priority in (0, 3, None, 5, 1, 9, 3):
        c.publish("", "q", f"priority {priority}", priority=priority)
    c.settle("q", 7)
    for _ in range(7):
        c.get("q")


def priority_is_kept_when_requeued(s):
    c = s.connect()
    c.declare("q", arguments={"x-max-priority": 5})
    c.publish("", "q", "low 1", priority=1)
    c.publish("", "q", "high 1", priority=4)
    c.publish("", "q", "high 2", priority=4)
    c.settle("q", 3)
    c.get("q", no_ack=False)
    c.send("basic.reject", delivery_tag=1, requeue=True)
    c.settle("q", 3)
    for _ in range(3):
        c.get("q")


def priorities_mean_nothing_without_the_argument(s):
    c = s.connect()
    c.declare("q")
    c.publish("", "q", "low", priority=0)
    c.publish("", "q", "high", priority=9)
    c.settle("q", 2)
    c.get("q")
    c.get("q")


def priority_and_length(s):
    c = s.connect()
    c.declare("q", arguments={"x-max-priority": 2, "x-max-length": 2})
    c.publish("", "q", "high", priority=2)
    c.publish("", "q", "low 1", priority=0)
    c.publish("", "q", "low 2", priority=0)
    s.pause(0.05)
    for _ in range(3):
        c.get("q")


def priority_and_ttl(s):
    c = s.connect()
    c.declare("dead")
    c.declare("q", arguments=DEAD | {"x-max-priority": 2})
    c.publish("", "q", "high stays", priority=2)
    c.publish("", "q", "low waits behind it", priority=0, expiration="50")
    s.pause(0.2)
    c.get("dead")
    c.count("q")
