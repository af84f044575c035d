#!/usr/bin/env python3
"""Stock Thrift clients and servers of six languages, with Trefoil between them.

    run.py --trefoil PATH [--services DIR] [PATTERN…]   everything, or the cells that a pattern fits
    run.py --direct [PATTERN…]                          clients and servers without Trefoil: what the libraries can do
    run.py --list [PATTERN…]                            what cells there are

A pattern is a part of a run (clients, servers, found, pairs), or text for a cell's name with `*` for anything. Prints
tables and, as its last line, the counts as JSON. Exits with 1 if a check fails that is not in excluded.txt, and after a
whole run if a line there has nothing any more that fails. With CI=true a language that cannot run here fails too.
"""

import argparse
import contextlib
import itertools
import os
import queue
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

from harness import certificates, matrix, process, report  # noqa: E402
from harness.expected import Excluded  # noqa: E402
from harness.languages import LANGUAGES, WORK  # noqa: E402
from harness.matrix import Cell  # noqa: E402
from harness.report import EXCLUDED, FAILED, PASSED, Result  # noqa: E402
from harness.trefoil import Trefoil, service_directory  # noqa: E402

#: Clients that may share a server before others get their turn.
SHARED = 12


def main() -> int:
    options = parse()
    cells = chosen(matrix.direct() if options.direct else matrix.cells(), options.patterns)
    if options.list:
        print("\n".join(f"{cell.part}: {cell}" for cell in cells))
        return 0
    began = time.monotonic()
    skipped = build(cells)
    cells = [cell for cell in cells if not {cell.client.language.name, cell.server.language.name} & set(skipped)]
    if not cells:
        sys.exit("nothing is left to be run")
    excluded = Excluded(HERE / "excluded.txt")
    results, version = run(cells, excluded, options)
    results.sort(key=lambda result: cells.index(result.cell))
    is_whole = not (options.patterns or options.direct or skipped)
    stale = excluded.stale() if is_whole else []
    print(report.tables(results))
    for line in stale:
        print(f"excluded.txt:{line.number}: nothing fails any more that this line would be for: {line}")
    failures = [result for result in results if result.outcome == FAILED]
    for result in failures:
        print(f"\nfailed: {result.cell.part}: {result.cell}")
        print("\n".join(f"    {check}: {why}" for check, why in result.failures.items()))
    print(report.summary(results, version, time.monotonic() - began, stale, skipped))
    return 1 if failures or stale or (skipped and is_ci()) else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trefoil", metavar="PATH", type=Path, help="the program")
    parser.add_argument("--services", metavar="DIR", type=Path, help="where the contract is published; made if not given")
    parser.add_argument("--direct", action="store_true", help="without Trefoil")
    parser.add_argument("--excluded", action="store_true", help="run what excluded.txt says is not worth it, too")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="platforms that are run side by side (2)")
    parser.add_argument("--list", action="store_true", help="what cells there are")
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    options = parser.parse_args()
    if not (options.list or options.direct or options.trefoil):
        parser.error("give --trefoil PATH, or --direct")
    return options


def is_ci() -> bool:
    return os.environ.get("CI") in ("true", "1")


def chosen(cells: list[Cell], patterns: list[str]) -> list[Cell]:
    def fits(cell: Cell) -> bool:
        return any(pattern == cell.part or fnmatchcase(str(cell), pattern) for pattern in patterns)

    return [cell for cell in cells if not patterns or fits(cell)]


def build(cells: list[Cell]) -> dict[str, str]:
    """Builds the programs that are needed. What cannot be built here is skipped: language and reason."""
    needed = {side.language.name for cell in cells for side in (cell.client, cell.server)}
    skipped = {}
    for language in LANGUAGES:
        if language.name not in needed:
            continue
        missing = language.missing()
        if missing:
            print(f"{language.name}: skipped: {missing}", flush=True)
            skipped[language.name] = missing
        else:
            language.build()
    return skipped


def run(cells: list[Cell], excluded: Excluded, options: argparse.Namespace) -> tuple[list[Result], str]:
    """Runs groups of cells that share a server, side by side, each with a platform of its own."""
    results, waiting = [], []
    for cell in cells:
        whole = None if options.excluded else excluded.whole(cell)
        if whole:
            results.append(Result(cell, EXCLUDED, reason=whole.reason))
        else:
            waiting.append(cell)
    groups = []
    for _, group in itertools.groupby(waiting, key=lambda cell: (cell.server, cell.is_found_out)):
        group = list(group)
        groups += [group[index : index + SHARED] for index in range(0, len(group), SHARED)]
    services = options.services or WORK / "services"
    service_directory(services)
    (WORK / "run").mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        platforms: queue.SimpleQueue[Trefoil | None] = queue.SimpleQueue()
        version = ""
        made = None if options.direct else certificates.make()
        for number in range(max(1, options.jobs)):
            platform = None
            if not options.direct:
                platform = Trefoil(options.trefoil.resolve(), services, f"trefoil-{number}", made)
                stack.callback(platform.end)
                version = platform.version
            platforms.put(platform)

        def run_group(group: list[Cell]) -> list[Result]:
            platform = platforms.get()
            try:
                return run_on(group, platform, excluded)
            finally:
                platforms.put(platform)

        with ThreadPoolExecutor(max(1, options.jobs)) as pool:
            for done in pool.map(run_group, groups):
                results += done
    return results, version


def run_on(group: list[Cell], platform: Trefoil | None, excluded: Excluded) -> list[Result]:
    """Cells that have the server in common."""
    log = log_of(group[0], "server")
    side = group[0].server
    authority = platform.certificates.ca if platform else None
    try:
        ca = authority if side.is_within_tls else None
        server = process.server(side.language, side.transport, side.protocol, side.multiplex, log, ca)
    except RuntimeError as error:
        return [judge(cell, {"checks": 0, "failed": {"(server)": str(error)}}, excluded, 0.0) for cell in group]
    try:
        address = f"127.0.0.1:{server.said.strip()}"
        if platform:
            scheme = {"http": "http", "https": "https", "websocket": "ws", "wss": "wss"}.get(side.transport)
            place = f"{scheme}://{address}/thrift" if scheme else address
            platform.register(place, side.is_within_tls, *group[0].registration)
        results = []
        for cell in group:
            began = time.monotonic()
            log = log_of(cell, "client")
            client = cell.client
            ca = authority if client.is_within_tls else None
            at = platform.address(client.transport) if platform else address
            # Clients of others meet servers that need it only without Trefoil.
            without = excluded.untried(cell) if client.language.name == matrix.STEADY else []
            dialect = client.transport, client.protocol, client.multiplex
            said = process.client(client.language, at, *dialect, log, ca, without)
            results.append(judge(cell, said, excluded, time.monotonic() - began))
        if platform:
            platform.deregister()
        return results
    except RuntimeError as error:
        if platform:
            with contextlib.suppress(RuntimeError):
                platform.deregister()
        return [judge(cell, {"checks": 0, "failed": {"(platform)": str(error)}}, excluded, 0.0) for cell in group]
    finally:
        server.end()


def log_of(cell: Cell, who: str) -> Path:
    name = "".join(letter if letter.isalnum() else "-" for letter in f"{cell.part} {cell}")
    return WORK / "run" / f"{name}.{who}.log"


def judge(cell: Cell, said: dict, excluded: Excluded, seconds: float) -> Result:
    result = Result(cell, PASSED, checks=said["checks"], seconds=seconds)
    for check, why in said["failed"].items():
        line = excluded.check(cell, check)
        if line:
            result.excluded[check] = line
        else:
            result.failures[check] = why
    if result.failures:
        result.outcome = FAILED
    print(f"{cell.part}: {cell}: {result.mark} in {seconds:.1f} s", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
