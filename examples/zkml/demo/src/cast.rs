//! Who is there before anybody asks: an operator that serves, and a committee that has put up its stakes.

use crate::ground::Ground;
use zkpool_demo::{
    actors::{Actor, Character, Operator, Scenery, Trusted},
    committee,
    error::{Attempt, DemoError, Result},
    process::Process,
    stage::ether,
};
use zkpool_digits::wish::manifest;
use zkpool_protocol::ProofKind;

/// Of three members.
const THRESHOLD: u64 = 2;

/// See the module.
pub struct Cast {
    /// The application's contracts.
    pub ground: Ground,
    /// The operator.
    pub operator: Operator,
    /// Its service.
    pub service: Process,
    /// The committee: two of three must sign.
    pub members: [Actor; 3],
}

impl Cast {
    /// Deploys the application's contracts, seats the committee, and starts the operator's service. Its slots are open, and
    /// its provers there, when [`Operator::ready`] says so.
    pub async fn gather(scenery: &Scenery, kind: ProofKind) -> Result<Self> {
        let (timeline, stage) = (scenery.timeline, &scenery.stage);
        let members = ["member 1", "member 2", "member 3"].map(Actor::new);
        let ground = Ground::lay(stage, &members.each_ref().map(Actor::address), THRESHOLD).await?;
        timeline.say("chain", format!("DigitOracle at {}, its committee at {}", ground.oracle, ground.committee));
        let trusted = [Trusted { verifier: ground.committee, kind, program: manifest().id() }];
        let operator = Operator::new(scenery, &Character::plain("operator"), &trusted)?;
        stage.fund(operator.owner.address(), ether(100)).await?;
        stage.anvil.set_ether(operator.hot.address(), ether(10)).await.attempt("funding a signer")?;
        stage.mine_by_the_second().await?;
        for member in &members {
            committee::join(scenery, ground.committee, member).await?;
        }
        if !committee::seated(stage, ground.committee).await? {
            return Err(DemoError::new("seating the committee", "the contract says that it has no quorum"));
        }
        timeline.say("committee", "three members have put up their stakes; two must sign");
        let service = operator.serve(scenery)?;
        Ok(Self { ground, operator, service, members })
    }

    /// Starts the nodes of some members.
    pub fn attest(&self, scenery: &Scenery, members: &[Actor]) -> Result<Vec<Process>> {
        members.iter().map(|member| committee::attest(scenery, self.ground.committee, member, &self.operator)).collect()
    }
}
