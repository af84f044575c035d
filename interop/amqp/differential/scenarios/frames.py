"""Frames that are wrong, or come in the wrong order."""

from .. import codec

PUBLISH = codec.method("basic.publish", exchange="", routing_key="q")


def _alone(scenario):
    """Declares nothing and mostly waits: may run beside the others."""
    scenario.is_alone = True
    return scenario


@_alone
def bad_end(s):
    c = s.connect()
    c.frame(codec.METHOD, 1, codec.method("basic.qos"), end=0xCD, note="basic.qos with the end 0xcd")
    c.read()


@_alone
def too_large(s):
    c = s.connect(tune={"frame_max": 4096})
    c.frame(codec.METHOD, 1, PUBLISH, note="basic.publish")
    c.frame(codec.HEADER, 1, codec.header(10000, {}), note="header of 10000 bytes")
    c.frame(codec.BODY, 1, bytes(4097), note="body of 4097 bytes")
    c.read()


def a_little_too_large(s):
    c = s.connect(tune={"frame_max": 4096})
    c.declare("q")
    c.frame(codec.METHOD, 1, PUBLISH, note="basic.publish")
    c.frame(codec.HEADER, 1, codec.header(4096, {}), note="header of 4096 bytes")
    c.frame(codec.BODY, 1, bytes(4096), note="body of 4096 bytes, a frame of 4104")
    c.settle("q", 1)
    c.get("q")


def unknown_type(s):
    c = s.connect()
    c.frame(7, 1, b"x", note="frame of type 7")
    c.read()


def type_of_trace(s):
    c = s.connect()
    c.frame(4, 0, b"", note="frame of type 4")
    c.read()


def unknown_type_on_the_connection(s):
    c = s.connect()
    c.frame(9, 0, b"", note="frame of type 9")
    c.read()


def heartbeat_on_a_channel(s):
    c = s.connect()
    c.frame(codec.HEARTBEAT, 1, b"", note="heartbeat on channel 1")
    c.read()


def heartbeat_with_content(s):
    c = s.connect()
    c.frame(codec.HEARTBEAT, 0, b"xyz", note="heartbeat with 3 bytes")
    c.nothing()


def heartbeat_in_the_midst_of_a_message(s):
    c = s.connect()
    c.declare("q")
    c.frame(codec.METHOD, 1, PUBLISH, note="basic.publish")
    c.frame(codec.HEARTBEAT, 0, b"", note="heartbeat")
    c.frame(codec.HEADER, 1, codec.header(3, {}), note="header of 3 bytes")
    c.frame(codec.HEARTBEAT, 0, b"", note="heartbeat")
    c.frame(codec.BODY, 1, b"abc", note="body")
    c.settle("q", 1)
    c.get("q")


def header_on_the_connection(s):
    c = s.connect()
    c.frame(codec.HEADER, 0, codec.header(0, {}), note="header on channel 0")
    c.read()


def body_on_the_connection(s):
    c = s.connect()
    c.frame(codec.BODY, 0, b"abc", note="body on channel 0")
    c.read()


def header_before_method(s):
    c = s.connect()
    c.frame(codec.HEADER, 1, codec.header(0, {}), note="header")
    c.read()


def body_before_method(s):
    c = s.connect()
    c.frame(codec.BODY, 1, b"abc", note="body")
    c.read()


def body_before_header(s):
    c = s.connect()
    c.frame(codec.METHOD, 1, PUBLISH, note="basic.publish")
    c.frame(codec.BODY, 1, b"abc", note="body")
    c.read()


def method_instead_of_header(s):
    c = s.connect()
    c.frame(codec.METHOD, 1, PUBLISH, note="basic.publish")
    c.send("basic.qos")
    c.read()


def method_instead_of_body(s):
    c = s.connect()
    c.frame(codec.METHOD, 1, PUBLISH, note="basic.publish")
    c.frame(codec.HEADER, 1, codec.header(5, {}), note="header of 5 bytes")
    c.send("basic.qos")
    c.read()


def header_instead_of_body(s):
    c = s.connect()
    c.frame(codec.METHOD, 1, PUBLISH, note="basic.publish")
    c.frame(codec.HEADER, 1, codec.header(5, {}), note="header of 5 bytes")
    c.frame(codec.HEADER, 1, codec.header(5, {}), note="header of 5 bytes")
    c.read()


def header_of_another_class(s):
    c = s.connect()
    c.frame(codec.METHOD, 1, PUBLISH, note="basic.publish")
    c.frame(codec.HEADER, 1, codec.header(0, {}, class_id=50), note="header of class 50")
    c.read()


def more_body_than_announced(s):
    c = s.connect()
    c.frame(codec.METHOD, 1, PUBLISH, note="basic.publish")
    c.frame(codec.HEADER, 1, codec.header(2, {}), note="header of 2 bytes")
    c.frame(codec.BODY, 1, b"abc", note="body of 3 bytes")
    c.nothing(0.2)


def body_after_an_empty_one(s):
    c = s.connect()
    c.frame(codec.METHOD, 1, PUBLISH, note="basic.publish")
    c.frame(codec.HEADER, 1, codec.header(0, {}), note="header of 0 bytes")
    c.frame(codec.BODY, 1, b"abc", note="body of 3 bytes")
    c.read()


def empty_body_frames(s):
    c = s.connect()
    c.declare("q")
    c.frame(codec.METHOD, 1, PUBLISH, note="basic.publish")
    c.frame(codec.HEADER, 1, codec.header(4, {}), note="header of 4 bytes")
    for part in (b"", b"ab", b"", b"c", b"d"):
        c.frame(codec.BODY, 1, part, note=f"body of {len(part)} bytes")
    c.settle("q", 1)
    c.get("q")


def a_channel_that_is_not_open(s):
    c = s.connect()
    c.frame(codec.BODY, 9, b"abc", note="body on channel 9")
    c.read()


def method_of_two_bytes(s):
    c = s.connect()
    c.frame(codec.METHOD, 1, b"\x00\x3c", note="method of 2 bytes")
    c.read()


def method_that_ends_too_early(s):
    c = s.connect()
    c.frame(codec.METHOD, 1, codec.method("queue.declare", queue="q")[:8], note="queue.declare, cut off")
    c.read()


def method_that_goes_on(s):
    c = s.connect()
    c.frame(codec.METHOD, 1, codec.method("basic.qos") + b"more", note="basic.qos and 4 bytes")
    c.read()


def method_on_the_connection_that_ends_too_early(s):
    c = s.connect()
    c.frame(codec.METHOD, 0, codec.method("connection.close")[:6], note="connection.close, cut off")
    c.read()


def table_with_an_unknown_tag(s):
    c = s.connect()
    payload = codec.method("queue.declare", queue="q", arguments=[("a", ("Z", b"\x00\x00"))])
    c.frame(codec.METHOD, 1, payload, note="queue.declare with a field of type Z")
    c.read()


def table_that_ends_too_early(s):
    c = s.connect()
    payload = codec.method("queue.declare", queue="q")[:-4] + b"\x00\x00\x00\x09\x01a"
    c.frame(codec.METHOD, 1, payload, note="queue.declare with a table cut off")
    c.read()


def header_that_ends_too_early(s):
    c = s.connect()
    c.declare("q")
    c.frame(codec.METHOD, 1, PUBLISH, note="basic.publish")
    c.frame(codec.HEADER, 1, codec.header(0, {"content_type": "text/plain"})[:-4], note="header, cut off")
    c.nothing(0.3)


def header_of_ten_bytes(s):
    c = s.connect()
    c.frame(codec.METHOD, 1, PUBLISH, note="basic.publish")
    c.frame(codec.HEADER, 1, codec.header(0, {})[:10], note="header of 10 bytes")
    c.read()


def names_that_are_not_utf8(s):
    c = s.connect()
    c.send("queue.declare", queue=b"\xff\xfe")
    c.read()


def byte_by_byte(s):
    c = s.connect()
    c.declare("q")
    data = codec.frame(codec.METHOD, 1, PUBLISH)
    data += codec.frame(codec.HEADER, 1, codec.header(3, {"content_type": "t"})) + codec.frame(codec.BODY, 1, b"abc")
    for byte in data:
        c.write(bytes([byte]))
    c.settle("q", 1)
    c.get("q")


@_alone
def closing_is_heard_through_a_flood(s):
    """What a client still sends after its mistake does not keep it from hearing what the mistake was."""
    c = s.connect()
    c.frame(codec.METHOD, 1, codec.method("basic.qos"), end=0xCD, note="basic.qos with the end 0xcd")
    flood = codec.frame(codec.METHOD, 1, codec.method("basic.qos"))
    c.write(flood * 2000)
    c.read()


def channel_error_is_heard_through_a_flood(s):
    c = s.connect()
    c.send("basic.ack", delivery_tag=99)
    c.write(codec.frame(codec.METHOD, 1, codec.method("basic.qos")) * 2000)
    c.read()


def connection_close_crosses_ours(s):
    c = s.connect()
    c.declare("q")
    c.send("basic.publish", exchange="", routing_key="q", immediate=True)
    c.frame(codec.HEADER, 1, codec.header(0, {}), note="header of 0 bytes")
    c.send("connection.close", 0, code=200)
    # Whether ours is answered too is a matter of who was first.
    names = {name for _, name, _ in c.read(3, note=False)}
    s.note(f"theirs came: {'connection.close' in names}, ended: {c.is_over}")
