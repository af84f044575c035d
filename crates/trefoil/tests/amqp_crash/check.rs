//! What is there after a restart, compared with the book.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use trefoil_amqp::{Method, Properties};

use super::{
    amqp::{Amqp, PATIENCE},
    ledger::{Copy, Id, LEVELS, Ledger, MOVING, Passing, STILL, root},
    load::passing_name,
};

/// What a check found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Messages that were there.
    pub(crate) messages: usize,
    /// Messages that should have been there: only damage can be the cause.
    pub(crate) lost: BTreeSet<Id>,
    /// Passing queues that are not as they should be.
    pub(crate) wrong: usize,
    /// Settled for good, and there again: the record that said so was damaged.
    pub(crate) risen: usize,
}

/// Looks at everything, and corrects the book. With `empties` everything that was found is acknowledged, for good.
pub(crate) fn check(address: SocketAddr, ledger: &mut Ledger, empties: bool) -> io::Result<Found> {
    let mut found = Found::default();
    let mut amqp = Amqp::connect(address)?;
    check_topology(&mut amqp, ledger, &mut found)?;
    let mut there: BTreeMap<(&'static str, Id), usize> = BTreeMap::new();
    let mut last_tag = 0;
    for queue in STILL {
        let count = amqp
            .ready(queue)?
            .unwrap_or_else(|| panic!("queue {queue} is gone"));
        amqp.consume(queue, 0)?;
        let mut order = Vec::new();
        for _ in 0..count {
            let (tag, id) = next(&mut amqp, ledger, queue, &mut found)?;
            last_tag = tag;
            order.push(id);
            *there.entry((root(queue), id)).or_default() += 1;
        }
        check_order(queue, &order);
    }
    for queue in MOVING {
        amqp.consume(queue, 0)?;
    }
    let mut expected: BTreeSet<(&'static str, Id)> = ledger
        .copies
        .iter()
        .filter(|((root, _), copy)| {
            ["short", "late"].contains(root) && copy.safe && copy.settled.is_none()
        })
        .map(|(key, _)| *key)
        .collect();
    // They come when they expire and when their delay is over. Those that damage took never come.
    let deadline = Instant::now() + PATIENCE;
    while !expected.is_empty() {
        let Some(heard) = amqp.poll(Duration::from_secs(2))? else {
            if amqp.ready("short")? == Some(0) {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "{} messages do not expire",
                expected.len()
            );
            continue;
        };
        let Method::BasicDeliver(deliver) = heard.method() else {
            panic!("{:?}", heard.method());
        };
        let queue = *MOVING
            .iter()
            .find(|queue| **queue == deliver.consumer_tag)
            .unwrap_or_else(|| {
                panic!("more messages are in {} than it said", deliver.consumer_tag)
            });
        let id = Id::of(&heard);
        last_tag = deliver.delivery_tag;
        ledger.deliver(queue, id, deliver.redelivered);
        *there.entry((root(queue), id)).or_default() += 1;
        expected.remove(&(root(queue), id));
    }
    for ((root, id), count) in &there {
        let may_double = ["short", "late"].contains(root);
        assert!(
            *count == 1 || may_double,
            "{id:?} is {count} times in {root}"
        );
    }
    found.messages = there.len();
    settle_the_book(ledger, &there, &mut found);
    if empties && last_tag > 0 {
        acknowledge_all(&mut amqp, ledger, last_tag, &there)?;
    }
    amqp.close()?;
    Ok(found)
}

fn next(
    amqp: &mut Amqp,
    ledger: &mut Ledger,
    queue: &'static str,
    found: &mut Found,
) -> io::Result<(u64, Id)> {
    let heard = amqp.next()?;
    let Method::BasicDeliver(deliver) = heard.method() else {
        panic!("{:?}", heard.method());
    };
    assert_eq!(deliver.consumer_tag, queue);
    let id = Id::of(&heard);
    assert!(
        deliver.redelivered,
        "{id:?} in {queue}: nobody knows whether it was delivered before"
    );
    if ledger.retired.remove(&(queue, id)) {
        found.risen += 1;
        ledger.copies.insert(
            (queue, id),
            Copy {
                seen: true,
                ..Copy::default()
            },
        );
    }
    ledger.deliver(queue, id, deliver.redelivered);
    Ok((deliver.delivery_tag, id))
}

/// In the order of publishing: of each publisher, and for `levels` within each priority.
fn check_order(queue: &str, order: &[Id]) {
    if queue == "levels" {
        let key = |id: &Id| (std::cmp::Reverse(id.priority().min(LEVELS)), *id);
        assert!(
            order.is_sorted_by_key(key),
            "{queue} is out of order: {order:?}"
        );
    } else {
        assert!(order.is_sorted(), "{queue} is out of order: {order:?}");
    }
}

fn settle_the_book(
    ledger: &mut Ledger,
    there: &BTreeMap<(&'static str, Id), usize>,
    found: &mut Found,
) {
    let copies = std::mem::take(&mut ledger.copies);
    for ((root, id), copy) in copies {
        let moves = ["short", "late"].contains(&root);
        if there.contains_key(&(root, id)) {
            let copy = Copy {
                safe: true,
                settled: None,
                seen: true,
            };
            ledger.copies.insert((root, id), copy);
        } else if copy.safe && copy.settled.is_none() {
            found.lost.insert(id);
        } else if moves {
            // Never confirmed, and it may come yet; or settled, and may come once more.
            ledger.copies.insert((root, id), copy);
        }
    }
}

/// Everything is acknowledged, and a confirm that comes after says that the log knows.
fn acknowledge_all(
    amqp: &mut Amqp,
    ledger: &mut Ledger,
    last_tag: u64,
    there: &BTreeMap<(&'static str, Id), usize>,
) -> io::Result<()> {
    for key in there.keys() {
        if let Some(copy) = ledger.copies.get_mut(key) {
            copy.settled = Some(ledger.life);
        }
    }
    amqp.ack(last_tag, true)?;
    amqp.confirms()?;
    amqp.declare("marker", true, &trefoil_amqp::Table::new())?;
    let persistent = Properties {
        delivery_mode: Some(2),
        ..Properties::default()
    };
    amqp.publish("", "marker", &persistent, b"");
    amqp.flush()?;
    loop {
        match amqp.next()?.method() {
            Method::BasicAck(_) => break,
            // Of the moving queues: it goes back when the connection closes.
            Method::BasicDeliver(_) => {}
            other => panic!("{other:?}"),
        }
    }
    for key in there.keys().filter(|(root, _)| STILL.contains(root)) {
        ledger.copies.remove(key);
        ledger.retired.insert(*key);
    }
    Ok(())
}

fn check_topology(amqp: &mut Amqp, ledger: &mut Ledger, found: &mut Found) -> io::Result<()> {
    for exchange in ["fan", "delayed"] {
        assert!(amqp.has_exchange(exchange)?, "exchange {exchange} is gone");
    }
    assert_eq!(
        amqp.ready("gone")?,
        None,
        "a queue that was not durable is there"
    );
    assert!(
        !amqp.has_exchange("gone")?,
        "an exchange that was not durable is there"
    );
    let keep = ledger.passing.len().saturating_sub(40);
    let numbers: Vec<u32> = ledger.passing.keys().copied().skip(keep).collect();
    for number in numbers {
        let name = passing_name(number);
        let state = ledger.passing[&number];
        let queue = amqp.ready(&name)?;
        let exchange = amqp.has_exchange(&name)?;
        let is_whole = match (queue, exchange) {
            // The binding is there too.
            (Some(before), true) => {
                amqp.publish(&name, "", &Properties::default(), b"routed");
                amqp.ready(&name)? == Some(before + 1)
            }
            _ => false,
        };
        let is_gone = queue.is_none() && !exchange;
        let fits = match state {
            Passing::There => is_whole,
            Passing::Gone => is_gone,
            Passing::Doubtful => true,
        };
        if !fits {
            println!(
                "{name} should be {state:?}: queue {queue:?}, exchange {exchange}, whole {is_whole}"
            );
            found.wrong += 1;
        }
        if is_whole {
            ledger.passing.insert(number, Passing::There);
        } else {
            // Half of it, or none: it goes.
            if queue.is_some() {
                amqp.delete_queue(&name)?;
            }
            if exchange {
                amqp.delete_exchange(&name)?;
            }
            ledger.passing.insert(number, Passing::Gone);
        }
    }
    Ok(())
}
