// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Fixture} from "./Fixture.sol";
import {Call, Delivery, IZKPool, Quote, SlotState, Terms} from "../../src/interfaces/IZKPool.sol";
import {CostlyTarget, PermissionlessTarget} from "../mocks/Targets.sol";

contract ProveBatchTest is Fixture {
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

    // ---- who ----

    function test_RevertWhen_Empty() public {
        vm.expectRevert(IZKPool.EmptyBatch.selector);
        vm.prank(signer);
        pool.proveBatch(terms(), new Delivery[](0));
    }

    function test_RevertWhen_CallerIsNotTheOperator() public {
        Terms memory t = terms();
        Delivery[] memory deliveries = _published(t);
        address[4] memory others = [stranger, requester, payer, rescuerSigner];
        for (uint256 i; i < others.length; i++) {
            vm.expectRevert(IZKPool.NotAuthorized.selector);
            vm.prank(others[i]);
            pool.proveBatch(t, deliveries);
        }
    }

    // ---- what becomes of the items ----

    function test_AllDelivered() public {
        Terms memory t = terms();
        Delivery[] memory deliveries = _published(t);
        Books memory b = booksOf(address(token), FIRST);
        for (uint256 i; i < SIZE; i++) {
            vm.expectEmit(address(pool));
            emit IZKPool.Delivered(digest(Quote(t, deliveries[i].task)), true, true, 0);
        }
        vm.prank(operator);
        assertEq(pool.proveBatch(t, deliveries), SIZE);
        b.operator += SIZE * (REWARD - ADVANCE);
        assertBooks(booksOf(address(token), FIRST), b);
        for (uint32 i; i < SIZE; i++) {
            assertState(slot(FIRST + i), SlotState.Idle);
            assertEq(slot(FIRST + i).collateral, COLLATERAL);
        }
        assertEq(target.calls(), SIZE);
    }

    function test_AllDeliveredLate() public {
        Terms memory t = terms();
        Delivery[] memory deliveries = _published(t);
        after_(PROOF_WINDOW + 1);
        Books memory b = booksOf(address(token), FIRST);
        vm.prank(signer);
        assertEq(pool.proveBatch(t, deliveries), SIZE);
        b.operator += SIZE * (REWARD - ADVANCE);
        b.collateral -= BOND - half(BOND);
        b.requester += SIZE * (BOND - half(BOND));
        assertBooks(booksOf(address(token), FIRST), b);
        assertEq(slot(FIRST + 1).collateral, COLLATERAL - (BOND - half(BOND)));
        assertEq(slot(FIRST + 2).collateral, COLLATERAL - (BOND - half(BOND)));
    }

    /// Late and on time in one batch: the terms are shared, the moments of publication are not.
    function test_SomeDeliveredLate() public {
        Terms memory t = terms();
        t.proofWindow = 50;
        Delivery[] memory deliveries = _deliveries();
        publishAccepted(Quote(t, deliveries[0].task));
        after_(51);
        publishAccepted(Quote(t, deliveries[1].task));
        publishAccepted(Quote(t, deliveries[2].task));
        Books memory b = booksOf(address(token), FIRST);
        vm.expectEmit(address(pool));
        emit IZKPool.Delivered(digest(Quote(t, deliveries[0].task)), false, true, 0);
        vm.expectEmit(address(pool));
        emit IZKPool.Delivered(digest(Quote(t, deliveries[1].task)), true, true, 0);
        vm.prank(signer);
        assertEq(pool.proveBatch(t, deliveries), SIZE);
        b.operator += SIZE * (REWARD - ADVANCE);
        b.collateral -= BOND - half(BOND);
        b.requester += BOND - half(BOND);
        assertBooks(booksOf(address(token), FIRST), b);
        assertEq(slot(FIRST + 1).collateral, COLLATERAL);
    }

    function test_WrongProofIsRejectedAlone() public {
        Terms memory t = terms();
        Delivery[] memory deliveries = _published(t);
        deliveries[1].proof = deliveries[0].proof;
        _rejectedAlone(t, deliveries, IZKPool.ProofRejected.selector);
    }

    function test_WrongCallIsRejectedAlone() public {
        Terms memory t = terms();
        Delivery[] memory deliveries = _published(t);
        deliveries[1].call.prefix = "another";
        _rejectedAlone(t, deliveries, IZKPool.WrongCall.selector);
    }

    function test_TakenOverIsRejectedAlone() public {
        Terms memory t = terms();
        Delivery[] memory deliveries = _published(t);
        after_(PROOF_WINDOW + 1);
        rescue(Quote(t, deliveries[1].task));
        after_(GRACE);
        vm.expectEmit(address(pool));
        emit IZKPool.DeliveryRejected(digest(Quote(t, deliveries[1].task)), IZKPool.NotInSlot.selector);
        vm.prank(signer);
        assertEq(pool.proveBatch(t, deliveries), SIZE - 1);
        assertState(spare(), SlotState.Reserved);
        proveRescued(Quote(t, deliveries[1].task));
    }

    function test_UnpublishedIsRejectedAlone() public {
        Terms memory t = terms();
        Delivery[] memory deliveries = _published(t);
        Delivery memory first = deliveries[0];
        deliveries[0] = _delivery(FIRST, 99);
        vm.expectEmit(address(pool));
        emit IZKPool.DeliveryRejected(digest(Quote(t, deliveries[0].task)), IZKPool.NotInSlot.selector);
        vm.prank(signer);
        assertEq(pool.proveBatch(t, deliveries), SIZE - 1);
        prove(Quote(t, first.task));
    }

    function test_TheSameDeliveryTwiceIsPaidOnce() public {
        Terms memory t = terms();
        Delivery[] memory deliveries = _published(t);
        deliveries[1] = deliveries[0];
        Books memory b = booksOf(address(token), FIRST);
        vm.expectEmit(address(pool));
        emit IZKPool.DeliveryRejected(digest(Quote(t, deliveries[0].task)), IZKPool.NotInSlot.selector);
        vm.prank(signer);
        assertEq(pool.proveBatch(t, deliveries), SIZE - 1);
        b.operator += (SIZE - 1) * (REWARD - ADVANCE);
        assertBooks(booksOf(address(token), FIRST), b);
    }

    function test_TooLateIsRejected() public {
        Terms memory t = terms();
        Delivery[] memory deliveries = _published(t);
        after_(LIABILITY_WINDOW + 1);
        Books memory b = booksOf(address(token), FIRST);
        vm.expectEmit(address(pool));
        emit IZKPool.DeliveryRejected(digest(Quote(t, deliveries[0].task)), IZKPool.TooLate.selector);
        vm.prank(signer);
        assertEq(pool.proveBatch(t, deliveries), 0);
        assertBooks(booksOf(address(token), FIRST), b);
        pool.collect(Quote(t, deliveries[0].task));
    }

    function test_VerifierMode_DeliveredThoughOneTargetCallFails() public {
        Terms memory t = terms();
        t.target = address(new PermissionlessTarget());
        Delivery[] memory deliveries = _published(t);
        // All call with the same id: the second and the third come too late for the target.
        vm.expectEmit(address(pool));
        emit IZKPool.Delivered(digest(Quote(t, deliveries[0].task)), true, true, 0);
        for (uint256 i = 1; i < SIZE; i++) {
            vm.expectEmit(address(pool));
            emit IZKPool.Delivered(digest(Quote(t, deliveries[i].task)), true, false, 0);
            vm.expectEmit(address(pool));
            emit IZKPool.TargetFailed(digest(Quote(t, deliveries[i].task)), deliveries[i].proof);
        }
        vm.prank(signer);
        assertEq(pool.proveBatch(t, deliveries), SIZE);
    }

    function test_TargetMode_OneTargetFailureIsRejectedAlone() public {
        Terms memory t = terms();
        t.verifier = address(0);
        t.target = address(new PermissionlessTarget());
        Delivery[] memory deliveries = _deliveries();
        bytes32[3] memory ids = [bytes32("a"), "a", "b"];
        for (uint256 i; i < SIZE; i++) {
            deliveries[i].call.prefix = abi.encodeWithSignature("submit(bytes32,bytes)", ids[i], uint256(0x40));
            deliveries[i].task.callHash = hashCall(deliveries[i].call);
            publishAccepted(Quote(t, deliveries[i].task));
        }
        _rejectedAlone(t, deliveries, IZKPool.TargetReverted.selector);
    }

    function test_DeliveryInTheGracePeriodFreesTheRescuer() public {
        Terms memory t = terms();
        Delivery[] memory deliveries = _published(t);
        after_(PROOF_WINDOW + 1);
        rescue(Quote(t, deliveries[1].task));
        after_(GRACE - 1);
        vm.prank(signer);
        assertEq(pool.proveBatch(t, deliveries), SIZE);
        assertState(spare(), SlotState.Idle);
        assertEq(spare().collateral, COLLATERAL);
    }

    // ---- gas ----

    function test_NoItemIsDeliveredWithoutItsCall() public {
        CostlyTarget costly = new CostlyTarget(250_000);
        Terms memory t = terms();
        (t.target, t.callGas) = (address(costly), 300_000);
        Delivery[] memory deliveries = _published(t);
        uint256 snapshot = vm.snapshotState();
        bool[SIZE + 1] memory seen;
        for (uint256 gas_ = 300_000; gas_ < 1_500_000; gas_ += 17_003) {
            vm.prank(signer);
            try pool.proveBatch{gas: gas_}(t, deliveries) returns (uint256 accepted) {
                assertEq(costly.calls(), accepted, "delivered without its call");
                assertEq(pool.balanceOf(address(token), operator), SIZE * ADVANCE + accepted * (REWARD - ADVANCE));
                seen[accepted] = true;
            } catch {}
            vm.revertToState(snapshot);
        }
        // The items that the gas covers are delivered although the later ones are not.
        for (uint256 i; i <= SIZE; i++) {
            assertTrue(seen[i], "not seen");
        }
    }

    // ---- helpers ----

    function _delivery(uint32 index, uint256 salt) private view returns (Delivery memory d) {
        d.task = task(index, salt);
        d.call = defaultCall();
        d.proof = proofOf(Quote(terms(), d.task));
    }

    function _deliveries() private view returns (Delivery[] memory deliveries) {
        deliveries = new Delivery[](SIZE);
        for (uint256 i; i < SIZE; i++) {
            deliveries[i] = _delivery(FIRST + uint32(i), i);
        }
    }

    function _published(Terms memory t) private returns (Delivery[] memory deliveries) {
        deliveries = _deliveries();
        for (uint256 i; i < SIZE; i++) {
            publishAccepted(Quote(t, deliveries[i].task));
        }
    }

    /// The one in the middle is refused, and its task can still be settled.
    function _rejectedAlone(Terms memory t, Delivery[] memory deliveries, bytes4 reason) private {
        Quote memory q = Quote(t, deliveries[1].task);
        Books memory b = booksOf(address(token), FIRST + 1);
        vm.expectEmit(address(pool));
        emit IZKPool.DeliveryRejected(digest(q), reason);
        vm.prank(signer);
        assertEq(pool.proveBatch(t, deliveries), SIZE - 1);
        b.operator += (SIZE - 1) * (REWARD - ADVANCE);
        assertBooks(booksOf(address(token), FIRST + 1), b);
        assertState(slot(FIRST), SlotState.Idle);
        assertState(slot(FIRST + 1), SlotState.Active);
        assertState(slot(FIRST + 2), SlotState.Idle);
        after_(LIABILITY_WINDOW + 1);
        pool.collect(q);
        b.requester += REWARD + LIABILITY + BOND;
        b.collateral -= LOCK;
        b.sink += BURN;
        assertBooks(booksOf(address(token), FIRST + 1), b);
    }
}
