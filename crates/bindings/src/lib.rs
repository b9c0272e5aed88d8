//! Typed bindings of the contracts.
//!
//! Generated at compile time from the committed `abi/*.json`, so cargo needs neither node nor solc. This crate adds the
//! conversions from and to `zkpool_protocol`'s types and readable reverts ([`Revert`]).

#[allow(missing_docs, unreachable_pub, clippy::too_many_arguments, clippy::unwrap_used)]
mod generated {
    use alloy::sol;

    sol!(
        #[sol(rpc, all_derives)]
        IZKPool,
        "../../abi/IZKPool.json"
    );

    sol!(
        #[sol(rpc, all_derives)]
        IRevenueLedger,
        "../../abi/IRevenueLedger.json"
    );

    sol!(
        #[sol(rpc, all_derives)]
        IProofVerifier,
        "../../abi/IProofVerifier.json"
    );

    sol!(
        #[sol(rpc, all_derives)]
        ICallEncoder,
        "../../abi/ICallEncoder.json"
    );

    sol!(
        #[sol(rpc, all_derives)]
        Router,
        "../../abi/Router.json"
    );

    sol!(
        #[sol(rpc, all_derives)]
        RiscZeroVerifierAdapter,
        "../../abi/RiscZeroVerifierAdapter.json"
    );

    sol!(
        #[sol(rpc, all_derives)]
        CommitteeVerifier,
        "../../abi/CommitteeVerifier.json"
    );

    sol!(
        #[sol(rpc, all_derives)]
        SgxVerifier,
        "../../abi/SgxVerifier.json"
    );

    sol!(
        #[sol(rpc, all_derives)]
        DigitOracle,
        "../../abi/DigitOracle.json"
    );

    sol!(
        #[sol(rpc, all_derives)]
        MultiProofVerifier,
        "../../abi/MultiProofVerifier.json"
    );

    sol!(
        #[sol(rpc, all_derives)]
        RiscZeroLeg,
        "../../abi/RiscZeroLeg.json"
    );

    sol!(
        #[sol(rpc, all_derives)]
        SgxLeg,
        "../../abi/SgxLeg.json"
    );

    sol!(
        #[sol(rpc, all_derives)]
        ILegReceiver,
        "../../abi/ILegReceiver.json"
    );

    sol!(
        #[sol(rpc, all_derives)]
        IOperatorRegistry,
        "../../abi/IOperatorRegistry.json"
    );

    sol!(
        #[sol(rpc, all_derives)]
        Rollup,
        "../../abi/Rollup.json"
    );

    sol! {
        /// What every leg of a bundle has besides `IProofVerifier` (`contracts/src/verifiers/legs/Leg.sol`).
        #[sol(rpc, all_derives)]
        interface ILegOf {
            function VERIFIER() external view returns (address);
            function statementOf(bytes32 digest) external view returns (bytes32);
        }

        /// ERC-20 with its metadata and ERC-2612 permits. `approve`, `transfer` and `transferFrom` are declared without
        /// a result, because well-known tokens return none.
        #[sol(rpc, all_derives)]
        interface IERC20 {
            event Transfer(address indexed from, address indexed to, uint256 value);
            event Approval(address indexed owner, address indexed spender, uint256 value);

            function name() external view returns (string memory);
            function symbol() external view returns (string memory);
            function decimals() external view returns (uint8);
            function totalSupply() external view returns (uint256);
            function balanceOf(address account) external view returns (uint256);
            function allowance(address owner, address spender) external view returns (uint256);
            function approve(address spender, uint256 value) external;
            function transfer(address to, uint256 value) external;
            function transferFrom(address from, address to, uint256 value) external;
            function nonces(address owner) external view returns (uint256);
            function DOMAIN_SEPARATOR() external view returns (bytes32);
            function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;
        }

        /// Wrapped ether.
        #[sol(rpc, all_derives)]
        interface IWETH {
            function deposit() external payable;
            function withdraw(uint256 amount) external;
        }
    }
}

mod bundle;
mod committee;
mod convert;
mod revert;

pub use bundle::bundle_proof;
pub use committee::{committee_domain, committee_seal};
pub use convert::batch_tasks;
pub use generated::{
    CommitteeVerifier, DigitOracle, ICallEncoder, IERC20, ILegOf, ILegReceiver, IOperatorRegistry, IProofVerifier,
    IRevenueLedger, IWETH, IZKPool, MultiProofVerifier, RiscZeroLeg, RiscZeroVerifierAdapter, Rollup, Router, SgxLeg,
    SgxVerifier,
};
pub use revert::Revert;
