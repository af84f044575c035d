//! What a message may be at most.

/// Bounds of what is read from a peer. The first three defaults are those of Apache Thrift's `TConfiguration`
/// (`doc/specs/thrift-tconfiguration.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a message; for transports without frames the only bound of one.
    pub message_max: usize,
    /// Bytes of a frame, its length not counted.
    pub frame_max: usize,
    /// Structs and containers within each other, the arguments' struct counted.
    pub depth_max: u32,
    /// Elements of a container. Beside it, a container never has more elements than the message has bytes left for them.
    pub container_max: u32,
    /// Bytes of a string or of binary data.
    pub string_max: usize,
    /// Bytes of all headers of a message with a header transport, or of HTTP.
    pub headers_max: usize,
    /// Bytes that a compressed message may have when it is inflated.
    pub inflated_max: usize,
    /// Bytes of a method's name, the service in front of it included.
    pub name_max: usize,
}

impl Limits {
    /// Deeper than this nothing is read, whatever [`depth_max`](Self::depth_max) says: a level costs up to 2 KiB of stack in
    /// a debug build.
    pub const DEPTH_MOST: u32 = 256;

    /// How deep may be read.
    pub(crate) const fn depth(&self) -> u32 {
        if self.depth_max < Self::DEPTH_MOST {
            self.depth_max
        } else {
            Self::DEPTH_MOST
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_max: 100 << 20,
            frame_max: 16_384_000,
            depth_max: 64,
            // Four bytes of memory for each byte of a message at most, whatever its elements become.
            container_max: 16_384_000,
            string_max: 100 << 20,
            headers_max: 64 << 10,
            inflated_max: 100 << 20,
            name_max: 4 << 10,
        }
    }
}
