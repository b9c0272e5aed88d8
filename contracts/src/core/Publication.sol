// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IZKPool, Quote, SlotState, Task, Terms} from "../interfaces/IZKPool.sol";
import {QuoteLib} from "../libraries/QuoteLib.sol";
import {Slot, SlotHead, Slots} from "./Slots.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "solady/utils/EIP712.sol";

/// @notice What one publication moves besides slots. Amounts of honour are in the liability token.
struct Publishing {
    bool frozen;
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
        Terms calldata terms = quote.terms;
        _checkTerms(terms);
        task = digestOf(quote);
        Publishing memory publishing;
        publishing.frozen = _checkSignature(terms, task, signature);
        bytes4 refusal = _place(terms, quote.task.slot, task, publishing);
        if (refusal != 0) _revert(refusal);
        _settlePublishing(terms, publishing);
        accepted = publishing.accepted != 0;
    }

    /// @inheritdoc IZKPool
    function publishBatch(Terms calldata terms, Task[] calldata tasks, bytes calldata signature)
        external
        nonReentrant
        returns (uint256 accepted)
    {
        if (tasks.length == 0) revert EmptyBatch();
        _checkTerms(terms);
        Publishing memory publishing;
        publishing.frozen = _checkSignature(terms, batchDigestOf(terms, tasks), signature);
        bytes32 termsHash = terms.hash();
        for (uint256 i; i < tasks.length; ++i) {
            bytes32 task = _digest(termsHash, tasks[i]);
            bytes4 refusal = _place(terms, tasks[i].slot, task, publishing);
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
        Terms calldata terms = quote.terms;
        bool isTimely = block.timestamp <= terms.validUntil && terms.validUntil <= block.timestamp + MAX_VALIDITY;
        if (!isTimely || !_isWellFormed(terms)) return false;

        address signer = _recover(digestOf(quote), signature);
        (, bool frozen) = _signers[terms.operator].getWithStop();
        bool isSigned = signer != address(0) && _signers[terms.operator].holdsUntil(signer, terms.validUntil);
        if (!isSigned || frozen) return false;

        Slot storage slot = _slot(terms.operator, terms.liabilityToken, quote.task.slot);
        SlotHead memory head = _load(slot);
        bool isForRequester = slot.dedication.holdsUntil(terms.requester, terms.validUntil)
            || slot.dedication.holdsUntil(address(0), terms.validUntil);
        return isForRequester && _isAvailable(terms, head) && terms.validUntil < head.closesAt
            && slot.honourReserve >= terms.honour;
    }

    // ---- digests ----

    /// @inheritdoc IZKPool
    function digestOf(Quote calldata quote) public view returns (bytes32) {
        return _digest(quote.terms.hash(), quote.task);
    }

    /// @inheritdoc IZKPool
    function batchDigestOf(Terms calldata terms, Task[] calldata tasks) public view returns (bytes32) {
        return _hashTypedData(terms.batchHash(tasks));
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
    function _place(Terms calldata terms, uint32 index, bytes32 task, Publishing memory publishing)
        private
        returns (bytes4 refusal)
    {
        Slot storage slot = _slot(terms.operator, terms.liabilityToken, index);
        SlotHead memory head = _load(slot);
        if (head.closesAt == 0) return SlotNotOpen.selector;
        if (slot.digest == task) return AlreadyPublished.selector;
        address dedicatedTo = _dedicatedTo(slot, head);
        if (dedicatedTo != address(0) && dedicatedTo != terms.requester) return SlotDedicatedToAnother.selector;

        if (!publishing.frozen && _isAvailable(terms, head)) {
            head.state = SlotState.Active;
            head.publishedAt = uint40(block.timestamp);
            head.busyUntil = terms.validUntil;
            _save(slot, head);
            slot.digest = task;
            ++publishing.accepted;
            emit Published(task, terms.operator, terms.requester, index);
        } else {
            if (_dishonoured[task]) return AlreadyDishonoured.selector;
            _dishonoured[task] = true;
            slot.head.busyUntil = uint40(block.timestamp + MAX_VALIDITY);
            uint256 honour = terms.honour < slot.honourReserve ? terms.honour : slot.honourReserve;
            slot.honourReserve -= uint128(honour);
            // On a shared slot the reserve goes to whoever comes first, its operator under another name included:
            // half of it is burned, so that it cannot be saved that way.
            uint256 burned = dedicatedTo == address(0) ? honour / 2 : 0;
            ++publishing.dishonoured;
            publishing.paid += honour - burned;
            publishing.burned += burned;
            emit Dishonoured(task, terms.operator, terms.requester, honour - burned, burned);
        }
    }

    /// Takes the reward from the publisher, then pays what is due. The publisher must have the reward without the honour.
    function _settlePublishing(Terms calldata terms, Publishing memory publishing) private {
        _take(terms.rewardToken, terms.reward * (publishing.accepted + publishing.dishonoured));
        _credit(terms.rewardToken, terms.operator, terms.advance * publishing.accepted);
        if (publishing.dishonoured != 0) {
            _credit(terms.rewardToken, terms.requester, terms.reward * publishing.dishonoured);
            _credit(terms.liabilityToken, terms.requester, publishing.paid);
            _credit(terms.liabilityToken, SINK, publishing.burned);
        }
    }

    // ---- checks ----

    function _checkTerms(Terms calldata terms) private view {
        if (block.timestamp > terms.validUntil) revert QuoteExpired();
        if (terms.validUntil > block.timestamp + MAX_VALIDITY) revert ValidityTooLong();
        if (!_isWellFormed(terms)) revert MalformedTerms();
    }

    function _isWellFormed(Terms calldata terms) private pure returns (bool) {
        return terms.requester != address(0) && terms.operator != address(0) && terms.target != address(0)
            && terms.callGas <= MAX_CALL_GAS && terms.proofWindow != 0 && terms.proofWindow <= terms.liabilityWindow
            && terms.advance <= terms.reward && (terms.advance == 0 || terms.rewardToken == terms.liabilityToken)
            && terms.lock() <= type(uint120).max;
    }

    function _isAvailable(Terms calldata terms, SlotHead memory head) private view returns (bool) {
        return head.state == SlotState.Idle && block.timestamp > head.busyUntil && block.timestamp < head.closesAt
            && head.collateral >= terms.lock();
    }

    /// @return frozen whether the operator accepts nothing
    function _checkSignature(Terms calldata terms, bytes32 digest, bytes calldata signature)
        private
        view
        returns (bool frozen)
    {
        address signer;
        (signer, frozen) = _signers[terms.operator].getWithStop();
        if (signer == address(0) || _recover(digest, signature) != signer) revert BadSignature();
    }

    /// An ordinary key's signature of 65 bytes; the zero address if it is anything else.
    function _recover(bytes32 digest, bytes calldata signature) private pure returns (address signer) {
        (signer,,) = ECDSA.tryRecoverCalldata(digest, signature);
    }

    function _revert(bytes4 selector) internal pure {
        assembly ("memory-safe") {
            mstore(0x00, selector)
            revert(0x00, 0x04)
        }
    }
}
