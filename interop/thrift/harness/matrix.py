"""Which cells there are: a client in one dialect, a server in one, and what is between them."""

from dataclasses import dataclass

from .languages import LANGUAGES, WITHIN_TLS, Language

#: Both sides that are held still while the other one is varied: what has no known faults of its own.
STEADY = "go"
STEADY_CLIENT = ("buffered", "compact")
STEADY_SERVER = ("framed", "binary")
#: Under these names a multiplexing client may ask for the service.
NAMES = ("Conformance", "interop/conformance", "interop/conformance:1.0.0")
#: What is on the wire when a library has several ways to the same.
ON_THE_WIRE = {"fast-framed": "framed", "nonblocking": "framed", "binary-fast": "binary", "compact-fast": "compact"}
#: Dialects of providers that Trefoil finds out by trying.
FOUND_OUT = [
    (transport, protocol) for transport in ("framed", "buffered") for protocol in ("binary", "compact", "json")
] + [("header", "binary")]


def wire(name: str) -> str:
    return ON_THE_WIRE.get(name, name)


@dataclass(frozen=True)
class Side:
    language: Language
    transport: str
    protocol: str
    multiplex: str = ""

    @property
    def dialect(self) -> str:
        return f"{self.transport}/{self.protocol}"

    @property
    def is_within_tls(self) -> bool:
        return self.transport in WITHIN_TLS

    def __str__(self) -> str:
        multiplex = f" as {self.multiplex}" if self.multiplex else ""
        return f"{self.language.name} {self.dialect}{multiplex}"


@dataclass(frozen=True)
class Cell:
    part: str
    client: Side
    server: Side
    #: Trefoil is not told what the server speaks.
    is_found_out: bool = False

    def __str__(self) -> str:
        found = " (found out)" if self.is_found_out else ""
        return f"{self.client} > {self.server}{found}"

    @property
    def registration(self) -> tuple[str | None, str | None, str]:
        """What Trefoil is told of the server: transport, protocol, name of the service."""
        if self.is_found_out:
            return None, None, self.server.multiplex
        protocol = wire(self.server.protocol)
        # It is the same to read.
        protocol = "binary" if protocol == "binary-old" else protocol
        transport = WITHIN_TLS.get(self.server.transport, self.server.transport)
        return wire(transport), protocol, self.server.multiplex


#: The parts of a run, and what they vary.
PARTS = {
    "clients": "every dialect of every client, to one server",
    "servers": "one client, to every dialect of every server",
    "found": "one client, to servers whose dialect Trefoil finds out",
    "uuids": "every client and server that has the type, with another protocol on either side",
    "pairs": "every client to every server, with another protocol on either side",
}


def cells() -> list[Cell]:
    named = {language.name: language for language in LANGUAGES}
    steady_client = Side(named[STEADY], *STEADY_CLIENT)
    steady_server = Side(named[STEADY], *STEADY_SERVER)
    made = []
    for language in LANGUAGES:
        sides = [Side(language, *dialect) for dialect in language.clients]
        sides += [Side(language, "framed", protocol, name) for protocol, name in zip(("binary", "compact", "binary"), NAMES)]
        made += [Cell("clients", side, steady_server) for side in sides]
        sides = [Side(language, *dialect) for dialect in language.servers]
        sides += [Side(language, "framed", protocol, "Own") for protocol in ("binary", "compact")]
        made += [Cell("servers", steady_client, side) for side in sides]
        found = [Side(language, *dialect) for dialect in FOUND_OUT if dialect in language.servers]
        made += [Cell("found", steady_client, side, is_found_out=True) for side in found]
    made += pairs()
    made += uuids()
    return made


def uuids() -> list[Cell]:
    """The languages whose libraries have the type, all of whose checks are made here, and their protocols."""
    languages = [language for language in LANGUAGES if language.name in ("node", "python")]
    protocols = ("binary", "compact", "json")
    made = []
    for client in languages:
        for server in languages:
            for number, protocol in enumerate(protocols):
                sides = Side(client, "framed", protocol), Side(server, "framed", protocols[(number + 1) % 3])
                made.append(Cell("uuids", *sides))
    return made


def pairs() -> list[Cell]:
    """A cell for each two languages. Their dialects come in turn, so that all are there, but servers of WebSocket: large
    messages are too much for them."""
    made, turn = [], dict.fromkeys((language.name for language in LANGUAGES), 0)
    for client in LANGUAGES:
        for number, server in enumerate(LANGUAGES):
            one = client.clients[(turn[client.name] * 5 + 1) % len(client.clients)]
            turn[client.name] += 1
            others = [
                dialect
                for dialect in server.servers
                if wire(dialect[1]) != wire(one[1]) and dialect[0] not in ("websocket", "wss")
            ]
            other = others[(turn[client.name] * 3 + number) % len(others)]
            made.append(Cell("pairs", Side(client, *one), Side(server, *other)))
    return made


def direct() -> list[Cell]:
    """Each client to a server of its own language in the same dialect, and of the steady one: what libraries can do."""
    named = {language.name: language for language in LANGUAGES}
    made = []
    for language in LANGUAGES:
        for dialect in sorted({*language.clients, *language.servers}):
            # Servers ask for certificates, which clients do not have.
            if dialect[0] in WITHIN_TLS:
                continue
            for other in dict.fromkeys((language, named[STEADY])):
                # The same on the wire will do.
                there = [theirs for theirs in other.servers if tuple(map(wire, theirs)) == tuple(map(wire, dialect))]
                here = [ours for ours in language.clients if tuple(map(wire, ours)) == tuple(map(wire, dialect))]
                if not there or not here:
                    continue
                server = dialect if dialect in there else there[0]
                client = dialect if dialect in here else here[0]
                cell = Cell("direct", Side(language, *client), Side(other, *server))
                if cell not in made:
                    made.append(cell)
    return made
