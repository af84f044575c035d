//! A disk that fills up under the platform: it refuses, says why, loses nothing that it accepted, and goes on when there is
//! space again. Needs root for a small file system of its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/disk.rs"]
mod disk;
#[path = "support/up.rs"]
mod support;

use std::{
    fs,
    path::Path,
    process::Child,
    time::{Duration, Instant},
};

use disk::SmallDisk;
use serde_json::{Value, json};

struct Platform {
    child: Child,
    url: String,
    agent: ureq::Agent,
}

impl Platform {
    fn start(data: &Path, free_min: &str) -> Self {
        let arguments = ["--disk-free-min", free_min, "--log-filter", "off"];
        let (child, url) = support::up(data, None, &arguments);
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Self {
            child,
            url,
            agent: config.into(),
        }
    }

    fn submit(&self, value: &str) -> (u16, Value) {
        let body = json!({"service": "trefoil/echo", "inputs": {"value": value}});
        let mut answer = self
            .agent
            .post(format!("{}/v1/jobs", self.url))
            .send_json(&body)
            .unwrap();
        (
            answer.status().as_u16(),
            answer.body_mut().read_json().unwrap(),
        )
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let mut answer = self
            .agent
            .get(format!("{}{path}", self.url))
            .header("prefer", "wait=20")
            .call()
            .unwrap();
        (
            answer.status().as_u16(),
            answer.body_mut().read_json().unwrap(),
        )
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A small disk with something on it that can be removed; `None` where mounting is not allowed.
fn small_disk() -> Option<SmallDisk> {
    let disk = SmallDisk::new("48m")?;
    fs::write(disk.path().join("ballast"), vec![0; 30 << 20]).unwrap();
    Some(disk)
}

/// Submits far more than fits, until it is refused for the fifth time; what was accepted, and the last refusal.
fn fill(platform: &Platform, value: &str) -> (Vec<String>, Value) {
    let mut accepted = Vec::new();
    let mut refused = 0;
    for _ in 0..200 {
        match platform.submit(value) {
            (202, job) => accepted.push(job["id"].as_str().unwrap().to_owned()),
            (status, problem) => {
                assert_eq!(status, 503, "{problem}");
                refused += 1;
                if refused == 5 {
                    assert!(!accepted.is_empty());
                    return (accepted, problem);
                }
            }
        }
    }
    panic!("{} jobs of 200 kB on 18 MB were accepted", accepted.len());
}

/// Makes space; everything that was accepted ends well, and new jobs are accepted again.
fn recovers(disk: &SmallDisk, platform: &Platform, accepted: &[String], value: &str) {
    fs::remove_file(disk.path().join("ballast")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while platform.submit("small").0 != 202 {
        assert!(Instant::now() < deadline, "it does not recover");
    }
    for id in accepted {
        let (status, job) = platform.get(&format!("/v1/jobs/{id}"));
        assert_eq!((status, &job["state"]), (200, &json!("succeeded")), "{job}");
        assert_eq!(
            platform.get(&format!("/v1/jobs/{id}/result")).1,
            json!({"value": value})
        );
    }
    assert_eq!(platform.get("/readyz").0, 200);
}

#[test]
fn a_disk_without_reserve_fills_to_the_last_byte_and_nothing_is_lost() {
    let Some(disk) = small_disk() else { return };
    let platform = Platform::start(&disk.path().join("data"), "0");
    let value = "x".repeat(200_000);
    let (accepted, problem) = fill(&platform, &value);
    assert_eq!(problem["code"], "unavailable", "{problem}");
    recovers(&disk, &platform, &accepted, &value);
}

#[test]
fn the_reserve_is_kept_and_readiness_tells() {
    let Some(disk) = small_disk() else { return };
    let platform = Platform::start(&disk.path().join("data"), "6MiB");
    let value = "x".repeat(200_000);
    let (accepted, problem) = fill(&platform, &value);
    assert_eq!(
        problem["type"], "urn:trefoil:problem:storage-full",
        "{problem}"
    );
    assert_eq!(platform.get("/readyz").0, 503);
    recovers(&disk, &platform, &accepted, &value);
}
