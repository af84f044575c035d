"""exchange.*: declaring, binding, deleting, and how each type routes."""


def declare_every_type(s):
    c = s.connect()
    for kind in ("direct", "fanout", "topic", "headers"):
        c.exchange(f"x-{kind}", kind)


def predeclared(s):
    c = s.connect()
    for name, kind in (
        ("amq.direct", "direct"),
        ("amq.fanout", "fanout"),
        ("amq.topic", "topic"),
        ("amq.headers", "headers"),
        ("amq.match", "headers"),
        ("amq.rabbitmq.trace", "topic"),
    ):
        c.exchange(name, kind, passive=True)


def redeclare_predeclared(s):
    c = s.connect()
    c.exchange("amq.direct", "direct", durable=True)
    c.exchange("amq.direct", "direct")


def unknown_type(s):
    c = s.connect()
    c.exchange("x", "zz")


def known_word_as_type(s):
    c = s.connect()
    c.exchange("x", "queue")


def empty_type(s):
    c = s.connect()
    c.exchange("x", "")


def reserved_prefix(s):
    c = s.connect()
    c.exchange("amq.mine", "direct")


def passive_missing(s):
    c = s.connect()
    c.exchange("absent", "direct", passive=True)


def passive_reserved_missing(s):
    c = s.connect()
    c.exchange("amq.absent", "direct", passive=True)


def passive_ignores_everything_else(s):
    c = s.connect()
    c.exchange("x", "fanout")
    c.exchange("x", "topic", passive=True, durable=True, auto_delete=True, internal=True, arguments={"alternate-exchange": "a"})


def passive_with_an_unknown_type(s):
    c = s.connect()
    c.exchange("x", "fanout")
    c.exchange("x", "zz", passive=True)


def default_exchange_declare(s):
    c = s.connect()
    c.exchange("", "direct", durable=True)


def default_exchange_passive(s):
    c = s.connect()
    c.exchange("", "direct", passive=True)


def default_exchange_delete(s):
    c = s.connect()
    c.call("exchange.delete", exchange="")


def default_exchange_bind(s):
    c = s.connect()
    c.call("exchange.bind", destination="amq.direct", source="", routing_key="k")


def default_exchange_bind_as_destination(s):
    c = s.connect()
    c.call("exchange.bind", destination="", source="amq.direct", routing_key="k")


def default_exchange_unbind(s):
    c = s.connect()
    c.call("exchange.unbind", destination="amq.direct", source="", routing_key="k")


def redeclare_with_other_type(s):
    c = s.connect()
    c.exchange("x", "direct")
    c.exchange("x", "fanout")


def redeclare_with_other_durable(s):
    c = s.connect()
    c.exchange("x", "direct")
    c.exchange("x", "direct", durable=True)


def redeclare_with_other_auto_delete(s):
    c = s.connect()
    c.exchange("x", "direct", auto_delete=True)
    c.exchange("x", "direct")


def redeclare_with_other_internal(s):
    c = s.connect()
    c.exchange("x", "direct")
    c.exchange("x", "direct", internal=True)


def redeclare_with_other_alternate(s):
    c = s.connect()
    c.exchange("x", "direct", arguments={"alternate-exchange": "a"})
    c.exchange("x", "direct", arguments={"alternate-exchange": "b"})


def redeclare_without_alternate(s):
    c = s.connect()
    c.exchange("x", "direct", arguments={"alternate-exchange": "a"})
    c.exchange("x", "direct")


def redeclare_ignores_unknown_arguments(s):
    c = s.connect()
    c.exchange("x", "direct", arguments={"nonsense": 1})
    c.exchange("x", "direct", arguments={"nonsense": 2, "x-more": []})
    c.exchange("x", "direct")


def alternate_that_is_no_name(s):
    c = s.connect()
    c.exchange("x", "direct", arguments={"alternate-exchange": 5})


def line_breaks_are_taken_out_of_names(s):
    c = s.connect()
    c.exchange("x\r\nx", "direct")
    c.exchange("xx", "direct", passive=True)
    c.call("exchange.delete", exchange="xx")


def delete_missing(s):
    c = s.connect()
    c.call("exchange.delete", exchange="absent")


def delete_predeclared(s):
    c = s.connect()
    c.call("exchange.delete", exchange="amq.direct")


def delete_reserved_missing(s):
    c = s.connect()
    c.call("exchange.delete", exchange="amq.absent")


def delete_if_unused_in_use(s):
    c = s.connect()
    c.exchange("x", "direct")
    c.declare("q")
    c.bind("q", "x", "k")
    c.call("exchange.delete", exchange="x", if_unused=True)


def delete_if_unused(s):
    c = s.connect()
    c.exchange("x", "direct")
    c.call("exchange.delete", exchange="x", if_unused=True)
    c.exchange("x", "direct", passive=True)


def delete_if_unused_as_destination_only(s):
    c = s.connect()
    c.exchange("x", "direct")
    c.call("exchange.bind", destination="x", source="amq.direct", routing_key="k")
    c.call("exchange.delete", exchange="x", if_unused=True)


def delete_takes_its_bindings(s):
    c = s.connect()
    c.exchange("x", "direct")
    c.declare("q")
    c.bind("q", "x", "k")
    c.call("exchange.delete", exchange="x")
    c.exchange("x", "direct")
    c.publish("x", "k", "lost", mandatory=True)
    c.read()


def nowait(s):
    c = s.connect()
    c.send("exchange.declare", exchange="x", type="fanout", nowait=True)
    c.send("exchange.bind", destination="x", source="amq.direct", routing_key="k", nowait=True)
    c.exchange("x", "fanout", passive=True)
    c.send("exchange.unbind", destination="x", source="amq.direct", routing_key="k", nowait=True)
    c.send("exchange.delete", exchange="x", nowait=True)
    c.exchange("x", "fanout", passive=True)


def nowait_with_an_error(s):
    c = s.connect()
    c.send("exchange.declare", exchange="absent", type="direct", passive=True, nowait=True)
    c.read()
    c.open(1)
    c.send("exchange.delete", exchange="amq.topic", nowait=True)
    c.read()


def auto_delete_after_the_last_queue(s):
    c = s.connect()
    c.exchange("x", "direct", auto_delete=True)
    c.exchange("x", "direct", passive=True)
    c.declare("q")
    c.bind("q", "x", "1")
    c.bind("q", "x", "2")
    c.call("queue.unbind", queue="q", exchange="x", routing_key="1")
    c.exchange("x", "direct", passive=True)
    c.call("queue.unbind", queue="q", exchange="x", routing_key="2")
    c.exchange("x", "direct", passive=True)


def auto_delete_when_its_queue_is_deleted(s):
    c = s.connect()
    c.exchange("x", "direct", auto_delete=True)
    c.declare("q")
    c.bind("q", "x", "1")
    c.call("queue.delete", queue="q")
    c.exchange("x", "direct", passive=True)


def auto_delete_after_the_last_exchange(s):
    c = s.connect()
    c.exchange("source", "direct", auto_delete=True)
    c.exchange("destination", "direct", auto_delete=True)
    c.call("exchange.bind", destination="destination", source="source", routing_key="k")
    c.call("exchange.unbind", destination="destination", source="source", routing_key="k")
    c.exchange("destination", "direct", passive=True)
    c.exchange("source", "direct", passive=True)


def internal(s):
    c = s.connect()
    c.exchange("inner", "fanout", internal=True)
    c.declare("q")
    c.bind("q", "inner")
    c.call("exchange.bind", destination="inner", source="amq.fanout", routing_key="")
    c.publish("amq.fanout", "", "through another one")
    c.settle("q", 1)
    c.get("q")
    c.publish("inner", "", "directly")
    c.read()


def publish_to_the_trace_exchange(s):
    c = s.connect()
    c.publish("amq.rabbitmq.trace", "k", "x")
    c.read()


def bind_missing_source(s):
    c = s.connect()
    c.call("exchange.bind", destination="amq.direct", source="absent", routing_key="k")


def bind_missing_destination(s):
    c = s.connect()
    c.call("exchange.bind", destination="absent", source="amq.direct", routing_key="k")


def bind_missing_both(s):
    c = s.connect()
    c.call("exchange.bind", destination="absent", source="absent-too", routing_key="k")


def unbind_absent(s):
    c = s.connect()
    c.call("exchange.unbind", destination="amq.direct", source="amq.fanout", routing_key="never bound")


def exchanges_in_a_circle(s):
    c = s.connect()
    c.exchange("x1", "fanout")
    c.exchange("x2", "fanout")
    c.declare("q")
    c.call("exchange.bind", destination="x2", source="x1", routing_key="")
    c.call("exchange.bind", destination="x1", source="x2", routing_key="")
    c.call("exchange.bind", destination="x1", source="x1", routing_key="")
    c.bind("q", "x1")
    c.bind("q", "x2")
    c.publish("x1", "", "once")
    c.settle("q", 1)
    c.get("q")


def exchange_to_exchange_keeps_the_key(s):
    c = s.connect()
    c.exchange("first", "direct")
    c.exchange("second", "topic")
    c.declare("q")
    c.call("exchange.bind", destination="second", source="first", routing_key="a.b")
    c.bind("q", "second", "a.*")
    c.publish("first", "a.b", "both match")
    c.settle("q", 1)
    c.get("q")
    c.publish("first", "a.c", "the first does not", mandatory=True)
    c.read()


def one_message_a_queue_though_two_bindings_match(s):
    c = s.connect()
    c.declare("q")
    c.bind("q", "amq.topic", "a.*")
    c.bind("q", "amq.topic", "#")
    c.bind("q", "amq.topic", "a.b")
    c.publish("amq.topic", "a.b", "once")
    c.settle("q", 1)
    c.get("q")


def _routed(s, kind, bindings, keys, headers=None):
    """Which keys reach which queues: each queue is asked what it got."""
    c = s.connect()
    c.exchange("x", kind)
    for number, binding in enumerate(bindings):
        queue = f"q{number}"
        c.declare(queue)
        if isinstance(binding, dict):
            c.bind(queue, "x", "", arguments=binding)
        else:
            c.bind(queue, "x", binding)
    c.confirm()
    for number, key in enumerate(keys):
        if isinstance(key, dict):
            c.publish("x", "", str(number), headers=key, mandatory=True)
        else:
            c.publish("x", key, key, mandatory=True)
        # The return, if there is one, comes before the confirm.
        while (items := c.read()) and items[0][1] == "basic.return":
            pass
    for number in range(len(bindings)):
        while (answer := c.get(f"q{number}")) and "body" in answer:
            pass


def direct_routes_by_the_whole_key(s):
    _routed(s, "direct", ["a", "a.b", "", "A", "*"], ["a", "a.b", "", "b", "*", "#"])


def fanout_routes_to_all(s):
    _routed(s, "fanout", ["a", "", "b"], ["a", "", "zzz"])


def topic_words(s):
    _routed(s, "topic", ["a.b", "a.*", "*.b", "*", "*.*"], ["a.b", "a", "a.", ".b", "", ".", "a.b.c", "*", "a.*"])


def topic_hashes(s):
    _routed(s, "topic", ["#", "a.#", "#.b", "a.#.b", "#.#", "a.#.#"], ["", "a", "b", "a.b", "a.x.b", "a..b", "a.x.y.b", "x.a.b", "."])


def topic_mixed(s):
    _routed(s, "topic", ["*.#", "#.*", "*.#.*", "a.*.#.c", ""], ["", "a", "a.b", "a.b.c", "a.c", "a.x.y.c", "a..c", "#"])


def topic_that_only_looks_like_a_pattern(s):
    _routed(s, "topic", ["a*", "#a", "**", "a.##"], ["a*", "ab", "#a", "xa", "**", "a.##", "a.b"])


def headers_all(s):
    _routed(
        s,
        "headers",
        [{"a": 1, "b": "x"}, {"x-match": "all", "a": 1}, {"x-match": "all"}, {}],
        [{"a": 1, "b": "x"}, {"a": 1}, {"a": 2}, {"b": "x"}, {}, {"a": 1, "b": "x", "c": True}],
    )


def headers_any(s):
    _routed(
        s,
        "headers",
        [{"x-match": "any", "a": 1, "b": "x"}, {"x-match": "any"}, {"x-match": "any", "a": None}],
        [{"a": 1}, {"b": "x"}, {"a": 2, "b": "y"}, {}, {"a": 1, "b": "y"}],
    )


def headers_skip_names_that_begin_with_x(s):
    _routed(
        s,
        "headers",
        [{"x-match": "all", "x-a": 1}, {"x-match": "any", "x-a": 1}, {"x-match": "all", "x-a": 1, "b": 2}],
        [{"x-a": 1}, {"x-a": 2}, {"b": 2}, {}],
    )


def headers_with_x(s):
    _routed(
        s,
        "headers",
        [{"x-match": "all-with-x", "x-a": 1, "b": 2}, {"x-match": "any-with-x", "x-a": 1, "b": 2}],
        [{"x-a": 1}, {"x-a": 1, "b": 2}, {"b": 2}, {}],
    )


def headers_void_is_presence(s):
    _routed(s, "headers", [{"x-match": "all", "a": None}], [{"a": 1}, {"a": "text"}, {"a": None}, {}, {"b": 1}])


def headers_integers_of_all_widths(s):
    _routed(s, "headers", [{"a": ("I", 5)}], [{"a": (tag, 5)} for tag in "bBsuiIlLT"] + [{"a": 5.0}, {"a": "5"}, {"a": ("f", 5.0)}])


def headers_values_of_every_type(s):
    values = [
        True, False, ("b", -1), ("B", 200), ("s", -300), ("u", 60000), ("I", -70000), ("i", 3000000000), ("l", -(2**40)), ("L", 2**40),
        ("f", 1.5), ("d", 1.5), ("D", (2, 150)), "text", "", ("x", b"\x00\xff"), ("T", 12), None, [1, "a"], [], {"in": 1}, {},
    ]  # fmt: skip
    _routed(s, "headers", [{"x-match": "all", "v": value} for value in values], [{"v": value} for value in values])


def headers_text_and_bytes(s):
    _routed(s, "headers", [{"v": "abc"}, {"v": ("x", b"abc")}], [{"v": "abc"}, {"v": ("x", b"abc")}])


def headers_without_headers(s):
    c = s.connect()
    c.declare("q")
    c.bind("q", "amq.headers", arguments={"a": 1})
    c.publish("amq.headers", "", "no headers at all", mandatory=True)
    c.read()


def headers_invalid_match(s):
    c = s.connect()
    c.declare("q")
    c.bind("q", "amq.headers", arguments={"x-match": "some", "a": 1})


def headers_match_of_another_type(s):
    c = s.connect()
    c.declare("q")
    c.bind("q", "amq.headers", arguments={"x-match": 1, "a": 1})


def alternate_exchange(s):
    c = s.connect()
    c.exchange("other", "fanout")
    c.exchange("x", "direct", arguments={"alternate-exchange": "other"})
    c.declare("q1")
    c.declare("q2")
    c.bind("q1", "x", "k")
    c.bind("q2", "other")
    c.publish("x", "k", "routed", mandatory=True)
    c.publish("x", "other key", "to the alternate", mandatory=True)
    c.settle("q2", 1)
    c.get("q1")
    c.get("q1")
    c.get("q2")
    c.get("q2")


def alternate_exchange_that_is_missing(s):
    c = s.connect()
    c.exchange("x", "direct", arguments={"alternate-exchange": "absent"})
    c.confirm()
    c.publish("x", "k", "returned", mandatory=True)
    c.read(2)
    c.publish("x", "k", "dropped")
    c.read()


def alternate_exchanges_in_a_circle(s):
    c = s.connect()
    c.exchange("x1", "direct", arguments={"alternate-exchange": "x2"})
    c.exchange("x2", "direct", arguments={"alternate-exchange": "x1"})
    c.confirm()
    c.publish("x1", "k", "round and round", mandatory=True)
    c.read(2)


def alternate_exchange_chain(s):
    c = s.connect()
    c.exchange("x3", "fanout")
    c.exchange("x2", "direct", arguments={"alternate-exchange": "x3"})
    c.exchange("x1", "direct", arguments={"alternate-exchange": "x2"})
    c.declare("q")
    c.bind("q", "x3")
    c.publish("x1", "k", "found its way", mandatory=True)
    c.settle("q", 1)
    c.get("q")


def alternate_exchange_behind_a_bound_exchange_with_no_queue(s):
    c = s.connect()
    c.exchange("other", "fanout")
    c.exchange("x", "direct", arguments={"alternate-exchange": "other"})
    c.exchange("dead end", "fanout")
    c.call("exchange.bind", destination="dead end", source="x", routing_key="k")
    c.declare("q")
    c.bind("q", "other")
    c.confirm()
    c.publish("x", "k", "matched an exchange, but no queue", mandatory=True)
    c.read()
    c.get("q")


def consistent_hash_needs_a_number(s):
    c = s.connect()
    c.exchange("x", "x-consistent-hash")
    c.declare("q")
    c.bind("q", "x", "not a number")


def consistent_hash_weight_of_zero(s):
    c = s.connect()
    c.exchange("x", "x-consistent-hash")
    c.declare("q")
    c.bind("q", "x", "0")


def consistent_hash_over_two_things(s):
    c = s.connect()
    c.exchange("x", "x-consistent-hash", arguments={"hash-header": "h", "hash-property": "message_id"})


def consistent_hash_over_an_unknown_property(s):
    c = s.connect()
    c.exchange("x", "x-consistent-hash", arguments={"hash-property": "nonsense"})


def consistent_hash_routes_each_message_to_one_queue(s):
    c = s.connect()
    c.exchange("x", "x-consistent-hash")
    c.declare("q")
    c.bind("q", "x", "1")
    for number in range(5):
        c.publish("x", f"key {number}", str(number), mandatory=True)
    c.settle("q", 5)
    c.count("q")
