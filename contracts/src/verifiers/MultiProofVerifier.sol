// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ILeg} from "../interfaces/ILeg.sol";
import {IProofVerifier, TrustClass} from "../interfaces/IProofVerifier.sol";
import {ExternalCalls} from "../libraries/ExternalCalls.sol";
import {LegProofs} from "../libraries/LegProofs.sol";

/// @title One statement, several kinds of proof, one delivery.
/// @notice statement = SHA-256 of the journal; each leg turns it into its own. proof = `abi.encode(LegProof[])` of at least
/// `THRESHOLD` legs in strictly ascending order, at least one of them a proof that the EVM checks itself. Every leg that
/// is given must accept, those beyond the threshold too.
///
/// The policy, which is legs and threshold, never changes, and there is no administrator: a quote that names this address
/// has signed the policy. That the kinds are distinct keeps one broken system from counting twice; that there is always a
/// proof among them keeps enclaves and committees from agreeing among themselves. Both hold for what is given, not for
/// what might have been.
///
/// Trust: the legs. Kind and trust class are what a leg says when this contract is made; one that lies deceives it, so
/// whoever agrees to this address must know each leg's code.
contract MultiProofVerifier is IProofVerifier {
    struct LegView {
        ILeg leg;
        TrustClass trustClass;
        bytes32 kind;
    }

    /// Fewer than two, or more than eight.
    error BadLegCount();
    /// None, or more than there are legs.
    error BadThreshold();
    error NotAContract(uint256 leg);
    /// Two legs are of one kind.
    error DuplicateKind(bytes32 kind);
    /// Of the legs, none is a proof that the EVM checks itself.
    error NoOnchainProof();

    /// The proof is not what `abi.encode` makes of a `LegProof[]`.
    error MalformedProof();
    error TooFewLegs(uint256 received, uint256 expected);
    error LegsNotAscending();
    error UnknownLeg(uint256 leg);
    /// @param reason what the leg reverted with, empty if it answered with false
    error LegRefused(uint256 leg, bytes reason);

    /// @notice How many legs it takes.
    uint256 public immutable THRESHOLD;

    uint256 private constant MIN_LEGS = 2;
    uint256 private constant MAX_LEGS = 8;
    /// @dev For `halted` itself, after the last leg was asked.
    uint256 private constant HALTED_RESERVE = 5000;

    /// @dev Leg and trust class share a word, which is all that `verify` reads.
    LegView[] private _legs;

    constructor(ILeg[] memory legs_, uint8 threshold) {
        if (legs_.length < MIN_LEGS || legs_.length > MAX_LEGS) revert BadLegCount();
        if (threshold == 0 || threshold > legs_.length) revert BadThreshold();
        bool proven;
        for (uint256 i; i < legs_.length; ++i) {
            if (address(legs_[i]).code.length == 0) revert NotAContract(i);
            LegView memory leg_ = LegView(legs_[i], legs_[i].trustClass(), legs_[i].kind());
            for (uint256 j; j < i; ++j) {
                if (_legs[j].kind == leg_.kind) revert DuplicateKind(leg_.kind);
            }
            if (leg_.trustClass == TrustClass.ONCHAIN_PROOF) proven = true;
            _legs.push(leg_);
        }
        if (!proven) revert NoOnchainProof();
        THRESHOLD = threshold;
    }

    /// @inheritdoc IProofVerifier
    /// @dev Never false: it reverts with the reason.
    function verify(bytes32 statement, bytes calldata proof) external view returns (bool) {
        (bool ok, uint256 count, uint256 end) = LegProofs.open(proof);
        if (!ok) revert MalformedProof();
        if (count < THRESHOLD) revert TooFewLegs(count, THRESHOLD);
        bool proven;
        // The lowest index that the next leg may have.
        uint256 lowest;
        for (uint256 i; i < count; ++i) {
            uint256 index;
            bytes calldata legProof;
            (ok, index, legProof, end) = LegProofs.next(proof, i, end);
            if (!ok) revert MalformedProof();
            if (index >= _legs.length) revert UnknownLeg(index);
            if (index < lowest) revert LegsNotAscending();
            lowest = index + 1;
            if (_check(index, statement, legProof) == TrustClass.ONCHAIN_PROOF) proven = true;
        }
        if (end != proof.length) revert MalformedProof();
        if (!proven) revert NoOnchainProof();
        return true;
    }

    /// @notice Whether the legs that are not halted fall short of the policy.
    /// @dev What is left of the gas is shared out evenly among the legs that are still to be asked, so that one that burns
    /// its share takes nothing from the others. With the pool's 200,000 each of three legs has 60,000 at least.
    function halted() external view returns (bool) {
        uint256 running;
        bool proven;
        uint256 count = _legs.length;
        for (uint256 i; i < count; ++i) {
            LegView storage leg_ = _legs[i];
            uint256 share = (gasleft() - HALTED_RESERVE) / (count - i);
            if (ExternalCalls.answersTrue(address(leg_.leg), share, abi.encodeCall(IProofVerifier.halted, ()))) {
                continue;
            }
            ++running;
            if (leg_.trustClass == TrustClass.ONCHAIN_PROOF) proven = true;
            if (running >= THRESHOLD && proven) return false;
        }
        return true;
    }

    /// @inheritdoc IProofVerifier
    function trustClass() external pure returns (TrustClass) {
        return TrustClass.ONCHAIN_PROOF;
    }

    // ---- the policy ----

    /// @notice All legs, in the order of their indices.
    function legs() external view returns (LegView[] memory) {
        return _legs;
    }

    function leg(uint256 index) external view returns (LegView memory) {
        if (index >= _legs.length) revert UnknownLeg(index);
        return _legs[index];
    }

    /// Reverts unless the leg accepts.
    function _check(uint256 index, bytes32 statement, bytes calldata legProof) private view returns (TrustClass) {
        LegView storage leg_ = _legs[index];
        try leg_.leg.verify(statement, legProof) returns (bool accepted) {
            if (!accepted) revert LegRefused(index, "");
        } catch (bytes memory reason) {
            revert LegRefused(index, reason);
        }
        return leg_.trustClass;
    }
}
