//! What was measured of whom, beside what was aimed at.

use serde_json::{Value, json};

use super::{
    aims::{AIMS, Goal},
    target::Kind,
};
use crate::{
    report::{number, quantile, table},
    rows::{self, Rows, Whom},
};

type Row = rows::Row<Kind>;

impl Whom for Kind {
    fn name(self) -> &'static str {
        Self::name(self)
    }
}

/// How many times better Trefoil is than RabbitMQ.
fn ratio(row: &Row) -> Option<f64> {
    row.ratio(Kind::Trefoil, Kind::Rabbitmq)
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub(super) struct Results {
    rows: Rows<Kind>,
    /// Seconds that the disk takes for one page, before each scenario.
    syncs: Vec<(&'static str, Vec<f64>)>,
}

/// Whether an aim is reached.
#[derive(Debug, Clone, Copy)]
struct Verdict {
    goal: Goal,
    /// The number that has to be reached, where it depends on the disk.
    limit: f64,
    met: Option<bool>,
}

impl Results {
    pub(super) fn add(
        &mut self,
        scenario: &'static str,
        kind: Kind,
        what: &'static str,
        unit: &'static str,
        value: f64,
    ) {
        self.rows.add(scenario, kind, what, unit, value);
    }

    pub(super) fn disk(&mut self, scenario: &'static str, times: Vec<f64>) {
        self.syncs.push((scenario, times));
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.rows.note(text);
    }

    /// Milliseconds of a sync before one scenario or all.
    fn sync(&self, scenario: Option<&str>, share: f64) -> f64 {
        let wanted = |of: &str| scenario.is_none_or(|scenario| scenario == of);
        let times = self.syncs.iter().filter(|(of, _)| wanted(of));
        let times: Vec<f64> = times.flat_map(|(_, times)| times).copied().collect();
        quantile(&times, share) * 1e3
    }

    fn verdict(&self, row: &Row) -> Option<Verdict> {
        let same = |(scenario, what, _): &&(&str, &str, Goal)| {
            (*scenario, *what) == (row.scenario, row.what)
        };
        let goal = AIMS.iter().find(same)?.2;
        let ours = row.of(Kind::Trefoil);
        let (limit, met) = match goal {
            Goal::Times(times) => (times, ratio(row).map(|ratio| ratio >= times)),
            Goal::AtLeast(limit) => (limit, ours.map(|value| value >= limit)),
            Goal::AtMost(limit) => (limit, ours.map(|value| value <= limit)),
            Goal::SyncAnd(micros) => {
                let limit = self.sync(Some(row.scenario), 0.5) + micros / 1e3;
                (limit, ours.map(|value| value <= limit))
            }
        };
        Some(Verdict { goal, limit, met })
    }

    /// How many aims are missed, and of how many that were measured.
    pub(super) fn missed(&self) -> (usize, usize) {
        let met: Vec<bool> = self
            .rows
            .iter()
            .filter_map(|row| self.verdict(row)?.met)
            .collect();
        (met.iter().filter(|met| !**met).count(), met.len())
    }

    /// One document for programs.
    pub(super) fn json(&self, machine: &Value) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let mut one = json!({
                    "scenario": row.scenario, "what": row.what, "unit": row.unit, "values": row.values_json(),
                    "ratio": ratio(row),
                });
                if let Some(verdict) = self.verdict(row) {
                    one["aim"] = json!({
                        "relation": verdict.goal.relation(), "value": verdict.limit, "met": verdict.met,
                    });
                }
                one
            })
            .collect();
        json!({
            "machine": machine,
            "fdatasync_ms": { "p50": self.sync(None, 0.5), "p99": self.sync(None, 0.99) },
            "rows": rows,
            "notes": self.rows.notes(),
        })
    }

    /// A table for people.
    pub(super) fn text(&self) -> String {
        let kinds = [
            Kind::Trefoil,
            Kind::Rabbitmq,
            Kind::RabbitmqCqv2,
            Kind::Other,
        ];
        let there = |kind: &Kind| self.rows.iter().any(|row| row.of(*kind).is_some());
        let kinds: Vec<Kind> = kinds.into_iter().filter(there).collect();
        let mut head = vec!["scenario".to_owned(), "what".to_owned(), "unit".to_owned()];
        head.extend(kinds.iter().map(|kind| kind.name().to_owned()));
        head.extend(["ratio", "aim", ""].map(str::to_owned));
        let mut rows = vec![head];
        for (name, row) in self.rows.named() {
            let verdict = self.verdict(row);
            let mut cells = vec![name.to_owned(), row.what.to_owned(), row.unit.to_owned()];
            let value = |kind: &Kind| row.of(*kind).map(number).unwrap_or_default();
            cells.extend(kinds.iter().map(value));
            cells.push(
                ratio(row)
                    .map(|ratio| format!("{}×", number(ratio)))
                    .unwrap_or_default(),
            );
            cells.push(verdict.map(|verdict| verdict.text()).unwrap_or_default());
            cells.push(match verdict.and_then(|verdict| verdict.met) {
                Some(true) => "met".to_owned(),
                Some(false) => "MISSED".to_owned(),
                None => String::new(),
            });
            rows.push(cells);
        }
        let (missed, aims) = self.missed();
        let mut text = table(&rows);
        text.push_str(&format!(
            "\nfdatasync of a page in place: p50 {} ms, p99 {} ms; {missed} of {aims} aims missed\n",
            number(self.sync(None, 0.5)),
            number(self.sync(None, 0.99)),
        ));
        text.push_str(&self.rows.notes_text());
        text
    }
}

impl Verdict {
    fn text(self) -> String {
        let sign = self.goal.relation().replace(">=", "≥").replace("<=", "≤");
        let times = if matches!(self.goal, Goal::Times(_)) {
            "×"
        } else {
            ""
        };
        format!("{sign} {}{times}", number(self.limit))
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Results};

    #[test]
    fn aims_are_compared_with_the_same_run() {
        let mut results = Results::default();
        for value in [900.0, 800.0, 1_000.0] {
            results.add(
                "transient",
                Kind::Trefoil,
                "per server-CPU-second",
                "msgs/s",
                value,
            );
        }
        results.add(
            "transient",
            Kind::Rabbitmq,
            "per server-CPU-second",
            "msgs/s",
            100.0,
        );
        results.add("idle", Kind::Trefoil, "memory (RSS)", "MB", 30.0);
        results.add("idle", Kind::Rabbitmq, "memory (RSS)", "MB", 150.0);
        let json = results.json(&serde_json::Value::Null);
        assert_eq!(json["rows"][0]["ratio"], 9.0);
        assert_eq!(json["rows"][0]["aim"]["met"], true);
        // Less memory is better, but not yet little enough.
        assert_eq!(json["rows"][1]["ratio"], 5.0);
        assert_eq!(json["rows"][1]["aim"]["met"], false);
        assert_eq!(results.missed(), (1, 2));
    }
}
