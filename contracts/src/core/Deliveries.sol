// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {TargetCaller} from "../TargetCaller.sol";
import {ICallEncoder} from "../interfaces/ICallEncoder.sol";
import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {Call, Delivery, IZKPool, Quote, SlotState, Task, Terms} from "../interfaces/IZKPool.sol";
import {BoundedCall} from "../libraries/BoundedCall.sol";
import {QuoteLib} from "../libraries/QuoteLib.sol";
import {Lateness, Rescue} from "./Lateness.sol";
import {Slot, SlotHead} from "./Slots.sol";

/// @notice The task that is being delivered, and what all tasks of the transaction have earned so far.
struct Delivering {
    bytes32 digest;
    bool late;
    SlotHead head;
    /// To the deliverer, in the reward token.
    uint256 reward;
    /// To the deliverer, in the liability token.
    uint256 bond;
    /// To the requester, in the liability token.
    uint256 compensation;
}

/// @notice Delivery: the proof is checked, the task settled, and the target called.
abstract contract Deliveries is Lateness {
    using QuoteLib for Terms;
    using QuoteLib for Call;

    address public immutable override TARGET_CALLER;

    /// Gas given to an encoder.
    uint256 internal constant ENCODER_GAS = 1_000_000;
    /// No more bytes than this are taken from an encoder.
    uint256 internal constant MAX_ENCODED = 65_536;
    /// What is spent between the check of the gas and the target's call, and what settling takes afterwards.
    uint256 internal constant CALL_OVERHEAD = 100_000;

    constructor() {
        TARGET_CALLER = address(new TargetCaller());
    }

    // ---- prove ----

    /// @inheritdoc IZKPool
    function prove(Quote calldata quote, Call calldata call, bytes calldata proof) external nonReentrant {
        Terms calldata terms = quote.terms;
        _onlyOperatorOrSigner(terms.operator);
        Delivering memory delivering;
        delivering.digest = digestOf(quote);
        (bytes4 refusal, bytes memory reason) = _deliver(terms, quote.task, call, proof, delivering);
        _revertIf(refusal, reason);
        _pay(terms, terms.operator, delivering);
    }

    /// @inheritdoc IZKPool
    function proveBatch(Terms calldata terms, Delivery[] calldata deliveries)
        external
        nonReentrant
        returns (uint256 accepted)
    {
        if (deliveries.length == 0) revert EmptyBatch();
        _onlyOperatorOrSigner(terms.operator);
        bytes32 termsHash = terms.hash();
        Delivering memory delivering;
        for (uint256 i; i < deliveries.length; ++i) {
            Delivery calldata delivery = deliveries[i];
            delivering.digest = _digest(termsHash, delivery.task);
            (bytes4 refusal,) = _deliver(terms, delivery.task, delivery.call, delivery.proof, delivering);
            if (refusal == 0) ++accepted;
            else emit DeliveryRejected(delivering.digest, refusal);
        }
        _pay(terms, terms.operator, delivering);
    }

    /// @inheritdoc IZKPool
    function proveRescued(
        Quote calldata quote,
        address rescuer,
        uint32 rescuerSlot,
        Call calldata call,
        bytes calldata proof
    ) external nonReentrant {
        _onlyOperatorOrSigner(rescuer);
        Delivering memory delivering;
        delivering.digest = digestOf(quote);
        delivering.late = true;
        Slot storage slot;
        (slot, delivering.head) = _findAndNovate(quote, delivering.digest);
        Rescue storage rescue_ = _rescues[delivering.digest];
        if (rescue_.rescuer != rescuer || rescue_.slot != rescuerSlot) revert NotInSlot();
        if (delivering.head.state != SlotState.Rescuing) revert TooEarly();
        (bytes4 refusal, bytes memory reason) = _perform(quote.terms, quote.task, slot, call, proof, delivering);
        _revertIf(refusal, reason);
        _pay(quote.terms, rescuer, delivering);
    }

    // ---- steps ----

    /// Delivers the task `delivering.digest`, which lies in its own slot.
    /// @return refusal selector of the error for which it is not delivered; then nothing has changed
    /// @return reason what the target reverted with
    function _deliver(
        Terms calldata terms,
        Task calldata task,
        Call calldata call,
        bytes calldata proof,
        Delivering memory delivering
    ) private returns (bytes4 refusal, bytes memory reason) {
        bytes32 digest = delivering.digest;
        Slot storage slot = _slot(terms.operator, terms.liabilityToken, task.slot);
        SlotHead memory head = _load(slot);
        if (head.state != SlotState.Active || slot.digest != digest || _isTakenOver(head, digest)) {
            return (NotInSlot.selector, reason);
        }
        (uint256 proofDeadline,) = _deadlines(terms, head, digest);
        delivering.late = block.timestamp > proofDeadline;
        delivering.head = head;
        return _perform(terms, task, slot, call, proof, delivering);
    }

    /// Checks the proof, builds the call, and settles in the way that the mode demands.
    function _perform(
        Terms calldata terms,
        Task calldata task,
        Slot storage slot,
        Call calldata call,
        bytes calldata proof,
        Delivering memory delivering
    ) private returns (bytes4 refusal, bytes memory reason) {
        (, uint256 liabilityDeadline) = _deadlines(terms, delivering.head, delivering.digest);
        if (block.timestamp > liabilityDeadline) return (TooLate.selector, reason);
        if (call.hash() != task.callHash) return (WrongCall.selector, reason);
        if (!_isProven(terms, task, proof)) return (ProofRejected.selector, reason);
        bytes memory data;
        (refusal, data) = _buildCall(terms, call, proof);
        if (refusal == InsufficientGas.selector) return (refusal, reason);
        if (terms.verifier != address(0)) {
            _settle(terms, slot, delivering);
            bool targetOk;
            if (refusal == 0) (targetOk,) = _callTarget(terms, data);
            emit Delivered(delivering.digest, !delivering.late, targetOk);
            if (!targetOk) emit TargetFailed(delivering.digest, proof);
            return (0, reason);
        }
        (refusal, reason) = refusal == 0 ? _satisfyTarget(terms, call, data) : (refusal, reason);
        if (refusal != 0) return (refusal, reason);
        _settle(terms, slot, delivering);
        emit Delivered(delivering.digest, !delivering.late, true);
    }

    /// Target mode has no proof but the target's success.
    function _isProven(Terms calldata terms, Task calldata task, bytes calldata proof) private view returns (bool) {
        if (terms.verifier == address(0)) return true;
        bytes memory question = abi.encodeCall(IProofVerifier.verify, (task.statement, proof));
        return BoundedCall.answersTrue(terms.verifier, MAX_CALL_GAS, question);
    }

    /// @return refusal `InsufficientGas` if what is left does not cover the target's call, `EncoderFailed` if there is
    /// nothing that the target could be called with
    function _buildCall(Terms calldata terms, Call calldata call, bytes calldata proof)
        private
        view
        returns (bytes4 refusal, bytes memory data)
    {
        if (terms.encoder == address(0)) {
            bytes memory padding = new bytes((32 - proof.length % 32) % 32);
            data = bytes.concat(call.prefix, bytes32(proof.length), proof, padding, call.suffix);
        } else {
            // A starved encoder would fail, and in verifier mode spare the deliverer the target's call.
            if (gasleft() < ENCODER_GAS + ENCODER_GAS / 63 + CALL_OVERHEAD) return (InsufficientGas.selector, data);
            bytes memory question = abi.encodeCall(ICallEncoder.encode, (call.prefix, proof));
            bool ok;
            (ok, data) = BoundedCall.readBytes(terms.encoder, ENCODER_GAS, question, MAX_ENCODED);
            if (!ok) return (EncoderFailed.selector, data);
        }
        if (gasleft() < _gasToCall(terms.callGas, data.length)) return (InsufficientGas.selector, data);
    }

    /// An upper bound of what must be left for the target to be given `callGas` through two calls, each of which can
    /// pass on 63/64, and for settling. `TargetCaller` makes sure of the former; this is so that an item of a batch is
    /// refused before it has changed anything.
    function _gasToCall(uint256 callGas, uint256 length) private pure returns (uint256) {
        uint256 words = length / 32 + 1;
        return callGas + callGas / 30 + CALL_OVERHEAD + words * 20 + words * words / 64;
    }

    function _callTarget(Terms calldata terms, bytes memory data) private returns (bool ok, bytes memory reason) {
        return TargetCaller(TARGET_CALLER).callTarget(terms.target, terms.callGas, data);
    }

    /// Target mode: calls the target; one that fails may still say that it is satisfied already.
    function _satisfyTarget(Terms calldata terms, Call calldata call, bytes memory data)
        private
        returns (bytes4 refusal, bytes memory reason)
    {
        if (terms.target.code.length == 0) return (TargetHasNoCode.selector, reason);
        bool ok;
        (ok, reason) = _callTarget(terms, data);
        if (!ok && call.doneCheck.length != 0) {
            ok = BoundedCall.answersTrue(terms.target, terms.callGas, call.doneCheck);
        }
        if (!ok) refusal = TargetReverted.selector;
    }

    /// Frees the slots of a delivered task. In verifier mode this comes before the target's call, because nothing that
    /// the target does can change the outcome; in target mode after it, because it is the outcome.
    function _settle(Terms calldata terms, Slot storage slot, Delivering memory delivering) private {
        SlotHead memory head = delivering.head;
        uint256 lost;
        if (head.state == SlotState.Rescuing) {
            delivering.reward += terms.reward;
            delivering.bond += terms.delivererBond();
        } else {
            delivering.reward += terms.reward - terms.advance;
            if (delivering.late) lost = terms.requesterBond();
            delivering.compensation += lost;
            _freeRescuer(terms, head, delivering.digest);
        }
        _release(slot, head, lost);
    }

    function _pay(Terms calldata terms, address deliverer, Delivering memory delivering) private {
        _credit(terms.rewardToken, deliverer, delivering.reward);
        _credit(terms.liabilityToken, deliverer, delivering.bond);
        _credit(terms.liabilityToken, terms.requester, delivering.compensation);
    }

    function _revertIf(bytes4 refusal, bytes memory reason) private pure {
        if (refusal == TargetReverted.selector) revert TargetReverted(reason);
        if (refusal != 0) _revert(refusal);
    }
}
