//! The pay of an operator that is made up, and the chain on which it is set apart.

use async_trait::async_trait;
use std::sync::{Arc, Mutex};
use zkpool_api::{EarmarkView, JobPay, Paid, PayInfo, ReceiptView, ReceiptsQuery, ReceiptsReply, TrancheView};
use zkpool_chain::Key;
use zkpool_protocol::{
    Address, B256, BlobId, Bytes, ErrorCode, JobId, WorkUnits,
    pay::{Cap, CapTree, Ledger, Receipt, SignedVoucher, Voucher},
};
use zkpool_prover::{DeskError, Holding, PayDesk, TrancheOnChain};

/// How a cashier answers a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Manner {
    #[default]
    Honest,
    /// No voucher.
    Withholds,
    /// Less than was promised.
    Short,
    /// A voucher over more than its receipts.
    OtherSum,
    /// A receipt for another output.
    OtherOutput,
    /// A chain without what came before.
    Forgets,
    /// Another key than the tranche's.
    OtherKey,
}

/// See the module.
pub(crate) struct Cashier {
    pub(crate) manner: Manner,
    pub(crate) amount: u128,
    pub(crate) cap: u128,
    /// It names nothing that is set apart.
    pub(crate) silent: bool,
    /// It does not say any more that it pays at all.
    pub(crate) denies: bool,
    key: Key,
    chain: Vec<(Receipt, Voucher)>,
}

pub(crate) const LEDGER: Address = Address::repeat_byte(0x1e);
pub(crate) const TOKEN: Address = Address::repeat_byte(0x70);
const OPERATOR: Address = Address::repeat_byte(2);

fn ledger() -> Ledger {
    Ledger { chain_id: super::operator::CHAIN, address: LEDGER }
}

impl Cashier {
    pub(crate) fn new(amount: u128, cap: u128) -> Self {
        let (silent, denies) = (false, false);
        Self { manner: Manner::Honest, amount, cap, silent, denies, key: Key::random(), chain: Vec::new() }
    }

    pub(crate) fn info(&self) -> Option<PayInfo> {
        (!self.denies).then_some(PayInfo { ledger: LEDGER, share: 5_000, bond: None })
    }

    pub(crate) fn job_pay(&self) -> JobPay {
        JobPay { token: TOKEN, amount: self.amount }
    }

    fn tree(&self) -> (CapTree, Vec<Cap>) {
        let prover = super::kit::prover();
        let caps = [(Address::ZERO, 5), (prover, self.cap)].map(|(prover, amount)| Cap { prover, amount });
        (CapTree::new(&caps).unwrap(), caps.to_vec())
    }

    /// What the chain should say.
    pub(crate) fn tranche(&self) -> TrancheOnChain {
        let (root, total) = self.tree().0.root();
        TrancheOnChain {
            token: TOKEN,
            open: true,
            reclaimed: false,
            closes_at: None,
            signer: self.key.address(),
            total,
            root,
        }
    }

    pub(crate) fn earmarks(&self) -> Vec<EarmarkView> {
        if self.silent {
            return vec![];
        }
        let ((tree, _), TrancheOnChain { token, signer, total, root, .. }) = (self.tree(), self.tranche());
        let proof = tree.proof(1).unwrap();
        let tranche = TrancheView { index: 0, token, open: true, signer, root, total };
        vec![EarmarkView { tranche, cap: self.cap, place: proof.index, siblings: proof.siblings, voucher: None }]
    }

    pub(crate) fn receipts(&self, query: ReceiptsQuery) -> ReceiptsReply {
        let behind = self.chain.iter().skip(usize::try_from(query.after).unwrap());
        let view =
            |(receipt, _): &(Receipt, Voucher)| ReceiptView { receipt: *receipt, signature: Bytes::new(), tranche: 0 };
        ReceiptsReply { receipts: behind.map(view).collect(), count: self.chain.len() as u64 }
    }

    /// Another device of the same key has earned something.
    pub(crate) fn pay_another_device(&mut self, index: u32) {
        let job = JobId { task: B256::repeat_byte(0x99), index };
        self.pay(job, 1, b"by another device", WorkUnits(1));
    }

    pub(crate) fn pay(&mut self, job: JobId, fence: u64, proof: &[u8], units: WorkUnits) -> Option<Paid> {
        let prover = super::kit::prover();
        let known = |(receipt, _): &&(Receipt, Voucher)| receipt.task == job.task && receipt.index == job.index;
        let (receipt, voucher) = match self.chain.iter().find(known) {
            Some(known) => *known,
            None => {
                let last = self.chain.last().map(|(_, voucher)| *voucher);
                let before = last.unwrap_or(Voucher::none(OPERATOR, 0, prover));
                let receipt = Receipt {
                    task: job.task,
                    index: job.index,
                    fence,
                    prover,
                    output: BlobId::of(proof).into(),
                    units: units.0,
                    amount: self.amount.min(self.cap - before.amount),
                    previous: before.head,
                };
                let made = (receipt, before.after(&receipt).unwrap());
                self.chain.push(made);
                made
            }
        };
        let (receipt, voucher) = self.spoil(receipt, voucher)?;
        let key = if self.manner == Manner::OtherKey { Key::random() } else { self.key.clone() };
        let signature = key.sign_digest(&voucher.digest(&ledger())).unwrap();
        Some(Paid { receipt, voucher: SignedVoucher { voucher, signature } })
    }

    fn spoil(&self, receipt: Receipt, voucher: Voucher) -> Option<(Receipt, Voucher)> {
        let none = Voucher::none(OPERATOR, 0, voucher.prover);
        match self.manner {
            Manner::Withholds => None,
            Manner::Honest | Manner::OtherKey => Some((receipt, voucher)),
            Manner::Short => {
                let short = Receipt { amount: receipt.amount - 1, ..receipt };
                let voucher = Voucher { amount: voucher.amount - 1, head: short.hash(), ..voucher };
                Some((short, voucher))
            }
            Manner::OtherSum => Some((receipt, Voucher { amount: voucher.amount + 1, ..voucher })),
            Manner::OtherOutput => {
                let other = Receipt { output: B256::ZERO, ..receipt };
                Some((other, Voucher { head: other.hash(), ..voucher }))
            }
            Manner::Forgets => {
                let first = Receipt { previous: B256::ZERO, ..receipt };
                Some((first, none.after(&first).unwrap()))
            }
        }
    }
}

/// The chain, as a test sets it.
#[derive(Debug, Default)]
pub(crate) struct FakeChain {
    pub(crate) tranche: Option<TrancheOnChain>,
    /// The number of a tranche that is not there.
    pub(crate) gone: Option<u64>,
    pub(crate) claimed: Vec<Holding>,
    /// How often the chain was asked what was paid.
    pub(crate) looks: u32,
    /// And about a tranche.
    pub(crate) tranche_looks: u32,
}

/// The agent's end of it.
#[derive(Debug, Clone)]
pub(crate) struct FakeDesk {
    pub(crate) chain: Arc<Mutex<FakeChain>>,
    pub(crate) key: Key,
    pub(crate) sees: bool,
}

impl FakeDesk {
    pub(crate) fn new() -> Self {
        Self { chain: Arc::default(), key: Key::random(), sees: true }
    }

    pub(crate) fn chain(&self) -> std::sync::MutexGuard<'_, FakeChain> {
        self.chain.lock().unwrap()
    }
}

#[async_trait]
impl PayDesk for FakeDesk {
    fn sign(&self, digest: &B256) -> Result<Bytes, DeskError> {
        self.key.sign_digest(digest).map_err(|e| DeskError { message: e.to_string(), code: ErrorCode::Internal })
    }

    fn sees_chain(&self) -> bool {
        self.sees
    }

    async fn ledger_of(&self, _: u64, _: Address) -> Result<Address, DeskError> {
        Ok(LEDGER)
    }

    async fn tranche(&self, _: &Ledger, _: Address, tranche: u64) -> Result<Option<TrancheOnChain>, DeskError> {
        let mut chain = self.chain();
        chain.tranche_looks += 1;
        Ok(chain.tranche.filter(|_| chain.gone != Some(tranche)))
    }

    async fn paid(&self, _: &Ledger, _: Address, _: u64, _: Address) -> Result<u128, DeskError> {
        self.chain().looks += 1;
        Ok(self.chain().claimed.last().map_or(0, |holding| holding.vouched().amount))
    }

    async fn claim(&self, holding: &Holding) -> Result<B256, DeskError> {
        self.chain().claimed.push(holding.clone());
        Ok(B256::ZERO)
    }
}
