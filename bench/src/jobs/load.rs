//! What every case does: batches in, waiting for the end, counters.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

use crate::{
    http::{Answer, Connection},
    server::{Server, pause},
};

/// How often the counters are read while jobs run: a fiftieth of a second is lost at most at the end of a case.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Longest wait for jobs.
const PATIENCE: Duration = Duration::from_secs(300);

/// Jobs of a service that does nothing.
pub(crate) const NOOP: &str = r#"{"service":"trefoil/noop"}"#;

/// A body of so many lines.
pub(crate) fn batch(line: &str, lines: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity((line.len() + 1) * lines);
    for _ in 0..lines {
        body.extend_from_slice(line.as_bytes());
        body.push(b'\n');
    }
    body
}

/// Submits a batch body and checks that so many jobs were accepted.
pub(crate) fn submit(
    connection: &mut Connection,
    headers: &str,
    body: &[u8],
    lines: usize,
) -> anyhow::Result<Answer> {
    let headers = format!("Content-Type: application/x-ndjson\r\n{headers}");
    let answer = connection.ask("POST", "/v1/jobs", &headers, body)?;
    answer.expect(202)?;
    // Parsing ten thousand ids would cost as much as making them; their number is what has to be right.
    let accepted = ids(&answer.body);
    ensure!(accepted == lines, "{accepted} of {lines} jobs accepted");
    Ok(answer)
}

fn ids(body: &[u8]) -> usize {
    body.windows(5)
        .filter(|window| window == br#""id":"#)
        .count()
}

/// Submits `batches` times the same body over each of `connections` connections; the time that took.
pub(crate) fn flood(
    server: &Server,
    connections: usize,
    batches: usize,
    body: &[u8],
    lines: usize,
) -> anyhow::Result<Duration> {
    let mut open: Vec<Connection> = (0..connections)
        .map(|_| server.connect())
        .collect::<Result<_, _>>()?;
    let begun = Instant::now();
    thread::scope(|scope| {
        let loads: Vec<_> = open
            .iter_mut()
            .map(|connection| {
                scope.spawn(move || {
                    (0..batches).try_for_each(|_| submit(connection, "", body, lines).map(drop))
                })
            })
            .collect();
        loads.into_iter().try_for_each(|load| {
            load.join()
                .unwrap_or_else(|_| bail!("a connection's thread failed"))
        })
    })?;
    Ok(begun.elapsed())
}

/// `:pause` or `:resume` of a service.
pub(crate) fn command(
    connection: &mut Connection,
    service: &str,
    verb: &str,
) -> anyhow::Result<()> {
    connection
        .ask("POST", &format!("/v1/services/{service}:{verb}"), "", b"")?
        .expect(200)
}

/// What the platform counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Jobs that wait for a worker.
    pub(crate) queued: u64,
    /// Jobs that a worker has.
    pub(crate) active: u64,
    /// Jobs that succeeded since the platform started.
    pub(crate) succeeded: u64,
    /// Jobs that failed since the platform started.
    pub(crate) failed: u64,
}

/// Reads the counters.
pub(crate) fn counts(connection: &mut Connection) -> anyhow::Result<Counts> {
    let answer = connection.get("/metrics")?;
    answer.expect(200)?;
    let text = String::from_utf8(answer.body).context("metrics are text")?;
    let value = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    Ok(Counts {
        queued: value("trefoil_jobs_queued ").context("no trefoil_jobs_queued")?,
        active: value("trefoil_jobs_active ").context("no trefoil_jobs_active")?,
        // A counter that was never counted is not there.
        succeeded: value(r#"trefoil_job_changes_total{state="succeeded"}"#).unwrap_or(0),
        failed: value(r#"trefoil_job_changes_total{state="failed"}"#).unwrap_or(0),
    })
}

/// Waits until so many jobs have succeeded, and checks that nothing else is left and none failed.
pub(crate) fn until_succeeded(connection: &mut Connection, jobs: u64) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let now = counts(connection)?;
        ensure!(now.failed == 0, "{} jobs failed", now.failed);
        if now.succeeded >= jobs && now.queued == 0 && now.active == 0 {
            ensure!(
                now.succeeded == jobs,
                "{} jobs succeeded, {jobs} were submitted",
                now.succeeded
            );
            return Ok(());
        }
        ensure!(
            begun.elapsed() < PATIENCE,
            "not done after {PATIENCE:?}: {now:?}"
        );
        pause(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::{NOOP, batch, ids};

    #[test]
    fn a_batch_is_lines() {
        let body = String::from_utf8(batch(NOOP, 3)).unwrap();
        assert_eq!(body.lines().collect::<Vec<_>>(), [NOOP; 3]);
    }

    #[test]
    fn ids_are_counted() {
        assert_eq!(
            ids(br#"{"count":2,"batch":"b","items":[{"id":"1"},{"id":"2"}]}"#),
            2
        );
    }
}
