"""Fits the document to the server that is tested. Nothing else is left out of the tests than what this file names."""

import json
import os
import urllib.request

import schemathesis

BASE_URL = os.environ["TREFOIL_URL"].rstrip("/")


def live_services() -> list[str]:
    """What the server offers: with random names alone nearly every request would end in 404."""
    with urllib.request.urlopen(f"{BASE_URL}/v1/services?limit=1000", timeout=10) as answer:
        items = json.load(answer)["items"]
    return sorted(f"{item['key']}:{item['version']}" for item in items)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    components = raw_schema["components"]
    services = live_services()
    if not services:
        raise SystemExit("the server offers no service: the tests would reach next to nothing")

    # Half of the requests name a service that exists. Only where it is used: publishing, retiring and pausing keep
    # to random names, for they would take the services away from all other tests.
    live = {"anyOf": [{"type": "string", "enum": services}, {"$ref": "#/components/schemas/ServiceRef"}]}
    components["parameters"]["Service"]["schema"] = live
    components["schemas"]["Submission"]["properties"]["service"] = live
    keys = sorted({service.rsplit(":", 1)[0] for service in services})
    components["parameters"]["Key"]["schema"] = {
        "anyOf": [{"type": "string", "enum": keys}, {"$ref": "#/components/schemas/ServiceKey"}]
    }

    # Half of the preferences are some that mean something. Waits are short: a job of a service that nothing here runs
    # is held until the end of its wait.
    known = {"type": "string", "enum": ["wait=0", "wait=1", "respond-async", "handling=strict, wait=1"]}
    components["parameters"]["Prefer"]["schema"] = {"anyOf": [known, {"type": "string"}]}
    components["parameters"]["PreferWait"]["schema"] = {"anyOf": [known, {"type": "string"}]}

    # A batch is generated as a list, and sent as lines.
    batch = raw_schema["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/x-ndjson"]
    batch.clear()
    batch["schema"] = {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Submission"}}


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    items = value if isinstance(value, list) else [value]
    return "\n".join(json.dumps(item) for item in items).encode()


@schemathesis.serializer("text/x-thrift")
def contract(context, value):
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


@schemathesis.hook
def before_call(context, case, kwargs):
    operation = case.operation.definition.raw.get("operationId")
    # For the same reason a call does not wait as long as the server likes when it says nothing.
    if operation == "callService":
        case.headers = {"Prefer": "wait=1", **dict(case.headers or {})}
    # Left out: `follow=true`, which does not end while a job waits, as some here do for ever.
    if operation == "getLogs" and str((case.query or {}).get("follow")).lower() == "true":
        case.query = {**case.query, "follow": "false"}
