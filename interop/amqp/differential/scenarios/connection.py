"""connection.* and channel.*: the handshake, closing, limits."""

import threading
import time

from .. import codec


def _alone(scenario):
    """Declares nothing and mostly waits: may run beside the others."""
    scenario.is_alone = True
    return scenario


@_alone
def start(s):
    c = s.raw()
    c.write(b"AMQP\x00\x00\x09\x01")
    [(_, _, values)] = c.read(note=False)
    properties = dict(values["server_properties"])
    s.note(f"version {values['version_major']}.{values['version_minor']}, locales {values['locales'].decode()}")
    s.note(f"PLAIN and AMQPLAIN: {sorted({'PLAIN', 'AMQPLAIN'} & set(values['mechanisms'].decode().split()))}")
    s.note(f"properties: {' '.join(sorted(f'{name}:{content[0]}' for name, content in properties.items()))}")
    for name, content in sorted(properties["capabilities"][1]):
        s.note(f"capability {name} {content[0]}:{content[1]}")


@_alone
def tune(s):
    c = s.raw()
    c.write(b"AMQP\x00\x00\x09\x01")
    c.read(note=False)
    c.send("connection.start-ok", 0, mechanism="PLAIN", response="\0guest\0guest", locale="en_US")
    c.read()


@_alone
def protocol_header_with_a_protocol_of_1(s):
    c = s.raw()
    c.write(b"AMQP\x01\x01\x09\x01", "AMQP 1 1 9 1")
    items = c.read(note=False)
    s.note(f"a< {items[0][1] if items else '(end)'}")


@_alone
def protocol_header_of_0_9(s):
    c = s.raw()
    c.write(b"AMQP\x01\x01\x00\x09", "AMQP 1 1 0 9")
    items = c.read(note=False)
    s.note(f"a< {items[0][1] if items else '(end)'}")


@_alone
def protocol_header_of_0_8(s):
    c = s.raw()
    c.write(b"AMQP\x01\x01\x08\x00", "AMQP 1 1 8 0")
    items = c.read(note=False)
    s.note(f"a< {items[0][1] if items else '(end)'}")


@_alone
def protocol_header_with_another_revision(s):
    c = s.raw()
    c.write(b"AMQP\x00\x00\x09\x02", "AMQP 0 0 9 2")
    c.read(2)


@_alone
def protocol_header_of_something_else(s):
    c = s.raw()
    c.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", "GET / HTTP/1.1")
    c.read(2)


@_alone
def login_refused(s):
    s.connect(password="wrong")


@_alone
def login_refused_without_the_capability(s):
    s.connect(password="wrong", capabilities=[])


@_alone
def login_of_an_unknown_user(s):
    s.connect(user="nobody")


def login_with_amqplain(s):
    table = codec.table([("LOGIN", ("S", b"guest")), ("PASSWORD", ("S", b"guest"))])[4:]
    c = s.connect(mechanism="AMQPLAIN", response=table)
    c.count("absent")


@_alone
def login_with_amqplain_refused(s):
    table = codec.table([("LOGIN", ("S", b"guest")), ("PASSWORD", ("S", b"wrong"))])[4:]
    s.connect(mechanism="AMQPLAIN", response=table)


@_alone
def login_with_amqplain_and_no_password(s):
    s.connect(mechanism="AMQPLAIN", response=codec.table([("LOGIN", ("S", b"guest"))])[4:])


@_alone
def login_with_an_unknown_mechanism(s):
    s.connect(mechanism="NONSENSE", response=b"x")


@_alone
def login_with_a_malformed_response(s):
    s.connect(response=b"no zeros at all")


@_alone
def open_an_unknown_virtual_host(s):
    s.connect(vhost="absent")


@_alone
def open_an_empty_virtual_host(s):
    s.connect(vhost="")


@_alone
def tune_frame_max_of_zero(s):
    s.connect(tune={"frame_max": 0})


@_alone
def tune_frame_max_too_high(s):
    s.connect(tune={"frame_max": 131073})


@_alone
def tune_frame_max_too_low(s):
    s.connect(tune={"frame_max": 4095})


def tune_frame_max_at_the_minimum(s):
    c = s.connect(tune={"frame_max": 4096})
    c.count("absent")


@_alone
def tune_channel_max_of_zero(s):
    s.connect(tune={"channel_max": 0})


@_alone
def tune_channel_max_too_high(s):
    s.connect(tune={"channel_max": 2048})


def tune_channel_max_is_kept(s):
    c = s.connect(tune={"channel_max": 2})
    c.send("channel.open", 2)
    c.read()
    c.send("channel.open", 3)
    c.read()


def tune_channel_max_counts_channels(s):
    c = s.connect(tune={"channel_max": 1})
    c.send("channel.open", 2)
    c.read()


@_alone
def open_before_tune(s):
    c = s.raw()
    c.write(b"AMQP\x00\x00\x09\x01")
    c.read(note=False)
    c.send("connection.open", 0, virtual_host="/")
    c.read()


@_alone
def channel_before_open(s):
    c = s.raw()
    c.write(b"AMQP\x00\x00\x09\x01")
    c.read(note=False)
    c.send("channel.open", 1)
    c.read()


@_alone
def open_twice(s):
    c = s.connect()
    c.send("connection.open", 0, virtual_host="/")
    c.read()


@_alone
def start_ok_twice(s):
    c = s.connect()
    c.send("connection.start-ok", 0, mechanism="PLAIN", response="\0guest\0guest", locale="en_US")
    c.read()


def close(s):
    c = s.connect()
    c.call("connection.close", 0, code=200, text="bye")


def close_with_channels_busy(s):
    c = s.connect()
    c.declare("q")
    c.consume("q")
    for number in range(3):
        c.publish("", "q", str(number))
    c.read(3)
    c.call("connection.close", 0, code=200)
    d = s.connect()
    d.settle("q", 3)
    d.get("q")


@_alone
def update_secret(s):
    c = s.connect()
    c.call("connection.update-secret", 0, new_secret=b"guest", reason="rotation")


@_alone
def update_secret_refused(s):
    c = s.connect()
    c.call("connection.update-secret", 0, new_secret=b"wrong", reason="rotation")


@_alone
def channel_open_twice(s):
    c = s.connect()
    c.send("channel.open", 1)
    c.read()


def channel_method_before_open(s):
    c = s.connect()
    c.send("queue.declare", 5, queue="q", passive=True)
    c.read()


def channel_close_and_open_again(s):
    c = s.connect()
    c.call("channel.close", code=200, text="done")
    c.send("channel.open")
    c.read()
    c.count("absent")
    c.send("channel.open")
    c.read()


@_alone
def channel_close_twice(s):
    c = s.connect()
    c.call("channel.close", code=200)
    c.call("channel.close", code=200)


@_alone
def channel_close_ok_out_of_the_blue(s):
    c = s.connect()
    c.send("channel.close-ok")
    c.nothing()


def channel_is_deaf_after_an_error(s):
    c = s.connect()
    c.send("queue.declare", queue="absent", passive=True)
    c.send("queue.declare", queue="dropped")
    c.read()
    c.nothing()
    c.open(1)
    c.count("dropped")


def channel_error_leaves_other_channels(s):
    c = s.connect()
    c.open(2)
    c.count("absent")
    c.call("queue.declare", 2, queue="q")


def channel_close_drops_its_consumers(s):
    c = s.connect()
    c.open(2)
    c.declare("q")
    c.call("basic.consume", 2, queue="q", consumer_tag="t")
    c.count("q")
    c.call("channel.close", 2, code=200)
    c.settle("q", 0)
    c.count("q")


def channel_flow_on(s):
    c = s.connect()
    c.call("channel.flow", active=True)


def channel_flow_off(s):
    c = s.connect()
    c.call("channel.flow", active=False)


def channel_of_a_method_of_the_connection(s):
    c = s.connect()
    c.send("connection.close", 1, code=200)
    c.read()


def connection_channel_with_a_method_of_a_channel(s):
    c = s.connect()
    c.send("queue.declare", 0, queue="q", passive=True)
    c.read()


def access_request(s):
    c = s.connect()
    c.call("access.request", realm="/data", active=True)


def a_method_of_the_server(s):
    c = s.connect()
    c.send("queue.declare-ok", queue="q")
    c.read()


def basic_deliver_from_a_client(s):
    c = s.connect()
    c.send("basic.deliver", consumer_tag="t", delivery_tag=1)
    c.frame(codec.HEADER, 1, codec.header(0, {}), note="header of 0 bytes")
    c.read()


def an_unknown_method(s):
    c = s.connect()
    c.frame(codec.METHOD, 1, b"\x00\x3c\x03\xe7", note="method 60.999")
    c.read()


def an_unknown_class(s):
    c = s.connect()
    c.frame(codec.METHOD, 1, b"\x03\xe7\x00\x0a", note="method 999.10")
    c.read()


@_alone
def heartbeats_are_sent(s):
    c = s.connect(tune={"heartbeat": 1})
    end = time.monotonic() + 2.4

    def feed():
        while time.monotonic() < end:
            c.write(codec.frame(codec.HEARTBEAT, 0, b""))
            time.sleep(0.25)

    thread = threading.Thread(target=feed)
    thread.start()
    count = c.heartbeats(2.4)
    thread.join()
    s.note(f"enough heartbeats: {count >= 2}")
    s.note(f"too many heartbeats: {count > 6}")


@_alone
def heartbeats_that_stop_end_it(s):
    c = s.connect(tune={"heartbeat": 1})
    begun = time.monotonic()
    c.heartbeats(5)
    s.note(f"ended: {c.is_over}")
    s.note(f"in time: {1.0 < time.monotonic() - begun < 4.0}")


@_alone
def no_heartbeats_if_none_were_wanted(s):
    c = s.connect(tune={"heartbeat": 0})
    s.note(f"heartbeats: {c.heartbeats(1.5)}")
    s.note(f"ended: {c.is_over}")


@_alone
def channel_numbers_beyond_channel_max(s):
    """It limits how many there are, not their numbers."""
    c = s.connect()
    c.send("channel.open", 65535)
    c.read()
    c.call("queue.declare", 65535, queue="absent", passive=True)
