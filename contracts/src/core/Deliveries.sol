// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {TargetCaller} from "../TargetCaller.sol";
import {Call, Delivery, IZKPool, Quote, SlotState, Task, Terms} from "../interfaces/IZKPool.sol";
import {ExternalCalls} from "../libraries/ExternalCalls.sol";
import {QuoteLib} from "../libraries/QuoteLib.sol";
import {Balances} from "./Balances.sol";
import {Lateness, Rescue} from "./Lateness.sol";
import {Holding} from "../libraries/Holding.sol";
import {Slot} from "./Slots.sol";

/// @notice The task that is being delivered, and what all tasks of the transaction have earned so far.
struct Delivering {
    bytes32 digest;
    Holding holding;
    bool late;
    /// It lies in the slot of a rescuer.
    bool rescued;
    /// To the deliverer, in the reward token.
    uint256 reward;
    /// To the deliverer's provers, in the reward token; of all tasks, and of this one.
    uint256 earmarks;
    uint256 earmark;
    /// To the deliverer, in the liability token.
    uint256 bond;
    /// To the requester, in the liability token.
    uint256 compensation;
}

/// @notice Delivery: the proof is checked, the task settled, and the target called.
abstract contract Deliveries is Lateness {
    using QuoteLib for Terms;

    address public immutable override TARGET_CALLER;

    /// What is spent between the check of the gas and the target's call, and what settling takes afterwards.
    uint256 internal constant CALL_OVERHEAD = 100_000;

    constructor(address ledger) Balances(ledger) {
        TARGET_CALLER = address(new TargetCaller());
    }

    // ---- prove ----

    /// @inheritdoc IZKPool
    function prove(Quote calldata quote, Call calldata call, bytes calldata proof) external nonReentrant {
        Delivering memory delivering;
        Terms memory terms = quote.terms.load();
        delivering.digest = _digest(terms.hash(), quote.task);
        _onlyOperatorOrSigner(terms.operator);
        (bytes4 refusal, bytes memory reason) = _deliver(
            terms, quote.task, _slots[terms.operator][terms.liabilityToken][quote.task.slot], call, proof, delivering
        );
        _revertIf(refusal, reason);
        _pay(terms, terms.operator, delivering);
    }

    /// @inheritdoc IZKPool
    function proveBatch(Terms calldata sharedTerms, Delivery[] calldata deliveries)
        external
        nonReentrant
        returns (uint256 accepted)
    {
        if (deliveries.length == 0) revert EmptyBatch();
        Terms memory terms = sharedTerms.load();
        _onlyOperatorOrSigner(terms.operator);
        bytes32 termsHash = terms.hash();
        Delivering memory delivering;
        mapping(uint256 index => Slot) storage slots = _slots[terms.operator][terms.liabilityToken];
        for (uint256 i; i < deliveries.length; ++i) {
            Delivery calldata delivery = deliveries[i];
            Task calldata task = delivery.task;
            delivering.digest = _digest(termsHash, task);
            (bytes4 refusal,) = _deliver(terms, task, slots[task.slot], delivery.call, delivery.proof, delivering);
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
        Terms memory terms = quote.terms.load();
        delivering.digest = _digest(terms.hash(), quote.task);
        (delivering.late, delivering.rescued) = (true, true);
        Slot storage slot;
        (slot, delivering.holding) = _findAndNovate(terms, quote.task.slot, delivering.digest);
        Rescue storage rescue_ = _rescues[delivering.digest];
        if (rescue_.rescuer != rescuer || rescue_.slot != rescuerSlot) revert NotInSlot();
        if (delivering.holding.state() != SlotState.Rescuing) revert TooEarly();
        (, uint256 liabilityDeadline) = _deadlines(terms, delivering.holding, delivering.digest);
        if (block.timestamp > liabilityDeadline) revert TooLate();
        (bytes4 refusal, bytes memory reason) = _perform(terms, quote.task, slot, call, proof, delivering);
        _revertIf(refusal, reason);
        _pay(terms, rescuer, delivering);
    }

    // ---- steps ----

    /// Delivers the task `delivering.digest`, which lies in its own slot.
    /// @return refusal selector of the error for which it is not delivered; then nothing has changed
    /// @return reason what the target reverted with
    function _deliver(
        Terms memory terms,
        Task calldata task,
        Slot storage slot,
        Call calldata call,
        bytes calldata proof,
        Delivering memory delivering
    ) private returns (bytes4 refusal, bytes memory reason) {
        bytes32 digest = delivering.digest;
        Holding holding = slot.holding;
        if (holding.state() != SlotState.Active || !holding.isOf(digest) || _isTakenOver(holding, digest)) {
            return (NotInSlot.selector, reason);
        }
        (uint256 proofDeadline, uint256 liabilityDeadline) = _deadlines(terms, holding, digest);
        if (block.timestamp > liabilityDeadline) return (TooLate.selector, reason);
        delivering.late = block.timestamp > proofDeadline;
        delivering.holding = holding;
        return _perform(terms, task, slot, call, proof, delivering);
    }

    /// Builds the call, checks the proof, and settles in the way that the mode demands.
    function _perform(
        Terms memory terms,
        Task calldata task,
        Slot storage slot,
        Call calldata call,
        bytes calldata proof,
        Delivering memory delivering
    ) private returns (bytes4 refusal, bytes memory reason) {
        bytes memory frame;
        (refusal, frame) = _buildCall(terms, task, call, proof);
        if (refusal != 0 && refusal != EncoderFailed.selector) return (refusal, reason);
        bool byVerifier = terms.verifier != address(0);
        if (byVerifier && !ExternalCalls.accepts(terms.verifier, MAX_CALL_GAS, task.statement, proof)) {
            return (ProofRejected.selector, reason);
        }
        if (gasleft() < _gasToCall(terms.callGas, frame.length)) return (InsufficientGas.selector, reason);
        if (byVerifier) {
            _settle(terms, slot, delivering);
            bool targetOk = refusal == 0 && ExternalCalls.callTarget(TARGET_CALLER, frame);
            emit Delivered(delivering.digest, !delivering.late, targetOk, delivering.earmark);
            if (!targetOk) emit TargetFailed(delivering.digest, proof);
            return (0, reason);
        }
        if (refusal == 0) (refusal, reason) = _satisfyTarget(terms, call, frame);
        if (refusal != 0) return (refusal, reason);
        _settle(terms, slot, delivering);
        emit Delivered(delivering.digest, !delivering.late, true, delivering.earmark);
    }

    /// @return refusal `WrongCall`, `InsufficientGas` if what is left does not cover the encoder, or `EncoderFailed` if
    /// there is nothing that the target could be called with
    /// @return frame what `TargetCaller` is called with
    function _buildCall(Terms memory terms, Task calldata task, Call calldata call, bytes calldata proof)
        private
        view
        returns (bytes4 refusal, bytes memory frame)
    {
        bytes calldata prefix = call.prefix;
        bytes calldata suffix = call.suffix;
        if (QuoteLib.callHash(prefix, suffix, call.doneCheck) != task.callHash) return (WrongCall.selector, frame);
        if (terms.encoder == address(0)) {
            frame = ExternalCalls.frameOf(terms, prefix, proof, suffix);
        } else {
            // A starved encoder would fail, and in verifier mode spare the deliverer the target's call.
            if (gasleft() < _gasToCall(ExternalCalls.ENCODER_GAS, prefix.length + proof.length)) {
                return (InsufficientGas.selector, frame);
            }
            bool ok;
            (ok, frame) = ExternalCalls.frameFrom(terms, prefix, proof);
            if (!ok) refusal = EncoderFailed.selector;
        }
    }

    /// An upper bound of what must be left for `callGas` to get through two calls, each of which can pass on 63/64, with
    /// `length` bytes copied for them, and for settling. For the target `TargetCaller` makes sure of the former; this is
    /// so that an item of a batch is refused before it has changed anything.
    function _gasToCall(uint256 callGas, uint256 length) private pure returns (uint256) {
        unchecked {
            uint256 words = length / 32 + 1;
            return callGas + callGas / 30 + CALL_OVERHEAD + words * 20 + words * words / 64;
        }
    }

    /// Target mode: calls the target; one that fails may still say that it is satisfied already.
    function _satisfyTarget(Terms memory terms, Call calldata call, bytes memory frame)
        private
        returns (bytes4 refusal, bytes memory reason)
    {
        if (terms.target.code.length == 0) return (TargetHasNoCode.selector, reason);
        if (ExternalCalls.callTarget(TARGET_CALLER, frame)) return (0, reason);
        reason = ExternalCalls.reasonOfTarget();
        bool isDone =
            call.doneCheck.length != 0 && ExternalCalls.answersTrue(terms.target, terms.callGas, call.doneCheck);
        if (!isDone) refusal = TargetReverted.selector;
    }

    /// Frees the slots of a delivered task. In verifier mode this comes before the target's call, because nothing that
    /// the target does can change the outcome; in target mode after it, because it is the outcome.
    function _settle(Terms memory terms, Slot storage slot, Delivering memory delivering) private {
        Holding holding = delivering.holding;
        uint256 earned = terms.reward;
        uint256 lost;
        if (delivering.rescued) {
            delivering.bond += terms.delivererBond();
        } else {
            earned -= terms.advance;
            if (delivering.late) {
                lost = terms.requesterBond();
                delivering.compensation += lost;
            }
            _freeRescuer(terms, holding, delivering.digest);
        }
        // The advance is the operator's already: the share is of the whole reward, as far as there is something left.
        unchecked {
            uint256 earmark = terms.reward * holding.share() / MAX_SHARE;
            if (earmark > earned) earmark = earned;
            delivering.reward += earned - earmark;
            delivering.earmarks += earmark;
            delivering.earmark = earmark;
        }
        _release(slot, holding, lost);
    }

    function _pay(Terms memory terms, address deliverer, Delivering memory delivering) private {
        _credit(terms.rewardToken, deliverer, delivering.reward, delivering.earmarks);
        _credit(terms.liabilityToken, deliverer, delivering.bond);
        _credit(terms.liabilityToken, terms.requester, delivering.compensation);
    }

    function _revertIf(bytes4 refusal, bytes memory reason) private pure {
        if (refusal == TargetReverted.selector) revert TargetReverted(reason);
        if (refusal != 0) _revert(refusal);
    }
}
