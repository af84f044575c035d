use super::*;

fn with_heartbeat(heartbeat_s: u16) -> Pair {
    let tune = Tune {
        channel_max: 10,
        frame_max: 131_072,
        heartbeat_s,
    };
    Pair::open_with(
        Settings::default(),
        &Handshake {
            tune,
            ..Handshake::plain("/", "u", "p")
        },
    )
}

#[test]
fn handshake_must_not_take_too_long() {
    let steps: [fn(&mut Client); 4] = [
        |_| {},
        |client| client.send_octets(crate::testing::PROTOCOL_HEADER),
        |client| {
            client.send_octets(crate::testing::PROTOCOL_HEADER);
            client.start_ok(&Handshake::plain("/", "u", "p"));
        },
        |client| {
            client.send_octets(crate::testing::PROTOCOL_HEADER);
            let handshake = Handshake::plain("/", "u", "p");
            client.start_ok(&handshake);
            client.tune_ok(handshake.tune);
        },
    ];
    for act in steps {
        let mut pair = Pair::new(Settings::default());
        pair.now = 5000;
        act(&mut pair.client);
        pair.exchange();
        assert_eq!(pair.connection.poll_timeout(), Some(11_000));
        assert_eq!(pair.connection.handle_timeout(10_999), None);
        assert_eq!(
            pair.connection.handle_timeout(11_000),
            Some(Expiry::Handshake)
        );
        assert!(pair.connection.is_closed());
        assert_eq!(pair.connection.poll_timeout(), None);
    }
}

#[test]
fn without_heartbeats_nothing_is_ever_due() {
    let mut pair = with_heartbeat(0);
    assert_eq!(pair.connection.poll_timeout(), None);
    assert_eq!(pair.connection.handle_timeout(u64::MAX - 1), None);
    assert!(!pair.connection.has_output());
}

#[test]
fn heartbeats_are_sent_twice_an_interval_when_nothing_else_is() {
    let mut pair = with_heartbeat(2);
    let start = pair.now;
    for second in 1..=3 {
        pair.now = start + second * 1000;
        // The client is alive.
        pair.client.heartbeat();
        pair.exchange();
        assert_eq!(pair.connection.poll_timeout(), Some(pair.now));
        assert_eq!(pair.connection.handle_timeout(pair.now), None);
        pair.deliver_output();
    }
    // The first was not needed: open-ok had been sent.
    assert_eq!(pair.client.heartbeats(), 2);

    // Other output takes a heartbeat's place.
    pair.now = start + 3500;
    pair.connection.send(
        ChannelNumber(1),
        &Method::BasicQosOk(method::basic::QosOk {}),
    );
    pair.client.heartbeat();
    pair.exchange();
    pair.now = start + 4000;
    pair.connection.handle_timeout(pair.now);
    assert!(!pair.connection.has_output());
    pair.now = start + 5000;
    pair.connection.handle_timeout(pair.now);
    pair.deliver_output();
    assert_eq!(pair.client.heartbeats(), 3);
}

#[test]
fn heartbeats_do_not_pile_up_before_a_full_socket() {
    let mut pair = with_heartbeat(2);
    for step in 1..=20 {
        pair.now += 1000;
        if step % 2 == 0 {
            pair.client.heartbeat();
            let octets = pair.client.take_output();
            pair.feed(&octets);
        }
        pair.connection.handle_timeout(pair.now);
    }
    assert_eq!(pair.connection.output().len(), 8);
}

#[test]
fn silent_peer_is_given_up_between_two_and_three_intervals() {
    let mut pair = with_heartbeat(1);
    let last = pair.now + 700;
    pair.now = last;
    // Any octet counts, even a part of a frame.
    assert_eq!(pair.feed(&[8, 0]), 2);
    let mut ended = None;
    let mut now = last;
    while ended.is_none() {
        now = pair
            .connection
            .poll_timeout()
            .expect("a heartbeat is due")
            .max(now);
        ended = pair.connection.handle_timeout(now);
        pair.deliver_output();
    }
    assert_eq!(ended, Some(Expiry::PeerSilent));
    assert!((last + 2000..last + 3000).contains(&now), "{}", now - last);
    assert!(pair.connection.is_closed());
}

#[test]
fn peer_is_not_given_up_while_its_socket_is_not_read() {
    let mut pair = with_heartbeat(1);
    pair.connection.set_reading_paused(true, pair.now);
    pair.now += 60_000;
    assert_eq!(pair.connection.handle_timeout(pair.now), None);
    pair.deliver_output();
    assert_eq!(pair.client.heartbeats(), 0, "the first look finds open-ok");
    pair.now += 500;
    assert_eq!(pair.connection.handle_timeout(pair.now), None);
    pair.deliver_output();
    assert_eq!(pair.client.heartbeats(), 1, "ours go on");
    pair.connection.set_reading_paused(false, pair.now);
    assert_eq!(pair.connection.handle_timeout(pair.now + 2499), None);
    assert_eq!(
        pair.connection.handle_timeout(pair.now + 2500),
        Some(Expiry::PeerSilent)
    );
}
