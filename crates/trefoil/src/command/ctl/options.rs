//! Command lines as rabbitmqctl reads them: options may stand before, between and behind arguments.

use std::collections::BTreeMap;

use super::Fault;

/// One option.
struct Spec {
    long: &'static str,
    short: Option<char>,
    /// It is followed by a value.
    valued: bool,
}

const fn valued(long: &'static str, short: Option<char>) -> Spec {
    Spec {
        long,
        short,
        valued: true,
    }
}

const fn switch(long: &'static str, short: Option<char>) -> Spec {
    Spec {
        long,
        short,
        valued: false,
    }
}

/// All that is understood. Those of the Erlang distribution are read and have no effect: there is none here.
const SPECS: &[Spec] = &[
    valued("node", Some('n')),
    valued("timeout", Some('t')),
    valued("vhost", Some('p')),
    valued("formatter", None),
    valued("printer", None),
    valued("erlang-cookie", None),
    valued("script-name", None),
    switch("quiet", Some('q')),
    switch("silent", Some('s')),
    switch("longnames", Some('l')),
    switch("help", Some('?')),
    switch("version", None),
    switch("no-table-headers", None),
    switch("table-headers", None),
    switch("dry-run", None),
    // Who asks, and where: not rabbitmqctl's, which knows a shared cookie instead.
    valued("url", None),
    valued("username", None),
    valued("password", None),
    // Options of single commands.
    valued("priority", None),
    valued("apply-to", None),
    valued("description", None),
    valued("tags", None),
    valued("default-queue-type", None),
    valued("limit", None),
    valued("per-connection-delay", None),
    valued("format", None),
    valued("user", None),
    valued("hashing-algorithm", None),
    switch("pre-hashed-password", None),
    switch("if-empty", Some('e')),
    switch("if-unused", Some('u')),
    switch("global", None),
    switch("online", None),
    switch("offline", None),
    switch("local", None),
    switch("skip-if-unchanged", None),
];

/// The options of one call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options(BTreeMap<&'static str, String>);

/// A command line, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Invocation {
    pub(super) command: Option<String>,
    pub(super) arguments: Vec<String>,
    pub(super) options: Options,
}

impl Options {
    pub(super) fn get(&self, long: &str) -> Option<&str> {
        self.0.get(long).map(String::as_str)
    }

    pub(super) fn has(&self, long: &str) -> bool {
        self.0.contains_key(long)
    }

    pub(super) fn vhost(&self) -> &str {
        self.get("vhost").unwrap_or("/")
    }

    pub(super) fn node(&self) -> &str {
        self.get("node").unwrap_or("rabbit@localhost")
    }

    /// The address of the broker: `--url`, else a `--node` that is one, else what `trefoil` itself was told.
    pub(super) fn address<'a>(&'a self, outer: Option<&'a str>) -> Option<&'a str> {
        let node = self.get("node").filter(|node| node.starts_with("http://"));
        self.get("url").or(node).or(outer)
    }

    /// `table` unless said otherwise.
    pub(super) fn formatter(&self) -> Option<&str> {
        self.get("formatter")
    }

    /// Whether to say what is being done: not for programs that read the output.
    pub(super) fn chatty(&self) -> bool {
        !self.has("quiet")
            && !self.has("silent")
            && !matches!(self.formatter(), Some("json" | "csv" | "json_stream"))
    }

    /// Whether tables have a header.
    pub(super) fn headers(&self) -> bool {
        !self.has("silent") && !self.has("no-table-headers")
    }

    pub(super) fn timeout_s(&self) -> Result<Option<u64>, Fault> {
        match self.get("timeout") {
            None | Some("infinity") => Ok(None),
            Some(text) => match text.parse::<f64>() {
                Ok(seconds) if seconds >= 0.0 => Ok(Some(seconds.ceil() as u64)),
                _ => Err(Fault::usage(format!("invalid value for --timeout: {text}"))),
            },
        }
    }

    #[cfg(test)]
    pub(super) fn of(pairs: &[(&'static str, &str)]) -> Options {
        Options(pairs.iter().map(|(k, v)| (*k, (*v).to_owned())).collect())
    }
}

/// Takes a command line apart.
pub(super) fn parse(arguments: &[String]) -> Result<Invocation, Fault> {
    let mut invocation = Invocation::default();
    let mut rest = arguments.iter();
    let mut only_arguments = false;
    while let Some(text) = rest.next() {
        if only_arguments || !is_option(text) {
            match invocation.command {
                None => invocation.command = Some(text.clone()),
                Some(_) => invocation.arguments.push(text.clone()),
            }
            continue;
        }
        if text == "--" {
            only_arguments = true;
            continue;
        }
        let (name, inline) = match text.split_once('=') {
            Some((name, value)) if text.starts_with("--") => (name, Some(value.to_owned())),
            _ => (text.as_str(), None),
        };
        let spec = find(name)
            .ok_or_else(|| Fault::usage(format!("Invalid options for this command: {name}")))?;
        let value = match (spec.valued, inline) {
            (_, Some(value)) => value,
            (false, None) => "true".to_owned(),
            (true, None) => rest
                .next()
                .cloned()
                .ok_or_else(|| Fault::usage(format!("option {name} needs a value")))?,
        };
        if spec.valued || value != "false" {
            invocation.options.0.insert(spec.long, value);
        }
    }
    Ok(invocation)
}

/// `-1` is a number, `-` is standard input; the rest that starts with a hyphen is an option.
fn is_option(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('-') else {
        return false;
    };
    !rest.is_empty() && !rest.starts_with(|first: char| first.is_ascii_digit())
}

fn find(name: &str) -> Option<&'static Spec> {
    if let Some(long) = name.strip_prefix("--") {
        // rabbitmqctl takes underscores too.
        let long = long.replace('_', "-");
        return SPECS.iter().find(|spec| spec.long == long);
    }
    let mut letters = name.strip_prefix('-')?.chars();
    let letter = letters.next()?;
    if letters.next().is_some() {
        return None;
    }
    // `-h` is not documented, but everybody tries it.
    let letter = if letter == 'h' { '?' } else { letter };
    SPECS.iter().find(|spec| spec.short == Some(letter))
}
