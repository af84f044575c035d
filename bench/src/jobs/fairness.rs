//! A few jobs of one submitter behind very many of another.

use anyhow::Context as _;

use super::{
    Bench,
    load::{NOOP, batch, command, counts, submit, until_succeeded},
};

/// Jobs of the one who came first.
const MANY: usize = 20_000;
/// Jobs of the one who came second.
const FEW: usize = 100;

pub(super) fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let many = bench.count(MANY);
    for _ in 0..bench.rounds {
        let place = bench.launch.place()?;
        let server = bench.launch.start(place.path(), &[])?;
        let mut control = server.connect()?;
        command(&mut control, "trefoil/noop:1.0.0", "pause")?;
        submit(
            &mut control,
            "Trefoil-Submitter: many\r\n",
            &batch(NOOP, many),
            many,
        )?;
        let few = submit(
            &mut control,
            "Trefoil-Submitter: few\r\n",
            &batch(NOOP, FEW),
            FEW,
        )?
        .json(202)?;
        let last = few["items"][FEW - 1]["id"]
            .as_str()
            .context("a job without an id")?
            .to_owned();
        // Both waits for the end and for the start are events: the answer comes when the last of the few has ended.
        let mut watch = server.connect()?;
        watch.send(
            "GET",
            &format!("/v1/jobs/{last}"),
            "Prefer: wait=60\r\n",
            b"",
        )?;
        command(&mut control, "trefoil/noop:1.0.0", "resume")?;
        watch.receive()?.expect(200)?;
        let ahead = counts(&mut control)?.succeeded.saturating_sub(FEW as u64);
        let what = format!("of {many} jobs ahead of {FEW}, ended before the last of these");
        bench.report.add("fairness", &what, "jobs", ahead as f64);
        until_succeeded(&mut control, (many + FEW) as u64)?;
        server.stop()?;
    }
    Ok(())
}
