//! Which commands there are.

use super::{Context, Fault, access, health, lists, node, operations, output::Output, settings};

/// A command.
pub(super) struct Command {
    pub(super) name: &'static str,
    pub(super) group: &'static str,
    /// What follows the name.
    pub(super) usage: &'static str,
    pub(super) about: &'static str,
    /// At least and at most so many arguments.
    pub(super) arguments: (usize, usize),
    pub(super) run: fn(&Context<'_>) -> Result<Output, Fault>,
}

impl Command {
    /// Whether seeing how it is called helps against this: not if the arguments were right and something is missing.
    pub(super) fn shows_usage(&self, fault: &Fault) -> bool {
        fault.message != "Queue not found"
    }
}

const ANY: usize = usize::MAX;

const fn command(
    group: &'static str,
    name: &'static str,
    usage: &'static str,
    about: &'static str,
    arguments: (usize, usize),
    run: fn(&Context<'_>) -> Result<Output, Fault>,
) -> Command {
    Command {
        name,
        group,
        usage,
        about,
        arguments,
        run,
    }
}

const NODES: &str = "Nodes";
const USERS: &str = "Users";
const ACCESS: &str = "Access control";
const MONITORING: &str = "Monitoring";
const PARAMETERS: &str = "Parameters";
const POLICIES: &str = "Policies";
const VHOSTS: &str = "Virtual hosts";
const CONFIGURATION: &str = "Configuration and environment";
const DEFINITIONS: &str = "Definitions";
const OPERATIONS: &str = "Operations";
const QUEUES: &str = "Queues";

/// All of them, by group.
#[rustfmt::skip] // one line each: this is a table
pub(super) const COMMANDS: &[Command] = &[
    command(NODES, "await_startup", "[--timeout <seconds>]", "Waits until the broker answers", (0, 0), node::await_startup),
    command(NODES, "start_app", "", "Listens again after stop_app", (0, 0), node::start_app),
    command(NODES, "stop_app", "", "Closes all connections and stops listening for AMQP; the process stays", (0, 0), node::stop_app),
    command(NODES, "reset", "", "Not supported: delete the data directory instead", (0, 0), node::not_supported),
    command(NODES, "cluster_status", "", "Shows the one node there is", (0, 0), node::cluster_status),

    command(USERS, "add_user", "<username> [<password>] [--pre-hashed-password]", "Creates a user, who has no permissions yet; without a password it is read from standard input", (1, 2), access::add_user),
    command(USERS, "authenticate_user", "<username> [<password>]", "Tries a login, and fails if it would", (1, 2), access::authenticate_user),
    command(USERS, "change_password", "<username> [<password>] [--pre-hashed-password]", "Changes a password", (1, 2), access::change_password),
    command(USERS, "clear_password", "<username>", "Takes the password away: no login with one is possible", (1, 1), access::clear_password),
    command(USERS, "delete_user", "<username>", "Deletes a user", (1, 1), access::delete_user),
    command(USERS, "list_users", "", "Lists users and their tags", (0, 0), access::list_users),
    command(USERS, "set_user_tags", "<username> [<tag> ...]", "Replaces the tags of a user", (1, ANY), access::set_user_tags),
    command(USERS, "set_user_limits", "<username> <definition>", "Limits a user's connections and channels", (2, 2), settings::set_user_limits),
    command(USERS, "clear_user_limits", "<username> <limit> | all", "Removes limits of a user", (2, 2), settings::clear_user_limits),
    command(USERS, "list_user_limits", "[--user <username>] [--global]", "Shows limits of users", (0, 0), settings::list_user_limits),

    command(ACCESS, "set_permissions", "[--vhost <vhost>] <username> <configure> <write> <read>", "Grants permissions in a virtual host", (4, 4), access::set_permissions),
    command(ACCESS, "clear_permissions", "[--vhost <vhost>] <username>", "Revokes permissions in a virtual host", (1, 1), access::clear_permissions),
    command(ACCESS, "list_permissions", "[--vhost <vhost>]", "Lists permissions in a virtual host", (0, 0), access::list_permissions),
    command(ACCESS, "list_user_permissions", "<username>", "Lists permissions of a user", (1, 1), access::list_user_permissions),
    command(ACCESS, "set_topic_permissions", "[--vhost <vhost>] <username> <exchange> <write> <read>", "Grants permissions for routing keys of a topic exchange", (4, 4), access::set_topic_permissions),
    command(ACCESS, "clear_topic_permissions", "[--vhost <vhost>] <username> [<exchange>]", "Revokes permissions for routing keys", (1, 2), access::clear_topic_permissions),
    command(ACCESS, "list_topic_permissions", "[--vhost <vhost>]", "Lists permissions for routing keys in a virtual host", (0, 0), access::list_topic_permissions),
    command(ACCESS, "list_user_topic_permissions", "<username>", "Lists a user's permissions for routing keys", (1, 1), access::list_user_topic_permissions),

    command(MONITORING, "ping", "", "Checks that the broker answers", (0, 0), node::ping),
    command(MONITORING, "status", "", "Shows the state of the broker", (0, 0), node::status),
    command(MONITORING, "alarms", "", "Shows the alarms that are on", (0, 0), health::alarms),
    command(MONITORING, "listeners", "", "Shows what listens where", (0, 0), health::listeners),
    command(MONITORING, "server_version", "", "Shows the version of RabbitMQ that the broker behaves like", (0, 0), health::server_version),
    command(MONITORING, "is_running", "", "Tells whether the broker accepts connections", (0, 0), health::is_running),
    command(MONITORING, "check_running", "", "Fails unless the broker accepts connections", (0, 0), health::check_running),
    command(MONITORING, "check_alarms", "", "Fails if an alarm is on", (0, 0), health::check_alarms),
    command(MONITORING, "check_local_alarms", "", "Fails if an alarm is on", (0, 0), health::check_alarms),
    command(MONITORING, "check_virtual_hosts", "", "Fails unless all virtual hosts work", (0, 0), health::check_virtual_hosts),
    command(MONITORING, "check_port_listener", "<port>", "Fails unless something listens on a port", (1, 1), health::check_port_listener),
    command(MONITORING, "check_protocol_listener", "<protocol>", "Fails unless a protocol is listened for", (1, 1), health::check_protocol_listener),
    command(MONITORING, "check_port_connectivity", "", "Fails unless every listener can be connected to", (0, 0), health::check_port_connectivity),
    command(MONITORING, "list_node_auth_attempt_stats", "", "Shows how many logins were granted and refused", (0, 0), health::list_node_auth_attempt_stats),
    command(MONITORING, "report", "", "Shows state, queues, exchanges, bindings, connections and users in one go", (0, 0), node::report),
    command(MONITORING, "version", "", "Shows the version of this program", (0, 0), node::version),
    command(MONITORING, "list_queues", "[--vhost <vhost>] [--no-table-headers] [<column> ...]", "Lists queues", (0, ANY), lists::list_queues),
    command(MONITORING, "list_exchanges", "[--vhost <vhost>] [--no-table-headers] [<column> ...]", "Lists exchanges", (0, ANY), lists::list_exchanges),
    command(MONITORING, "list_bindings", "[--vhost <vhost>] [--no-table-headers] [<column> ...]", "Lists bindings", (0, ANY), lists::list_bindings),
    command(MONITORING, "list_connections", "[--no-table-headers] [<column> ...]", "Lists connections", (0, ANY), lists::list_connections),
    command(MONITORING, "list_channels", "[--no-table-headers] [<column> ...]", "Lists channels", (0, ANY), lists::list_channels),
    command(MONITORING, "list_consumers", "[--vhost <vhost>] [--no-table-headers] [<column> ...]", "Lists consumers", (0, ANY), lists::list_consumers),
    command(MONITORING, "list_unresponsive_queues", "", "Lists nothing: a queue is part of the broker and answers with it", (0, ANY), lists::list_unresponsive_queues),

    command(PARAMETERS, "set_parameter", "[--vhost <vhost>] <component> <name> <value>", "Sets a parameter", (3, 3), settings::set_parameter),
    command(PARAMETERS, "clear_parameter", "[--vhost <vhost>] <component> <name>", "Removes a parameter", (2, 2), settings::clear_parameter),
    command(PARAMETERS, "list_parameters", "[--vhost <vhost>]", "Lists parameters", (0, 0), settings::list_parameters),
    command(PARAMETERS, "set_global_parameter", "<name> <value>", "Sets a global parameter", (2, 2), settings::set_global_parameter),
    command(PARAMETERS, "clear_global_parameter", "<name>", "Removes a global parameter", (1, 1), settings::clear_global_parameter),
    command(PARAMETERS, "list_global_parameters", "", "Lists global parameters", (0, 0), settings::list_global_parameters),

    command(POLICIES, "set_policy", "[--vhost <vhost>] [--priority <priority>] [--apply-to <apply-to>] <name> <pattern> <definition>", "Sets a policy", (3, 3), settings::set_policy),
    command(POLICIES, "clear_policy", "[--vhost <vhost>] <name>", "Removes a policy", (1, 1), settings::clear_policy),
    command(POLICIES, "list_policies", "[--vhost <vhost>]", "Lists policies", (0, 0), settings::list_policies),
    command(POLICIES, "set_operator_policy", "[--vhost <vhost>] [--priority <priority>] [--apply-to <apply-to>] <name> <pattern> <definition>", "Sets a policy that limits what other policies may say", (3, 3), settings::set_operator_policy),
    command(POLICIES, "clear_operator_policy", "[--vhost <vhost>] <name>", "Removes an operator policy", (1, 1), settings::clear_operator_policy),
    command(POLICIES, "list_operator_policies", "[--vhost <vhost>]", "Lists operator policies", (0, 0), settings::list_operator_policies),

    command(VHOSTS, "add_vhost", "<vhost> [--description <text>] [--tags \"<tag1>,<tag2>\"] [--default-queue-type <quorum|classic|stream>]", "Creates a virtual host", (1, 1), access::add_vhost),
    command(VHOSTS, "delete_vhost", "<vhost>", "Deletes a virtual host with everything in it", (1, 1), access::delete_vhost),
    command(VHOSTS, "list_vhosts", "[--no-table-headers] [<column> ...]", "Lists virtual hosts", (0, ANY), lists::list_vhosts),
    command(VHOSTS, "set_vhost_tags", "<vhost> [<tag> ...]", "Replaces the tags of a virtual host", (1, ANY), access::set_vhost_tags),
    command(VHOSTS, "set_vhost_limits", "[--vhost <vhost>] <definition>", "Limits connections and queues of a virtual host", (1, 1), settings::set_vhost_limits),
    command(VHOSTS, "clear_vhost_limits", "[--vhost <vhost>]", "Removes the limits of a virtual host", (0, 0), settings::clear_vhost_limits),
    command(VHOSTS, "list_vhost_limits", "[--vhost <vhost>] [--global]", "Shows limits of virtual hosts", (0, 0), settings::list_vhost_limits),
    command(VHOSTS, "restart_vhost", "[--vhost <vhost>]", "Does nothing: a virtual host does not fail alone", (0, 0), access::restart_vhost),
    command(VHOSTS, "trace_on", "[--vhost <vhost>]", "Copies all messages to amq.rabbitmq.trace", (0, 0), access::trace_on),
    command(VHOSTS, "trace_off", "[--vhost <vhost>]", "Stops copying", (0, 0), access::trace_off),

    command(CONFIGURATION, "environment", "", "Shows the settings that can be changed while the broker runs", (0, 0), node::environment),
    command(CONFIGURATION, "set_cluster_name", "<name>", "Names the broker", (1, 1), node::set_cluster_name),
    command(CONFIGURATION, "set_disk_free_limit", "<limit> | mem_relative <fraction>", "How much disk space must be left", (1, 2), node::set_disk_free_limit),
    command(CONFIGURATION, "set_vm_memory_high_watermark", "<fraction> | absolute <value>", "How much memory may be used before publishers are blocked", (1, 2), node::set_memory_watermark),
    command(CONFIGURATION, "set_alarm", "memory | disk", "Raises an alarm by hand: publishers are blocked", (1, 1), node::set_alarm),
    command(CONFIGURATION, "clear_alarm", "memory | disk", "Takes back an alarm that was raised by hand", (1, 1), node::clear_alarm),
    command(CONFIGURATION, "set_channel_max", "<number>", "How many channels a new connection may have; 0: no limit", (1, 1), node::set_channel_max),
    command(CONFIGURATION, "set_loopback_users", "[<username> ...]", "Who may log in from this machine only", (0, ANY), node::set_loopback_users),
    command(CONFIGURATION, "list_loopback_users", "", "Shows who may log in from this machine only", (0, 0), node::list_loopback_users),
    command(CONFIGURATION, "list_feature_flags", "[<column> ...]", "Lists feature flags, which are all enabled", (0, ANY), lists::list_feature_flags),
    command(CONFIGURATION, "enable_feature_flag", "<name> | all", "Does nothing: all are enabled", (1, 1), node::enable_feature_flag),
    command(CONFIGURATION, "eval", "<expression>", "Not supported: there is no Erlang here", (1, ANY), node::not_supported),

    command(DEFINITIONS, "export_definitions", "<file> | -", "Writes users, virtual hosts, queues, exchanges, bindings and policies as JSON", (1, 1), operations::export_definitions),
    command(DEFINITIONS, "import_definitions", "<file> | -", "Reads what export_definitions writes", (1, 1), operations::import_definitions),

    command(OPERATIONS, "close_connection", "<connection pid> <explanation>", "Closes a connection", (2, 2), operations::close_connection),
    command(OPERATIONS, "close_all_connections", "[--vhost <vhost>] [--global] [--limit <limit>] <explanation>", "Closes connections", (1, 1), operations::close_all_connections),
    command(OPERATIONS, "close_all_user_connections", "<username> <explanation>", "Closes the connections of a user", (2, 2), operations::close_all_user_connections),

    command(OPERATIONS, "suspend_listeners", "", "Accepts no new connections; those that are there stay", (0, 0), health::suspend_listeners),
    command(OPERATIONS, "resume_listeners", "", "Accepts connections again", (0, 0), health::resume_listeners),

    command(QUEUES, "delete_queue", "<queue> [--if-empty|-e] [--if-unused|-u]", "Deletes a queue", (1, 1), operations::delete_queue),
    command(QUEUES, "purge_queue", "<queue>", "Removes all ready messages of a queue", (1, 1), operations::purge_queue),
];
