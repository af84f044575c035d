//! Values of configuration keys: from text, as written by people, to types and back.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use trefoil_server::amqp::AlternativeName;

pub(crate) use super::login::LoginFrom;

/// The longest duration taken: a century. Longer ones are typing errors, and would overflow
/// deadlines.
const DURATION_MAX: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// The platform counts in 32 bits.
const COUNT_MAX: u64 = u32::MAX as u64;

/// More threads than this wait for each other more than they help: a broker's lock is one.
const THREADS_AUTO_MAX: u64 = 4;

/// The RabbitMQ that clients are told.
const RABBITMQ: &str = "rabbitmq-4.2";

/// What a key's value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `host:port`.
    Address,
    /// Several of them, or none: a list in the file, separated by `,` in the environment, repeated as a flag.
    Addresses,
    /// One file, or none.
    File,
    /// Several texts: lists like those of addresses.
    Texts,
    /// A positive integer, or `auto`.
    Threads,
    /// `rabbitmq-4.2` or `own`.
    Advertise,
    /// `distinguished-name`, `common-name` or `subject-alternative-name`.
    LoginFrom,
    /// `dns`, `email`, `uri`, `ip` or `other-name`.
    AlternativeName,
    /// One path.
    Path,
    /// Several paths: a list in the file, separated by `:` in the environment, repeated as a flag.
    Paths,
    /// `true` or `false`.
    Bool,
    /// `30s`, `1h 30m`.
    Duration,
    /// The same, or `none`.
    OptionalDuration,
    /// `16MiB`.
    Size,
    /// The same, or `80%` of the machine's memory.
    Memory,
    /// A positive integer.
    Count,
    /// The same, or `cores`.
    Cores,
    /// `text` or `json`.
    LogFormat,
    /// Directives of `tracing-subscriber`.
    LogFilter,
}

impl Kind {
    /// Whether a key takes several values.
    pub(crate) fn is_list(self) -> bool {
        matches!(self, Kind::Paths | Kind::Addresses | Kind::Texts)
    }

    /// What to write.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Kind::Address => "an address such as 127.0.0.1:8080",
            Kind::Addresses => "a list of addresses such as 127.0.0.1:5672",
            Kind::File => "a path of a file",
            Kind::Texts => "a list of texts",
            Kind::Threads => "a whole number above 0, or auto",
            Kind::Advertise => "rabbitmq-4.2 or own",
            Kind::LoginFrom => "distinguished-name, common-name or subject-alternative-name",
            Kind::AlternativeName => "dns, email, uri, ip or other-name",
            Kind::Path => "a path",
            Kind::Paths => "a list of paths",
            Kind::Bool => "true or false",
            Kind::Duration => "a duration such as 30s or \"1h 30m\"",
            Kind::OptionalDuration => "a duration such as 7d, or none",
            Kind::Size => "a size such as 512KiB or 16MiB",
            Kind::Memory => "a size such as 4GiB, or a share such as 80%",
            Kind::Count => "a whole number above 0",
            Kind::Cores => "a whole number above 0, or cores",
            Kind::LogFormat => "text or json",
            Kind::LogFilter => {
                "a level (error, warn, info, debug, trace) or directives such as info,trefoil_server=debug"
            }
        }
    }

    /// The placeholder in help texts.
    pub(crate) fn placeholder(self) -> &'static str {
        match self {
            Kind::Address | Kind::Addresses => "ADDR",
            Kind::File => "FILE",
            Kind::Texts => "TEXT",
            Kind::Threads => "N",
            Kind::Advertise => "PRODUCT",
            Kind::LoginFrom => "NAME",
            Kind::AlternativeName => "KIND",
            Kind::Path => "DIR",
            Kind::Paths => "DIR",
            Kind::Bool => "BOOL",
            Kind::Duration | Kind::OptionalDuration => "DURATION",
            Kind::Size | Kind::Memory => "SIZE",
            Kind::Count | Kind::Cores => "N",
            Kind::LogFormat => "FORMAT",
            Kind::LogFilter => "FILTER",
        }
    }
}

/// A value as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Raw {
    /// A string of any layer.
    Text(String),
    /// A TOML integer.
    Integer(String),
    /// A TOML boolean.
    Bool(bool),
    /// A TOML array of strings, or a repeated flag.
    List(Vec<String>),
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// JSON lines.
    Json,
}

/// As what the broker introduces itself to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advertise {
    /// As the RabbitMQ that it behaves like: clients and frameworks look at product and version.
    RabbitMq,
    /// As itself.
    Own,
}

/// A value that is right for its key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Where to listen.
    Address(SocketAddr),
    /// Where to listen, everywhere.
    Addresses(Vec<SocketAddr>),
    /// One file, if any.
    File(Option<PathBuf>),
    /// Several texts.
    Texts(Vec<String>),
    /// As what to introduce oneself.
    Advertise(Advertise),
    /// What names the user of a certificate.
    LoginFrom(LoginFrom),
    /// Which kind of name beside the subject.
    AlternativeName(AlternativeName),
    /// One path.
    Path(PathBuf),
    /// Several paths.
    Paths(Vec<PathBuf>),
    /// On or off.
    Bool(bool),
    /// How long.
    Duration(Duration),
    /// How long, if at all.
    OptionalDuration(Option<Duration>),
    /// How many bytes.
    Size(u64),
    /// How many.
    Count(u64),
    /// Form of the log.
    LogFormat(LogFormat),
    /// What is logged.
    LogFilter(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Address(address) => write!(f, "{address}"),
            Value::Addresses(addresses) => list(f, addresses, ","),
            Value::File(path) => match path {
                Some(path) => write!(f, "{}", path.display()),
                None => Ok(()),
            },
            Value::Texts(texts) => list(f, texts, ","),
            Value::Advertise(Advertise::RabbitMq) => f.write_str(RABBITMQ),
            Value::Advertise(Advertise::Own) => f.write_str("own"),
            Value::LoginFrom(from) => write!(f, "{from}"),
            Value::AlternativeName(kind) => write!(f, "{kind}"),
            Value::Path(path) => write!(f, "{}", path.display()),
            Value::Paths(paths) => list(f, paths.iter().map(|path| path.display()), ":"),
            Value::Bool(on) => write!(f, "{on}"),
            Value::Duration(duration) | Value::OptionalDuration(Some(duration)) => {
                f.write_str(&format_duration(*duration))
            }
            Value::OptionalDuration(None) => f.write_str("none"),
            Value::Size(bytes) => f.write_str(&format_size(*bytes)),
            Value::Count(count) => write!(f, "{count}"),
            Value::LogFormat(LogFormat::Text) => f.write_str("text"),
            Value::LogFormat(LogFormat::Json) => f.write_str("json"),
            Value::LogFilter(filter) => f.write_str(filter),
        }
    }
}

fn list(
    f: &mut fmt::Formatter<'_>,
    items: impl IntoIterator<Item = impl fmt::Display>,
    separator: &str,
) -> fmt::Result {
    for (index, item) in items.into_iter().enumerate() {
        let separator = if index == 0 { "" } else { separator };
        write!(f, "{separator}{item}")?;
    }
    Ok(())
}

/// Reads a value; relative paths are below `base`.
///
/// # Errors
///
/// A message that says what is wrong with the value.
pub(crate) fn parse(kind: Kind, raw: &Raw, base: &Path) -> Result<Value, String> {
    let text = match (kind, raw) {
        (Kind::Paths, Raw::List(list)) => return paths(list.iter().map(String::as_str), base),
        (Kind::Paths, Raw::Text(text)) => {
            return paths(text.split(':').filter(|part| !part.is_empty()), base);
        }
        (Kind::Addresses | Kind::Texts, raw @ (Raw::List(_) | Raw::Text(_))) => {
            return texts(kind, raw);
        }
        (Kind::Bool, Raw::Bool(on)) => return Ok(Value::Bool(*on)),
        (_, Raw::Text(text)) => text.trim(),
        (
            Kind::Count | Kind::Cores | Kind::Threads | Kind::Size | Kind::Memory,
            Raw::Integer(digits),
        ) => digits,
        (_, Raw::Integer(digits)) => return Err(format!("the number {digits} does not fit here")),
        (_, Raw::Bool(on)) => return Err(format!("the boolean {on} does not fit here")),
        (_, Raw::List(_)) => return Err("a list does not fit here".to_owned()),
    };
    match kind {
        Kind::Address => address(text).map(Value::Address),
        Kind::Addresses | Kind::Texts => texts(kind, raw),
        Kind::File if text.is_empty() => Ok(Value::File(None)),
        Kind::File => Ok(Value::File(Some(join(base, text)))),
        Kind::Threads if text == "auto" => {
            cores().map(|cores| Value::Count(cores.min(THREADS_AUTO_MAX)))
        }
        Kind::Threads => count(text).map(Value::Count),
        Kind::Advertise => match text {
            RABBITMQ => Ok(Value::Advertise(Advertise::RabbitMq)),
            "own" => Ok(Value::Advertise(Advertise::Own)),
            _ => Err(format!("`{text}` is nothing to be advertised")),
        },
        Kind::LoginFrom => match text.parse() {
            Ok(from) => Ok(Value::LoginFrom(from)),
            Err(()) => Err(format!("`{text}` is no part of a certificate")),
        },
        Kind::AlternativeName => match text.parse() {
            Ok(kind) => Ok(Value::AlternativeName(kind)),
            Err(()) => Err(format!("`{text}` is no kind of alternative name")),
        },
        Kind::Path if text.is_empty() => Err("the path is empty".to_owned()),
        Kind::Path => Ok(Value::Path(join(base, text))),
        Kind::Paths => paths(std::iter::once(text), base),
        Kind::Bool => match text {
            "true" | "1" | "yes" | "on" => Ok(Value::Bool(true)),
            "false" | "0" | "no" | "off" => Ok(Value::Bool(false)),
            _ => Err(format!("`{text}` is neither true nor false")),
        },
        Kind::Duration => duration(text).map(Value::Duration),
        Kind::OptionalDuration if text == "none" => Ok(Value::OptionalDuration(None)),
        Kind::OptionalDuration => duration(text).map(|d| Value::OptionalDuration(Some(d))),
        Kind::Size => size(text).map(Value::Size),
        Kind::Memory => memory(text).map(Value::Size),
        Kind::Count => count(text).map(Value::Count),
        Kind::Cores if text == "cores" => cores().map(Value::Count),
        Kind::Cores => count(text).map(Value::Count),
        Kind::LogFormat => match text {
            "text" => Ok(Value::LogFormat(LogFormat::Text)),
            "json" => Ok(Value::LogFormat(LogFormat::Json)),
            _ => Err(format!("`{text}` is no log format")),
        },
        Kind::LogFilter => match tracing_subscriber::EnvFilter::try_new(text) {
            Ok(_) if !text.is_empty() => Ok(Value::LogFilter(text.to_owned())),
            Ok(_) => Err("the filter is empty".to_owned()),
            Err(error) => Err(format!("`{text}` is no log filter: {error}")),
        },
    }
}

/// Lists of what has no colons to separate them.
fn texts(kind: Kind, raw: &Raw) -> Result<Value, String> {
    let items: Vec<&str> = match raw {
        Raw::List(list) => list.iter().map(|text| text.trim()).collect(),
        Raw::Text(text) => text.split(',').map(str::trim).collect(),
        Raw::Integer(_) | Raw::Bool(_) => Vec::new(),
    };
    let items = items.into_iter().filter(|item| !item.is_empty());
    match kind {
        Kind::Addresses => items
            .map(address)
            .collect::<Result<_, _>>()
            .map(Value::Addresses),
        _ => Ok(Value::Texts(items.map(str::to_owned).collect())),
    }
}

fn join(base: &Path, text: &str) -> PathBuf {
    // `./data` below the current directory is shown as people wrote it, not as `dir/./data`.
    let path = Path::new(text);
    if base.as_os_str().is_empty() {
        path.to_path_buf()
    } else {
        base.join(path.strip_prefix(".").unwrap_or(path))
    }
}

fn paths<'a>(list: impl Iterator<Item = &'a str>, base: &Path) -> Result<Value, String> {
    let paths: Vec<PathBuf> = list.map(|text| join(base, text)).collect();
    match paths.iter().find(|path| path.as_os_str().is_empty()) {
        Some(_) => Err("a path is empty".to_owned()),
        None => Ok(Value::Paths(paths)),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if !text.contains(':') {
        return Err(format!("`{text}` has no port"));
    }
    // Names such as localhost.
    let found = text
        .to_socket_addrs()
        .map_err(|error| format!("`{text}` is no address: {error}"))?;
    let found: Vec<SocketAddr> = found.collect();
    // IPv4 first: that is where clients of 127.0.0.1 knock.
    let first = found
        .iter()
        .find(|address| address.is_ipv4())
        .or(found.first());
    first
        .copied()
        .ok_or_else(|| format!("`{text}` has no address"))
}

/// Reads `30s`, `1h 30m`, `250ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = match text.parse::<jiff::Span>() {
        Ok(span) => span
            // Days and weeks are 24 hours and 7 days here: no calendar is involved.
            .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
            .map_err(|_| format!("`{text}` has a unit longer than a week"))?,
        Err(_) if text.parse::<f64>().is_ok() => {
            return Err(format!("`{text}` has no unit, for example `{text}s`"));
        }
        Err(_) => return Err(format!("`{text}` is no duration")),
    };
    let duration = Duration::try_from(span).map_err(|_| format!("`{text}` is negative"))?;
    if duration > DURATION_MAX {
        return Err(format!("`{text}` is longer than a century"));
    }
    Ok(duration)
}

const UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1000),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Reads `4096`, `16MiB`, `1.5 GiB`.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let factor = match UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, factor)) => *factor,
        None if unit.is_empty() => 1,
        None => {
            let near = UNITS.iter().find(|(name, _)| {
                name.eq_ignore_ascii_case(unit)
                    || name.trim_end_matches("iB") == unit.to_uppercase()
            });
            let near = near.map_or(String::new(), |(name, _)| format!("; did you mean {name}?"));
            return Err(format!("`{unit}` is no unit of size{near}"));
        }
    };
    let digits = digits.trim();
    if let Ok(whole) = digits.parse::<u64>() {
        return whole
            .checked_mul(factor)
            .ok_or_else(|| format!("`{text}` is too large"));
    }
    match digits.parse::<f64>() {
        // 2^53: up to there a product of floats is the exact number of bytes people mean.
        Ok(number) if number >= 0.0 && number * factor as f64 <= 9e15 => {
            Ok((number * factor as f64).round() as u64)
        }
        Ok(_) => Err(format!("`{text}` is out of range")),
        Err(_) => Err(format!("`{text}` is no size")),
    }
}

fn memory(text: &str) -> Result<u64, String> {
    let Some(share) = text.strip_suffix('%') else {
        return size(text);
    };
    let share: u64 = match share.trim().parse() {
        Ok(share @ 1..=100) => share,
        _ => return Err(format!("`{text}` is no share from 1% to 100%")),
    };
    let total = crate::system::memory_total().ok_or("cannot tell how much memory there is")?;
    // Divided first, so it cannot overflow; whole MiB read better.
    let bytes = total / 100 * share;
    Ok(bytes - bytes % (1 << 20))
}

fn count(text: &str) -> Result<u64, String> {
    match text.replace('_', "").parse::<u64>() {
        Ok(0) => Err("0 is not enough".to_owned()),
        Ok(count) if count > COUNT_MAX => Err(format!("`{text}` is above {COUNT_MAX}")),
        Ok(count) => Ok(count),
        Err(_) => Err(format!("`{text}` is no whole number above 0")),
    }
}

fn cores() -> Result<u64, String> {
    match std::thread::available_parallelism() {
        Ok(cores) => Ok(cores.get() as u64),
        Err(error) => Err(format!("cannot tell how many cores there are: {error}")),
    }
}

/// `1h 30m`.
fn format_duration(duration: Duration) -> String {
    let mut rest = duration.as_millis();
    let mut parts = Vec::new();
    for (unit, millis) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ] {
        let count = rest / millis;
        rest %= millis;
        if count > 0 {
            parts.push(format!("{count}{unit}"));
        }
    }
    match parts.len() {
        0 => "0s".to_owned(),
        _ => parts.join(" "),
    }
}

/// `16MiB`: the largest unit that is exact.
fn format_size(bytes: u64) -> String {
    let exact = |(_, factor): &&(&str, u64)| bytes > 0 && bytes.is_multiple_of(*factor);
    let binary = UNITS.iter().filter(|(name, _)| name.ends_with("iB"));
    match binary.rev().find(exact) {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Kind, Raw, Value, parse};

    fn text(kind: Kind, text: &str) -> Result<Value, String> {
        parse(kind, &Raw::Text(text.to_owned()), Path::new(""))
    }

    #[track_caller]
    fn shown(kind: Kind, input: &str, output: &str) {
        assert_eq!(text(kind, input).unwrap().to_string(), output, "{input}");
    }

    #[test]
    fn durations() {
        shown(Kind::Duration, "30s", "30s");
        shown(Kind::Duration, "1h 30m", "1h 30m");
        shown(Kind::Duration, "90m", "1h 30m");
        shown(Kind::Duration, "250ms", "250ms");
        shown(Kind::Duration, "0s", "0s");
        shown(Kind::OptionalDuration, "7d", "7d");
        shown(Kind::OptionalDuration, "none", "none");
        for wrong in ["30", "none", "-3s", "soon", "", "1 month", "9999999h"] {
            assert!(text(Kind::Duration, wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            text(Kind::Duration, "30").unwrap_err(),
            "`30` has no unit, for example `30s`"
        );
    }

    #[test]
    fn names_in_certificates() {
        for from in [
            "distinguished-name",
            "common-name",
            "subject-alternative-name",
        ] {
            shown(Kind::LoginFrom, from, from);
        }
        for kind in ["dns", "email", "uri", "ip", "other-name"] {
            shown(Kind::AlternativeName, kind, kind);
        }
        assert!(text(Kind::LoginFrom, "dns").is_err());
        assert!(text(Kind::AlternativeName, "").is_err());
    }

    #[test]
    fn sizes() {
        shown(Kind::Size, "16MiB", "16MiB");
        shown(Kind::Size, "1.5 GiB", "1536MiB");
        shown(Kind::Size, "4096", "4KiB");
        shown(Kind::Size, "1000", "1000B");
        shown(Kind::Size, "10MB", "10000000B");
        for wrong in ["", "MiB", "-1", "1XB", "99999999999TiB", "NaN", "infKiB"] {
            assert!(text(Kind::Size, wrong).is_err(), "{wrong}");
        }
        assert!(
            text(Kind::Size, "16M")
                .unwrap_err()
                .contains("did you mean MiB")
        );
        assert!(
            text(Kind::Size, "16mib")
                .unwrap_err()
                .contains("did you mean MiB")
        );
    }

    #[test]
    fn shares_of_memory_and_cores() {
        let Value::Size(half) = text(Kind::Memory, "50%").unwrap() else {
            unreachable!("memory is a size");
        };
        assert!(half > 0);
        shown(Kind::Memory, "4GiB", "4GiB");
        for wrong in ["0%", "101%", "%", "-5%"] {
            assert!(text(Kind::Memory, wrong).is_err(), "{wrong}");
        }
        assert!(matches!(text(Kind::Cores, "cores"), Ok(Value::Count(1..))));
        shown(Kind::Cores, "3", "3");
        assert!(text(Kind::Cores, "0").is_err());
        assert_eq!(
            text(Kind::Count, "4294967296").unwrap_err(),
            "`4294967296` is above 4294967295"
        );
        assert!(text(Kind::Count, "cores").is_err());
    }

    #[test]
    fn addresses_and_the_rest() {
        shown(Kind::Address, "127.0.0.1:0", "127.0.0.1:0");
        shown(Kind::Address, "[::1]:80", "[::1]:80");
        for wrong in ["8080", "127.0.0.1", "127.0.0.1:99999", ""] {
            assert!(text(Kind::Address, wrong).is_err(), "{wrong}");
        }
        shown(
            Kind::LogFilter,
            "info,trefoil_server=debug",
            "info,trefoil_server=debug",
        );
        assert!(text(Kind::LogFilter, "a=b=c").is_err());
        assert!(text(Kind::Bool, "maybe").is_err());
        let list = parse(
            Kind::Paths,
            &Raw::List(vec!["./a".to_owned(), "/b".to_owned()]),
            Path::new("/etc"),
        );
        assert_eq!(list.unwrap().to_string(), "/etc/a:/b");
    }
}
