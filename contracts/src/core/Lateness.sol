// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IProofVerifier} from "../interfaces/IProofVerifier.sol";
import {IZKPool, Quote, SlotState, Terms} from "../interfaces/IZKPool.sol";
import {ExternalCalls} from "../libraries/ExternalCalls.sol";
import {QuoteLib} from "../libraries/QuoteLib.sol";
import {Standing} from "../libraries/Standing.sol";
import {Publication} from "./Publication.sol";
import {Holding, HoldingLib} from "../libraries/Holding.sol";
import {Slot} from "./Slots.sol";

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
        _checkRescuer(rescuer);
        Terms memory terms = quote.terms.load();
        bytes32 digest = _digest(terms.hash(), quote.task);
        Slot storage slot = _slots[terms.operator][terms.liabilityToken][quote.task.slot];
        Holding holding = slot.holding;
        if (_rescues[digest].rescuer != address(0)) revert RescueExists();
        if (holding.state() != SlotState.Active || !holding.isOf(digest)) revert NotInSlot();
        (uint256 proofDeadline, uint256 liabilityDeadline) = _deadlines(terms, holding, digest);
        if (block.timestamp <= proofDeadline) revert TooEarly();
        // The rescue takes effect while the task can still be proven, so that at the end it is clear who owes.
        uint256 effectiveAt = block.timestamp + terms.grace();
        if (effectiveAt > liabilityDeadline) revert TooLate();

        slot.holding = holding.with(HoldingLib.RESCUE_ANNOUNCED);
        _rescues[digest] = Rescue({rescuer: rescuer, slot: rescuerSlot, effectiveAt: uint40(effectiveAt)});
        _reserve(terms, rescuer, rescuerSlot, digest, holding.publishedAt());
        emit RescueAnnounced(digest, rescuer, rescuerSlot, effectiveAt);
    }

    /// @inheritdoc IZKPool
    function novate(Quote calldata quote) external nonReentrant {
        Terms memory terms = quote.terms.load();
        bytes32 digest = _digest(terms.hash(), quote.task);
        Slot storage slot = _slots[terms.operator][terms.liabilityToken][quote.task.slot];
        Holding holding = slot.holding;
        if (holding.state() != SlotState.Active || !holding.isOf(digest) || !holding.has(HoldingLib.RESCUE_ANNOUNCED)) {
            revert NotInSlot();
        }
        if (!_isTakenOver(holding, digest)) revert TooEarly();
        _novate(terms, slot, holding, digest);
    }

    // ---- never delivered ----

    /// @inheritdoc IZKPool
    function collect(Quote calldata quote) external nonReentrant {
        Terms memory terms = quote.terms.load();
        bytes32 digest = _digest(terms.hash(), quote.task);
        (Slot storage slot, Holding holding) = _findAndNovate(terms, quote.task.slot, digest);
        (, uint256 liabilityDeadline) = _deadlines(terms, holding, digest);
        if (block.timestamp <= liabilityDeadline) revert TooEarly();
        if (_haltedFor(holding, digest) >= HALT_CAP) revert VerifierHalted();

        bool rescued = holding.state() == SlotState.Rescuing;
        address holder = rescued ? _rescues[digest].rescuer : terms.operator;
        // Advance and bond came into escrow when the task was novated; half of the bond was paid out then.
        _release(slot, holding, rescued ? terms.rescueLock() : terms.lock());
        uint256 bond = rescued ? terms.delivererBond() : terms.bond;
        _credit(terms.rewardToken, terms.requester, terms.reward);
        _credit(terms.liabilityToken, terms.requester, terms.liability + bond);
        _credit(terms.liabilityToken, SINK, terms.burn);
        emit Defaulted(digest, holder);
    }

    // ---- a halted verifier ----

    /// @inheritdoc IZKPool
    function observeHalt(Quote calldata quote) external nonReentrant {
        Terms memory terms = quote.terms.load();
        bytes32 digest = _digest(terms.hash(), quote.task);
        (Slot storage slot, Holding holding) = _find(terms, quote.task.slot, digest);
        (, uint256 liabilityDeadline) = _deadlines(terms, holding, digest);
        if (block.timestamp > liabilityDeadline) revert TooLate();

        bool halted = _isHalted(terms.verifier);
        Halts memory halts = _halts[digest];
        if (halted) {
            uint256 since = block.timestamp - halts.last;
            if (halts.last != 0 && since <= MAX_OBSERVATION_GAP) {
                uint256 total = halts.total + since;
                halts.total = uint40(total < HALT_CAP ? total : HALT_CAP);
            }
            slot.holding = holding.with(HoldingLib.HALT_OBSERVED);
        }
        halts.last = halted ? uint40(block.timestamp) : 0;
        _halts[digest] = halts;
        emit HaltObserved(digest, halted, halts.total);
    }

    /// @inheritdoc IZKPool
    function unwind(Quote calldata quote) external nonReentrant {
        Terms memory terms = quote.terms.load();
        bytes32 digest = _digest(terms.hash(), quote.task);
        (Slot storage slot, Holding holding) = _findAndNovate(terms, quote.task.slot, digest);
        if (_haltedFor(holding, digest) < HALT_CAP) revert NotHalted();

        _credit(terms.rewardToken, terms.requester, terms.reward);
        if (holding.state() == SlotState.Rescuing) {
            _release(slot, holding, 0);
            _credit(terms.liabilityToken, terms.operator, terms.delivererBond());
        } else {
            _freeRescuer(terms, holding, digest);
            _release(slot, holding, terms.advance);
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
        Terms memory terms = quote.terms.load();
        bytes32 digest = _digest(terms.hash(), quote.task);
        (, Holding holding) = _find(terms, quote.task.slot, digest);
        (proofDeadline, liabilityDeadline) = _deadlines(terms, holding, digest);
        Rescue storage rescue_ = _rescues[digest];
        (rescuer, rescuerSlot, rescueAt) = (rescue_.rescuer, rescue_.slot, rescue_.effectiveAt);
        novated = holding.state() == SlotState.Rescuing;
    }

    // ---- where a task is, and until when ----

    /// The slot that holds the task: its own, or, once novated, the rescuer's.
    function _find(Terms memory terms, uint256 index, bytes32 digest)
        internal
        view
        returns (Slot storage slot, Holding holding)
    {
        slot = _slots[terms.operator][terms.liabilityToken][index];
        holding = slot.holding;
        if (holding.state() == SlotState.Active && holding.isOf(digest)) return (slot, holding);
        Rescue storage rescue_ = _rescues[digest];
        slot = _slots[rescue_.rescuer][terms.liabilityToken][rescue_.slot];
        holding = slot.holding;
        if (holding.state() != SlotState.Rescuing || !holding.isOf(digest)) revert NotInSlot();
    }

    /// `_find`, after carrying out a rescue whose grace period is over.
    function _findAndNovate(Terms memory terms, uint256 index, bytes32 digest)
        internal
        returns (Slot storage slot, Holding holding)
    {
        (slot, holding) = _find(terms, index, digest);
        if (_isTakenOver(holding, digest)) return _novate(terms, slot, holding, digest);
    }

    /// Last seconds at which the task is on time, and at which it can be proven. The clock stands while the verifier is
    /// halted.
    function _deadlines(Terms memory terms, Holding holding, bytes32 digest)
        internal
        view
        returns (uint256 proofDeadline, uint256 liabilityDeadline)
    {
        unchecked {
            uint256 start = holding.publishedAt() + _haltedFor(holding, digest);
            return (start + terms.proofWindow, start + terms.liabilityWindow);
        }
    }

    function _haltedFor(Holding holding, bytes32 digest) private view returns (uint256) {
        return holding.has(HoldingLib.HALT_OBSERVED) ? _halts[digest].total : 0;
    }

    /// Whether the task still lies in its own slot although a rescue has taken effect.
    function _isTakenOver(Holding holding, bytes32 digest) internal view returns (bool) {
        return holding.has(HoldingLib.RESCUE_ANNOUNCED) && block.timestamp >= _rescues[digest].effectiveAt;
    }

    // ---- steps of a rescue ----

    function _checkRescuer(address rescuer) private view {
        if (msg.sender == rescuer) return;
        (address signer, bool frozen) = _signers[rescuer].getWithStop();
        if (msg.sender != signer || frozen) revert NotAuthorized();
    }

    /// Locks liability and burn in the rescuer's slot.
    function _reserve(Terms memory terms, address rescuer, uint32 index, bytes32 digest, uint256 publishedAt) private {
        Slot storage slot = _slots[rescuer][terms.liabilityToken][index];
        (Holding holding, Standing standing) = (slot.holding, slot.standing);
        if (block.timestamp >= standing.closesAt()) revert SlotNotOpen();
        bool isBusy = holding.state() != SlotState.Idle || block.timestamp <= _busyUntil(holding, standing);
        if (isBusy) revert SlotBusy();
        if (_dedicatedTo(slot, standing) != address(0)) revert SlotDedicatedToAnother();
        if (standing.collateral() < terms.rescueLock()) revert SlotUnderfunded();
        slot.holding = HoldingLib.create(SlotState.Reserved, digest, publishedAt, 0, _signers[rescuer].share());
    }

    /// Releases the original, which pays advance and bond, and hands the task over.
    function _novate(Terms memory terms, Slot storage slot, Holding holding, bytes32 digest)
        private
        returns (Slot storage rescueSlot, Holding rescueHolding)
    {
        Rescue storage rescue_ = _rescues[digest];
        rescueSlot = _slots[rescue_.rescuer][terms.liabilityToken][rescue_.slot];
        uint256 share = rescueSlot.holding.share();
        rescueHolding = HoldingLib.create(SlotState.Rescuing, digest, holding.publishedAt(), 0, share);
        if (holding.has(HoldingLib.HALT_OBSERVED)) rescueHolding = rescueHolding.with(HoldingLib.HALT_OBSERVED);
        rescueSlot.holding = rescueHolding;
        _release(slot, holding, uint256(terms.advance) + terms.bond);
        _credit(terms.liabilityToken, terms.requester, terms.requesterBond());
        emit Novated(digest, rescue_.rescuer);
    }

    /// Frees the slot of a rescuer whose rescue has not taken effect, as the task is settled without it.
    function _freeRescuer(Terms memory terms, Holding holding, bytes32 digest) internal {
        if (!holding.has(HoldingLib.RESCUE_ANNOUNCED)) return;
        Rescue storage rescue_ = _rescues[digest];
        Slot storage slot = _slots[rescue_.rescuer][terms.liabilityToken][rescue_.slot];
        _release(slot, slot.holding, 0);
    }

    /// Whether the verifier says that it is halted; failing to answer means that it is not.
    function _isHalted(address verifier) private view returns (bool) {
        // Starved of gas it could not answer, and its silence would end a halt that goes on.
        if (gasleft() < HALTED_GAS + HALTED_GAS / 63 + 20_000) revert InsufficientGas();
        return ExternalCalls.answersTrue(verifier, HALTED_GAS, abi.encodeCall(IProofVerifier.halted, ()));
    }
}
