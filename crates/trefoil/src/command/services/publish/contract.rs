//! `trefoil services publish FILE.thrift`.

use std::path::Path;

use serde_json::json;

use super::{How, put, read};
use crate::cli::IncludePaths;
use crate::client::{Client, encode_path};
use crate::command::contract::local;
use crate::failure::Failure;
use crate::output::Ui;

/// Publishes the contract in `file` with all that it includes, and `service.toml` if that is beside it. `id` is key and
/// version, which the contract may say itself.
pub(crate) fn run(
    ui: &Ui,
    client: &Client,
    file: &Path,
    include: &IncludePaths,
    id: (Option<String>, Option<String>),
    how: How,
) -> anyhow::Result<()> {
    let (contract, files) = local::files(ui, file, include)?;
    let (key, version) = local::identity(&contract);
    let known = |given: Option<String>, said: Option<String>, flag: &str| {
        given.or(said).ok_or_else(|| {
            Failure::invalid(
                format!("{} does not say its {flag}", file.display()),
                format!(
                    "give it with --{flag}, or write it behind the service: \
                     service Calculator {{ … }} (trefoil.{flag} = \"…\")"
                ),
            )
        })
    };
    let key = known(id.0, key, "key")?;
    let version = known(id.1, version, "version")?;
    let mut body = json!({ "files": files });
    let program = file.with_file_name("service.toml");
    if program.is_file() {
        body["service"] = json!(read(&program)?);
    }
    let path = format!(
        "/v1/contracts/{}:{}",
        encode_path(&key),
        encode_path(&version)
    );
    put(ui, client, &path, &body, how, &format!("{key}:{version}"))
}
