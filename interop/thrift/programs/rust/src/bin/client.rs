//! All checks with the Rust library, against the server at an address.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    process::{self, ExitCode},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use conformance::{
    Dialect, Input, Output,
    conformance::*,
    newer::{LaterSyncClient, TLaterSyncClient as _, Wide},
};
use thrift::{ApplicationErrorKind, Error, OrderedFloat};

type Failure = Box<dyn std::error::Error>;
type Outcome = Result<(), Failure>;
type Client = ConformanceSyncClient<Input, Output>;

fn clip(text: impl Debug) -> String {
    format!("{text:?}").chars().take(300).collect()
}

fn same<T: PartialEq + Debug>(found: T, wanted: T) -> Outcome {
    if found == wanted {
        return Ok(());
    }
    Err(format!("{} is not {}", clip(found), clip(wanted)).into())
}

fn echoes<T: PartialEq + Debug + Clone>(
    mut call: impl FnMut(T) -> thrift::Result<T>,
    values: impl IntoIterator<Item = T>,
) -> Outcome {
    for value in values {
        same(call(value.clone())?, value)?;
    }
    Ok(())
}

fn refused<T: Debug>(result: thrift::Result<T>) -> Outcome {
    match result {
        Err(Error::User(error)) => {
            let wanted = Refused::new("no".to_owned(), 7);
            same(error.downcast_ref::<Refused>(), Some(&wanted))
        }
        other => Err(format!("{other:?} instead of Refused").into()),
    }
}

fn broken<T: Debug>(result: thrift::Result<T>) -> Outcome {
    match result {
        Err(Error::User(error)) => {
            let steps = vec!["a".to_owned(), "b".to_owned()];
            let wanted = Broken::new(Small::new(1, "it".to_owned()), steps);
            same(error.downcast_ref::<Broken>(), Some(&wanted))
        }
        other => Err(format!("{other:?} instead of Broken").into()),
    }
}

fn application<T: Debug>(result: thrift::Result<T>) -> Result<ApplicationErrorKind, Failure> {
    match result {
        Err(Error::Application(error)) => Ok(error.kind),
        other => Err(format!("{other:?} instead of an application error").into()),
    }
}

fn text(value: &str) -> String {
    value.to_owned()
}

fn texts<C: FromIterator<String>>(values: &[&str]) -> C {
    values.iter().map(|value| text(value)).collect()
}

fn map<K: Ord, V, const N: usize>(pairs: [(K, V); N]) -> BTreeMap<K, V> {
    BTreeMap::from(pairs)
}

fn every_byte() -> Vec<u8> {
    (0..=255).collect()
}

/// The constants of the contract, which the compiler does not write for Rust.
fn extremes() -> Scalars {
    Scalars::new(
        true,
        false,
        -128,
        -32768,
        -2_147_483_647,
        9_007_199_254_740_991,
        OrderedFloat(-1234.5),
        text("Ünïcödé 𝄞 \"quoted\" back\\slash\nline\ttab"),
        b"raw".to_vec(),
        Color::BLUE,
        -1,
    )
}

fn spread() -> Spread {
    Spread::new(-1, true, text("sixteen"), None, true, 5)
}

fn containers() -> Containers {
    Containers::new(
        vec![0, -1, 1, 9_007_199_254_740_991, -9_007_199_254_740_991],
        texts::<BTreeSet<_>>(&["one", "two", "", "drei"]),
        map([(text("a"), 1), (text("b"), -2), (text("zwölf"), 12)]),
        map([(Color::RED, text("red")), (Color::BLUE, text("blue"))]),
        map([
            (text("x"), vec![BTreeSet::from([1, 2, 3]), BTreeSet::new()]),
            (text("y"), vec![]),
            (text("z"), vec![BTreeSet::from([-1])]),
        ]),
        vec![texts(&["a", "b"]), vec![], texts(&[""])],
        vec![Small::new(1, text("one")), Small::new(2, text("two"))],
        map([
            (1, map([(2, Small::new(3, text("four")))])),
            (5, BTreeMap::new()),
        ]),
        BTreeSet::from([Color::GREEN, Color::BLUE]),
        vec![
            map([
                (text("pi"), OrderedFloat(3.25)),
                (text("e"), OrderedFloat(-2.75)),
            ]),
            BTreeMap::new(),
        ],
        texts::<Vec<_>>(&["x", "y"]),
        vec![b"b1".to_vec(), vec![], b"b2".to_vec()],
    )
}

fn empty() -> Containers {
    Containers::new(
        vec![],
        BTreeSet::new(),
        BTreeMap::new(),
        BTreeMap::new(),
        BTreeMap::new(),
        vec![],
        vec![],
        BTreeMap::new(),
        BTreeSet::new(),
        vec![],
        vec![],
        vec![],
    )
}

fn defaults() -> Defaults {
    let numbers = vec![1, 2, 3];
    let real = OrderedFloat(2.5);
    Defaults::new(
        true,
        42,
        text("as it was"),
        real,
        numbers,
        Color::GREEN,
        7,
        text("needed"),
    )
}

/// The checks in the order in which they run: name, what it does.
#[rustfmt::skip]
const CHECKS: &[(&str, fn(&Dialect, &mut Client) -> Outcome)] = &[
    ("ping", |_, c| Ok(c.ping()?)),
    ("describe", |_, c| same(c.describe()?.is_empty(), false)),
    ("bools", |_, c| echoes(|v| c.echo_bool(v), [true, false])),
    ("tiny", |_, c| echoes(|v| c.echo_tiny(v), [0, 1, -1, i8::MAX, i8::MIN])),
    ("short", |_, c| echoes(|v| c.echo_short(v), [0, 1, -1, i16::MAX, i16::MIN])),
    ("middle", |_, c| echoes(|v| c.echo_middle(v), [0, 1, -1, i32::MAX, i32::MIN])),
    ("long", |_, c| {
        echoes(|v| c.echo_long(v), [0, 1, -1, 1 << 53, -(1 << 53) - 1, i64::MAX, i64::MIN])?;
        echoes(|v| c.echo_moment(v), [1_700_000_000_000])
    }),
    ("doubles", |_, c| echoes(|v| c.echo_double(v), [0.0, 1.5, -1e300, 5e-324, f64::MAX, 0.1].map(OrderedFloat))),
    ("special_doubles", |_, c| echoes(|v| c.echo_double(v), [f64::INFINITY, f64::NEG_INFINITY, f64::NAN].map(OrderedFloat))),
    ("negative_zero", |_, c| same(c.echo_double(OrderedFloat(-0.0))?.to_bits(), (-0.0_f64).to_bits())),
    ("strings", |_, c| echoes(|v| c.echo_string(v), ["", "plain", "Ünïcödé 漢字 𝄞", "a \"quote\", a back\\slash and a /"].map(text))),
    ("control_characters", |_, c| echoes(|v| c.echo_string(v), ["\n\t\r\u{8}\u{c}", "\x01\x1f\x7f"].map(text))),
    ("nul_character", |_, c| echoes(|v| c.echo_string(v), [text("nul\0inside")])),
    ("binaries", |_, c| echoes(|v| c.echo_binary(v), [vec![], vec![0], vec![255, 254], every_byte()])),
    ("large_string", |_, c| echoes(|v| c.echo_string(v), ["0123456789abcdeü".repeat(65536)])),
    ("large_binary", |_, c| echoes(|v| c.echo_binary(v), [every_byte().repeat(4096)])),
    ("enums", |_, c| echoes(|v| c.echo_color(v), [Color::RED, Color::GREEN, Color::BLUE])),
    ("scalars", |_, c| echoes(|v| c.echo_scalars(v), [extremes()])),
    ("spread", |_, c| echoes(|v| c.echo_spread(v), [spread()])),
    ("containers", |_, c| echoes(|v| c.echo_containers(v), [containers()])),
    ("empty_containers", |_, c| {
        echoes(|v| c.echo_containers(v), [empty()])?;
        echoes(|v| c.echo_list(v), [vec![]])?;
        echoes(|v| c.echo_set(v), [BTreeSet::new()])?;
        echoes(|v| c.echo_map(v), [BTreeMap::new()])
    }),
    ("lists", |_, c| echoes(|v| c.echo_list(v), [vec![1], (0..14).collect(), (0..15).collect(), (-8..8).collect()])),
    ("flags", |_, c| echoes(|v| c.echo_flags(v), [vec![true], vec![false], vec![true, false, true, true, false]])),
    ("long_list", |_, c| echoes(|v| c.echo_list(v), [(0..50_000).map(|number| number * 7919).collect()])),
    ("sets", |_, c| echoes(|v| c.echo_set(v), [texts(&["a"]), texts(&["", "b", "ü"])])),
    ("maps", |_, c| echoes(|v| c.echo_map(v), [map([(text("a"), 1)]), map([(text("b"), 0), (text("zwölf"), 12), (text("\""), -1)])])),
    ("empty_key", |_, c| echoes(|v| c.echo_map(v), [map([(text(""), 1)]), map([(text(""), 0), (text("b"), 2)])])),
    ("enum_keys", |_, c| echoes(|v| c.echo_color_map(v), [map([(Color::RED, text("red")), (Color::BLUE, text("blue"))])])),
    ("long_keys", |_, c| echoes(|v| c.echo_long_map(v), [map([(0, text("zero")), (-1, text("before")), (i64::MAX, text("last")), (i64::MIN, text("first"))])])),
    ("struct_keys", |_, c| echoes(|v| c.echo_key_map(v), [map([(Key::new(1, text("one")), text("1")), (Key::new(2, text("")), text("2"))])])),
    ("nested", |_, c| echoes(|v| c.echo_nested(v), [map([
        (text("x"), vec![BTreeSet::from([1, 2]), BTreeSet::new()]),
        (text("z"), vec![]),
        (text("y"), vec![BTreeSet::from([-1])]),
    ])])),
    ("unions", |_, c| echoes(|v| c.echo_choice(v), [
        Choice::Text(text("a")),
        Choice::Number(-(1 << 40)),
        Choice::Small(Small::new(1, text("b"))),
        Choice::Numbers(vec![1, 2]),
        Choice::Flag(false),
    ])),
    ("recursion", recursion),
    ("everything", |_, c| echoes(|v| c.echo_everything(v), [Everything::new(
        extremes(),
        containers(),
        Choice::Text(text("chosen")),
        Tree::new(text("root"), vec![]),
        spread(),
        None,
        vec![Choice::Number(1), Choice::Flag(true)],
    )])),
    ("defaults", |_, c| {
        echoes(|v| c.echo_defaults(v), [defaults()])?;
        same(c.make_defaults()?, defaults())
    }),
    ("optionals", |_, c| echoes(|v| c.echo_optionals(v), [
        Optionals::new(None, None, None, None, None, 1),
        Optionals::new(false, 0, text(""), vec![], Small::new(0, text("")), 0),
    ])),
    ("arguments", |_, c| {
        let small = Small::new(10, text("ten"));
        let real = OrderedFloat(0.5);
        let found = c.collect(small.clone(), -1, Color::GREEN, -3, 4, real, text("six"), vec![7], 2, texts(&["nine"]), true)?;
        same(found, Arguments::new(true, -1, 2, -3, 4, real, text("six"), vec![7], Color::GREEN, texts::<Vec<_>>(&["nine"]), small))
    }),
    ("exceptions", |_, c| {
        same(c.attempt(0)?, 1)?;
        refused(c.attempt(1))?;
        broken(c.attempt(2))
    }),
    ("void_exceptions", |_, c| {
        c.demand(0)?;
        refused(c.demand(1))?;
        broken(c.demand(2))?;
        Ok(c.demand(0)?)
    }),
    ("undeclared_exception", |_, c| application(c.demand(3)).map(|_| ())),
    ("unknown_method", |dialect, _| {
        let mut later = later(dialect)?;
        // The connection can still be used after the first.
        for sent in ["x", "y"] {
            same(application(later.added(text(sent)))?, ApplicationErrorKind::UnknownMethod)?;
        }
        Ok(())
    }),
    ("unknown_fields", |dialect, c| {
        let inner = Wide::new(4, vec![], text("five"), None, true);
        let value = Wide::new(1, vec![map([(2, text("three"))])], text("text"), Box::new(inner), true);
        let found = later(dialect)?.echo_narrow(value)?;
        same((found.number, found.text), (Some(1), Some(text("text"))))?;
        echoes(|v| c.echo_narrow(v), [Narrow::new(2, text("narrow"))])
    }),
    ("oneway", |_, c| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        let key = format!("rust-{}-{now}", process::id());
        for amount in 1..=3 {
            c.note(key.clone(), amount)?;
        }
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            let noted = c.noted(key.clone())?;
            if noted == 6 {
                return Ok(());
            }
            if Instant::now() > end {
                return same(noted, 6);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }),
    ("sequence", |_, c| echoes(|v| c.echo_middle(v), 0..100)),
];

fn later(dialect: &Dialect) -> Result<LaterSyncClient<Input, Output>, Failure> {
    let (input, output) = dialect.connect()?;
    Ok(LaterSyncClient::new(input, output))
}

fn recursion(_: &Dialect, c: &mut Client) -> Outcome {
    let mut tree = Tree::new(text("leaf"), vec![]);
    let mut chain: Option<Box<Chain>> = None;
    for level in 0..20 {
        let side = Tree::new(text("side"), vec![]);
        tree = Tree::new(
            format!("level {level}"),
            vec![Box::new(tree), Box::new(side)],
        );
        chain = Some(Box::new(Chain::new(level, chain)));
    }
    echoes(|v| c.echo_tree(v), [tree])?;
    echoes(|v| c.echo_chain(v), chain.map(|chain| *chain))
}

/// What is said here has neither quotes nor control characters left.
fn quoted(text: &str) -> String {
    let plain = text.chars().map(|char| match char {
        '"' => '\'',
        '\\' => '/',
        ' '..='~' => char,
        _ => '?',
    });
    format!("\"{}\"", plain.collect::<String>())
}

fn main() -> ExitCode {
    let dialect = Dialect::from_arguments();
    let open = || {
        let (input, output) = dialect.connect().expect("the server can be reached");
        ConformanceSyncClient::new(input, output)
    };
    let mut client = open();
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        if let Err(error) = check(&dialect, &mut client) {
            failed.push(format!("{}:{}", quoted(name), quoted(&error.to_string())));
            // What is left on the connection is unknown.
            client = open();
        }
    }
    let count = CHECKS.len();
    println!("{{\"checks\":{count},\"failed\":{{{}}}}}", failed.join(","));
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
