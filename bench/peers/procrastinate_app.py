"""The worker's side of procrastinate_postgres.py."""

import os

import procrastinate

app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(conninfo=os.environ["BENCH_DATABASE"], min_size=2, max_size=8)
)


@app.task(name="index", pass_context=True)
async def index(context, i):
    # Procrastinate keeps no results; a row in the same database is what its users write.
    async with app.connector.pool.connection() as connection:
        await connection.execute("INSERT INTO bench_result (i) VALUES (%s)", (i,))
