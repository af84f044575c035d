//! Names of queues and exchanges, as clients write them.

use trefoil_amqp::ReplyCode;

use super::Failure;

/// What is asked of the exchange without a name cannot be asked of it.
pub(super) fn default_exchange() -> Failure {
    Failure::channel(
        ReplyCode::AccessRefused,
        "operation not permitted on the default exchange",
    )
}

/// Names lose their line ends, as RabbitMQ has it.
pub(super) fn strip(name: &str) -> std::borrow::Cow<'_, str> {
    if name.contains(['\r', '\n']) {
        name.replace(['\r', '\n'], "").into()
    } else {
        name.into()
    }
}
