"""Reads messages `in/<n>.<protocol>` and writes each in every protocol: `out/<n>.<from>.<to>`."""

import sys

sys.path.insert(0, "gen-py")

from all.ttypes import All
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.protocol.TCompactProtocol import TCompactProtocol
from thrift.protocol.TJSONProtocol import TJSONProtocol
from thrift.Thrift import TMessageType
from thrift.transport.TTransport import TMemoryBuffer

PROTOCOLS = {"binary": TBinaryProtocol, "compact": TCompactProtocol, "json": TJSONProtocol}
HEADER = ("all", TMessageType.CALL, 7)

for number in range(int(sys.argv[1])):
    for source, reader in PROTOCOLS.items():
        with open(f"in/{number}.{source}", "rb") as file:
            protocol = reader(TMemoryBuffer(file.read()))
        header = protocol.readMessageBegin()
        assert header == HEADER, header
        value = All()
        value.read(protocol)
        protocol.readMessageEnd()
        for target, writer in PROTOCOLS.items():
            buffer = TMemoryBuffer()
            protocol = writer(buffer)
            protocol.writeMessageBegin(*HEADER)
            value.write(protocol)
            protocol.writeMessageEnd()
            with open(f"out/{number}.{source}.{target}", "wb") as file:
                file.write(buffer.getvalue())
