#!/usr/bin/env bash
# Tests a running platform against its OpenAPI document: fuzz.sh BASE_URL, for example http://127.0.0.1:8080.
#
# Give it a platform of its own: it submits, cancels and deletes at random. SEED and EXAMPLES (cases an operation, per
# phase) change what is generated. Exits with 1 when the server and the document disagree.
set -euo pipefail
export TREFOIL_URL=${1:?usage: fuzz.sh BASE_URL}
TREFOIL_URL=${TREFOIL_URL%/}
seed=${SEED:-20260101}
examples=${EXAMPLES:-12}

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=$root/target/venv-http
work=$root/target/http-fuzz
mkdir -p "$work"

# The virtual environment is made again whenever the pins change.
if ! cmp -s "$here/requirements.txt" "$venv/.requirements"; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/.requirements"
fi

"$venv/bin/python" - "$work/openapi.json" "$root/crates/gateway/src/openapi.json" <<'PYTHON'
"""The document that is served is valid, is the one of this source, and its examples are true."""
import json, os, sys, urllib.request
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

base = os.environ["TREFOIL_URL"]
served = json.load(urllib.request.urlopen(f"{base}/openapi.json", timeout=10))
validate(served)
if served != json.load(open(sys.argv[2])):
    sys.exit("the served document is not crates/gateway/src/openapi.json of this source")
for name, schema in served["components"]["schemas"].items():
    for example in schema.get("examples", []):
        whole = {"components": served["components"], "$ref": f"#/components/schemas/{name}"}
        Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(example)
json.dump(served, open(sys.argv[1], "w"))
PYTHON

echo "seed $seed, $examples examples; repeat with: SEED=$seed EXAMPLES=$examples $0 $TREFOIL_URL"
cd "$work"
# One worker: the order of requests is part of what can be repeated, and CPython 3.11 fails in its own `ast` with more.
export PYTHONDONTWRITEBYTECODE=1 SCHEMATHESIS_HOOKS=hooks PYTHONPATH=$here
exec "$venv/bin/schemathesis" --config-file "$here/schemathesis.toml" run "$work/openapi.json" \
    --url "$TREFOIL_URL" --seed "$seed" --max-examples "$examples" --workers 1 --no-color \
    --report junit --report-junit-path "$work/junit.xml"
