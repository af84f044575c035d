"""All checks with the Python library, against the server at an address."""

import json
import math
import struct
import sys
import time
import uuid

import dialects
from conformance import Conformance
from conformance.constants import CONTAINERS, EMPTY, EXTREMES, SPREAD
from conformance.ttypes import (
    Arguments,
    Broken,
    Chain,
    Choice,
    Color,
    Defaults,
    Everything,
    Key,
    Narrow,
    Optionals,
    Refused,
    Small,
    Tree,
)
from newer import Later
from newer.ttypes import Wide
from thrift.Thrift import TApplicationException
from uuids import Uuids
from uuids import echo as echo_uuids


def same(found, wanted):
    if found != wanted:
        raise AssertionError(f"{str(found)[:300]} is not {str(wanted)[:300]}")


def echoes(echo, *values):
    for value in values:
        same(echo(value), value)


def raises(kind, call):
    try:
        found = call()
    except kind as error:
        return error
    raise AssertionError(f"{found!r} instead of {kind.__name__}")


class Checks:
    """Each method that has no underscore in front is a check."""

    def __init__(self, connect):
        self._connect = connect
        self._open()

    def _open(self):
        self._transport, protocol = self._connect()
        self._client = Conformance.Client(protocol)
        self._newer = Later.Client(protocol)

    def _reopen(self):
        self._transport.close()
        self._open()

    def ping(self):
        same(self._client.ping(), None)

    def describe(self):
        assert self._client.describe(), "the server has no name"

    def bools(self):
        echoes(self._client.echoBool, True, False)

    def tiny(self):
        echoes(self._client.echoTiny, 0, 1, -1, 127, -128)

    def short(self):
        echoes(self._client.echoShort, 0, 1, -1, 32767, -32768)

    def middle(self):
        echoes(self._client.echoMiddle, 0, 1, -1, 2**31 - 1, -(2**31))

    def long(self):
        echoes(self._client.echoLong, 0, 1, -1, 2**53, -(2**53) - 1, 2**63 - 1, -(2**63))
        echoes(self._client.echoMoment, 1_700_000_000_000)

    def doubles(self):
        echoes(self._client.echoDouble, 0.0, 1.5, -1e300, 5e-324, 1.7976931348623157e308, 0.1)

    def special_doubles(self):
        echoes(self._client.echoDouble, math.inf, -math.inf)
        assert math.isnan(self._client.echoDouble(math.nan))

    def negative_zero(self):
        same(struct.pack(">d", self._client.echoDouble(-0.0)), struct.pack(">d", -0.0))

    def strings(self):
        echoes(self._client.echoString, "", "plain", "Ünïcödé 漢字 𝄞", 'a "quote", a back\\slash and a /')

    def control_characters(self):
        echoes(self._client.echoString, "\n\t\r\b\f", "\x01\x1f\x7f")

    def nul_character(self):
        echoes(self._client.echoString, "nul\0inside")

    def binaries(self):
        echoes(self._client.echoBinary, b"", b"\0", b"\xff\xfe", bytes(range(256)))

    def large_string(self):
        echoes(self._client.echoString, "0123456789abcdeü" * 65536)

    def large_binary(self):
        echoes(self._client.echoBinary, bytes(range(256)) * 4096)

    def enums(self):
        echoes(self._client.echoColor, Color.RED, Color.GREEN, Color.BLUE)

    def scalars(self):
        echoes(self._client.echoScalars, EXTREMES)

    def spread(self):
        echoes(self._client.echoSpread, SPREAD)

    def containers(self):
        echoes(self._client.echoContainers, CONTAINERS)

    def empty_containers(self):
        echoes(self._client.echoContainers, EMPTY)
        echoes(self._client.echoList, [])
        echoes(self._client.echoSet, set())
        echoes(self._client.echoMap, {})

    def lists(self):
        echoes(self._client.echoList, [1], list(range(14)), list(range(15)), list(range(-8, 8)))

    def flags(self):
        echoes(self._client.echoFlags, [True], [False], [True, False, True, True, False])

    def long_list(self):
        echoes(self._client.echoList, [number * 7919 for number in range(50_000)])

    def sets(self):
        echoes(self._client.echoSet, {"a"}, {"", "b", "ü"})

    def maps(self):
        echoes(self._client.echoMap, {"a": 1}, {"b": 0, "zwölf": 12, '"': -1})

    def empty_key(self):
        echoes(self._client.echoMap, {"": 1}, {"": 0, "b": 2})

    def enum_keys(self):
        echoes(self._client.echoColorMap, {Color.RED: "red", Color.BLUE: "blue"})

    def long_keys(self):
        echoes(self._client.echoLongMap, {0: "zero", -1: "before", 2**63 - 1: "last", -(2**63): "first"})

    def struct_keys(self):
        echoes(self._client.echoKeyMap, {Key(1, "one"): "1", Key(2, ""): "2"})

    def nested(self):
        echoes(self._client.echoNested, {"x": [{1, 2}, set()], "z": [], "y": [{-1}]})

    def unions(self):
        choices = [
            Choice(text="a"),
            Choice(number=-(2**40)),
            Choice(small=Small(1, "b")),
            Choice(numbers=[1, 2]),
            Choice(flag=False),
        ]
        echoes(self._client.echoChoice, *choices)

    def recursion(self):
        tree = Tree("leaf", [])
        for level in range(20):
            tree = Tree(f"level {level}", [tree, Tree("side", [])])
        echoes(self._client.echoTree, tree)
        chain = None
        for number in range(20):
            chain = Chain(number, chain)
        echoes(self._client.echoChain, chain)

    def everything(self):
        value = Everything(
            scalars=EXTREMES,
            containers=CONTAINERS,
            choice=Choice(text="chosen"),
            tree=Tree("root", []),
            spread=SPREAD,
            choices=[Choice(number=1), Choice(flag=True)],
        )
        echoes(self._client.echoEverything, value)

    def defaults(self):
        echoes(self._client.echoDefaults, Defaults())
        same(self._client.makeDefaults(), Defaults())

    def optionals(self):
        echoes(self._client.echoOptionals, Optionals(always=1))
        echoes(self._client.echoOptionals, Optionals(False, 0, "", [], Small(0, ""), 0))

    def arguments(self):
        value = Arguments(True, -1, 2, -3, 4, 0.5, "six", b"\x07", Color.GREEN, ["nine"], Small(10, "ten"))
        found = self._client.collect(
            flag=value.flag,
            tiny=value.tiny,
            short_=value.short_,
            middle=value.middle,
            long_=value.long_,
            real=value.real,
            text=value.text,
            raw=value.raw,
            color=value.color,
            words=value.words,
            small=value.small,
        )
        same(found, value)

    def exceptions(self):
        same(self._client.attempt(0), 1)
        same(raises(Refused, lambda: self._client.attempt(1)), Refused("no", 7))
        same(raises(Broken, lambda: self._client.attempt(2)), Broken(Small(1, "it"), ["a", "b"]))

    def void_exceptions(self):
        same(self._client.demand(0), None)
        same(raises(Refused, lambda: self._client.demand(1)), Refused("no", 7))
        same(raises(Broken, lambda: self._client.demand(2)), Broken(Small(1, "it"), ["a", "b"]))
        same(self._client.demand(0), None)

    def undeclared_exception(self):
        raises(TApplicationException, lambda: self._client.demand(3))

    def unknown_method(self):
        same(raises(TApplicationException, lambda: self._newer.added("x")).type, TApplicationException.UNKNOWN_METHOD)
        # The connection can still be used.
        echoes(self._client.echoString, "after it")

    def uuids(self):
        one, two = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"), uuid.UUID(int=0)
        for value in (Uuids(one, [two, one], {one: 1, two: -2}), Uuids(two, [], {})):
            same(echo_uuids(self._client._iprot, value), value)

    def unknown_fields(self):
        value = Wide(1, [{2: "three"}], "text", Wide(4, [], "five", None, True), True)
        found = self._newer.echoNarrow(value)
        same((found.number, found.text), (1, "text"))
        same(self._client.echoNarrow(Narrow(2, "narrow")), Narrow(2, "narrow"))

    def oneway(self):
        key = str(uuid.uuid4())
        for amount in (1, 2, 3):
            self._client.note(key, amount)
        end = time.monotonic() + 5
        while self._client.noted(key) != 6:
            assert time.monotonic() < end, f"noted {self._client.noted(key)} instead of 6"
            time.sleep(0.01)

    def sequence(self):
        for number in range(100):
            same(self._client.echoMiddle(number), number)


def main():
    options = dialects.arguments()
    checks = Checks(lambda: dialects.connect(options, "Conformance"))
    names = [name for name in vars(Checks) if not name.startswith("_")]
    failed = {}
    for name in names:
        try:
            getattr(checks, name)()
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"[:600]
            # What is left on the connection is unknown.
            checks._reopen()
    print(json.dumps({"checks": len(names), "failed": failed}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
