//! Numbers of several programs beside each other.

use serde_json::{Map, Value, json};

use crate::report::median;

/// Of whom a number is.
pub(crate) trait Whom: Copy + PartialEq {
    fn name(self) -> &'static str;
}

impl Whom for &'static str {
    fn name(self) -> &'static str {
        self
    }
}

/// One number of one scenario, for each as often as it was measured.
#[derive(Debug)]
pub(crate) struct Row<W> {
    pub(crate) scenario: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    values: Vec<(W, Vec<f64>)>,
}

impl<W: Whom> Row<W> {
    pub(crate) fn of(&self, whom: W) -> Option<f64> {
        let found = self.values.iter().find(|(of, _)| *of == whom);
        found.map(|(_, values)| median(values))
    }

    /// How many times better one is than another.
    pub(crate) fn ratio(&self, one: W, other: W) -> Option<f64> {
        let (one, other) = (self.of(one)?, self.of(other)?);
        // Of rates more is better, of times and sizes less; of other numbers nobody can say.
        let ratio = match self.unit {
            rate if rate.ends_with("/s") => one / other,
            "s" | "ms" | "µs" | "MB" | "KB" => other / one,
            _ => return None,
        };
        ratio.is_finite().then_some(ratio)
    }

    pub(crate) fn whom(&self) -> impl Iterator<Item = W> {
        self.values.iter().map(|(whom, _)| *whom)
    }

    /// For programs, by name.
    pub(crate) fn values_json(&self) -> Map<String, Value> {
        let values = self.values.iter().map(|(whom, values)| {
            let all = json!({ "median": median(values), "rounds": values });
            (whom.name().to_owned(), all)
        });
        values.collect()
    }
}

/// All of them, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Rows<W> {
    rows: Vec<Row<W>>,
    notes: Vec<String>,
}

impl<W> Default for Rows<W> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }
}

impl<W: Whom> Rows<W> {
    /// Notes a value; those of the same name are rounds of one measurement.
    pub(crate) fn add(
        &mut self,
        scenario: &'static str,
        whom: W,
        what: &'static str,
        unit: &'static str,
        value: f64,
    ) {
        let same = |row: &Row<W>| (row.scenario, row.what) == (scenario, what);
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

    /// Says something about all of them, once.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Row<W>> {
        self.rows.iter()
    }

    /// Each with the name of its scenario, if that is not the one before's.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, &Row<W>)> {
        let mut last = "";
        self.rows.iter().map(move |row| {
            let is_same = std::mem::replace(&mut last, row.scenario) == row.scenario;
            (if is_same { "" } else { row.scenario }, row)
        })
    }

    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The end of a table for people.
    pub(crate) fn notes_text(&self) -> String {
        let notes = self.notes.iter();
        notes.map(|note| format!("note: {note}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Rows;

    #[test]
    fn rates_should_be_high_and_times_low() {
        let mut rows = Rows::default();
        for (whom, value) in [
            ("ours", 2.0),
            ("ours", 4.0),
            ("ours", 300.0),
            ("theirs", 8.0),
        ] {
            rows.add("a", whom, "rate", "calls/s", value);
            rows.add("a", whom, "time", "ms", value);
            rows.add("b", whom, "failed", "calls", value);
        }
        let ratios: Vec<_> = rows.iter().map(|row| row.ratio("ours", "theirs")).collect();
        assert_eq!(ratios, [Some(0.5), Some(2.0), None]);
        let names: Vec<_> = rows.named().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "", "b"]);
        let values = rows.iter().next().unwrap().values_json();
        assert_eq!(values["ours"]["median"], 4.0);
    }
}
