//! The last part of a binding's path: its key and its arguments in one word.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
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

/// Where a new binding is, relative to where it was asked for.
pub(super) fn location(binding: &BindingView) -> String {
    let destination = utf8_percent_encode(&binding.destination, KEY);
    let props = utf8_percent_encode(&of(binding), LAST).to_string();
    format!("{destination}/{props}")
}
