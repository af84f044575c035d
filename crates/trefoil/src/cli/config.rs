//! `--config` and one flag for every key of the table.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::config::keys::KEYS;
use crate::config::value::Kind;
use crate::config::{DEFAULT_FILE, Inputs};

/// What the flags say about the configuration. Built from the table instead of derived, so that a
/// key cannot lack its flag.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConfigFlags {
    /// `--config`.
    pub(crate) file: Option<PathBuf>,
    /// Values by key name.
    pub(crate) values: BTreeMap<&'static str, Vec<String>>,
}

impl ConfigFlags {
    /// Adds the environment and the current directory.
    pub(crate) fn into_inputs(self) -> Inputs {
        // Variables that are not UTF-8 cannot be values of ours.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("TREFOIL_"))
            .collect();
        Inputs {
            file: self.file,
            directory: PathBuf::new(),
            environment,
            flags: self.values,
        }
    }
}

impl Args for ConfigFlags {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .env("TREFOIL_CONFIG")
            .hide_env(true)
            .value_parser(clap::value_parser!(PathBuf))
            .help(format!(
                "Configuration file, also in TREFOIL_CONFIG [default: {DEFAULT_FILE} in the current directory, if it is there]"
            ))
            .help_heading("Configuration");
        KEYS.iter().fold(command.arg(file), |command, key| {
            let arg = Arg::new(key.name)
                .long(key.flag)
                .value_name(key.kind.placeholder())
                .help(match key.default {
                    "" => key.help.to_owned(),
                    default => format!("{} [default: {default}]", key.help),
                })
                .help_heading("Configuration");
            command.arg(match key.kind {
                Kind::Paths => arg.action(ArgAction::Append),
                Kind::Bool => arg
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true"),
                _ => arg,
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ConfigFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<ConfigFlags, clap::Error> {
        let values = KEYS.iter().filter_map(|key| {
            let texts = matches.get_many::<String>(key.name)?;
            Some((key.name, texts.cloned().collect()))
        });
        Ok(ConfigFlags {
            file: matches.get_one::<PathBuf>("config").cloned(),
            values: values.collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
