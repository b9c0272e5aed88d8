//! The rollup's users: each has an account and a key, and sends signed transfers over HTTP.

use crate::node::RollupNode;
use alloy::primitives::{B256, hex};
use rand::Rng;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use zkpool_demo::{
    actors::Scenery,
    error::{Attempt, DemoError, Result},
};
use zkpool_rollup::{
    Domain, State, Wallet,
    core::{Account, DEPTH, TRANSFERS},
};
use zkpool_rollup_node::node::demonstration;

/// What everybody begins with.
const BALANCE: u64 = 1_000;

/// All of them, and the state as they see it: computed by themselves, and held against the contract's in the end.
pub struct Users {
    /// What their keys are made of; only these users, and a node that demonstrates, know it.
    secret: [u8; 32],
    wallets: Vec<Wallet>,
    state: State<DEPTH>,
}

/// A transfer that was sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// The sender's place.
    pub from: u32,
    /// The receiver's.
    pub to: u32,
    /// How much.
    pub amount: u64,
}

impl Users {
    /// With fresh keys.
    pub fn new() -> Result<Self> {
        let secret: [u8; 32] = rand::random();
        let wallets = demonstration(&secret);
        let accounts: Vec<Account> =
            wallets.iter().map(|wallet| Account { key: wallet.key(), balance: BALANCE, nonce: 0 }).collect();
        let state = State::new(&accounts).attempt("making the genesis state")?;
        Ok(Self { secret, wallets, state })
    }

    /// The root of the state as they see it.
    pub fn root(&self) -> B256 {
        self.state.root().into()
    }

    /// The secret in hex, for a child's environment.
    pub fn secret(&self) -> String {
        hex::encode(self.secret)
    }

    /// Writes the accounts down as a node reads them.
    pub fn write_genesis(&self, dir: &Path) -> Result<PathBuf> {
        let path = dir.join("genesis.json");
        let accounts: Vec<Value> = self
            .state
            .accounts()
            .iter()
            .map(|account| json!({ "key": hex::encode(account.key), "balance": account.balance.to_string() }))
            .collect();
        fs::write(&path, Value::Array(accounts).to_string()).attempt(format!("writing {}", path.display()))?;
        Ok(path)
    }

    /// Enough transfers for a batch, by chance, each signed by its sender.
    pub async fn send(&mut self, scenery: &Scenery, node: &RollupNode) -> Result<Vec<Sent>> {
        let domain = Domain { chain_id: scenery.stage.domain.chain_id, rollup: node.rollup.into_array() };
        let mut sent = Vec::with_capacity(TRANSFERS);
        for _ in 0..TRANSFERS {
            let (from, to, amount) = self.wish();
            let nonce = self.state.accounts()[from as usize].nonce;
            let record = self.wallets[from as usize].transfer(&domain, from, to, amount, nonce).encode();
            let body = json!({ "record": hex::encode_prefixed(record) });
            let what = "sending a transfer";
            let answer = scenery.http.post(format!("{}/transfers", node.url)).json(&body).send().await.attempt(what)?;
            if !answer.status().is_success() {
                return Err(DemoError::new(what, answer.text().await.unwrap_or_default()));
            }
            self.apply(from, to, amount);
            sent.push(Sent { from, to, amount });
        }
        Ok(sent)
    }

    fn wish(&self) -> (u32, u32, u64) {
        let mut rng = rand::thread_rng();
        let places = self.wallets.len() as u32;
        loop {
            let from = rng.gen_range(0..places);
            let has = self.state.accounts()[from as usize].balance;
            if has > 0 {
                return (from, (from + rng.gen_range(1..places)) % places, rng.gen_range(1..=has));
            }
        }
    }

    fn apply(&mut self, from: u32, to: u32, amount: u64) {
        let (sender, receiver) = (self.state.accounts()[from as usize], self.state.accounts()[to as usize]);
        self.state.set(from, Account { balance: sender.balance - amount, nonce: sender.nonce + 1, ..sender });
        self.state.set(to, Account { balance: receiver.balance + amount, ..receiver });
    }
}
