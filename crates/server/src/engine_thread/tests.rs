//! Rounds that fail.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
    mpsc,
};

use trefoil_jobs::Seed;

use super::*;
use crate::store::open_writer;

struct Nowhere;

impl Sink for Nowhere {
    fn carry_out(&mut self, _effect: Effect) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_round_runs_after_a_command_that_failed() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::new(open_writer(&directory.path().join("jobs.db")).unwrap());
    let engine = Engine::new(store, Seed([1, 2]));
    let (engine, thread) = spawn(engine, Clock::start(), Metrics::default(), Nowhere).unwrap();

    // The first round is held up, so that the following commands are one round.
    let (go, wait) = mpsc::channel::<()>();
    let (held, is_held) = mpsc::channel();
    let first = tokio::spawn({
        let engine = engine.clone();
        async move {
            let hold = engine.call(move |_, _| {
                held.send(()).unwrap();
                wait.recv().unwrap();
                Ok::<_, StoreError>(())
            });
            hold.await
        }
    });
    tokio::task::spawn_blocking(move || is_held.recv().unwrap())
        .await
        .unwrap();
    let ran = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&ran);
    let fails = engine.call(|_, _| Err::<(), _>(StoreError::Full));
    let after = engine.call(move |engine, _| {
        seen.store(true, Ordering::Relaxed);
        engine.store().set_service_state("a/b:1.0.0", true, false)
    });
    let release = async {
        // Both are in the mailbox by now: they are polled before this.
        go.send(()).unwrap();
    };
    let (fails, after, ()) = tokio::join!(biased; fails, after, release);
    first.await.unwrap().unwrap();
    assert!(
        matches!(fails, Err(CallError::Store(StoreError::Full))),
        "{fails:?}"
    );
    assert!(
        matches!(after, Err(CallError::Store(StoreError::Round(_)))),
        "{after:?}"
    );
    assert!(
        !ran.load(Ordering::Relaxed),
        "it ran without a transaction to be part of"
    );

    // The next round is an ordinary one, and nothing of the failed one was kept.
    let states = engine.call(|engine, _| engine.store().service_states());
    assert_eq!(states.await.unwrap(), []);
    drop(engine);
    thread.join().unwrap();
}
