use std::os::unix::fs::symlink;

use proptest::prelude::*;
use serde_json::json;

use super::*;

struct Attempt {
    data: tempfile::TempDir,
    dir: AttemptDir,
}

impl Attempt {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let dir = AttemptDir::new(data.path(), trefoil_jobs::AttemptId::from_bytes([7; 16]));
        dir.create().unwrap();
        Self { data, dir }
    }

    fn source(&self, content: &[u8]) -> PathBuf {
        let path = self.data.path().join("kept");
        fs::write(&path, content).unwrap();
        let mut permissions = fs::metadata(&path).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&path, permissions).unwrap();
        path
    }

    fn output(&self, name: &str, content: &str) {
        let path = self.dir.outputs().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn collect(&self, ports: &[PortSpec]) -> Result<Collected, BadOutputs> {
        collect(&self.dir, ports, 1000)
    }

    fn check_bad(&self, port: &PortSpec, expected: &str) {
        let bad = self.collect(std::slice::from_ref(port)).unwrap_err();
        assert!(bad.to_string().contains(expected), "{bad}");
    }
}

fn value_port(key: &str) -> PortSpec {
    PortSpec {
        key: key.to_owned(),
        is_file: false,
        file_names: Vec::new(),
    }
}

fn file_port(key: &str, names: &[&str]) -> PortSpec {
    PortSpec {
        key: key.to_owned(),
        is_file: true,
        file_names: names.iter().map(|&name| name.to_owned()).collect(),
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is not an object"),
    }
}

#[test]
fn inputs_are_values_and_paths() {
    let attempt = Attempt::new();
    let source = attempt.source(b"bytes");
    let inputs = object(json!({"x": 0.1, "on": true, "name": "a b"}));
    let file = |port: &str, name: Option<&str>| InputFile {
        port: port.to_owned(),
        source: source.clone(),
        file_name: name.map(str::to_owned),
    };
    let ports = [
        file_port("mapped", &["deep/er/in.csv"]),
        file_port("own", &[]),
        file_port("bare", &[]),
    ];
    let files = [
        file("mapped", Some("x.csv")),
        file("own", Some("my.csv")),
        file("bare", None),
    ];
    for _again in 0..2 {
        let prepared = prepare(&attempt.dir, &ports, &inputs, &files).unwrap();
        let path = |name: &str| attempt.dir.inputs().join(name).to_str().unwrap().to_owned();
        let expected = json!({
            "x": 0.1, "on": true, "name": "a b",
            "mapped": path("deep/er/in.csv"), "own": path("my.csv"), "bare": path("bare"),
        });
        assert_eq!(Value::Object(prepared), expected);
        let written: Value =
            serde_json::from_slice(&fs::read(path("inputs.json")).unwrap()).unwrap();
        assert_eq!(written, expected);
        // The program may do with its copy what it wants.
        fs::write(path("my.csv"), "changed").unwrap();
        assert_eq!(fs::read(&source).unwrap(), b"bytes");
    }
}

#[test]
fn a_mapped_name_is_not_taken_by_another_input() {
    let attempt = Attempt::new();
    let source = attempt.source(b"bytes");
    let file = |port: &str, name: Option<&str>| InputFile {
        port: port.to_owned(),
        source: source.clone(),
        file_name: name.map(str::to_owned),
    };
    let ports = [file_port("first", &[]), file_port("second", &["in.csv"])];
    let files = [file("first", Some("in.csv")), file("second", None)];
    let prepared = prepare(&attempt.dir, &ports, &Map::new(), &files).unwrap();
    let path = |name: &str| json!(attempt.dir.inputs().join(name));
    assert_eq!(prepared["second"], path("in.csv"));
    assert_eq!(prepared["first"], path("first"));
}

#[test]
fn unsafe_and_taken_names_are_not_used() {
    let attempt = Attempt::new();
    let source = attempt.source(b"bytes");
    let names = [
        "../up",
        "/etc/passwd",
        "",
        ".",
        "..",
        "a/b",
        "nul\0",
        "inputs.json",
        "same",
        "same",
        "p1",
        &"n".repeat(256),
    ];
    let files: Vec<InputFile> = names
        .iter()
        .enumerate()
        .map(|(at, &name)| InputFile {
            port: format!("p{at}"),
            source: source.clone(),
            file_name: Some(name.to_owned()),
        })
        .collect();
    // The service's own names are no safer.
    let ports = [file_port("p0", &["../../up", "/up", "a//b", "a/../b"])];
    let prepared = prepare(&attempt.dir, &ports, &Map::new(), &files).unwrap();
    let used: Vec<PathBuf> = prepared
        .values()
        .map(|path| {
            Path::new(path.as_str().unwrap())
                .strip_prefix(attempt.dir.inputs())
                .unwrap()
                .to_owned()
        })
        .collect();
    let name_of = |port: &str| {
        Path::new(prepared[port].as_str().unwrap())
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
    };
    assert_eq!(used.len(), names.len());
    assert!(
        used.iter().all(|path| path.components().count() == 1),
        "{used:?}"
    );
    assert_eq!(
        ["p0", "p5", "p7", "p8", "p9", "p10"].map(name_of),
        ["p0", "p5", "p7", "same", "p9", "p10"]
    );
    let mut distinct = used.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), used.len(), "{used:?}");
}

#[test]
fn the_environment_is_the_contract() {
    let attempt = Attempt::new();
    let env = BTreeMap::from([
        ("OMP_NUM_THREADS".to_owned(), "1".to_owned()),
        ("LANG".to_owned(), "de_CH.UTF-8".to_owned()),
        ("TREFOIL_JOB_ID".to_owned(), "forged".to_owned()),
    ]);
    let inputs = object(json!({
        "x": 1.5, "list": [1, 2], "text": "a b", "folder": "forged", "nul": "a\0b", "large": "x".repeat(200_000),
    }));
    let context = Context {
        job_id: "j",
        attempt: 2,
        service: "s:1.0.0",
        env: &env,
        nano_cpus: 1_500_000_000,
        memory_bytes: 512,
    };
    let found = environment(&attempt.dir, &inputs, &context);
    let folder = attempt.dir.inputs().to_str().unwrap().to_owned();
    for (name, value) in [
        ("INPUT_X", "1.5"),
        ("INPUT_LIST", "[1,2]"),
        ("INPUT_TEXT", "a b"),
        ("INPUT_FOLDER", folder.as_str()),
        ("OMP_NUM_THREADS", "1"),
        ("LANG", "de_CH.UTF-8"),
        ("TREFOIL_JOB_ID", "j"),
        ("TREFOIL_ATTEMPT", "2"),
        ("TREFOIL_ATTEMPT_ID", attempt.dir.id()),
        ("TREFOIL_SERVICE", "s:1.0.0"),
        ("SC_COMP_SERVICES_SCHEDULED_AS", "CPU"),
        ("SIMCORE_NANO_CPUS_LIMIT", "1500000000"),
        ("SIMCORE_MEMORY_BYTES_LIMIT", "512"),
    ] {
        assert_eq!(found.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(
        ["PATH", "HOME", "TMPDIR", "OUTPUT_FOLDER", "LOG_FOLDER"]
            .iter()
            .all(|&name| found.contains_key(name))
    );
    assert!(!found.contains_key("INPUT_NUL") && !found.contains_key("INPUT_LARGE"));
}

#[test]
fn values_and_files_are_collected() {
    let attempt = Attempt::new();
    attempt.output(
        "outputs.json",
        r#"{"y": 1e-3, "list": [1], "told": "sub/told.vtk", "extra": 1, "nothing": null}"#,
    );
    for name in [
        "mapped.csv",
        "sub/told.vtk",
        "bare",
        "bare.txt",
        "ext.tar.gz",
        "nothing.bin",
    ] {
        attempt.output(name, name);
    }
    let absolute = attempt.dir.outputs().join("bare.txt");
    let ports = [
        value_port("y"),
        value_port("list"),
        file_port("mapped", &["missing.csv", "../mapped.csv", "mapped.csv"]),
        file_port("told", &[]),
        file_port("bare", &[]),
        file_port("ext", &[]),
        file_port("nothing", &[]),
    ];
    let collected = attempt.collect(&ports).unwrap();
    assert_eq!(
        Value::Object(collected.values),
        json!({"y": 0.001, "list": [1]})
    );
    assert_eq!(collected.unknown, ["extra"]);
    let files: Vec<_> = collected
        .files
        .iter()
        .map(|file| (file.port.as_str(), file.name.as_str()))
        .collect();
    assert_eq!(
        files,
        [
            ("mapped", "mapped.csv"),
            ("told", "told.vtk"),
            ("bare", "bare"),
            ("ext", "ext.tar.gz"),
            ("nothing", "nothing.bin")
        ]
    );
    assert_eq!(
        fs::read_to_string(&collected.files[1].path).unwrap(),
        "sub/told.vtk"
    );
    assert_eq!(collected.files[1].bytes, 12);

    attempt.output("outputs.json", &json!({"abs": absolute}).to_string());
    assert_eq!(
        attempt.collect(&[file_port("abs", &[])]).unwrap().files[0].name,
        "bare.txt"
    );
}

#[test]
fn links_within_the_folder_are_followed() {
    let attempt = Attempt::new();
    attempt.output("run-7/result", "r");
    symlink("run-7/result", attempt.dir.outputs().join("out.txt")).unwrap();
    let file = attempt
        .collect(&[file_port("out", &[])])
        .unwrap()
        .files
        .remove(0);
    assert_eq!(
        (
            file.name.as_str(),
            fs::read_to_string(file.path).unwrap().as_str()
        ),
        ("out.txt", "r")
    );
}

#[test]
fn nothing_outside_the_folder_is_followed() {
    let attempt = Attempt::new();
    let outputs = attempt.dir.outputs();
    fs::write(attempt.dir.path().join("secret"), "s").unwrap();
    symlink("../secret", outputs.join("link")).unwrap();
    symlink("..", outputs.join("up")).unwrap();
    symlink("/etc", outputs.join("etc")).unwrap();
    symlink("nowhere", outputs.join("dangling")).unwrap();
    symlink("circle", outputs.join("circle")).unwrap();
    attempt.check_bad(&file_port("link", &[]), "leaves OUTPUT_FOLDER");
    attempt.check_bad(&file_port("p", &["up/secret"]), "leaves OUTPUT_FOLDER");
    attempt.check_bad(&file_port("p", &["etc/passwd"]), "leaves OUTPUT_FOLDER");
    attempt.check_bad(&file_port("dangling", &[]), "leads nowhere");
    attempt.check_bad(&file_port("circle", &[]), "circle");
    attempt.check_bad(&file_port("p", &["../secret"]), "no file for it");
    for path in [
        "../secret",
        "up/secret",
        "etc/passwd",
        "/etc/passwd",
        "a/../../secret",
        "",
        ".",
        "x\0",
    ] {
        attempt.output("outputs.json", &json!({ "p": path }).to_string());
        attempt.check_bad(&file_port("p", &[]), "OUTPUT_FOLDER");
    }
    // A sibling whose name starts with the folder's.
    fs::create_dir(attempt.dir.path().join("outputs2")).unwrap();
    fs::write(attempt.dir.path().join("outputs2/f"), "s").unwrap();
    symlink("../outputs2/f", outputs.join("sibling")).unwrap();
    fs::remove_file(outputs.join("outputs.json")).unwrap();
    attempt.check_bad(&file_port("sibling", &[]), "leaves OUTPUT_FOLDER");
    symlink("../secret", outputs.join("outputs.json")).unwrap();
    attempt.check_bad(&value_port("y"), "outputs.json: it is a link that leaves");
}

#[test]
fn a_folder_that_was_replaced_is_not_followed() {
    let attempt = Attempt::new();
    fs::remove_dir(attempt.dir.outputs()).unwrap();
    attempt.check_bad(&file_port("passwd", &[]), "OUTPUT_FOLDER is gone");
    symlink("/etc", attempt.dir.outputs()).unwrap();
    attempt.check_bad(&file_port("passwd", &[]), "is not a directory any more");
}

#[test]
fn only_regular_files_are_outputs() {
    let attempt = Attempt::new();
    let outputs = attempt.dir.outputs();
    fs::create_dir(outputs.join("folder")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        outputs.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(outputs.join("socket")).unwrap();
    for port in ["folder", "pipe", "socket"] {
        attempt.check_bad(&file_port(port, &[]), "not a regular file");
    }
    fs::rename(outputs.join("pipe"), outputs.join("outputs.json")).unwrap();
    attempt.check_bad(&value_port("y"), "outputs.json: it is not a regular file");
}

#[test]
fn outputs_that_are_missing_or_malformed_are_explained() {
    let attempt = Attempt::new();
    attempt.check_bad(&value_port("y"), "output y: there is no outputs.json");
    attempt.check_bad(
        &file_port("f", &[]),
        "output f: OUTPUT_FOLDER has no file for it",
    );
    attempt.output("outputs.json", "{}");
    attempt.check_bad(&value_port("y"), "output y: outputs.json has no value");
    attempt.output("outputs.json", "{\n \"y\": 1,\n \"f\": nan}");
    attempt.check_bad(&value_port("y"), "line 3 column 8");
    attempt.output("outputs.json", "[1]");
    attempt.check_bad(&value_port("y"), "not an object");
    attempt.output(
        "outputs.json",
        &format!("{{\"y\":{}{}}}", "[".repeat(1000), "]".repeat(1000)),
    );
    attempt.check_bad(&value_port("y"), "recursion limit");
    attempt.output(
        "outputs.json",
        &format!("{{\"y\":\"{}\"}}", "x".repeat(17 << 20)),
    );
    attempt.check_bad(&value_port("y"), "more than 16777216 bytes");
    attempt.output("outputs.json", r#"{"f": 3}"#);
    attempt.check_bad(&file_port("f", &[]), "has 3 where the path");
    attempt.output("outputs.json", r#"{"f": "no/such"}"#);
    attempt.check_bad(&file_port("f", &[]), "no such file");
    fs::remove_file(attempt.dir.outputs().join("outputs.json")).unwrap();
    attempt.output("f.a", "");
    attempt.output("f.b", "");
    attempt.check_bad(&file_port("f", &[]), "several files for it: f.a, f.b");
}

#[test]
fn outputs_have_a_limit_together() {
    let attempt = Attempt::new();
    attempt.output("a", &"x".repeat(600));
    attempt.output("b", &"x".repeat(400));
    let ports = [file_port("a", &[]), file_port("b", &[])];
    assert_eq!(attempt.collect(&ports).unwrap().files.len(), 2);
    attempt.output("b", &"x".repeat(401));
    assert_eq!(
        attempt.collect(&ports).unwrap_err().port.as_deref(),
        Some("b")
    );
}

#[test]
fn hundred_megabytes_go_in_and_out() {
    let attempt = Attempt::new();
    let source = attempt.data.path().join("large");
    // Sparse, with something at both ends: it is the length that is tried here.
    let file = File::create(&source).unwrap();
    file.set_len(100 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"end", (100 << 20) - 3).unwrap();
    let input = InputFile {
        port: "f".to_owned(),
        source,
        file_name: Some("large.bin".to_owned()),
    };
    let prepared = prepare(&attempt.dir, &[], &Map::new(), &[input]).unwrap();
    fs::rename(
        prepared["f"].as_str().unwrap(),
        attempt.dir.outputs().join("f.bin"),
    )
    .unwrap();
    let file = collect(&attempt.dir, &[file_port("f", &[])], u64::MAX)
        .unwrap()
        .files
        .remove(0);
    assert_eq!(file.bytes, 100 << 20);
    let mut end = [0; 3];
    std::os::unix::fs::FileExt::read_exact_at(
        &File::open(file.path).unwrap(),
        &mut end,
        (100 << 20) - 3,
    )
    .unwrap();
    assert_eq!(&end, b"end");
}

proptest! {
    #[test]
    fn a_relative_name_stays_below(name in "[./a\0-]{0,12}") {
        if let Some(path) = relative(&name) {
            prop_assert!(path.components().all(|part| matches!(part, std::path::Component::Normal(_))), "{path:?}");
            prop_assert!(path.components().count() > 0);
        }
    }
}
