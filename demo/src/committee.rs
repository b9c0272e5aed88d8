//! Members of a committee: they put up stakes, and run nodes that check receipts and sign for them.

use crate::{
    actors::{Actor, Operator, Scenery, text},
    error::{Attempt, Result},
    process::Process,
    stage::{Stage, ether},
};
use alloy::{
    primitives::{Address, B256, U256},
    sol,
    sol_types::SolValue,
};
use std::{path::PathBuf, process::Command, time::Duration};

sol! {
    struct Program {
        bytes32 imageId;
        uint32 questionBytes;
    }

    function halted() external view returns (bool);
}

/// What a member puts up, in whole tokens.
pub const STAKE: u64 = 10;
/// How long a command may take that waits for nothing but blocks.
const SOON: Duration = Duration::from_secs(90);

/// Deploys a `CommitteeVerifier` for one program, of `members` of whom `threshold` must sign. The first `question_bytes` of
/// the journal are what its members must not answer twice.
pub async fn found(
    stage: &Stage,
    members: &[Address],
    threshold: u64,
    image_id: B256,
    question_bytes: u32,
) -> Result<Address> {
    let mut members = members.to_vec();
    members.sort();
    let programs = vec![Program { imageId: image_id, questionBytes: question_bytes }];
    let stake: u128 = ether(STAKE).saturating_to();
    let arguments = (members, U256::from(threshold), stage.weth, stake, programs, Address::ZERO);
    stage.deploy("CommitteeVerifier", &arguments.abi_encode_params()).await
}

/// Whether a committee has a quorum.
pub async fn seated(stage: &Stage, committee: Address) -> Result<bool> {
    let halted: B256 = stage.view_of(committee, haltedCall {}).await?;
    Ok(halted.is_zero())
}

/// A member puts up its stake, and begins the memory of what it signs.
pub async fn join(scenery: &Scenery, committee: Address, member: &Actor) -> Result<()> {
    scenery.stage.fund(member.address(), ether(2 * STAKE)).await?;
    let (committee, state) = (committee.to_string(), memory(scenery, member));
    let args = ["verifier", "join", "--committee", &committee, "--state", text(&state)?];
    scenery.run(member, &args, SOON).await.map(drop)
}

/// Where a member keeps what it has signed.
fn memory(scenery: &Scenery, member: &Actor) -> PathBuf {
    scenery.dir.join(member.name.replace(' ', "-"))
}

/// Starts a member's node.
pub fn attest(scenery: &Scenery, committee: Address, member: &Actor, operator: &Operator) -> Result<Process> {
    let name = member.name.replace(' ', "-");
    let mut command = Command::new(&scenery.zkpool);
    command
        .args(["verifier", "run", "--key", "env:MEMBER_KEY", "--operator", &operator.url])
        .args(["--committee", &committee.to_string(), "--rpc", scenery.stage.anvil.url()])
        .args(["--chain-id", &scenery.stage.domain.chain_id.to_string(), "--state"])
        .arg(memory(scenery, member))
        .env("MEMBER_KEY", member.secret());
    Process::start(&name, &scenery.dir, command).attempt("starting a member's node")
}
