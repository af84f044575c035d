//! `KEY[:VERSION][/METHOD]`, the way people name what to call.

/// The method of services that are run as jobs.
pub(crate) const RUN: &str = "run";

/// A service and one of its methods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// `key` or `key:version`, where the version may be a range.
    pub(crate) service: String,
    /// The method.
    pub(crate) method: String,
}

/// Why a text names nothing callable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    /// There is no key.
    #[error("`{0}` has no service key")]
    NoKey(String),
    /// A colon with nothing behind it.
    #[error("`{0}` has an empty version after the colon")]
    NoVersion(String),
    /// A slash at the end.
    #[error("`{0}` ends in a slash where the method should be")]
    NoMethod(String),
    /// More than one segment behind the version.
    #[error("`{0}` has more than a method after its version")]
    ExtraSegments(String),
}

impl Target {
    /// What the same text may mean besides: `a/b/step` is the service `a/b/step`, or `step` of the service `a/b`.
    pub(crate) fn other(&self) -> Option<Target> {
        if self.method != RUN || self.service.contains(':') {
            return None;
        }
        let (service, method) = self.service.rsplit_once('/')?;
        Some(Target {
            service: service.to_owned(),
            method: method.to_owned(),
        })
    }
}

impl std::str::FromStr for Target {
    type Err = TargetError;

    /// Keys contain slashes, so the method is what follows the slash behind the version's colon;
    /// without a version only a last segment that equals `run`, or that no key could have, is taken for
    /// the method. (A key that ends in `/run` is therefore written with its version.)
    fn from_str(text: &str) -> Result<Target, TargetError> {
        let owned = || text.to_owned();
        let (service, method) = match text.rfind(':') {
            Some(colon) => {
                let rest = &text[colon + 1..];
                match rest.split_once('/') {
                    Some((_, "")) => return Err(TargetError::NoMethod(owned())),
                    Some((_, method)) if method.contains('/') => {
                        return Err(TargetError::ExtraSegments(owned()));
                    }
                    Some((version, method)) => (&text[..colon + 1 + version.len()], method),
                    None => (text, RUN),
                }
            }
            None if text.ends_with('/') => return Err(TargetError::NoMethod(owned())),
            None => match text.rsplit_once('/') {
                Some((key, RUN)) => (key, RUN),
                Some((key, method)) if method.contains(|c: char| c.is_ascii_uppercase()) => {
                    (key, method)
                }
                _ => (text, RUN),
            },
        };
        match service.rsplit_once(':') {
            Some((_, "")) => Err(TargetError::NoVersion(owned())),
            Some(("", _)) => Err(TargetError::NoKey(owned())),
            _ if service.is_empty() => Err(TargetError::NoKey(owned())),
            _ => Ok(Target {
                service: service.to_owned(),
                method: method.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Target, TargetError};

    fn check(text: &str, service: &str, method: &str) {
        let expected = Target {
            service: service.to_owned(),
            method: method.to_owned(),
        };
        assert_eq!(text.parse(), Ok(expected), "{text}");
    }

    #[test]
    fn a_method_follows_the_version() {
        check("nerve/hh-axon:1.2.0/run", "nerve/hh-axon:1.2.0", "run");
        check("nerve/hh-axon:1/run", "nerve/hh-axon:1", "run");
        check("sleeper:2.2.1-rc.1+x/step", "sleeper:2.2.1-rc.1+x", "step");
    }

    #[test]
    fn the_method_may_be_left_out() {
        check("nerve/hh-axon:1.2.0", "nerve/hh-axon:1.2.0", "run");
        check("nerve/hh-axon", "nerve/hh-axon", "run");
        check("sleeper", "sleeper", "run");
    }

    #[test]
    fn without_a_version_only_run_is_a_method() {
        check("nerve/hh-axon/run", "nerve/hh-axon", "run");
        check("a/b/c/run", "a/b/c", "run");
        check("a/b/step", "a/b/step", "run");
        check("a/run:1", "a/run:1", "run");
        // Keys have no capitals.
        check("a/b/addAll", "a/b", "addAll");
        check("a/b/Calculator.add", "a/b", "Calculator.add");
        check("run", "run", "run");
    }

    #[test]
    fn what_else_a_text_may_mean() {
        let other = |text: &str| {
            let target: Target = text.parse().unwrap();
            target.other().map(|it| (it.service, it.method))
        };
        let expected = Some(("a/b".to_owned(), "step".to_owned()));
        assert_eq!(other("a/b/step"), expected);
        assert_eq!(other("sleeper"), None);
        assert_eq!(other("a/b:1"), None);
        assert_eq!(other("a/b:1/step"), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for (text, error) in [
            ("", TargetError::NoKey as fn(String) -> TargetError),
            (":1.0.0", TargetError::NoKey),
            ("a/b:", TargetError::NoVersion),
            ("a/b:/run", TargetError::NoVersion),
            ("a/b:1/", TargetError::NoMethod),
            ("a/b/", TargetError::NoMethod),
            ("a/b:1/run/x", TargetError::ExtraSegments),
            ("/run", TargetError::NoKey),
        ] {
            assert_eq!(
                text.parse::<Target>(),
                Err(error(text.to_owned())),
                "{text}"
            );
        }
    }
}
