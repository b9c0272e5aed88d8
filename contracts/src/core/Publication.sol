// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IZKPool, Quote, SlotState, Task, Terms} from "../interfaces/IZKPool.sol";
import {DelayedAddress} from "../libraries/DelayedAddress.sol";
import {QuoteLib} from "../libraries/QuoteLib.sol";
import {Holding, HoldingLib} from "../libraries/Holding.sol";
import {Standing, StandingLib} from "../libraries/Standing.sol";
import {Slot, Slots} from "./Slots.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "solady/utils/EIP712.sol";

/// @notice What one publication moves besides slots. Amounts of honour are in the liability token.
struct Publishing {
    /// Whether the operator accepts nothing.
    bool frozen;
    /// The provers' part of the reward, in steps of `SHARE_STEP`.
    uint256 share;
    /// What a task needs.
    uint256 lock;
    uint256 accepted;
    uint256 dishonoured;
    uint256 paid;
    uint256 burned;
}

/// @notice Publication: the quote is accepted, or the requester is compensated (F1).
abstract contract Publication is Slots, EIP712 {
    using QuoteLib for Terms;
    using QuoteLib for Task;

    uint256 public constant override MAX_CALL_GAS = 10_000_000;

    /// Quotes that were dishonoured. None of them can be accepted afterwards, because its slot stays busy until it has
    /// expired, so this is read only before honour is paid.
    mapping(bytes32 digest => bool) private _dishonoured;

    // ---- publish ----

    /// @inheritdoc IZKPool
    function publish(Quote calldata quote, bytes calldata signature)
        external
        nonReentrant
        returns (bytes32 task, bool accepted)
    {
        Terms memory terms = quote.terms.load();
        task = _digest(terms.hash(), quote.task);
        _checkTerms(terms);
        Publishing memory publishing;
        publishing.lock = terms.lock();
        (publishing.frozen, publishing.share) = _checkSignature(terms, task, signature);
        bytes4 refusal = _place(
            terms, quote.task.slot, _slots[terms.operator][terms.liabilityToken][quote.task.slot], task, publishing
        );
        if (refusal != 0) _revert(refusal);
        _settlePublishing(terms, publishing);
        accepted = publishing.accepted != 0;
    }

    /// @inheritdoc IZKPool
    function publishBatch(Terms calldata sharedTerms, Task[] calldata tasks, bytes calldata signature)
        external
        nonReentrant
        returns (uint256 accepted)
    {
        if (tasks.length == 0) revert EmptyBatch();
        Terms memory terms = sharedTerms.load();
        _checkTerms(terms);
        (bytes32 termsHash, bytes32[] memory hashes) = _hashes(terms, tasks);
        Publishing memory publishing;
        publishing.lock = terms.lock();
        (publishing.frozen, publishing.share) =
            _checkSignature(terms, _hashTypedData(QuoteLib.batchHash(termsHash, hashes)), signature);
        mapping(uint256 index => Slot) storage slots = _slots[terms.operator][terms.liabilityToken];
        for (uint256 i; i < tasks.length; ++i) {
            bytes32 task = _hashTypedData(QuoteLib.quoteHash(termsHash, hashes[i]));
            uint32 index = tasks[i].slot;
            bytes4 refusal = _place(terms, index, slots[index], task, publishing);
            // A task that was published already costs nothing and must not stop the others: the operator itself could
            // publish one of them first, and be rid of its promise for the rest.
            bool consumed = refusal == AlreadyPublished.selector || refusal == AlreadyDishonoured.selector;
            if (refusal != 0 && !consumed) _revert(refusal);
        }
        _settlePublishing(terms, publishing);
        accepted = publishing.accepted;
    }

    /// @inheritdoc IZKPool
    function isBacked(Quote calldata quote, bytes calldata signature) external view returns (bool) {
        Terms memory terms = quote.terms.load();
        bytes32 digest = _digest(terms.hash(), quote.task);
        bool isTimely = block.timestamp <= terms.validUntil && terms.validUntil <= block.timestamp + MAX_VALIDITY;
        if (!isTimely || !_isWellFormed(terms)) return false;

        DelayedAddress storage signers = _signers[terms.operator];
        (address signer, bool frozen) = signers.getWithStop();
        bool isSigned = signer != address(0) && signer == _recover(digest, signature);
        if (!isSigned || frozen || signers.at(terms.validUntil) != signer) return false;

        Slot storage slot = _slots[terms.operator][terms.liabilityToken][quote.task.slot];
        (address dedicatedTo, address later) = (slot.dedication.get(), slot.dedication.at(terms.validUntil));
        // A slot that is going to be shared is not backed for the requester that still has it to itself: others could
        // come first.
        bool isServed = _isServed(terms.requester, dedicatedTo) && (later == terms.requester || later == dedicatedTo);
        Standing standing = slot.standing;
        return isServed && _isAvailable(slot.holding, standing, terms.lock()) && terms.validUntil < standing.closesAt()
            && slot.honourReserve >= terms.honour;
    }

    // ---- digests ----

    /// @inheritdoc IZKPool
    function digestOf(Quote calldata quote) public view returns (bytes32) {
        return _digest(quote.terms.load().hash(), quote.task);
    }

    /// @inheritdoc IZKPool
    function batchDigestOf(Terms calldata sharedTerms, Task[] calldata tasks) external view returns (bytes32) {
        (bytes32 termsHash, bytes32[] memory hashes) = _hashes(sharedTerms.load(), tasks);
        return _hashTypedData(QuoteLib.batchHash(termsHash, hashes));
    }

    function _hashes(Terms memory terms, Task[] calldata tasks)
        private
        pure
        returns (bytes32 termsHash, bytes32[] memory hashes)
    {
        termsHash = terms.hash();
        hashes = new bytes32[](tasks.length);
        for (uint256 i; i < tasks.length; ++i) {
            hashes[i] = tasks[i].hash();
        }
    }

    function _digest(bytes32 termsHash, Task calldata task) internal view returns (bytes32) {
        return _hashTypedData(QuoteLib.quoteHash(termsHash, task.hash()));
    }

    function _domainNameAndVersion() internal pure override returns (string memory, string memory) {
        return ("ZKPool", "1");
    }

    // ---- steps ----

    /// Puts the task into its slot, or books the breach. Moves no balance.
    /// @return refusal selector of the error for which the task can do neither
    function _place(Terms memory terms, uint32 index, Slot storage slot, bytes32 task, Publishing memory publishing)
        private
        returns (bytes4 refusal)
    {
        Holding holding = slot.holding;
        if (holding.isOf(task)) return AlreadyPublished.selector;
        Standing standing = slot.standing;
        address dedicatedTo = _dedicatedTo(slot, standing);
        if (!_isServed(terms.requester, dedicatedTo)) return SlotDedicatedToAnother.selector;
        if (publishing.frozen || !_isAvailable(holding, standing, publishing.lock)) {
            return _dishonour(terms, slot, task, dedicatedTo, publishing);
        }
        slot.holding = HoldingLib.create(
            SlotState.Active, task, block.timestamp, terms.validUntil - block.timestamp, publishing.share
        );
        ++publishing.accepted;
        emit Published(task, terms.operator, terms.requester, index);
    }

    /// Books the honour of a quote that its operator cannot back.
    function _dishonour(
        Terms memory terms,
        Slot storage slot,
        bytes32 task,
        address dedicatedTo,
        Publishing memory publishing
    ) private returns (bytes4 refusal) {
        Standing standing = slot.standing;
        if (standing.closesAt() == 0) return SlotNotOpen.selector;
        if (_dishonoured[task]) return AlreadyDishonoured.selector;
        _dishonoured[task] = true;
        slot.standing = standing.withBarredUntil(block.timestamp + MAX_VALIDITY);
        uint256 honour = terms.honour < slot.honourReserve ? terms.honour : slot.honourReserve;
        slot.honourReserve -= uint128(honour);
        // On a shared slot the reserve goes to whoever comes first, its operator under another name included: half of it
        // is burned, so that it cannot be saved that way.
        uint256 burned = dedicatedTo == address(0) ? honour / 2 : 0;
        ++publishing.dishonoured;
        publishing.paid += honour - burned;
        publishing.burned += burned;
        emit Dishonoured(task, terms.operator, terms.requester, honour - burned, burned);
    }

    /// Takes the reward from the publisher, then pays what is due. The publisher must have the reward without the honour.
    function _settlePublishing(Terms memory terms, Publishing memory publishing) private {
        _take(terms.rewardToken, terms.reward * (publishing.accepted + publishing.dishonoured));
        _credit(terms.rewardToken, terms.operator, terms.advance * publishing.accepted);
        if (publishing.dishonoured != 0) {
            _credit(terms.rewardToken, terms.requester, terms.reward * publishing.dishonoured);
            _credit(terms.liabilityToken, terms.requester, publishing.paid);
            _credit(terms.liabilityToken, SINK, publishing.burned);
        }
    }

    // ---- checks ----

    function _checkTerms(Terms memory terms) private view {
        if (block.timestamp > terms.validUntil) revert QuoteExpired();
        if (terms.validUntil > block.timestamp + MAX_VALIDITY) revert ValidityTooLong();
        if (!_isWellFormed(terms)) revert MalformedTerms();
    }

    function _isWellFormed(Terms memory terms) private pure returns (bool) {
        return terms.requester != address(0) && terms.operator != address(0) && terms.target != address(0)
            && terms.callGas <= MAX_CALL_GAS && terms.proofWindow != 0 && terms.proofWindow <= terms.liabilityWindow
            && terms.advance <= terms.reward && (terms.advance == 0 || terms.rewardToken == terms.liabilityToken)
            && terms.lock() <= StandingLib.MAX_COLLATERAL;
    }

    function _isServed(address requester, address dedicatedTo) private pure returns (bool) {
        return dedicatedTo == address(0) || dedicatedTo == requester;
    }

    function _isAvailable(Holding holding, Standing standing, uint256 lock) private view returns (bool) {
        return holding.state() == SlotState.Idle && block.timestamp > _busyUntil(holding, standing)
            && block.timestamp < standing.closesAt() && standing.collateral() >= lock;
    }

    /// @return frozen whether the operator accepts nothing
    /// @return share what its provers get of a reward, in steps of `SHARE_STEP`
    function _checkSignature(Terms memory terms, bytes32 digest, bytes calldata signature)
        private
        view
        returns (bool frozen, uint256 share)
    {
        address signer;
        (signer, frozen, share) = _signers[terms.operator].getAll();
        if (signer == address(0) || _recover(digest, signature) != signer) revert BadSignature();
    }

    /// An ordinary key's signature of 65 bytes; the zero address if it is anything else.
    function _recover(bytes32 digest, bytes calldata signature) private pure returns (address signer) {
        // slither-disable-next-line unused-return
        (signer,,) = ECDSA.tryRecoverCalldata(digest, signature);
    }

    function _revert(bytes4 selector) internal pure {
        assembly ("memory-safe") {
            mstore(0x00, selector)
            revert(0x00, 0x04)
        }
    }
}
