//! Load tools: they start a real `trefoil up`, load it over HTTP as a client would, and measure it from outside.
//!
//! `trefoil-bench jobs` measures the job engine and, side by side, other job engines on the same machine in the same run;
//! `trefoil-bench amqp` the broker and a real RabbitMQ; `trefoil-bench thrift` calls, beside C++, volo and Envoy. Entry types of the first: [`server::Server`] is a platform under load,
//! [`http::Connection`] the client, [`report::Report`] what was found; [`amqp`] has its own. The tool must never need more than a fraction of the CPU that it measures, so bodies are built once, answers
//! are counted rather than parsed, and its own share is part of the report.
#![forbid(unsafe_code)]

mod amqp;
mod disk;
mod histogram;
mod http;
mod jobs;
mod peers;
mod process;
mod report;
mod rows;
mod server;
mod thrift;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Load tools: Trefoil and its peers side by side")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The job engine: submit, drain, end to end, latency, programs, memory, restart; then its peers
    Jobs(Options),
    /// The broker: messages per second and per CPU second, latency, memory, restart; a real RabbitMQ beside it
    Amqp(amqp::Options),
    /// Thrift: codecs, echo, relay, loading of contracts; C++, volo and Envoy beside it
    Thrift(thrift::Options),
}

/// What is measured, and how thoroughly.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Small numbers of jobs: a look whether everything works, not a measurement
    #[arg(long)]
    quick: bool,
    /// One JSON document instead of a table
    #[arg(long)]
    json: bool,
    /// How often each case is repeated
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// The binary to measure; without it, `trefoil` is built next to this tool
    #[arg(long)]
    trefoil: Option<PathBuf>,
    /// Measure only these cases: idle, submit, end-to-end, latency, programs, fairness, million, peers
    #[arg(long, value_delimiter = ',')]
    only: Vec<jobs::Case>,
    /// Measure Trefoil alone
    #[arg(long)]
    no_peers: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Jobs(options) => jobs::run(&options),
        Command::Amqp(options) => amqp::run(&options),
        Command::Thrift(options) => thrift::run(&options),
    }
}
