"""What travels with a call, by the Python library: client.py HOST:PORT. Prints `{"checks": N, "failed": {NAME: WHY}}`."""

import json
import socket
import sys
import urllib.request

from echo import Echo
from echo.ttypes import Inputs as Value
from seen import Seen
from size import Size
from size.ttypes import File, Inputs
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.protocol.TCompactProtocol import TCompactProtocol
from thrift.protocol.THeaderProtocol import THeaderProtocol
from thrift.protocol.TMultiplexedProtocol import TMultiplexedProtocol
from thrift.Thrift import TApplicationException
from thrift.transport import THttpClient, TSocket, TTransport
from thrift.transport.THeaderTransport import THeaderClientType

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def same(found, expected):
    assert found == expected, f"{found!r} instead of {expected!r}"


class Headered:
    """A client with the header transport."""

    def __init__(self, address, service, key):
        host, port = address.rsplit(":", 1)
        connection = TSocket.TSocket(host, int(port))
        connection.setTimeout(30_000)
        protocol = THeaderProtocol(connection, [THeaderClientType.HEADERS])
        self._transport = protocol.trans
        self.client = service.Client(TMultiplexedProtocol(protocol, key))
        connection.open()

    def says(self, **headers):
        for name, value in headers.items():
            self._transport.set_header(name.replace("_", "-").encode(), value.encode())
        return self.client

    def told(self):
        return {key.decode(): value.decode() for key, value in self._transport.get_headers().items()}


def on_websocket(address, headers, message):
    """The answer to a message of text on a WebSocket connection; by hand, since the library has none."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=30) as stream:
        key = ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
        lines = ["GET /thrift HTTP/1.1", "Host: here", "Connection: Upgrade", "Upgrade: websocket", *key, *headers, "", ""]
        stream.sendall("\r\n".join(lines).encode())
        reader = stream.makefile("rb")
        same(reader.readline(), b"HTTP/1.1 101 Switching Protocols\r\n")
        while reader.readline() != b"\r\n":
            pass
        # A whole message of text with a mask of zeros, which changes nothing.
        stream.sendall(bytes([0x81, 0x80 | len(message), 0, 0, 0, 0]) + message.encode())
        same(reader.read(1), b"\x81")
        size = reader.read(1)[0]
        return reader.read(int.from_bytes(reader.read(2), "big") if size == 126 else size).decode()


class Checks:
    def __init__(self, address):
        self._address = address

    def _posted(self, service, key, **headers):
        """A client that posts to the same port, and its transport."""
        transport = THttpClient.THttpClient(f"http://{self._address}/thrift")
        transport.setCustomHeaders({name.replace("_", "-"): value for name, value in headers.items()})
        return service.Client(TMultiplexedProtocol(TBinaryProtocol(transport), key)), transport

    def a_trace_goes_on(self):
        one = Headered(self._address, Seen, "interop/seen")
        seen = one.says(traceparent=PARENT, tracestate="a=1", baggage="user=alice", own="kept").seen()
        same(seen["traceparent"][:36], PARENT[:36])
        same(seen["traceparent"][-2:], "01")
        assert seen["traceparent"] != PARENT, "the hop has no id of its own"
        same([seen[key] for key in ("tracestate", "baggage", "own")], ["a=1", "user=alice", "kept"])
        assert 0 < int(seen["deadline-ms"]) <= 30_000, seen

    def a_trace_goes_on_from_http(self):
        client, transport = self._posted(Seen, "interop/seen", traceparent=PARENT, idempotency_key="k", deadline_ms="9000")
        seen = client.seen()
        same(seen["traceparent"][3:35], TRACE)
        same(transport.headers["traceparent"][3:35], TRACE)
        same(seen["idempotency-key"], "k")
        assert 0 < int(seen["deadline-ms"]) <= 9_000, seen

    def a_trace_goes_on_from_json(self):
        url = f"http://{self._address}/v1/call/interop/seen/seen"
        headers = {"Content-Type": "application/json", "traceparent": PARENT, "baggage": "user=alice"}
        with urllib.request.urlopen(urllib.request.Request(url, b"{}", headers), timeout=30) as answer:
            seen = json.load(answer)
            same(answer.headers["traceparent"][3:35], TRACE)
        same((seen["traceparent"][3:35], seen["baggage"]), (TRACE, "user=alice"))

    def a_trace_goes_on_from_a_websocket(self):
        headers = [f"traceparent: {PARENT}", "baggage: user=alice"]
        seen = on_websocket(self._address, headers, '[1,"interop/seen:seen",1,7,{}]')
        assert f"00-{TRACE}-" in seen and '"user=alice"' in seen, seen

    def a_trace_begins(self):
        host, port = self._address.rsplit(":", 1)
        connection = TSocket.TSocket(host, int(port))
        protocol = TCompactProtocol(TTransport.TFramedTransport(connection))
        connection.open()
        client = Seen.Client(TMultiplexedProtocol(protocol, "interop/seen"))
        traces = {client.seen()["traceparent"][3:35] for _ in range(3)}
        same(len(traces), 3)

    def a_call_is_one_job_however_often(self):
        one = Headered(self._address, Echo, "trefoil/echo")
        same(one.says(idempotency_key="one", trefoil_submitter="alice").run(Value("[1]")).value, "[1]")
        job = one.told()["trefoil-job"]
        assert "idempotency-replayed" not in one.told()
        same(one.says(idempotency_key="one", trefoil_submitter="alice").submit(Value("[1]")), job)
        same(one.told(), {"trefoil-job": job, "idempotency-replayed": "true"})
        client, transport = self._posted(Echo, "trefoil/echo", idempotency_key="one", trefoil_submitter="alice")
        same(client.run(Value("[1]")).value, "[1]")
        same((transport.headers["trefoil-job"], transport.headers["idempotency-replayed"]), (job, "true"))
        one.says(idempotency_key="one", trefoil_submitter="bob").run(Value("[2]"))
        assert one.told()["trefoil-job"] != job
        same(one.client.result(job).value, "[1]")

    def other_arguments_are_refused(self):
        one = Headered(self._address, Echo, "trefoil/echo")
        one.says(idempotency_key="other").run(Value("1"))
        try:
            one.says(idempotency_key="other").run(Value("2"))
        except TApplicationException as error:
            same(error.type, TApplicationException.PROTOCOL_ERROR)
            assert "idempotency key 'other'" in error.message, error.message
        else:
            raise AssertionError("it was not refused")

    def the_content_of_a_file_is_in_the_call(self):
        one = Headered(self._address, Size, "interop/size")
        outputs = one.client.run(Inputs(File(content=b"a,b\n\xff", name="t.csv")))
        same(outputs.size, 5)
        # It is a file from now on.
        again = one.client.run(Inputs(File(sha256=outputs.copy.sha256)))
        same((again.size, again.copy.sha256), (5, outputs.copy.sha256))


def main():
    checks = Checks(sys.argv[1])
    names = [name for name in vars(Checks) if not name.startswith("_")]
    failed = {}
    for name in names:
        try:
            getattr(checks, name)()
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"[:600]
    print(json.dumps({"checks": len(names), "failed": failed}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
