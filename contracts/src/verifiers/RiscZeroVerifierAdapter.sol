// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IProofVerifier, TrustClass} from "../interfaces/IProofVerifier.sol";
import {IRiscZeroVerifier} from "../interfaces/IRiscZeroVerifier.sol";
import {ExternalCalls} from "../libraries/ExternalCalls.sol";
import {RiscZeroProof} from "../libraries/RiscZeroProof.sol";
import {TrustClasses} from "../libraries/TrustClasses.sol";

interface IPausable {
    function paused() external view returns (bool);
}

/// @title RISC Zero receipts, wrapped into Groth16, by a verifier contract as RISC Zero publishes it.
/// @notice statement = keccak256(abi.encode(imageId, sha256(journal))); proof = abi.encode(imageId, journal, seal), in that
/// form and no other.
///
/// Trust: the contract at `VERIFIER`, RISC Zero's proof system of that version and the ceremony behind its key. Whoever
/// agrees to this address must know what stands there:
/// - `RiscZeroGroth16Verifier` is fixed for ever.
/// - `RiscZeroVerifierEmergencyStop` in front of it has a guardian who can halt it, for good. A halted verifier is nobody's
///   fault: a guardian that is one of the parties could unwind what it does not like.
/// - `RiscZeroVerifierRouter` has an owner who can have it accept anything: do not use it here.
/// A contract that says that it is a committee or an enclave is refused by the constructor, also behind an emergency stop;
/// one that keeps silent about it, or a proxy, cannot be told from a proof's verifier by any contract.
contract RiscZeroVerifierAdapter is IProofVerifier {
    error NotAContract();
    /// What it rests on is not a proof: it must be named in the quote itself, where its trust class is seen.
    error NotAnOnchainProof();

    IRiscZeroVerifier public immutable VERIFIER;

    /// @dev Within what `halted` may spend as a whole.
    uint256 private constant PAUSED_GAS = 100_000;

    constructor(IRiscZeroVerifier verifier) {
        if (address(verifier).code.length == 0) revert NotAContract();
        if (TrustClasses.isKnownForLess(address(verifier))) revert NotAnOnchainProof();
        VERIFIER = verifier;
    }

    /// @inheritdoc IProofVerifier
    /// @dev What `VERIFIER` reverts with is passed on, so that it can be read why.
    function verify(bytes32 statement, bytes calldata proof) external view returns (bool) {
        (bool ok, bytes32 imageId, bytes calldata journal, bytes calldata seal) = RiscZeroProof.decode(proof);
        if (!ok) return false;
        bytes32 journalDigest = sha256(journal);
        if (RiscZeroProof.statementOf(imageId, journalDigest) != statement) return false;
        VERIFIER.verify(seal, imageId, journalDigest);
        return true;
    }

    /// @notice Whether the emergency stop was pulled. A verifier without one never halts.
    function halted() external view returns (bool) {
        return ExternalCalls.answersTrue(address(VERIFIER), PAUSED_GAS, abi.encodeCall(IPausable.paused, ()));
    }

    /// @inheritdoc IProofVerifier
    function trustClass() external pure returns (TrustClass) {
        return TrustClass.ONCHAIN_PROOF;
    }
}
