//! Connections, channels and consumers.

use serde_json::{Value, json};
use trefoil_broker::inspect::{ChannelView, ConnectionView, ConsumerView};

use super::{Answered, Call, Verb};
use crate::management::{
    answer::{Answer, Refused},
    format::{self, Numbers},
    listing::{List, Wanted},
};

/// What connections are told when nobody says why.
const CLOSED: &str = "Closed via management plugin";

fn numbers(call: &Call<'_>) -> Numbers {
    Numbers::of(call.request, call.api.amqp.now_ms())
}

/// Those who do not monitor see their own.
fn is_visible(call: &Call<'_>, user: &str) -> bool {
    call.caller.is_monitor() || call.caller.name() == user
}

fn answer(call: &Call<'_>, mut views: Vec<ConnectionView>) -> Answered {
    views.retain(|view| is_visible(call, &view.user));
    views.sort_by(|left, right| (&left.vhost, &left.name).cmp(&(&right.vhost, &right.name)));
    let (api, numbers) = (call.api.shared(), numbers(call));
    let list = List {
        items: views,
        name: |view: &ConnectionView| &*view.name,
        detail: move |views: &[ConnectionView]| {
            format::with(&api, numbers, views, |format, view| format.connection(view))
        },
    };
    list.answer(Wanted::of(call.request)?)
}

pub(super) fn list(call: &Call<'_>) -> Answered {
    answer(call, call.look(|broker| broker.connection_views()))
}

pub(super) fn of_vhost(call: &Call<'_>, vhost: &str) -> Answered {
    call.caller.need_sight(call.api, vhost)?;
    let mut views = call.look(|broker| broker.connection_views());
    views.retain(|view| &*view.vhost == vhost);
    answer(call, views)
}

fn find(call: &Call<'_>, name: &str) -> Result<ConnectionView, Refused> {
    let views = call.look(|broker| broker.connection_views());
    let found = views.into_iter().find(|view| &*view.name == name);
    let found = found.ok_or_else(Refused::not_found)?;
    match is_visible(call, &found.user) {
        true => Ok(found),
        false => Err(Refused::not_authorized(
            "User not authorised to access object",
        )),
    }
}

fn reason(call: &Call<'_>) -> String {
    let reason = call.request.header("x-reason");
    reason.map_or_else(|| CLOSED.to_owned(), |reason| reason.into_owned())
}

pub(super) fn one(call: &Call<'_>, name: &str) -> Answered {
    match call.verb() {
        Verb::Get => {
            let view = find(call, name)?;
            let documents = format::with(call.api, numbers(call), &[view], |format, view| {
                format.connection(view)
            });
            let document = documents.into_iter().next().unwrap_or(Value::Null);
            Ok(Answer::Json(Wanted::of(call.request)?.cut(document)))
        }
        Verb::Delete => {
            let view = find(call, name)?;
            if !call.caller.is_administrator() && call.caller.name() != &*view.user {
                return Err(Refused::not_authorized(
                    "User not authorised to access object",
                ));
            }
            let reason = reason(call);
            call.api
                .amqp
                .with(|broker, now| broker.close_connection_by_number(view.id, &reason, now));
            Ok(Answer::Done)
        }
        _ => Err(Refused::method("HEAD, GET, DELETE, OPTIONS")),
    }
}

pub(super) fn of_user(call: &Call<'_>, user: &str) -> Answered {
    if !is_visible(call, user) {
        return Err(Refused::not_authorized(
            "User not authorised to access object",
        ));
    }
    let mut views = call.look(|broker| broker.connection_views());
    views.retain(|view| &*view.user == user);
    match call.verb() {
        Verb::Get => answer(call, views),
        Verb::Delete => {
            if !call.caller.is_administrator() && call.caller.name() != user {
                return Err(Refused::not_authorized(
                    "User not authorised to access object",
                ));
            }
            let reason = reason(call);
            call.api.amqp.with(|broker, now| {
                for view in &views {
                    broker.close_connection_by_number(view.id, &reason, now);
                }
            });
            Ok(Answer::Done)
        }
        _ => Err(Refused::method("HEAD, GET, DELETE, OPTIONS")),
    }
}

/// Sessions of AMQP 1.0.
pub(super) fn sessions(call: &Call<'_>, name: &str) -> Answered {
    find(call, name)?;
    Ok(Answer::Json(json!([])))
}

fn answer_channels(call: &Call<'_>, keep: impl Fn(&ChannelView) -> bool) -> Answered {
    let mut views = call.look(|broker| broker.channel_views());
    views.retain(|view| keep(view) && is_visible(call, &view.user));
    views.sort_by(|left, right| {
        (&left.vhost, &left.connection_name, left.number).cmp(&(
            &right.vhost,
            &right.connection_name,
            right.number,
        ))
    });
    let (api, numbers) = (call.api.shared(), numbers(call));
    let list = List {
        items: views,
        name: |view: &ChannelView| &*view.connection_name,
        detail: move |views: &[ChannelView]| {
            format::with(&api, numbers, views, |format, view| format.channel(view))
        },
    };
    list.answer(Wanted::of(call.request)?)
}

pub(super) fn channels(call: &Call<'_>) -> Answered {
    answer_channels(call, |_| true)
}

pub(super) fn channels_of(call: &Call<'_>, name: &str) -> Answered {
    let connection = find(call, name)?.id;
    answer_channels(call, |view| view.connection == connection)
}

pub(super) fn channels_of_vhost(call: &Call<'_>, vhost: &str) -> Answered {
    call.caller.need_sight(call.api, vhost)?;
    answer_channels(call, |view| &*view.vhost == vhost)
}

pub(super) fn channel(call: &Call<'_>, name: &str) -> Answered {
    let (views, consumers) =
        call.look(|broker| (broker.channel_views(), broker.consumer_views(None)));
    let found = views
        .into_iter()
        .find(|view| format!("{} ({})", view.connection_name, view.number) == name);
    let view = found.ok_or_else(Refused::not_found)?;
    if !is_visible(call, &view.user) {
        return Err(Refused::not_authorized(
            "User not authorised to access object",
        ));
    }
    let documents = format::with(call.api, numbers(call), &[view], |format, view| {
        let own = consumers.iter().filter(|consumer| {
            consumer.connection == view.connection && consumer.channel == view.number
        });
        let own: Value = own.map(|consumer| format.consumer(consumer)).collect();
        let mut document = format.channel(view);
        document["consumer_details"] = own;
        document["deliveries"] = json!([]);
        document["publishes"] = json!([]);
        document
    });
    let document = documents.into_iter().next().unwrap_or(Value::Null);
    Ok(Answer::Json(Wanted::of(call.request)?.cut(document)))
}

pub(super) fn consumers(call: &Call<'_>, vhost: Option<&str>) -> Answered {
    if let Some(vhost) = vhost {
        call.caller.need_sight(call.api, vhost)?;
    }
    let mut views = call.look(|broker| broker.consumer_views(vhost));
    views.retain(|view| call.caller.sees(&view.vhost) && is_visible(call, &view.user));
    views.sort_by(|left, right| {
        (&left.vhost, &left.queue, &left.tag).cmp(&(&right.vhost, &right.queue, &right.tag))
    });
    let (api, numbers) = (call.api.shared(), numbers(call));
    let list = List {
        items: views,
        name: |view: &ConsumerView| &*view.tag,
        detail: move |views: &[ConsumerView]| {
            format::with(&api, numbers, views, |format, view| format.consumer(view))
        },
    };
    list.answer(Wanted::of(call.request)?)
}
