//! A registry of instances under a clock that the test moves.

use super::*;
use crate::instance::ThriftProvider;

fn service() -> ServiceId {
    ServiceId {
        key: "math/calc".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
    }
}

fn id(name: &str) -> InstanceId {
    InstanceId {
        service: service(),
        name: name.parse().unwrap(),
    }
}

fn new(name: &str) -> NewInstance {
    NewInstance {
        id: id(name),
        address: format!("{name}:9090"),
        thrift: ThriftProvider::default(),
        slots: None,
        weight: 1.0,
        lease_ms: None,
    }
}

/// So many healthy instances, each beyond its slow start, at the time it returns.
fn healthy(count: usize) -> (Instances, GroupKey, Vec<InstanceKey>, u64) {
    let mut instances = Instances::new(7);
    let keys: Vec<_> = (0..count)
        .map(|n| {
            let registered = instances.register(new(&format!("i{n}")), 0).unwrap();
            instances.handle_probe(registered.key, Ok(()), 0);
            registered.key
        })
        .collect();
    let group = instances.group(&service());
    (instances, group, keys, 40_000)
}

fn state(instances: &Instances, name: &str) -> InstanceState {
    instances.view(&id(name)).unwrap().state
}

fn share(instances: &mut Instances, group: GroupKey, keys: &[InstanceKey], now: u64) -> Vec<usize> {
    let mut counts = vec![0; keys.len()];
    for _ in 0..1_000 {
        let picked = instances.pick(group, &[], now).unwrap();
        let at = keys.iter().position(|key| *key == picked.key).unwrap();
        counts[at] += 1;
        instances.handle_outcome(picked.key, CallOutcome::Success, 1.0, now);
    }
    counts
}

#[test]
fn nobody_is_called_before_a_check_has_passed() {
    let mut instances = Instances::new(1);
    let group = instances.group(&service());
    assert_eq!(instances.pick(group, &[], 0).unwrap_err(), NoProvider::None);
    let registered = instances.register(new("a"), 0).unwrap();
    assert_eq!(
        instances.pick(group, &[], 0).unwrap_err(),
        NoProvider::NotReady(1)
    );
    instances.handle_timeout(0);
    let order = instances.poll_probe().unwrap();
    assert_eq!(order.key, registered.key);
    assert!(instances.poll_probe().is_none());
    instances.handle_probe(order.key, Ok(()), 5);
    assert_eq!(
        instances.pick(group, &[], 5).unwrap().instance.address,
        "a:9090"
    );
}

#[test]
fn three_failed_checks_make_it_unhealthy_and_two_passed_ones_healthy() {
    let (mut instances, _, keys, now) = healthy(2);
    for n in 0..3 {
        assert_eq!(state(&instances, "i0"), InstanceState::Healthy, "{n}");
        instances.handle_probe(keys[0], Err("refused"), now);
    }
    assert_eq!(state(&instances, "i0"), InstanceState::Unhealthy);
    assert_eq!(instances.view(&id("i0")).unwrap().reason, "refused");
    instances.handle_probe(keys[0], Ok(()), now);
    assert_eq!(state(&instances, "i0"), InstanceState::Unhealthy);
    instances.handle_probe(keys[0], Ok(()), now);
    assert_eq!(state(&instances, "i0"), InstanceState::Healthy);
}

#[test]
fn checks_come_soon_after_a_change_and_seldom_without_calls() {
    let (mut instances, _, keys, _) = healthy(1);
    let mut now = 0;
    let next = |instances: &mut Instances, now: &mut u64| {
        let due = instances.poll_timeout().unwrap();
        let waited = due - *now;
        *now = due;
        instances.handle_timeout(due);
        assert_eq!(instances.poll_probe().unwrap().key, keys[0]);
        waited
    };
    let waited = next(&mut instances, &mut now);
    assert!((900..=1_100).contains(&waited), "{waited}");
    instances.handle_probe(keys[0], Ok(()), now);
    let waited = next(&mut instances, &mut now);
    assert!(
        (54_000..=66_000).contains(&waited),
        "nobody calls it: {waited}"
    );
    instances.handle_probe(keys[0], Err("late"), now);
    let waited = next(&mut instances, &mut now);
    assert!((900..=1_100).contains(&waited), "{waited}");
}

#[test]
fn a_check_that_nobody_answers_is_asked_for_again() {
    let mut instances = Instances::new(1);
    instances.register(new("a"), 0).unwrap();
    instances.handle_timeout(0);
    assert!(instances.poll_probe().is_some());
    let due = instances.poll_timeout().unwrap();
    assert_eq!(due, 12_000);
    instances.handle_timeout(due);
    assert!(instances.poll_probe().is_some());
}

#[test]
fn an_instance_that_comes_and_goes_is_used_only_if_there_is_no_better() {
    let (mut instances, group, keys, now) = healthy(2);
    for _ in 0..6 {
        instances.handle_probe(keys[0], Err("late"), now);
        instances.handle_probe(keys[0], Ok(()), now);
    }
    assert_eq!(state(&instances, "i0"), InstanceState::Degraded);
    for _ in 0..50 {
        assert_eq!(instances.pick(group, &[], now).unwrap().key, keys[1]);
    }
    for _ in 0..25 {
        instances.handle_probe(keys[0], Ok(()), now);
    }
    assert_eq!(state(&instances, "i0"), InstanceState::Healthy);
}

#[test]
fn calls_are_shared() {
    let (mut instances, group, keys, now) = healthy(4);
    for count in share(&mut instances, group, &keys, now) {
        assert!((150..350).contains(&count), "{count}");
    }
}

#[test]
fn a_slow_instance_gets_less() {
    let (mut instances, group, keys, now) = healthy(3);
    let picked = instances.pick(group, &keys[1..], now).unwrap();
    instances.handle_outcome(picked.key, CallOutcome::Success, 500.0, now);
    let counts = share(&mut instances, group, &keys, now);
    assert!(counts[0] < 50, "{counts:?}");
}

#[test]
fn a_busy_refusal_gets_it_less_without_being_left_alone() {
    let (mut instances, group, keys, now) = healthy(2);
    for _ in 0..10 {
        let picked = instances.pick(group, &keys[1..], now).unwrap();
        instances.handle_outcome(picked.key, CallOutcome::Busy, 1.0, now);
    }
    assert_eq!(instances.view(&id("i0")).unwrap().ejected_until_ms, None);
    assert!(share(&mut instances, group, &keys, now)[0] < 50);
}

#[test]
fn slots_are_respected() {
    let mut instances = Instances::new(3);
    let group = instances.group(&service());
    let one = NewInstance {
        slots: Some(2),
        ..new("a")
    };
    let key = instances.register(one, 0).unwrap().key;
    instances.handle_probe(key, Ok(()), 0);
    instances.pick(group, &[], 0).unwrap();
    instances.pick(group, &[], 0).unwrap();
    assert_eq!(
        instances.pick(group, &[], 0).unwrap_err(),
        NoProvider::Full(1)
    );
    instances.handle_outcome(key, CallOutcome::Unknown, 0.0, 0);
    instances.pick(group, &[], 0).unwrap();
}

#[test]
fn one_that_fails_is_left_alone_but_never_too_many() {
    let (mut instances, group, keys, now) = healthy(3);
    let fail = |instances: &mut Instances, key: InstanceKey| {
        for _ in 0..5 {
            instances.handle_outcome(key, CallOutcome::Failure, 1.0, now);
        }
    };
    fail(&mut instances, keys[0]);
    assert!(
        instances
            .view(&id("i0"))
            .unwrap()
            .ejected_until_ms
            .is_some()
    );
    fail(&mut instances, keys[1]);
    assert_eq!(
        instances.view(&id("i1")).unwrap().ejected_until_ms,
        None,
        "one in three"
    );
    for _ in 0..50 {
        assert_ne!(instances.pick(group, &[], now).unwrap().key, keys[0]);
    }
    instances.handle_probe(keys[0], Ok(()), now);
    assert_eq!(
        instances.view(&id("i0")).unwrap().ejected_until_ms,
        None,
        "a check that passes ends it"
    );
}

#[test]
fn the_only_one_is_never_left_alone() {
    let (mut instances, group, keys, now) = healthy(1);
    for _ in 0..100 {
        instances.handle_outcome(keys[0], CallOutcome::Failure, 1.0, now);
    }
    assert_eq!(instances.pick(group, &[], now).unwrap().key, keys[0]);
}

#[test]
fn the_only_one_is_tried_whatever_checks_say() {
    let (mut instances, group, keys, now) = healthy(1);
    for _ in 0..3 {
        instances.handle_probe(keys[0], Err("late"), now);
    }
    assert_eq!(state(&instances, "i0"), InstanceState::Unhealthy);
    assert!(instances.pick(group, &[], now).unwrap().is_panic);
}

#[test]
fn if_most_are_unhealthy_all_are_tried() {
    let (mut instances, group, keys, now) = healthy(3);
    for key in &keys {
        for _ in 0..3 {
            instances.handle_probe(*key, Err("refused"), now);
        }
    }
    let picked = instances.pick(group, &[], now).unwrap();
    assert!(picked.is_panic);
    let others: Vec<_> = keys
        .iter()
        .copied()
        .filter(|key| *key != picked.key)
        .collect();
    assert_eq!(
        instances.pick(group, &keys, now).unwrap_err(),
        NoProvider::Tried(3)
    );
    assert_eq!(instances.pick(group, &others, now).unwrap().key, picked.key);
}

#[test]
fn a_lease_that_is_not_renewed_ends() {
    let mut instances = Instances::new(5);
    let leased = NewInstance {
        lease_ms: Some(30_000),
        ..new("a")
    };
    instances.register(leased.clone(), 0).unwrap();
    assert_eq!(
        instances
            .renew(
                &id("a"),
                Heartbeat {
                    is_ready: Some(true)
                },
                20_000
            )
            .unwrap(),
        Some(50_000)
    );
    assert_eq!(state(&instances, "a"), InstanceState::Healthy);
    instances.handle_timeout(49_999);
    assert_eq!(state(&instances, "a"), InstanceState::Healthy);
    instances.handle_timeout(50_000);
    assert_eq!(state(&instances, "a"), InstanceState::Gone);
    assert!(!instances.has_any(&service()));
    instances
        .renew(&id("a"), Heartbeat::default(), 50_001)
        .unwrap_err();
    assert_eq!(instances.register(leased, 60_000).unwrap().generation, 2);
    assert_eq!(state(&instances, "a"), InstanceState::Starting);
}

#[test]
fn what_is_gone_is_forgotten_in_the_end() {
    let (mut instances, _, keys, _) = healthy(2);
    instances.deregister(&id("i0"), "told to", 1_000).unwrap();
    instances.handle_timeout(600_999);
    assert_eq!(instances.views(&service()).len(), 2);
    instances.handle_timeout(601_000);
    assert_eq!(instances.views(&service()).len(), 1);
    instances.handle_outcome(keys[0], CallOutcome::Failure, 1.0, 601_000);
    instances.handle_probe(keys[0], Ok(()), 601_000);
    instances
        .deregister(&id("i0"), "told to", 601_000)
        .unwrap_err();
}

#[test]
fn when_most_of_many_fall_silent_at_once_they_are_only_suspects() {
    let mut instances = Instances::new(5);
    for n in 0..12 {
        let leased = NewInstance {
            lease_ms: Some(30_000),
            ..new(&format!("i{n}"))
        };
        let key = instances.register(leased, 0).unwrap().key;
        instances.handle_probe(key, Ok(()), 0);
    }
    instances
        .renew(&id("i0"), Heartbeat::default(), 20_000)
        .unwrap();
    instances.handle_timeout(30_000);
    assert_eq!(state(&instances, "i5"), InstanceState::Healthy);
    let group = instances.group(&service());
    for _ in 0..20 {
        let picked = instances.pick(group, &[], 30_000).unwrap();
        assert_eq!(
            picked.instance.id.name.as_str(),
            "i0",
            "the others come after it"
        );
    }
    instances
        .renew(&id("i0"), Heartbeat::default(), 110_000)
        .unwrap();
    instances.handle_timeout(120_000);
    assert_eq!(state(&instances, "i5"), InstanceState::Gone);
}

#[test]
fn a_draining_instance_gets_no_calls_and_keeps_those_it_has() {
    let (mut instances, group, keys, now) = healthy(2);
    instances.drain(&id("i0"), now).unwrap();
    for _ in 0..20 {
        assert_eq!(instances.pick(group, &[], now).unwrap().key, keys[1]);
    }
    instances.handle_probe(keys[0], Ok(()), now);
    assert_eq!(state(&instances, "i0"), InstanceState::Draining);
}

#[test]
fn a_registration_that_says_the_same_keeps_the_state() {
    let (mut instances, _, keys, now) = healthy(1);
    let again = instances.register(new("i0"), now).unwrap();
    assert_eq!((again.key, again.generation), (keys[0], 2));
    assert_eq!(state(&instances, "i0"), InstanceState::Healthy);
    let elsewhere = NewInstance {
        address: "other:1".to_owned(),
        ..new("i0")
    };
    instances.register(elsewhere, now).unwrap();
    assert_eq!(state(&instances, "i0"), InstanceState::Starting);
}

#[test]
fn events_tell_what_happened() {
    let mut instances = Instances::new(5);
    let key = instances.register(new("a"), 1).unwrap().key;
    instances.handle_probe(key, Ok(()), 2);
    let events: Vec<_> = std::iter::from_fn(|| instances.poll_event())
        .map(|event| event.what)
        .collect();
    assert_eq!(
        events,
        [
            InstanceChange::Registered { generation: 1 },
            InstanceChange::State {
                from: InstanceState::Starting,
                to: InstanceState::Healthy,
                reason: "its checks pass".to_owned()
            }
        ]
    );
}
