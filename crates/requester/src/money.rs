//! Deposits, withdrawals, and finding the money for a reward.

use crate::{Payment, Point, Requester, RequesterError, TaskRecord, payment};
use alloy::{primitives::Address, sol_types::SolCall};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::MutexGuard;
use zkpool_bindings::IZKPool;
use zkpool_chain::{TxRecord, TxRequest, TxState};
use zkpool_protocol::U256;

/// What publications that are under way are going to take out of the balance at the pool, by token.
#[derive(Debug, Default)]
pub(crate) struct Reserved {
    sums: Arc<Mutex<HashMap<Address, U256>>>,
}

/// A share of the balance that is spoken for, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    sums: Arc<Mutex<HashMap<Address, U256>>>,
    token: Address,
    amount: U256,
}

/// Money was found. Held until the publication is in a block.
pub(crate) enum Funds<'a> {
    /// A share of the balance: other publications go on meanwhile.
    Balance(#[allow(dead_code)] Share),
    /// The wallet: nobody else counts on it meanwhile.
    Wallet(#[allow(dead_code)] MutexGuard<'a, Reserved>),
}

impl Reserved {
    fn sum(&self, token: Address) -> U256 {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner).get(&token).copied().unwrap_or_default()
    }

    fn take(&self, token: Address, amount: U256) -> Share {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        *sums.entry(token).or_default() += amount;
        Share { sums: self.sums.clone(), token, amount }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sum) = sums.get_mut(&self.token) {
            *sum = sum.saturating_sub(self.amount);
        }
    }
}

impl Requester {
    /// The balance at the pool.
    ///
    /// # Errors
    /// [`RequesterError::Chain`].
    pub async fn balance(&self, token: Address) -> Result<U256, RequesterError> {
        Ok(self.inner.view.balance(token, self.address()).await?)
    }

    /// The balance in the wallet.
    ///
    /// # Errors
    /// [`RequesterError::Chain`].
    pub async fn wallet(&self, token: Address) -> Result<U256, RequesterError> {
        Ok(self.inner.view.token_balance(token, self.address()).await?)
    }

    /// Moves `amount` from the wallet into the pool, approving exactly that if it is not approved yet. A deposit that a
    /// crash interrupted is finished in place of a new one.
    ///
    /// # Errors
    /// [`RequesterError::Unfunded`], [`RequesterError::Chain`].
    pub async fn deposit(&self, token: Address, amount: u128) -> Result<TxRecord, RequesterError> {
        let amount = U256::from(amount);
        let _alone = self.purse().await?;
        let purpose = self.next_purpose(&format!("deposit:{token}:{amount}")).await?;
        if self.inner.sender.get(&purpose).await?.is_none_or(|record| !record.was_signed()) {
            self.check_wallet(token, amount).await?;
            self.approve(token, amount, &purpose).await?;
        }
        let call = IZKPool::depositCall { token, to: self.address(), amount };
        self.carry_out(TxRequest::call(purpose, self.domain().pool, call.abi_encode())).await
    }

    /// Pays `amount` of the balance at the pool out to `to`. A withdrawal that a crash interrupted is finished in place of
    /// a new one.
    ///
    /// # Errors
    /// [`RequesterError::Unfunded`], [`RequesterError::Chain`].
    pub async fn withdraw(&self, token: Address, to: Address, amount: U256) -> Result<TxRecord, RequesterError> {
        let purpose = self.next_purpose(&format!("withdraw:{token}:{to}:{amount}")).await?;
        if self.inner.sender.get(&purpose).await?.is_none_or(|record| !record.was_signed()) {
            let have = self.balance(token).await?;
            if have < amount {
                return Err(RequesterError::Unfunded {
                    what: "the balance at the pool".into(),
                    token,
                    have,
                    need: amount,
                });
            }
        }
        let call = IZKPool::withdrawCall { token, owner: self.address(), to, amount };
        self.carry_out(TxRequest::call(purpose, self.domain().pool, call.abi_encode())).await
    }

    /// Enqueues (again, if it failed) and waits until it is in a block.
    pub(crate) async fn carry_out(&self, request: TxRequest) -> Result<TxRecord, RequesterError> {
        let purpose = request.purpose.clone();
        self.inner.sender.retry(request).await?;
        Ok(self.inner.sender.wait_mined(&purpose, self.inner.options.transaction_bound).await?)
    }

    /// The first of `stem:0`, `stem:1`, … that has not succeeded yet: what was interrupted is finished, what was done can
    /// be done again.
    async fn next_purpose(&self, stem: &str) -> Result<String, RequesterError> {
        let mut n = 0;
        loop {
            let purpose = format!("{stem}:{n}");
            match self.inner.sender.get(&purpose).await? {
                Some(record) if record.state == TxState::Succeeded => n += 1,
                Some(record) if record.state == TxState::Mined && record.failure.is_none() => n += 1,
                _ => return Ok(purpose),
            }
        }
    }

    /// Alone with the purse.
    async fn purse(&self) -> Result<MutexGuard<'_, Reserved>, RequesterError> {
        let bound = self.inner.options.transaction_bound;
        tokio::time::timeout(bound, self.inner.paying.lock()).await.map_err(|_| RequesterError::TimedOut {
            what: "other payments out of the same wallet".into(),
            seconds: bound.as_secs(),
        })
    }

    async fn check_wallet(&self, token: Address, need: U256) -> Result<(), RequesterError> {
        let have = self.wallet(token).await?;
        if have < need {
            return Err(RequesterError::Unfunded { what: format!("the wallet {}", self.address()), token, have, need });
        }
        Ok(())
    }

    /// Lets the pool pull `need` out of the wallet, if it may not yet.
    async fn approve(&self, token: Address, need: U256, why: &str) -> Result<(), RequesterError> {
        let pool = self.domain().pool;
        let allowed = self.inner.view.allowance(token, self.address(), pool).await?;
        if allowed >= need {
            return Ok(());
        }
        // Some tokens (USDT) take a new approval only after the old one was taken back.
        if !allowed.is_zero() {
            let purpose = self.next_purpose(&format!("unapprove:{why}")).await?;
            self.carry_out(payment::approval(token, pool, U256::ZERO, purpose)).await?;
        }
        let purpose = self.next_purpose(&format!("approve:{why}")).await?;
        let request = payment::approval(token, pool, need, purpose.clone());
        self.inner.sender.retry(request).await?;
        self.inner.probe.at(Point::ApprovalQueued)?;
        self.inner.sender.wait_mined(&purpose, self.inner.options.transaction_bound).await?;
        self.inner.probe.at(Point::Approved)
    }

    /// Finds the reward of a publication; approves what must come out of the wallet.
    pub(crate) async fn fund(&self, record: &TaskRecord) -> Result<Funds<'_>, RequesterError> {
        let terms = &record.quote.quote.terms;
        let (token, need) = (terms.reward_token, U256::from(terms.reward));
        let reserved = self.purse().await?;
        match record.payment {
            Payment::Pool => {
                let free = self.balance(token).await?.saturating_sub(reserved.sum(token));
                if free >= need {
                    return Ok(Funds::Balance(reserved.take(token, need)));
                }
                let short = need - free;
                self.check_wallet(token, short).await?;
                self.approve(token, short, &record.task.to_string()).await?;
            }
            // The transaction brings its own; the sender checks the ether.
            Payment::Ether { .. } => {}
            Payment::Permit { .. } => self.check_wallet(token, need).await?,
        }
        Ok(Funds::Wallet(reserved))
    }
}
