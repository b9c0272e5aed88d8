// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IZKPool, SlotState, SlotView} from "../interfaces/IZKPool.sol";
import {DelayedAddress} from "../libraries/DelayedAddress.sol";
import {Holding} from "../libraries/Holding.sol";
import {Standing, StandingLib} from "../libraries/Standing.sol";
import {Balances} from "./Balances.sol";

struct Slot {
    /// Written by every publication and delivery.
    Holding holding;
    /// Read by every publication.
    Standing standing;
    // Touched only by openings, breaches, and publications on slots that have a dedication.
    uint128 honourReserve;
    DelayedAddress dedication;
}

/// @notice Operators, their signers, and their slots.
abstract contract Slots is Balances {
    uint256 public constant override MAX_VALIDITY = 5 minutes;
    uint256 public constant override CHANGE_DELAY = 10 minutes;
    uint256 public constant override SHARE_STEP = 50;

    /// All of a reward, in steps of `SHARE_STEP`.
    uint256 internal constant MAX_SHARE = 200;

    mapping(address operator => DelayedAddress) internal _signers;
    mapping(address operator => mapping(address token => mapping(uint256 index => Slot))) internal _slots;

    // ---- signers ----

    /// @inheritdoc IZKPool
    function setSigner(address signer) external nonReentrant {
        DelayedAddress storage current = _signers[msg.sender];
        uint256 effectiveAt = _changesAt(current);
        current.set(signer, effectiveAt);
        emit SignerSet(msg.sender, signer, effectiveAt);
        // A share that is pending waits for the signer, and the reverse.
        if (current.changesShare()) {
            emit ShareSet(msg.sender, current.latestShare * SHARE_STEP, effectiveAt);
        }
    }

    /// @inheritdoc IZKPool
    function setShare(uint16 share) external nonReentrant {
        if (share > MAX_SHARE * SHARE_STEP || share % SHARE_STEP != 0) revert BadShare();
        DelayedAddress storage current = _signers[msg.sender];
        uint256 effectiveAt = _changesAt(current);
        current.setShare(uint8(share / SHARE_STEP), effectiveAt);
        emit ShareSet(msg.sender, share, effectiveAt);
        if (current.changesAddress()) emit SignerSet(msg.sender, current.latest, effectiveAt);
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
        if (current.changesAddress()) (next, changesAt) = (current.latest, current.effectiveAt);
    }

    /// @inheritdoc IZKPool
    function shareOf(address operator) external view returns (uint256 share, uint256 next, uint256 changesAt) {
        DelayedAddress storage current = _signers[operator];
        share = current.share() * SHARE_STEP;
        if (current.changesShare()) (next, changesAt) = (current.latestShare * SHARE_STEP, current.effectiveAt);
    }

    // ---- slots ----

    /// @inheritdoc IZKPool
    function openSlot(address token, uint32 index, uint128 collateral, uint128 honour, address dedicatedTo)
        external
        nonReentrant
    {
        Slot storage slot = _slots[msg.sender][token][index];
        Standing standing = slot.standing;
        bool isEmpty = standing.collateral() == 0 && slot.honourReserve == 0;
        if (standing.closesAt() > block.timestamp || slot.holding.state() != SlotState.Idle || !isEmpty) {
            revert SlotAlreadyOpen();
        }
        _take(token, uint256(collateral) + honour);
        // What the slot has held and how long it is busy stays, or a quote that it has consumed could be published again.
        standing = _withCollateral(standing, collateral);
        slot.standing = standing.withClosesAt(StandingLib.NEVER).withDedication(dedicatedTo != address(0));
        slot.honourReserve = honour;
        slot.dedication.set(dedicatedTo, block.timestamp);
        emit SlotOpened(msg.sender, token, index, collateral, honour, dedicatedTo);
    }

    /// @inheritdoc IZKPool
    function topUpSlot(address operator, address token, uint32 index, uint128 collateral, uint128 honour)
        external
        nonReentrant
    {
        Slot storage slot = _openSlotOf(operator, token, index);
        _take(token, uint256(collateral) + honour);
        Standing standing = slot.standing;
        slot.standing = _withCollateral(standing, standing.collateral() + collateral);
        uint256 reserve = uint256(slot.honourReserve) + honour;
        if (reserve > type(uint128).max) revert AmountTooLarge();
        slot.honourReserve = uint128(reserve);
        emit SlotToppedUp(operator, token, index, collateral, honour);
    }

    /// @inheritdoc IZKPool
    function dedicateSlot(address token, uint32 index, address requester) external nonReentrant {
        Slot storage slot = _openSlotOf(msg.sender, token, index);
        uint256 effectiveAt = block.timestamp + CHANGE_DELAY;
        slot.standing = slot.standing.withDedication(true);
        slot.dedication.set(requester, effectiveAt);
        emit SlotDedicated(msg.sender, token, index, requester, effectiveAt);
    }

    /// @inheritdoc IZKPool
    function closeSlot(address token, uint32 index) external nonReentrant {
        Slot storage slot = _slots[msg.sender][token][index];
        Standing standing = slot.standing;
        if (standing.closesAt() != StandingLib.NEVER) revert SlotNotOpen();
        uint256 closesAt = block.timestamp + CHANGE_DELAY;
        slot.standing = standing.withClosesAt(closesAt);
        emit SlotClosing(msg.sender, token, index, closesAt);
    }

    /// @inheritdoc IZKPool
    function emptySlot(address token, uint32 index) external nonReentrant {
        Slot storage slot = _slots[msg.sender][token][index];
        Standing standing = slot.standing;
        if (standing.closesAt() == 0) revert SlotNotOpen();
        if (block.timestamp < standing.closesAt()) revert TooEarly();
        if (slot.holding.state() != SlotState.Idle) revert SlotBusy();
        uint256 amount = standing.collateral() + slot.honourReserve;
        slot.standing = standing.withCollateral(0);
        slot.honourReserve = 0;
        _credit(token, msg.sender, amount);
        emit SlotEmptied(msg.sender, token, index, amount);
    }

    /// @inheritdoc IZKPool
    function slotOf(address operator, address token, uint32 index) external view returns (SlotView memory) {
        Slot storage slot = _slots[operator][token][index];
        Standing standing = slot.standing;
        bool isPending = slot.dedication.isPending();
        return SlotView({
            digest: slot.holding.digestPrefix(),
            state: slot.holding.state(),
            publishedAt: uint40(slot.holding.publishedAt()),
            busyUntil: uint40(_busyUntil(slot.holding, standing)),
            closesAt: uint40(standing.closesAt()),
            collateral: uint128(standing.collateral()),
            honourReserve: slot.honourReserve,
            dedicatedTo: slot.dedication.get(),
            nextDedicatedTo: isPending ? slot.dedication.latest : address(0),
            dedicationChangesAt: isPending ? slot.dedication.effectiveAt : 0,
            share: uint16(slot.holding.share() * SHARE_STEP)
        });
    }

    // ---- for the rest of the core ----

    function _onlyOperatorOrSigner(address operator) internal view {
        if (msg.sender != operator && msg.sender != _signers[operator].get()) revert NotAuthorized();
    }

    /// The only requester that the slot serves now; zero: everybody.
    function _dedicatedTo(Slot storage slot, Standing standing) internal view returns (address) {
        return standing.hasDedication() ? slot.dedication.get() : address(0);
    }

    /// Last second at which the slot accepts nothing, because of its last quote or of a broken promise.
    function _busyUntil(Holding holding, Standing standing) internal pure returns (uint256) {
        (uint256 busyUntil, uint256 barredUntil) = (holding.busyUntil(), standing.barredUntil());
        return busyUntil > barredUntil ? busyUntil : barredUntil;
    }

    /// Frees the slot of its task, which has cost it `lost`.
    function _release(Slot storage slot, Holding holding, uint256 lost) internal {
        slot.holding = holding.ended();
        if (lost == 0) return;
        Standing standing = slot.standing;
        slot.standing = standing.withCollateral(standing.collateral() - lost);
    }

    /// When a change of signer or share that is asked for now takes effect. Without a signer no quote can be valid, and
    /// there is none that a change could break.
    function _changesAt(DelayedAddress storage current) private view returns (uint256) {
        bool isFirst = !current.isPending() && current.get() == address(0);
        return isFirst ? block.timestamp : block.timestamp + CHANGE_DELAY;
    }

    function _openSlotOf(address operator, address token, uint32 index) private view returns (Slot storage slot) {
        slot = _slots[operator][token][index];
        if (block.timestamp >= slot.standing.closesAt()) revert SlotNotOpen();
    }

    function _withCollateral(Standing standing, uint256 amount) private pure returns (Standing) {
        if (amount > StandingLib.MAX_COLLATERAL) revert AmountTooLarge();
        return standing.withCollateral(amount);
    }
}
