//! What `trefoil ctl` needs and RabbitMQ's API does not have, below `/api/trefoil`. For administrators only.

use std::net::{IpAddr, Ipv4Addr};

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Answered, Call, Verb};
use crate::management::{
    answer::{Answer, Refused},
    body, node,
};

pub(super) fn route(call: &Call<'_>, path: &[&str]) -> Answered {
    call.caller.need_administrator()?;
    match (path, call.verb()) {
        (["authenticate"], Verb::Post) => authenticate(call),
        (["stop"], Verb::Post) => stop(call),
        (["start"], Verb::Post) => start(call),
        (["suspend"], Verb::Post) => {
            call.api.amqp.suspend();
            Ok(Answer::Done)
        }
        (["resume"], Verb::Post) => match call.look(|broker| broker.is_stopped()) {
            true => Err(unavailable("the broker is stopped: use start_app")),
            false => resume(call),
        },
        (["settings"], Verb::Get) => Ok(Answer::Json(settings(call))),
        (["settings"], Verb::Put) => change(call),
        (["authenticate" | "stop" | "start" | "suspend" | "resume"], _) => {
            Err(Refused::method("POST, OPTIONS"))
        }
        (["settings"], _) => Err(Refused::method("HEAD, GET, PUT, OPTIONS")),
        _ => Err(Refused::not_found()),
    }
}

/// Whether a login would be granted; not one over the network, so users of this machine only are.
fn authenticate(call: &Call<'_>) -> Answered {
    let object = call.request.object()?;
    body::need(&object, &["username", "password"])?;
    let name = body::text(&object, "username")?.unwrap_or_default();
    let password = body::text(&object, "password")?.unwrap_or_default();
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let found = call
        .api
        .amqp
        .with(|broker, _| broker.log_in(name, password.as_bytes(), local));
    match found {
        Some(_) => Ok(Answer::Json(json!({"status": "ok"}))),
        None => Err(Refused::new(
            StatusCode::FORBIDDEN,
            "refused",
            "invalid credentials",
        )),
    }
}

/// Nobody new comes in, everybody is told to go, what is transient is dropped. The process stays.
fn stop(call: &Call<'_>) -> Answered {
    call.api.amqp.suspend();
    call.change(|broker, now| {
        broker.stop_app(now);
        Ok(())
    })?;
    Ok(Answer::Done)
}

/// The broker goes on where it was stopped; not if nobody could reach it.
fn start(call: &Call<'_>) -> Answered {
    let amqp = &call.api.amqp;
    let was_stopped = amqp.with(|broker, now| {
        let was_stopped = broker.is_stopped();
        broker.start_app(now);
        was_stopped
    });
    let resumed = resume(call);
    if resumed.is_err() && was_stopped {
        amqp.with(|broker, now| broker.stop_app(now));
    }
    resumed
}

fn resume(call: &Call<'_>) -> Answered {
    match call.api.amqp.resume() {
        Ok(()) => Ok(Answer::Done),
        Err(error) => Err(unavailable(&error.to_string())),
    }
}

fn unavailable(reason: &str) -> Refused {
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", reason)
}

fn settings(call: &Call<'_>) -> Value {
    let amqp = &call.api.amqp;
    let (memory_high, memory) = amqp.memory();
    let (disk_free_min, disk_free) = amqp.disk();
    let (channel_max, loopback_users, alarms, stopped) = call.look(|broker| {
        (
            broker.channel_max(),
            broker.loopback_users(),
            broker.overview().alarms,
            broker.is_stopped(),
        )
    });
    json!({
        "node": call.api.config.node,
        "memory_high_watermark_bytes": memory_high,
        "memory_used_bytes": memory,
        "disk_free_limit_bytes": disk_free_min,
        "disk_free_bytes": disk_free,
        "memory_alarm": alarms.memory,
        "disk_alarm": alarms.disk,
        "channel_max": channel_max,
        "loopback_users": loopback_users,
        "stopped": stopped,
    })
}

/// Some of the settings, given anew.
fn change(call: &Call<'_>) -> Answered {
    let object = call.request.object()?;
    let settings: Vec<Setting> = object
        .iter()
        .map(|(name, value)| Setting::read(&object, name, value))
        .collect::<Result<_, _>>()?;
    for setting in settings {
        setting.apply(call);
    }
    Ok(Answer::Json(self::settings(call)))
}

/// A setting that can be changed while the broker runs.
enum Setting {
    MemoryHigh(u64),
    DiskFreeMin(u64),
    MemoryAlarm(bool),
    DiskAlarm(bool),
    ChannelMax(u16),
    LoopbackUsers(Vec<String>),
}

impl Setting {
    fn read(object: &Map<String, Value>, name: &str, value: &Value) -> Result<Self, Refused> {
        let wrong = || Refused::bad_request(format!("{name} cannot be {value}"));
        let share = || -> Result<u64, Refused> {
            let share = value
                .as_f64()
                .filter(|share| *share >= 0.0)
                .ok_or_else(wrong)?;
            // Nothing at all is what suites ask for to raise the alarm: one byte is as good.
            Ok(((node::memory_total() as f64 * share) as u64).max(1))
        };
        let bytes = || value.as_u64().ok_or_else(wrong);
        let flag = || Ok::<_, Refused>(body::flag(object, name)?.unwrap_or(false));
        Ok(match name {
            "memory_high_watermark" => Self::MemoryHigh(share()?),
            "memory_high_watermark_bytes" => Self::MemoryHigh(bytes()?),
            "disk_free_limit_bytes" => Self::DiskFreeMin(bytes()?),
            "disk_free_limit_of_memory" => Self::DiskFreeMin(share()?),
            "memory_alarm" => Self::MemoryAlarm(flag()?),
            "disk_alarm" => Self::DiskAlarm(flag()?),
            "channel_max" => {
                let number = value.as_u64().and_then(|number| u16::try_from(number).ok());
                Self::ChannelMax(number.ok_or_else(wrong)?)
            }
            "loopback_users" => Self::LoopbackUsers(body::tags(value)?),
            _ => return Err(Refused::bad_request(format!("there is no setting {name}"))),
        })
    }

    fn apply(self, call: &Call<'_>) {
        let amqp = &call.api.amqp;
        match self {
            Self::MemoryHigh(bytes) => amqp.set_memory_high(bytes),
            Self::DiskFreeMin(bytes) => amqp.set_disk_free_min(bytes),
            Self::MemoryAlarm(on) => {
                amqp.with(|broker, now| broker.set_operator_alarm(Some(on), None, now))
            }
            Self::DiskAlarm(on) => {
                amqp.with(|broker, now| broker.set_operator_alarm(None, Some(on), now))
            }
            Self::ChannelMax(number) => amqp.with(|broker, _| broker.set_channel_max(number)),
            Self::LoopbackUsers(users) => amqp.with(|broker, _| broker.set_loopback_users(users)),
        }
    }
}
