"""The installed RabbitMQ as the oracle: a node of its own with free ports and a directory that goes away."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time

from . import fetch
from .broker import Broker

BIN = "/usr/lib/rabbitmq/bin"
PLUGINS = ["rabbitmq_management", "rabbitmq_consistent_hash_exchange"]
START_SECONDS = 60


class RabbitMq:
    def __init__(self):
        if not os.path.exists(f"{BIN}/rabbitmq-server") or not shutil.which("epmd"):
            raise SystemExit("RabbitMQ is not installed: apt-get install rabbitmq-server")
        self._home = fetch.WORK / f"rabbitmq-{os.getpid()}"
        self._children = []

    def __enter__(self):
        self._home.mkdir(parents=True)
        amqp, tls, http, distribution, epmd = free_ports(5)
        name = f"interop{os.getpid()}@localhost"
        certificates = fetch.certificates()
        (self._home / "rabbitmq.conf").write_text(
            f"listeners.tcp.default = 127.0.0.1:{amqp}\n"
            f"listeners.ssl.default = 127.0.0.1:{tls}\n"
            f"ssl_options.cacertfile = {certificates['ca']}\n"
            f"ssl_options.certfile = {certificates['server']}\n"
            f"ssl_options.keyfile = {certificates['server_key']}\n"
            "ssl_options.verify = verify_peer\n"
            "ssl_options.fail_if_no_peer_cert = false\n"
            "management.tcp.ip = 127.0.0.1\n"
            f"management.tcp.port = {http}\n"
            # As quick as it gets, for suites that read statistics soon after what they did.
            "collect_statistics_interval = 500\n"
        )
        (self._home / "enabled_plugins").write_text(f"[{','.join(PLUGINS)}].\n")
        self._environment = os.environ | {
            "HOME": str(self._home),
            "ERL_EPMD_PORT": str(epmd),
            "RABBITMQ_NODENAME": name,
            "RABBITMQ_NODE_PORT": str(amqp),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(self._home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self._home / "log"),
            "RABBITMQ_CONFIG_FILE": str(self._home / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._home / "enabled_plugins"),
        }
        try:
            self._spawn(["epmd", "-address", "127.0.0.1", "-port", str(epmd)])
            self._spawn([f"{BIN}/rabbitmq-server"])
            ctl = ["env", *(f"{key}={self._environment[key]}" for key in self._environment if key.startswith(("RABBITMQ_", "ERL_")))]
            ctl += [f"HOME={self._home}", f"{BIN}/rabbitmqctl"]
            self.broker = Broker("127.0.0.1", amqp, f"127.0.0.1:{http}", tls, tuple(ctl))
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # The server first; each child leads a process group of its own.
        for child in reversed(self._children):
            for how in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, how)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(15)
                    break
        shutil.rmtree(self._home, ignore_errors=True)

    def _spawn(self, command):
        with open(self._home / "output.txt", "ab") as output:
            child = subprocess.Popen(
                command,
                cwd=self._home,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children.append(child)

    def _wait(self):
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.broker.manage("GET", "overview")
                with socket.create_connection((self.broker.host, self.broker.port), timeout=1):
                    return
            except OSError:
                if time.monotonic() > deadline or self._children[-1].poll() is not None:
                    output = (self._home / "output.txt").read_text(errors="replace")
                    raise SystemExit(f"RabbitMQ did not start:\n{output[-3000:]}") from None
                time.sleep(0.2)


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]
