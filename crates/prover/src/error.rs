//! Why the agent cannot start, or stops.

use std::path::PathBuf;
use zkpool_api::ClientError;
use zkpool_protocol::ErrorCode;

/// The agent cannot work at all. Everything that time can heal is retried instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProverError {
    /// Nobody to work for.
    #[error("no operator is configured: name at least one operator's URL")]
    NoOperator,
    /// The device's name is not one that the API takes.
    #[error("the device name {0:?} is not usable: letters, digits, '.', '_' and '-', at most 64 of them")]
    DeviceName(String),
    /// A directory or file of the agent cannot be used.
    #[error("cannot use the state directory {}: {source}", path.display())]
    State {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another agent works in the same directory.
    #[error("another prover works in {}: stop it, or give this one a state directory of its own", .0.display())]
    StateInUse(PathBuf),
    /// An operator's address is none.
    #[error(transparent)]
    Url(ClientError),
    /// An operator refuses this prover, or is not the one that is meant.
    #[error("operator {operator} cannot be worked for: {source}")]
    Refused {
        /// Its URL.
        operator: String,
        /// Why.
        #[source]
        source: ClientError,
    },
    /// The operator is for another pool.
    #[error("operator {operator} works for the pool {theirs}, not for {ours}: check the pool's address")]
    WrongPool {
        /// Its URL.
        operator: String,
        /// The operator's.
        theirs: zkpool_protocol::Address,
        /// Configured.
        ours: zkpool_protocol::Address,
    },
    /// The operator offers nothing that this machine can prove.
    #[error("operator {operator} takes none of the kinds of proof that this prover makes ({kinds})")]
    NoCommonKind {
        /// Its URL.
        operator: String,
        /// What this prover makes.
        kinds: String,
    },
    /// The operator pays out of the revenue ledger, and the agent cannot look after that.
    #[error(
        "operator {operator} pays out of the revenue ledger {ledger}: name an RPC endpoint, so that what is set apart can be \
         checked (--rpc), or work without (--unpaid)"
    )]
    CannotCheckPay {
        /// Its URL.
        operator: String,
        /// The ledger that it names.
        ledger: zkpool_protocol::Address,
    },
    /// The operator does not pay out of the revenue ledger (any more), and the owner wants to see pay there.
    #[error(
        "operator {operator} does not say that it pays out of the revenue ledger: nothing is done for it unless its work may be \
         unpaid as far as the chain knows (--unpaid)"
    )]
    PaidOutside {
        /// Its URL.
        operator: String,
    },
    /// The chain could not be asked about the operator's pay.
    #[error("cannot check how operator {operator} pays: {source}")]
    PayDesk {
        /// Its URL.
        operator: String,
        /// Why.
        #[source]
        source: crate::DeskError,
    },
    /// The operator names another revenue ledger than the pool does.
    #[error("operator {operator} names the revenue ledger {theirs}, and the pool gives provers' shares to {ours}")]
    WrongLedger {
        /// Its URL.
        operator: String,
        /// The operator's.
        theirs: zkpool_protocol::Address,
        /// The pool's.
        ours: zkpool_protocol::Address,
    },
    /// The operator has taken a result and not vouched for it as it should.
    #[error(
        "operator {operator} does not pay as it has promised: {reason}. No further work is done for it; the result is kept, \
         and is asked about again when the agent starts"
    )]
    Withheld {
        /// Its URL.
        operator: String,
        /// What is missing or wrong.
        reason: String,
    },
    /// A kind of work that was asked for, and that this machine or this build cannot do.
    #[error(
        "this machine cannot do {0} work: RISC Zero needs a build with it and memory (--memory, --jobs), and a Groth16 \
         wrap a running Docker daemon"
    )]
    NotHere(zkpool_protocol::ProofKind),
    /// The address for metrics cannot be used.
    #[error("cannot serve metrics on {address}: {source}")]
    Metrics {
        /// Which.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The machine failed its own benchmark.
    #[error("the benchmark failed: {0}")]
    Benchmark(String),
}

impl ProverError {
    /// The stable code of this fault.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::NoOperator
            | Self::DeviceName(_)
            | Self::Url(_)
            | Self::NoCommonKind { .. }
            | Self::NotHere(_)
            | Self::Metrics { .. } => ErrorCode::BadRequest,
            Self::State { .. } | Self::StateInUse(_) => ErrorCode::Storage,
            Self::Refused { source, .. } => source.code(),
            Self::WrongPool { .. } | Self::WrongLedger { .. } => ErrorCode::WrongChain,
            Self::CannotCheckPay { .. } | Self::PaidOutside { .. } | Self::Withheld { .. } => ErrorCode::Unpaid,
            Self::PayDesk { source, .. } => source.code,
            Self::Benchmark(_) => ErrorCode::Internal,
        }
    }
}
