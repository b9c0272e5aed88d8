//! Reads of the real registry.

#![allow(clippy::unwrap_used)]

use alloy::{
    primitives::{Address, U256},
    sol_types::SolCall,
};
use std::collections::HashSet;
use zkpool_bindings::IOperatorRegistry;
use zkpool_chain::{
    ChainError, Listed, RegistryView, registration,
    testing::{Anvil, Deployer},
};
use zkpool_protocol::ProofKind;

struct World {
    chain: Anvil,
    registry: Address,
    view: RegistryView,
}

impl World {
    async fn new() -> Self {
        let chain = Anvil::start().unwrap();
        let registry = Deployer::new(&chain, chain.account(0)).deploy("OperatorRegistry").await.unwrap();
        let view = RegistryView::new(chain.rpc(), registry);
        Self { chain, registry, view }
    }

    async fn register(&self, who: Address, url: &str, kinds: &[&str]) {
        let kinds: Vec<_> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        let call = registration(url, &kinds).unwrap();
        self.chain.send(who, Some(self.registry), call.abi_encode().into(), U256::ZERO).await.unwrap();
    }
}

#[tokio::test]
async fn what_an_operator_says_is_read_until_it_leaves() {
    let world = World::new().await;
    assert!(world.view.list(9, 5).await.unwrap().entries.is_empty());
    let who = world.chain.account(3);
    world.register(who, "https://pool.example", &["sgx", "groth16-bn254"]).await;
    let head = world.chain.rpc().head().await.unwrap();
    let entry = Listed {
        operator: who,
        url: "https://pool.example".into(),
        kinds: vec!["groth16-bn254".into(), "sgx".into()],
        updated_at: head.timestamp,
    };
    let listing = world.view.list(9, 0).await.unwrap();
    assert_eq!(
        (listing.entries.as_slice(), listing.total, listing.block),
        ([entry.clone()].as_slice(), 1, head.number)
    );
    assert!(entry.takes(ProofKind::Sgx) && !entry.takes(ProofKind::Bundle));
    assert_eq!(world.view.operator(who).await.unwrap(), Some(entry));
    assert_eq!(world.view.operator(world.chain.account(4)).await.unwrap(), None);
    let call = IOperatorRegistry::unregisterCall {}.abi_encode();
    world.chain.send(who, Some(world.registry), call.into(), U256::ZERO).await.unwrap();
    assert!(world.view.list(9, 0).await.unwrap().entries.is_empty());
    assert_eq!(world.view.operator(who).await.unwrap(), None);
}

#[tokio::test]
async fn a_long_list_is_read_whole_or_in_part_by_lot() {
    let world = World::new().await;
    let mut all = HashSet::new();
    for n in 1..=53u8 {
        let who = Address::repeat_byte(n);
        world.chain.impersonate(who).await.unwrap();
        world.chain.set_ether(who, U256::from(10u128.pow(18))).await.unwrap();
        world.register(who, &format!("https://{n}.example"), &["sgx"]).await;
        all.insert(who);
    }
    for lot in [0, 7, u64::MAX] {
        let listing = world.view.list(500, lot).await.unwrap();
        assert_eq!((listing.total, listing.entries.len()), (53, 53));
        assert_eq!(listing.entries.iter().map(|entry| entry.operator).collect::<HashSet<_>>(), all);
    }
    // From the place that the lot says, over the end.
    let listing = world.view.list(6, 53 * 4 + 50).await.unwrap();
    let found: Vec<_> = listing.entries.iter().map(|entry| entry.operator).collect();
    assert_eq!(found, [51, 52, 53, 1, 2, 3].map(Address::repeat_byte));
    assert_eq!(listing.total, 53);
}

#[tokio::test]
async fn what_is_no_registry_is_named_as_such() {
    let world = World::new().await;
    let nothing = RegistryView::new(world.chain.rpc(), Address::repeat_byte(9));
    let error = nothing.list(9, 0).await.unwrap_err();
    assert!(matches!(error, ChainError::BadAnswer { .. } | ChainError::Reverted { .. }), "{error}");
    assert!(error.to_string().contains("read the registry"), "{error}");
}
