"""All methods of the contract with the Python library. Prints its port."""

import socket
import ssl
import sys
import threading

import dialects
import uuids
from conformance import Conformance
from conformance.ttypes import Arguments, Broken, Defaults, Refused, Small
from thrift.server import THttpServer, TServer
from thrift.TMultiplexedProcessor import TMultiplexedProcessor
from thrift.transport import TSocket, TSSLSocket


class Handler:
    def __init__(self):
        self._lock = threading.Lock()
        self._noted = {}

    def __getattr__(self, name):
        if name.startswith("echo"):
            return lambda value: value
        raise AttributeError(name)

    def ping(self):
        pass

    def describe(self):
        return "python"

    def makeDefaults(self):
        return Defaults()

    def collect(self, flag, tiny, short_, middle, long_, real, text, raw, color, words, small):
        return Arguments(flag, tiny, short_, middle, long_, real, text, raw, color, words, small)

    def attempt(self, how):
        self.demand(how)
        return 1

    def demand(self, how):
        match how:
            case 1:
                raise Refused("no", 7)
            case 2:
                raise Broken(Small(1, "it"), ["a", "b"])
            case 3:
                raise RuntimeError("not declared")

    def note(self, key, amount):
        with self._lock:
            self._noted[key] = self._noted.get(key, 0) + amount

    def noted(self, key):
        with self._lock:
            return self._noted.get(key, 0)


class Saying:
    """Says which port the system chose."""

    def listen(self):
        super().listen()
        print(self.handle.getsockname()[1], flush=True)


class Listener(Saying, TSocket.TServerSocket):
    pass


class SecureListener(Saying, TSSLSocket.TSSLServerSocket):
    pass


def listener(options):
    port = int(options.address)
    if options.transport != "tls":
        return Listener("127.0.0.1", port, socket_family=socket.AF_INET)
    # Its files are beside those of the authority. A context that the library makes itself asks for the name of the client.
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=options.ca)
    context.load_cert_chain(*(options.ca.replace("ca.pem", name) for name in ("server.pem", "server.key")))
    context.verify_mode = ssl.CERT_REQUIRED
    return SecureListener("127.0.0.1", port, ssl_context=context)


def main():
    options = dialects.arguments()
    processor = Conformance.Processor(Handler())
    processor._processMap["echoUuids"] = uuids.answer
    if options.multiplex:
        several = TMultiplexedProcessor()
        several.registerProcessor(options.multiplex, processor)
        processor = several
    if options.transport == "http":
        factory = dialects.protocol_factory(options.protocol)
        server = THttpServer.THttpServer(processor, ("127.0.0.1", int(options.address)), factory)
        print(server.httpd.server_address[1], flush=True)
        server.serve()
        return
    transports, protocols = dialects.server_factories(options.transport, options.protocol)
    server = TServer.TThreadedServer(processor, listener(options), transports, protocols, daemon=True)
    server.serve()


if __name__ == "__main__":
    sys.exit(main())
