//! A chain with a committee.

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol,
    sol_types::{SolCall, SolValue},
};
use zkpool_bindings::{CommitteeVerifier, IERC20};
use zkpool_chain::{
    CommitteeView, Key,
    testing::{Anvil, Deployer},
};

sol! {
    function mint(address to, uint256 amount);
}

/// The program that the committee vouches for.
pub(crate) const IMAGE: B256 = B256::repeat_byte(0x11);
/// So many bytes of its journals are the question.
pub(crate) const QUESTION: usize = 4;
/// What a member puts up.
pub(crate) const STAKE: u128 = 1000;

/// Anvil, and a committee of three, two of whom must sign.
pub(crate) struct World {
    pub(crate) chain: Anvil,
    pub(crate) token: Address,
    pub(crate) committee: Address,
    /// The members, in the contract's order. The first two have joined.
    pub(crate) members: Vec<Key>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let chain = Anvil::start().unwrap();
        let mut deployer = Deployer::new(&chain, chain.account(0));
        let token = deployer.deploy("Tokens.sol:PlainToken").await.unwrap();
        let mut members: Vec<_> = (1..=3).map(|index| chain.key(index)).collect();
        members.sort_by_key(Key::address);
        let programs = vec![CommitteeVerifier::Program { imageId: IMAGE, questionBytes: QUESTION as u32 }];
        let addresses: Vec<_> = members.iter().map(Key::address).collect();
        let arguments = (addresses, U256::from(2), token, STAKE, programs, Address::ZERO).abi_encode_params();
        let committee = deployer.deploy_with("CommitteeVerifier", &arguments).await.unwrap();
        let world = Self { chain, token, committee, members };
        for member in &world.members[..2] {
            world.join(member).await;
        }
        world
    }

    /// Puts a member's stake up.
    pub(crate) async fn join(&self, member: &Key) {
        let (account, amount) = (member.address(), U256::from(STAKE));
        self.send(account, self.token, mintCall { to: account, amount }).await;
        self.send(account, self.token, IERC20::approveCall { spender: self.committee, value: amount }).await;
        self.send(account, self.committee, CommitteeVerifier::joinCall {}).await;
    }

    pub(crate) async fn send(&self, from: Address, to: Address, call: impl SolCall) {
        let data = Bytes::from(call.abi_encode());
        self.chain.send(from, Some(to), data, U256::ZERO).await.unwrap();
    }

    pub(crate) fn view(&self) -> CommitteeView {
        CommitteeView::new(self.chain.rpc(), self.chain.chain_id(), self.committee)
    }
}
