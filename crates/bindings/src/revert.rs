//! Reverts, in words.

use crate::{
    CommitteeVerifier::CommitteeVerifierErrors, DigitOracle::DigitOracleErrors, IZKPool::IZKPoolErrors,
    Router::RouterErrors, SgxVerifier::SgxVerifierErrors,
};
use alloy::{
    primitives::{Bytes, hex},
    sol,
    sol_types::{Panic, Revert as ErrorString, SolError, SolInterface},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a call reverted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revert {
    /// The error's name in the ABI (`SlotBusy`, `Error`, `Panic`); empty if the data is none that is known.
    pub name: String,
    /// What it means, for people.
    pub text: String,
    /// The data as it came.
    pub data: Bytes,
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)]
mod token {
    use super::sol;

    sol! {
        /// Errors of the token libraries in common use (solady's; ERC-6093) and of their transfer helpers.
        #[sol(all_derives)]
        interface TokenErrors {
            error TransferFailed();
            error TransferFromFailed();
            error InsufficientAllowance();
            error PermitExpired();
            error InvalidPermit();
            error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
            error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed);
        }
    }
}

use token::TokenErrors::TokenErrorsErrors;

const UNEXPLAINED: &str = "the contract refuses";

impl Revert {
    /// Reads the data of a revert.
    pub fn decode(data: &[u8]) -> Self {
        let (name, text) = read(data);
        Self { name, text, data: Bytes::copy_from_slice(data) }
    }

    /// Whether it is the error with this name.
    pub fn is(&self, name: &str) -> bool {
        self.name == name
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => f.write_str(&self.text),
            name => write!(f, "{} ({name})", self.text),
        }
    }
}

fn read(data: &[u8]) -> (String, String) {
    if data.is_empty() {
        return (String::new(), "reverted without a reason".into());
    }
    if let Ok(error) = IZKPoolErrors::abi_decode(data) {
        return pool_error(&error);
    }
    if let Ok(error) = TokenErrorsErrors::abi_decode(data) {
        return token_error(&error);
    }
    if let Ok(error) = RouterErrors::abi_decode(data) {
        return router_error(&error);
    }
    if let Ok(error) = CommitteeVerifierErrors::abi_decode(data) {
        return committee_error(&error);
    }
    if let Ok(error) = DigitOracleErrors::abi_decode(data) {
        return oracle_error(&error);
    }
    if let Ok(error) = SgxVerifierErrors::abi_decode(data) {
        return enclave_error(&error);
    }
    if let Ok(error) = ErrorString::abi_decode(data) {
        // Foreign text: bounded, on one line.
        let text: String = error.reason.chars().filter(|c| !c.is_control()).take(200).collect();
        return ("Error".into(), format!("{text:?}"));
    }
    if let Ok(error) = Panic::abi_decode(data) {
        return ("Panic".into(), format!("panic {:#04x}", error.code));
    }
    let shown = &data[..data.len().min(36)];
    (String::new(), format!("reverted with unknown data {} ({} bytes)", hex::encode_prefixed(shown), data.len()))
}

fn pool_error(error: &IZKPoolErrors) -> (String, String) {
    use IZKPoolErrors as E;
    let (name, text) = match error {
        E::Reentrancy(_) => ("Reentrancy", "the pool was entered while it was at work"),
        E::NotAuthorized(_) => ("NotAuthorized", "the caller is neither the owner, nor its signer, nor its agent"),
        E::ZeroAddress(_) => ("ZeroAddress", "an address must not be zero"),
        E::InsufficientBalance(_) => ("InsufficientBalance", "the balance in the pool does not cover it"),
        E::AmountTooLarge(_) => ("AmountTooLarge", "the amount does not fit"),
        E::BadSignature(_) => ("BadSignature", "the quote is not signed by its operator's current signer"),
        E::QuoteExpired(_) => ("QuoteExpired", "the quote's validity is over"),
        E::ValidityTooLong(_) => ("ValidityTooLong", "the quote's validity ends too far ahead"),
        E::MalformedTerms(_) => ("MalformedTerms", "the quote's terms contradict each other"),
        E::AlreadyPublished(_) => ("AlreadyPublished", "the quote was published before"),
        E::AlreadyDishonoured(_) => ("AlreadyDishonoured", "the quote was published before and not honoured"),
        E::SlotDedicatedToAnother(_) => ("SlotDedicatedToAnother", "the slot serves only another requester"),
        E::BadShare(_) => ("BadShare", "a share is at most 10000 basis points, in steps of 50"),
        E::LedgerHasNoCode(_) => ("LedgerHasNoCode", "there is no contract at the revenue ledger's address"),
        E::SlotNotOpen(_) => ("SlotNotOpen", "the slot is not open"),
        E::SlotAlreadyOpen(_) => ("SlotAlreadyOpen", "the slot is open already"),
        E::SlotBusy(_) => ("SlotBusy", "the slot is busy"),
        E::SlotUnderfunded(_) => ("SlotUnderfunded", "the slot's collateral does not cover it"),
        E::EmptyBatch(_) => ("EmptyBatch", "the batch is empty"),
        E::NotInSlot(_) => {
            ("NotInSlot", "the slot does not hold this task: never published, already settled, or taken over")
        }
        E::TooEarly(_) => ("TooEarly", "it is too early for this"),
        E::TooLate(_) => ("TooLate", "it is too late for this"),
        E::WrongCall(_) => ("WrongCall", "the call is not the one that the quote commits to"),
        E::EncoderFailed(_) => ("EncoderFailed", "the quote's encoder could not build the call"),
        E::ProofRejected(_) => ("ProofRejected", "the verifier does not accept the proof"),
        E::TargetHasNoCode(_) => ("TargetHasNoCode", "the target has no code"),
        E::TargetReverted(inner) => {
            return ("TargetReverted".into(), format!("the target reverted: {}", Revert::decode(&inner.reason)));
        }
        E::InsufficientGas(_) => ("InsufficientGas", "the transaction's gas does not cover the call to the target"),
        E::RescueExists(_) => ("RescueExists", "somebody has announced a rescue of this task already"),
        E::NotHalted(_) => ("NotHalted", "the verifier was not halted for long enough"),
        E::VerifierHalted(_) => ("VerifierHalted", "the verifier is halted: it can be unwound, not collected"),
        // A newer contract's: named, if not explained.
        #[allow(unreachable_patterns)]
        other => (IZKPoolErrors::name_by_selector(other.selector()).unwrap_or_default(), UNEXPLAINED),
    };
    (name.into(), text.into())
}

fn token_error(error: &TokenErrorsErrors) -> (String, String) {
    use TokenErrorsErrors as E;
    match error {
        E::TransferFailed(_) => ("TransferFailed".into(), "the token refused the transfer".into()),
        E::TransferFromFailed(_) => (
            "TransferFromFailed".into(),
            "the token refused the transfer: the wallet's balance or the approval does not cover it".into(),
        ),
        E::InsufficientAllowance(_) => ("InsufficientAllowance".into(), "the approval does not cover it".into()),
        E::PermitExpired(_) => ("PermitExpired".into(), "the permit has expired".into()),
        E::InvalidPermit(_) => ("InvalidPermit".into(), "the permit is not valid (used already?)".into()),
        E::ERC20InsufficientBalance(e) => (
            "ERC20InsufficientBalance".into(),
            format!("the wallet {} has {} of the token and needs {}", e.sender, e.balance, e.needed),
        ),
        E::ERC20InsufficientAllowance(e) => (
            "ERC20InsufficientAllowance".into(),
            format!("{} is approved for {} of the token and needs {}", e.spender, e.allowance, e.needed),
        ),
    }
}

fn router_error(error: &RouterErrors) -> (String, String) {
    use RouterErrors as E;
    let (name, text) = match error {
        E::Reentrancy(_) => ("Reentrancy", "the router was entered while it was at work"),
        E::ZeroAddress(_) => ("ZeroAddress", "an address must not be zero"),
        E::UnexpectedEther(_) => ("UnexpectedEther", "ether was sent without saying what for"),
        E::RewardNotInWeth(_) => ("RewardNotInWeth", "ether pays only for rewards in WETH"),
        E::InsufficientEther(_) => ("InsufficientEther", "the ether sent does not cover the reward"),
        E::InsufficientAllowance(_) => {
            ("InsufficientAllowance", "the permit or approval for the router does not cover the reward")
        }
        #[allow(unreachable_patterns)]
        other => (RouterErrors::name_by_selector(other.selector()).unwrap_or_default(), UNEXPLAINED),
    };
    (name.into(), text.into())
}

fn committee_error(error: &CommitteeVerifierErrors) -> (String, String) {
    use CommitteeVerifierErrors as E;
    let (name, text): (&str, String) = match error {
        E::SelectorMismatch(e) => (
            "SelectorMismatch",
            format!("the seal is for the verifier {} and this one takes {}", e.received, e.expected),
        ),
        E::BadSealLength(_) => ("BadSealLength", "the seal has not the length of whole signatures".into()),
        E::TooFewSignatures(e) => {
            ("TooFewSignatures", format!("{} members have signed and it takes {}", e.received, e.expected))
        }
        E::InvalidSignature(_) => ("InvalidSignature", "a signature is no key's, or in another form".into()),
        E::SignersNotAscending(_) => {
            ("SignersNotAscending", "the signatures are not in ascending order of their signers".into())
        }
        E::NotALiveMember(e) => ("NotALiveMember", format!("{} is no member, or does not count now", e.signer)),
        E::UnknownProgram(e) => ("UnknownProgram", format!("the contract does not vouch for program {}", e.imageId)),
        E::IntegrityNotSupported(_) => {
            ("IntegrityNotSupported", "a committee signs images and journals, not digests of claims".into())
        }
        E::BadProgram(e) => {
            ("BadProgram", format!("the program {} stands twice, or something about it is missing", e.imageId))
        }
        E::BadMembers(_) => ("BadMembers", "there are none or too many members, or they are not ascending".into()),
        E::BadThreshold(_) => ("BadThreshold", "the threshold is not more than half of the members".into()),
        E::BadStake(_) => ("BadStake", "the stake is zero".into()),
        E::SignersDiffer(_) => ("SignersDiffer", "the signatures are of two keys".into()),
        E::NoContradiction(_) => ("NoContradiction", "what was shown does not contradict itself".into()),
        E::NoArbiter(_) => ("NoArbiter", "the committee has no arbiter".into()),
        E::NotAnOnchainProof(_) => ("NotAnOnchainProof", "the verifier rests on less than a proof".into()),
        E::NotAContract(_) => ("NotAContract", "there is no contract at that address".into()),
        E::NotAMember(_) => ("NotAMember", "this is no member of the committee".into()),
        E::WrongState(_) => ("WrongState", "the member has joined, resigned or been slashed already".into()),
        E::StakeTooSmall(_) => ("StakeTooSmall", "less than the stake arrived".into()),
        E::NothingToCollect(_) => ("NothingToCollect", "there is no reward to collect".into()),
        // Those that the pool has too were read as the pool's.
        other => (CommitteeVerifierErrors::name_by_selector(other.selector()).unwrap_or_default(), UNEXPLAINED.into()),
    };
    (name.into(), text)
}

fn oracle_error(error: &DigitOracleErrors) -> (String, String) {
    use DigitOracleErrors as E;
    let (name, text) = match error {
        E::NotOwner(_) => ("NotOwner", "only the owner chooses the verifier"),
        E::UnknownQuestion(_) => ("UnknownQuestion", "this was never asked"),
        E::AlreadyAnswered(_) => ("AlreadyAnswered", "the question has another answer"),
        E::NotAnswered(_) => ("NotAnswered", "the question has no answer yet"),
        E::BadJournalLength(_) => ("BadJournalLength", "the journal's length is not what its count says"),
        E::WrongModel(_) => ("WrongModel", "the answer is of another model"),
        E::WrongInput(_) => ("WrongInput", "the answer is about another input"),
        E::BadClass(_) => ("BadClass", "a class is no digit"),
        E::TooManyClasses(_) => ("TooManyClasses", "so many classes are in the event alone"),
        other => (DigitOracleErrors::name_by_selector(other.selector()).unwrap_or_default(), UNEXPLAINED),
    };
    (name.into(), text.into())
}

fn enclave_error(error: &SgxVerifierErrors) -> (String, String) {
    use SgxVerifierErrors as E;
    let (name, text): (&str, String) = match error {
        E::AlreadyStopped(_) => ("AlreadyStopped", "the verifier was stopped, for good".into()),
        E::BadProofLength(_) => ("BadProofLength", "an enclave's proof has another length".into()),
        E::StatementMismatch(_) => ("StatementMismatch", "the proof is for another program or another output".into()),
        E::NotActive(e) => {
            let state = match e.state {
                0 => "is not one of the program's",
                1 => "does not count yet",
                3 => "has expired",
                4 => "was revoked",
                5 => "is of a build that is not on the list",
                6 => "is of a version that is too old",
                _ => "does not count",
            };
            ("NotActive", format!("instance {} {state}", e.signer))
        }
        E::BadDelay(_) => ("BadDelay", "the delay is too short or too long".into()),
        E::BadLifetime(_) => ("BadLifetime", "instances must live for some time, and not for too long".into()),
        E::NotATestNetwork(e) => {
            ("NotATestNetwork", format!("chain {} is no test network: simulated enclaves are not taken", e.chainId))
        }
        E::MrenclaveUnchanged(e) => ("MrenclaveUnchanged", format!("nothing would change about build {}", e.mrenclave)),
        E::IsvSvnNotRaised(e) => ("IsvSvnNotRaised", format!("the least ISVSVN is {} and can only rise", e.current)),
        E::AlreadyRegistered(e) => ("AlreadyRegistered", format!("{} was registered before", e.instance)),
        E::NotAnInstance(e) => ("NotAnInstance", format!("{} is no instance", e.instance)),
        E::MrenclaveNotAllowed(e) => {
            ("MrenclaveNotAllowed", format!("build {} is not on the program's list, or not yet", e.mrenclave))
        }
        E::WrongSigner(e) => {
            ("WrongSigner", format!("the program's builds are not signed by {} as product {}", e.mrsigner, e.isvProdId))
        }
        E::IsvSvnTooOld(e) => {
            ("IsvSvnTooOld", format!("the enclave's ISVSVN is {}, less than {}", e.received, e.expected))
        }
        E::QuoteNotBound(_) => {
            ("QuoteNotBound", "the quote is not for this chain, contract, program and instance".into())
        }
        E::StaleQuote(_) => ("StaleQuote", "the quote's block is too old, or another one".into()),
        E::NoFreeSeat(_) => ("NoFreeSeat", "the program has as many instances as it can: revoke one".into()),
        E::BadQuoteLength(_) => ("BadQuoteLength", "the quote is not whole".into()),
        E::UnknownQuoteFormat(_) => ("UnknownQuoteFormat", "the quote is not of an SGX enclave, version 3".into()),
        E::BadAttributes(e) => {
            ("BadAttributes", format!("the enclave's attributes {:#x} are not those of a closed one", e.flags))
        }
        // Those that the pool or a committee has too were read as theirs.
        other => (SgxVerifierErrors::name_by_selector(other.selector()).unwrap_or_default(), UNEXPLAINED.into()),
    };
    (name.into(), text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IZKPool;

    #[test]
    fn every_error_of_the_pool_has_a_text() {
        for i in 0..IZKPoolErrors::COUNT {
            let mut data = IZKPoolErrors::selector_at(i).unwrap().to_vec();
            if data == IZKPool::TargetReverted::SELECTOR {
                data = IZKPool::TargetReverted { reason: Bytes::new() }.abi_encode();
            }
            let revert = Revert::decode(&data);
            assert!(!revert.name.is_empty() && revert.text != UNEXPLAINED, "no text for {revert:?}");
        }
    }

    #[test]
    fn every_error_of_the_router_has_a_text() {
        for i in 0..RouterErrors::COUNT {
            let revert = Revert::decode(&RouterErrors::selector_at(i).unwrap());
            assert!(!revert.name.is_empty() && revert.text != UNEXPLAINED, "no text for {revert:?}");
        }
    }

    /// With whatever arguments: zeros stand for any.
    #[test]
    fn every_error_of_the_other_contracts_has_a_text() {
        let committee = (0..CommitteeVerifierErrors::COUNT).map(|i| CommitteeVerifierErrors::selector_at(i).unwrap());
        let oracle = (0..DigitOracleErrors::COUNT).map(|i| DigitOracleErrors::selector_at(i).unwrap());
        let enclaves = (0..SgxVerifierErrors::COUNT).map(|i| SgxVerifierErrors::selector_at(i).unwrap());
        for selector in committee.chain(oracle).chain(enclaves) {
            let mut data = selector.to_vec();
            data.resize(4 + 64, 0);
            let exact = [0, 32, 64].map(|arguments| Revert::decode(&data[..4 + arguments]));
            let known = exact.iter().any(|revert| !revert.name.is_empty() && revert.text != UNEXPLAINED);
            assert!(known, "no text for {}", hex::encode_prefixed(selector));
        }
    }

    #[test]
    fn a_committees_reason_is_read_inside_the_pools() {
        let inner = crate::CommitteeVerifier::TooFewSignatures {
            received: alloy::primitives::U256::from(2),
            expected: alloy::primitives::U256::from(3),
        };
        let revert = Revert::decode(&IZKPool::TargetReverted { reason: inner.abi_encode().into() }.abi_encode());
        let words = "the target reverted: 2 members have signed and it takes 3 (TooFewSignatures) (TargetReverted)";
        assert_eq!(revert.to_string(), words);
    }

    #[test]
    fn a_targets_reason_is_read_inside_the_pools() {
        let inner = ErrorString::from("no such group").abi_encode();
        let revert = Revert::decode(&IZKPool::TargetReverted { reason: inner.into() }.abi_encode());
        assert_eq!(revert.to_string(), "the target reverted: \"no such group\" (Error) (TargetReverted)");
    }

    #[test]
    fn foreign_data_is_shown_but_bounded() {
        assert_eq!(Revert::decode(&[]).to_string(), "reverted without a reason");
        let revert = Revert::decode(&[0xab; 5000]);
        assert!(revert.name.is_empty() && revert.to_string().len() < 200);
        let text = ErrorString::from("x\n".repeat(5000)).abi_encode();
        assert!(Revert::decode(&text).to_string().len() < 300);
    }
}
