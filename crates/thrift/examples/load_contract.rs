//! Loads contracts and shows what is wrong with them. Without a file it makes one of 10,000 lines, and says how long it
//! takes to load.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::Path, time::Instant};

use trefoil_thrift::{
    idl::render,
    model::{Files, load},
};

struct Directory<'p>(&'p Path);

impl Files for Directory<'_> {
    fn read(&self, label: &str) -> Result<Option<Vec<u8>>, String> {
        match fs::read(self.0.join(label)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn main() {
    let paths: Vec<_> = env::args().skip(1).collect();
    if paths.is_empty() {
        measure();
    }
    for path in &paths {
        let path = Path::new(path);
        let directory = path.parent().unwrap_or_else(|| Path::new(""));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let start = Instant::now();
        let loaded = load(&name, &Directory(directory), &[]);
        println!("{}: loaded in {:?}", path.display(), start.elapsed());
        print!("{}", render(&loaded.sources, &loaded.diagnostics, false));
        if let Some(contract) = loaded.contract {
            println!(
                "{}: {} files, {} structs, {} services",
                path.display(),
                contract.files.len(),
                contract.schema.structs().count(),
                contract.schema.services().count(),
            );
        }
    }
}

fn measure() {
    let text = generated(10_000);
    println!("{} lines, {} bytes", text.lines().count(), text.len());
    let files = BTreeMap::from([("generated.thrift".to_owned(), text.into_bytes())]);
    let mut times: Vec<_> = (0..30)
        .map(|_| {
            let start = Instant::now();
            let loaded = load("generated.thrift", &files, &[]);
            let time = start.elapsed();
            assert!(loaded.contract.is_some(), "{:?}", loaded.diagnostics);
            time
        })
        .collect();
    times.sort();
    println!(
        "fastest {:?}, median {:?}, slowest {:?}",
        times[0], times[15], times[29]
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
            "/** Colors of kind {n}. */
enum Color{n} {{
  RED = 1,
  GREEN,
  BLUE,
}}
/**
 * Order number {n} of many.
 */
struct Order{n} {{
  /** Who ordered. */
  1: required string customer (vt.min_size = \"1\"),
  2: optional list<map<string, i64>> amounts = [],
  3: Color{n} color = Color{n}.RED; // see above
  4: list<Order{n}> parts
}}
const map<string, i32> LIMITS{n} = {{\"low\": 1, \"high\": {n}}}
exception Refused{n} {{
  1: string why
}}
service Orders{n} {{
  Order{n} find(1: i64 id, 2: Color{n} color) throws (1: Refused{n} refused)
  oneway void forget(1: i64 id)
}}
"
        );
        written += 28;
    }
    text
}
