use proptest::prelude::*;

use super::*;

fn check(custom: Option<&str>, line: &str, expected: Option<(f32, Option<&str>)>) {
    let mut parser = ProgressParser::new(custom).unwrap();
    let found = parser.push(line.as_bytes()).or_else(|| parser.finish());
    let found = found
        .as_ref()
        .map(|progress| (progress.fraction, progress.message.as_deref()));
    assert_eq!(found, expected, "{line:?}");
}

#[test]
fn the_documented_lines_are_progress() {
    for (line, fraction) in [
        ("[PROGRESS] 23%\n", 0.23),
        ("PROGRESS: 23 percent\n", 0.23),
        ("[progress] 3/10\n", 0.3),
        ("[PROGRESS] 0.3\n", 0.3),
        ("[PROGRESS]: 0.3\r\n", 0.3),
        ("  [Progress]12.5 %", 0.125),
        ("progress: .5", 0.5),
        ("[PROGRESS] 0", 0.0),
        ("[PROGRESS] 1", 1.0),
        ("[PROGRESS] 1.0", 1.0),
        ("[PROGRESS] 250%", 1.0),
        ("[PROGRESS] 12/10", 1.0),
        ("[PROGRESS] 1/0", 1.0),
    ] {
        check(None, line, Some((fraction, None)));
    }
}

#[test]
fn text_may_follow() {
    check(
        None,
        "[PROGRESS] 23% meshing the skull\n",
        Some((0.23, Some("meshing the skull"))),
    );
    check(
        None,
        "[PROGRESS] 3/10 - step three  \n",
        Some((0.3, Some("step three"))),
    );
    check(None, "[PROGRESS] 0.5: half\n", Some((0.5, Some("half"))));
}

#[test]
fn other_lines_are_not_progress() {
    for line in [
        "",
        "23%",
        "see [PROGRESS] 23%",
        "[PROGRESS]",
        "[PROGRESS] twenty",
        "[PROGRESS] 23",
        "[PROGRESS] 2.5",
        "[PROGRESS] -3%",
        "[PROGRESS] 0/0",
        "[PROGRESS] 0.3x",
        "[PROGRESS] 23 percentile",
        "progress 23%",
        "progression: 23%",
    ] {
        check(None, line, None);
    }
}

#[test]
fn a_service_has_its_own_expression() {
    check(
        Some(r"^Step (?<value>\d+/\d+): (?<message>.*)$"),
        "Step 2/8: solve",
        Some((0.25, Some("solve"))),
    );
    check(Some(r"(\d+)% done"), "now 40% done", Some((0.4, None)));
    check(Some(r"(\d+) *% done"), "now 1% done", Some((0.01, None)));
    check(
        Some(r"at (?<value>[\d.]+%?)"),
        "at 7.5%",
        Some((0.075, None)),
    );
    check(Some(r"at (?<value>[\d.]+)"), "at 0.75", Some((0.75, None)));
    check(Some(r"at (?<value>[\d.]+)"), "at 75", Some((0.75, None)));
    check(Some(r"at (.+)"), "at home", None);
    check(Some(r"at (.+)"), "[PROGRESS] 3%", None);
}

#[test]
fn expressions_that_cannot_work_are_refused() {
    assert!(matches!(
        ProgressParser::new(Some("(")),
        Err(ProgressRuleError::Regex(_))
    ));
    assert!(matches!(
        ProgressParser::new(Some("x{1000}{1000}()")),
        Err(ProgressRuleError::Regex(_))
    ));
    assert!(matches!(
        ProgressParser::new(Some("progress")),
        Err(ProgressRuleError::NoGroup)
    ));
}

#[test]
fn the_newest_of_several_counts() {
    let mut parser = ProgressParser::new(None).unwrap();
    let found = parser
        .push(b"[PROGRESS] 1%\nwork\r[PROGRESS] 2%\r[PROGRESS] 3")
        .unwrap();
    assert_eq!(found.fraction, 0.02);
    assert_eq!(parser.push(b"%").map(|found| found.fraction), None);
    assert_eq!(parser.finish().map(|found| found.fraction), Some(0.03));
}

#[test]
fn a_line_longer_than_the_limit_is_not_progress_and_not_kept() {
    let mut parser = ProgressParser::new(None).unwrap();
    let head = b"[PROGRESS] 5% ";
    assert!(parser.push(head).is_none());
    assert!(
        parser
            .push(&vec![b'x'; LONGEST_LINE - head.len()])
            .is_none()
    );
    assert!(parser.push(b"\n").is_some(), "exactly the limit");
    assert!(parser.push(head).is_none());
    assert!(
        parser
            .push(&vec![b'x'; LONGEST_LINE - head.len() + 1])
            .is_none()
    );
    assert!(parser.line.is_empty());
    assert!(parser.push(b"\n").is_none(), "one more");
    assert!(
        parser.push(b"[PROGRESS] 6%\n").is_some(),
        "the next line is a line again"
    );
}

proptest! {
    #[test]
    fn what_is_found_does_not_depend_on_the_cuts(
        lines in prop::collection::vec(prop_oneof![
            (0u32..200).prop_map(|n| format!("[PROGRESS] {n}%")),
            (0u32..9, 0u32..9).prop_map(|(a, b)| format!("progress: {a}/{b} x")),
            "[ -~]{0,40}",
            (4000usize..5000).prop_map(|n| format!("[PROGRESS] 1% {}", "y".repeat(n))),
        ], 0..12),
        cuts in prop::collection::vec(1usize..700, 1..40),
    ) {
        let log = lines.join("\n");
        let collect = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let mut parser = ProgressParser::new(None).unwrap();
            let mut found = Vec::new();
            for piece in pieces {
                parser.each(piece, &mut |progress| found.push(progress));
            }
            parser.each(b"\n", &mut |progress| found.push(progress));
            found
        };
        let whole = collect(&mut std::iter::once(log.as_bytes()));
        let mut rest = log.as_bytes();
        let mut cuts = cuts.into_iter().cycle();
        let pieces = collect(&mut std::iter::from_fn(|| {
            let (piece, after) = rest.split_at(cuts.next().unwrap().min(rest.len()));
            rest = after;
            (!piece.is_empty()).then_some(piece)
        }));
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn any_bytes_give_a_fraction_between_zero_and_one(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        custom in prop::option::of(Just("(.*)")),
    ) {
        let mut parser = ProgressParser::new(custom).unwrap();
        for found in [parser.push(&bytes), parser.finish()].into_iter().flatten() {
            prop_assert!((0.0..=1.0).contains(&found.fraction));
        }
    }
}
