//! What `help` and `--help` say.

use std::{fmt::Write as _, process::ExitCode};

use super::{
    Fault,
    catalog::{COMMANDS, Command},
};

const OPTIONS: &str = "\
The following options are accepted by all commands.

short            | long           | description
-----------------|----------------|--------------------------------
-?               | --help         | displays command help
-n <node>        | --node <node>  | read for compatibility; an http:// address is used
-l               | --longnames    | read for compatibility
-t <seconds>     | --timeout <n>  | for commands that wait
-q               | --quiet        | no informational messages
-s               | --silent       | no informational messages, no table header
-p <vhost>       | --vhost        | for commands of a virtual host
                 | --formatter    | table, json, csv, pretty_table, erlang
                 | --no-table-headers | no table header
                 | --url          | address of the broker's HTTP API, also in TREFOIL_URL
                 | --username     | who asks, also in TREFOIL_USER; guest
                 | --password     | also in TREFOIL_PASSWORD; guest
";

/// How a command is called.
pub(super) fn usage(command: &Command) -> String {
    let line = format!("{} {}", command.name, command.usage);
    format!(
        "Usage\n\nrabbitmqctl [--node <node>] [--quiet] {}\n",
        line.trim_end()
    )
}

/// Everything about a command.
pub(super) fn of(command: &Command) -> String {
    format!(
        "\n{}\n{}.\n\n\nGeneral Options\n\n{OPTIONS}\n",
        usage(command),
        command.about
    )
}

/// All commands.
pub(super) fn overview() -> String {
    let mut text = String::from(
        "\nUsage\n\nrabbitmqctl [--node <node>] [--timeout <timeout>] [--quiet] <command> [<command options>]\n\nAvailable commands:\n",
    );
    let mut group = "";
    for command in COMMANDS {
        if command.group != group {
            group = command.group;
            let _ = write!(text, "\n{group}:\n\n");
        }
        let _ = writeln!(text, "   {:<29} {}", command.name, command.about);
    }
    text.push_str("\nUse 'rabbitmqctl help <command>' to learn more about a specific command\n");
    text
}

/// `help [COMMAND]`.
pub(super) fn run(name: Option<&str>) -> ExitCode {
    let Some(name) = name else {
        print!("{}", overview());
        return ExitCode::SUCCESS;
    };
    match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => {
            print!("{}", of(command));
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("\nCommand '{name}' not found. \n{}", overview());
            ExitCode::from(Fault::USAGE)
        }
    }
}
