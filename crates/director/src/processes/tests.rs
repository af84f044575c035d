use super::{ProcessOrder::*, *};

/// A machine with a clock of its own.
struct World {
    machine: Processes,
    now: u64,
}

fn wanted(digest: &str, instances: u32) -> Option<WantedProcesses> {
    Some(WantedProcesses {
        digest: digest.to_owned(),
        instances,
        ready_ms: 60_000,
        grace_ms: 10_000,
    })
}

const fn n(number: u64) -> ProcessNumber {
    ProcessNumber(number)
}

impl World {
    fn new(digest: &str, instances: u32) -> Self {
        let mut world = Self {
            machine: Processes::new(7),
            now: 1_000_000,
        };
        world.want(wanted(digest, instances));
        world
    }

    fn want(&mut self, wanted: Option<WantedProcesses>) {
        self.machine.set_wanted(wanted, self.now);
    }

    fn ready(&mut self, number: u64) {
        self.machine.handle_ready(n(number), self.now);
    }

    fn idle(&mut self, number: u64) {
        self.machine.handle_idle(n(number), self.now);
    }

    fn ended(&mut self, number: u64) {
        self.machine.handle_ended(n(number), self.now);
    }

    fn pass(&mut self, ms: u64) {
        self.now += ms;
        self.machine.handle_timeout(self.now);
    }

    /// Waits for what is due next; how long that was.
    fn pass_to_next(&mut self) -> u64 {
        let wait = self.machine.poll_timeout().unwrap() - self.now;
        self.pass(wait);
        wait
    }

    fn check(&mut self, expected: &[ProcessOrder]) {
        let orders: Vec<_> = std::iter::from_fn(|| self.machine.poll_order()).collect();
        assert_eq!(orders, expected);
    }
}

#[test]
fn as_many_are_started_as_are_wanted() {
    let mut world = World::new("a", 2);
    world.check(&[Start(n(1)), Start(n(2))]);
    world.want(wanted("a", 2));
    world.check(&[]);
    world.ready(1);
    world.ready(2);
    assert_eq!(world.machine.poll_timeout(), None);
    world.want(wanted("a", 3));
    world.check(&[Start(n(3))]);
    world.want(wanted("a", 1));
    world.check(&[Drain(n(2)), Terminate(n(3))]);
}

#[test]
fn one_that_ends_is_started_again_later_and_later() {
    let mut world = World::new("a", 1);
    world.check(&[Start(n(1))]);
    let mut number = 1;
    for expected in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
        world.ended(number);
        world.check(&[]);
        let wait = world.pass_to_next();
        assert!(
            (expected * 9 / 10..=expected * 11 / 10).contains(&wait),
            "{wait} for {expected}"
        );
        number += 1;
        world.check(&[Start(n(number))]);
    }
    // One that was ready for a moment is no better than one that never was.
    world.ready(number);
    world.pass(HEALTHY_MS - 1);
    world.ended(number);
    assert!(world.pass_to_next() > 50_000);
    number += 1;
    world.check(&[Start(n(number))]);
    world.ready(number);
    world.pass(HEALTHY_MS);
    world.ended(number);
    assert!(world.pass_to_next() < 1_200);
}

#[test]
fn one_that_is_not_ready_in_time_is_stopped_and_waited_for() {
    let mut world = World::new("a", 1);
    world.check(&[Start(n(1))]);
    assert_eq!(world.pass_to_next(), 60_000);
    world.check(&[Terminate(n(1))]);
    world.pass_to_next();
    // The next does not wait for the end of one that does not want to.
    world.check(&[Start(n(2))]);
    world.ready(2);
    world.pass_to_next();
    world.check(&[Kill(n(1))]);
    assert_eq!(world.machine.poll_timeout(), None);
    world.ended(1);
    world.check(&[]);
}

#[test]
fn with_other_files_the_new_one_is_ready_before_the_old_one_goes() {
    let mut world = World::new("a", 1);
    world.ready(1);
    world.check(&[Start(n(1))]);
    world.want(wanted("b", 1));
    world.check(&[Start(n(2))]);
    // The new one fails: the old one stays.
    world.ended(2);
    world.pass_to_next();
    world.check(&[Start(n(3))]);
    world.ready(3);
    world.check(&[Drain(n(1))]);
    assert_eq!(world.machine.draining().collect::<Vec<_>>(), [n(1)]);
    world.idle(1);
    world.check(&[Terminate(n(1))]);
    world.ended(1);
    world.check(&[]);
    assert_eq!(world.machine.poll_timeout(), None);
    // An old one that ends by itself is not missed.
    world.want(wanted("c", 1));
    world.check(&[Start(n(4))]);
    world.ended(3);
    world.check(&[]);
    // Those that were not ready make room for the latest files at once.
    world.want(wanted("d", 1));
    world.check(&[Terminate(n(4)), Start(n(5))]);
}

#[test]
fn files_that_changed_are_tried_at_once() {
    let mut world = World::new("a", 1);
    for number in 1..=5 {
        world.ended(number);
        world.pass_to_next();
    }
    world.ended(6);
    world.check(&[1, 2, 3, 4, 5, 6].map(|number| Start(n(number))));
    world.want(wanted("b", 1));
    world.check(&[Start(n(7))]);
    world.ended(7);
    assert!(world.pass_to_next() < 1_200);
}

#[test]
fn calls_under_way_end_before_the_process_does() {
    let mut world = World::new("a", 1);
    world.ready(1);
    world.check(&[Start(n(1))]);
    world.want(None);
    world.check(&[Drain(n(1))]);
    assert!(!world.machine.is_done());
    assert_eq!(world.pass_to_next(), DRAIN_MS);
    world.check(&[Terminate(n(1))]);
    assert_eq!(world.pass_to_next(), 10_000);
    world.check(&[Kill(n(1))]);
    world.ended(1);
    assert!(world.machine.is_done());
    // Wanted again: nothing is held against it.
    world.want(wanted("a", 1));
    world.check(&[Start(n(2))]);
}

#[test]
fn a_stop_waits_for_nothing_but_the_grace() {
    let mut world = World::new("a", 3);
    world.ready(1);
    world.check(&[Start(n(1)), Start(n(2)), Start(n(3))]);
    world.ended(3);
    world.machine.stop(world.now);
    world.check(&[Terminate(n(1)), Terminate(n(2))]);
    world.machine.stop(world.now);
    world.check(&[]);
    world.ended(1);
    assert_eq!(world.pass_to_next(), 10_000);
    world.check(&[Kill(n(2))]);
    world.ended(2);
    assert!(world.machine.is_done());
    world.pass(1_000_000);
    world.check(&[]);
}

#[test]
fn what_comes_late_changes_nothing() {
    let mut world = World::new("a", 1);
    world.check(&[Start(n(1))]);
    world.idle(1);
    world.ready(9);
    world.ended(9);
    world.check(&[]);
    world.want(None);
    world.check(&[Terminate(n(1))]);
    world.ready(1);
    world.idle(1);
    world.check(&[]);
}
