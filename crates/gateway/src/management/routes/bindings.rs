//! Bindings.

use trefoil_amqp::{
    Method, Table, TableRef,
    method::{exchange, queue},
};
use trefoil_broker::inspect::{BindingView, DestinationKind};

use super::{Answered, Call, Verb, exchanges::real_name, queues::ordered};
use crate::management::{
    answer::{Answer, Refused},
    arguments, body, format,
    listing::{List, Wanted},
    properties_key,
};

/// Bindings have no names; what filters by name looks at where they lead.
fn answer(call: &Call<'_>, mut views: Vec<BindingView>) -> Answered {
    views.retain(|view| call.caller.sees(&view.vhost));
    let list = List {
        items: ordered(views),
        name: |view: &BindingView| &*view.destination,
        detail: |views: &[BindingView]| views.iter().map(format::binding).collect(),
    };
    list.answer(Wanted::of(call.request)?)
}

pub(super) fn list(call: &Call<'_>, vhost: Option<&str>) -> Answered {
    if let Some(vhost) = vhost {
        call.caller.need_sight(call.api, vhost)?;
    }
    answer(call, call.look(|broker| broker.binding_views(vhost)))
}

pub(super) fn of_queue(call: &Call<'_>, vhost: &str, name: &str) -> Answered {
    call.caller.need_sight(call.api, vhost)?;
    let views = call.look(|broker| broker.bindings_to(vhost, DestinationKind::Queue, name));
    // What is not there has no bindings: clients delete them "if there are any" by asking for this list first.
    answer(call, views.unwrap_or_default())
}

pub(super) fn of_exchange(call: &Call<'_>, vhost: &str, name: &str, is_source: bool) -> Answered {
    call.caller.need_sight(call.api, vhost)?;
    let name = real_name(name);
    let views = call.look(|broker| match is_source {
        true => broker.bindings_from(vhost, name),
        false => broker.bindings_to(vhost, DestinationKind::Exchange, name),
    });
    answer(call, views.unwrap_or_default())
}

/// The two ends of a path.
struct Ends<'a> {
    vhost: &'a str,
    source: &'a str,
    kind: DestinationKind,
    destination: &'a str,
}

impl<'a> Ends<'a> {
    fn new(vhost: &'a str, source: &'a str, kind: &str, destination: &'a str) -> Self {
        Self {
            vhost,
            source: real_name(source),
            kind: match kind {
                "e" => DestinationKind::Exchange,
                _ => DestinationKind::Queue,
            },
            destination,
        }
    }

    /// What is between them.
    fn views(&self, call: &Call<'_>) -> Result<Vec<BindingView>, Refused> {
        let views = call.look(|broker| {
            broker.exchange_view(self.vhost, self.source)?;
            broker.bindings_to(self.vhost, self.kind, self.destination)
        });
        let mut views = views.ok_or_else(Refused::not_found)?;
        views.retain(|view| &*view.source == self.source);
        Ok(views)
    }

    fn bind(
        &self,
        call: &Call<'_>,
        key: &str,
        table: &Table,
        is_added: bool,
    ) -> Result<(), Refused> {
        let table = table.to_bytes();
        let arguments = TableRef::from_bytes(&table);
        let (source, destination) = (self.source, self.destination);
        let (routing_key, no_wait) = (key, false);
        let method = match (self.kind, is_added) {
            (DestinationKind::Queue, true) => Method::QueueBind(queue::Bind {
                ticket: 0,
                queue: destination,
                exchange: source,
                routing_key,
                no_wait,
                arguments,
            }),
            (DestinationKind::Queue, false) => Method::QueueUnbind(queue::Unbind {
                ticket: 0,
                queue: destination,
                exchange: source,
                routing_key,
                arguments,
            }),
            (DestinationKind::Exchange, true) => Method::ExchangeBind(exchange::Bind {
                ticket: 0,
                destination,
                source,
                routing_key,
                no_wait,
                arguments,
            }),
            (DestinationKind::Exchange, false) => Method::ExchangeUnbind(exchange::Unbind {
                ticket: 0,
                destination,
                source,
                routing_key,
                no_wait,
                arguments,
            }),
        };
        call.change(|broker, now| broker.perform(&call.caller.user, self.vhost, &method, now))?;
        Ok(())
    }
}

pub(super) fn between(
    call: &Call<'_>,
    vhost: &str,
    source: &str,
    kind: &str,
    destination: &str,
) -> Answered {
    let ends = Ends::new(vhost, source, kind, destination);
    match call.verb() {
        Verb::Get => {
            call.caller.need_sight(call.api, vhost)?;
            answer(call, ends.views(call)?)
        }
        Verb::Post => {
            call.caller.need_vhost(call.api, vhost)?;
            let object = call.request.object()?;
            let key = body::text(&object, "routing_key")?.unwrap_or_default();
            let table = arguments::from_json(&body::arguments(&object)?)?;
            ends.bind(call, key, &table, true)?;
            let view = BindingView {
                vhost: vhost.into(),
                source: ends.source.into(),
                destination_kind: ends.kind,
                destination: destination.into(),
                routing_key: key.into(),
                arguments: table,
            };
            Ok(Answer::Created(Some(properties_key::location(&view))))
        }
        _ => Err(Refused::method("HEAD, GET, POST, OPTIONS")),
    }
}

pub(super) fn one(
    call: &Call<'_>,
    vhost: &str,
    source: &str,
    kind: &str,
    destination: &str,
    key: &str,
) -> Answered {
    let ends = Ends::new(vhost, source, kind, destination);
    let find = || -> Result<BindingView, Refused> {
        let views = ends.views(call)?;
        let found = views
            .into_iter()
            .find(|view| properties_key::fits(key, view));
        found.ok_or_else(Refused::not_found)
    };
    match call.verb() {
        Verb::Get => {
            call.caller.need_sight(call.api, vhost)?;
            Ok(Answer::Json(format::binding(&find()?)))
        }
        Verb::Delete => {
            call.caller.need_vhost(call.api, vhost)?;
            let view = find()?;
            ends.bind(call, &view.routing_key, &view.arguments, false)?;
            Ok(Answer::Done)
        }
        _ => Err(Refused::method("HEAD, GET, DELETE, OPTIONS")),
    }
}
