//! Ways to pay a reward, and the calls that publish.

use crate::RequesterError;
use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    sol,
    sol_types::{SolCall, SolValue},
};
use serde::{Deserialize, Serialize};
use zkpool_bindings::{IERC20, IZKPool, Router};
use zkpool_chain::{ChainError, Key, PoolView, TxRequest};
use zkpool_protocol::SignedQuote;

/// How a publication is paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Payment {
    /// Out of the balance at the pool; what is missing is pulled from the wallet, for which exactly that much is
    /// approved first.
    #[default]
    Pool,
    /// With ether, through the router: for rewards in WETH.
    Ether {
        /// The router's address.
        router: Address,
    },
    /// With an ERC-2612 permit for the router, in the same transaction: no approval is left behind.
    Permit {
        /// The router's address.
        router: Address,
    },
}

sol! {
    /// ERC-2612.
    struct PermitMessage {
        bytes32 typeHash;
        address owner;
        address spender;
        uint256 value;
        uint256 nonce;
        uint256 deadline;
    }
}

const PERMIT: &str = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)";

/// The transaction that publishes.
pub(crate) async fn publication(
    view: &PoolView,
    key: &Key,
    quote: &SignedQuote,
    payment: Payment,
    purpose: String,
) -> Result<TxRequest, RequesterError> {
    let terms = &quote.quote.terms;
    let signature = quote.signature.clone();
    let request = match payment {
        Payment::Pool => {
            let call = IZKPool::publishCall { quote: (&quote.quote).into(), signature };
            TxRequest::call(purpose, view.domain().pool, call.abi_encode())
        }
        Payment::Ether { router } => {
            let call = Router::publishWithEtherCall { quote: (&quote.quote).into(), signature };
            TxRequest::call(purpose, router, call.abi_encode()).with_value(U256::from(terms.reward))
        }
        Payment::Permit { router } => {
            let permit = sign_permit(view, key, terms.reward_token, router, terms.reward, terms.valid_until).await?;
            let call = Router::publishWithPermitCall { quote: (&quote.quote).into(), signature, permit };
            TxRequest::call(purpose, router, call.abi_encode())
        }
    };
    Ok(request.by(terms.valid_until).not_after(terms.valid_until))
}

/// A permit for exactly `value` until `deadline`.
async fn sign_permit(
    view: &PoolView,
    key: &Key,
    token: Address,
    spender: Address,
    value: u128,
    deadline: u64,
) -> Result<Router::Permit, RequesterError> {
    let contract = IERC20::new(token, view.rpc().provider().clone());
    let no_permit = |error: alloy::contract::Error| match error.as_revert_data() {
        None if matches!(error, alloy::contract::Error::TransportError(_)) => {
            RequesterError::Chain(ChainError::Unreachable {
                what: "read the token's permit nonce".into(),
                reason: "the endpoint does not answer".into(),
            })
        }
        _ => RequesterError::BadRequest(format!("token {token} has no ERC-2612 permits: pay in another way")),
    };
    let nonce = contract.nonces(key.address()).call().await.map_err(no_permit)?;
    let separator = contract.DOMAIN_SEPARATOR().call().await.map_err(no_permit)?;
    let (value, deadline) = (U256::from(value), U256::from(deadline));
    let message = PermitMessage { typeHash: keccak256(PERMIT), owner: key.address(), spender, value, nonce, deadline };
    let signed =
        key.sign_digest(&eip712_digest(separator, keccak256(message.abi_encode()))).map_err(ChainError::from)?;
    Ok(Router::Permit {
        value,
        deadline,
        v: signed[64],
        r: B256::from_slice(&signed[..32]),
        s: B256::from_slice(&signed[32..64]),
    })
}

/// EIP-712: `keccak256(0x1901 ‖ domain ‖ struct)`.
fn eip712_digest(domain: B256, message: B256) -> B256 {
    let mut bytes = vec![0x19, 0x01];
    bytes.extend_from_slice(domain.as_slice());
    bytes.extend_from_slice(message.as_slice());
    keccak256(bytes)
}

/// The call that approves.
pub(crate) fn approval(token: Address, spender: Address, value: U256, purpose: String) -> TxRequest {
    TxRequest::call(purpose, token, Bytes::from(IERC20::approveCall { spender, value }.abi_encode()))
}
