use std::collections::BTreeMap;

use trefoil_director::{CONTRACT_FILE, Service, ServiceFiles};

use super::*;

fn derived(id: &str) -> Service {
    let (key, version) = id.split_once(':').unwrap();
    let metadata =
        format!("key: {key}\nversion: {version}\ntype: computational\nname: n\ndescription: d\n");
    load(
        id,
        Some(("metadata.yml".to_owned(), metadata.into_bytes())),
        None,
    )
}

fn written(id: &str, service: &str) -> Service {
    let (key, version) = id.split_once(':').unwrap();
    let text = format!(
        "service {service} {{ void run() }} (trefoil.key = \"{key}\", trefoil.version = \"{version}\")"
    );
    load(
        id,
        None,
        Some(BTreeMap::from([(
            CONTRACT_FILE.to_owned(),
            text.into_bytes(),
        )])),
    )
}

fn load(
    label: &str,
    metadata: Option<(String, Vec<u8>)>,
    contract: Option<BTreeMap<String, Vec<u8>>>,
) -> Service {
    let files = ServiceFiles {
        label: label.to_owned(),
        metadata,
        service_toml: None,
        contract,
        digest: label.to_owned(),
        source: Source::Directory { dir: label.into() },
    };
    Service::load(&files).unwrap()
}

/// Services that are there always, and others.
fn catalog(services: impl IntoIterator<Item = Service>) -> Catalog {
    let mut catalog = Catalog::new();
    for service in crate::builtin::services().into_iter().chain(services) {
        catalog.insert(service).unwrap();
    }
    catalog
}

/// Which service a name means; else why none.
fn meaning(catalog: &Catalog, name: &str) -> String {
    let routes = Routes::of(catalog, &mut Instances::new(1));
    match routes.find(name, catalog) {
        Ok(target) => target.service.to_string(),
        Err(error) => error.text,
    }
}

#[test]
fn what_is_not_there_is_said_with_what_is_near() {
    let catalog = catalog([written("lab/calc:1.0.0", "Calc")]);
    assert_eq!(
        meaning(&catalog, "lab/calc:rum"),
        "Invalid method name: 'rum' of lab/calc:1.0.0; did you mean run?"
    );
    assert_eq!(
        meaning(&catalog, "lab/clac:run"),
        "no service has the key `lab/clac`; did you mean lab/calc?"
    );
}

#[test]
fn the_only_program_needs_no_name() {
    let catalog = catalog([derived("lab/sleeper:1.0.0")]);
    for name in [
        "run",
        "Sleeper:run",
        "lab/sleeper:run",
        "lab/sleeper:1:run",
        "lab/sleeper:1.0.0:Sleeper.run",
    ] {
        assert_eq!(meaning(&catalog, name), "lab/sleeper:1.0.0", "{name}");
    }
    assert_eq!(meaning(&catalog, "Echo:run"), "trefoil/echo:1.0.0");
}

#[test]
fn names_that_somebody_wrote_go_first() {
    let services = || {
        [
            derived("a/task:1.0.0"),
            written("b/tasks:1.0.0", "Task"),
            derived("c/task:1.0.0"),
        ]
    };
    let catalog = catalog(services());
    for name in ["run", "Task:run", "b/tasks:run"] {
        assert_eq!(meaning(&catalog, name), "b/tasks:1.0.0", "{name}");
    }
    assert_eq!(
        meaning(&catalog, "submit"),
        "'submit' could be of a/task:1.0.0, c/task:1.0.0: say which, as TMultiplexedProtocol does, with the service's key before it"
    );
    assert_eq!(meaning(&catalog, "a/task:run"), "a/task:1.0.0");
}

#[test]
fn the_newest_version_is_meant_and_the_others_can_be_named() {
    let catalog = catalog([
        derived("a/x:1.0.0"),
        derived("a/x:1.2.0"),
        derived("a/x:2.0.0"),
    ]);
    for (name, expected) in [
        ("X:run", "a/x:2.0.0"),
        ("a/x:run", "a/x:2.0.0"),
        ("a/x:1:run", "a/x:1.2.0"),
        ("a/x:1.0.0:run", "a/x:1.0.0"),
    ] {
        assert_eq!(meaning(&catalog, name), expected, "{name}");
    }
}

#[test]
fn an_error_lists_only_so_many_services() {
    let catalog = catalog((0..50).map(|at| derived(&format!("a/x{at:02}:1.0.0"))));
    let error = meaning(&catalog, "run");
    assert!(
        error.contains("a/x09:1.0.0, 40 more:") && !error.contains("a/x10"),
        "{error}"
    );
}

#[test]
fn paused_programs_take_jobs_and_paused_instances_take_no_calls() {
    let mut catalog = catalog([derived("a/x:1.0.0"), written("b/y:1.0.0", "Y")]);
    for id in ["a/x:1.0.0", "b/y:1.0.0"] {
        catalog.pause(&id.parse().unwrap()).unwrap();
    }
    assert_eq!(meaning(&catalog, "a/x:run"), "a/x:1.0.0");
    assert!(meaning(&catalog, "b/y:run").starts_with("Invalid method name"));
}
