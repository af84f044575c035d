//! Anything a socket may bring, in pieces of any size, against the server's side of a connection.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use trefoil_amqp::{Connection, Event, Settings, testing::Client};

fuzz_target!(|data: &[u8]| {
    let Some(([how, piece], data)) = data.split_first_chunk::<2>() else {
        return;
    };
    let mut connection = Connection::new(&Arc::new(Settings::default()), 0);
    let mut input = Vec::new();
    if how & 1 == 0 {
        // Most of what matters is behind the handshake.
        let mut client = Client::new();
        client.handshake("/", "guest", "guest");
        client.open_channel(1);
        input = client.take_output();
    }
    let mut pieces = data.chunks(usize::from(*piece) + 1);
    let mut now = 0;
    loop {
        let mut rest = input.as_slice();
        while let Some(event) = connection.poll_event(&mut rest, now) {
            match event {
                Event::Authenticate { .. } => connection.authenticated(),
                Event::Open { .. } => connection.open_ok(),
                Event::UpdateSecret { .. } => connection.secret_updated(),
                Event::ChannelCloseRequested(channel) => connection.channel_close_ok(channel),
                Event::CloseRequested { .. } => connection.close_ok(now),
                _ => {}
            }
        }
        let used = input.len() - rest.len();
        input.drain(..used);
        now += 100;
        if connection.poll_timeout().is_some_and(|at| at <= now) {
            let _ = connection.handle_timeout(now);
        }
        match pieces.next() {
            Some(piece) => input.extend_from_slice(piece),
            None => return,
        }
    }
});
