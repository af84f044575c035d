"""The server side of dbos_sqlite.py: in DBOS the process that submits is the one that runs."""

import json
import sys
import time

from dbos import DBOS, DBOSConfig


def main():
    database, jobs = sys.argv[1], int(sys.argv[2])
    config: DBOSConfig = {"name": "bench", "system_database_url": f"sqlite:///{database}", "log_level": "ERROR"}
    config["run_admin_server"] = False
    DBOS(config=config)

    @DBOS.workflow()
    def index(i):
        return i

    DBOS.launch()
    if index(-1) != -1:
        raise SystemExit("the first job is wrong")
    cpu = time.process_time()
    begun = time.monotonic()
    handles = [DBOS.start_workflow(index, i) for i in range(jobs)]
    submitted = time.monotonic()
    results = [handle.get_result() for handle in handles]
    ended = time.monotonic()
    row = {"begun": begun, "submitted": submitted, "ended": ended, "cpu": time.process_time() - cpu}
    print(json.dumps(row | {"results": results}))
    DBOS.destroy()


main()
