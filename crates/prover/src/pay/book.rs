//! Vouchers on disk: with what is needed to have them paid, whether or not their operator still exists.

use super::locked;
use crate::disk;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Mutex,
};
use zkpool_protocol::{
    Address, BlobId, decimal,
    pay::{CapProof, Ledger, SignedVoucher, Voucher},
};

/// What a prover holds of one tranche: its cap, the proof of it, and the last voucher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holding {
    /// The revenue ledger.
    pub ledger: Ledger,
    /// Where the operator was when it gave this.
    pub url: String,
    /// Whose tranche.
    pub operator: Address,
    /// Its index.
    pub tranche: u64,
    /// Who earns.
    pub prover: Address,
    /// What it pays in.
    pub token: Address,
    /// Signs its vouchers.
    pub signer: Address,
    /// Whether it was open when the chain was last asked.
    pub open: bool,
    /// The most that is paid, in the token's smallest unit.
    #[serde(with = "decimal")]
    pub cap: u128,
    /// That the cap is in the tranche's tree.
    pub proof: CapProof,
    /// The last voucher; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voucher: Option<SignedVoucher>,
    /// When that came, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vouched_at: Option<u64>,
    /// The operator has taken the tranche back: what was not claimed is lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reclaimed: bool,
    /// One over more that the tranche's signer has signed, too, and that is not what it should be: the ledger pays it all
    /// the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disputed: Option<SignedVoucher>,
}

impl Holding {
    /// What is vouched for so far.
    pub fn vouched(&self) -> Voucher {
        let none = Voucher::none(self.operator, self.tranche, self.prover);
        self.voucher.as_ref().map_or(none, |signed| signed.voucher)
    }

    /// The voucher that pays most.
    pub fn best(&self) -> Option<&SignedVoucher> {
        let both = self.voucher.iter().chain(&self.disputed);
        both.max_by_key(|signed| signed.voucher.amount)
    }

    /// What the ledger pays in all, in the token's smallest unit, as long as it pays.
    pub fn earned(&self) -> u128 {
        self.best().map_or(0, |best| best.voucher.amount).min(self.cap)
    }

    /// What can still be earned, in the token's smallest unit.
    pub fn left(&self) -> u128 {
        self.cap.saturating_sub(self.vouched().amount)
    }

    fn name(&self) -> String {
        let Self { ledger: Ledger { chain_id, address }, operator, tranche, prover, .. } = self;
        let key = BlobId::of(format!("{chain_id}\n{address}\n{operator}\n{tranche}\n{prover}").as_bytes());
        format!("{key}.json")
    }
}

/// All holdings of a state directory, one file each.
#[derive(Debug)]
pub struct Book {
    dir: PathBuf,
    holdings: Mutex<BTreeMap<String, Holding>>,
}

impl Book {
    /// Opens the book in `dir`.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let mut holdings = BTreeMap::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            // A voucher is money: one that cannot be read is for the owner to look at, not to be passed over.
            let holding: Holding = serde_json::from_slice(&fs::read(&path)?)
                .map_err(|error| io::Error::other(format!("cannot read {}: {error}", path.display())))?;
            holdings.insert(holding.name(), holding);
        }
        Ok(Self { dir: dir.to_owned(), holdings: Mutex::new(holdings) })
    }

    /// Every holding.
    pub fn all(&self) -> Vec<Holding> {
        locked(&self.holdings).values().cloned().collect()
    }

    /// Those of one prover with one operator, by tranche.
    pub(super) fn of(&self, ledger: &Ledger, operator: Address, prover: Address) -> Vec<Holding> {
        let mut found = self.all();
        found.retain(|h| h.ledger == *ledger && h.operator == operator && h.prover == prover);
        found.sort_by_key(|holding| holding.tranche);
        found
    }

    /// Writes a holding, durably. An older voucher never takes the place of a newer one, and no tranche opens again.
    pub(super) fn save(&self, holding: &Holding) -> io::Result<()> {
        let (mut holdings, name) = (locked(&self.holdings), holding.name());
        let mut kept = holding.clone();
        if let Some(known) = holdings.get(&name).filter(|known| known.vouched().count > kept.vouched().count) {
            kept.voucher.clone_from(&known.voucher);
            kept.vouched_at = known.vouched_at;
        }
        if let Some(known) = holdings.get(&name) {
            kept.open &= known.open;
            kept.reclaimed |= known.reclaimed;
        }
        if kept.disputed.as_ref().is_some_and(|disputed| disputed.voucher.amount <= kept.vouched().amount) {
            kept.disputed = None;
        }
        if holdings.get(&name) != Some(&kept) {
            let bytes = serde_json::to_vec_pretty(&kept).map_err(io::Error::other)?;
            disk::write_atomically(&self.dir.join(&name), &bytes)?;
            holdings.insert(name, kept);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zkpool_protocol::{B256, Bytes};

    fn holding(tranche: u64, count: u64) -> Holding {
        let none = Voucher::none(Address::repeat_byte(1), tranche, Address::repeat_byte(2));
        let voucher = Voucher { amount: 10 * u128::from(count), count, head: B256::repeat_byte(3), ..none };
        Holding {
            ledger: Ledger { chain_id: 1, address: Address::repeat_byte(9) },
            url: "http://operator/".into(),
            operator: Address::repeat_byte(1),
            tranche,
            prover: Address::repeat_byte(2),
            token: Address::repeat_byte(4),
            signer: Address::repeat_byte(5),
            open: true,
            cap: 100,
            proof: CapProof { index: 0, siblings: vec![] },
            voucher: (count > 0).then(|| SignedVoucher { voucher, signature: Bytes::from(vec![1; 65]) }),
            vouched_at: (count > 0).then_some(1_000 + count),
            reclaimed: false,
            disputed: None,
        }
    }

    #[test]
    fn vouchers_survive_a_restart_and_never_grow_older() {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::open(dir.path()).unwrap();
        for count in [0, 2, 1] {
            book.save(&holding(0, count)).unwrap();
        }
        book.save(&holding(1, 0)).unwrap();
        let book = Book::open(dir.path()).unwrap();
        let found = book.of(&holding(0, 0).ledger, Address::repeat_byte(1), Address::repeat_byte(2));
        assert_eq!(found, [holding(0, 2), holding(1, 0)]);
        assert_eq!((found[0].left(), found[1].left()), (80, 100));
        assert!(book.of(&holding(0, 0).ledger, Address::ZERO, Address::repeat_byte(2)).is_empty());
    }

    #[test]
    fn a_disputed_voucher_is_kept_as_long_as_it_pays_more() {
        let dir = tempfile::tempdir().unwrap();
        let book = Book::open(dir.path()).unwrap();
        let disputed = holding(0, 2).voucher;
        book.save(&Holding { disputed: disputed.clone(), ..holding(0, 1) }).unwrap();
        let kept = Book::open(dir.path()).unwrap().all().remove(0);
        assert_eq!((kept.vouched().amount, kept.left(), kept.best()), (10, 90, disputed.as_ref()));
        let Holding { voucher, vouched_at, .. } = holding(0, 2);
        book.save(&Holding { voucher, vouched_at, ..kept }).unwrap();
        assert_eq!(book.all(), [holding(0, 2)]);
        // What others knew before does not undo what is known since.
        book.save(&Holding { open: false, reclaimed: true, ..holding(0, 2) }).unwrap();
        book.save(&holding(0, 3)).unwrap();
        assert_eq!(book.all(), [Holding { open: false, reclaimed: true, ..holding(0, 3) }]);
    }

    #[test]
    fn a_voucher_that_cannot_be_read_is_not_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("damaged.json"), b"{").unwrap();
        assert!(Book::open(dir.path()).unwrap_err().to_string().contains("damaged.json"));
    }
}
