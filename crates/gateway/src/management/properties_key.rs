//! The last part of a binding's path: its key and its arguments in one word.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest as _, Sha256};
use trefoil_broker::inspect::BindingView;

/// What stays as it is in a key. `~` stands for "no key" and between a key and the hash of arguments, so it does not.
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// In a path the `~` between may stay.
const LAST: &AsciiSet = &KEY.remove(b'~');

/// `~` for no key and no arguments, else the key, and behind a `~` a hash of the arguments if there are any. Clients take it
/// from us and bring it back, so how it is made is our own affair.
pub(super) fn of(binding: &BindingView) -> String {
    let key = utf8_percent_encode(&binding.routing_key, KEY).to_string();
    if binding.arguments.is_empty() {
        return match key.is_empty() {
            true => "~".to_owned(),
            false => key,
        };
    }
    // Arguments are equal in any order.
    let mut members: Vec<Vec<u8>> = Vec::new();
    for (name, value) in binding.arguments.iter() {
        let mut bytes = name.to_vec();
        bytes.push(0);
        value.encode(&mut bytes);
        members.push(bytes);
    }
    members.sort();
    let digest = Sha256::digest(members.concat());
    format!("{key}~{}", URL_SAFE_NO_PAD.encode(&digest[..6]))
}

/// Whether a path means this binding. Keys that are as they came mean it too, if there are no arguments.
pub(super) fn fits(word: &str, binding: &BindingView) -> bool {
    word == of(binding)
        || binding.arguments.is_empty()
            && !word.contains('~')
            && percent_decode_str(word).eq(binding.routing_key.bytes())
}

/// Where a new binding is, relative to where it was asked for.
pub(super) fn location(binding: &BindingView) -> String {
    let destination = utf8_percent_encode(&binding.destination, KEY);
    let props = utf8_percent_encode(&of(binding), LAST).to_string();
    format!("{destination}/{props}")
}

#[cfg(test)]
mod tests {
    use trefoil_amqp::Table;
    use trefoil_broker::inspect::{BindingView, DestinationKind};

    use super::{fits, location, of};

    fn binding(key: &str, arguments: Table) -> BindingView {
        BindingView {
            vhost: "/".into(),
            source: "x".into(),
            destination_kind: DestinationKind::Queue,
            destination: "q 1".into(),
            routing_key: key.into(),
            arguments,
        }
    }

    #[test]
    fn keys_and_arguments_are_one_word() {
        assert_eq!(of(&binding("", Table::new())), "~");
        assert_eq!(of(&binding("a.#~", Table::new())), "a.%23%7E");
        let one = binding("k", Table::new().with("a", 1i64).with("b", 2i64));
        let other = binding("k", Table::new().with("b", 2i64).with("a", 1i64));
        assert_eq!(of(&one), of(&other));
        assert!(of(&one).starts_with("k~"));
        assert_ne!(of(&one), of(&binding("k", Table::new().with("a", 1i64))));
    }

    #[test]
    fn places_are_encoded_once_more() {
        assert_eq!(location(&binding("a.#", Table::new())), "q%201/a.%2523");
        assert_eq!(location(&binding("", Table::new())), "q%201/~");
    }

    #[test]
    fn a_key_as_it_came_is_understood() {
        let plain = binding("a.*", Table::new());
        assert!(fits("a.%2A", &plain) && fits("a.*", &plain));
        assert!(!fits("a", &plain) && !fits("~", &plain));
        let with = binding("a.*", Table::new().with("x", 1i64));
        assert!(!fits("a.*", &with) && fits(&of(&with), &with));
    }
}
