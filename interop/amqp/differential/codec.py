"""AMQP 0-9-1 on the wire, both ways, with nothing checked: so that all misuse can be written, and all answers read.

A field value is a pair of its tag and its content, `("S", b"text")`; a table is a list of pairs of name and value, so that
order and duplicates stay.
"""

import struct

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
FRAME_END = 0xCE

#: Fixed-size field values: tag to layout.
_FIXED = {
    "t": ">?", "b": ">b", "B": ">B", "s": ">h", "u": ">H", "I": ">i", "i": ">I", "l": ">q", "L": ">q",
    "f": ">f", "d": ">d", "T": ">Q",
}  # fmt: skip

#: Methods: ids and arguments. Types: o octet, s short, l long, q longlong, S short string, L long string, F table, b bit.
METHODS = {
    "connection.start": (10, 10, "o:version_major o:version_minor F:server_properties L:mechanisms L:locales"),
    "connection.start-ok": (10, 11, "F:client_properties S:mechanism L:response S:locale"),
    "connection.secure": (10, 20, "L:challenge"),
    "connection.secure-ok": (10, 21, "L:response"),
    "connection.tune": (10, 30, "s:channel_max l:frame_max s:heartbeat"),
    "connection.tune-ok": (10, 31, "s:channel_max l:frame_max s:heartbeat"),
    "connection.open": (10, 40, "S:virtual_host S:reserved_1 b:reserved_2"),
    "connection.open-ok": (10, 41, "S:reserved_1"),
    "connection.close": (10, 50, "s:code S:text s:class_id s:method_id"),
    "connection.close-ok": (10, 51, ""),
    "connection.blocked": (10, 60, "S:reason"),
    "connection.unblocked": (10, 61, ""),
    "connection.update-secret": (10, 70, "L:new_secret S:reason"),
    "connection.update-secret-ok": (10, 71, ""),
    "channel.open": (20, 10, "S:reserved_1"),
    "channel.open-ok": (20, 11, "L:reserved_1"),
    "channel.flow": (20, 20, "b:active"),
    "channel.flow-ok": (20, 21, "b:active"),
    "channel.close": (20, 40, "s:code S:text s:class_id s:method_id"),
    "channel.close-ok": (20, 41, ""),
    "access.request": (30, 10, "S:realm b:exclusive b:passive b:active b:write b:read"),
    "access.request-ok": (30, 11, "s:ticket"),
    "exchange.declare": (40, 10, "s:ticket S:exchange S:type b:passive b:durable b:auto_delete b:internal b:nowait F:arguments"),
    "exchange.declare-ok": (40, 11, ""),
    "exchange.delete": (40, 20, "s:ticket S:exchange b:if_unused b:nowait"),
    "exchange.delete-ok": (40, 21, ""),
    "exchange.bind": (40, 30, "s:ticket S:destination S:source S:routing_key b:nowait F:arguments"),
    "exchange.bind-ok": (40, 31, ""),
    "exchange.unbind": (40, 40, "s:ticket S:destination S:source S:routing_key b:nowait F:arguments"),
    "exchange.unbind-ok": (40, 51, ""),
    "queue.declare": (50, 10, "s:ticket S:queue b:passive b:durable b:exclusive b:auto_delete b:nowait F:arguments"),
    "queue.declare-ok": (50, 11, "S:queue l:message_count l:consumer_count"),
    "queue.bind": (50, 20, "s:ticket S:queue S:exchange S:routing_key b:nowait F:arguments"),
    "queue.bind-ok": (50, 21, ""),
    "queue.purge": (50, 30, "s:ticket S:queue b:nowait"),
    "queue.purge-ok": (50, 31, "l:message_count"),
    "queue.delete": (50, 40, "s:ticket S:queue b:if_unused b:if_empty b:nowait"),
    "queue.delete-ok": (50, 41, "l:message_count"),
    "queue.unbind": (50, 50, "s:ticket S:queue S:exchange S:routing_key F:arguments"),
    "queue.unbind-ok": (50, 51, ""),
    "basic.qos": (60, 10, "l:prefetch_size s:prefetch_count b:global"),
    "basic.qos-ok": (60, 11, ""),
    "basic.consume": (60, 20, "s:ticket S:queue S:consumer_tag b:no_local b:no_ack b:exclusive b:nowait F:arguments"),
    "basic.consume-ok": (60, 21, "S:consumer_tag"),
    "basic.cancel": (60, 30, "S:consumer_tag b:nowait"),
    "basic.cancel-ok": (60, 31, "S:consumer_tag"),
    "basic.publish": (60, 40, "s:ticket S:exchange S:routing_key b:mandatory b:immediate"),
    "basic.return": (60, 50, "s:code S:text S:exchange S:routing_key"),
    "basic.deliver": (60, 60, "S:consumer_tag q:delivery_tag b:redelivered S:exchange S:routing_key"),
    "basic.get": (60, 70, "s:ticket S:queue b:no_ack"),
    "basic.get-ok": (60, 71, "q:delivery_tag b:redelivered S:exchange S:routing_key l:message_count"),
    "basic.get-empty": (60, 72, "S:reserved_1"),
    "basic.ack": (60, 80, "q:delivery_tag b:multiple"),
    "basic.reject": (60, 90, "q:delivery_tag b:requeue"),
    "basic.recover-async": (60, 100, "b:requeue"),
    "basic.recover": (60, 110, "b:requeue"),
    "basic.recover-ok": (60, 111, ""),
    "basic.nack": (60, 120, "q:delivery_tag b:multiple b:requeue"),
    "confirm.select": (85, 10, "b:nowait"),
    "confirm.select-ok": (85, 11, ""),
    "tx.select": (90, 10, ""),
    "tx.select-ok": (90, 11, ""),
    "tx.commit": (90, 20, ""),
    "tx.commit-ok": (90, 21, ""),
    "tx.rollback": (90, 30, ""),
    "tx.rollback-ok": (90, 31, ""),
}
METHODS = {
    name: (class_id, method_id, [tuple(part.split(":")) for part in arguments.split()])
    for name, (class_id, method_id, arguments) in METHODS.items()
}
NAMES = {(class_id, method_id): name for name, (class_id, method_id, _) in METHODS.items()}
WITH_CONTENT = {"basic.publish", "basic.return", "basic.deliver", "basic.get-ok"}

PROPERTIES = [
    ("content_type", "S"), ("content_encoding", "S"), ("headers", "F"), ("delivery_mode", "o"), ("priority", "o"),
    ("correlation_id", "S"), ("reply_to", "S"), ("expiration", "S"), ("message_id", "S"), ("timestamp", "q"),
    ("type", "S"), ("user_id", "S"), ("app_id", "S"), ("cluster_id", "S"),
]  # fmt: skip


def frame(kind: int, channel: int, payload: bytes, end: int = FRAME_END) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + bytes([end])


def method(name: str, **arguments) -> bytes:
    """The payload of a method frame. What is not given is zero, empty or false."""
    class_id, method_id, layout = METHODS[name]
    unknown = set(arguments) - {field for _, field in layout}
    if unknown:
        raise TypeError(f"{name} has no {', '.join(sorted(unknown))}")
    out = struct.pack(">HH", class_id, method_id)
    bits = bits_used = 0
    for kind, field in layout:
        if kind == "b":
            bits |= bool(arguments.get(field)) << bits_used
            bits_used += 1
            continue
        if bits_used:
            out += bytes([bits])
            bits = bits_used = 0
        out += _argument(kind, arguments.get(field))
    return out + bytes([bits]) if bits_used else out


def header(size: int, properties: dict, class_id: int = 60) -> bytes:
    """The payload of a content header frame."""
    unknown = set(properties) - {name for name, _ in PROPERTIES}
    if unknown:
        raise TypeError(f"no such property: {', '.join(sorted(unknown))}")
    flags, out = 0, b""
    for position, (name, kind) in enumerate(PROPERTIES):
        if properties.get(name) is not None:
            flags |= 1 << (15 - position)
            out += _argument(kind, properties[name])
    return struct.pack(">HHQH", class_id, 0, size, flags) + out


def table(pairs) -> bytes:
    """A table with its length."""
    data = b"".join(_short(name) + value(content) for name, content in pairs)
    return struct.pack(">I", len(data)) + data


def value(content) -> bytes:
    tag, inner = content
    code = tag.encode()
    if tag in _FIXED:
        return code + struct.pack(_FIXED[tag], inner)
    match tag:
        case "S" | "x":
            return code + struct.pack(">I", len(_bytes(inner))) + _bytes(inner)
        case "F":
            return code + table(inner)
        case "A":
            data = b"".join(map(value, inner))
            return code + struct.pack(">I", len(data)) + data
        case "D":
            return code + struct.pack(">BI", *inner)
        case "V":
            return code
    # Misuse: an unknown tag with whatever follows it.
    return code + inner


def _argument(kind: str, content) -> bytes:
    match kind:
        case "o":
            return struct.pack(">B", content or 0)
        case "s":
            return struct.pack(">H", content or 0)
        case "l":
            return struct.pack(">I", content or 0)
        case "q":
            return struct.pack(">Q", content or 0)
        case "S":
            return _short(content or b"")
        case "L":
            data = _bytes(content or b"")
            return struct.pack(">I", len(data)) + data
    return table(content or [])


def _short(text) -> bytes:
    data = _bytes(text)
    return bytes([len(data)]) + data


def _bytes(text) -> bytes:
    return text.encode() if isinstance(text, str) else text


class Reader:
    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise ValueError("the payload ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def unpack(self, layout: str):
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def argument(self, kind: str):
        match kind:
            case "S":
                return self.take(self.unpack(">B"))
            case "L":
                return self.take(self.unpack(">I"))
            case "F":
                return self.table()
        return self.unpack({"o": ">B", "s": ">H", "l": ">I", "q": ">Q"}[kind])

    def table(self) -> list:
        inner = Reader(self.take(self.unpack(">I")))
        pairs = []
        while inner.at < len(inner.data):
            name = inner.take(inner.unpack(">B")).decode()
            pairs.append((name, inner.value()))
        return pairs

    def value(self):
        tag = self.take(1).decode("latin-1")
        if tag in _FIXED:
            return tag, self.unpack(_FIXED[tag])
        match tag:
            case "S" | "x":
                return tag, self.take(self.unpack(">I"))
            case "F":
                return tag, self.table()
            case "A":
                inner = Reader(self.take(self.unpack(">I")))
                items = []
                while inner.at < len(inner.data):
                    items.append(inner.value())
                return tag, items
            case "D":
                return tag, (self.unpack(">B"), self.unpack(">I"))
            case "V":
                return tag, None
        raise ValueError(f"unknown tag {tag!r}")


def decode_table(data: bytes):
    """The table at the front, and what follows it."""
    reader = Reader(data)
    pairs = reader.table()
    return pairs, data[reader.at :]


def decode_method(payload: bytes):
    """Name and arguments, in order."""
    reader = Reader(payload)
    ids = (reader.unpack(">H"), reader.unpack(">H"))
    if ids not in NAMES:
        raise ValueError(f"unknown method {ids}")
    name = NAMES[ids]
    arguments = {}
    bits = left = 0
    for kind, field in METHODS[name][2]:
        if kind == "b":
            if not left:
                bits, left = reader.unpack(">B"), 8
            arguments[field] = bool(bits & 1)
            bits, left = bits >> 1, left - 1
        else:
            left = 0
            arguments[field] = reader.argument(kind)
    if reader.at != len(payload):
        raise ValueError(f"{name} has {len(payload) - reader.at} bytes too many")
    return name, arguments


def decode_header(payload: bytes):
    """Class, size of the body, properties in order."""
    reader = Reader(payload)
    class_id, _weight, size, flags = (reader.unpack(layout) for layout in (">H", ">H", ">Q", ">H"))
    properties = {}
    for position, (name, kind) in enumerate(PROPERTIES):
        if flags & 1 << (15 - position):
            properties[name] = reader.argument(kind)
    if reader.at != len(payload):
        raise ValueError(f"the header has {len(payload) - reader.at} bytes too many")
    return class_id, size, properties
