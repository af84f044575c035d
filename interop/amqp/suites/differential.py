"""Our own scenarios in raw frames, against what RabbitMQ said."""

from differential import play
from harness.report import FAILED, PASSED, Results
from harness.suite import Context, Suite


def _run(context: Context) -> Results:
    # The recordings were made on the oracle; what is expected to differ elsewhere is in differences.txt.
    goldens = play.read_goldens()
    differences = play.read_differences() if context.leave_out else {}
    said = play.play_all(context.broker)
    play.write(context.work, context.broker.product(), said)
    results = Results()
    report = []
    for name, lines in said.items():
        if name not in goldens:
            results.add(name, FAILED, "nothing is recorded: run.py --rabbitmq --record differential")
            continue
        try:
            difference = play.compare(play.expected(name, goldens, differences), lines)
        except RuntimeError as stale:
            results.add(name, FAILED, str(stale))
            continue
        results.add(name, FAILED if difference else PASSED, _first(difference))
        if difference:
            report.append(f"== {name}\n{difference}\n")
    for name in goldens.keys() - said.keys():
        results.add(name, FAILED, "recorded, but there is no such scenario any more")
    for name in differences.keys() - said.keys():
        results.add(name, FAILED, "in differences.txt, but there is no such scenario any more")
    (context.work / "differences.txt").write_text("\n".join(report))
    if report:
        print(f"    conversations and all differences: {context.work}")
    return results


def _first(difference: str) -> str:
    changed = [line for line in difference.splitlines()[2:] if line.startswith(("-", "+"))]
    return " · ".join(changed[:2])


def record(context: Context) -> None:
    product = context.broker.product()
    play.write(play.GOLDENS, product, play.play_all(context.broker))


SUITES = [Suite("differential", "-", _run, record=record, needs_http=True)]
