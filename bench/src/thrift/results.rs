//! What was measured of whom, beside what was aimed at.

use serde_json::{Map, Value, json};

use crate::{
    report::{number, table},
    rows::{self, Rows},
};

/// What a number of Trefoil should be.
#[derive(Debug, Clone, Copy)]
enum Goal {
    /// So many times better than a peer in the same run.
    Times(f64, &'static str),
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
}

// Names of numbers and of whom they are: here, so that an aim cannot be about a number that does not exist.
pub(super) const TREFOIL: &str = "trefoil";
pub(super) const CPP: &str = "C++";
pub(super) const VOLO: &str = "volo";
pub(super) const TYPED: &str = "typed Rust";
pub(super) const ENVOY: &str = "envoy";
pub(super) const PER_CPU: &str = "calls per server-CPU-second";
pub(super) const ADDED_P99: &str = "added p99 at half load";

/// Scenario, number, aim.
const AIMS: &[(&str, &str, Goal)] = &[
    ("codec", "check, binary", Goal::AtLeast(1_500.0)),
    ("codec", "check, binary", Goal::Times(1.5, CPP)),
    ("codec", "JSON → binary", Goal::AtLeast(400.0)),
    ("codec", "JSON → binary", Goal::Times(1.5, TYPED)),
    ("codec", "binary → JSON", Goal::AtLeast(450.0)),
    ("codec", "binary → JSON", Goal::Times(1.5, TYPED)),
    ("codec", "binary → compact", Goal::AtLeast(600.0)),
    ("codec", "compact → binary", Goal::AtLeast(600.0)),
    ("echo-1k", PER_CPU, Goal::Times(1.1, VOLO)),
    ("echo-1k", PER_CPU, Goal::Times(1.5, CPP)),
    ("relay", PER_CPU, Goal::Times(2.0, ENVOY)),
    ("relay", ADDED_P99, Goal::AtMost(150.0)),
    ("load", "10,000 lines", Goal::AtMost(30.0)),
    ("reload", "failed calls", Goal::AtMost(0.0)),
];

type Row = rows::Row<&'static str>;

/// How many times better Trefoil is than a peer.
fn ratio(row: &Row, peer: &'static str) -> Option<f64> {
    row.ratio(TREFOIL, peer)
}

fn aims(row: &Row) -> impl Iterator<Item = (Goal, Option<bool>)> {
    let mine =
        |(scenario, what, _): &&(&str, &str, Goal)| (*scenario, *what) == (row.scenario, row.what);
    AIMS.iter().filter(mine).map(|(_, _, goal)| {
        let met = match *goal {
            Goal::Times(times, peer) => ratio(row, peer).map(|ratio| ratio >= times),
            Goal::AtLeast(limit) => row.of(TREFOIL).map(|value| value >= limit),
            Goal::AtMost(limit) => row.of(TREFOIL).map(|value| value <= limit),
        };
        (*goal, met)
    })
}

impl Goal {
    fn text(self) -> String {
        match self {
            Self::Times(times, peer) => format!("≥ {}× {peer}", number(times)),
            Self::AtLeast(limit) => format!("≥ {}", number(limit)),
            Self::AtMost(limit) => format!("≤ {}", number(limit)),
        }
    }
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub(super) struct Results(Rows<&'static str>);

impl Results {
    /// Notes a value; those of the same name are rounds of one measurement.
    pub(super) fn add(
        &mut self,
        scenario: &'static str,
        whom: &'static str,
        what: &'static str,
        unit: &'static str,
        value: f64,
    ) {
        self.0.add(scenario, whom, what, unit, value);
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.0.note(text);
    }

    fn whom(&self) -> Vec<&'static str> {
        let mut all = Vec::new();
        for whom in self.0.iter().flat_map(Row::whom) {
            if !all.contains(&whom) {
                all.push(whom);
            }
        }
        all
    }

    /// One document for programs.
    pub(super) fn json(&self, machine: &Value) -> Value {
        let rows: Vec<Value> = self.0.iter().map(|row| self.row_json(row)).collect();
        json!({ "machine": machine, "rows": rows, "notes": self.0.notes() })
    }

    fn row_json(&self, row: &Row) -> Value {
        let ratios: Map<String, Value> = self
            .whom()
            .into_iter()
            .filter(|whom| *whom != TREFOIL)
            .filter_map(|peer| Some((peer.to_owned(), ratio(row, peer)?.into())))
            .collect();
        let aims: Vec<Value> = aims(row)
            .map(|(goal, met)| json!({ "aim": goal.text(), "met": met }))
            .collect();
        json!({
            "scenario": row.scenario, "what": row.what, "unit": row.unit,
            "values": row.values_json(), "ratios": ratios, "aims": aims,
        })
    }

    /// A table for people: what each did, and how many times better Trefoil is.
    pub(super) fn text(&self) -> String {
        let whom = self.whom();
        let mut head = vec!["scenario".to_owned(), "what".to_owned(), "unit".to_owned()];
        head.extend(whom.iter().map(|whom| (*whom).to_owned()));
        head.push("aims".to_owned());
        let mut rows = vec![head];
        for (name, row) in self.0.named() {
            let mut cells = vec![name.to_owned(), row.what.to_owned(), row.unit.to_owned()];
            cells.extend(whom.iter().map(|whom| {
                let value = row.of(whom).map(number).unwrap_or_default();
                match ratio(row, whom).filter(|_| *whom != TREFOIL) {
                    Some(ratio) => format!("{value} ({}×)", number(ratio)),
                    None => value,
                }
            }));
            let aims = aims(row).map(|(goal, met)| {
                let verdict = match met {
                    Some(true) => "met",
                    Some(false) => "MISSED",
                    None => "not measured",
                };
                format!("{}: {verdict}", goal.text())
            });
            cells.push(aims.collect::<Vec<String>>().join(", "));
            rows.push(cells);
        }
        let mut text = table(&rows);
        text.push_str(&self.0.notes_text());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{PER_CPU, Results, TREFOIL, VOLO};

    #[test]
    fn aims_are_compared_with_the_same_run() {
        let mut results = Results::default();
        for value in [250.0, 200.0, 300.0] {
            results.add("echo-1k", TREFOIL, PER_CPU, "calls/s", value);
        }
        results.add("echo-1k", VOLO, PER_CPU, "calls/s", 100.0);
        let json = results.json(&serde_json::Value::Null);
        assert_eq!(json["rows"][0]["ratios"][VOLO], 2.5);
        assert_eq!(json["rows"][0]["aims"][0]["met"], true);
        // There was no C++ in this run.
        assert_eq!(json["rows"][0]["aims"][1]["met"], serde_json::Value::Null);
    }
}
