//! What the rollup speaks about, and how it is laid out in bytes.

use crate::{Encoded, Hash};

/// Takes fields off the front of bytes whose length has been checked.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn slice(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    pub(crate) fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.slice(N));
        bytes
    }
}

/// Puts fields one after the other.
struct Writer<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Writer<N> {
    const fn new() -> Self {
        Self { bytes: [0; N], at: 0 }
    }

    fn put(mut self, bytes: &[u8]) -> Self {
        self.bytes[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
        self
    }
}

/// Where and when: `chain id: u64 ‖ rollup's address: 20 ‖ batch: u32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The chain that the rollup's contract is on.
    pub chain_id: u64,
    /// The rollup's contract.
    pub rollup: [u8; 20],
    /// The batch's number.
    pub batch: u32,
}

impl Context {
    /// Bytes of one.
    pub const LENGTH: usize = 8 + 20 + 4;

    /// Its bytes.
    pub fn encode(&self) -> [u8; Self::LENGTH] {
        Writer::new().put(&self.chain_id.to_be_bytes()).put(&self.rollup).put(&self.batch.to_be_bytes()).bytes
    }

    /// From its bytes.
    pub fn decode(bytes: &[u8; Self::LENGTH]) -> Self {
        let mut reader = Reader(bytes);
        Self {
            chain_id: u64::from_be_bytes(reader.take()),
            rollup: reader.take(),
            batch: u32::from_be_bytes(reader.take()),
        }
    }
}

/// A transfer as its sender signed it:
/// `from: u32 ‖ to: u32 ‖ amount: u64 ‖ nonce: u32 ‖ R: 32 ‖ s: 32`.
///
/// A record of zeros is padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The sender's place in the tree.
    pub from: u32,
    /// The receiver's.
    pub to: u32,
    /// How much.
    pub amount: u64,
    /// The sender's nonce before it.
    pub nonce: u32,
    /// The signature's commitment.
    pub r: Encoded,
    /// The signature's response, below the group's order.
    pub s: [u8; 32],
}

impl Transfer {
    /// Bytes of a record.
    pub const LENGTH: usize = Self::SIGNED + 64;
    /// Bytes of what is signed, at a record's start.
    pub const SIGNED: usize = 4 + 4 + 8 + 4;
    /// What fills a batch up.
    pub const PADDING: [u8; Self::LENGTH] = [0; Self::LENGTH];

    /// Its record.
    pub fn encode(&self) -> [u8; Self::LENGTH] {
        Writer::new()
            .put(&self.from.to_be_bytes())
            .put(&self.to.to_be_bytes())
            .put(&self.amount.to_be_bytes())
            .put(&self.nonce.to_be_bytes())
            .put(&self.r)
            .put(&self.s)
            .bytes
    }

    /// From its record.
    pub fn decode(record: &[u8; Self::LENGTH]) -> Self {
        let mut reader = Reader(record);
        Self {
            from: u32::from_be_bytes(reader.take()),
            to: u32::from_be_bytes(reader.take()),
            amount: u64::from_be_bytes(reader.take()),
            nonce: u32::from_be_bytes(reader.take()),
            r: reader.take(),
            s: reader.take(),
        }
    }
}

/// An account: `key: 32 ‖ balance: u64 ‖ nonce: u32`. One that nobody has is all zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The point that its owner's signatures are checked with.
    pub key: Encoded,
    /// What it has.
    pub balance: u64,
    /// How many transfers it has sent.
    pub nonce: u32,
}

impl Account {
    /// Bytes of one.
    pub const LENGTH: usize = 32 + 8 + 4;

    /// Its bytes.
    pub fn encode(&self) -> [u8; Self::LENGTH] {
        Writer::new().put(&self.key).put(&self.balance.to_be_bytes()).put(&self.nonce.to_be_bytes()).bytes
    }

    /// From its bytes.
    pub fn decode(bytes: &[u8; Self::LENGTH]) -> Self {
        let mut reader = Reader(bytes);
        Self {
            key: reader.take(),
            balance: u64::from_be_bytes(reader.take()),
            nonce: u32::from_be_bytes(reader.take()),
        }
    }
}

/// What a batch does: `context ‖ root before ‖ root after ‖ SHA-256 of the batch's records`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Journal {
    /// Where and when.
    pub context: Context,
    /// The state's root before the batch.
    pub pre_root: Hash,
    /// And after it.
    pub post_root: Hash,
    /// The SHA-256 of all records, padding included.
    pub transfers: Hash,
}

impl Journal {
    /// Bytes of one.
    pub const LENGTH: usize = Context::LENGTH + 3 * 32;

    /// Its bytes.
    pub fn encode(&self) -> [u8; Self::LENGTH] {
        Writer::new().put(&self.context.encode()).put(&self.pre_root).put(&self.post_root).put(&self.transfers).bytes
    }

    /// From its bytes.
    pub fn decode(bytes: &[u8; Self::LENGTH]) -> Self {
        let mut reader = Reader(bytes);
        Self {
            context: Context::decode(&reader.take()),
            pre_root: reader.take(),
            post_root: reader.take(),
            transfers: reader.take(),
        }
    }
}
