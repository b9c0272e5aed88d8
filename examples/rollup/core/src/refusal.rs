//! Why a batch is not applied.

use crate::PointFault;
use core::fmt;

/// Why an input is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The input's length is not what its records ask for.
    Length {
        /// Bytes that they ask for.
        expected: usize,
        /// Bytes that there are.
        actual: usize,
    },
    /// The first record is padding: there is nothing to do.
    Empty,
    /// A transfer follows padding.
    Gap {
        /// The transfer's place in the batch.
        at: usize,
    },
    /// A transfer is not allowed.
    Transfer {
        /// Its place in the batch.
        at: usize,
        /// What is wrong with it.
        fault: Fault,
    },
}

/// What is wrong with a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The sender's place is beyond the tree.
    FromIndex,
    /// The receiver's place is beyond the tree.
    ToIndex,
    /// Sender and receiver are the same.
    Same,
    /// The sender's account is not in the state.
    FromPath,
    /// The receiver's account is not in the state.
    ToPath,
    /// The nonce is not the account's.
    Nonce,
    /// The account has used its last nonce.
    NonceSpent,
    /// The sender does not have so much.
    Balance,
    /// The receiver would have more than fits.
    Overflow,
    /// The witness of the sender's key.
    Point(PointFault),
    /// The key is not the account's.
    Key,
    /// The signature's response is not below the group's order.
    Scalar,
    /// The signature is not the key's, or not of this transfer here.
    Signature,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { expected, actual } => write!(f, "{actual} bytes where the records ask for {expected}"),
            Self::Empty => f.write_str("the batch has no transfer"),
            Self::Gap { at } => write!(f, "transfer {at} follows padding"),
            Self::Transfer { at, fault } => write!(f, "transfer {at}: {fault}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FromIndex => "the sender's place is beyond the tree",
            Self::ToIndex => "the receiver's place is beyond the tree",
            Self::Same => "sender and receiver are the same",
            Self::FromPath => "the sender's account is not in the state",
            Self::ToPath => "the receiver's account is not in the state",
            Self::Nonce => "the nonce is not the account's",
            Self::NonceSpent => "the account has used its last nonce",
            Self::Balance => "the sender does not have so much",
            Self::Overflow => "the receiver would have more than fits",
            Self::Point(PointFault::Range) => "a coordinate is not below the field's modulus",
            Self::Point(PointFault::Curve) => "the key's witness is not on the curve",
            Self::Point(PointFault::Order) => "the key is the neutral point",
            Self::Key => "the key is not the account's",
            Self::Scalar => "the signature's response is not below the group's order",
            Self::Signature => "the signature is not the key's for this transfer on this rollup",
        })
    }
}

impl core::error::Error for Refusal {}
