"""The broker under test, as an address. Nothing here knows which broker it is."""

import base64
import contextlib
import json
import selectors
import shlex
import socket
import threading
import urllib.parse
import urllib.request
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Broker:
    host: str
    port: int
    #: The management API, `HOST:PORT`; None if there is none.
    http: str | None = None
    #: TLS with the certificates of `fetch.certificates()`; None if there is none.
    tls_port: int | None = None
    #: A command compatible with rabbitmqctl; empty if there is none.
    ctl: tuple[str, ...] = field(default=())

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{self.host}:{self.port}"

    @property
    def ctl_line(self) -> str:
        return shlex.join(self.ctl)

    def manage(self, method: str, path: str, body: object = None) -> object:
        """One request to the management API; an HTTP error is raised."""
        if not self.http:
            raise RuntimeError(f"{method} {path} needs the management API")
        request = urllib.request.Request(
            f"http://{self.http}/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": "Basic " + base64.b64encode(b"guest:guest").decode(),
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def add_user(self, name: str, password: str, tags: str = "administrator", vhosts: tuple[str, ...] = ("/",)) -> None:
        self.manage("PUT", f"users/{name}", {"password": password, "tags": tags})
        for vhost in vhosts:
            quoted = urllib.parse.quote(vhost, safe="")
            everything = {"configure": ".*", "write": ".*", "read": ".*"}
            self.manage("PUT", f"permissions/{quoted}/{name}", everything)

    def add_vhost(self, name: str) -> None:
        self.manage("PUT", f"vhosts/{urllib.parse.quote(name, safe='')}")
        self.manage(
            "PUT",
            f"permissions/{urllib.parse.quote(name, safe='')}/guest",
            {"configure": ".*", "write": ".*", "read": ".*"},
        )

    def product(self) -> str:
        """Product and version, as the broker announces them."""
        from differential.codec import decode_table

        with socket.create_connection((self.host, self.port), timeout=10) as peer:
            peer.sendall(b"AMQP\x00\x00\x09\x01")
            data = b""
            while len(data) < 7 or len(data) < 8 + int.from_bytes(data[3:7], "big"):
                more = peer.recv(65536)
                if not more:
                    raise RuntimeError(f"{self.host}:{self.port} closed the connection before connection.start")
                data += more
        properties = dict(decode_table(data[7 + 6 :])[0])
        text = lambda name: properties.get(name, ("S", b"?"))[1].decode()
        return f"{text('product')} {text('version')}"


_standing: dict[int, list] = {}
_standing_lock = threading.Lock()


@contextlib.contextmanager
def standing_at(port: int, host: str, target_port: int):
    """Suites with a fixed address find the broker there: forwards 127.0.0.1:`port` and [::1]:`port`, where they are free.
    Suites that run at the same time share it."""
    if port == target_port and host in ("127.0.0.1", "localhost"):
        yield
        return
    with _standing_lock:
        shared = _standing.setdefault(port, [None, 0])
        if shared[1] == 0:
            shared[0] = Forwarder(port, host, target_port)
            shared[0].start()
        shared[1] += 1
    try:
        yield
    finally:
        with _standing_lock:
            shared[1] -= 1
            if shared[1] == 0:
                shared[0].stop()


class Forwarder:
    """Copies bytes between its port and another one, both ways."""

    def __init__(self, port: int, host: str, target_port: int):
        self._target = (host, target_port)
        self._listeners = []
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            listener = socket.socket(family)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((address, port))
            except OSError as error:
                listener.close()
                if family == socket.AF_INET:
                    raise RuntimeError(f"this suite has the fixed address 127.0.0.1:{port}, which is in use: {error}") from error
                continue  # a machine without IPv6
            listener.listen(64)
            self._listeners.append(listener)

    def start(self):
        for listener in self._listeners:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def stop(self):
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._copy, args=(near,), daemon=True).start()

    def _copy(self, near):
        with near, selectors.DefaultSelector() as selector:
            try:
                far = socket.create_connection(self._target)
            except OSError:
                return
            with far:
                for one, other in ((near, far), (far, near)):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    selector.register(one, selectors.EVENT_READ, other)
                try:
                    while selector.get_map():
                        for key, _ in selector.select():
                            data = key.fileobj.recv(65536)
                            if data:
                                key.data.sendall(data)
                            else:
                                # Half closed: the other direction goes on.
                                selector.unregister(key.fileobj)
                                key.data.shutdown(socket.SHUT_WR)
                except OSError:
                    return
