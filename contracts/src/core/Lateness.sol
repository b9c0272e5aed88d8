// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {IZKPool, Quote, SlotState, Terms} from "../interfaces/IZKPool.sol";
import {BoundedCall} from "../libraries/BoundedCall.sol";
import {QuoteLib} from "../libraries/QuoteLib.sol";
import {Publication} from "./Publication.sol";
import {Slot, SlotHead} from "./Slots.sol";

struct Rescue {
    address rescuer;
    uint32 slot;
    uint40 effectiveAt;
}

struct Halts {
    /// When the verifier was last seen halted; zero if it was seen running since.
    uint40 last;
    uint40 total;
}

/// @notice What happens to a task that is not delivered on time: rescue, collection, and the halted verifier's exception.
abstract contract Lateness is Publication {
    using QuoteLib for Terms;

    uint256 public constant override MAX_OBSERVATION_GAP = 1 hours;
    uint256 public constant override HALT_CAP = 7 days;

    /// Gas given to a verifier that is asked whether it is halted.
    uint256 internal constant HALTED_GAS = 200_000;

    mapping(bytes32 digest => Rescue) internal _rescues;
    mapping(bytes32 digest => Halts) internal _halts;

    // ---- rescue ----

    /// @inheritdoc IZKPool
    function rescue(Quote calldata quote, address rescuer, uint32 rescuerSlot) external nonReentrant {
        Terms calldata terms = quote.terms;
        _checkRescuer(rescuer);
        bytes32 digest = digestOf(quote);
        Slot storage slot = _slot(terms.operator, terms.liabilityToken, quote.task.slot);
        SlotHead memory head = _load(slot);
        if (_rescues[digest].rescuer != address(0)) revert RescueExists();
        if (head.state != SlotState.Active || slot.digest != digest) revert NotInSlot();
        (uint256 proofDeadline, uint256 liabilityDeadline) = _deadlines(terms, head, digest);
        if (block.timestamp <= proofDeadline) revert TooEarly();
        // The rescue takes effect while the task can still be proven, so that at the end it is clear who owes.
        uint256 effectiveAt = block.timestamp + terms.grace();
        if (effectiveAt > liabilityDeadline) revert TooLate();

        slot.head.flags = head.flags | RESCUE_ANNOUNCED;
        _rescues[digest] = Rescue({rescuer: rescuer, slot: rescuerSlot, effectiveAt: uint40(effectiveAt)});
        _reserve(terms, rescuer, rescuerSlot, digest, head.publishedAt);
        emit RescueAnnounced(digest, rescuer, rescuerSlot, effectiveAt);
    }

    /// @inheritdoc IZKPool
    function novate(Quote calldata quote) external nonReentrant {
        Terms calldata terms = quote.terms;
        bytes32 digest = digestOf(quote);
        Slot storage slot = _slot(terms.operator, terms.liabilityToken, quote.task.slot);
        SlotHead memory head = _load(slot);
        if (head.state != SlotState.Active || slot.digest != digest || head.flags & RESCUE_ANNOUNCED == 0) {
            revert NotInSlot();
        }
        if (!_isTakenOver(head, digest)) revert TooEarly();
        _novate(terms, slot, head, digest);
    }

    // ---- never delivered ----

    /// @inheritdoc IZKPool
    function collect(Quote calldata quote) external nonReentrant {
        Terms calldata terms = quote.terms;
        bytes32 digest = digestOf(quote);
        (Slot storage slot, SlotHead memory head) = _findAndNovate(quote, digest);
        (, uint256 liabilityDeadline) = _deadlines(terms, head, digest);
        if (block.timestamp <= liabilityDeadline) revert TooEarly();
        if (_haltedFor(head, digest) >= HALT_CAP) revert VerifierHalted();

        bool rescued = head.state == SlotState.Rescuing;
        address holder = rescued ? _rescues[digest].rescuer : terms.operator;
        // Advance and bond came into escrow when the task was novated; half of the bond was paid out then.
        _release(slot, head, rescued ? terms.rescueLock() : terms.lock());
        uint256 bond = rescued ? terms.delivererBond() : terms.bond;
        _credit(terms.rewardToken, terms.requester, terms.reward);
        _credit(terms.liabilityToken, terms.requester, terms.liability + bond);
        _credit(terms.liabilityToken, SINK, terms.burn);
        emit Defaulted(digest, holder);
    }

    // ---- a halted verifier ----

    /// @inheritdoc IZKPool
    function observeHalt(Quote calldata quote) external nonReentrant {
        Terms calldata terms = quote.terms;
        bytes32 digest = digestOf(quote);
        (Slot storage slot, SlotHead memory head) = _find(quote, digest);
        (, uint256 liabilityDeadline) = _deadlines(terms, head, digest);
        if (block.timestamp > liabilityDeadline) revert TooLate();

        bool halted = _isHalted(terms.verifier);
        Halts memory halts = _halts[digest];
        if (halted) {
            uint256 since = block.timestamp - halts.last;
            if (halts.last != 0 && since <= MAX_OBSERVATION_GAP) {
                uint256 total = halts.total + since;
                halts.total = uint40(total < HALT_CAP ? total : HALT_CAP);
            }
            slot.head.flags = head.flags | HALT_OBSERVED;
        }
        halts.last = halted ? uint40(block.timestamp) : 0;
        _halts[digest] = halts;
        emit HaltObserved(digest, halted, halts.total);
    }

    /// @inheritdoc IZKPool
    function unwind(Quote calldata quote) external nonReentrant {
        Terms calldata terms = quote.terms;
        bytes32 digest = digestOf(quote);
        (Slot storage slot, SlotHead memory head) = _findAndNovate(quote, digest);
        if (_haltedFor(head, digest) < HALT_CAP) revert NotHalted();

        _credit(terms.rewardToken, terms.requester, terms.reward);
        if (head.state == SlotState.Rescuing) {
            _release(slot, head, 0);
            _credit(terms.liabilityToken, terms.operator, terms.delivererBond());
        } else {
            _freeRescuer(terms, head, digest);
            _release(slot, head, terms.advance);
        }
        emit Unwound(digest);
    }

    // ---- views ----

    /// @inheritdoc IZKPool
    function liveTask(Quote calldata quote)
        external
        view
        returns (
            uint256 proofDeadline,
            uint256 liabilityDeadline,
            address rescuer,
            uint32 rescuerSlot,
            uint256 rescueAt,
            bool novated
        )
    {
        bytes32 digest = digestOf(quote);
        (, SlotHead memory head) = _find(quote, digest);
        (proofDeadline, liabilityDeadline) = _deadlines(quote.terms, head, digest);
        Rescue storage rescue_ = _rescues[digest];
        (rescuer, rescuerSlot, rescueAt) = (rescue_.rescuer, rescue_.slot, rescue_.effectiveAt);
        novated = head.state == SlotState.Rescuing;
    }

    // ---- where a task is, and until when ----

    /// The slot that holds the task: its own, or, once novated, the rescuer's.
    function _find(Quote calldata quote, bytes32 digest)
        internal
        view
        returns (Slot storage slot, SlotHead memory head)
    {
        Terms calldata terms = quote.terms;
        slot = _slot(terms.operator, terms.liabilityToken, quote.task.slot);
        head = _load(slot);
        if (head.state == SlotState.Active && slot.digest == digest) return (slot, head);
        Rescue storage rescue_ = _rescues[digest];
        slot = _slot(rescue_.rescuer, terms.liabilityToken, rescue_.slot);
        head = _load(slot);
        if (head.state != SlotState.Rescuing || slot.digest != digest) revert NotInSlot();
    }

    /// `_find`, after carrying out a rescue whose grace period is over.
    function _findAndNovate(Quote calldata quote, bytes32 digest)
        internal
        returns (Slot storage slot, SlotHead memory head)
    {
        (slot, head) = _find(quote, digest);
        if (_isTakenOver(head, digest)) return _novate(quote.terms, slot, head, digest);
    }

    /// Last seconds at which the task is on time, and at which it can be proven. The clock stands while the verifier is
    /// halted.
    function _deadlines(Terms calldata terms, SlotHead memory head, bytes32 digest)
        internal
        view
        returns (uint256 proofDeadline, uint256 liabilityDeadline)
    {
        uint256 start = head.publishedAt + _haltedFor(head, digest);
        return (start + terms.proofWindow, start + terms.liabilityWindow);
    }

    function _haltedFor(SlotHead memory head, bytes32 digest) private view returns (uint256) {
        return head.flags & HALT_OBSERVED == 0 ? 0 : _halts[digest].total;
    }

    /// Whether the task still lies in its own slot although a rescue has taken effect.
    function _isTakenOver(SlotHead memory head, bytes32 digest) internal view returns (bool) {
        return head.flags & RESCUE_ANNOUNCED != 0 && block.timestamp >= _rescues[digest].effectiveAt;
    }

    // ---- steps of a rescue ----

    function _checkRescuer(address rescuer) private view {
        if (msg.sender == rescuer) return;
        (address signer, bool frozen) = _signers[rescuer].getWithStop();
        if (msg.sender != signer || frozen) revert NotAuthorized();
    }

    /// Locks liability and burn in the rescuer's slot.
    function _reserve(Terms calldata terms, address rescuer, uint32 index, bytes32 digest, uint40 publishedAt) private {
        Slot storage slot = _slot(rescuer, terms.liabilityToken, index);
        SlotHead memory head = _load(slot);
        if (block.timestamp >= head.closesAt) revert SlotNotOpen();
        if (head.state != SlotState.Idle || block.timestamp <= head.busyUntil) revert SlotBusy();
        if (_dedicatedTo(slot, head) != address(0)) revert SlotDedicatedToAnother();
        if (head.collateral < terms.rescueLock()) revert SlotUnderfunded();
        head.state = SlotState.Reserved;
        head.publishedAt = publishedAt;
        _save(slot, head);
        slot.digest = digest;
    }

    /// Releases the original, which pays advance and bond, and hands the task over.
    function _novate(Terms calldata terms, Slot storage slot, SlotHead memory head, bytes32 digest)
        private
        returns (Slot storage rescueSlot, SlotHead memory rescueHead)
    {
        Rescue storage rescue_ = _rescues[digest];
        rescueSlot = _slot(rescue_.rescuer, terms.liabilityToken, rescue_.slot);
        rescueHead = _load(rescueSlot);
        rescueHead.state = SlotState.Rescuing;
        rescueHead.flags |= head.flags & HALT_OBSERVED;
        _save(rescueSlot, rescueHead);
        _release(slot, head, uint256(terms.advance) + terms.bond);
        _credit(terms.liabilityToken, terms.requester, terms.requesterBond());
        emit Novated(digest, rescue_.rescuer);
    }

    /// Frees the slot of a rescuer whose rescue has not taken effect, as the task is settled without it.
    function _freeRescuer(Terms calldata terms, SlotHead memory head, bytes32 digest) internal {
        if (head.flags & RESCUE_ANNOUNCED == 0) return;
        Rescue storage rescue_ = _rescues[digest];
        Slot storage slot = _slot(rescue_.rescuer, terms.liabilityToken, rescue_.slot);
        _release(slot, _load(slot), 0);
    }

    /// Whether the verifier says that it is halted; failing to answer means that it is not.
    function _isHalted(address verifier) private view returns (bool) {
        // Starved of gas it could not answer, and its silence would end a halt that goes on.
        if (gasleft() < HALTED_GAS + HALTED_GAS / 63 + 20_000) revert InsufficientGas();
        return BoundedCall.answersTrue(verifier, HALTED_GAS, abi.encodeCall(IProofVerifier.halted, ()));
    }
}
