//! What the answer to a call of a deprecated method says of it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::{Timestamp, tz::TimeZone};
use trefoil_server::thrift::Target;
use trefoil_thrift::deprecation::Deprecation;

/// RFC 9745.
const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
/// RFC 8594.
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// Says that the method should no longer be used, if its contract does.
pub(super) fn warn(headers: &mut HeaderMap, target: &Target) {
    let Some(said) = target.deprecation() else {
        return;
    };
    // RFC 9745 wants a date: without one the contract has been there for ever.
    let since = format!("@{}", said.since.unwrap_or(0));
    let link = format!(
        "</v1/contracts/{}>; rel=\"deprecation\"; type=\"application/json\"",
        target.service
    );
    let all = [
        (DEPRECATION, Some(since)),
        (SUNSET, sunset(said)),
        (header::LINK, Some(link)),
    ];
    for (name, text) in all {
        if let Some(Ok(value)) = text.map(HeaderValue::try_from) {
            headers.insert(name, value);
        }
    }
}

/// As HTTP writes dates.
fn sunset(said: &Deprecation) -> Option<String> {
    let seconds = i64::try_from(said.sunset?).ok()?;
    let day = Timestamp::from_second(seconds).ok()?;
    let day = day.to_zoned(TimeZone::UTC);
    Some(day.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_http() {
        let sunset = |sunset| {
            super::sunset(&Deprecation {
                sunset,
                ..Deprecation::default()
            })
        };
        assert_eq!(sunset(None), None);
        assert_eq!(
            sunset(Some(1_795_305_600)).as_deref(),
            Some("Sun, 22 Nov 2026 00:00:00 GMT")
        );
        assert_eq!(
            sunset(Some(0)).as_deref(),
            Some("Thu, 01 Jan 1970 00:00:00 GMT")
        );
        assert_eq!(sunset(Some(u64::MAX)), None);
    }
}
