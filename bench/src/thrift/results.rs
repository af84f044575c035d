//! What was measured of whom, beside what was aimed at.

use serde_json::{Map, Value, json};

use crate::report::{median, number, table};

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

#[derive(Debug)]
struct Row {
    scenario: &'static str,
    what: &'static str,
    unit: &'static str,
    values: Vec<(&'static str, Vec<f64>)>,
}

impl Row {
    fn of(&self, whom: &str) -> Option<f64> {
        let found = self.values.iter().find(|(of, _)| *of == whom);
        found.map(|(_, values)| median(values))
    }

    /// How many times better Trefoil is than a peer.
    fn ratio(&self, peer: &str) -> Option<f64> {
        let (ours, theirs) = (self.of(TREFOIL)?, self.of(peer)?);
        // Of rates more is better, of times less; of other numbers nobody can say.
        let ratio = match self.unit {
            "calls/s" | "MB/s" => ours / theirs,
            "µs" | "ms" => theirs / ours,
            _ => return None,
        };
        ratio.is_finite().then_some(ratio)
    }

    fn aims(&self) -> impl Iterator<Item = (Goal, Option<bool>)> {
        let mine = |(scenario, what, _): &&(&str, &str, Goal)| {
            (*scenario, *what) == (self.scenario, self.what)
        };
        AIMS.iter().filter(mine).map(|(_, _, goal)| {
            let met = match *goal {
                Goal::Times(times, peer) => self.ratio(peer).map(|ratio| ratio >= times),
                Goal::AtLeast(limit) => self.of(TREFOIL).map(|value| value >= limit),
                Goal::AtMost(limit) => self.of(TREFOIL).map(|value| value <= limit),
            };
            (*goal, met)
        })
    }
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
pub(super) struct Results {
    rows: Vec<Row>,
    notes: Vec<String>,
}

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
        let same = |row: &Row| (row.scenario, row.what) == (scenario, what);
        let index = self.rows.iter().position(same).unwrap_or_else(|| {
            self.rows.push(Row {
                scenario,
                what,
                unit,
                values: Vec::new(),
            });
            self.rows.len() - 1
        });
        let values = &mut self.rows[index].values;
        match values.iter_mut().find(|(of, _)| *of == whom) {
            Some((_, values)) => values.push(value),
            None => values.push((whom, vec![value])),
        }
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    fn whom(&self) -> Vec<&'static str> {
        let mut all = Vec::new();
        for (whom, _) in self.rows.iter().flat_map(|row| &row.values) {
            if !all.contains(whom) {
                all.push(*whom);
            }
        }
        all
    }

    /// One document for programs.
    pub(super) fn json(&self, machine: &Value) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(|row| self.row_json(row)).collect();
        json!({ "machine": machine, "rows": rows, "notes": self.notes })
    }

    fn row_json(&self, row: &Row) -> Value {
        let values: Map<String, Value> = row
            .values
            .iter()
            .map(|(whom, values)| {
                let all = json!({ "median": median(values), "rounds": values });
                ((*whom).to_owned(), all)
            })
            .collect();
        let ratios: Map<String, Value> = self
            .whom()
            .into_iter()
            .filter(|whom| *whom != TREFOIL)
            .filter_map(|peer| Some((peer.to_owned(), row.ratio(peer)?.into())))
            .collect();
        let aims: Vec<Value> = row
            .aims()
            .map(|(goal, met)| json!({ "aim": goal.text(), "met": met }))
            .collect();
        json!({
            "scenario": row.scenario, "what": row.what, "unit": row.unit,
            "values": values, "ratios": ratios, "aims": aims,
        })
    }

    /// A table for people: what each did, and how many times better Trefoil is.
    pub(super) fn text(&self) -> String {
        let whom = self.whom();
        let mut head = vec!["scenario".to_owned(), "what".to_owned(), "unit".to_owned()];
        head.extend(whom.iter().map(|whom| (*whom).to_owned()));
        head.push("aims".to_owned());
        let mut rows = vec![head];
        let mut last = "";
        for row in &self.rows {
            let name = if row.scenario == last {
                ""
            } else {
                row.scenario
            };
            last = row.scenario;
            let mut cells = vec![name.to_owned(), row.what.to_owned(), row.unit.to_owned()];
            cells.extend(whom.iter().map(|whom| {
                let value = row.of(whom).map(number).unwrap_or_default();
                match row.ratio(whom).filter(|_| *whom != TREFOIL) {
                    Some(ratio) => format!("{value} ({}×)", number(ratio)),
                    None => value,
                }
            }));
            let aims = row.aims().map(|(goal, met)| {
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
        for note in &self.notes {
            text.push_str(&format!("note: {note}\n"));
        }
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
