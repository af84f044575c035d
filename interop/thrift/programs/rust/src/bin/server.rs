//! All methods of the contract with the Rust library. Prints its port.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use conformance::{Dialect, conformance::*};
use thrift::{
    OrderedFloat, Result,
    server::{TMultiplexedProcessor, TProcessor},
};

#[derive(Default)]
struct Handler {
    noted: Mutex<HashMap<String, i32>>,
}

impl BaseSyncHandler for Handler {
    fn handle_ping(&self) -> Result<()> {
        Ok(())
    }

    fn handle_describe(&self) -> Result<String> {
        Ok("rust".to_owned())
    }
}

macro_rules! echoes {
    ($($name:ident: $kind:ty),* $(,)?) => {
        $(fn $name(&self, value: $kind) -> Result<$kind> {
            Ok(value)
        })*
    };
}

impl ConformanceSyncHandler for Handler {
    echoes! {
        handle_echo_bool: bool,
        handle_echo_tiny: i8,
        handle_echo_short: i16,
        handle_echo_middle: i32,
        handle_echo_long: i64,
        handle_echo_double: OrderedFloat<f64>,
        handle_echo_string: String,
        handle_echo_binary: Vec<u8>,
        handle_echo_color: Color,
        handle_echo_moment: Moment,
        handle_echo_scalars: Scalars,
        handle_echo_spread: Spread,
        handle_echo_containers: Containers,
        handle_echo_choice: Choice,
        handle_echo_tree: Tree,
        handle_echo_chain: Chain,
        handle_echo_defaults: Defaults,
        handle_echo_optionals: Optionals,
        handle_echo_narrow: Narrow,
        handle_echo_everything: Everything,
        handle_echo_flags: Vec<bool>,
        handle_echo_list: Vec<i32>,
        handle_echo_set: BTreeSet<String>,
        handle_echo_map: BTreeMap<String, i32>,
        handle_echo_color_map: BTreeMap<Color, String>,
        handle_echo_long_map: BTreeMap<i64, String>,
        handle_echo_key_map: BTreeMap<Key, String>,
        handle_echo_nested: BTreeMap<String, Vec<BTreeSet<i32>>>,
    }

    /// The library has no defaults: this is what the contract says.
    fn handle_make_defaults(&self) -> Result<Defaults> {
        Ok(Defaults::new(
            true,
            42,
            "as it was".to_owned(),
            OrderedFloat(2.5),
            vec![1, 2, 3],
            Color::GREEN,
            7,
            "needed".to_owned(),
        ))
    }

    fn handle_collect(
        &self,
        small: Small,
        tiny: i8,
        color: Color,
        middle: i32,
        long_: i64,
        real: OrderedFloat<f64>,
        text: String,
        raw: Vec<u8>,
        short_: i16,
        words: Words,
        flag: bool,
    ) -> Result<Arguments> {
        Ok(Arguments::new(
            flag, tiny, short_, middle, long_, real, text, raw, color, words, small,
        ))
    }

    fn handle_attempt(&self, how: i32) -> Result<i32> {
        self.handle_demand(how).map(|()| 1)
    }

    fn handle_demand(&self, how: i32) -> Result<()> {
        match how {
            1 => Err(Refused::new("no".to_owned(), 7).into()),
            2 => {
                let detail = Small::new(1, "it".to_owned());
                Err(Broken::new(detail, vec!["a".to_owned(), "b".to_owned()]).into())
            }
            3 => Err("not declared".into()),
            _ => Ok(()),
        }
    }

    fn handle_note(&self, key: String, amount: i32) -> Result<()> {
        *self.noted.lock().unwrap().entry(key).or_default() += amount;
        Ok(())
    }

    fn handle_noted(&self, key: String) -> Result<i32> {
        let noted = self.noted.lock().unwrap();
        Ok(noted.get(&key).copied().unwrap_or_default())
    }
}

fn processor(dialect: &Dialect) -> Result<Box<dyn TProcessor + Send + Sync>> {
    let processor = ConformanceSyncProcessor::new(Handler::default());
    if dialect.multiplex.is_empty() {
        return Ok(Box::new(processor));
    }
    let mut several = TMultiplexedProcessor::new();
    several.register(dialect.multiplex.as_str(), Box::new(processor), false)?;
    Ok(Box::new(several))
}

/// As the library's server does it; that one does not say which port it has.
fn main() -> Result<()> {
    let dialect = Arc::new(Dialect::from_arguments());
    let processor: Arc<dyn TProcessor + Send + Sync> = Arc::from(processor(&dialect)?);
    let listener = TcpListener::bind(format!("127.0.0.1:{}", dialect.address))?;
    println!("{}", listener.local_addr()?.port());
    for stream in listener.incoming() {
        let (dialect, processor, stream) = (dialect.clone(), processor.clone(), stream?);
        thread::spawn(move || -> Result<()> {
            let (mut input, mut output) = dialect.serve(stream)?;
            loop {
                processor.process(&mut *input, &mut *output)?;
            }
        });
    }
    Ok(())
}
