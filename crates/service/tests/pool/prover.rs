//! A prover that only pretends.

use crate::{
    groth16::proven,
    operator::{Died, Operator, UNITS},
};
use zkpool_api::{
    ClaimRequest, ClaimedJob, FailRequest, HeartbeatRequest, JoinRequest, KindAsk, KindSpeed, ResultReply,
    ResultRequest,
};
use zkpool_protocol::{Address, Bytes, ErrorCode, ProofKind};
use zkpool_service::{OpResult, ops};
use zkpool_store::ProverId;

/// What it does with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Proves it after so many rounds.
    Works(u32),
    /// Returns what does not verify.
    Lies,
    /// Gives it up.
    GivesUp,
    /// Takes it and is never heard of again.
    Vanishes,
    /// Reports progress and never ends.
    Dawdles,
}

pub(crate) struct Prover {
    pub(crate) address: Address,
    pub(crate) habit: Habit,
    /// What it asks for a million work units, in wei.
    pub(crate) ask: Option<u128>,
    /// What it works on, and for how many rounds it has.
    pub(crate) held: Vec<(ClaimedJob, u32)>,
    /// Every job that it was ever given.
    pub(crate) given: Vec<ClaimedJob>,
}

impl Prover {
    pub(crate) fn new(byte: u8, habit: Habit) -> Self {
        Self { address: Address::repeat_byte(byte), habit, ask: None, held: vec![], given: vec![] }
    }

    pub(crate) fn id(&self) -> ProverId {
        ProverId { address: self.address, device: "rig".into() }
    }

    pub(crate) async fn join(&self, operator: &Operator) -> Result<(), Died> {
        self.join_at(operator, UNITS as f64).await
    }

    pub(crate) async fn join_at(&self, operator: &Operator, units_per_second: f64) -> Result<(), Died> {
        let request = JoinRequest {
            device: "rig".into(),
            cpus: 2,
            memory: 1 << 30,
            kinds: vec![KindSpeed { kind: ProofKind::Groth16Bn254, units_per_second }],
            asks: self
                .ask
                .map(|ask| KindAsk { kind: ProofKind::Groth16Bn254, wei_per_million_units: ask })
                .into_iter()
                .collect(),
            concurrency: 4,
            enclaves: vec![],
            unpaid: false,
        };
        operator.judge(ops::provers::join(operator.ctx(), self.address, request).await.map(drop))
    }

    /// Asks for a job while the service runs once, as a claim that waits would.
    pub(crate) async fn claim_and(&mut self, operator: &Operator) -> Result<(), Died> {
        let now = zkpool_service::Clock::now(operator.clock.as_ref());
        let waiting = operator.ctx().status.wait(&self.id(), now);
        operator.reconcile().await?;
        drop(waiting);
        self.claim(operator).await
    }

    /// Takes what it was given, if anything.
    pub(crate) async fn claim(&mut self, operator: &Operator) -> Result<(), Died> {
        let holding = self.held.iter().map(|(job, _)| job.id).collect();
        let request = ClaimRequest { device: "rig".into(), holding, wait: 0 };
        match ops::jobs::claim_job(operator.ctx(), self.address, request).await {
            Err(error) if matches!(error.code, ErrorCode::Excluded | ErrorCode::Forbidden) => Ok(()),
            outcome => {
                if let Some(job) = operator.judge(outcome)?.job {
                    self.given.push(job.clone());
                    self.held.push((job, 0));
                }
                Ok(())
            }
        }
    }

    /// One round of work.
    pub(crate) async fn work(&mut self, operator: &Operator) -> Result<(), Died> {
        let mut left = Vec::new();
        for (job, rounds) in std::mem::take(&mut self.held) {
            match self.habit {
                Habit::Vanishes => left.push((job, rounds)),
                Habit::Dawdles => {
                    if self.beat(operator, &job, 0.01).await? {
                        left.push((job, rounds + 1));
                    }
                }
                Habit::Works(needed) if rounds < needed => {
                    if self.beat(operator, &job, f64::from(rounds) as f32 / needed as f32).await? {
                        left.push((job, rounds + 1));
                    }
                }
                Habit::Works(_) => {
                    let done = self.give(operator, &job, proven().proof).await;
                    match done {
                        // Lost on its way, or taken from somebody else: nothing to be done about it.
                        Err(error) if matches!(error.code, ErrorCode::LeaseLost) => {}
                        outcome => {
                            // What is not answered is kept, and sent again.
                            if let Err(died) = operator.judge(outcome) {
                                left.push((job, rounds));
                                self.held.append(&mut left);
                                return Err(died);
                            }
                        }
                    }
                }
                Habit::Lies => {
                    let refused = self.give(operator, &job, vec![7; 300].into()).await;
                    match refused {
                        Err(error) if matches!(error.code, ErrorCode::ProofInvalid | ErrorCode::LeaseLost) => {}
                        other => operator.judge(other.map(|_| panic!("a lie was believed")))?,
                    }
                }
                Habit::GivesUp => {
                    let code = ErrorCode::BadInput;
                    let request = FailRequest { fence: job.lease.fence, code, message: "cannot".into() };
                    match ops::jobs::fail_job(operator.ctx(), self.address, job.id, request).await {
                        Err(error) if error.code == ErrorCode::LeaseLost => {}
                        outcome => _ = operator.judge(outcome)?,
                    }
                }
            }
        }
        self.held.append(&mut left);
        Ok(())
    }

    pub(crate) async fn give(&self, operator: &Operator, job: &ClaimedJob, proof: Bytes) -> OpResult<ResultReply> {
        let request = ResultRequest { fence: job.lease.fence, proof, proving_ms: Some(500), signature: None };
        ops::jobs::accept_result(operator.ctx(), self.address, job.id, request).await
    }

    /// Whether to go on.
    async fn beat(&self, operator: &Operator, job: &ClaimedJob, progress: f32) -> Result<bool, Died> {
        let request = HeartbeatRequest { fence: job.lease.fence, stage: "proving".into(), progress };
        match ops::jobs::heartbeat(operator.ctx(), self.address, job.id, request).await {
            Err(error) if error.code == ErrorCode::LeaseLost => Ok(false),
            outcome => Ok(operator.judge(outcome)?.cancelled.is_none()),
        }
    }
}
