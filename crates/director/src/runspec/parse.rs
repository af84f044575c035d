//! From the text of `service.toml` to a [`RunSpec`].

use std::collections::BTreeMap;

use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::{
    Limits, ProgressPattern, Resources, RetryClass, RetrySpec, RunKind, RunSpec, ServiceToml,
    provision,
    table::{Table, position_of, whole},
};
use crate::{fields::Report, near::did_you_mean, problem::Problem, yaml::position_after};

/// Largest file: a thousand times what a service needs.
const FILE_BYTES_MAX: usize = 256 << 10;
/// Most attempts of a job: more is a loop, not a retry.
const ATTEMPTS_MAX: u32 = 1000;
/// Most processors of an attempt, far above any machine.
const CPUS_MAX: f64 = 100_000.0;

pub(super) fn parse(file: &str, bytes: &[u8]) -> (Option<ServiceToml>, Vec<Problem>) {
    let mut report = Report::new(file);
    let spec = read(bytes, &mut report).filter(|_| !report.has_errors());
    (spec, report.problems)
}

fn read(bytes: &[u8], report: &mut Report<'_>) -> Option<ServiceToml> {
    if bytes.len() > FILE_BYTES_MAX {
        let reason = format!(
            "the file has {} bytes; at most {FILE_BYTES_MAX} are allowed",
            bytes.len()
        );
        report.error((1, 1), "", reason, None);
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let at = position_after(&bytes[..error.valid_up_to()]);
            report.error(
                at,
                "",
                "the file is not UTF-8",
                Some("save it as UTF-8".to_owned()),
            );
            return None;
        }
    };
    let root = match DeTable::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let start = error.span().map_or(0, |span| span.start);
            let at = position_of(text, start);
            report.error(at, "", format!("not valid TOML: {}", error.message()), None);
            return None;
        }
    };
    read_spec(Table::new(text, "", &root), report)
}

/// What only means something for jobs.
const OF_JOBS: [&str; 4] = ["resources", "limits", "retry", "progress"];

fn read_spec(mut root: Table<'_>, report: &mut Report<'_>) -> Option<ServiceToml> {
    let provided = ["provider", "instances"].map(|name| root.get(name));
    let provided_at = provided
        .into_iter()
        .flatten()
        .map(|value| root.at(value.span().start))
        .min();
    let provision = provision::read(&mut root, report);
    let run = root.table("run", report);
    let has_run = root.has("run");
    if !has_run && provided_at.is_none() {
        report.error(
            (1, 1),
            "run",
            "is missing",
            Some("write [run] with command = [\"./program\"]".to_owned()),
        );
    }
    if !has_run && provided_at.is_some() {
        for name in OF_JOBS {
            if let Some(value) = root.get(name) {
                let reason = "is about jobs, and without [run] there are none";
                root.error(value.span(), name, reason, report);
            }
        }
    }
    let (kind, env, slots) = run.map(|run| read_run(run, report)).unwrap_or_default();
    let resources = root
        .table("resources", report)
        .map(|table| read_resources(table, report))
        .unwrap_or_default();
    let limits = root
        .table("limits", report)
        .map(|table| read_limits(table, report))
        .unwrap_or_default();
    let retry = root
        .table("retry", report)
        .map(|table| read_retry(table, report))
        .unwrap_or_default();
    let progress = root
        .table("progress", report)
        .and_then(|table| read_progress(table, report));
    root.finish(report);
    let run = kind.map(|kind| RunSpec {
        kind,
        env,
        slots,
        resources,
        limits,
        retry,
        progress,
    });
    Some(ServiceToml {
        run,
        provision,
        provided_at,
    })
}

type Run = (Option<RunKind>, BTreeMap<String, String>, Option<u32>);

fn read_run(mut run: Table<'_>, report: &mut Report<'_>) -> Run {
    let command = run.get("command");
    let builtin = run.get("builtin");
    let kind = match (command, builtin) {
        (Some(command), None) => {
            read_command(&run, command, report).map(|command| RunKind::Program { command })
        }
        (None, Some(name)) => match name.get_ref().as_str() {
            Some(name) if !name.is_empty() => Some(RunKind::Builtin {
                name: name.to_owned(),
            }),
            _ => {
                run.error(
                    name.span(),
                    "builtin",
                    "expected the name of a builtin in quotes",
                    report,
                );
                None
            }
        },
        (Some(_), Some(name)) => {
            run.error(
                name.span(),
                "builtin",
                "excludes `command`: give one of them",
                report,
            );
            None
        }
        (None, None) => {
            let hint = Some("write command = [\"./program\", \"argument\"]".to_owned());
            report.error(run.at(run.start), &run.path("command"), "is missing", hint);
            None
        }
    };
    let env = run
        .table("env", report)
        .map(|table| read_env(table, report))
        .unwrap_or_default();
    let slots = run.count("slots", 1..=u32::MAX, report);
    run.finish(report);
    (kind, env, slots)
}

pub(super) fn read_command(
    run: &Table<'_>,
    value: &Spanned<DeValue<'_>>,
    report: &mut Report<'_>,
) -> Option<Vec<String>> {
    let DeValue::Array(items) = value.get_ref() else {
        run.error(
            value.span(),
            "command",
            "expected a list of texts: the program, then its arguments",
            report,
        );
        return None;
    };
    let mut command = Vec::with_capacity(items.len());
    for item in items.iter() {
        if report.is_full() {
            break;
        }
        match item.get_ref().as_str() {
            Some(text) if text.contains('\0') => {
                run.error(item.span(), "command", "contains a NUL character", report)
            }
            Some(text) => command.push(text.to_owned()),
            None => run.error(
                item.span(),
                "command",
                "every argument is text: put it in quotes",
                report,
            ),
        }
    }
    if items.is_empty()
        || command
            .first()
            .is_some_and(|program| program.trim().is_empty())
    {
        run.error(value.span(), "command", "names no program", report);
        return None;
    }
    (command.len() == items.len()).then_some(command)
}

pub(super) fn read_env(table: Table<'_>, report: &mut Report<'_>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for (name, value) in table.entries.iter() {
        if report.is_full() {
            break;
        }
        let key = name.get_ref().as_ref();
        if key.is_empty() || key.contains(['=', '\0']) {
            table.error(
                name.span(),
                key,
                "is not the name of an environment variable",
                report,
            );
        } else if ["INPUT_", "OUTPUT_FOLDER", "LOG_FOLDER", "TREFOIL_"]
            .iter()
            .any(|taken| key.starts_with(taken))
        {
            table.error(name.span(), key, "is set by the program contract", report);
        }
        match value.get_ref().as_str() {
            Some(text) if text.contains('\0') => {
                table.error(value.span(), key, "contains a NUL character", report)
            }
            Some(text) => {
                env.insert(key.to_owned(), text.to_owned());
            }
            None => table.error(
                value.span(),
                key,
                "a variable is text: put it in quotes",
                report,
            ),
        }
    }
    env
}

fn read_resources(mut table: Table<'_>, report: &mut Report<'_>) -> Resources {
    let mut resources = Resources::default();
    if let Some(value) = table.get("cpus")
        && let Some(cpus) = table.number(value, "cpus", report)
    {
        if cpus <= 0.0 || cpus > CPUS_MAX {
            table.error(
                value.span(),
                "cpus",
                "must be above 0 and a number of cores that a machine has",
                report,
            );
        } else {
            // Rounded up, so that a tiny fraction is not nothing.
            resources.milli_cpus = (cpus * 1000.0 - 1e-6).ceil().max(1.0) as u32;
        }
    }
    if let Some(memory) = table.size("memory", report) {
        resources.memory = memory;
    }
    table.finish(report);
    resources
}

fn read_limits(mut table: Table<'_>, report: &mut Report<'_>) -> Limits {
    let usual = Limits::default();
    let limits = Limits {
        queue: table.duration("queue", report),
        attempt_soft: table.duration("attempt_soft", report),
        attempt: table.duration("attempt", report),
        silence: table.duration("silence", report),
        grace: table
            .duration_or_zero("grace", report)
            .unwrap_or(usual.grace),
        log: table.size("log", report).unwrap_or(usual.log),
        outputs: table.size("outputs", report).unwrap_or(usual.outputs),
    };
    if let (Some(soft), Some(hard)) = (limits.attempt_soft, limits.attempt)
        && soft > hard
        && let Some(value) = table.get("attempt_soft")
    {
        table.error(
            value.span(),
            "attempt_soft",
            "is longer than `attempt`",
            report,
        );
    }
    table.finish(report);
    limits
}

fn read_retry(mut table: Table<'_>, report: &mut Report<'_>) -> RetrySpec {
    let usual = RetrySpec::default();
    let factor = table.get("factor").and_then(|value| {
        let factor = table.number(value, "factor", report)?;
        if !(1.0..=1000.0).contains(&factor) {
            table.error(value.span(), "factor", "must be 1 to 1000", report);
        }
        Some(factor)
    });
    let jitter = table.get("jitter").and_then(|value| {
        if value.get_ref().as_bool().is_none() {
            table.error(value.span(), "jitter", "expected true or false", report);
        }
        value.get_ref().as_bool()
    });
    let retry = RetrySpec {
        max_attempts: table
            .count("max_attempts", 1..=ATTEMPTS_MAX, report)
            .unwrap_or(usual.max_attempts),
        max_crashes: table
            .count("max_crashes", 0..=ATTEMPTS_MAX, report)
            .unwrap_or(usual.max_crashes),
        initial: table
            .duration_or_zero("initial", report)
            .unwrap_or(usual.initial),
        factor: factor.unwrap_or(usual.factor),
        max: table.duration_or_zero("max", report).unwrap_or(usual.max),
        jitter: jitter.unwrap_or(usual.jitter),
        retry_on: read_classes(&mut table, report).unwrap_or(usual.retry_on),
        retry_exit_codes: read_exit_codes(&mut table, report),
    };
    if retry.initial > retry.max
        && let Some(value) = table.get("initial").or_else(|| table.get("max"))
    {
        table.error(value.span(), "initial", "is longer than `max`", report);
    }
    table.finish(report);
    retry
}

fn read_classes(table: &mut Table<'_>, report: &mut Report<'_>) -> Option<Vec<RetryClass>> {
    let mut classes = Vec::new();
    for item in table.list("retry_on", report)?.iter() {
        if report.is_full() {
            break;
        }
        let name = item.get_ref().as_str().unwrap_or_default();
        match RetryClass::NAMES.iter().find(|(known, _)| *known == name) {
            Some((_, class)) if classes.contains(class) => {
                table.error(
                    item.span(),
                    "retry_on",
                    &format!("`{name}` is there twice"),
                    report,
                );
            }
            Some((_, class)) => classes.push(*class),
            None => {
                let names = RetryClass::NAMES.map(|(name, _)| name);
                let reason = format!("expected one of {}", names.join(", "));
                report.error(
                    table.at(item.span().start),
                    &table.path("retry_on"),
                    reason,
                    did_you_mean(name, names),
                );
            }
        }
    }
    Some(classes)
}

fn read_exit_codes(table: &mut Table<'_>, report: &mut Report<'_>) -> Vec<i32> {
    let mut codes = Vec::new();
    let Some(items) = table.list("retry_exit_codes", report) else {
        return codes;
    };
    for item in items.iter() {
        if report.is_full() {
            break;
        }
        match whole(item.get_ref()) {
            Some(code @ 1..=255) => codes.push(code as i32),
            _ => table.error(
                item.span(),
                "retry_exit_codes",
                "an exit code is 1 to 255",
                report,
            ),
        }
    }
    codes
}

fn read_progress(mut table: Table<'_>, report: &mut Report<'_>) -> Option<ProgressPattern> {
    let value = table.get("regexp");
    let pattern = value.and_then(|value| match value.get_ref().as_str() {
        // The documented way to say "none".
        Some("") => None,
        Some(text) => match ProgressPattern::compile(text) {
            Ok(pattern) => Some(pattern),
            Err(reason) => {
                table.error(value.span(), "regexp", &reason, report);
                None
            }
        },
        None => {
            table.error(value.span(), "regexp", "expected text", report);
            None
        }
    });
    table.finish(report);
    pattern
}
