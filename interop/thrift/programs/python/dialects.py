"""Transports and protocols of the Python library, by the names that the harness uses."""

import argparse
import ssl

from thrift.protocol import (
    TBinaryProtocol,
    TCompactProtocol,
    THeaderProtocol,
    TJSONProtocol,
    TMultiplexedProtocol,
)
from thrift.transport import THeaderTransport, THttpClient, TSocket, TSSLSocket, TTransport, TZlibTransport


def protocol_factory(name):
    match name:
        case "binary":
            return TBinaryProtocol.TBinaryProtocolFactory()
        case "binary-old":
            return TBinaryProtocol.TBinaryProtocolFactory(strictRead=False, strictWrite=False)
        case "binary-fast":
            return TBinaryProtocol.TBinaryProtocolAcceleratedFactory(fallback=False)
        case "compact":
            return TCompactProtocol.TCompactProtocolFactory()
        case "compact-fast":
            return TCompactProtocol.TCompactProtocolAcceleratedFactory(fallback=False)
        case "json":
            return TJSONProtocol.TJSONProtocolFactory()
    raise SystemExit(f"the Python library has no protocol {name}")


HEADER_PROTOCOLS = {
    "binary": THeaderTransport.THeaderSubprotocolID.BINARY,
    "compact": THeaderTransport.THeaderSubprotocolID.COMPACT,
}
HEADER_CLIENTS = (
    THeaderTransport.THeaderClientType.HEADERS,
    THeaderTransport.THeaderClientType.FRAMED_BINARY,
    THeaderTransport.THeaderClientType.UNFRAMED_BINARY,
    THeaderTransport.THeaderClientType.FRAMED_COMPACT,
    THeaderTransport.THeaderClientType.UNFRAMED_COMPACT,
)


def server_factories(transport, protocol):
    """The factories of transport and protocol that a server is made with."""
    match transport:
        case "buffered":
            return TTransport.TBufferedTransportFactory(), protocol_factory(protocol)
        case "framed" | "tls":
            return TTransport.TFramedTransportFactory(), protocol_factory(protocol)
        case "zlib":
            return TZlibTransport.TZlibTransportFactory(), protocol_factory(protocol)
        case "header":
            # This protocol brings its own transport.
            return TTransport.TBufferedTransportFactory(), THeaderProtocol.THeaderProtocolFactory(
                HEADER_CLIENTS, HEADER_PROTOCOLS[protocol]
            )
    raise SystemExit(f"the Python library has no transport {transport} for servers")


def connect(options, service):
    """An open transport, and the protocol for calls of `service` on it."""
    host, _, port = options.address.rpartition(":")
    if options.transport in ("http", "https"):
        url = f"{options.transport}://{options.address}/thrift"
        trust = ssl.create_default_context(cafile=options.ca) if options.ca else None
        transport = THttpClient.THttpClient(url, ssl_context=trust)
        transport.setTimeout(10_000)
        protocol = protocol_factory(options.protocol).getProtocol(transport)
    else:
        match options.transport:
            case "tls":
                socket = TSSLSocket.TSSLSocket(host, int(port), cert_reqs=ssl.CERT_REQUIRED, ca_certs=options.ca)
            case "unix":
                socket = TSocket.TSocket(unix_socket=options.address)
            case _:
                socket = TSocket.TSocket(host, int(port))
        socket.setTimeout(10_000)
        match options.transport:
            case "buffered" | "header":
                transport = TTransport.TBufferedTransport(socket)
            case "framed" | "tls" | "unix":
                transport = TTransport.TFramedTransport(socket)
            case "zlib":
                transport = TZlibTransport.TZlibTransport(TTransport.TBufferedTransport(socket))
            case other:
                raise SystemExit(f"the Python library has no transport {other} for clients")
        if options.transport == "header":
            factory = THeaderProtocol.THeaderProtocolFactory(HEADER_CLIENTS, HEADER_PROTOCOLS[options.protocol])
            protocol = factory.getProtocol(transport)
        else:
            protocol = protocol_factory(options.protocol).getProtocol(transport)
    transport.open()
    if options.multiplex:
        protocol = TMultiplexedProtocol.TMultiplexedProtocol(protocol, options.multiplex)
    return transport, protocol


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("address", help="HOST:PORT; of a server: the port, 0 for any")
    parser.add_argument("--transport", default="buffered")
    parser.add_argument("--protocol", default="binary")
    parser.add_argument("--ca", help="whose certificates are believed")
    parser.add_argument("--multiplex", default="", help="the name of the service on a multiplexed connection")
    return parser.parse_args()
