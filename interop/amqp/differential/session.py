"""A scenario's conversation with a broker: frames out, frames in, each of them written down as a line of text."""

import contextlib
import re
import socket
import time

from . import codec

#: How long an answer may take. A broker that answers is never waited for that long.
PATIENCE_S = 5.0
#: How long a connection is listened to at the end, for what nobody asked for.
REST_S = 0.04

CAPABILITIES = [
    "publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify", "connection.blocked",
    "authentication_failure_close",
]  # fmt: skip

#: What a broker makes up itself, and the word that stands for it.
GENERATED = [
    (re.compile(r"amq\.gen-[A-Za-z0-9_-]{22}"), "gen"),
    (re.compile(r"amq\.ctag-[A-Za-z0-9_-]{22}"), "ctag"),
    (re.compile(r"amq\.rabbitmq\.reply-to\.[A-Za-z0-9_.+/=-]+"), "reply"),
]
ARGUMENT = re.compile(r"T:\d{10}\b")


def tagged(content):
    """A Python value as a field value; pairs of tag and content stay as they are."""
    match content:
        case (str() as tag, _) if isinstance(content, tuple) and len(tag) == 1:
            return content
        case bool():
            return "t", content
        case int():
            return ("I" if -(2**31) <= content < 2**31 else "l"), content
        case float():
            return "d", content
        case str() | bytes():
            return "S", content
        case None:
            return "V", None
        case dict():
            return "F", pairs(content)
        case list():
            return "A", [tagged(item) for item in content]
    raise TypeError(f"no field value: {content!r}")


def pairs(table):
    items = table.items() if isinstance(table, dict) else table
    return [(name, tagged(content)) for name, content in items]


class Session:
    """One scenario: its connections, what they said and heard."""

    def __init__(self, broker, vhost="/"):
        self.broker = broker
        #: Where it takes place; written down as the default one.
        self.vhost = vhost
        self.lines: list[str] = []
        self._generated: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._peers: list[Peer] = []
        self.queues: list[str] = []
        self.exchanges: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(self.normal(line))

    def normal(self, line: str) -> str:
        if self.vhost != "/":
            line = line.replace(f"vhost '{self.vhost}'", "vhost '/'")
        for pattern, kind in GENERATED:
            line = pattern.sub(lambda match: self._placeholder(kind, match[0]), line)
        return ARGUMENT.sub("T:<time>", line)

    def _placeholder(self, kind, text):
        if text not in self._generated:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._generated[text] = f"<{kind}{self._counts[kind]}>"
        return self._generated[text]

    def raw(self) -> "Peer":
        """A connection on which nothing was said yet."""
        peer = Peer(self, chr(ord("a") + len(self._peers)))
        self._peers.append(peer)
        return peer

    def connect(self, **options) -> "Peer":
        """An open connection with an open channel 1, neither of which is written down."""
        peer = self.raw()
        peer.handshake(**options)
        if not peer.is_over:
            peer.open(1)
        return peer

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def finish(self) -> None:
        for peer in self._peers:
            peer.rest()
        for peer in self._peers:
            peer.leave()
        self._clean()

    def _clean(self) -> None:
        """Takes away what the scenario declared, so that every scenario meets an empty broker."""
        if not self.queues and not self.exchanges:
            return
        quiet = Session(self.broker, self.vhost)
        peer = quiet.connect()
        jobs = [("queue.delete", "queue", name) for name in self.queues]
        jobs += [("exchange.delete", "exchange", name) for name in self.exchanges]
        for method, field, name in dict.fromkeys(jobs):
            if not peer.is_open(1):
                peer.open(1)
            with contextlib.suppress(OSError):
                peer.call(method, **{field: name})
        peer.leave()


class Peer:
    """One connection, from the client's side."""

    def __init__(self, session: Session, letter: str):
        self._session, self._letter = session, letter
        broker = session.broker
        self._socket = socket.create_connection((broker.host, broker.port), timeout=PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""
        self._channels: set[int] = set()
        self._is_silent = False
        self._heartbeats = 0
        #: Whether the broker ended it.
        self.is_over = False
        self.frame_max = 131072

    # --- the handshake

    def handshake(
        self, user="guest", password="guest", vhost=None, mechanism="PLAIN", response=None, capabilities=CAPABILITIES,
        tune=None, name=None,
    ):  # fmt: skip
        """All of it, silently as long as it goes as it should; what ends it is written down."""
        self._is_silent = True
        self.write(b"AMQP\x00\x00\x09\x01")
        self.read()
        properties = [("capabilities", ("F", [(capability, ("t", True)) for capability in capabilities]))]
        properties += [("connection_name", ("S", name))] if name else []
        if response is None:
            response = f"\0{user}\0{password}"
        self.send(
            "connection.start-ok", 0, client_properties=properties, mechanism=mechanism, response=response, locale="en_US"
        )
        if self._expect("connection.tune") is None:
            return
        tune = {"channel_max": 2047, "frame_max": 131072, "heartbeat": 0} | (tune or {})
        self.frame_max = tune["frame_max"] or 131072
        self.send("connection.tune-ok", 0, **tune)
        self.send("connection.open", 0, virtual_host=self._session.vhost if vhost is None else vhost)
        if self._expect("connection.open-ok") is None:
            return
        self._is_silent = False

    def _expect(self, name):
        items = self.read(note=False)
        if items and items[0][1] == name:
            return items[0][2]
        self._is_silent = False
        for line in self._last:
            self._session.note(line)
        return None

    def open(self, channel: int) -> None:
        silent, self._is_silent = self._is_silent, True
        self.send("channel.open", channel)
        self._expect("channel.open-ok")
        self._is_silent = silent

    def is_open(self, channel: int) -> bool:
        return channel in self._channels

    # --- out

    def write(self, data: bytes, note: str = "") -> None:
        if note:
            self._note(f"{self._letter}> {note}")
        try:
            self._socket.sendall(data)
        except OSError:
            pass  # reading says what became of the connection

    def frame(self, kind: int, channel: int, payload: bytes, end: int = codec.FRAME_END, note: str = "") -> None:
        self.write(codec.frame(kind, channel, payload, end), note or f"frame type={kind} channel={channel} {len(payload)} bytes")

    def send(self, name: str, channel: int = 1, **arguments) -> None:
        for table in ("arguments", "client_properties"):
            if table in arguments:
                arguments[table] = pairs(arguments[table])
        if name == "queue.declare" and arguments.get("queue") and not arguments.get("passive"):
            self._session.queues.append(arguments["queue"])
        if name == "exchange.declare" and arguments.get("exchange") and not arguments.get("passive"):
            self._session.exchanges.append(arguments["exchange"])
        if name == "channel.open":
            self._channels.add(channel)
        self._note(f"{self._letter}{channel or ''}> {name}{_arguments(arguments)}")
        self.write(codec.frame(codec.METHOD, channel, codec.method(name, **arguments)))

    def publish(
        self, exchange: str, key: str, body: bytes | str = b"", *, channel: int = 1, mandatory=False, immediate=False, **properties
    ) -> None:
        """A whole message, in as many frames as it takes."""
        body = body.encode() if isinstance(body, str) else body
        if "headers" in properties:
            properties["headers"] = pairs(properties["headers"])
        told = {"exchange": exchange, "routing_key": key, "mandatory": mandatory, "immediate": immediate}
        self._note(f"{self._letter}{channel}> basic.publish{_arguments(told)}{_content(properties, body)}")
        data = codec.frame(codec.METHOD, channel, codec.method("basic.publish", **told))
        data += codec.frame(codec.HEADER, channel, codec.header(len(body), properties))
        step = self.frame_max - 8
        for at in range(0, len(body), step):
            data += codec.frame(codec.BODY, channel, body[at : at + step])
        self.write(data)

    # --- in

    def call(self, name: str, channel: int = 1, **arguments):
        """Sends a method and reads until its answer, or until the channel or the connection is closed. The answer's arguments."""
        self.send(name, channel, **arguments)
        answers = {f"{name}-ok"} if name != "basic.get" else {"basic.get-ok", "basic.get-empty"}
        deadline = time.monotonic() + PATIENCE_S
        while True:
            items = self.read(deadline=deadline)
            if not items:
                return None
            at, answer, values = items[0]
            if at == channel and answer in answers:
                return values
            if answer == "connection.close" or (at == channel and answer == "channel.close"):
                return None

    def read(self, count: int = 1, *, unordered: bool = False, note: bool = True, deadline: float | None = None):
        """So many frames or messages. `unordered` if the protocol leaves their order open."""
        deadline = deadline or time.monotonic() + PATIENCE_S
        items, lines = [], []
        while len(items) < count:
            item = self._item(deadline)
            if item is None:
                lines.append(f"{self._letter}< {'(end)' if self.is_over else '(nothing)'}")
                break
            channel, name, values, line = item
            lines.append(line)
            items.append((channel, name, values))
            self._answer(channel, name, lines)
        if unordered:
            # The numbers of the deliveries follow the order.
            lines = sorted(re.sub(r" delivery_tag=\d+", "", line) for line in lines)
        self._last = lines
        if note:
            for line in lines:
                self._note(line)
        return items

    def nothing(self, seconds: float = 0.08) -> None:
        """Says what comes within a time; usually that nothing does."""
        self.read(deadline=time.monotonic() + seconds)

    def rest(self) -> None:
        """Says what comes at the end though nobody asked; nothing is not worth a line."""
        while not self.is_over:
            item = self._item(time.monotonic() + REST_S)
            if item is None:
                if self.is_over:
                    self._note(f"{self._letter}< (end)")
                return
            lines = [item[3]]
            self._answer(item[0], item[1], lines)
            for line in lines:
                self._note(line)

    def heartbeats(self, seconds: float) -> int:
        """How many heartbeats come within a time."""
        self._heartbeats = 0
        item = self._item(time.monotonic() + seconds)
        if item:
            self._note(item[3])
        return self._heartbeats

    def drop(self) -> None:
        """The socket goes without a word."""
        self._note(f"{self._letter}> (end)")
        self.is_over = True
        self._socket.close()

    def leave(self) -> None:
        """Closes the connection as one should; silent."""
        if not self.is_over:
            self.write(codec.frame(codec.METHOD, 0, codec.method("connection.close", code=200)))
            deadline = time.monotonic() + PATIENCE_S
            while not self.is_over:
                item = self._item(deadline)
                if item is None or item[1] == "connection.close-ok":
                    break
        self._socket.close()

    def _answer(self, channel, name, lines):
        """What a client has to answer, and what it thereby knows."""
        if name == "channel.close":
            self._channels.discard(channel)
            self.write(codec.frame(codec.METHOD, channel, codec.method("channel.close-ok")))
        elif name == "connection.close":
            self._channels.clear()
            self.write(codec.frame(codec.METHOD, 0, codec.method("connection.close-ok")))
            if self._item(time.monotonic() + PATIENCE_S) is None:
                lines.append(f"{self._letter}< {'(end)' if self.is_over else '(not closed)'}")
        elif name == "channel.close-ok":
            self._channels.discard(channel)

    def _item(self, deadline):
        """The next frame, or the next message with its content; heartbeats are counted only."""
        while True:
            got = self._frame(deadline)
            if got is None:
                return None
            kind, channel, payload = got
            where = f"{self._letter}{channel or ''}<"
            if kind == codec.HEARTBEAT:
                self._heartbeats += 1
                continue
            if kind == "header":
                return channel, "header", {}, f"{where} protocol header {payload.hex(' ')}"
            if kind != codec.METHOD:
                return channel, "frame", {}, f"{where} frame type={kind} {payload.hex(' ')}"
            name, values = codec.decode_method(payload)
            if name == "basic.nack":
                # Brokers set flags here, which say nothing about a single message.
                values = {"delivery_tag": values["delivery_tag"]}
            line = f"{where} {name}{_arguments(values)}"
            if name in codec.WITH_CONTENT:
                line += self._message(channel, deadline, values)
            return channel, name, values, line

    def _message(self, channel, deadline, values):
        got = self._frame(deadline)
        if got is None or got[0] != codec.HEADER or got[1] != channel:
            return f" (no header: {got})"
        _, size, properties = codec.decode_header(got[2])
        body = b""
        while len(body) < size:
            got = self._frame(deadline)
            if got is None or got[0] != codec.BODY or got[1] != channel:
                return f" (no body: {got})"
            body += got[2]
        values["properties"], values["body"] = properties, body
        return _content(properties, body)

    def _frame(self, deadline):
        while True:
            if self._data[:4] == b"AMQP" and len(self._data) >= 8:
                payload, self._data = self._data[:8], self._data[8:]
                return "header", 0, payload
            if len(self._data) >= 7 and self._data[:4] != b"AMQP":
                kind, channel, size = self._data[0], int.from_bytes(self._data[1:3], "big"), int.from_bytes(self._data[3:7], "big")
                if len(self._data) >= size + 8:
                    payload, end = self._data[7 : 7 + size], self._data[7 + size]
                    self._data = self._data[8 + size :]
                    if end != codec.FRAME_END:
                        raise ValueError(f"a frame ends with {end}")
                    return kind, channel, payload
            left = deadline - time.monotonic()
            if left <= 0 or self.is_over:
                return None
            self._socket.settimeout(left)
            try:
                more = self._socket.recv(65536)
            except TimeoutError:
                return None
            except OSError:
                more = b""
            if not more:
                self.is_over = True
                return None
            self._data += more

    def _note(self, line):
        if not self._is_silent:
            self._session.note(line)

    # --- short names for what nearly every scenario does

    def declare(self, queue: str, **options):
        return self.call("queue.declare", queue=queue, **options)

    def exchange(self, exchange: str, type: str = "direct", **options):  # noqa: A002: the protocol's word
        return self.call("exchange.declare", exchange=exchange, type=type, **options)

    def bind(self, queue: str, exchange: str, key: str = "", **options):
        return self.call("queue.bind", queue=queue, exchange=exchange, routing_key=key, **options)

    def get(self, queue: str, no_ack: bool = True, **options):
        return self.call("basic.get", queue=queue, no_ack=no_ack, **options)

    def consume(self, queue: str, tag: str = "t", **options):
        return self.call("basic.consume", queue=queue, consumer_tag=tag, **options)

    def ack(self, tag: int, multiple: bool = False, channel: int = 1) -> None:
        self.send("basic.ack", channel, delivery_tag=tag, multiple=multiple)

    def confirm(self, channel: int = 1) -> None:
        self.call("confirm.select", channel)

    def count(self, queue: str):
        """How many messages are ready, and how many consumers there are: the answer to a passive declare."""
        return self.call("queue.declare", queue=queue, passive=True)

    def settle(self, queue: str, ready: int) -> None:
        """Waits without a word until so many messages are ready; for what happens behind a publisher's back."""
        silent, self._is_silent = self._is_silent, True
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            answer = self.count(queue)
            if answer is None or answer["message_count"] == ready:
                break
            time.sleep(0.01)
        self._is_silent = silent


def _arguments(arguments: dict) -> str:
    """Those that are not zero, empty or false; most are."""
    words = []
    for name, content in arguments.items():
        if name.startswith("reserved") or name == "ticket" and not content:
            continue
        if content is True:
            words.append(name)
        elif isinstance(content, list):
            if content:
                words.append(f"{name}={_table(content)}")
        elif name == "mechanism" or content not in (0, "", b"", False, None):
            words.append(f"{name}={_text(content)}")
    return "".join(f" {word}" for word in words)


def _content(properties: dict, body: bytes) -> str:
    told = {name: content for name, content in properties.items() if content is not None}
    words = [f"{name}={_table(content) if isinstance(content, list) else _text(content)}" for name, content in told.items()]
    return f" [{' '.join(words)}] {_body(body)}"


def _body(body: bytes) -> str:
    if len(body) > 80:
        return f"({len(body)} bytes, sum {sum(body) % 65536})"
    return _text(body)


def _table(content: list) -> str:
    names = {name for name, _ in content}
    if "x-death" in names or {"count", "reason", "queue"} <= names:
        # What dead-lettering writes has no order of its own.
        content = sorted(content, key=lambda pair: pair[0])
    return "{" + ", ".join(f"{name}: {_value(inner)}" for name, inner in content) + "}"


def _value(content) -> str:
    tag, inner = content
    match tag:
        case "F":
            return f"F{_table(inner)}"
        case "A":
            return "A[" + ", ".join(map(_value, inner)) + "]"
        case "V":
            return "V"
        case "D":
            return f"D:{inner[0]},{inner[1]}"
        case "S" | "x":
            return f"{tag}:{_text(inner)}"
    return f"{tag}:{inner}"


def _text(content) -> str:
    if isinstance(content, bytes):
        content = content.decode("utf-8", "backslashreplace")
    if isinstance(content, str):
        shown = content.replace("\\", "\\\\").replace("\0", "\\0").replace("\r", "\\r").replace("\n", "\\n")
        return f'"{shown}"' if len(shown) <= 400 else f'"{shown[:60]}…" ({len(content)} characters)'
    return str(content)
