//! Whatever a client may say, in any order: nothing panics, nothing leaks, nobody waits for what is there.
//!
//! Octets choose what is said. A fuzzer may have [`play`] read what it makes up.

mod said;

use proptest::prelude::*;
use serde_json::json;
use trefoil_amqp::{
    Method, Table,
    method::{channel, connection},
};

use super::{
    invariants,
    rig::{Rig, Who},
};
use crate::policy::{Policy, PolicyKind, PolicySource};

/// Octets of one step.
const STEP: usize = 8;
const CLIENTS: usize = 3;

struct Play {
    rig: Option<Rig>,
    clients: Vec<Who>,
    /// Whose socket takes nothing.
    stalled: Option<Who>,
}

fn play(octets: &[u8]) {
    let mut rig = Rig::with_segments(2 << 10);
    let clients: Vec<Who> = (0..CLIENTS).map(|_| connect(&mut rig)).collect();
    for queue in ["q1", "q2", "q3"] {
        rig.declare(clients[0], queue, queue != "q3", &Table::new());
    }
    for (exchange, kind) in [
        ("x1", "direct"),
        ("x2", "fanout"),
        ("x3", "x-delayed-message"),
    ] {
        let arguments = Table::new().with("x-delayed-type", "fanout");
        rig.declare_exchange(clients[0], exchange, kind, &arguments);
        rig.bind(clients[0], "q1", exchange, "q1");
        rig.bind(clients[0], "q2", exchange, "q2");
    }
    let mut play = Play {
        rig: Some(rig),
        clients,
        stalled: None,
    };
    for step in octets.as_chunks::<STEP>().0 {
        play.step(step);
        let is_served = play.stalled.is_none();
        invariants::check(&play.rig().broker, is_served);
    }
    for who in play.clients.clone() {
        play.rig().vanish(who);
    }
    invariants::check_deserted(&play.rig().broker);
}

/// A client with two channels.
fn connect(rig: &mut Rig) -> Who {
    let who = rig.client();
    rig.script(who).open_channel(2);
    rig.run();
    rig.hear(who);
    who
}

impl Play {
    fn rig(&mut self) -> &mut Rig {
        self.rig.as_mut().expect("a crash gives another one")
    }

    fn step(&mut self, step: &[u8; STEP]) {
        let place = usize::from(step[0]) % CLIENTS;
        let who = self.clients[place];
        let number = 1 + u16::from(step[0] / 128);
        match step[1] {
            // Now and then, what no client does.
            0 => self.rig().advance(u64::from(step[2])),
            1 => {
                self.rig().vanish(who);
                self.clients[place] = connect(self.rig());
            }
            2 if step[2] < 64 => {
                let rig = self.rig.take().expect("it is there");
                let mut rig = match step[2] % 2 {
                    0 => rig.crash(u64::from(step[3])),
                    _ => rig.restart(),
                };
                self.clients = (0..CLIENTS).map(|_| connect(&mut rig)).collect();
                self.rig = Some(rig);
                self.stalled = None;
            }
            3 => self.set_policy(step),
            4 => {
                let (is_on, now) = (step[2].is_multiple_of(2), self.rig().now);
                self.rig().broker.set_memory_alarm(is_on, now);
            }
            8 => match self.stalled.take() {
                Some(stalled) => self.rig().unstall(stalled),
                None => {
                    self.stalled = Some(who);
                    self.rig().stall(who);
                }
            },
            5 => self.rig().script(who).open_channel(number),
            6 => self.rig().script(who).close_channel(number),
            7 => self.rig().script(who).close(),
            _ => {
                let tags = self.rig().held(who, number);
                said::say(self.rig().script(who), number, step, &tags);
            }
        }
        self.answer();
    }

    fn set_policy(&mut self, step: &[u8; STEP]) {
        let definition = match step[2] % 6 {
            0 => json!({"message-ttl": step[3]}),
            1 => json!({"max-length": step[3] % 4}),
            2 => json!({"dead-letter-exchange": "x1"}),
            3 => json!({"expires": 1 + u32::from(step[3])}),
            4 => json!({"alternate-exchange": "x2"}),
            _ => json!({"max-length": 2, "overflow": "reject-publish"}),
        };
        let source = PolicySource {
            virtual_host: "/",
            name: "p",
            pattern: ["q", "x", ".*", "^q1$"][usize::from(step[4] % 4)],
            apply_to: None,
            priority: None,
            definition: &definition,
        };
        let now = self.rig().now;
        let broker = &mut self.rig().broker;
        if step[5].is_multiple_of(4) {
            broker.delete_policy(PolicyKind::User, "/", "p", now);
        } else {
            let policy = Policy::new(PolicyKind::User, source).expect("it is well-formed");
            broker.put_policy(PolicyKind::User, policy, now);
        }
    }

    /// Clients answer what is closed, and come back.
    fn answer(&mut self) {
        self.rig().run();
        for place in 0..CLIENTS {
            let who = self.clients[place];
            for heard in self.rig().hear(who) {
                let number = heard.channel.0;
                match heard.method() {
                    Method::ChannelClose(_) => {
                        let rig = self.rig();
                        rig.script(who)
                            .send(number, &Method::ChannelCloseOk(channel::CloseOk {}));
                        rig.script(who).open_channel(number);
                        rig.run();
                    }
                    Method::ConnectionClose(_) => {
                        let rig = self.rig();
                        rig.script(who)
                            .send(0, &Method::ConnectionCloseOk(connection::CloseOk {}));
                        rig.run();
                        rig.vanish(who);
                        self.clients[place] = connect(rig);
                        break;
                    }
                    Method::ConnectionCloseOk(_) => {
                        self.rig().vanish(who);
                        self.clients[place] = connect(self.rig());
                        break;
                    }
                    _ => {}
                }
            }
        }
        // What that brought is no news.
        self.rig().advance(0);
        for place in 0..CLIENTS {
            let who = self.clients[place];
            self.rig().hear(who);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::with_cases(192) })]

    #[test]
    fn nothing_a_client_says_breaks_the_broker(octets in proptest::collection::vec(any::<[u8; STEP]>(), 1..220)) {
        play(octets.as_flattened());
    }
}

/// A delivery of a deleted queue, whose message another queue still has, was counted when the log was cleaned.
#[test]
fn a_message_that_is_moved_is_not_kept_for_a_queue_that_is_gone() {
    let steps: [[u8; STEP]; 4] = [
        [0, 64, 9, 0, 109, 0, 1, 0],
        [0, 96, 59, 17, 109, 0, 1, 179],
        [0, 52, 93, 72, 0, 0, 0, 0],
        [0, 31, 157, 2, 103, 0, 0, 0],
    ];
    play(steps.as_flattened());
}
