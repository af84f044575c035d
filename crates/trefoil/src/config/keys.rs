//! The one table of configuration keys. Flags, environment variables, `config show` and
//! `docs/src/configuration.md` all come from here or are checked against it.

use super::value::Kind;

/// One configuration key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// Dotted name in `trefoil.toml`.
    pub(crate) name: &'static str,
    /// Environment variable.
    pub(crate) env: &'static str,
    /// Flag without its dashes.
    pub(crate) flag: &'static str,
    /// What a value looks like.
    pub(crate) kind: Kind,
    /// The value when nobody sets it, as one would write it.
    pub(crate) default: &'static str,
    /// One line for people.
    pub(crate) help: &'static str,
}

/// All keys, in the order people see them.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "http.listen",
        env: "TREFOIL_HTTP_LISTEN",
        flag: "http-listen",
        kind: Kind::Address,
        default: "127.0.0.1:8080",
        help: "Address of the REST API; port 0 takes any free port",
    },
    Key {
        name: "data",
        env: "TREFOIL_DATA",
        flag: "data",
        kind: Kind::Path,
        default: "./trefoil-data",
        help: "Directory of everything the platform keeps",
    },
    Key {
        name: "services",
        env: "TREFOIL_SERVICES",
        flag: "services",
        kind: Kind::Paths,
        default: "",
        help: "Directories with services, watched for changes",
    },
    Key {
        name: "insecure",
        env: "TREFOIL_INSECURE",
        flag: "insecure",
        kind: Kind::Bool,
        default: "false",
        help: "Allow an address that other machines can reach, though there is no authentication",
    },
    Key {
        name: "drain_timeout",
        env: "TREFOIL_DRAIN_TIMEOUT",
        flag: "drain-timeout",
        kind: Kind::Duration,
        default: "30s",
        help: "How long running work may finish after SIGTERM",
    },
    Key {
        name: "workers.enabled",
        env: "TREFOIL_WORKERS_ENABLED",
        flag: "workers-enabled",
        kind: Kind::Bool,
        default: "true",
        help: "Run jobs in this process; without it jobs only queue",
    },
    Key {
        name: "workers.slots",
        env: "TREFOIL_WORKERS_SLOTS",
        flag: "workers-slots",
        kind: Kind::Cores,
        default: "cores",
        help: "CPU cores for jobs: a number, or `cores` for those of the machine",
    },
    Key {
        name: "workers.memory",
        env: "TREFOIL_WORKERS_MEMORY",
        flag: "workers-memory",
        kind: Kind::Memory,
        default: "80%",
        help: "Memory for jobs: a size, or a share of the machine's",
    },
    Key {
        name: "call.max_wait",
        env: "TREFOIL_CALL_MAX_WAIT",
        flag: "call-max-wait",
        kind: Kind::Duration,
        default: "60s",
        help: "Longest a synchronous call is held before it answers 202",
    },
    Key {
        name: "body.json_max",
        env: "TREFOIL_BODY_JSON_MAX",
        flag: "body-json-max",
        kind: Kind::Size,
        default: "16MiB",
        help: "Largest JSON request body",
    },
    Key {
        name: "body.ndjson_max",
        env: "TREFOIL_BODY_NDJSON_MAX",
        flag: "body-ndjson-max",
        kind: Kind::Size,
        default: "256MiB",
        help: "Largest NDJSON batch",
    },
    Key {
        name: "files.size_max",
        env: "TREFOIL_FILES_SIZE_MAX",
        flag: "files-size-max",
        kind: Kind::Size,
        default: "16GiB",
        help: "Largest file",
    },
    Key {
        name: "jobs.sweep_tasks_max",
        env: "TREFOIL_JOBS_SWEEP_TASKS_MAX",
        flag: "jobs-sweep-tasks-max",
        kind: Kind::Count,
        default: "1000000",
        help: "Most tasks of one sweep",
    },
    Key {
        name: "jobs.batch_max",
        env: "TREFOIL_JOBS_BATCH_MAX",
        flag: "jobs-batch-max",
        kind: Kind::Count,
        default: "1000000",
        help: "Most submissions in one NDJSON batch",
    },
    Key {
        name: "jobs.retention",
        env: "TREFOIL_JOBS_RETENTION",
        flag: "jobs-retention",
        kind: Kind::OptionalDuration,
        default: "none",
        help: "Remove ended jobs after this long; `none` keeps them",
    },
    Key {
        name: "disk.free_min",
        env: "TREFOIL_DISK_FREE_MIN",
        flag: "disk-free-min",
        kind: Kind::Size,
        default: "256MiB",
        help: "Refuse submissions when the data directory's disk has less free space",
    },
    Key {
        name: "log.format",
        env: "TREFOIL_LOG_FORMAT",
        flag: "log-format",
        kind: Kind::LogFormat,
        default: "text",
        help: "Form of the log on standard error: `text` or `json`",
    },
    Key {
        name: "log.filter",
        env: "TREFOIL_LOG_FILTER",
        flag: "log-filter",
        kind: Kind::LogFilter,
        default: "info",
        help: "What is logged: a level, or directives such as `info,trefoil_server=debug`",
    },
];
