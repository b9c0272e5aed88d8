//! Applying a batch.

use crate::{
    Account, Context, Crypto, Fault, Hash, Journal, Refusal, Transfer,
    hash::sha256,
    signature,
    tree::{climb, leaf},
    types::Reader,
};

/// Bytes of what an input holds for each transfer besides its record.
pub const fn witness_length(depth: usize) -> usize {
    2 * (Account::LENGTH + 32 * depth) + 64
}

/// Bytes of an input of so many real transfers.
pub const fn input_length(depth: usize, transfers: usize, real: usize) -> usize {
    Context::LENGTH + 32 + transfers * Transfer::LENGTH + real * witness_length(depth)
}

/// Applies a batch of `TRANSFERS` records to a state of 2^`DEPTH` accounts.
///
/// The input is `context ‖ root before ‖ records`, and for each record that is not padding, in order, `sender's account ‖
/// an eighth of the sender's key (x ‖ y) ‖ sender's siblings ‖ receiver's account ‖ receiver's siblings`. Siblings go from
/// the leaf upwards; the receiver's are of the state in which the sender has already paid.
pub fn apply<C: Crypto, const DEPTH: usize, const TRANSFERS: usize>(input: &[u8]) -> Result<Journal, Refusal> {
    let length = |expected| Refusal::Length { expected, actual: input.len() };
    if input.len() < input_length(DEPTH, TRANSFERS, 0) {
        return Err(length(input_length(DEPTH, TRANSFERS, 0)));
    }
    let mut reader = Reader(input);
    let context = Context::decode(&reader.take());
    let pre_root: Hash = reader.take();
    let records = reader.slice(TRANSFERS * Transfer::LENGTH);
    let real = real_records(records)?;
    if input.len() != input_length(DEPTH, TRANSFERS, real) {
        return Err(length(input_length(DEPTH, TRANSFERS, real)));
    }

    let mut post_root = pre_root;
    for (at, record) in records.as_chunks().0[..real].iter().enumerate() {
        let transfer = Transfer::decode(record);
        let witness = Witness::<DEPTH>::read(&mut reader);
        post_root = transferred::<C, DEPTH>(&context, post_root, &transfer, &witness)
            .map_err(|fault| Refusal::Transfer { at, fault })?;
    }
    Ok(Journal { context, pre_root, post_root, transfers: sha256::<C>(records) })
}

/// How many records come before the padding, which only ends a batch.
fn real_records(records: &[u8]) -> Result<usize, Refusal> {
    let (records, _) = records.as_chunks::<{ Transfer::LENGTH }>();
    let is_padding = |record: &[u8; Transfer::LENGTH]| *record == Transfer::PADDING;
    let real = records.iter().position(is_padding).unwrap_or(records.len());
    if real == 0 {
        return Err(Refusal::Empty);
    }
    match records[real..].iter().position(|record| !is_padding(record)) {
        Some(beyond) => Err(Refusal::Gap { at: real + beyond }),
        None => Ok(real),
    }
}

/// The part of the state that a transfer touches.
struct Witness<const DEPTH: usize> {
    from: Account,
    eighth: [u8; 64],
    from_siblings: [Hash; DEPTH],
    to: Account,
    to_siblings: [Hash; DEPTH],
}

impl<const DEPTH: usize> Witness<DEPTH> {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            from: Account::decode(&reader.take()),
            eighth: reader.take(),
            from_siblings: core::array::from_fn(|_| reader.take()),
            to: Account::decode(&reader.take()),
            to_siblings: core::array::from_fn(|_| reader.take()),
        }
    }
}

/// The state's root after a transfer.
fn transferred<C: Crypto, const DEPTH: usize>(
    context: &Context,
    root: Hash,
    transfer: &Transfer,
    witness: &Witness<DEPTH>,
) -> Result<Hash, Fault> {
    let Witness { from, eighth, from_siblings, to, to_siblings } = witness;
    if u64::from(transfer.from) >= 1 << DEPTH {
        return Err(Fault::FromIndex);
    }
    if u64::from(transfer.to) >= 1 << DEPTH {
        return Err(Fault::ToIndex);
    }
    if transfer.from == transfer.to {
        return Err(Fault::Same);
    }
    if climb::<C>(leaf::<C>(from), transfer.from, from_siblings) != root {
        return Err(Fault::FromPath);
    }
    if transfer.nonce != from.nonce {
        return Err(Fault::Nonce);
    }
    signature::verify::<C>(context, &from.key, eighth, transfer)?;
    let paid = Account {
        balance: from.balance.checked_sub(transfer.amount).ok_or(Fault::Balance)?,
        nonce: from.nonce.checked_add(1).ok_or(Fault::NonceSpent)?,
        ..*from
    };
    let between = climb::<C>(leaf::<C>(&paid), transfer.from, from_siblings);
    if climb::<C>(leaf::<C>(to), transfer.to, to_siblings) != between {
        return Err(Fault::ToPath);
    }
    let received = Account { balance: to.balance.checked_add(transfer.amount).ok_or(Fault::Overflow)?, ..*to };
    Ok(climb::<C>(leaf::<C>(&received), transfer.to, to_siblings))
}
