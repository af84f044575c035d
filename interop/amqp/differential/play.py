"""Plays scenarios, and compares what was said with what RabbitMQ said.

goldens/MODULE.txt     what RabbitMQ said, recorded: `== scenario`, then the lines of the conversation
differences.txt        where another answer is expected than RabbitMQ 3.10's, with the reason:
                         == scenario
                         reason: …
                         - a line of the golden
                         + what is expected instead
"""

import difflib
import importlib
import pkgutil
import queue
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from . import scenarios
from .session import Session

HERE = Path(__file__).resolve().parent
GOLDENS = HERE / "goldens"
DIFFERENCES = HERE / "differences.txt"
#: Scenarios at once. Few: some of them measure time.
WORKERS = 3


def load() -> dict:
    """All scenarios: the public functions of the modules below scenarios/, as `module.function`."""
    found = {}
    for module in sorted(pkgutil.iter_modules(scenarios.__path__), key=lambda module: module.name):
        loaded = importlib.import_module(f"{scenarios.__name__}.{module.name}")
        for name, function in vars(loaded).items():
            if callable(function) and not name.startswith("_") and getattr(function, "__module__", "") == loaded.__name__:
                found[f"{module.name}.{name}"] = function
    return found


def play(scenario, broker, vhost="/") -> list[str]:
    """The conversation. A scenario that cannot go on says why in its last line."""
    session = Session(broker, vhost)
    try:
        scenario(session)
    except Exception as error:  # noqa: BLE001: a broker that breaks a scenario is a difference, not an end
        where = traceback.extract_tb(error.__traceback__)[-1]
        session.note(f"(the scenario broke off: {type(error).__name__}: {error}, {Path(where.filename).name}:{where.lineno})")
    try:
        session.finish()
    except (OSError, ValueError) as error:
        session.note(f"(the scenario could not be ended: {error})")
    return session.lines


def play_all(broker, wanted=None) -> dict[str, list[str]]:
    """All of them, or those that are wanted: several at once, each in the virtual host of its worker."""
    chosen = {name: scenario for name, scenario in load().items() if wanted is None or name in wanted}
    vhosts: queue.SimpleQueue[str] = queue.SimpleQueue()
    for worker in range(WORKERS):
        vhosts.put(f"scenarios-{worker}")
        broker.add_vhost(f"scenarios-{worker}")

    def play_somewhere(scenario):
        vhost = vhosts.get()
        try:
            return play(scenario, broker, vhost)
        finally:
            vhosts.put(vhost)

    results = {}
    with ThreadPoolExecutor(16) as waiting, ThreadPoolExecutor(WORKERS) as workers:
        for name, scenario in chosen.items():
            if getattr(scenario, "is_alone", False):
                # Declares nothing and mostly waits.
                results[name] = waiting.submit(play, scenario, broker)
            elif not name.startswith("permission."):
                results[name] = workers.submit(play_somewhere, scenario)
        # Their users are the same in all of them, and their rights are on the default virtual host.
        for name, scenario in chosen.items():
            if name not in results:
                results[name] = workers.submit(play, scenario, broker)
                results[name].result()
    return {name: results[name].result() for name in chosen}


def read_goldens() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in sorted(GOLDENS.glob("*.txt")):
        for name, lines in _sections(path):
            found[name] = lines
    return found


def write(directory: Path, product: str, results: dict[str, list[str]]) -> None:
    """The conversations, a file for each module of scenarios."""
    directory.mkdir(exist_ok=True)
    modules: dict[str, list[str]] = {}
    for name, lines in results.items():
        modules.setdefault(name.partition(".")[0], []).append("\n".join([f"== {name}", *lines]))
    for module, parts in modules.items():
        text = f"# Said by {product}; made by `run.py --rabbitmq --record differential`.\n\n" + "\n\n".join(parts) + "\n"
        (directory / f"{module}.txt").write_text(text)


@dataclass
class Difference:
    reason: str = ""
    #: Lines of the golden and what stands in their place, one after the other.
    hunks: list[tuple[list[str], list[str]]] = field(default_factory=list)


def read_differences() -> dict[str, Difference]:
    found = {}
    for name, lines in _sections(DIFFERENCES):
        difference = Difference()
        for line in lines:
            sign, _, text = line.partition(" ")
            if sign == "reason:":
                difference.reason = text
            elif sign == "-":
                if not difference.hunks or difference.hunks[-1][1]:
                    difference.hunks.append(([], []))
                difference.hunks[-1][0].append(text)
            elif sign == "+":
                if not difference.hunks:
                    raise RuntimeError(f"differences.txt: {name}: a + line needs a - line before it")
                difference.hunks[-1][1].append(text)
            else:
                raise RuntimeError(f"differences.txt: {name}: neither reason:, - nor +: {line}")
        if not difference.reason:
            raise RuntimeError(f"differences.txt: {name} has no reason")
        found[name] = difference
    return found


def expected(name: str, goldens: dict[str, list[str]], differences: dict[str, Difference]) -> list[str]:
    """What a scenario should say: its golden with its differences."""
    lines = list(goldens[name])
    at = 0
    for old, new in differences[name].hunks if name in differences else []:
        places = [place for place in range(at, len(lines) - len(old) + 1) if lines[place : place + len(old)] == old]
        if not places:
            raise RuntimeError(f"differences.txt: {name}: the golden has no lines {old}")
        lines[places[0] : places[0] + len(old)] = new
        at = places[0] + len(new)
    return lines


def compare(wanted: list[str], said: list[str]) -> str:
    """Empty if they are the same; otherwise the difference, for a person."""
    if wanted == said:
        return ""
    return "\n".join(difflib.unified_diff(wanted, said, "expected", "said", n=2, lineterm=""))


def _sections(path: Path):
    name, lines = None, []
    for line in path.read_text().splitlines() if path.is_file() else []:
        if line.startswith("#") or not line:
            continue
        if line.startswith("== "):
            if name:
                yield name, lines
            name, lines = line[3:], []
        elif name:
            lines.append(line)
    if name:
        yield name, lines
