//! Rates: how fast counters grow.
//!
//! Nothing is sampled while nobody looks. Whoever looks at a thing leaves a sample of its counters, at most one in
//! [`STEP_MS`]; the rate is what happened since the sample before, and things that nobody looked at for [`KEEP_MS`] are
//! forgotten. So the first look at a thing tells no rate, and a program that polls every half minute gets the mean over half
//! a minute. A broker with a hundred thousand queues pays for those that are being watched.

use std::collections::{HashMap, VecDeque};

use serde_json::{Map, Value, json};
use trefoil_broker::inspect::{Depth, MessageCounters};

/// Samples are no closer together than this, so that many watchers do not make rates of moments.
const STEP_MS: u64 = 1_000;
/// How long samples are kept, and things that nobody looks at are remembered.
const KEEP_MS: u64 = 60_000;
/// A rate is that of about so long.
const SPAN_MS: u64 = 5_000;
/// Things watched at a time at most: those that come when it is full have no rates.
const WATCHED_MAX: usize = 20_000;

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Watched {
    Overview,
    /// Lengths of all queues together.
    TotalLengths,
    Churn,
    Vhost(String),
    VhostLengths(String),
    Queue(String, String),
    Lengths(String, String),
    Exchange(String, String),
    Connection(u64),
    Channel(u64, u16),
    Node,
}

/// Numbers of a thing at one moment: named, in a fixed order for each kind of thing.
pub(super) type Numbers = Vec<(&'static str, u64)>;

#[derive(Debug)]
struct Sample {
    at: u64,
    values: Vec<u64>,
}

/// The samples of one thing.
#[derive(Debug, Default)]
struct Series {
    samples: VecDeque<Sample>,
}

/// All samples.
#[derive(Debug, Default)]
pub(super) struct Rates {
    series: HashMap<Watched, Series>,
    swept_at: u64,
}

/// What of the history a request wants to see: `…_age` and `…_incr` in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct History {
    pub(super) age_ms: u64,
    pub(super) step_ms: u64,
}

impl History {
    /// Whether there is a history in the answer.
    fn is_wanted(self) -> bool {
        self.age_ms > 0 && self.step_ms > 0
    }
}

impl Rates {
    /// Adds numbers and their rates to a document, and keeps a sample.
    pub(super) fn add(
        &mut self,
        object: &mut Map<String, Value>,
        watched: Watched,
        numbers: &Numbers,
        now: u64,
        history: History,
    ) {
        let series = self.watch(watched, numbers, now);
        for (at, (name, value)) in numbers.iter().enumerate() {
            object.insert((*name).to_owned(), (*value).into());
            let details = details(series, at, *value, now, history);
            object.insert(format!("{name}_details"), details);
        }
    }

    fn watch(&mut self, watched: Watched, numbers: &Numbers, now: u64) -> Option<&Series> {
        if now.saturating_sub(self.swept_at) > KEEP_MS {
            self.swept_at = now;
            let is_fresh = |sample: &Sample| now.saturating_sub(sample.at) <= KEEP_MS;
            self.series
                .retain(|_, series| series.samples.back().is_some_and(is_fresh));
        }
        if self.series.len() >= WATCHED_MAX && !self.series.contains_key(&watched) {
            return None;
        }
        let series = self.series.entry(watched).or_default();
        let values: Vec<u64> = numbers.iter().map(|(_, value)| *value).collect();
        // The thing was deleted and made again: its past is another's.
        let is_other = |last: &Sample| last.values.len() != values.len();
        if series.samples.back().is_some_and(is_other) {
            series.samples.clear();
        }
        let last = series.samples.back().map(|sample| sample.at);
        if last.is_none_or(|last| now.saturating_sub(last) >= STEP_MS) {
            series.samples.push_back(Sample { at: now, values });
        }
        while series
            .samples
            .front()
            .is_some_and(|first| now.saturating_sub(first.at) > KEEP_MS)
        {
            series.samples.pop_front();
        }
        Some(series)
    }
}

/// `{"rate": …}`, with samples if they are wanted.
fn details(series: Option<&Series>, at: usize, value: u64, now: u64, history: History) -> Value {
    let rate = series.map_or(0.0, |series| rate(series, at, value, now));
    let mut details = json!({"rate": rate});
    let Some(series) = series.filter(|_| history.is_wanted()) else {
        return details;
    };
    // Like RabbitMQ: at whole steps, the newest first.
    let newest = now - now % history.step_ms;
    let mut samples = Vec::new();
    let mut time = newest;
    while newest - time <= history.age_ms && samples.len() < 500 {
        let found = series.samples.iter().rev().find(|sample| sample.at <= time);
        let sample = found
            .or(series.samples.front())
            .map_or(value, |sample| sample.values[at]);
        samples.push((sample, time));
        let Some(before) = time.checked_sub(history.step_ms) else {
            break;
        };
        time = before;
    }
    if let (Some(first), Some(last)) = (samples.first(), samples.last()) {
        let span_s = (first.1 - last.1) as f64 / 1000.0;
        let total: u64 = samples.iter().map(|sample| sample.0).sum();
        details["avg"] = json!(total as f64 / samples.len() as f64);
        details["avg_rate"] = match span_s > 0.0 {
            true => json!((first.0 as f64 - last.0 as f64) / span_s),
            false => json!(0.0),
        };
    }
    details["samples"] = samples
        .into_iter()
        .map(|(sample, timestamp)| json!({"sample": sample, "timestamp": timestamp}))
        .collect();
    details
}

/// What happened since the youngest sample that is old enough, or else the oldest.
fn rate(series: &Series, at: usize, value: u64, now: u64) -> f64 {
    let old = |sample: &&Sample| now.saturating_sub(sample.at) >= SPAN_MS;
    let base = series
        .samples
        .iter()
        .rev()
        .find(old)
        .or(series.samples.front());
    match base {
        // What happened in a moment tells nothing.
        Some(base) if now.saturating_sub(base.at) >= STEP_MS => {
            let change = value as f64 - base.values[at] as f64;
            let rate = change * 1000.0 / (now - base.at) as f64;
            // A thousandth is more than anybody reads.
            (rate * 1000.0).round() / 1000.0
        }
        _ => 0.0,
    }
}

/// Lengths of queues.
pub(super) fn lengths(depth: &Depth) -> Numbers {
    vec![
        ("messages", depth.ready + depth.unacknowledged),
        ("messages_ready", depth.ready),
        ("messages_unacknowledged", depth.unacknowledged),
    ]
}

/// What queues count.
pub(super) fn of_queue(messages: &MessageCounters) -> Numbers {
    vec![
        ("publish", messages.publish),
        ("ack", messages.ack),
        ("deliver", messages.deliver),
        ("deliver_get", messages.deliver_get()),
        ("deliver_no_ack", messages.deliver_no_ack),
        ("get", messages.get),
        ("get_empty", messages.get_empty),
        ("get_no_ack", messages.get_no_ack),
        ("redeliver", messages.redeliver),
    ]
}

/// What exchanges count.
pub(super) fn of_exchange(messages: &MessageCounters) -> Numbers {
    vec![
        ("publish_in", messages.publish_in),
        ("publish_out", messages.publish_out),
    ]
}

/// What channels, virtual hosts and the broker count.
pub(super) fn of_clients(messages: &MessageCounters) -> Numbers {
    let mut numbers = of_queue(messages);
    numbers.extend([
        ("confirm", messages.confirm),
        ("drop_unroutable", messages.drop_unroutable),
        ("return_unroutable", messages.return_unroutable),
    ]);
    numbers
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{History, KEEP_MS, Rates, Watched};

    fn look(rates: &mut Rates, value: u64, now: u64, history: History) -> Value {
        let mut object = Map::new();
        rates.add(
            &mut object,
            Watched::Overview,
            &vec![("publish", value)],
            now,
            history,
        );
        Value::Object(object)
    }

    #[test]
    fn the_first_look_tells_no_rate_and_later_ones_do() {
        let mut rates = Rates::default();
        let none = History::default();
        let first = look(&mut rates, 100, 10_000, none);
        assert_eq!(
            first,
            json!({"publish": 100, "publish_details": {"rate": 0.0}})
        );
        let second = look(&mut rates, 600, 15_000, none);
        assert_eq!(second["publish_details"]["rate"], 100.0);
        // Two looks within a moment tell the same.
        let third = look(&mut rates, 600, 15_001, none);
        assert_eq!(third["publish_details"]["rate"], 99.98);
        // Nobody looked for a while: samples are gone, and the rate starts again.
        let late = look(&mut rates, 900, 15_001 + 2 * KEEP_MS, none);
        assert_eq!(late["publish_details"]["rate"], 0.0);
    }

    #[test]
    fn a_history_has_samples_at_whole_steps() {
        let mut rates = Rates::default();
        let history = History {
            age_ms: 10_000,
            step_ms: 5_000,
        };
        look(&mut rates, 1, 100_000, history);
        look(&mut rates, 5, 105_000, history);
        let last = look(&mut rates, 9, 111_000, history);
        assert_eq!(
            last["publish_details"]["samples"],
            json!([
                {"sample": 5, "timestamp": 110_000}, {"sample": 5, "timestamp": 105_000}, {"sample": 1, "timestamp": 100_000},
            ])
        );
        assert_eq!(last["publish_details"]["avg_rate"], 0.4);
    }
}
