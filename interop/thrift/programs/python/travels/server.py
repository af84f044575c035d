"""Answers with the headers that came with the call, over the header transport. Prints its port."""

import threading

from seen import Seen
from thrift.protocol.THeaderProtocol import THeaderProtocol
from thrift.transport import TSocket
from thrift.transport.THeaderTransport import THeaderClientType
from thrift.transport.TTransport import TTransportException


class Handler:
    def __init__(self, transport):
        self._transport = transport

    def seen(self):
        headers = self._transport.get_headers()
        return {key.decode(): value.decode() for key, value in headers.items()}


def serve(connection):
    protocol = THeaderProtocol(connection, [THeaderClientType.HEADERS])
    processor = Seen.Processor(Handler(protocol.trans))
    try:
        while True:
            processor.process(protocol, protocol)
    except TTransportException:
        connection.close()


def main():
    listener = TSocket.TServerSocket("127.0.0.1", 0)
    listener.listen()
    print(listener.handle.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=serve, args=(listener.accept(),), daemon=True).start()


if __name__ == "__main__":
    main()
