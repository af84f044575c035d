use std::sync::Arc;

use trefoil_jobs::{
    Failure, FailureClass, History, HistoryEntry, JobId, Resources, State, State::*,
};

use super::*;

fn job(steps: &[State]) -> Job {
    let mut history = History::default();
    for (at, state) in steps.iter().enumerate() {
        history.push(HistoryEntry {
            // The second revision was no change of state.
            revision: at as u32 + 1 + u32::from(at > 0),
            at_ms: 1_000 * at as u64,
            state: *state,
            attempt: u32::from(at > 1),
        });
    }
    Job {
        id: JobId::from_bytes([7; 16]),
        seq: 1,
        service: Arc::from("a:1.0.0"),
        submitter: Arc::from("anonymous"),
        state: *steps.last().unwrap(),
        priority: 0,
        parent: None,
        index: 0,
        batch: None,
        attempt: 1,
        attempt_id: None,
        worker: None,
        failures: 0,
        crashes: 0,
        revision: history.last().unwrap().revision,
        created_ms: 0,
        queued_ms: None,
        started_ms: None,
        ended_ms: None,
        wake_ms: None,
        deadline_ms: None,
        resources: Resources {
            milli_cpus: 0,
            memory: 0,
        },
        history,
        failure: None,
        cancel: None,
        counts: None,
    }
}

fn events(after: u32, job: &Job) -> String {
    let mut out = String::new();
    Writer::new(after).job(job, None, &mut out);
    out
}

fn ids(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("id: "))
        .collect()
}

#[test]
fn the_text_of_events() {
    let job = job(&[Queued, Starting]);
    assert_eq!(
        events(0, &job),
        "event: state\nid: 1\n\
         data: {\"at\":\"1970-01-01T00:00:00.000Z\",\"attempt\":0,\"revision\":1,\"state\":\"queued\"}\n\n\
         event: state\nid: 3\n\
         data: {\"at\":\"1970-01-01T00:00:01.000Z\",\"attempt\":0,\"revision\":3,\"state\":\"starting\"}\n\n"
    );
}

#[test]
fn reconnecting_anywhere_loses_and_repeats_nothing() {
    let job = job(&[
        Queued, Starting, Running, Retrying, Queued, Starting, Running, Succeeded,
    ]);
    let all = ids(&events(0, &job)).join(" ");
    assert_eq!(all, "1 3 4 5 6 7 8 9");
    for after in 0..=10 {
        let expected: Vec<String> = [1, 3, 4, 5, 6, 7, 8, 9]
            .iter()
            .filter(|id| **id > after)
            .map(u32::to_string)
            .collect();
        let text = events(after, &job);
        assert_eq!(ids(&text), expected);
        assert!(
            text.ends_with("event: end\ndata: {\"revision\":9,\"state\":\"succeeded\"}\n\n"),
            "{text}"
        );
    }
}

#[test]
fn one_writer_says_nothing_twice() {
    let mut writer = Writer::new(0);
    let mut out = String::new();
    writer.job(&job(&[Queued, Starting]), None, &mut out);
    writer.job(&job(&[Queued, Starting]), None, &mut out);
    writer.job(&job(&[Queued, Starting, Running]), None, &mut out);
    assert_eq!(ids(&out), ["1", "3", "4"]);
}

#[test]
fn reason_and_error_belong_to_the_newest_state() {
    let mut failed = job(&[Queued, Starting, Running, Failed]);
    failed.failure = Some(Arc::new(Failure::new(FailureClass::Application, "no mesh")));
    let text = events(0, &failed);
    let with_error: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("\"error\""))
        .collect();
    assert_eq!(with_error.len(), 1);
    assert!(with_error[0].contains("\"revision\":5"), "{text}");
    assert!(
        with_error[0].contains("{\"class\":\"application\",\"message\":\"no mesh\"}"),
        "{text}"
    );

    let mut out = String::new();
    let reason = serde_json::json!({"code": "slots", "detail": "x"});
    Writer::new(0).job(&job(&[Accepted, Queued]), Some(reason), &mut out);
    assert_eq!(out.matches("\"reason\"").count(), 1);
    assert!(
        out.contains(
            "\"reason\":{\"code\":\"slots\",\"detail\":\"x\"},\"revision\":3,\"state\":\"queued\""
        ),
        "{out}"
    );
}

#[test]
fn counts_of_a_sweep_come_when_they_change() {
    let mut parent = job(&[Accepted, Running]);
    parent.counts = Some(Counts::all_waiting(2));
    let mut writer = Writer::new(0);
    let mut out = String::new();
    writer.job(&parent, None, &mut out);
    writer.job(&parent, None, &mut out);
    assert_eq!(out.matches("event: tasks\n").count(), 1);
    parent.counts.as_mut().unwrap().moved(Queued, Starting);
    writer.job(&parent, None, &mut out);
    assert!(out.ends_with(
        "event: tasks\ndata: {\"canceled\":0,\"failed\":0,\"running\":1,\"succeeded\":0,\"total\":2,\"waiting\":1}\n\n"
    ));
}

#[test]
fn progress_has_no_id() {
    let mut writer = Writer::new(0);
    let mut out = String::new();
    let progress = Progress {
        fraction: 0.1,
        message: Some(Arc::from("two\nlines")),
        seq: 1,
    };
    assert!(writer.is_new(Some(&progress)));
    writer.progress(progress.clone(), &mut out);
    assert_eq!(
        out,
        "event: progress\ndata: {\"message\":\"two\\nlines\",\"progress\":0.1}\n\n"
    );
    assert!(!writer.is_new(Some(&progress)));
    assert!(!writer.is_new(None));
}
