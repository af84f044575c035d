//! The example services, linked into the binary so that `cargo run -- demo` is all a new user needs to build.
//!
//! Their programs run as `trefoil example NAME`, in processes of their own, under the same contract as any other service.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;

/// The hidden first argument that leads to [`run`].
pub(crate) const SUBCOMMAND: &str = "example";

/// The recording that `ecg/rpeaks` is shown with.
pub(crate) const ECG: &str = include_str!("../../../services/ecg/rpeaks/data/ecg.csv");

struct Example {
    /// Of its program and of its directory.
    name: &'static str,
    metadata: &'static str,
    service: &'static str,
    main: fn() -> ExitCode,
}

macro_rules! example {
    ($name:literal, $directory:literal, $main:path) => {
        Example {
            name: $name,
            metadata: include_str!(concat!("../../../services/", $directory, "/metadata.yml")),
            service: include_str!(concat!("../../../services/", $directory, "/service.toml")),
            main: $main,
        }
    };
}

const ALL: [Example; 4] = [
    example!("hh-axon", "nerve/hh-axon", hh_axon::run),
    example!("ecg-rpeaks", "ecg/rpeaks", ecg_rpeaks::run),
    example!(
        "function-parser",
        "math/function-parser",
        function_parser::run
    ),
    example!("test-sleeper", "test/sleeper", test_sleeper::run),
];

/// `trefoil example NAME`: the program of an example service.
pub(crate) fn run(name: Option<&OsString>) -> ExitCode {
    let example = ALL
        .iter()
        .find(|example| name.is_some_and(|name| name == example.name));
    match example {
        Some(example) => (example.main)(),
        None => {
            let names = ALL.map(|example| example.name).join(", ");
            eprintln!("error: no such example; there are {names}");
            ExitCode::from(2)
        }
    }
}

/// Writes the service directories of all examples below `root`, to be run by this very executable.
pub(crate) fn install(root: &Path) -> anyhow::Result<()> {
    let executable = std::env::current_exe().context("cannot find this executable")?;
    for example in &ALL {
        let directory: PathBuf = root.join(example.name);
        fs::create_dir_all(&directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        fs::write(directory.join("metadata.yml"), example.metadata)?;
        fs::write(
            directory.join("service.toml"),
            service_toml(example, &executable)?,
        )?;
    }
    Ok(())
}

/// The `service.toml` of an example with its program replaced by this executable.
fn service_toml(example: &Example, executable: &Path) -> anyhow::Result<String> {
    let mut document: toml::Table = example
        .service
        .parse()
        .context("a service.toml of ours is wrong")?;
    let command = [
        executable.display().to_string(),
        SUBCOMMAND.to_owned(),
        example.name.to_owned(),
    ];
    let run = document
        .get_mut("run")
        .and_then(toml::Value::as_table_mut)
        .context("no [run]")?;
    run.insert(
        "command".to_owned(),
        command.map(toml::Value::String).to_vec().into(),
    );
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_examples_name_this_executable() {
        let root = tempfile::tempdir().unwrap();
        install(root.path()).unwrap();
        for example in &ALL {
            let text =
                fs::read_to_string(root.path().join(example.name).join("service.toml")).unwrap();
            let table: toml::Table = text.parse().unwrap();
            let command = table["run"]["command"].as_array().unwrap();
            assert_eq!(command[1..], [SUBCOMMAND.into(), example.name.into()]);
            assert!(table["run"].get("command").is_some() && table.contains_key("resources"));
        }
    }
}
