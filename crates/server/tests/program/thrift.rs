//! Programs as services that are called over Thrift.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Duration};

use serde_json::json;
use trefoil_server::{Node, NodeConfig, files::Sha256};
use trefoil_thrift::{ApplicationErrorKind, framing::Protocol};

use crate::{
    caller::{Caller, contract, serve},
    support::Case,
};

pub(crate) const ALL: &[(&str, Case)] = &[("a_program_is_called_over_thrift", || {
    Box::pin(a_program_is_called_over_thrift())
})];

const METADATA: &str = "
key: lab/weigh-in
version: 1.2.0
type: computational
name: Weigh in
description: Gives its inputs back, or fails.
inputs:
  mass: {type: number, unit: kg}
  exit-code: {type: integer, defaultValue: 0}
  class: {type: boolean, defaultValue: true}
  text: {type: string, defaultValue: 'ä'}
  values: {type: ref_contentSchema, contentSchema: {type: array, items: {type: number}}, defaultValue: [1, 2.5]}
  any: {type: ref_contentSchema, contentSchema: {minProperties: 1}, defaultValue: {a: [null]}}
  table: {type: 'data:text/csv', defaultValue: null}
outputs:
  mass: {type: number, unit: kg}
  exit-code: {type: integer}
  class: {type: boolean}
  text: {type: string}
  values: {type: ref_contentSchema, contentSchema: {type: array, items: {type: number}}}
  any: {type: ref_contentSchema, contentSchema: {}}
  report: {type: 'data:text/plain'}
";

/// What it gets is what it gives, but for the table, which is in the file that it writes.
const PROGRAM: &str = "#!/bin/sh
echo 'weighing' >&2
[ \"$INPUT_CLASS\" = true ] || exit 3
sed -e 's/\"table\":\"[^\"]*\",*//' -e 's/,}/}/' \"$INPUT_FOLDER/inputs.json\" > \"$OUTPUT_FOLDER/outputs.json\"
[ \"$INPUT_TEXT\" != huge ] || sed -i 's/\"exit-code\":0/\"exit-code\":9223372036854775808/' \"$OUTPUT_FOLDER/outputs.json\"
printf 'done\\n' > \"$OUTPUT_FOLDER/report.txt\"
[ -z \"$INPUT_TABLE\" ] || cat \"$INPUT_TABLE\" >> \"$OUTPUT_FOLDER/report.txt\"
";

fn write_service(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("metadata.yml"), METADATA).unwrap();
    fs::write(
        folder.join("service.toml"),
        "[run]\ncommand = [\"./weigh\"]\n",
    )
    .unwrap();
    fs::write(folder.join("weigh"), PROGRAM).unwrap();
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.join("weigh"), executable).unwrap();
}

async fn a_program_is_called_over_thrift() {
    let data = tempfile::tempdir().unwrap();
    let services = data.path().join("services");
    write_service(&services.join("weigh"));
    let supervisor = std::env::current_exe().unwrap();
    let mut config = NodeConfig::new(data.path().join("data"), supervisor);
    config.disk_free_min = 0;
    config.services = vec![services];
    let node = Node::start(config).await.unwrap();
    let thrift = serve(&node, Duration::from_secs(60));
    let contract = contract(&node, "lab/weigh-in");
    // The only service that is not built in: its methods need no name in front.
    for prefix in [Some("lab/weigh-in:1"), Some("WeighIn"), None] {
        let mut caller = Caller::new(&thrift, Arc::clone(&contract), Protocol::Compact, prefix);

        let result = caller
            .call("run", &json!({"inputs": {"mass": 70}}))
            .unwrap();
        let report = "d117fa006ba9208500b2930ce69cbde436c647afa917cb7396a9bc9111a46dd2";
        let outputs = &result["success"];
        assert_eq!(outputs["mass"], 70.0, "{result}");
        assert_eq!(outputs["exit-code"], 0);
        assert_eq!(outputs["class"], true);
        assert_eq!(outputs["text"], "ä");
        assert_eq!(outputs["values"], json!([1.0, 2.5]));
        assert_eq!(outputs["any"], r#"{"a":[null]}"#);
        let file = &outputs["report"];
        assert_eq!(file["size"], 5);
        assert_eq!(file["name"], "report.txt");
        assert_eq!(
            file["href"],
            format!("/v1/files/{}", file["sha256"].as_str().unwrap())
        );
        assert_eq!(file["sha256"], report);

        let inputs = json!({
            "mass": 0.1, "exit-code": i64::MIN, "text": "", "values": [], "any": "{\"b\": 1e2}", "table": { "sha256": report, "name": "t.csv" },
        });
        let result = caller.call("run", &json!({ "inputs": inputs })).unwrap();
        let outputs = &result["success"];
        assert_eq!(outputs["mass"], 0.1, "{result}");
        assert_eq!(outputs["exit-code"], i64::MIN);
        assert_eq!(outputs["values"], json!([]));
        assert_eq!(outputs["any"], r#"{"b":100.0}"#);

        // The same without an upload: the content is in the call.
        let inputs = json!({"mass": 1, "table": {"content": "YSxiCg==", "name": "t.csv"}});
        let result = caller.call("run", &json!({ "inputs": inputs })).unwrap();
        let printed = Sha256::of(b"done\na,b\n").to_string();
        assert_eq!(result["success"]["report"]["sha256"], printed, "{result}");
        let kept = Sha256::of(b"a,b\n");
        assert_eq!(node.files.size(&kept).unwrap(), 4);
        let row = node.readers.file(kept).await.unwrap().unwrap();
        assert_eq!(row.name.as_deref(), Some("t.csv"));
        let inputs = json!({"mass": 1, "table": {"content": "YSxiCg==", "sha256": report}});
        let error = caller
            .call("run", &json!({ "inputs": inputs }))
            .unwrap_err();
        assert_eq!(error.kind, ApplicationErrorKind::ProtocolError);
        let words = format!("/inputs/table/sha256: the content has SHA-256 {kept}");
        assert_eq!(error.text, words);

        let result = caller
            .call("run", &json!({"inputs": {"mass": 1, "class": false}}))
            .unwrap();
        let failed = &result["failed"];
        assert_eq!(failed["class"], "application", "{result}");
        assert_eq!(failed["exit_code"], 3);
        assert_eq!(failed["log_tail"], json!(["weighing"]));
        assert!(
            failed["message"].as_str().unwrap().contains('3'),
            "{failed}"
        );
        assert_eq!(failed["job"].as_str().unwrap().len(), 36);

        // The port takes it, no `i64` does.
        let result = caller
            .call("run", &json!({"inputs": {"mass": 1, "text": "huge"}}))
            .unwrap();
        let failed = &result["failed"];
        assert_eq!(failed["class"], "bad_outputs", "{result}");
        let message = failed["message"].as_str().unwrap();
        let words =
            "the job succeeded, but its outputs do not fit its contract: /success/exit-code: ";
        assert!(message.starts_with(words), "{message}");

        let inputs =
            json!({"mass": "NaN", "any": "{}", "values": [1], "table": {"href": "/v1/files/x"}});
        let error = caller
            .call("run", &json!({ "inputs": inputs }))
            .unwrap_err();
        assert_eq!(error.kind, ApplicationErrorKind::ProtocolError);
        for place in ["/inputs/mass: ", "/inputs/any: ", "/inputs/table/href: "] {
            assert!(error.text.contains(place), "{error}");
        }
    }
    let mut caller = Caller::new(&thrift, contract, Protocol::Binary, None);
    caller.say(&[("trefoil-submitter", "alice")]);
    let result = caller.call("run", &json!({"inputs": {"mass": 70}}));
    assert_eq!(result.unwrap()["success"]["mass"], 70.0);
    let id = caller.told[0].1.parse().unwrap();
    let job = node.readers.job(id).await.unwrap().unwrap();
    assert_eq!(&*job.submitter, "alice");
    node.stop(Duration::ZERO).await;
}
