//! `trefoil ctl …`: rabbitmqctl's commands, options and outputs, also when the binary is called `rabbitmqctl`.
//!
//! `catalog` says which commands there are, `options` reads command lines as rabbitmqctl does (its options may stand
//! anywhere), `output` writes results in its formats, `api` talks to the management API of a running broker. The other
//! modules are the commands. Exit codes are rabbitmqctl's, which are those of `sysexits.h`.

mod access;
mod api;
mod catalog;
mod health;
mod help;
mod lists;
mod node;
mod operations;
mod options;
mod output;
mod settings;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use api::Api;
use catalog::{COMMANDS, Command};
use options::{Invocation, Options};
use output::Output;

/// Why a command failed, and what the process exits with.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    code: u8,
    message: String,
}

impl Fault {
    /// Wrong usage.
    const USAGE: u8 = 64;
    /// Wrong or missing data.
    const DATA: u8 = 65;
    /// No such user.
    const NO_USER: u8 = 67;
    /// The node cannot be reached, or refuses.
    const UNAVAILABLE: u8 = 69;
    /// It is there already, or a fault of the node.
    const SOFTWARE: u8 = 70;
    /// A file cannot be read or written.
    const NO_INPUT: u8 = 66;
    /// Not in time.
    const TIMEOUT: u8 = 75;

    fn new(code: u8, message: impl Into<String>) -> Fault {
        Fault {
            code,
            message: message.into(),
        }
    }

    fn usage(message: impl Into<String>) -> Fault {
        Fault::new(Fault::USAGE, message)
    }
}

/// What a command works with.
struct Context<'a> {
    api: Api,
    options: &'a Options,
    arguments: &'a [String],
}

impl Context<'_> {
    fn argument(&self, at: usize) -> &str {
        self.arguments.get(at).map_or("", String::as_str)
    }

    fn vhost(&self) -> &str {
        self.options.vhost()
    }

    /// What is being done, unless nobody wants to know.
    fn say(&self, text: &str) {
        if self.options.chatty() {
            println!("{text}");
        }
    }
}

/// Where the broker is when nobody says: its management listener.
const DEFAULT_URL: &str = "http://127.0.0.1:15672";

/// Runs one command line, without the name of the program. `url` is an address given to `trefoil` itself.
pub(crate) fn run(url: Option<&str>, arguments: &[String]) -> ExitCode {
    let invocation = match options::parse(arguments) {
        Ok(invocation) => invocation,
        Err(fault) => return refuse(&fault, arguments, None),
    };
    let Invocation {
        command,
        arguments: rest,
        options,
    } = &invocation;
    let Some(name) = command.as_deref() else {
        if options.has("version") {
            println!("{}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        print!("{}", help::overview());
        // Asking for help is no error; asking for nothing is.
        return ExitCode::from(if options.has("help") { 0 } else { Fault::USAGE });
    };
    if name == "help" {
        return help::run(rest.first().map(String::as_str));
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("\nCommand '{name}' not found. \n{}", help::overview());
        return ExitCode::from(Fault::USAGE);
    };
    if options.has("help") {
        print!("{}", help::of(command));
        return ExitCode::SUCCESS;
    }
    match execute(command, url, rest, options) {
        Ok(code) => code,
        Err(fault) => refuse(&fault, arguments, Some(command)),
    }
}

fn execute(
    command: &Command,
    url: Option<&str>,
    arguments: &[String],
    options: &Options,
) -> Result<ExitCode, Fault> {
    let (least, most) = command.arguments;
    if arguments.len() < least {
        return Err(Fault::usage("not enough arguments."));
    }
    if arguments.len() > most {
        return Err(Fault::usage("too many arguments."));
    }
    let context = Context {
        api: Api::new(options.address(url).unwrap_or(DEFAULT_URL), options)?,
        options,
        arguments,
    };
    let output: Output = (command.run)(&context)?;
    let text = output.render(options)?;
    write(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn write(text: &str) -> Result<(), Fault> {
    use std::io::Write as _;
    match std::io::stdout().write_all(text.as_bytes()) {
        // `ctl list_queues | head -1` is no failure.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Fault::new(
            Fault::UNAVAILABLE,
            format!("cannot write to standard output: {error}"),
        )),
        _ => Ok(()),
    }
}

/// Says why, as rabbitmqctl does: usage errors with the usage.
fn refuse(fault: &Fault, arguments: &[String], command: Option<&Command>) -> ExitCode {
    if fault.code == Fault::USAGE && command.is_some_and(|command| command.shows_usage(fault)) {
        eprintln!("Error (argument validation): {}", fault.message);
        eprintln!("Arguments given:\n\t{}", arguments.join(" "));
        if let Some(command) = command {
            eprint!("\n{}", help::usage(command));
        }
    } else {
        eprintln!("Error:\n{}", fault.message);
    }
    ExitCode::from(fault.code)
}
