//! The pool contract's rules in short, over one token: enough to tell whether a service keeps to them and is paid once.

use std::collections::{BTreeMap, BTreeSet};
use zkpool_bindings::IZKPool::{self, IZKPoolCalls};
use zkpool_chain::{
    LiveTask, PoolEvent, Rescue, Slot, SlotState,
    alloy::{primitives::FixedBytes, sol_types::SolInterface},
};
use zkpool_protocol::{Address, Bytes, Domain, MAX_VALIDITY, Quote, SignedQuote, TaskId, U256};

/// Where burned money goes.
pub(crate) const SINK: Address = Address::ZERO;

/// All that the contract remembers. Cloned per block, so that blocks can be taken back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) balances: BTreeMap<Address, u128>,
    pub(crate) signers: BTreeMap<Address, Address>,
    pub(crate) slots: BTreeMap<(Address, u32), Slot>,
    tasks: BTreeMap<TaskId, Live>,
    settled: BTreeSet<TaskId>,
    /// Transactions of this selector revert: to see what becomes of it.
    pub(crate) refused: Option<&'static str>,
}

/// A task that is live.
#[derive(Clone, Debug)]
struct Live {
    quote: Quote,
    published_at: u64,
    halted: u64,
    held: u128,
    rescue: Option<Rescue>,
}

type Outcome = Result<Vec<PoolEvent>, String>;

impl Live {
    fn deadlines(&self) -> (u64, u64) {
        let start = self.published_at + self.halted;
        (self.quote.terms.proof_deadline(start), self.quote.terms.liability_deadline(start))
    }
}

impl Ledger {
    /// Everything that is somewhere: never changes but by [`Ledger::mint`].
    pub(crate) fn total(&self) -> u128 {
        let slots: u128 = self.slots.values().map(|slot| slot.collateral + slot.honour_reserve).sum();
        let held: u128 = self.tasks.values().map(|task| task.held).sum();
        self.balances.values().sum::<u128>() + slots + held
    }

    pub(crate) fn mint(&mut self, account: Address, amount: u128) {
        *self.balances.entry(account).or_default() += amount;
    }

    pub(crate) fn is_live(&self, task: TaskId) -> bool {
        self.tasks.contains_key(&task)
    }

    pub(crate) fn is_settled(&self, task: TaskId) -> bool {
        self.settled.contains(&task)
    }

    pub(crate) fn slot(&self, operator: Address, index: u32) -> Slot {
        let never = Slot {
            digest: FixedBytes::ZERO,
            state: SlotState::Idle,
            published_at: 0,
            busy_until: 0,
            closes_at: Some(0),
            collateral: 0,
            honour_reserve: 0,
            dedicated_to: None,
            next_dedication: None,
        };
        self.slots.get(&(operator, index)).cloned().unwrap_or(never)
    }

    pub(crate) fn quote_of(&self, task: TaskId) -> Option<Quote> {
        self.tasks.get(&task).map(|live| live.quote.clone())
    }

    pub(crate) fn live_task(&self, task: TaskId) -> Option<LiveTask> {
        let live = self.tasks.get(&task)?;
        let (proof_deadline, liability_deadline) = live.deadlines();
        Some(LiveTask { proof_deadline, liability_deadline, rescue: live.rescue })
    }

    /// A call of the contract, all or nothing.
    pub(crate) fn call(&mut self, domain: &Domain, from: Address, time: u64, data: &[u8]) -> Outcome {
        let mut draft = self.clone();
        let call = IZKPoolCalls::abi_decode(data).map_err(|error| error.to_string())?;
        let events = draft.carry_out(domain, from, time, call)?;
        assert_eq!(draft.total(), self.total(), "money came from nowhere or went there");
        *self = draft;
        Ok(events)
    }

    fn carry_out(&mut self, domain: &Domain, from: Address, time: u64, call: IZKPoolCalls) -> Outcome {
        use IZKPoolCalls as C;
        let name = match &call {
            C::prove(_) | C::proveRescued(_) => "prove",
            C::rescue(_) => "rescue",
            _ => "",
        };
        if self.refused == Some(name) {
            return Err("Refused".into());
        }
        match call {
            C::setSigner(call) => {
                self.signers.insert(from, call.signer);
                Ok(vec![PoolEvent::SignerSet { operator: from, signer: call.signer, effective_at: time }])
            }
            C::openSlot(call) => self.open(from, &call),
            C::topUpSlot(call) => {
                self.take(from, call.collateral + call.honour)?;
                let slot = self.slots.get_mut(&(call.operator, call.index)).ok_or("SlotNotOpen")?;
                slot.collateral += call.collateral;
                slot.honour_reserve += call.honour;
                Ok(vec![])
            }
            C::publish(call) => {
                self.publish(domain, from, time, SignedQuote { quote: call.quote.into(), signature: call.signature })
            }
            C::prove(call) => {
                let quote = Quote::from(call.quote);
                self.only(from, quote.terms.operator)?;
                self.deliver(quote.id(domain), time, &call.proof, None)
            }
            C::proveRescued(call) => {
                let quote = Quote::from(call.quote);
                self.only(from, call.rescuer)?;
                self.deliver(quote.id(domain), time, &call.proof, Some((call.rescuer, call.rescuerSlot)))
            }
            C::rescue(call) => {
                self.only(from, call.rescuer)?;
                self.rescue(Quote::from(call.quote).id(domain), call.rescuer, call.rescuerSlot, time)
            }
            C::novate(call) => self.novate(Quote::from(call.quote).id(domain), time),
            C::collect(call) => self.collect(Quote::from(call.quote).id(domain), time),
            other => Err(format!("not in this ledger: {other:?}")),
        }
    }

    fn open(&mut self, operator: Address, call: &IZKPool::openSlotCall) -> Outcome {
        let (token, slot, collateral, honour) = (call.token, call.index, call.collateral, call.honour);
        self.take(operator, collateral + honour)?;
        if self.slots.contains_key(&(operator, slot)) {
            return Err("SlotAlreadyOpen".into());
        }
        let fresh = Slot { closes_at: None, collateral, honour_reserve: honour, ..self.slot(operator, slot) };
        self.slots.insert((operator, slot), fresh);
        let (collateral, honour) = (U256::from(collateral), U256::from(honour));
        Ok(vec![PoolEvent::SlotOpened { operator, token, slot, collateral, honour, dedicated_to: None }])
    }

    fn publish(&mut self, domain: &Domain, from: Address, time: u64, signed: SignedQuote) -> Outcome {
        let (quote, terms) = (&signed.quote, &signed.quote.terms);
        let task = quote.id(domain);
        let signer = signed.signer(domain).map_err(|_| "BadSignature")?;
        if self.signers.get(&terms.operator) != Some(&signer) {
            return Err("BadSignature".into());
        }
        if time > terms.valid_until || terms.valid_until > time + MAX_VALIDITY {
            return Err("QuoteExpired".into());
        }
        if self.tasks.contains_key(&task) || self.settled.contains(&task) {
            return Err("AlreadyPublished".into());
        }
        self.take(from, terms.reward)?;
        let (operator, requester, index) = (terms.operator, terms.requester, quote.task.slot);
        let slot = self.slots.get_mut(&(operator, index)).ok_or("SlotNotOpen")?;
        let free = slot.state == SlotState::Idle && time > slot.busy_until;
        if free && U256::from(slot.collateral) >= terms.lock() {
            slot.state = SlotState::Active;
            slot.digest = FixedBytes::from_slice(&task[..25]);
            slot.busy_until = terms.valid_until;
            self.mint(operator, terms.advance);
            let held = terms.reward - terms.advance;
            let live = Live { quote: quote.clone(), published_at: time, halted: 0, held, rescue: None };
            self.tasks.insert(task, live);
            return Ok(vec![PoolEvent::Published { task, operator, requester, slot: index }]);
        }
        let honour = terms.honour.min(slot.honour_reserve);
        slot.honour_reserve -= honour;
        slot.busy_until = time + MAX_VALIDITY;
        self.mint(requester, terms.reward + honour - honour / 2);
        self.mint(SINK, honour / 2);
        self.settled.insert(task);
        let (paid, burned) = (U256::from(honour - honour / 2), U256::from(honour / 2));
        Ok(vec![PoolEvent::Dishonoured { task, operator, requester, paid, burned }])
    }

    fn deliver(&mut self, task: TaskId, time: u64, proof: &Bytes, by: Option<(Address, u32)>) -> Outcome {
        let mut events = Vec::new();
        if by.is_some() && self.is_taken_over(task, time) {
            events.extend(self.novate(task, time)?);
        }
        let live = self.tasks.get(&task).ok_or("NotInSlot")?.clone();
        let (proof_deadline, liability_deadline) = live.deadlines();
        let novated = live.rescue.is_some_and(|rescue| rescue.novated);
        match (by, live.rescue) {
            (None, _) if !novated && !self.is_taken_over(task, time) => {}
            (Some(by), Some(rescue)) if novated && by == (rescue.rescuer, rescue.slot) => {}
            (Some(_), Some(_)) => return Err("TooEarly".into()),
            _ => return Err("NotInSlot".into()),
        }
        if time > liability_deadline {
            return Err("TooLate".into());
        }
        if *proof != crate::groth16::proven().proof {
            return Err("ProofRejected".into());
        }
        let terms = &live.quote.terms;
        let late = time > proof_deadline;
        match by {
            None => {
                let lost = if late { terms.bond - terms.bond / 2 } else { 0 };
                self.mint(terms.operator, live.held);
                self.mint(terms.requester, lost);
                self.free((terms.operator, live.quote.task.slot), lost);
                if let Some(rescue) = live.rescue {
                    self.free((rescue.rescuer, rescue.slot), 0);
                }
            }
            Some(rescuer) => {
                self.mint(rescuer.0, live.held);
                self.free(rescuer, 0);
            }
        }
        self.end(task);
        events.push(PoolEvent::Delivered { task, on_time: !late, target_ok: true, earmarked: U256::ZERO });
        Ok(events)
    }

    fn rescue(&mut self, task: TaskId, rescuer: Address, slot: u32, time: u64) -> Outcome {
        let live = self.tasks.get(&task).ok_or("NotInSlot")?.clone();
        let (proof_deadline, liability_deadline) = live.deadlines();
        let at = time + live.quote.terms.rescue_grace();
        if live.rescue.is_some() {
            return Err("RescueExists".into());
        }
        if time <= proof_deadline {
            return Err("TooEarly".into());
        }
        if at > liability_deadline {
            return Err("TooLate".into());
        }
        let own = self.slots.get_mut(&(rescuer, slot)).ok_or("SlotNotOpen")?;
        if own.state != SlotState::Idle || time <= own.busy_until {
            return Err("SlotBusy".into());
        }
        if U256::from(own.collateral) < live.quote.terms.rescue_lock() {
            return Err("SlotUnderfunded".into());
        }
        own.state = SlotState::Reserved;
        own.digest = FixedBytes::from_slice(&task[..25]);
        let rescue = Rescue { rescuer, slot, at, novated: false };
        self.tasks.insert(task, Live { rescue: Some(rescue), ..live });
        Ok(vec![PoolEvent::RescueAnnounced { task, rescuer, slot, effective_at: at }])
    }

    fn is_taken_over(&self, task: TaskId, time: u64) -> bool {
        let rescue = self.tasks.get(&task).and_then(|live| live.rescue);
        rescue.is_some_and(|rescue| !rescue.novated && time >= rescue.at)
    }

    fn novate(&mut self, task: TaskId, time: u64) -> Outcome {
        if !self.is_taken_over(task, time) {
            return Err("TooEarly".into());
        }
        let mut live = self.tasks.get(&task).ok_or("NotInSlot")?.clone();
        let terms = live.quote.terms.clone();
        let Some(rescue) = &mut live.rescue else { return Err("NotInSlot".into()) };
        rescue.novated = true;
        self.free((terms.operator, live.quote.task.slot), terms.advance + terms.bond);
        self.mint(terms.requester, terms.bond - terms.bond / 2);
        if let Some(slot) = self.slots.get_mut(&(rescue.rescuer, rescue.slot)) {
            slot.state = SlotState::Rescuing;
        }
        let rescuer = rescue.rescuer;
        live.held += terms.advance + terms.bond / 2;
        self.tasks.insert(task, live);
        Ok(vec![PoolEvent::Novated { task, rescuer }])
    }

    fn collect(&mut self, task: TaskId, time: u64) -> Outcome {
        let mut events = Vec::new();
        if self.is_taken_over(task, time) {
            events.extend(self.novate(task, time)?);
        }
        let live = self.tasks.get(&task).ok_or("NotInSlot")?.clone();
        if time <= live.deadlines().1 {
            return Err("TooEarly".into());
        }
        let terms = &live.quote.terms;
        let novated = live.rescue.filter(|rescue| rescue.novated);
        let (holder, lost) = match novated {
            Some(rescue) => ((rescue.rescuer, rescue.slot), terms.liability + terms.burn),
            None => {
                let lock: u128 = terms.lock().try_into().unwrap();
                ((terms.operator, live.quote.task.slot), lock)
            }
        };
        self.free(holder, lost);
        self.mint(SINK, terms.burn);
        self.mint(terms.requester, live.held + lost - terms.burn);
        self.end(task);
        events.push(PoolEvent::Defaulted { task, operator: holder.0 });
        Ok(events)
    }

    /// Ends a task without fault, as after a long halt.
    pub(crate) fn unwind(&mut self, task: TaskId) -> Vec<PoolEvent> {
        let Some(live) = self.tasks.get(&task).cloned() else { return vec![] };
        let terms = &live.quote.terms;
        match live.rescue {
            Some(rescue) if rescue.novated => {
                self.free((rescue.rescuer, rescue.slot), 0);
                self.mint(terms.operator, terms.bond / 2);
                self.mint(terms.requester, terms.reward);
            }
            rescue => {
                self.free((terms.operator, live.quote.task.slot), terms.advance);
                if let Some(rescue) = rescue {
                    self.free((rescue.rescuer, rescue.slot), 0);
                }
                self.mint(terms.requester, terms.reward);
            }
        }
        self.end(task);
        vec![PoolEvent::Unwound { task }]
    }

    /// Delivers a task for its operator, or for the rescuer that takes it over now: as if it had been done by hand.
    pub(crate) fn deliver_for(&mut self, task: TaskId, rescuer: Option<Address>, time: u64) -> Vec<PoolEvent> {
        let mut events = Vec::new();
        if let Some(rescuer) = rescuer {
            events.extend(self.take_over(task, rescuer, time));
        }
        let Some(live) = self.tasks.get(&task).cloned() else { return events };
        let by = live.rescue.filter(|rescue| rescue.novated).map(|rescue| (rescue.rescuer, rescue.slot));
        // Whatever the time is.
        let grace_ends = live.rescue.filter(|rescue| !rescue.novated).map_or(u64::MAX, |rescue| rescue.at - 1);
        let time = time.min(live.deadlines().1).min(grace_ends);
        let proof = crate::groth16::proven().proof;
        events.extend(self.deliver(task, time, &proof, by).unwrap());
        events
    }

    /// Announces a rescue.
    pub(crate) fn announce(&mut self, task: TaskId, rescuer: Address, slot: u32, time: u64) -> Vec<PoolEvent> {
        self.rescuable(rescuer, slot);
        self.rescue(task, rescuer, slot, time).unwrap()
    }

    /// Announces a rescue, unless there is one, and carries it out at once.
    pub(crate) fn take_over(&mut self, task: TaskId, rescuer: Address, time: u64) -> Vec<PoolEvent> {
        let mut events = Vec::new();
        let Some(live) = self.tasks.get(&task).cloned() else { return events };
        let (proof_deadline, _) = live.deadlines();
        if live.rescue.is_none() {
            events.extend(self.announce(task, rescuer, 0, proof_deadline + 1));
        }
        if self.tasks[&task].rescue.is_some_and(|rescue| !rescue.novated) {
            events.extend(self.novate(task, time.max(proof_deadline + 1_000)).unwrap());
        }
        events
    }

    /// A rival has a slot, too.
    fn rescuable(&mut self, rescuer: Address, slot: u32) {
        if !self.slots.contains_key(&(rescuer, slot)) {
            self.mint(rescuer, 0);
            let fresh = Slot { closes_at: None, collateral: 1_000_000, ..self.slot(rescuer, slot) };
            self.slots.insert((rescuer, slot), fresh);
        }
    }

    fn end(&mut self, task: TaskId) {
        self.tasks.remove(&task);
        assert!(self.settled.insert(task), "{task} was settled twice");
    }

    fn free(&mut self, slot: (Address, u32), lost: u128) {
        if let Some(slot) = self.slots.get_mut(&slot) {
            slot.state = SlotState::Idle;
            slot.collateral -= lost;
        }
    }

    fn take(&mut self, account: Address, amount: u128) -> Result<(), String> {
        let balance = self.balances.entry(account).or_default();
        *balance = balance.checked_sub(amount).ok_or("InsufficientBalance")?;
        Ok(())
    }

    fn only(&self, from: Address, operator: Address) -> Result<(), String> {
        let known = from == operator || self.signers.get(&operator) == Some(&from);
        if known { Ok(()) } else { Err("NotAuthorized".into()) }
    }
}
