//! Properties of messages as JSON, and back.

use serde_json::{Map, Value, json};
use trefoil_amqp::{Properties, Table, TableRef};

use super::{answer::Refused, arguments};

/// The properties in a content header. RabbitMQ shows none at all as an empty list; everybody reads both.
pub(super) fn to_json(header: &[u8]) -> Value {
    let Ok(properties) = Properties::parse(header) else {
        return json!([]);
    };
    let mut object = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            object.insert(name.to_owned(), value);
        }
    };
    let text = |octets: Option<&[u8]>| octets.map(|octets| Value::from(arguments::text(octets)));
    put("content_type", text(properties.content_type));
    put("content_encoding", text(properties.content_encoding));
    put("headers", properties.headers.map(arguments::ref_to_json));
    put("delivery_mode", properties.delivery_mode.map(Value::from));
    put("priority", properties.priority.map(Value::from));
    put("correlation_id", text(properties.correlation_id));
    put("reply_to", text(properties.reply_to));
    put("expiration", text(properties.expiration));
    put("message_id", text(properties.message_id));
    put("timestamp", properties.timestamp.map(Value::from));
    put("type", text(properties.kind));
    put("user_id", text(properties.user_id));
    put("app_id", text(properties.app_id));
    put("cluster_id", text(properties.cluster_id));
    match object.is_empty() {
        true => json!([]),
        false => Value::Object(object),
    }
}

/// The content header of a message with these properties and a body of this size.
pub(super) fn to_header(object: &Map<String, Value>, body_size: u64) -> Result<Vec<u8>, Refused> {
    let text = |name: &str| -> Result<Option<&[u8]>, Refused> {
        match object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.len() <= 255 => Ok(Some(text.as_bytes())),
            Some(_) => Err(Refused::bad_request(format!(
                "property {name} is a text of at most 255 bytes"
            ))),
        }
    };
    let small = |name: &str| -> Result<Option<u8>, Refused> {
        match object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64().and_then(|value| u8::try_from(value).ok()) {
                Some(value) => Ok(Some(value)),
                None => Err(Refused::bad_request(format!(
                    "property {name} is a number from 0 to 255"
                ))),
            },
        }
    };
    let timestamp = match object.get("timestamp") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_u64().ok_or_else(|| {
            Refused::bad_request("property timestamp is a number of seconds since 1970")
        })?),
    };
    let headers: Option<Table> = match object.get("headers") {
        None | Some(Value::Null) => None,
        Some(Value::Object(headers)) => Some(arguments::from_json(headers)?),
        Some(_) => return Err(Refused::bad_request("property headers is an object")),
    };
    let headers = headers.map(|headers| headers.to_bytes());
    let properties = Properties {
        content_type: text("content_type")?,
        content_encoding: text("content_encoding")?,
        headers: headers.as_deref().map(TableRef::from_bytes),
        delivery_mode: small("delivery_mode")?,
        priority: small("priority")?,
        correlation_id: text("correlation_id")?,
        reply_to: text("reply_to")?,
        expiration: text("expiration")?,
        message_id: text("message_id")?,
        timestamp,
        kind: text("type")?,
        user_id: text("user_id")?,
        app_id: text("app_id")?,
        cluster_id: text("cluster_id")?,
    };
    let mut header = Vec::new();
    properties.encode(body_size, &mut header);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{to_header, to_json};

    #[test]
    fn all_properties_come_back() {
        let properties = json!({
            "content_type": "text/plain", "content_encoding": "x", "headers": {"a": 1, "b": {"c": "d"}}, "delivery_mode": 2,
            "priority": 9, "correlation_id": "c", "reply_to": "r", "expiration": "60000", "message_id": "m",
            "timestamp": 1, "type": "t", "user_id": "guest", "app_id": "a", "cluster_id": "z",
        });
        let header = to_header(properties.as_object().unwrap(), 3).unwrap();
        assert_eq!(to_json(&header), properties);
    }

    #[test]
    fn no_properties_are_an_empty_list() {
        let header = to_header(json!({}).as_object().unwrap(), 0).unwrap();
        assert_eq!(to_json(&header), json!([]));
    }

    #[test]
    fn wrong_properties_are_refused() {
        for wrong in [
            json!({"delivery_mode": 300}),
            json!({"type": 1}),
            json!({"headers": []}),
        ] {
            assert!(to_header(wrong.as_object().unwrap(), 0).is_err(), "{wrong}");
        }
    }
}
