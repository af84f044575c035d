"""What the compiler would write for `echoUuids`, if it knew the type: the library does."""

from thrift.protocol.TBase import TBase
from thrift.Thrift import TApplicationException, TMessageType, TType

UUID = (TType.UUID, None)


class Struct(TBase):
    __slots__ = ("__dict__",)

    def __init__(self, *values):
        names = [field[2] for field in self.thrift_spec if field]
        vars(self).update(dict.fromkeys(names) | dict(zip(names, values)))

    def __eq__(self, other):
        return type(self) is type(other) and vars(self) == vars(other)

    def __repr__(self):
        return f"{type(self).__name__}({vars(self)})"


class Uuids(Struct):
    thrift_spec = (
        None,
        (1, TType.UUID, "one", None, None),
        (2, TType.LIST, "many", (*UUID, False), None),
        (3, TType.MAP, "keyed", (*UUID, TType.I32, None, False), None),
    )


class Arguments(Struct):
    thrift_spec = (None, (1, TType.STRUCT, "value", [Uuids, Uuids.thrift_spec], None))


class Result(Struct):
    thrift_spec = ((0, TType.STRUCT, "success", [Uuids, Uuids.thrift_spec], None),)


def echo(protocol, value):
    """A call, made with the protocol of a client."""
    protocol.writeMessageBegin("echoUuids", TMessageType.CALL, 7)
    Arguments(value).write(protocol)
    protocol.writeMessageEnd()
    protocol.trans.flush()
    _, kind, _ = protocol.readMessageBegin()
    result = TApplicationException() if kind == TMessageType.EXCEPTION else Result()
    result.read(protocol)
    protocol.readMessageEnd()
    if kind == TMessageType.EXCEPTION:
        raise result
    return result.success


def answer(_, sequence, incoming, outgoing):
    """The answer to a call, for the table of a processor."""
    arguments = Arguments()
    arguments.read(incoming)
    incoming.readMessageEnd()
    outgoing.writeMessageBegin("echoUuids", TMessageType.REPLY, sequence)
    Result(arguments.value).write(outgoing)
    outgoing.writeMessageEnd()
    outgoing.trans.flush()
