use super::*;
use crate::method::{channel, tx};

fn reason() -> CloseReason {
    CloseReason::new(
        ReplyCode::NotFound,
        "no queue 'q' in vhost '/'",
        MethodId::QUEUE_BIND,
    )
}

fn forced() -> CloseReason {
    CloseReason::new(
        ReplyCode::ConnectionForced,
        "Closed via management plugin",
        MethodId::NONE,
    )
}

#[test]
fn client_closes_a_channel() {
    let mut pair = Pair::open();
    pair.releases = false;
    pair.client.close_channel(1);
    pair.client.send(1, &Method::TxSelect(tx::Select {}));
    pair.exchange();
    assert_eq!(pair.events, ["ChannelCloseRequested(ChannelNumber(1))"]);
    assert_eq!(pair.heard(), [""; 0]);
    assert!(!pair.connection.is_channel_open(ChannelNumber(1)));
    pair.connection.channel_close_ok(ChannelNumber(1));
    pair.client.open_channel(1);
    pair.exchange();
    assert_eq!(pair.heard(), ["channel.close-ok@1", "channel.open-ok@1"]);
}

#[test]
fn server_closes_a_channel_and_discards_until_the_client_agrees() {
    let mut pair = Pair::open();
    pair.client.open_channel(2);
    pair.exchange();
    pair.client.drain();
    pair.events.clear();
    pair.connection.close_channel(ChannelNumber(1), &reason());
    pair.connection.close_channel(ChannelNumber(1), &reason());
    pair.client
        .publish(1, "", "q", &Properties::default(), b"body");
    pair.client.send_frame(3, 1, b"stray");
    pair.client.send(1, &Method::TxSelect(tx::Select {}));
    pair.client.send(2, &Method::TxSelect(tx::Select {}));
    pair.exchange();
    let text = "NOT_FOUND - no queue 'q' in vhost '/'";
    pair.assert_closed(MethodId::CHANNEL_CLOSE, 404, text, MethodId::QUEUE_BIND);
    assert_eq!(pair.events.len(), 1, "{:?}", pair.events);
    assert!(pair.events[0].contains("ChannelNumber(2)"));
    pair.client
        .send(1, &Method::ChannelCloseOk(channel::CloseOk {}));
    pair.client.open_channel(1);
    pair.exchange();
    assert_eq!(
        pair.events[1..],
        [
            "ChannelClosed(ChannelNumber(1))",
            "ChannelOpened(ChannelNumber(1))"
        ]
    );
}

#[test]
fn server_closes_a_channel_in_the_middle_of_a_message() {
    let mut pair = Pair::open();
    pair.client
        .publish(1, "", "q", &Properties::default(), b"body");
    let octets = pair.client.take_output();
    let left = pair.feed(&octets[..octets.len() - 3]);
    pair.connection.close_channel(ChannelNumber(1), &reason());
    assert_eq!(pair.feed(&octets[octets.len() - 3 - left..]), 0);
    assert!(pair.events.is_empty(), "{:?}", pair.events);
}

#[test]
fn both_sides_close_a_channel() {
    let mut pair = Pair::open();
    pair.connection.close_channel(ChannelNumber(1), &reason());
    pair.client.close_channel(1);
    pair.exchange();
    assert_eq!(pair.heard(), ["channel.close@1", "channel.close-ok@1"]);
    assert!(pair.events.is_empty());
    pair.client
        .send(1, &Method::ChannelCloseOk(channel::CloseOk {}));
    pair.exchange();
    assert_eq!(pair.events, ["ChannelClosed(ChannelNumber(1))"]);
    assert_eq!(pair.connection.channel_count(), 0);
}

#[test]
fn client_closes_the_connection() {
    let mut pair = Pair::open();
    pair.releases = false;
    pair.client.close();
    pair.client.send(1, &Method::TxSelect(tx::Select {}));
    pair.exchange();
    assert_eq!(pair.events, ["CloseRequested { code: 200, text: \"bye\" }"]);
    assert!(!pair.connection.is_open() && !pair.connection.is_closed());
    assert_eq!(pair.heard(), [""; 0]);
    pair.connection.close_ok(pair.now);
    pair.deliver_output();
    assert_eq!(pair.heard(), ["connection.close-ok@0"]);
    // The client closes the socket, or time runs out.
    assert_eq!(pair.connection.poll_timeout(), Some(pair.now + 3000));
    assert_eq!(
        pair.connection.handle_timeout(pair.now + 3000),
        Some(Expiry::Close)
    );
    assert!(pair.connection.is_closed());
}

#[test]
fn server_closes_the_connection() {
    let mut pair = Pair::open();
    pair.connection.close(&forced(), pair.now);
    pair.connection.close(&forced(), pair.now);
    pair.client
        .publish(1, "", "q", &Properties::default(), b"body");
    pair.client.heartbeat();
    pair.exchange();
    let text = "CONNECTION_FORCED - Closed via management plugin";
    pair.assert_closed(MethodId::CONNECTION_CLOSE, 320, text, MethodId::NONE);
    assert!(pair.events.is_empty());
    pair.connection
        .send(ChannelNumber(1), &Method::TxSelectOk(tx::SelectOk {}));
    assert!(!pair.connection.has_output(), "nothing is sent after close");
    assert_eq!(pair.connection.poll_timeout(), Some(pair.now + 30_000));
    pair.client.send(
        0,
        &Method::ConnectionCloseOk(method::connection::CloseOk {}),
    );
    pair.exchange();
    assert!(pair.connection.is_closed());
    assert_eq!(pair.connection.poll_timeout(), None);
}

#[test]
fn both_sides_close_the_connection() {
    let mut pair = Pair::open();
    pair.connection.close(&forced(), pair.now);
    pair.client.close();
    pair.exchange();
    assert_eq!(
        pair.heard(),
        ["connection.close@0", "connection.close-ok@0"]
    );
    assert!(pair.events.is_empty());
    pair.client.send(
        0,
        &Method::ConnectionCloseOk(method::connection::CloseOk {}),
    );
    pair.exchange();
    assert!(pair.connection.is_closed());
}

#[test]
fn close_that_nobody_answers_ends_after_a_heartbeat() {
    let tune = Tune {
        channel_max: 10,
        frame_max: 131_072,
        heartbeat_s: 5,
    };
    let mut pair = Pair::open_with(
        Settings::default(),
        &Handshake {
            tune,
            ..Handshake::plain("/", "u", "p")
        },
    );
    pair.connection.close(&forced(), pair.now);
    assert_eq!(pair.connection.poll_timeout(), Some(pair.now + 5000));
    assert_eq!(
        pair.connection.handle_timeout(pair.now + 5000),
        Some(Expiry::Close)
    );
    assert!(pair.connection.is_closed());
}

#[test]
fn lost_synchronisation_while_closing_is_no_news() {
    let mut pair = Pair::open();
    pair.connection.close(&forced(), pair.now);
    pair.deliver_output();
    pair.client.drain();
    assert_eq!(pair.feed(&[1, 0, 0, 0, 0, 0, 0, 9]), 0);
    assert!(pair.events.is_empty());
    assert!(!pair.connection.has_output());
    assert_eq!(pair.connection.poll_timeout(), Some(pair.now + 3000));
}
