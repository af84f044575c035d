"""The tests in the source packages of Python's AMQP clients."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

from harness import fetch
from harness.report import Results
from harness.suite import Context, Suite


def _pytest(
    context: Context, package: fetch.Package, tests: str, *options: str, processes: int = 1, groups: str = "", **environment: str
) -> Results:
    """In several processes where tests wait more than they work: every so-manieth test to each, or groups of files and tests."""
    source = fetch.unpack(package)
    program = fetch.venv() / "python"

    def run(shard: int) -> dict:
        results, log = context.work / f"results-{shard}.json", f"output-{shard}.txt"
        # Without reruns: a test that fails now and then is a failure.
        context.run(
            [program, "-m", "pytest", "-p", "interop", "-p", "no:cacheprovider", "-p", "no:rerunfailures"]
            + ["--rootdir", source, "--tb=short", "-q", *options, source / tests],
            log=log,
            PYTHONPATH=str(fetch.HERE / "plugins"),
            PYTHONDONTWRITEBYTECODE="1",
            INTEROP_HARNESS=str(fetch.HERE),
            INTEROP_RESULTS=str(results),
            INTEROP_EXPECTED=os.pathsep.join(map(str, context.lists)) if context.leave_out else "",
            INTEROP_SHARD=f"{shard}/{processes}",
            INTEROP_GROUPS=groups,
            INTEROP_PORT=str(context.broker.port),
            INTEROP_TLS_PORT=str(context.broker.tls_port or 0),
            **environment,
        )
        if not results.is_file():
            raise RuntimeError(f"pytest did not finish: {context.read(log)[-2000:]}")
        return json.loads(results.read_text())

    found = Results()
    with ThreadPoolExecutor(processes) as pool:
        for written in pool.map(run, range(processes)):
            found.left_out |= set(written["left_out"])
            for test, (outcome, why) in written["outcomes"].items():
                found.add(test, outcome, why)
    return found


def _address(context: Context) -> dict[str, str]:
    broker = context.broker
    return {
        "RABBITMQ_HOST": broker.host,
        "RABBITMQ_5672_TCP": str(broker.port),
        "RABBITMQ_5671_TCP": str(broker.tls_port or 0),
    }


def _py_amqp(context: Context) -> Results:
    # The tests name their certificates from where they are started, and the package comes without them.
    ours, theirs = fetch.certificates(), context.work / "t/certs"
    theirs.mkdir(parents=True)
    for name, file in {
        "ca_certificate": ours["ca"],
        "client_certificate": ours["client"],
        "client_key": ours["client_key"],
        # "Broken" is a key of another certificate.
        "client_certificate_broken": ours["client"],
        "client_key_broken": ours["server_key"],
    }.items():
        shutil.copy(file, theirs / f"{name}.pem")
    return _pytest(context, fetch.PY_AMQP, "t/integration", "--timeout=30", **_address(context))


def _kombu(context: Context) -> Results:
    return _pytest(context, fetch.KOMBU, "t/integration/test_py_amqp.py", "--timeout=60", **_address(context))


def _aiormq(context: Context) -> Results:
    return _pytest(context, fetch.AIORMQ, "tests", "-p", "aiormq_broker", "--timeout=60", processes=6)


def _aio_pika(context: Context) -> Results:
    # What is in a group uses the same exchanges and queues as the others of it.
    groups = (
        "test_amqp.py test_amqps.py test_amqp_robust.py test_amqp_robust_proxy.py::test_context_process_abrupt_channel_close,"
        "test_amqp_robust_proxy.py"
    )
    return _pytest(context, fetch.AIO_PIKA, "tests", "-p", "fake_docker", "--timeout=60", processes=3, groups=groups)


SUITES = [
    Suite("py-amqp", fetch.PY_AMQP.version, _py_amqp),
    Suite("kombu", fetch.KOMBU.version, _kombu, mostly_waits=True),
    Suite("aiormq", fetch.AIORMQ.version, _aiormq, mostly_waits=True),
    Suite("aio-pika", fetch.AIO_PIKA.version, _aio_pika, mostly_waits=True),
]
