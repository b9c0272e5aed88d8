// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IZKPool, SlotState, SlotView} from "../interfaces/IZKPool.sol";
import {DelayedAddress} from "../libraries/DelayedAddress.sol";
import {Balances} from "./Balances.sol";

/// @notice One storage word: all that an ordinary task reads and writes besides its digest.
/// @dev Copied to memory, changed there, and written back once.
struct SlotHead {
    SlotState state;
    uint8 flags;
    uint40 publishedAt;
    uint40 busyUntil;
    uint40 closesAt;
    uint120 collateral;
}

struct Slot {
    bytes32 digest;
    SlotHead head;
    // Touched only by openings, breaches and, if flagged, by publications.
    uint128 honourReserve;
    DelayedAddress dedication;
}

/// @notice Operators, their signers, and their slots.
abstract contract Slots is Balances {
    uint256 public constant override MAX_VALIDITY = 5 minutes;
    uint256 public constant override CHANGE_DELAY = 10 minutes;

    /// The slot is or was dedicated, or will be: its dedication must be read.
    uint8 internal constant DEDICATED = 1;
    /// A rescue of the slot's task was announced: its record must be read.
    uint8 internal constant RESCUE_ANNOUNCED = 2;
    /// The verifier of the slot's task was seen halted: the task's halts must be read when it is late.
    uint8 internal constant HALT_OBSERVED = 4;
    /// The flags that describe the slot and not its task.
    uint8 internal constant SLOT_FLAGS = DEDICATED;

    uint40 internal constant NEVER = type(uint40).max;

    mapping(address operator => DelayedAddress) internal _signers;
    mapping(address operator => mapping(address token => mapping(uint256 index => Slot))) internal _slots;

    // ---- signers ----

    /// @inheritdoc IZKPool
    function setSigner(address signer) external nonReentrant {
        DelayedAddress storage current = _signers[msg.sender];
        // Without a signer no quote can be valid, and there is none that a change could break.
        bool isFirst = !current.isPending() && current.get() == address(0);
        uint256 effectiveAt = isFirst ? block.timestamp : block.timestamp + CHANGE_DELAY;
        current.set(signer, effectiveAt);
        emit SignerSet(msg.sender, signer, effectiveAt);
    }

    /// @inheritdoc IZKPool
    function freeze(address operator) external nonReentrant {
        _onlyOperatorOrSigner(operator);
        _signers[operator].stop();
        emit Frozen(operator);
    }

    /// @inheritdoc IZKPool
    function signerOf(address operator)
        external
        view
        returns (address signer, address next, uint256 changesAt, bool frozen)
    {
        DelayedAddress storage current = _signers[operator];
        (signer, frozen) = current.getWithStop();
        if (current.isPending()) (next, changesAt) = (current.latest, current.effectiveAt);
    }

    // ---- slots ----

    /// @inheritdoc IZKPool
    function openSlot(address token, uint32 index, uint128 collateral, uint128 honour, address dedicatedTo)
        external
        nonReentrant
    {
        Slot storage slot = _slot(msg.sender, token, index);
        SlotHead memory head = _load(slot);
        bool isEmpty = head.collateral == 0 && slot.honourReserve == 0;
        if (head.closesAt > block.timestamp || head.state != SlotState.Idle || !isEmpty) revert SlotAlreadyOpen();
        _take(token, uint256(collateral) + honour);
        // `busyUntil` and the digest stay, or a quote that was accepted before could be published again.
        head.closesAt = NEVER;
        head.collateral = _toCollateral(collateral);
        head.flags = dedicatedTo == address(0) ? 0 : DEDICATED;
        _save(slot, head);
        slot.honourReserve = honour;
        slot.dedication.set(dedicatedTo, block.timestamp);
        emit SlotOpened(msg.sender, token, index, collateral, honour, dedicatedTo);
    }

    /// @inheritdoc IZKPool
    function topUpSlot(address operator, address token, uint32 index, uint128 collateral, uint128 honour)
        external
        nonReentrant
    {
        Slot storage slot = _slot(operator, token, index);
        if (block.timestamp >= slot.head.closesAt) revert SlotNotOpen();
        _take(token, uint256(collateral) + honour);
        slot.head.collateral = _toCollateral(uint256(slot.head.collateral) + collateral);
        uint256 reserve = uint256(slot.honourReserve) + honour;
        if (reserve > type(uint128).max) revert AmountTooLarge();
        slot.honourReserve = uint128(reserve);
        emit SlotToppedUp(operator, token, index, collateral, honour);
    }

    /// @inheritdoc IZKPool
    function dedicateSlot(address token, uint32 index, address requester) external nonReentrant {
        Slot storage slot = _slot(msg.sender, token, index);
        if (block.timestamp >= slot.head.closesAt) revert SlotNotOpen();
        uint256 effectiveAt = block.timestamp + CHANGE_DELAY;
        slot.dedication.set(requester, effectiveAt);
        slot.head.flags |= DEDICATED;
        emit SlotDedicated(msg.sender, token, index, requester, effectiveAt);
    }

    /// @inheritdoc IZKPool
    function closeSlot(address token, uint32 index) external nonReentrant {
        Slot storage slot = _slot(msg.sender, token, index);
        if (slot.head.closesAt != NEVER) revert SlotNotOpen();
        uint256 closesAt = block.timestamp + CHANGE_DELAY;
        slot.head.closesAt = uint40(closesAt);
        emit SlotClosing(msg.sender, token, index, closesAt);
    }

    /// @inheritdoc IZKPool
    function emptySlot(address token, uint32 index) external nonReentrant {
        Slot storage slot = _slot(msg.sender, token, index);
        SlotHead memory head = _load(slot);
        if (head.closesAt == 0) revert SlotNotOpen();
        if (block.timestamp < head.closesAt) revert TooEarly();
        if (head.state != SlotState.Idle) revert SlotBusy();
        uint256 amount = uint256(head.collateral) + slot.honourReserve;
        slot.head.collateral = 0;
        slot.honourReserve = 0;
        _credit(token, msg.sender, amount);
        emit SlotEmptied(msg.sender, token, index, amount);
    }

    /// @inheritdoc IZKPool
    function slotOf(address operator, address token, uint32 index) external view returns (SlotView memory) {
        Slot storage slot = _slot(operator, token, index);
        SlotHead memory head = _load(slot);
        bool isPending = slot.dedication.isPending();
        return SlotView({
            digest: slot.digest,
            state: head.state,
            publishedAt: head.publishedAt,
            busyUntil: head.busyUntil,
            closesAt: head.closesAt,
            collateral: head.collateral,
            honourReserve: slot.honourReserve,
            dedicatedTo: slot.dedication.get(),
            nextDedicatedTo: isPending ? slot.dedication.latest : address(0),
            dedicationChangesAt: isPending ? slot.dedication.effectiveAt : 0
        });
    }

    // ---- for the rest of the core ----

    function _slot(address operator, address token, uint256 index) internal view returns (Slot storage) {
        return _slots[operator][token][index];
    }

    function _load(Slot storage slot) internal view returns (SlotHead memory) {
        return slot.head;
    }

    function _save(Slot storage slot, SlotHead memory head) internal {
        slot.head = head;
    }

    function _onlyOperatorOrSigner(address operator) internal view {
        if (msg.sender != operator && msg.sender != _signers[operator].get()) revert NotAuthorized();
    }

    /// The only requester that the slot serves now; zero: everybody.
    function _dedicatedTo(Slot storage slot, SlotHead memory head) internal view returns (address) {
        return head.flags & DEDICATED == 0 ? address(0) : slot.dedication.get();
    }

    /// The slot keeps its digest: a quote that it has consumed stays consumed.
    function _release(Slot storage slot, SlotHead memory head, uint256 lost) internal {
        head.state = SlotState.Idle;
        head.flags &= SLOT_FLAGS;
        head.collateral -= uint120(lost);
        _save(slot, head);
    }

    function _toCollateral(uint256 amount) private pure returns (uint120) {
        if (amount > type(uint120).max) revert AmountTooLarge();
        return uint120(amount);
    }
}
