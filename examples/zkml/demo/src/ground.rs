//! The application's contracts on the stage: committee, encoder, oracle.

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol,
    sol_types::{SolCall, SolValue},
};
use zkpool_demo::{
    error::{Attempt, Result},
    stage::{Stage, ether},
};
use zkpool_digits::wish::{image_id, model};

sol! {
    struct Program {
        bytes32 imageId;
        uint32 questionBytes;
    }

    function classesOf(uint256 id) external view returns (bytes);
    function halted() external view returns (bool);
}

/// Model and input commitments: what of a journal is the question.
const QUESTION_BYTES: u32 = 64;
/// What a member puts up, in whole tokens.
pub const STAKE: u64 = 10;

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
        let mut members = members.to_vec();
        members.sort();
        let programs = vec![Program { imageId: image_id(), questionBytes: QUESTION_BYTES }];
        let stake: u128 = ether(STAKE).saturating_to();
        let arguments = (members, U256::from(threshold), stage.weth, stake, programs, Address::ZERO);
        let committee = stage.deploy("CommitteeVerifier", &arguments.abi_encode_params()).await?;
        let encoder = stage.deploy("RiscZeroEncoder", &[]).await?;
        let arguments = (image_id(), model(), committee, stage.deployer).abi_encode_params();
        let oracle = stage.deploy("DigitOracle", &arguments).await?;
        Ok(Self { committee, encoder, oracle })
    }

    /// Whether the committee has a quorum.
    pub async fn seated(&self, stage: &Stage) -> Result<bool> {
        let halted: B256 = view(stage, self.committee, haltedCall {}).await?;
        Ok(halted.is_zero())
    }

    /// The answer that the oracle has, read from the contract itself.
    pub async fn classes(&self, stage: &Stage, question: U256) -> Result<Vec<u8>> {
        let answer: Bytes = view(stage, self.oracle, classesOfCall { id: question }).await?;
        classesOfCall::abi_decode_returns(&answer)
            .map(|classes| classes.to_vec())
            .attempt("reading the oracle's answer")
    }
}

async fn view<C: SolCall, T: serde::de::DeserializeOwned>(stage: &Stage, to: Address, call: C) -> Result<T> {
    let request = serde_json::json!([{ "to": to, "data": Bytes::from(call.abi_encode()) }, "latest"]);
    stage.anvil.request("eth_call", request).await.attempt(format!("calling {to}"))
}
