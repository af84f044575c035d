use super::*;
use crate::method::basic;
use crate::{Properties, frame::Frame};

fn frames(mut octets: &[u8]) -> Vec<Frame<'_>> {
    let mut frames = Vec::new();
    while let Some(frame) = Frame::split(&mut octets, u32::MAX).unwrap() {
        frames.push(frame);
    }
    assert!(octets.is_empty());
    frames
}

#[test]
fn fast_encoders_write_what_the_general_one_writes() {
    const CHANNEL: ChannelNumber = ChannelNumber(0x0102);
    let long = "ü".repeat(200);
    for name in ["", "name", &long] {
        let general = Method::BasicDeliver(basic::Deliver {
            consumer_tag: name,
            delivery_tag: u64::MAX - 7,
            redelivered: true,
            exchange: name,
            routing_key: name,
        });
        let (mut slow, mut fast) = (vec![9], vec![9]);
        method(&mut slow, CHANNEL, &general);
        deliver(&mut fast, CHANNEL, name, u64::MAX - 7, true, name, name);
        assert_eq!(fast, slow);
    }
    for multiple in [false, true] {
        let (mut slow, mut fast) = (Vec::new(), Vec::new());
        method(
            &mut slow,
            CHANNEL,
            &Method::BasicAck(basic::Ack {
                delivery_tag: 0x0102_0304,
                multiple,
            }),
        );
        let nacked = basic::Nack {
            delivery_tag: 0x0102_0304,
            multiple,
            requeue: false,
        };
        method(&mut slow, CHANNEL, &Method::BasicNack(nacked));
        ack(&mut fast, CHANNEL, 0x0102_0304, multiple);
        nack(&mut fast, CHANNEL, 0x0102_0304, multiple);
        assert_eq!(fast, slow);
    }
}

#[test]
fn bodies_are_cut_by_the_largest_frame() {
    let check = |len: usize, frame_max: u32, parts: &[usize]| {
        let body: Vec<u8> = (0..len).map(|place| place as u8).collect();
        let mut header = Vec::new();
        Properties::default().encode(len as u64, &mut header);
        let mut out = Vec::new();
        content(&mut out, ChannelNumber(7), &header, &body, frame_max);
        let frames = frames(&out);
        assert!(frames.iter().all(|frame| frame.channel == 7));
        assert_eq!(
            (frames[0].kind, frames[0].payload),
            (frame::HEADER, header.as_slice())
        );
        assert!(frames[1..].iter().all(|frame| frame.kind == frame::BODY));
        let lengths: Vec<_> = frames[1..]
            .iter()
            .map(|frame| frame.payload.len())
            .collect();
        assert_eq!(lengths, parts, "{len} of {frame_max}");
        assert_eq!(
            frames[1..]
                .iter()
                .flat_map(|frame| frame.payload)
                .copied()
                .collect::<Vec<_>>(),
            body
        );
    };
    check(0, 4096, &[]);
    check(1, 4096, &[1]);
    check(4088, 4096, &[4088]);
    check(4089, 4096, &[4088, 1]);
    check(8176, 4096, &[4088, 4088]);
    check(200_000, 0, &[200_000]);
}

#[test]
fn heartbeat_is_an_empty_frame() {
    let mut out = Vec::new();
    heartbeat(&mut out);
    assert_eq!(out, [8, 0, 0, 0, 0, 0, 0, 0xCE]);
}
