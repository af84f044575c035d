use super::*;

const MAX: usize = 1 << 20;

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Deflater::new().message(data, &mut out);
    out
}

/// Bytes that compress badly, always the same.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    (0..size)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        })
        .collect()
}

#[test]
fn messages_survive() {
    let mut inflater = MessageInflater::new();
    for size in [0, 1, 100, STEP - 1, STEP, STEP + 1, 5 * STEP, 300_000] {
        for data in [vec![b'x'; size], noise(size)] {
            let deflated = deflate(&data);
            assert_eq!(inflater.inflate(&deflated, MAX), Ok(data), "{size}");
        }
    }
}

#[test]
fn damaged_messages_are_refused() {
    let mut inflater = MessageInflater::new();
    let deflated = deflate(&noise(1000));
    for size in 0..deflated.len() {
        let fault = inflater.inflate(&deflated[..size], MAX).unwrap_err().fault;
        assert_eq!(fault, Fault::Truncated { missing: 1 });
    }
    let longer = [&deflated[..], b"more"].concat();
    let fault = inflater.inflate(&longer, MAX).unwrap_err().fault;
    assert_eq!(fault, Fault::LeftOver(4));
    let mut damaged = deflated.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let fault = inflater.inflate(&damaged, MAX).unwrap_err().fault;
    assert!(matches!(fault, Fault::Compression(_)), "{fault:?}");
    assert!(inflater.inflate(b"not zlib", MAX).is_err());
    assert!(inflater.inflate(&deflated, MAX).is_ok(), "it recovers");
}

#[test]
fn bombs_are_refused_early() {
    let bomb = deflate(&vec![0; 20 << 20]);
    assert!(bomb.len() < MAX);
    let malformed = MessageInflater::new().inflate(&bomb, MAX).unwrap_err();
    let Fault::OverLimit { found, limit, .. } = malformed.fault else {
        panic!("{malformed}");
    };
    assert_eq!(limit, MAX);
    assert!(found <= 2 * MAX + STEP, "{found} bytes were inflated");

    // A stream is inflated no faster than it is used.
    let mut inflater = StreamInflater::new();
    let mut input = &bomb[..];
    let refused = loop {
        match inflater.inflate(&mut input, MAX) {
            Ok(true) => assert!(inflater.plain().len() <= 2 * MAX + STEP),
            Ok(false) => panic!("the limit was not seen"),
            Err(malformed) => break malformed.fault,
        }
    };
    assert!(matches!(refused, Fault::OverLimit { .. }), "{refused:?}");
}

#[test]
fn each_part_of_a_stream_can_be_inflated_when_it_comes() {
    let mut deflater = Deflater::new();
    let mut inflater = StreamInflater::new();
    for size in [1, 100, 0, STEP, 3 * STEP + 1, 300_000, 5] {
        for data in [vec![b'x'; size], noise(size)] {
            let mut sent = Vec::new();
            deflater.stream(&data, &mut sent);
            let mut input = &sent[..];
            while inflater.inflate(&mut input, MAX).unwrap() {}
            assert_eq!(inflater.plain(), data, "{size}");
            assert!(input.is_empty());
            inflater.consume(data.len() / 2);
            inflater.consume(data.len() - data.len() / 2);
        }
    }
}

#[test]
fn nothing_comes_behind_the_end_of_a_stream() {
    let mut inflater = StreamInflater::new();
    let sent = [&deflate(b"message")[..], b"more"].concat();
    let mut input = &sent[..];
    assert_eq!(inflater.inflate(&mut input, MAX), Ok(true));
    assert_eq!(inflater.plain(), b"message");
    let fault = inflater.inflate(&mut input, MAX).unwrap_err().fault;
    assert_eq!(fault, Fault::LeftOver(4));
    assert_eq!(inflater.inflate(&mut &b""[..], MAX), Ok(false));
}
