//! How connections come and go.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    time::Duration,
};

use trefoil_amqp::{MethodId, testing::PROTOCOL_HEADER};

use super::{
    Client, Server,
    client::{socket, until},
};

#[test]
fn hundreds_talk_at_a_time() {
    let server = Server::start();
    let mut clients: Vec<Client> = (0..300).map(|_| server.client()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let name = format!("queue-{}", number % 7);
        client.declare(&name, false);
        client.publish(&name, false, b"hello");
        client.send();
    }
    assert_eq!(server.amqp.connections(), 300);
    for client in &mut clients {
        client.script.close();
        client.send();
        client.expect(MethodId::CONNECTION_CLOSE_OK);
    }
    // The server waits for the client to hang up, as the protocol wants.
    drop(clients);
    server.until_connections(0);
}

#[test]
fn bytes_come_one_by_one() {
    let server = Server::start();
    let mut client = Client::connect(&server.amqp);
    client.script.handshake("/", "guest", "guest");
    client.script.open_channel(1);
    for byte in client.script.take_output() {
        client.stream.write_all(&[byte]).unwrap();
    }
    for id in [
        MethodId::CONNECTION_START,
        MethodId::CONNECTION_TUNE,
        MethodId::CONNECTION_OPEN_OK,
        MethodId::CHANNEL_OPEN_OK,
    ] {
        client.expect(id);
    }
}

#[test]
fn what_was_said_before_a_half_close_is_answered() {
    let server = Server::start();
    let mut socket = socket(&server.amqp);
    let mut script = trefoil_amqp::testing::Client::new();
    script.handshake("/", "guest", "guest");
    script.close();
    socket.write_all(&script.take_output()).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    script.receive(&answer);
    script.expect(MethodId::CONNECTION_START);
    script.expect(MethodId::CONNECTION_TUNE);
    script.expect(MethodId::CONNECTION_OPEN_OK);
    script.expect(MethodId::CONNECTION_CLOSE_OK);
    server.until_connections(0);
}

#[test]
fn a_vanished_client_leaves_nothing() {
    let server = Server::start();
    for _ in 0..20 {
        drop(server.client());
        drop(socket(&server.amqp));
    }
    server.until_connections(0);
}

#[test]
fn what_came_before_a_reset_counts() {
    let server = Server::start();
    let mut client = server.client();
    client.declare("q", false);
    client.consume("q");
    for _ in 0..20 {
        let socket = socket(&server.amqp);
        let mut leaving = Client::over(socket.try_clone().unwrap());
        leaving.log_in();
        // The answer to this is never read, which makes the system reset the connection when it is closed.
        leaving.script.open_channel(2);
        leaving.send();
        until(|| socket.peek(&mut [0]).is_ok_and(|bytes| bytes > 0));
        leaving.publish("q", false, b"last words");
        leaving.send();
        drop((leaving, socket));
        assert_eq!(client.delivered(), b"last words");
    }
    server.until_connections(1);
}

#[test]
fn another_protocol_is_told_ours() {
    let server = Server::start();
    let mut socket = socket(&server.amqp);
    socket.write_all(b"AMQP\x00\x00\x09\x02").unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, PROTOCOL_HEADER);
    drop(socket);
    server.until_connections(0);
}

#[test]
fn one_too_many_is_closed_and_there_is_room_again() {
    let server = Server::start_with(|config| config.connections_max = 2);
    let address = "192.0.2.1:1".parse().unwrap();
    let first = server.client();
    let _second = server.client();
    let mut third = socket(&server.amqp);
    // A reset is as good as an end.
    let _ = third.read_to_end(&mut Vec::new());
    assert!(server.amqp.open_local(address, address).is_err());
    drop(first);
    server.until_connections(1);
    let mut third = server.client();
    third.declare("q", false);
}

#[test]
fn a_socket_without_a_network_speaks_amqp() {
    let server = Server::start();
    let here = "127.0.0.1:1".parse().unwrap();
    let socket = server.amqp.open_local(here, here).unwrap();
    socket.set_nonblocking(false).unwrap();
    let mut client = Client::over(socket);
    client.log_in();
    client.declare("q", false);
    client.consume("q");
    client.publish("q", false, &[7; 100_000]);
    client.send();
    assert_eq!(client.delivered(), [7; 100_000]);
    drop(client);
    server.until_connections(0);
}

#[test]
fn a_proxy_says_who_is_there() {
    let server = Server::start_with(|config| config.proxy_protocol = true);
    // From elsewhere the default user may not come in, which shows whose address counts.
    for (address, comes_in) in [("127.0.0.1", true), ("192.0.2.1", false)] {
        let mut client = Client::connect(&server.amqp);
        let line = format!("PROXY TCP4 {address} 192.0.2.2 1 2\r\n");
        client.stream.write_all(line.as_bytes()).unwrap();
        client.script.handshake("/", "guest", "guest");
        client.send();
        client.expect(MethodId::CONNECTION_START);
        let next = client.next().unwrap();
        let expected = if comes_in {
            MethodId::CONNECTION_TUNE
        } else {
            MethodId::CONNECTION_CLOSE
        };
        assert_eq!(next.id(), expected, "{:?}", next.method());
    }
    let mut silent = socket(&server.amqp);
    silent.write_all(PROTOCOL_HEADER).unwrap();
    let _ = silent.read_to_end(&mut Vec::new());
    drop(silent);
    server.until_connections(0);
}

#[test]
fn a_stop_tells_clients_and_keeps_what_is_durable() {
    let server = Server::start();
    let mut client = server.client();
    client.declare("durable", true);
    client.confirm();
    client.publish("durable", true, b"kept");
    client.send();
    client.until_confirmed(1);
    let amqp = server.amqp.clone();
    let stopping = std::thread::spawn(move || amqp.stop(super::client::PATIENCE));
    let close = client.expect(MethodId::CONNECTION_CLOSE);
    let closed = close.closed().unwrap();
    assert_eq!(closed.code, 320);
    assert!(closed.text.contains("shutdown"), "{closed:?}");
    let close_ok = trefoil_amqp::method::connection::CloseOk {};
    client
        .script
        .send(0, &trefoil_amqp::Method::ConnectionCloseOk(close_ok));
    client.send();
    client.expect_end();
    drop(client);
    stopping.join().unwrap();

    let server = server.restart();
    let mut client = server.client();
    client.consume("durable");
    assert_eq!(client.delivered(), b"kept");
}

#[test]
fn whoever_knocks_while_listening_is_suspended_is_refused() {
    // At an address where no other test takes the port that is free for a moment.
    let server = Server::start_with(|config| {
        config.listen = vec!["127.0.0.9:0".parse().unwrap()];
    });
    let mut client = server.client();
    let address = server.amqp.listening()[0].address;
    for _ in 0..3 {
        assert!(server.amqp.is_accepting());
        for _ in 0..2 {
            server.amqp.suspend();
            let refused = TcpStream::connect(address).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            let refused = server.amqp.open_local(address, address).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        }
        assert!(!server.amqp.is_accepting());
        // Those that are there stay.
        client.declare("q", false);
        for _ in 0..2 {
            server.amqp.resume().unwrap();
            // At the port that was chosen for port 0.
            assert_eq!(server.amqp.listening()[0].address, address);
            server.client().declare("q", false);
        }
    }
    server.amqp.stop(Duration::ZERO);
    server.amqp.resume().unwrap();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn an_address_that_somebody_took_meanwhile_is_named() {
    let server = Server::start_with(|config| {
        config.listen = vec!["127.0.0.10:0".parse().unwrap(); 2];
    });
    let addresses = server.amqp.listening();
    let (free, taken) = (addresses[0].address, addresses[1].address);
    server.amqp.suspend();
    let somebody = TcpListener::bind(taken).unwrap();
    let error = server.amqp.resume().unwrap_err();
    assert_eq!(error.address, taken);
    let text = error.to_string();
    assert!(text.starts_with(&format!("cannot listen on {taken}: ")));
    // All or none.
    assert!(!server.amqp.is_accepting());
    assert!(TcpStream::connect(free).is_err());
    drop(somebody);
    server.amqp.resume().unwrap();
    server.client().declare("q", false);
    assert!(TcpStream::connect(taken).is_ok());
}

#[test]
fn a_stopped_broker_takes_nobody_who_was_let_in_before() {
    let server = Server::start();
    // As a connection that was accepted right before the listeners were closed.
    server.amqp.with(|broker, now| broker.stop_app(now));
    let mut socket = socket(&server.amqp);
    assert_eq!(socket.read(&mut [0]).unwrap(), 0);
    server.until_connections(0);
    server.amqp.with(|broker, now| broker.start_app(now));
    server.client().declare("q", false);
}
