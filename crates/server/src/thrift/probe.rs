//! Checks of instances: whether one answers, and in which dialect.
//!
//! A check is a call of a method that few services have. Any well-formed reply with the number that was sent passes, also an
//! exception for the unknown method: so providers need to know nothing of it.

mod wire;

use std::{
    path::Path,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::time::{Instant, sleep_until, timeout};
use trefoil_director::{
    NewInstance, Place, ThriftProtocol, ThriftTls, ThriftTransport,
    instances::{InstanceKey, ProbeOrder},
};
use trefoil_thrift::{
    connection::{Client, ClientEvent},
    framing::{Dialect, Protocol, Transport},
};

use super::{Shared, TlsWay, Way, address::Address, web};
use crate::tls::Authorities;
use wire::Wire;

/// What is called: a method that fb303 services have, and others do not mind.
const METHOD: &str = "getName";
/// Calls at a time on a connection to an instance that reads ahead.
const WINDOW: usize = 64;
/// How long to look for what is due at least, if nothing is said to be.
const LOOK_MS: u64 = 1_000;

/// Makes checks as they are due, until the endpoint is gone.
pub(super) async fn run(shared: Weak<Shared>) {
    let mut revision = 0;
    loop {
        let Some(alive) = shared.upgrade() else {
            return;
        };
        let now = alive.clock.steady_ms();
        let (orders, due) = {
            let mut instances = alive.instances();
            instances.handle_timeout(now);
            let orders: Vec<ProbeOrder> = std::iter::from_fn(|| instances.poll_probe()).collect();
            while let Some(event) = instances.poll_event() {
                tracing::info!(instance = %event.id, change = ?event.what, "instance");
            }
            if std::mem::replace(&mut revision, instances.revision()) != instances.revision() {
                // Ways to instances that were forgotten lead nowhere.
                alive
                    .lock(&alive.ways)
                    .retain(|key, _| instances.registered(*key).is_some());
            }
            (orders, instances.poll_timeout())
        };
        for order in orders {
            tokio::spawn(probe(shared.clone(), order));
        }
        let wait = due.map_or(LOOK_MS, |due| due.saturating_sub(now).min(LOOK_MS));
        let until = Instant::now() + Duration::from_millis(wait);
        tokio::select! {
            () = sleep_until(until) => {}
            () = alive.instances_changed.notified() => {}
        }
    }
}

async fn probe(shared: Weak<Shared>, order: ProbeOrder) {
    let patience = Duration::from_millis(order.timeout_ms);
    let Some((limits, authorities)) = shared
        .upgrade()
        .map(|shared| (shared.config.limits, Arc::clone(&shared.authorities)))
    else {
        return;
    };
    let known = shared
        .upgrade()
        .and_then(|shared| shared.way(order.key))
        .map(|way| way.dialect);
    let found = timeout(patience, find(&order.instance, known, limits, &authorities)).await;
    let found = found.unwrap_or_else(|_| Err("it does not answer in time".to_owned()));
    let Some(shared) = shared.upgrade() else {
        return;
    };
    if let Ok(way) = &found {
        remember(&shared, order.key, way.clone());
    }
    let now = shared.clock.steady_ms();
    let outcome = found.as_ref().map(drop).map_err(String::as_str);
    shared.instances().handle_probe(order.key, outcome, now);
    shared.instances_changed.notify_one();
}

fn remember(shared: &Shared, key: InstanceKey, way: Way) {
    let mut ways = shared.lock(&shared.ways);
    if ways.get(&key).is_none_or(|known| **known != way) {
        ways.insert(key, Arc::new(way));
    }
}

/// Finds a way to an instance on which it answers.
async fn find(
    instance: &NewInstance,
    known: Option<Dialect>,
    limits: trefoil_thrift::Limits,
    authorities: &Authorities,
) -> Result<Way, String> {
    let text = &instance.address;
    let place = Place::parse(text).ok_or_else(|| format!("its address `{text}` is none"))?;
    let tls = tls(instance, place, authorities)?;
    let web = web(instance, place);
    let addresses: Vec<Address> = match place {
        Place::Unix(path) => vec![Address::Unix(path.to_owned())],
        Place::Network(authority) | Place::Web { authority, .. } => {
            tokio::net::lookup_host(authority)
                .await
                .map_err(|error| format!("its address `{text}` is unknown: {error}"))?
                .map(Address::Ip)
                .collect()
        }
    };
    let mut last = format!("its address `{text}` has no numbers");
    for address in addresses {
        for dialect in dialects(instance, web.is_some(), known) {
            let way = Way {
                address: address.clone(),
                tls: tls.clone(),
                web: web.clone(),
                dialect,
                multiplex: instance.thrift.multiplex.clone(),
                is_pipelined: instance.thrift.is_pipelined,
                window: WINDOW,
            };
            match ask(&way, instance, limits).await {
                Ok(()) => return Ok(way),
                Err(Failed::Unreachable(reason)) => {
                    last = reason;
                    break;
                }
                Err(Failed::Misunderstood(reason)) => last = reason,
            }
        }
    }
    Err(last)
}

/// Whom to believe, if it is spoken to within TLS.
fn tls(
    instance: &NewInstance,
    place: Place<'_>,
    authorities: &Authorities,
) -> Result<Option<TlsWay>, String> {
    let is_secure = matches!(place, Place::Web { is_tls: true, .. });
    let said = instance.thrift.tls.clone();
    let Some(tls) = said.or_else(|| is_secure.then(ThriftTls::default)) else {
        return Ok(None);
    };
    let shown = tls.certificate.as_deref().zip(tls.key.as_deref());
    let shown = shown.map(|(certificate, key)| (Path::new(certificate), Path::new(key)));
    let config = authorities.config(tls.ca.as_deref().map(Path::new), shown);
    let config = config.map_err(|error| error.to_string())?;
    let name = tls.name.as_deref().or_else(|| place.host());
    let name = name.ok_or("TLS over a unix socket needs the name that the certificate is for")?;
    let name = rustls::pki_types::ServerName::try_from(name.to_owned());
    let name = name.map_err(|error| format!("no certificate can be for its name: {error}"))?;
    Ok(Some(TlsWay { config, name }))
}

/// Where calls are sent to, if it speaks HTTP or WebSocket.
fn web(instance: &NewInstance, place: Place<'_>) -> Option<web::Target> {
    let (path, is_websocket) = match (place, instance.thrift.transport) {
        (
            Place::Web {
                path, is_websocket, ..
            },
            _,
        ) => (path, is_websocket),
        (_, Some(ThriftTransport::Http)) => ("/", false),
        (_, Some(ThriftTransport::WebSocket)) => ("/", true),
        _ => return None,
    };
    Some(web::Target {
        authority: place.authority().unwrap_or("localhost").to_owned(),
        path: path.to_owned(),
        kind: match is_websocket {
            true => web::Kind::WebSocket,
            false => web::Kind::Post,
        },
    })
}

/// The dialects to be tried: the one that is said, the one that was found before, or all that are usual.
fn dialects(instance: &NewInstance, is_web: bool, known: Option<Dialect>) -> Vec<Dialect> {
    let said = instance.thrift.transport;
    let transport = said.filter(|_| !is_web).map(|transport| match transport {
        ThriftTransport::Framed => Transport::Framed,
        ThriftTransport::Header => Transport::Header,
        ThriftTransport::Buffered
        | ThriftTransport::Zlib
        | ThriftTransport::Http
        | ThriftTransport::WebSocket => Transport::Buffered,
    });
    // A body of HTTP is a message as it is.
    let transport = transport.or_else(|| is_web.then_some(Transport::Buffered));
    // It is not tried, but only spoken where it is said: few do.
    let is_zlib = !is_web && said == Some(ThriftTransport::Zlib);
    let protocol = instance.thrift.protocol.map(|protocol| match protocol {
        ThriftProtocol::Binary => Protocol::Binary,
        ThriftProtocol::Compact => Protocol::Compact,
        ThriftProtocol::Json => Protocol::Json,
    });
    let fits = |dialect: &Dialect| {
        transport.is_none_or(|wanted| wanted == dialect.transport)
            && protocol.is_none_or(|wanted| wanted == dialect.protocol)
            && dialect.is_zlib == is_zlib
    };
    let with_zlib = |dialect: Dialect| Dialect { is_zlib, ..dialect };
    if let (Some(transport), Some(protocol)) = (transport, protocol) {
        return vec![with_zlib(Dialect::new(transport, protocol))];
    }
    let rest = Dialect::PROBES.into_iter().map(with_zlib).filter(fits);
    let rest = rest.filter(|dialect| Some(*dialect) != known);
    known.into_iter().filter(fits).chain(rest).collect()
}

enum Failed {
    /// There is no connection.
    Unreachable(String),
    /// There is one, but nothing that answers in this dialect.
    Misunderstood(String),
}

/// Time for one dialect: a server that does not understand one mostly waits for more.
const ONE: Duration = Duration::from_millis(250);

async fn ask(
    way: &Way,
    instance: &NewInstance,
    limits: trefoil_thrift::Limits,
) -> Result<(), Failed> {
    let (address, dialect) = (&way.address, way.dialect);
    let mut wire = Wire::connect(address, way.tls.as_ref())
        .await
        .map_err(|error| Failed::Unreachable(format!("{address}: {error}")))?;
    let is_transport_sure = instance.thrift.transport.is_some() || way.web.is_some();
    let is_sure = is_transport_sure && instance.thrift.protocol.is_some();
    let patience = if is_sure {
        Duration::from_secs(60)
    } else {
        ONE
    };
    match timeout(patience, talk(&mut wire, way, limits)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err(Failed::Misunderstood(format!("{dialect}: {reason}"))),
        Err(_) => Err(Failed::Misunderstood(format!("{dialect}: it stays silent"))),
    }
}

async fn talk(wire: &mut Wire, way: &Way, limits: trefoil_thrift::Limits) -> Result<(), String> {
    let mut client = Client::new(way.dialect, way.multiplex.as_deref(), limits);
    let nothing: &[u8] = match way.dialect.protocol {
        Protocol::Json => b"{}",
        Protocol::Binary | Protocol::BinaryOld | Protocol::Compact => &[0],
    };
    client
        .call_raw(1, METHOD, false, &[], nothing)
        .map_err(|error| error.to_string())?;
    let mut output = Vec::new();
    let web = way.web.clone();
    let mut web = web.map(|to| web::Web::begin(to, way.dialect.protocol, &mut output));
    match &mut web {
        None => client.take_output(&mut output),
        Some(web) => {
            let mut message = Vec::new();
            client.take_output(&mut message);
            web.send(&message, &[], false, &mut output);
        }
    }
    let text = |error: std::io::Error| error.to_string();
    let (mut input, mut body) = (Vec::new(), Vec::new());
    loop {
        wire.send(&output).await.map_err(text)?;
        output.clear();
        if !wire.receive(&mut input).await.map_err(text)? {
            return Err("it closed the connection without an answer".to_owned());
        }
        match &mut web {
            None => body.append(&mut input),
            Some(web) => {
                let mut rest = &input[..];
                web.handle(&mut rest, &mut body, &mut output)
                    .map_err(|error| error.to_string())?;
                let taken = input.len() - rest.len();
                input.drain(..taken);
            }
        }
        let mut rest = &body[..];
        match client.poll_reply(&mut rest) {
            Some(ClientEvent::Reply(_)) => return Ok(()),
            Some(ClientEvent::Broken(broken)) => return Err(broken.error.to_string()),
            None if web.as_ref().is_some_and(web::Web::has_ended) => {
                return Err("it closed the WebSocket without an answer".to_owned());
            }
            None => {
                let taken = body.len() - rest.len();
                body.drain(..taken);
            }
        }
    }
}
