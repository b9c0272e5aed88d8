// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Quote, SlotState} from "../../src/interfaces/IZKPool.sol";
import {Fixture} from "../unit/Fixture.sol";

/// @notice F1, in both forms, against an operator that does whatever it likes between its signature and publication.
contract PromisesFuzz is Fixture {
    uint256 private _salt = 1000;

    /// Dedicated: backed once means accepted or paid in full, whatever the operator does in the meantime. What the
    /// operator publishes there in the requester's name pays the requester too.
    /// forge-config: default.fuzz.runs = 1000
    function testFuzz_DedicatedIsExact(uint256 seed, uint8 deeds, uint256 wait, uint128 honour) public {
        Quote memory q = quote();
        q.task.slot = DEDICATED;
        q.terms.honour = uint128(bound(honour, 0, RESERVE));
        q.terms.validUntil = uint40(block.timestamp + bound(seed, 0, V));
        bytes memory signature = sign(q);
        assertTrue(pool.isBacked(q, signature));

        uint256 before = pool.balanceOf(address(token), requester);
        uint256 end = q.terms.validUntil;
        for (uint256 i; i < deeds % 6; i++) {
            _scheme(uint256(keccak256(abi.encode(seed, i))));
            vm.warp(bound(uint256(keccak256(abi.encode(wait, i))), block.timestamp, end));
        }
        bool consumed = slot(DEDICATED).digest == kept(digest(q));
        vm.prank(payer);
        (bool ok, bytes memory answer) = address(pool).call(abi.encodeCall(pool.publish, (q, signature)));
        if (consumed) {
            // The operator has published it itself: it is accepted, at the operator's expense.
            assertFalse(ok);
            assertState(slot(DEDICATED), SlotState.Active);
            return;
        }
        assertTrue(ok, "refused");
        (, bool accepted) = abi.decode(answer, (bytes32, bool));
        if (!accepted) {
            uint256 paid = pool.balanceOf(address(token), requester) - before;
            assertGe(paid, uint256(q.terms.reward) + q.terms.honour, "not paid in full");
        }
    }

    /// The same operator, years of trying: no scheme makes `isBacked` lie in the same block.
    function testFuzz_BackedNowIsAcceptedNow(uint256 seed, uint8 deeds, bool dedicated) public {
        for (uint256 i; i < deeds % 8; i++) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            _scheme(word);
            after_(word % (2 * D));
        }
        Quote memory q = quote();
        q.task.slot = dedicated ? DEDICATED : SHARED;
        bytes memory signature = sign(q);
        bool backed = pool.isBacked(q, signature);
        vm.prank(payer);
        (bool ok, bytes memory answer) = address(pool).call(abi.encodeCall(pool.publish, (q, signature)));
        bool accepted;
        if (ok) (, accepted) = abi.decode(answer, (bytes32, bool));
        if (backed) assertTrue(accepted);
    }

    /// Shared: what is paid and what is burned is the honour or what was left; the odd unit is the requester's.
    function testFuzz_SharedHonour(uint128 honour, uint128 reserve) public {
        reserve = uint128(bound(reserve, 0, type(uint120).max));
        token.mint(operator, reserve);
        vm.startPrank(operator);
        pool.openSlot(address(token), 50, 0, reserve, address(0));
        vm.stopPrank();
        Quote memory q = quote();
        q.task.slot = 50;
        q.terms.honour = honour;
        Books memory b = booksOf(address(token), 50);
        assertFalse(publish(q));
        uint256 due = honour < reserve ? honour : reserve;
        b.requester += REWARD + due - due / 2;
        b.sink += due / 2;
        b.reserve -= due;
        assertBooks(booksOf(address(token), 50), b);
    }

    /// One thing that an operator can do about its slots, its key and its promises.
    function _scheme(uint256 word) private {
        uint256 deed = word % 9;
        word = word / 16;
        uint32 index = word % 4 == 0 ? SHARED : DEDICATED;
        bytes memory data;
        if (deed == 0) data = abi.encodeCall(pool.freeze, (operator));
        if (deed == 1) data = abi.encodeCall(pool.setSigner, (word % 8 < 4 ? stranger : signer));
        if (deed == 2) data = abi.encodeCall(pool.closeSlot, (address(token), index));
        if (deed == 3) {
            data = abi.encodeCall(pool.dedicateSlot, (address(token), index, word % 8 < 4 ? stranger : address(0)));
        }
        if (deed == 4) data = abi.encodeCall(pool.emptySlot, (address(token), index));
        if (deed == 5) data = abi.encodeCall(pool.openSlot, (address(token), index, COLLATERAL, 0, stranger));
        if (deed == 6) data = abi.encodeCall(pool.setSigner, (address(0)));
        if (deed > 6) return _fillOrBreak(word, index, deed == 8);
        vm.prank(operator);
        (bool ok,) = address(pool).call(data);
        // It may well have been refused: what counts is what the requester has in the end.
        ok;
    }

    /// Fills the slot, or breaks its word there, in the requester's name or in its own.
    function _fillOrBreak(uint256 word, uint32 index, bool breach) private {
        Quote memory q = quote();
        q.task.slot = index;
        q.task.salt = bytes32(_salt++);
        q.terms.validUntil = uint40(block.timestamp + word % (V + 1));
        q.terms.reward = 0;
        q.terms.advance = 0;
        if (breach) q.terms.liability = COLLATERAL;
        q.terms.honour = uint128(word % (2 * RESERVE));
        if (word % 5 == 0) q.terms.requester = stranger;
        bytes memory signature = sign(q);
        vm.prank(operator);
        (bool ok, bytes memory answer) = address(pool).call(abi.encodeCall(pool.publish, (q, signature)));
        if (!ok || word % 3 != 0) return;
        (, bool accepted) = abi.decode(answer, (bytes32, bool));
        if (accepted) prove(q);
    }
}
