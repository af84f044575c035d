//! What was measured, for people and for programs.

use serde_json::{Value, json};

/// What a number should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Aim {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
}

impl Aim {
    fn met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(aim) => value >= aim,
            Self::AtMost(aim) => value <= aim,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(aim) => format!("≥ {}", number(aim)),
            Self::AtMost(aim) => format!("≤ {}", number(aim)),
        }
    }
}

#[derive(Debug)]
struct Measure {
    case: &'static str,
    what: String,
    unit: &'static str,
    aim: Option<Aim>,
    values: Vec<f64>,
}

/// One row about a job engine, Trefoil or a peer.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The parsed line of its driver, or what is the same for Trefoil.
    pub(crate) row: Value,
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    measures: Vec<Measure>,
    peers: Vec<Peer>,
    notes: Vec<String>,
}

impl Report {
    /// Notes a value; those of the same case and name are rounds of one measurement.
    pub(crate) fn add(&mut self, case: &'static str, what: &str, unit: &'static str, value: f64) {
        self.aimed(case, what, unit, None, value);
    }

    /// The same for a number that has an aim.
    pub(crate) fn aimed(
        &mut self,
        case: &'static str,
        what: &str,
        unit: &'static str,
        aim: Option<Aim>,
        value: f64,
    ) {
        match self
            .measures
            .iter_mut()
            .find(|measure| measure.case == case && measure.what == what)
        {
            Some(measure) => {
                measure.values.push(value);
                measure.aim = aim;
            }
            None => self.measures.push(Measure {
                case,
                what: what.to_owned(),
                unit,
                aim,
                values: vec![value],
            }),
        }
    }

    /// Notes a row about a job engine.
    pub(crate) fn peer(&mut self, row: Value) {
        self.peers.push(Peer { row });
    }

    /// Notes a sentence that belongs to the numbers.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// One document for programs.
    pub(crate) fn json(&self, machine: Value) -> Value {
        let measures: Vec<Value> = self
            .measures
            .iter()
            .map(|measure| {
                let (low, high) = spread(&measure.values);
                let median = median(&measure.values);
                let mut one = json!({
                    "case": measure.case, "what": measure.what, "unit": measure.unit,
                    "median": median, "min": low, "max": high, "rounds": measure.values,
                });
                if let Some(aim) = measure.aim {
                    let (relation, value) = match aim {
                        Aim::AtLeast(value) => (">=", value),
                        Aim::AtMost(value) => ("<=", value),
                    };
                    one["aim"] =
                        json!({ "relation": relation, "value": value, "met": aim.met(median) });
                }
                one
            })
            .collect();
        let peers: Vec<&Value> = self.peers.iter().map(|peer| &peer.row).collect();
        json!({ "machine": machine, "measures": measures, "peers": peers, "notes": self.notes })
    }

    /// Tables for people.
    pub(crate) fn text(&self, machine: &Value) -> String {
        let mut rows =
            vec![["case", "what", "median", "min … max", "unit", "aim", ""].map(str::to_owned)];
        for measure in &self.measures {
            let (low, high) = spread(&measure.values);
            let median = median(&measure.values);
            let range = if measure.values.len() > 1 {
                format!("{} … {}", number(low), number(high))
            } else {
                String::new()
            };
            let verdict = measure
                .aim
                .map_or("", |aim| if aim.met(median) { "met" } else { "MISSED" });
            rows.push([
                measure.case.to_owned(),
                measure.what.clone(),
                number(median),
                range,
                measure.unit.to_owned(),
                measure.aim.map(Aim::text).unwrap_or_default(),
                verdict.to_owned(),
            ]);
        }
        let mut text = format!("{}\n\n{}", machine_line(machine), table(&rows));
        if !self.peers.is_empty() {
            let keys = [
                "system",
                "jobs",
                "jobs_per_s",
                "submit_per_s",
                "cpu_ms_per_job",
                "durable",
                "checked",
                "note",
            ];
            let mut rows = vec![
                [
                    "system",
                    "jobs",
                    "jobs/s",
                    "submit/s",
                    "CPU ms/job",
                    "durable",
                    "checked",
                    "note",
                ]
                .map(str::to_owned),
            ];
            rows.extend(
                self.peers
                    .iter()
                    .map(|peer| keys.map(|key| cell(&peer.row, key))),
            );
            text.push_str("\nthe same work elsewhere: no-op jobs that return their index, every result checked\n\n");
            text.push_str(&table(&rows));
        }
        for note in &self.notes {
            text.push_str(&format!("\nnote: {note}"));
        }
        text.push('\n');
        text
    }
}

/// The machine in one line.
pub(crate) fn machine_line(machine: &Value) -> String {
    let field = |name| cell(machine, name);
    format!(
        "{} cores, {}, kernel {}, {} rounds, load before {}, trefoil {}",
        field("cores"),
        field("cpu"),
        field("kernel"),
        field("rounds"),
        field("load"),
        field("trefoil")
    )
}

fn cell(row: &Value, key: &str) -> String {
    match &row[key] {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(value) => number(value.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Columns as wide as their widest cell.
pub(crate) fn table<R: AsRef<[String]>>(rows: &[R]) -> String {
    let columns = rows.first().map_or(0, |row| row.as_ref().len());
    let width = |column: usize| {
        rows.iter()
            .map(|row| row.as_ref()[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let line: Vec<String> = row
            .as_ref()
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Four digits say all that a measurement on a shared machine can.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 1_000.0 => return grouped(value),
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        0.0 => 0,
        _ => 4,
    };
    format!("{value:.digits$}")
}

fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The value in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which this share of them is.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted
        .get((share * last as f64).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}

fn spread(values: &[f64]) -> (f64, f64) {
    (quantile(values, 0.0), quantile(values, 1.0))
}

#[cfg(test)]
mod tests {
    use super::{Aim, Report, number, quantile};

    #[test]
    fn numbers_are_short() {
        let shown = [
            0.0,
            0.01234,
            2.34567,
            23.4567,
            234.567,
            2345.67,
            1_234_567.0,
        ]
        .map(number);
        assert_eq!(
            shown,
            ["0", "0.0123", "2.35", "23.5", "235", "2,346", "1,234,567"]
        );
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(
            [0.0, 0.5, 1.0].map(|share| quantile(&values, share)),
            [1.0, 3.0, 5.0]
        );
    }

    #[test]
    fn rounds_of_one_measurement_are_one_row() {
        let mut report = Report::default();
        for value in [10.0, 30.0, 20.0] {
            report.aimed("case", "what", "unit", Some(Aim::AtLeast(15.0)), value);
        }
        let json = report.json(serde_json::Value::Null);
        assert_eq!(json["measures"][0]["median"], 20.0);
        assert_eq!(json["measures"][0]["aim"]["met"], true);
        assert_eq!(json["measures"].as_array().unwrap().len(), 1);
    }
}
