//! What a contract says should no longer be used: `deprecated`, and since when and until when.

use crate::schema::{Annotations, Method, Schema, ServiceId, is_set};

/// The annotation itself; its value says why, or what to use instead.
pub const DEPRECATED: &str = "deprecated";
/// The day from which on it is deprecated.
pub const SINCE: &str = "trefoil.deprecated_since";
/// The day from which on it may be gone.
pub const SUNSET: &str = "trefoil.sunset";

/// Something should no longer be used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deprecation {
    /// Why, or what to use instead.
    pub why: Option<String>,
    /// Since when, in seconds since 1970.
    pub since: Option<u64>,
    /// From when on it may be gone, in seconds since 1970.
    pub sunset: Option<u64>,
}

impl Deprecation {
    /// What annotations say. Days that are none are as if they were not there; loading the contract warns of them.
    #[must_use]
    pub fn of(annotations: &Annotations) -> Option<Self> {
        if !is_set(annotations, DEPRECATED) {
            return None;
        }
        let first = |key| annotations.get(key)?.first().map(String::as_str);
        // Without a value an annotation has this one.
        let why = first(DEPRECATED).filter(|why| !matches!(*why, "1" | "true" | ""));
        Some(Self {
            why: why.map(str::to_owned),
            since: first(SINCE).and_then(day),
            sunset: first(SUNSET).and_then(day),
        })
    }

    /// What is said of a method, or else of the service that declares it.
    #[must_use]
    pub fn of_method(schema: &Schema, method: &Method) -> Option<Self> {
        Self::of(&method.annotations).or_else(|| Self::of_service(schema, method.declared_in))
    }

    /// What is said of a service.
    #[must_use]
    pub fn of_service(schema: &Schema, service: ServiceId) -> Option<Self> {
        Self::of(&schema.service(service).annotations)
    }
}

impl Deprecation {
    /// What the headers of answers say of it: `deprecation` as RFC 9745 has it, and `sunset` as RFC 8594.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        // The first wants a date: without one it has been so for ever.
        let since = ("deprecation", format!("@{}", self.since.unwrap_or(0)));
        let sunset = self.sunset.map(|sunset| ("sunset", http_date(sunset)));
        [since].into_iter().chain(sunset).collect()
    }
}

/// The day of a second as HTTP writes dates, at midnight.
fn http_date(second: u64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let days = second / DAY;
    let weekday = WEEKDAYS[(days % 7) as usize];
    let (mut year, mut left) = (1970, days);
    while left >= days_of(year) {
        left -= days_of(year);
        year += 1;
    }
    let mut month = 1;
    while left >= days_in(year, month) {
        left -= days_in(year, month);
        month += 1;
    }
    let name = MONTHS[(month - 1) as usize];
    format!("{weekday}, {:02} {name} {year:04} 00:00:00 GMT", left + 1)
}

const DAY: u64 = 86_400;

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_of(year: u64) -> u64 {
    365 + is_leap(year) as u64
}

const fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 => 28 + is_leap(year) as u64,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The first second of a day, `2026-11-22`, in UTC; of none before 1970.
pub(crate) fn day(text: &str) -> Option<u64> {
    let mut parts = text.trim().split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let is_form = [(year, 4), (month, 2), (day, 2)]
        .iter()
        .all(|(part, length)| {
            part.len() == *length && part.bytes().all(|byte| byte.is_ascii_digit())
        });
    if !is_form || parts.next().is_some() {
        return None;
    }
    let number = |part: &str| part.parse::<u64>().ok();
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let years: u64 = (1970..year).map(days_of).sum();
    let months: u64 = (1..month).map(|month| days_in(year, month)).sum();
    Some((years + months + day - 1) * DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days() {
        for (text, expected) in [
            ("1970-01-01", Some(0)),
            ("2000-02-29", Some(951_782_400)),
            ("2026-11-22", Some(1_795_305_600)),
            (" 2025-01-01 ", Some(1_735_689_600)),
            ("9999-12-31", Some(253_402_214_400)),
            ("2100-02-29", None),
            ("2026-02-29", None),
            ("2026-00-01", None),
            ("2026-13-01", None),
            ("2026-04-31", None),
            ("2026-1-01", None),
            ("1969-12-31", None),
            ("2026-01-01T00:00:00Z", None),
            ("2026-01-01-01", None),
            ("+026-01-01", None),
            ("", None),
        ] {
            assert_eq!(day(text), expected, "{text}");
        }
    }

    #[test]
    fn days_as_http_writes_them() {
        for (text, expected) in [
            ("1970-01-01", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("2000-02-29", "Tue, 29 Feb 2000 00:00:00 GMT"),
            ("2000-03-01", "Wed, 01 Mar 2000 00:00:00 GMT"),
            ("2026-11-22", "Sun, 22 Nov 2026 00:00:00 GMT"),
            ("2027-12-31", "Fri, 31 Dec 2027 00:00:00 GMT"),
            ("9999-12-31", "Fri, 31 Dec 9999 00:00:00 GMT"),
        ] {
            assert_eq!(http_date(day(text).unwrap()), expected);
        }
        let said = Deprecation {
            since: Some(5),
            sunset: Some(0),
            ..Deprecation::default()
        };
        let sunset = ("sunset", "Thu, 01 Jan 1970 00:00:00 GMT".to_owned());
        assert_eq!(said.headers(), [("deprecation", "@5".to_owned()), sunset]);
    }

    #[test]
    fn what_annotations_say() {
        let of = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()]));
            Deprecation::of(&pairs.collect())
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(SUNSET, "2026-01-01")]), None);
        assert_eq!(of(&[("deprecated", "false")]), None);
        assert_eq!(of(&[("deprecated", "1")]), Some(Deprecation::default()));
        let all = of(&[
            ("deprecated", "use add"),
            (SINCE, "1970-01-02"),
            (SUNSET, "soon"),
        ]);
        let expected = Deprecation {
            why: Some("use add".to_owned()),
            since: Some(86_400),
            sunset: None,
        };
        assert_eq!(all, Some(expected));
    }
}
