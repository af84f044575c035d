//! Calls as bytes: built once, compared whole.

use trefoil_thrift::{WireType, Writer, protocol::BinaryWriter};

/// Bytes of a frame before its message.
pub(super) const LENGTH: usize = 4;
/// The first bytes of a strict binary message, without its kind.
const STRICT: u32 = 0x8001_0000;
const CALL: u32 = 1;
const REPLY: u32 = 2;

/// A call, and the only reply to it that is right: framed, strict binary.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    request: Vec<u8>,
    reply: Vec<u8>,
    /// Where the number of a message is in both.
    sequence: usize,
}

impl Exchange {
    /// A method that takes a struct as field 1 and returns it.
    pub(super) fn mirror(method: &str, payload: &[u8]) -> Self {
        Self {
            request: message(CALL, method, 1, payload),
            reply: message(REPLY, method, 0, payload),
            sequence: LENGTH + 4 + 4 + method.len(),
        }
    }

    /// Bytes of the call, its length included.
    pub(super) fn len(&self) -> usize {
        self.request.len()
    }

    /// Bytes of the reply, its length included.
    pub(super) fn reply_len(&self) -> usize {
        self.reply.len()
    }

    /// The call with a number.
    pub(super) fn request(&mut self, sequence: u32) -> &[u8] {
        self.request[self.sequence..self.sequence + 4].copy_from_slice(&sequence.to_be_bytes());
        &self.request
    }

    /// Whether a frame is the reply to the call with a number.
    pub(super) fn is_answered(&self, sequence: u32, frame: &[u8]) -> bool {
        let at = self.sequence;
        frame.len() == self.reply.len()
            && frame[..at] == self.reply[..at]
            && frame[at..at + 4] == sequence.to_be_bytes()
            && frame[at + 4..] == self.reply[at + 4..]
    }
}

fn message(kind: u32, method: &str, field: u8, payload: &[u8]) -> Vec<u8> {
    let length = 4 + 4 + method.len() + 4 + 3 + payload.len() + 1;
    let mut bytes = Vec::with_capacity(LENGTH + length);
    bytes.extend((length as u32).to_be_bytes());
    bytes.extend((STRICT | kind).to_be_bytes());
    bytes.extend((method.len() as u32).to_be_bytes());
    bytes.extend(method.as_bytes());
    bytes.extend([0; 4]);
    bytes.extend([WireType::Struct as u8, 0, field]);
    bytes.extend(payload);
    bytes.push(0);
    bytes
}

/// A `Payload` of `trefoil/mirror` whose text and data have so many bytes, with so many parts in it.
///
/// Maps have one entry: peers with hash tables would give more of them back in another order.
pub(super) fn payload(text: usize, data: usize, values: u32, parts: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(
        &mut BinaryWriter::new(&mut bytes),
        text,
        data,
        values,
        parts,
    );
    bytes
}

fn write(w: &mut BinaryWriter<'_>, text: usize, data: usize, values: u32, parts: u32) {
    let nest = w.struct_begin();
    w.field_begin(WireType::String, 1);
    w.string(&"the quick brown fox jumps over the lazy dog, ".repeat(text / 40 + 1)[..text]);
    w.field_end();
    w.field_begin(WireType::String, 2);
    w.binary(&(0..data).map(|at| at as u8).collect::<Vec<u8>>());
    w.field_end();
    w.field_begin(WireType::I64, 3);
    w.i64(1_234_567_890_123);
    w.field_end();
    w.field_begin(WireType::Double, 4);
    w.double(0.1);
    w.field_end();
    w.field_begin(WireType::Bool, 5);
    w.bool(true);
    w.field_end();
    w.field_begin(WireType::List, 6);
    w.list_begin(WireType::Double, values);
    for at in 0..values {
        w.double(f64::from(at) / 3.0);
    }
    w.list_end();
    w.field_end();
    w.field_begin(WireType::Map, 7);
    w.map_begin(WireType::String, WireType::String, 1);
    w.string("colour");
    w.string("green");
    w.map_end();
    w.field_end();
    if parts > 0 {
        w.field_begin(WireType::List, 8);
        w.list_begin(WireType::Struct, parts);
        for _ in 0..parts {
            write(w, 40, 0, 2, 0);
        }
        w.list_end();
        w.field_end();
    }
    w.struct_end(nest);
}

#[cfg(test)]
mod tests {
    use super::{Exchange, payload};

    #[test]
    fn only_the_right_reply_is_right() {
        let payload = payload(40, 32, 4, 1);
        let mut exchange = Exchange::mirror("echo", &payload);
        let mut reply = exchange.request(7).to_vec();
        assert!(!exchange.is_answered(7, &reply), "it is a call");
        reply[7] = 2;
        reply[22] = 0;
        assert!(exchange.is_answered(7, &reply));
        assert!(!exchange.is_answered(8, &reply));
        assert!(!exchange.is_answered(7, &reply[1..]));
        reply[60] ^= 1;
        assert!(!exchange.is_answered(7, &reply));
    }
}
