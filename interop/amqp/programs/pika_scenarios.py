"""What applications do with pika, with its blocking and its select connection. Prints a JSON object: what became of each check."""

import contextlib
import json
import select
import sys
import threading
import time
import traceback

import pika
from pika.exceptions import (
    AMQPConnectionError,
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    NackError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
    UnroutableError,
)

HOST, PORT = sys.argv[1], int(sys.argv[2])


def parameters(**more):
    return pika.ConnectionParameters(HOST, PORT, **more)


def connect(**more):
    return pika.BlockingConnection(parameters(**more))


def declare(channel, name="", **more):
    return channel.queue_declare(name, exclusive=not name, **more).method.queue


def publish_and_get():
    with connect() as connection:
        channel = connection.channel()
        queue = declare(channel)
        properties = pika.BasicProperties(content_type="text/plain", headers={"a": [1, "b", {"c": None}]}, delivery_mode=2)
        channel.confirm_delivery()
        channel.basic_publish("", queue, b"body", properties)
        method, got, body = channel.basic_get(queue)
        assert body == b"body" and got.headers == properties.headers and got.content_type == "text/plain"
        assert method.message_count == 0 and not method.redelivered
        channel.basic_ack(method.delivery_tag)
        assert channel.basic_get(queue) == (None, None, None)


def unroutable_is_raised():
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        try:
            channel.basic_publish("amq.direct", "nowhere", b"x", mandatory=True)
        except UnroutableError as error:
            assert error.messages[0].method.reply_code == 312, error.messages[0].method
        else:
            raise AssertionError("no UnroutableError")


def refused_is_raised():
    with connect() as connection:
        channel = connection.channel()
        queue = declare(channel, arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
        channel.confirm_delivery()
        channel.basic_publish("", queue, b"1")
        try:
            channel.basic_publish("", queue, b"2")
        except NackError:
            return
        raise AssertionError("no NackError")


def consume_generator():
    with connect() as connection:
        channel = connection.channel()
        queue = declare(channel)
        channel.basic_qos(prefetch_count=10)
        for number in range(500):
            channel.basic_publish("", queue, str(number).encode())
        expected = 0
        for method, _, body in channel.consume(queue, inactivity_timeout=5):
            assert method is not None, f"only {expected} came"
            assert int(body) == expected
            channel.basic_ack(method.delivery_tag)
            expected += 1
            if expected == 500:
                break
        assert channel.cancel() == 0


def cancel_by_the_broker():
    with connect() as connection, connect() as other:
        channel = connection.channel()
        channel.queue_declare("interop.pika.cancel")
        cancelled = []
        channel.add_on_cancel_callback(cancelled.append)
        channel.basic_consume("interop.pika.cancel", lambda *_: None)
        other.channel().queue_delete("interop.pika.cancel")
        deadline = time.monotonic() + 5
        while not cancelled and time.monotonic() < deadline:
            connection.process_data_events(time_limit=0.1)
        assert cancelled, "no cancellation"


def channel_error():
    with connect() as connection:
        channel = connection.channel()
        try:
            channel.queue_declare("interop.pika.absent", passive=True)
        except ChannelClosedByBroker as error:
            assert error.reply_code == 404, error
            assert error.reply_text == "NOT_FOUND - no queue 'interop.pika.absent' in vhost '/'", error.reply_text
        else:
            raise AssertionError("no error")
        declare(connection.channel())


def connection_error():
    connection = connect()
    channel = connection.channel()
    try:
        channel.basic_qos(prefetch_size=1)
    except ConnectionClosedByBroker as error:
        assert error.reply_code == 540, error
        return
    raise AssertionError("no error")


def wrong_password():
    try:
        connect(credentials=pika.PlainCredentials("guest", "wrong"))
    except ProbableAuthenticationError as error:
        assert "403" in repr(error) and "ACCESS_REFUSED" in repr(error), error
        return
    raise AssertionError("no error")


def wrong_virtual_host():
    try:
        connect(virtual_host="interop.absent")
    except (ProbableAccessDeniedError, ConnectionClosedByBroker, AMQPConnectionError) as error:
        assert "530" in repr(error), repr(error)
        return
    raise AssertionError("no error")


def transactions():
    with connect() as connection:
        channel = connection.channel()
        queue = declare(channel)
        channel.tx_select()
        channel.basic_publish("", queue, b"dropped")
        channel.tx_rollback()
        channel.basic_publish("", queue, b"kept")
        channel.tx_commit()
        assert channel.basic_get(queue, auto_ack=True)[2] == b"kept"
        assert channel.basic_get(queue)[0] is None


def nack_and_recover():
    with connect() as connection:
        channel = connection.channel()
        queue = declare(channel)
        for body in (b"1", b"2", b"3"):
            channel.basic_publish("", queue, body)
        channel.basic_get(queue)
        second = channel.basic_get(queue)[0]
        channel.basic_nack(second.delivery_tag, multiple=True, requeue=True)
        method, _, body = channel.basic_get(queue)
        assert body == b"1" and method.redelivered, (body, method)
        channel.basic_recover(requeue=True)
        bodies = [channel.basic_get(queue, auto_ack=True)[2] for _ in range(3)]
        assert bodies == [b"1", b"2", b"3"], bodies


def heartbeats_keep_it():
    with connect(heartbeat=1) as connection:
        channel = connection.channel()
        connection.sleep(3.5)
        declare(channel)


def a_dead_client_is_dropped():
    connection = connect(heartbeat=1)
    declare(connection.channel())
    begun = time.monotonic()
    # Nothing is sent while nobody looks after the connection.
    socket = connection._impl._transport._sock
    deadline = begun + 8
    with contextlib.suppress(ConnectionResetError):
        while time.monotonic() < deadline:
            readable, _, _ = select.select([socket], [], [], deadline - time.monotonic())
            if readable and not socket.recv(65536):
                break
    took = time.monotonic() - begun
    assert 1 < took < 5, f"dropped after {took:.1f} s"


def threads_and_callbacks():
    """A consumer whose work is done by another thread, which has its acknowledgements sent by the connection's."""
    with connect() as connection:
        channel = connection.channel()
        queue = declare(channel)
        done = []

        def work(tag):
            time.sleep(0.01)
            connection.add_callback_threadsafe(lambda: (channel.basic_ack(tag), done.append(tag)))

        channel.basic_qos(prefetch_count=5)
        channel.basic_consume(queue, lambda _c, method, _p, _b: threading.Thread(target=work, args=(method.delivery_tag,)).start())
        for number in range(50):
            channel.basic_publish("", queue, str(number).encode())
        deadline = time.monotonic() + 10
        while len(done) < 50 and time.monotonic() < deadline:
            connection.process_data_events(time_limit=0.1)
        assert len(done) == 50, len(done)
        assert channel.queue_declare(queue, passive=True).method.message_count == 0


def update_secret():
    with connect() as connection:
        connection.update_secret("guest", "rotation")
        declare(connection.channel())


def large_messages():
    with connect() as connection:
        channel = connection.channel()
        queue = declare(channel)
        channel.confirm_delivery()
        for size in (0, 131064, 131065, 1_000_000, 8_000_000):
            body = bytes(range(251)) * (size // 251) + b"z" * (size % 251)
            channel.basic_publish("", queue, body)
            assert channel.basic_get(queue, auto_ack=True)[2] == body, size


def direct_reply_to():
    with connect() as client, connect() as server:
        served = server.channel()
        queue = declare(served, "interop.pika.rpc", auto_delete=True)
        served.basic_consume(
            queue,
            lambda c, _m, p, body: c.basic_publish(
                "", p.reply_to, body.upper(), pika.BasicProperties(correlation_id=p.correlation_id)
            ),
            auto_ack=True,
        )
        channel = client.channel()
        answers = []
        channel.basic_consume("amq.rabbitmq.reply-to", lambda _c, _m, p, body: answers.append((p.correlation_id, body)), auto_ack=True)
        for number in range(20):
            properties = pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id=str(number))
            channel.basic_publish("", queue, b"question", properties)
        deadline = time.monotonic() + 10
        while len(answers) < 20 and time.monotonic() < deadline:
            server.process_data_events(time_limit=0.02)
            client.process_data_events(time_limit=0.02)
        assert answers == [(str(number), b"QUESTION") for number in range(20)], answers


def select_connection():
    """The whole life of an asynchronous program: declare, bind, confirm, consume, close."""
    state = {"acks": [], "bodies": [], "returns": [], "closed": None}

    def on_open(connection):
        connection.channel(on_open_callback=on_channel)

    def on_channel(channel):
        state["channel"] = channel
        channel.add_on_return_callback(lambda _c, method, _p, _b: state["returns"].append(method.reply_code))
        channel.exchange_declare("interop.pika.select", "topic", auto_delete=True, callback=lambda _: on_exchange(channel))

    def on_exchange(channel):
        channel.queue_declare("", exclusive=True, callback=lambda frame: on_queue(channel, frame.method.queue))

    def on_queue(channel, queue):
        channel.queue_bind(queue, "interop.pika.select", "a.#", callback=lambda _: on_bound(channel, queue))

    def on_bound(channel, queue):
        channel.confirm_delivery(lambda frame: state["acks"].append(frame.method), callback=lambda _: on_confirms(channel, queue))

    def on_confirms(channel, queue):
        channel.basic_consume(queue, on_message, auto_ack=False)
        for number in range(100):
            channel.basic_publish("interop.pika.select", f"a.{number}", str(number).encode())
        channel.basic_publish("interop.pika.select", "b", b"returned", mandatory=True)

    def on_message(channel, method, _properties, body):
        state["bodies"].append(int(body))
        channel.basic_ack(method.delivery_tag)
        check()

    def check():
        if connection.is_closing or connection.is_closed:
            return
        if len(state["bodies"]) == 100 and state["returns"] and _confirmed(state["acks"]) >= 101:
            connection.close()
        else:
            connection.ioloop.call_later(0.05, check)

    def on_closed(connection, reason):
        state["closed"] = reason
        connection.ioloop.stop()

    connection = pika.SelectConnection(
        parameters(), on_open_callback=on_open, on_open_error_callback=on_closed, on_close_callback=on_closed
    )
    connection.ioloop.call_later(15, connection.ioloop.stop)
    connection.ioloop.start()
    assert state["closed"] is not None and state["closed"].reply_code == 200, state
    assert state["bodies"] == list(range(100)) and state["returns"] == [312], state


def _confirmed(methods):
    return max((method.delivery_tag for method in methods), default=0) if methods else 0


def blocked_callbacks_can_be_set():
    with connect(blocked_connection_timeout=5) as connection:
        connection.add_on_connection_blocked_callback(lambda *_: None)
        connection.add_on_connection_unblocked_callback(lambda *_: None)
        channel = connection.channel()
        queue = declare(channel)
        channel.basic_publish("", queue, b"x")
        connection.process_data_events(time_limit=0.1)


CHECKS = [
    publish_and_get, unroutable_is_raised, refused_is_raised, consume_generator, cancel_by_the_broker, channel_error, connection_error,
    wrong_password, wrong_virtual_host, transactions, nack_and_recover, heartbeats_keep_it, a_dead_client_is_dropped,
    threads_and_callbacks, update_secret, large_messages, direct_reply_to, select_connection, blocked_callbacks_can_be_set,
]  # fmt: skip


def main():
    results = {}
    for check in CHECKS:
        try:
            check()
            results[check.__name__] = ["passed", ""]
        except Exception as error:  # noqa: BLE001: every check is told
            traceback.print_exc()
            results[check.__name__] = ["failed", f"{type(error).__name__}: {error}"]
    with open(sys.argv[3], "w") as file:
        json.dump(results, file)


main()
