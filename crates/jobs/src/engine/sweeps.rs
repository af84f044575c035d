//! Sweeps: a parent job that counts, and tasks that compute.

use std::sync::Arc;

use serde_json::{Map, Value, value::RawValue};

use super::{Engine, Stored};
use crate::{Counts, Failure, FailureClass, Job, JobId, JobStore, Now, Origin, Spec, State};

/// Parents kept in memory between rounds; beyond this many they are read again when needed.
const PARENTS_CACHED: usize = 1_024;

impl<S: JobStore> Engine<S> {
    pub(super) fn accept_sweep(
        &mut self,
        now: Now,
        mut parent: Job,
        mut spec: Spec,
    ) -> Stored<JobId, S> {
        let Some(sweep) = spec.sweep.clone() else {
            return Ok(parent.id);
        };
        parent.counts = Some(Counts::all_waiting(sweep.task_count()));
        // A parent holds nothing: its tasks do.
        parent.record(now);
        self.store.insert(&mut parent, &spec)?;
        // Inputs were validated as an object before they came here.
        let base: Map<String, Value> = serde_json::from_str(spec.inputs.get()).unwrap_or_default();
        spec.sweep = None;
        spec.name = None;
        spec.labels.clear();
        spec.files.clear();
        for index in 0..sweep.task_count() {
            let mut inputs = base.clone();
            let mut swept = Map::new();
            for (port, value) in sweep.task(index) {
                inputs.insert(port.to_owned(), value.clone());
                swept.insert(port.to_owned(), value.clone());
            }
            spec.inputs = raw(&inputs);
            spec.swept = Some(raw(&swept));
            self.accept_task(now, &parent, index, &spec)?;
        }
        self.parents.insert(parent.id, parent.clone());
        Ok(parent.id)
    }

    fn accept_task(&mut self, now: Now, parent: &Job, index: u32, spec: &Spec) -> Stored<(), S> {
        let mut task = Job {
            id: self.ids.job(now.wall_ms),
            index,
            parent: Some(parent.id),
            batch: None,
            counts: None,
            history: crate::History::default(),
            resources: spec.resources,
            ..parent.clone()
        };
        self.place(now, &mut task, spec, None)
    }

    /// Accepts a new parent with tasks of `old`: for a retry those that did not succeed, for a rerun all.
    pub(super) fn repeat_sweep(
        &mut self,
        now: Now,
        old: &Job,
        mut parent: Job,
        spec: Spec,
        origin: Origin,
    ) -> Stored<JobId, S> {
        let counts = old.counts.unwrap_or_default();
        let (states, total): (&[State], u32) = match origin {
            Origin::RetryOf(_) => (
                &[State::Failed, State::Canceled],
                counts.failed + counts.canceled,
            ),
            Origin::RerunOf(_) => (&State::ALL, counts.total),
        };
        parent.counts = Some(Counts::all_waiting(total));
        parent.record(now);
        self.store.insert(
            &mut parent,
            &Spec {
                sweep: None,
                ..spec
            },
        )?;
        let mut after = None;
        loop {
            let tasks = self.store.tasks(old.id, states, after, 1_000)?;
            let Some(last) = tasks.last() else { break };
            after = Some(last.index);
            for task in &tasks {
                let mut spec = self.store.spec(task)?;
                spec.origin = Some(match origin {
                    Origin::RetryOf(_) => Origin::RetryOf(task.id),
                    Origin::RerunOf(_) => Origin::RerunOf(task.id),
                });
                self.accept_task(now, &parent, task.index, &spec)?;
            }
        }
        self.parents.insert(parent.id, parent.clone());
        Ok(parent.id)
    }

    /// A task of `parent` went from one state to another.
    pub(super) fn count(&mut self, parent: JobId, from: State, to: State) -> Stored<(), S> {
        if !self.parents.contains_key(&parent) {
            let Some(job) = self.store.job(parent)? else {
                return Ok(());
            };
            self.parents.insert(parent, job);
        }
        if let Some(counts) = self
            .parents
            .get_mut(&parent)
            .and_then(|job| job.counts.as_mut())
        {
            counts.moved(from, to);
            self.dirty_parents.insert(parent);
        }
        Ok(())
    }

    /// Writes the parents whose tasks moved in this round: once each, however many tasks moved.
    pub(super) fn flush_parents(&mut self, now: Now) -> Stored<(), S> {
        for id in std::mem::take(&mut self.dirty_parents) {
            let Some(mut job) = self.parents.get(&id).cloned() else {
                continue;
            };
            let counts = job.counts.unwrap_or_default();
            let begun = counts.waiting < counts.total;
            match counts.terminal() {
                _ if job.state.is_terminal() => continue,
                Some(terminal) => {
                    if counts.failed > 0 {
                        let message = format!("{} of {} tasks failed", counts.failed, counts.total);
                        job.failure = Some(Arc::new(Failure::new(FailureClass::Upstream, message)));
                    }
                    job.step(terminal, now);
                }
                None if job.state == State::Accepted && begun => {
                    job.started_ms = Some(now.wall_ms);
                    job.step(State::Running, now);
                }
                None => job.revision += 1,
            }
            self.save(&job, now, None)?;
            if job.state.is_terminal() {
                self.parents.remove(&id);
            } else {
                self.parents.insert(id, job);
            }
        }
        if self.parents.len() > PARENTS_CACHED {
            self.parents.clear();
        }
        Ok(())
    }
}

fn raw(value: &Map<String, Value>) -> Box<RawValue> {
    let text = serde_json::to_string(value).expect("a JSON tree always has a text");
    RawValue::from_string(text).expect("the text of a JSON tree is JSON")
}
