//! The application's contracts on the stage: committee, encoder, oracle.

use alloy::{
    primitives::{Address, Bytes, U256},
    sol,
    sol_types::{SolCall, SolValue},
};
use zkpool_demo::{
    committee,
    error::{Attempt, Result},
    stage::Stage,
};
use zkpool_digits::wish::{image_id, model};

sol! {
    function classesOf(uint256 id) external view returns (bytes);
}

/// Model and input commitments: what of a journal is the question.
const QUESTION_BYTES: u32 = 64;

/// What stands on the chain.
#[derive(Clone, Copy, Debug)]
pub struct Ground {
    /// `CommitteeVerifier`.
    pub committee: Address,
    /// `RiscZeroEncoder`.
    pub encoder: Address,
    /// `DigitOracle`.
    pub oracle: Address,
}

impl Ground {
    /// Deploys it, with a committee of `members` of whom `threshold` must sign.
    pub async fn lay(stage: &Stage, members: &[Address], threshold: u64) -> Result<Self> {
        let committee = committee::found(stage, members, threshold, image_id(), QUESTION_BYTES).await?;
        let encoder = stage.deploy("RiscZeroEncoder", &[]).await?;
        let arguments = (image_id(), model(), committee, stage.deployer).abi_encode_params();
        let oracle = stage.deploy("DigitOracle", &arguments).await?;
        Ok(Self { committee, encoder, oracle })
    }

    /// The answer that the oracle has, read from the contract itself.
    pub async fn classes(&self, stage: &Stage, question: U256) -> Result<Vec<u8>> {
        let answer: Bytes = stage.view_of(self.oracle, classesOfCall { id: question }).await?;
        classesOfCall::abi_decode_returns(&answer)
            .map(|classes| classes.to_vec())
            .attempt("reading the oracle's answer")
    }
}
