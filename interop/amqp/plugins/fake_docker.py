"""A pytest plugin for suites that start their broker in a container: a container engine whose only container is the
broker under test. It speaks as much of the engine's HTTP API as the suites use; nothing is ever started or stopped."""

import json
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORTS = {"5672/tcp": os.environ["INTEROP_PORT"], "5671/tcp": os.environ["INTEROP_TLS_PORT"]}


class Engine(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith("/images/create"):
            self._answer(200, {})
        elif self.path == "/containers/create":
            self._answer(201, {"Id": "broker"})
        elif re.fullmatch(r"/containers/broker/(start|kill|stop)(\?.*)?", self.path):
            self._answer(204)
        else:
            self._answer(501, {"message": "the broker under test is no container"})

    def do_GET(self):
        if self.path == "/containers/broker/json":
            ports = {name: [{"HostIp": "127.0.0.1", "HostPort": port}] for name, port in PORTS.items()}
            self._answer(200, {"Id": "broker", "NetworkSettings": {"Ports": ports}})
        else:
            self._answer(501, {"message": "the broker under test is no container"})

    def do_DELETE(self):
        self._answer(204)

    def _answer(self, status, body=None):
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


engine = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
engine.daemon_threads = True
threading.Thread(target=engine.serve_forever, daemon=True).start()
os.environ["DOCKER_HOST"] = f"tcp://127.0.0.1:{engine.server_address[1]}"
