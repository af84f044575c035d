//! Encoders that append whole frames to a buffer, without intermediate values: the hot path of a broker.

use crate::frame::{self, FRAME_OVERHEAD, PREFIX};
use crate::wire::{put_short, short_prefix};
use crate::{ChannelNumber, Method, MethodId};

/// Appends one method frame.
pub fn method(out: &mut Vec<u8>, channel: ChannelNumber, method: &Method<'_>) {
    frame::put(out, frame::METHOD, channel.0, |out| method.encode(out));
}

/// Appends `basic.deliver`. Content has to follow.
#[inline]
pub fn deliver(
    out: &mut Vec<u8>,
    channel: ChannelNumber,
    consumer_tag: &str,
    delivery_tag: u64,
    redelivered: bool,
    exchange: &str,
    routing_key: &str,
) {
    let (consumer_tag, exchange, routing_key) = (
        short_prefix(consumer_tag),
        short_prefix(exchange),
        short_prefix(routing_key),
    );
    let size = 4 + 1 + consumer_tag.len() + 8 + 1 + 1 + exchange.len() + 1 + routing_key.len();
    out.reserve(PREFIX + size + 1);
    out.extend_from_slice(&method_prefix::<{ PREFIX + 4 }>(
        channel,
        size,
        MethodId::BASIC_DELIVER,
    ));
    put_short(out, consumer_tag.as_bytes());
    let mut fields = [0; 9];
    fields[..8].copy_from_slice(&delivery_tag.to_be_bytes());
    fields[8] = u8::from(redelivered);
    out.extend_from_slice(&fields);
    put_short(out, exchange.as_bytes());
    put_short(out, routing_key.as_bytes());
    out.push(frame::END);
}

/// Appends `basic.ack`: a publisher's confirm.
#[inline]
pub fn ack(out: &mut Vec<u8>, channel: ChannelNumber, delivery_tag: u64, multiple: bool) {
    settle(
        out,
        channel,
        MethodId::BASIC_ACK,
        delivery_tag,
        u8::from(multiple),
    );
}

/// Appends `basic.nack`: a publisher's message was refused.
#[inline]
pub fn nack(out: &mut Vec<u8>, channel: ChannelNumber, delivery_tag: u64, multiple: bool) {
    settle(
        out,
        channel,
        MethodId::BASIC_NACK,
        delivery_tag,
        u8::from(multiple),
    );
}

fn settle(
    out: &mut Vec<u8>,
    channel: ChannelNumber,
    method: MethodId,
    delivery_tag: u64,
    bits: u8,
) {
    const SIZE: usize = 4 + 8 + 1;
    let mut octets: [u8; PREFIX + SIZE + 1] = method_prefix(channel, SIZE, method);
    octets[PREFIX + 4..PREFIX + 12].copy_from_slice(&delivery_tag.to_be_bytes());
    octets[PREFIX + 12] = bits;
    octets[PREFIX + 13] = frame::END;
    out.extend_from_slice(&octets);
}

/// A method frame's beginning, as far as the method's number; what follows is 0.
#[inline]
fn method_prefix<const N: usize>(channel: ChannelNumber, size: usize, method: MethodId) -> [u8; N] {
    let mut octets = [0; N];
    octets[0] = frame::METHOD;
    octets[1..3].copy_from_slice(&channel.0.to_be_bytes());
    octets[3..PREFIX].copy_from_slice(&(size as u32).to_be_bytes());
    octets[PREFIX..PREFIX + 4].copy_from_slice(&method.to_bytes());
    octets
}

/// Appends a content header frame, whose payload is `header` as it is, and as many body frames as the largest frame asks
/// for. `frame_max` 0 is no limit.
#[inline]
pub fn content(
    out: &mut Vec<u8>,
    channel: ChannelNumber,
    header: &[u8],
    body: &[u8],
    frame_max: u32,
) {
    let body_max = match frame_max {
        0 => u32::MAX - FRAME_OVERHEAD,
        // A largest frame smaller than the overhead cannot be agreed on; progress is made even so.
        _ => frame_max.saturating_sub(FRAME_OVERHEAD).max(1),
    } as usize;
    let overhead = FRAME_OVERHEAD as usize;
    out.reserve(header.len() + overhead + body.len() + (body.len() / body_max + 1) * overhead);
    frame::put_payload(out, frame::HEADER, channel.0, header);
    for part in body.chunks(body_max) {
        frame::put_payload(out, frame::BODY, channel.0, part);
    }
}

/// Appends a heartbeat.
pub fn heartbeat(out: &mut Vec<u8>) {
    frame::put_payload(out, frame::HEARTBEAT, 0, &[]);
}

#[cfg(test)]
mod tests;
