use std::path::PathBuf;

use super::*;
use crate::testing::service_with;

fn from_directory(id: &str, label: &str) -> Service {
    let source = Source::Directory {
        dir: PathBuf::from(label),
    };
    Service {
        label: label.to_owned(),
        source,
        ..service_with(id, "{}", "{}")
    }
}

fn published(id: &str, digest: &str) -> Service {
    let source = Source::Published {
        dir: PathBuf::from(digest),
    };
    Service {
        label: id.to_owned(),
        digest: digest.to_owned(),
        source,
        ..service_with(id, "{}", "{}")
    }
}

fn catalog(ids: &[&str]) -> Catalog {
    let mut catalog = Catalog::new();
    for id in ids {
        catalog.insert(published(id, "d")).unwrap();
    }
    catalog
}

fn id(text: &str) -> ServiceId {
    text.parse().unwrap()
}

fn resolve(catalog: &Catalog, request: &str) -> Result<String, ResolveError> {
    catalog
        .resolve(&request.parse().unwrap())
        .map(|service| service.id.to_string())
}

#[test]
fn the_newest_version_that_matches() {
    let catalog = catalog(&[
        "a:1.0.0",
        "a:1.2.0",
        "a:1.2.3",
        "a:1.10.0",
        "a:2.0.0-rc.1",
        "a/b:0.1.0",
        "pre:1.0.0-a",
    ]);
    for (request, expected) in [
        ("a", "a:1.10.0"),
        ("a:latest", "a:1.10.0"),
        ("a:1", "a:1.10.0"),
        ("a:1.2", "a:1.2.3"),
        ("a:1.2.0", "a:1.2.0"),
        ("a:2.0.0-rc.1", "a:2.0.0-rc.1"),
        ("a:>=2.0.0-rc", "a:2.0.0-rc.1"),
        ("a:<1.2", "a:1.0.0"),
        ("a/b", "a/b:0.1.0"),
    ] {
        assert_eq!(
            resolve(&catalog, request),
            Ok(expected.to_owned()),
            "{request}"
        );
    }
    let available = |request: &str| match resolve(&catalog, request) {
        Err(ResolveError::NoMatchingVersion { available, .. }) => available
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" "),
        other => panic!("{request}: {other:?}"),
    };
    assert_eq!(available("a:2"), "2.0.0-rc.1 1.10.0 1.2.3 1.2.0 1.0.0");
    assert_eq!(available("a:1.2.1"), available("a:3"));
    assert_eq!(available("pre"), "1.0.0-a");
    let unknown = resolve(&catalog, "pree:1").unwrap_err();
    assert_eq!(
        unknown,
        ResolveError::UnknownKey {
            key: ServiceKey::new("pree").unwrap(),
            near: vec!["pre".to_owned()]
        }
    );
}

#[test]
fn lists_are_by_key_and_newest_first() {
    let catalog = catalog(&[
        "b:1.0.0",
        "a:1.2.0",
        "a:1.10.0",
        "a/b:1.0.0",
        "a:1.10.0-rc.1",
    ]);
    let ids: Vec<String> = catalog
        .iter()
        .map(|entry| entry.service.id.to_string())
        .collect();
    assert_eq!(
        ids,
        [
            "a:1.10.0",
            "a:1.10.0-rc.1",
            "a:1.2.0",
            "a/b:1.0.0",
            "b:1.0.0"
        ]
    );
    let key = ServiceKey::new("a").unwrap();
    assert_eq!(
        catalog
            .versions(&key)
            .map(|entry| entry.service.id.version.to_string())
            .collect::<Vec<_>>(),
        ["1.10.0", "1.10.0-rc.1", "1.2.0"]
    );
    assert_eq!(
        catalog.versions(&ServiceKey::new("none").unwrap()).count(),
        0
    );
}

#[test]
fn publishing_again_replaces_and_every_change_counts() {
    let mut catalog = Catalog::new();
    assert_eq!(
        catalog.insert(published("a:1.0.0", "d1")),
        Ok(Inserted::New)
    );
    let first = catalog.revision();
    assert_eq!(
        catalog.insert(published("a:1.0.0", "d1")),
        Ok(Inserted::Unchanged)
    );
    assert_eq!(catalog.revision(), first);
    let snapshot = catalog.clone();
    assert_eq!(
        catalog.insert(published("a:1.0.0", "d2")),
        Ok(Inserted::Replaced)
    );
    assert_eq!(catalog.revision(), first + 1);
    assert_eq!(snapshot.get(&id("a:1.0.0")).unwrap().service.digest, "d1");
    assert_eq!(catalog.get(&id("a:1.0.0")).unwrap().service.digest, "d2");
}

#[test]
fn paused_services_resolve_and_stay_paused_when_replaced() {
    let mut catalog = catalog(&["a:1.0.0"]);
    let a = id("a:1.0.0");
    assert_eq!(catalog.pause(&a), Ok(true));
    assert_eq!(catalog.pause(&a), Ok(false));
    assert!(resolve(&catalog, "a").is_ok());
    catalog.insert(published("a:1.0.0", "d2")).unwrap();
    assert_eq!(catalog.get(&a).unwrap().state, ServiceState::Paused);
    assert_eq!(catalog.resume(&a), Ok(true));
    assert_eq!(catalog.resume(&a), Ok(false));
    assert_eq!(
        catalog.pause(&id("b:1.0.0")),
        Err(CatalogError::Unknown(id("b:1.0.0")))
    );
}

#[test]
fn retired_services_do_not_resolve() {
    let mut catalog = catalog(&["a:1.0.0", "a:1.1.0"]);
    let newer = id("a:1.1.0");
    assert_eq!(catalog.retire(&newer), Ok(true));
    assert_eq!(catalog.retire(&newer), Ok(false));
    assert_eq!(
        catalog.pause(&newer),
        Err(CatalogError::Retired(newer.clone()))
    );
    assert_eq!(resolve(&catalog, "a"), Ok("a:1.0.0".to_owned()));
    assert_eq!(
        resolve(&catalog, "a:1.1.0"),
        Err(ResolveError::Retired { id: newer.clone() })
    );
    assert!(
        matches!(resolve(&catalog, "a:2"), Err(ResolveError::NoMatchingVersion { available, .. }) if available.len() == 1)
    );
    // Publishing brings it back, with the same files too.
    assert_eq!(catalog.insert(published("a:1.1.0", "d")), Ok(Inserted::New));
    assert_eq!(resolve(&catalog, "a"), Ok("a:1.1.0".to_owned()));
}

#[test]
fn a_version_belongs_to_who_supplied_it_first() {
    let mut catalog = Catalog::new();
    catalog.insert(from_directory("a:1.0.0", "one")).unwrap();
    let problem = catalog
        .insert(from_directory("a:1.0.0", "two"))
        .unwrap_err();
    assert_eq!(
        problem.reason,
        "`a:1.0.0` is already supplied by the directory `one`"
    );
    assert_eq!(
        catalog
            .broken()
            .map(|(label, problems)| (label, problems.len()))
            .collect::<Vec<_>>(),
        [("two", 1)]
    );
    assert!(catalog.insert(published("a:1.0.0", "d")).is_err());
    assert_eq!(catalog.get(&id("a:1.0.0")).unwrap().service.label, "one");
    assert_eq!(
        catalog.retire(&id("a:1.0.0")),
        Err(CatalogError::Supplied {
            id: id("a:1.0.0"),
            label: "one".to_owned()
        })
    );
    // When the first is gone the second can have it.
    assert_eq!(catalog.remove_directory("one"), [id("a:1.0.0")]);
    assert_eq!(
        catalog.insert(from_directory("a:1.0.0", "two")),
        Ok(Inserted::New)
    );
    assert!(catalog.broken().all(|(label, _)| label != "two"));
}

#[test]
fn a_directory_that_changes_its_version_gives_up_the_old_one() {
    let mut catalog = Catalog::new();
    catalog.insert(from_directory("a:1.0.0", "one")).unwrap();
    catalog.insert(from_directory("a:1.1.0", "one")).unwrap();
    assert_eq!(
        resolve(&catalog, "a:1.0.0"),
        Err(ResolveError::Retired { id: id("a:1.0.0") })
    );
    assert_eq!(resolve(&catalog, "a"), Ok("a:1.1.0".to_owned()));
}

#[test]
fn a_broken_directory_keeps_what_ran_and_is_mended_by_a_good_one() {
    let mut catalog = Catalog::new();
    catalog.insert(from_directory("a:1.0.0", "one")).unwrap();
    let problem = Problem::error("metadata.yml", (1, 1), "key", "is missing");
    catalog.set_broken("one", vec![problem.clone()]);
    let revision = catalog.revision();
    catalog.set_broken("one", vec![problem]);
    assert_eq!(catalog.revision(), revision);
    assert!(resolve(&catalog, "a").is_ok());
    assert_eq!(
        catalog.insert(from_directory("a:1.0.0", "one")),
        Ok(Inserted::Unchanged)
    );
    assert_eq!(
        (catalog.broken().count(), catalog.revision()),
        (0, revision + 1)
    );
}
