//! `trefoil contract` and `trefoil instances`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Where files that a contract includes are looked for, after the directory of the file that includes them.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct IncludePaths {
    /// Look for included files here too
    #[arg(short = 'I', long = "include", value_name = "DIR")]
    pub(crate) include: Vec<PathBuf>,
}

/// `trefoil contract`.
#[derive(Debug, Subcommand)]
pub(crate) enum ContractCommand {
    /// Report everything that is wrong with contracts; needs no platform
    Check {
        /// Thrift files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Includes.
        #[command(flatten)]
        include: IncludePaths,
    },
    /// Show the methods and types of a contract
    Show {
        /// A Thrift file, or KEY or KEY:VERSION of a platform
        #[arg(value_name = "FILE|KEY:VERSION")]
        contract: String,
        /// Includes.
        #[command(flatten)]
        include: IncludePaths,
    },
    /// Show what changed and which version that asks for; 1 if callers break
    Diff {
        /// A Thrift file, or KEY or KEY:VERSION of a platform
        #[arg(value_name = "OLD")]
        old: String,
        /// Another one
        #[arg(value_name = "NEW")]
        new: String,
        /// Includes.
        #[command(flatten)]
        include: IncludePaths,
    },
}

/// `trefoil instances`.
#[derive(Debug, Subcommand)]
pub(crate) enum InstancesCommand {
    /// List who provides a service
    #[command(visible_alias = "list")]
    Ls {
        /// KEY:VERSION
        service: String,
    },
    /// Register a Thrift server as an instance of a service
    Register(RegisterArgs),
    /// Say that an instance lives, before its lease ends
    Heartbeat {
        /// KEY:VERSION
        service: String,
        /// Name of the instance
        name: String,
        /// It may be called now
        #[arg(long)]
        ready: bool,
    },
    /// Give an instance no more calls; those under way end
    Drain {
        /// KEY:VERSION
        service: String,
        /// Name of the instance
        name: String,
    },
    /// Forget an instance
    #[command(visible_alias = "remove")]
    Rm {
        /// KEY:VERSION
        service: String,
        /// Name of the instance
        name: String,
    },
}

/// `trefoil instances register`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RegisterArgs {
    /// KEY:VERSION
    pub(crate) service: String,
    /// Name of the instance, unique within the version
    pub(crate) name: String,
    /// Where it listens: HOST:PORT, unix:/PATH, or http://HOST:PORT/PATH (https, ws, wss)
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: String,
    /// framed, buffered, header, http, zlib or websocket (default: framed, buffered and header are found out)
    #[arg(long)]
    pub(crate) transport: Option<String>,
    /// binary, compact or json (default: found out)
    #[arg(long)]
    pub(crate) protocol: Option<String>,
    /// The name under which it registered its processor with TMultiplexedProcessor
    #[arg(long, value_name = "NAME")]
    pub(crate) multiplex: Option<String>,
    /// It reads a call before it has answered the one before
    #[arg(long)]
    pub(crate) pipelined: bool,
    /// Calls that it works on at a time
    #[arg(long, value_name = "N")]
    pub(crate) slots: Option<u32>,
    /// Its share of calls beside those of others (default 1)
    #[arg(long, value_name = "SHARE")]
    pub(crate) weight: Option<f64>,
    /// Forget it if no heartbeat comes for so long (default: as long as it answers)
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(3..=3_600))]
    pub(crate) lease: Option<u64>,
}
