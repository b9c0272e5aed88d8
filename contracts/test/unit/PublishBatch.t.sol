// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Fixture} from "./Fixture.sol";
import {Call, IZKPool, Quote, SlotState, Task, Terms} from "../../src/interfaces/IZKPool.sol";

contract PublishBatchTest is Fixture {
    uint32 private constant FIRST = 20;
    uint256 private constant SIZE = 3;

    function setUp() public override {
        super.setUp();
        vm.startPrank(operator);
        for (uint32 i; i < SIZE; i++) {
            pool.openSlot(address(token), FIRST + i, COLLATERAL, RESERVE, address(0));
        }
        vm.stopPrank();
    }

    // ---- the signature ----

    function test_DigestIsTheEip712Digest() public view {
        for (uint256 length; length < 5; length++) {
            Task[] memory tasks = new Task[](length);
            for (uint256 i; i < length; i++) {
                tasks[i] = task(FIRST, i);
            }
            assertEq(pool.batchDigestOf(terms(), tasks), batchDigest(terms(), tasks));
        }
    }

    function test_RevertWhen_Empty() public {
        Task[] memory none = new Task[](0);
        bytes memory signature = _signBatch(terms(), none);
        vm.expectRevert(IZKPool.EmptyBatch.selector);
        vm.prank(payer);
        pool.publishBatch(terms(), none, signature);
    }

    function test_RevertWhen_TasksAreNotTheSigned() public {
        Task[] memory tasks = _tasks();
        bytes memory signature = _signBatch(terms(), tasks);
        Task[] memory fewer = new Task[](SIZE - 1);
        Task[] memory more = new Task[](SIZE + 1);
        Task[] memory reordered = new Task[](SIZE);
        for (uint256 i; i < SIZE; i++) {
            if (i < SIZE - 1) fewer[i] = tasks[i];
            more[i] = tasks[i];
            reordered[i] = tasks[SIZE - 1 - i];
        }
        more[SIZE] = task(FIRST, 99);
        _badSignature(terms(), fewer, signature);
        _badSignature(terms(), more, signature);
        _badSignature(terms(), reordered, signature);
        Terms memory t = terms();
        t.reward--;
        _badSignature(t, tasks, signature);
        tasks[1].statement = bytes32(uint256(tasks[1].statement) ^ 1);
        _badSignature(terms(), tasks, signature);
    }

    function test_RevertWhen_SignatureIsOfASingleQuote() public {
        Task[] memory tasks = new Task[](1);
        tasks[0] = task(FIRST, 1);
        Quote memory q = Quote({terms: terms(), task: tasks[0]});
        _badSignature(terms(), tasks, sign(q));
        bytes memory signature = _signBatch(terms(), tasks);
        vm.expectRevert(IZKPool.BadSignature.selector);
        vm.prank(payer);
        pool.publish(q, signature);
        assertNotEq(batchDigest(terms(), tasks), digest(q));
    }

    function test_RevertWhen_TermsAreRefused() public {
        Task[] memory tasks = _tasks();
        Terms memory t = terms();
        t.requester = address(0);
        bytes memory signature = _signBatch(t, tasks);
        vm.expectRevert(IZKPool.MalformedTerms.selector);
        vm.prank(payer);
        pool.publishBatch(t, tasks, signature);

        t = terms();
        t.validUntil = uint40(block.timestamp + V + 1);
        signature = _signBatch(t, tasks);
        vm.expectRevert(IZKPool.ValidityTooLong.selector);
        vm.prank(payer);
        pool.publishBatch(t, tasks, signature);

        t = terms();
        signature = _signBatch(t, tasks);
        vm.warp(t.validUntil + 1);
        vm.expectRevert(IZKPool.QuoteExpired.selector);
        vm.prank(payer);
        pool.publishBatch(t, tasks, signature);
    }

    // ---- what becomes of the tasks ----

    function test_AllAccepted() public {
        Terms memory t = terms();
        Task[] memory tasks = _tasks();
        Books memory b = books();
        uint256 wallet = token.balanceOf(payer);
        for (uint256 i; i < SIZE; i++) {
            vm.expectEmit(address(pool));
            emit IZKPool.Published(digest(Quote(t, tasks[i])), operator, requester, FIRST + i);
        }
        assertEq(_publish(t, tasks), SIZE);
        b.operator += SIZE * ADVANCE;
        assertBooks(books(), b);
        assertEq(token.balanceOf(payer), wallet - SIZE * REWARD);
        for (uint256 i; i < SIZE; i++) {
            _assertHolds(FIRST + uint32(i), Quote(t, tasks[i]));
            assertEq(slot(FIRST + uint32(i)).busyUntil, t.validUntil);
        }
    }

    /// From its publication on a task does not know how it was published.
    function test_FateIsThatOfASingleTask() public {
        Terms memory t = terms();
        Task[] memory tasks = _tasks();
        _publish(t, tasks);
        Books memory b = booksOf(address(token), FIRST);
        prove(Quote(t, tasks[0]));
        b.operator += REWARD - ADVANCE;
        assertBooks(booksOf(address(token), FIRST), b);

        after_(PROOF_WINDOW + 1);
        rescue(Quote(t, tasks[1]));
        after_(GRACE);
        b = booksOf(address(token), FIRST + 1);
        proveRescued(Quote(t, tasks[1]));
        b.collateral -= ADVANCE + BOND;
        b.requester += BOND - half(BOND);
        b.rescuer += REWARD + half(BOND);
        assertBooks(booksOf(address(token), FIRST + 1), b);

        after_(LIABILITY_WINDOW);
        b = booksOf(address(token), FIRST + 2);
        pool.collect(Quote(t, tasks[2]));
        b.collateral -= LOCK;
        b.requester += REWARD + LIABILITY + BOND;
        b.sink += BURN;
        assertBooks(booksOf(address(token), FIRST + 2), b);
    }

    function test_SomeDishonoured() public {
        publishAccepted(Quote(terms(), task(FIRST + 1, 77)));
        Terms memory t = terms();
        Task[] memory tasks = _tasks();
        Books memory b = booksOf(address(token), FIRST + 1);
        uint256 wallet = token.balanceOf(payer);
        vm.expectEmit(address(pool));
        emit IZKPool.Dishonoured(digest(Quote(t, tasks[1])), operator, requester, HONOUR - half(HONOUR), half(HONOUR));
        assertEq(_publish(t, tasks), SIZE - 1);
        b.operator += (SIZE - 1) * ADVANCE;
        b.requester += REWARD + HONOUR - half(HONOUR);
        b.sink += half(HONOUR);
        b.reserve -= HONOUR;
        assertBooks(booksOf(address(token), FIRST + 1), b);
        assertEq(token.balanceOf(payer), wallet - SIZE * REWARD);
        _assertHolds(FIRST, Quote(t, tasks[0]));
        _assertHolds(FIRST + 1, Quote(terms(), task(FIRST + 1, 77)));
        _assertHolds(FIRST + 2, Quote(t, tasks[2]));
        assertEq(slot(FIRST).honourReserve, RESERVE, "each from its own reserve");
    }

    function test_AllDishonouredWhenFrozen() public {
        vm.prank(operator);
        pool.freeze(operator);
        Books memory b = booksOf(address(token), FIRST);
        assertEq(_publish(terms(), _tasks()), 0);
        b.requester += SIZE * (REWARD + HONOUR - half(HONOUR));
        b.sink += SIZE * half(HONOUR);
        b.reserve -= HONOUR;
        assertBooks(booksOf(address(token), FIRST), b);
        assertEq(slot(FIRST + 1).honourReserve, RESERVE - HONOUR);
        assertEq(slot(FIRST + 2).honourReserve, RESERVE - HONOUR);
    }

    function test_SecondTaskOfASlotIsDishonoured() public {
        Task[] memory tasks = _tasks();
        tasks[1].slot = FIRST;
        Books memory b = booksOf(address(token), FIRST);
        assertEq(_publish(terms(), tasks), SIZE - 1);
        b.operator += (SIZE - 1) * ADVANCE;
        b.requester += REWARD + HONOUR - half(HONOUR);
        b.sink += half(HONOUR);
        b.reserve -= HONOUR;
        assertBooks(booksOf(address(token), FIRST), b);
        _assertHolds(FIRST, Quote(terms(), tasks[0]));
    }

    function test_ConsumedTasksArePassedOver() public {
        Terms memory t = terms();
        Task[] memory tasks = _tasks();
        bytes memory signature = _signBatch(t, tasks);
        vm.prank(payer);
        pool.publishBatch(t, tasks, signature);
        // All of them again: nothing is taken, nothing is paid.
        Books memory b = booksOf(address(token), FIRST);
        uint256 wallet = token.balanceOf(payer);
        vm.prank(payer);
        assertEq(pool.publishBatch(t, tasks, signature), 0);
        assertBooks(booksOf(address(token), FIRST), b);
        assertEq(token.balanceOf(payer), wallet);
    }

    /// The operator publishes one of the batch's tasks itself: it does not get rid of the others.
    function test_OneConsumedTaskDoesNotSpoilTheOthers() public {
        Terms memory t = terms();
        Task[] memory tasks = _tasks();
        publishAccepted(Quote(t, tasks[1]));
        uint256 wallet = token.balanceOf(payer);
        assertEq(_publish(t, tasks), SIZE - 1);
        assertEq(token.balanceOf(payer), wallet - (SIZE - 1) * REWARD);
        for (uint256 i; i < SIZE; i++) {
            _assertHolds(FIRST + uint32(i), Quote(t, tasks[i]));
        }
    }

    function test_OneDishonouredTaskDoesNotSpoilTheOthers() public {
        publishAccepted(Quote(terms(), task(FIRST + 1, 77)));
        Terms memory t = terms();
        Task[] memory tasks = _tasks();
        assertFalse(publish(Quote(t, tasks[1])));
        Books memory b = booksOf(address(token), FIRST + 1);
        assertEq(_publish(t, tasks), SIZE - 1);
        b.operator += (SIZE - 1) * ADVANCE;
        assertBooks(booksOf(address(token), FIRST + 1), b);
    }

    function test_TheSameTaskTwiceIsOne() public {
        Task[] memory tasks = _tasks();
        tasks[1] = tasks[0];
        uint256 wallet = token.balanceOf(payer);
        assertEq(_publish(terms(), tasks), SIZE - 1);
        assertEq(token.balanceOf(payer), wallet - (SIZE - 1) * REWARD);
        assertEq(slot(FIRST).honourReserve, RESERVE);
    }

    function test_RevertWhen_ASlotWasNeverOpened() public {
        Task[] memory tasks = _tasks();
        tasks[2].slot = 99;
        bytes memory signature = _signBatch(terms(), tasks);
        vm.expectRevert(IZKPool.SlotNotOpen.selector);
        vm.prank(payer);
        pool.publishBatch(terms(), tasks, signature);
        assertState(slot(FIRST), SlotState.Idle);
    }

    function test_RevertWhen_ASlotServesAnother() public {
        Terms memory t = terms();
        t.requester = stranger;
        Task[] memory tasks = _tasks();
        tasks[2].slot = DEDICATED;
        bytes memory signature = _signBatch(t, tasks);
        vm.expectRevert(IZKPool.SlotDedicatedToAnother.selector);
        vm.prank(payer);
        pool.publishBatch(t, tasks, signature);
        assertState(slot(FIRST), SlotState.Idle);
    }

    function test_RevertWhen_PublisherCannotPayForAll() public {
        Task[] memory tasks = _tasks();
        bytes memory signature = _signBatch(terms(), tasks);
        vm.startPrank(payer);
        token.approve(address(pool), SIZE * REWARD - 1);
        vm.expectRevert();
        pool.publishBatch(terms(), tasks, signature);
        assertState(slot(FIRST), SlotState.Idle);
        token.approve(address(pool), SIZE * REWARD);
        assertEq(pool.publishBatch(terms(), tasks, signature), SIZE);
        vm.stopPrank();
    }

    // ---- helpers ----

    function _tasks() private view returns (Task[] memory tasks) {
        tasks = new Task[](SIZE);
        for (uint256 i; i < SIZE; i++) {
            tasks[i] = task(FIRST + uint32(i), i);
        }
    }

    function _signBatch(Terms memory t, Task[] memory tasks) private view returns (bytes memory) {
        return signWith(signerKey, batchDigest(t, tasks));
    }

    function _publish(Terms memory t, Task[] memory tasks) private returns (uint256 accepted) {
        bytes memory signature = _signBatch(t, tasks);
        vm.prank(payer);
        accepted = pool.publishBatch(t, tasks, signature);
    }

    function _badSignature(Terms memory t, Task[] memory tasks, bytes memory signature) private {
        vm.expectRevert(IZKPool.BadSignature.selector);
        vm.prank(payer);
        pool.publishBatch(t, tasks, signature);
    }

    function _assertHolds(uint32 index, Quote memory q) private view {
        assertState(slot(index), SlotState.Active);
        assertEq(slot(index).digest, kept(digest(q)));
        assertGe(slot(index).busyUntil, q.terms.validUntil);
        assertEq(slot(index).publishedAt, block.timestamp);
    }
}
