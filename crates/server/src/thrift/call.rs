//! Calls and replies as they are between the wires.

use std::sync::Arc;

use tokio::sync::oneshot;
use trefoil_jobs::JobId;
use trefoil_thrift::{
    ApplicationError, Limits, Malformed,
    connection::ReplyKind,
    framing::Protocol,
    json::{JsonOptions, Outcome},
};

use super::{context::Context, forms, routes::Target};

/// A call by somebody in this process.
#[derive(Debug)]
pub struct Call {
    /// What is called.
    pub target: Arc<Target>,
    /// By which name: with the idempotency key of a job, another spelling is another request.
    pub name: Option<String>,
    /// In what the arguments are written.
    pub protocol: Protocol,
    /// The struct of the arguments.
    pub arguments: Vec<u8>,
    /// What came with it.
    pub context: Context,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Whether the method answered.
    pub kind: ReplyKind,
    /// In what the body is written.
    pub protocol: Protocol,
    /// The struct of the result, or of an [`ApplicationError`].
    pub body: Vec<u8>,
    /// The job that the call was.
    pub job: Option<CalledJob>,
}

/// The job that a call was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CalledJob {
    /// It.
    pub id: JobId,
    /// It was there already, of the same request with the same idempotency key.
    pub is_replayed: bool,
}

impl Reply {
    /// The error, if the body is one.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn error(&self, limits: &Limits) -> Result<ApplicationError, Box<Malformed>> {
        forms::read_error(self.protocol, &self.body, limits)
    }

    /// Writes the result of a method of `target` as JSON behind what `out` has.
    ///
    /// # Errors
    ///
    /// If it is not what the contract says.
    pub fn result_to_json(
        &self,
        target: &Target,
        options: &JsonOptions,
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result<Outcome, Box<Malformed>> {
        let Some(result) = target.method().result else {
            return Ok(Outcome::Void);
        };
        let schema = target.contract.schema();
        forms::result_to_json(
            schema,
            result,
            self.protocol,
            &self.body,
            limits,
            options,
            out,
        )
    }
}

/// Why a call has no reply of a provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// No instance can be called now.
    #[error("`{service}` cannot be called: {reason}")]
    NoProvider {
        /// The service.
        service: String,
        /// Why.
        reason: String,
    },
    /// No connection came about.
    #[error("instance `{instance}` cannot be reached: {reason}")]
    Unreachable {
        /// The instance.
        instance: String,
        /// Why.
        reason: String,
    },
    /// The connection ended before the reply.
    #[error("instance `{instance}` closed the connection before it answered")]
    Disconnected {
        /// The instance.
        instance: String,
    },
    /// What came is no reply to the call.
    #[error("instance `{instance}` answered what is no reply: {reason}")]
    BadReply {
        /// The instance.
        instance: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The time is over.
    #[error("no reply came within {after_ms} ms ({place})")]
    DeadlineExceeded {
        /// How long was waited.
        after_ms: u64,
        /// Where the call was.
        place: &'static str,
    },
    /// A job was begun, and has not ended.
    #[error("job {} has not ended: {reason}", job.id)]
    Unfinished {
        /// The job, which can be asked for.
        job: CalledJob,
        /// Why nobody waits any longer.
        reason: String,
    },
    /// The arguments are not what the contract says.
    #[error("{0}")]
    Malformed(String),
    /// As many calls wait as may.
    #[error("`{service}` has {waiting} calls that wait for a connection, which is the limit")]
    Overloaded {
        /// The service.
        service: String,
        /// How many wait.
        waiting: usize,
    },
    /// The platform stops.
    #[error("the platform stops")]
    Stopping,
}

impl CallFailure {
    /// The job that goes on.
    #[must_use]
    pub fn job(&self) -> Option<CalledJob> {
        match self {
            Self::Unfinished { job, .. } => Some(*job),
            Self::NoProvider { .. }
            | Self::Unreachable { .. }
            | Self::Disconnected { .. }
            | Self::BadReply { .. }
            | Self::DeadlineExceeded { .. }
            | Self::Malformed(_)
            | Self::Overloaded { .. }
            | Self::Stopping => None,
        }
    }

    /// As a caller over Thrift is told.
    #[must_use]
    pub fn to_application_error(&self) -> ApplicationError {
        use trefoil_thrift::ApplicationErrorKind as Kind;
        let kind = match self {
            Self::Malformed(_) => Kind::ProtocolError,
            Self::NoProvider { .. }
            | Self::Unreachable { .. }
            | Self::Disconnected { .. }
            | Self::BadReply { .. }
            | Self::DeadlineExceeded { .. }
            | Self::Unfinished { .. }
            | Self::Overloaded { .. }
            | Self::Stopping => Kind::InternalError,
        };
        ApplicationError::new(kind, self.to_string())
    }
}

/// What is sent to a caller in this process: nothing if the method is one-way.
pub(super) type Answer = Result<Option<Reply>, CallFailure>;

/// A call on its way to a reactor.
#[derive(Debug)]
pub(super) struct LocalCall {
    pub(super) call: Call,
    pub(super) answer: oneshot::Sender<Answer>,
}
