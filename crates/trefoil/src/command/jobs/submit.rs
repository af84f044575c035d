//! `trefoil jobs submit`.

use serde_json::Value;

use crate::cli::jobs::SubmitArgs;
use crate::client::Client;
use crate::command::{read_text, text_of};
use crate::failure::Failure;
use crate::output::Ui;

/// What a file of submissions is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Ndjson,
}

/// Submits a file.
pub(crate) fn run(ui: &Ui, client: &Client, args: &SubmitArgs) -> anyhow::Result<()> {
    let text = read_text(&args.file)?;
    let extension = args
        .file
        .extension()
        .and_then(|extension| extension.to_str());
    let media_type = match form_of(extension, &text)? {
        Form::Json => "application/json",
        Form::Ndjson => "application/x-ndjson",
    };
    let answer: Value = client
        .post("/v1/jobs")
        .query_opt("dry_run", args.dry_run.then_some("true"))
        .header_opt("idempotency-key", args.idempotency_key.as_deref())
        .header_opt("prefer", args.strict.then_some("handling=strict"))
        .text(media_type, text)
        .send()?
        .json()?;
    announce(ui, &answer)
}

/// The answer to a submission: a job, a batch, or the verdict of a dry run.
pub(crate) fn announce(ui: &Ui, answer: &Value) -> anyhow::Result<()> {
    if ui.json {
        return ui.document(answer);
    }
    if answer["valid"] == true {
        return ui.line("valid");
    }
    match answer["items"].as_array() {
        Some(items) => {
            let ids: String = items
                .iter()
                .map(|item| text_of(item, "id") + "\n")
                .collect();
            ui.bytes(ids.as_bytes())?;
            let (count, batch) = (text_of(answer, "count"), text_of(answer, "batch"));
            ui.note(&format!("{count} jobs, batch {batch}"));
        }
        None => {
            ui.line(&text_of(answer, "id"))?;
            let total = text_of(&answer["tasks"], "total");
            if !total.is_empty() {
                ui.note(&format!("a sweep of {total} tasks"));
            }
        }
    }
    Ok(())
}

/// The name says what it is; otherwise one JSON value is one submission, and more are a batch.
fn form_of(extension: Option<&str>, text: &str) -> Result<Form, Failure> {
    match extension {
        Some("ndjson" | "jsonl") => return Ok(Form::Ndjson),
        Some("json") => return Ok(Form::Json),
        _ => {}
    }
    if text.trim().is_empty() {
        return Err(Failure::invalid(
            "there is nothing to submit",
            "give a JSON object such as {\"service\": \"key:version\", \"inputs\": {}}",
        ));
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    let first = values.next();
    let second = values.next();
    Ok(match (first, second) {
        (Some(Ok(_)), Some(_)) => Form::Ndjson,
        // One value, or no JSON at all: the platform says where it is wrong.
        _ => Form::Json,
    })
}

#[cfg(test)]
mod tests {
    use super::{Form, form_of};

    #[test]
    fn one_value_is_a_submission_and_more_are_a_batch() {
        let check = |extension, text, form| assert_eq!(form_of(extension, text).unwrap(), form);
        check(None, "{\"service\": \"a\"}", Form::Json);
        check(None, "{\n\"service\":\n\"a\"}\n\n", Form::Json);
        check(
            None,
            "{\"service\":\"a\"}\n{\"service\":\"b\"}\n",
            Form::Ndjson,
        );
        check(None, "{\"service\":\"a\"}\n{broken\n", Form::Ndjson);
        check(None, "nonsense", Form::Json);
        check(Some("ndjson"), "{\"service\":\"a\"}\n", Form::Ndjson);
        check(Some("json"), "{}\n{}\n", Form::Json);
        assert!(form_of(None, " \n").is_err());
    }
}
