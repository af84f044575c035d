//! Reads interface files and shows what is wrong with them. Without a file it makes one of 10,000 lines, and says how long
//! it takes to read.

use std::{env, fmt::Write as _, fs, time::Instant};

use trefoil_thrift::idl::{Sources, parse, render};

fn main() {
    let paths: Vec<_> = env::args().skip(1).collect();
    if paths.is_empty() {
        measure();
    }
    for path in paths {
        match fs::read_to_string(&path) {
            Ok(text) => {
                let mut sources = Sources::default();
                let file = sources.add(path, text);
                let mut diagnostics = Vec::new();
                let _ = parse(&sources, file, &mut diagnostics);
                print!("{}", render(&sources, &diagnostics, false));
            }
            Err(error) => eprintln!("{path}: {error}"),
        }
    }
}

fn measure() {
    let text = generated(10_000);
    println!("{} lines, {} bytes", text.lines().count(), text.len());
    let mut sources = Sources::default();
    let file = sources.add("generated.thrift", text);
    let mut times: Vec<_> = (0..50)
        .map(|_| {
            let start = Instant::now();
            let document = parse(&sources, file, &mut Vec::new());
            let time = start.elapsed();
            assert!(!document.definitions.is_empty());
            time
        })
        .collect();
    times.sort();
    println!(
        "fastest {:?}, median {:?}, slowest {:?}",
        times[0], times[25], times[49]
    );
}

/// A file as people write them: commented structs, enumerations, constants and services.
fn generated(lines: usize) -> String {
    let mut text = String::from("namespace py generated\n");
    let mut written = 1;
    for n in 0.. {
        if written >= lines {
            break;
        }
        let _ = write!(
            text,
            "/**\n * Number {n} of many.\n */\nstruct Order{n} {{\n  \
             /** Who ordered. */\n  1: required string customer (vt.min_size = \"1\"),\n  \
             2: optional list<map<string, i64>> amounts = [],\n  3: Color{n} color = Color{n}.RED; // see above\n  \
             4: optional Order{n} & next\n  5: double price = 12.5\n}}\n\n\
             enum Color{n} {{\n  RED = 1,\n  GREEN,\n  BLUE = 0x10\n}}\n\
             const map<string, list<i32>> TABLE{n} = {{\n  \"one\": [1, 2, 3],\n  'two': []\n}}\n\
             service Orders{n} {{\n  Order{n} get(1: i64 id) throws (1: NotFound e),\n  oneway void forget(1: i64 id)\n}}\n"
        );
        written += 25;
    }
    text
}
