// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Call, IZKPool, Quote, SlotState, Task} from "../../src/interfaces/IZKPool.sol";
import {FlippingTarget, PermissionlessTarget} from "../mocks/Targets.sol";
import {BlocklistToken, FalseToken, FeeToken, NoReturnToken, PlainToken, RebasingToken} from "../mocks/Tokens.sol";
import {Fixture} from "../unit/Fixture.sol";

/// @notice SECURITY, Money 1 to 3 and 5 to 9. The numbers are those lines'.
contract MoneyAttacks is Fixture {
    // ---- 1: paying in advance makes failing profitable ----

    /// Even with all of the reward paid in advance, and a liability of one unit.
    function test_1_TakingTheAdvanceAndFailingCosts() public {
        Quote memory q = quote();
        q.terms.advance = q.terms.reward;
        q.terms.liability = 1;
        (q.terms.bond, q.terms.burn) = (0, 0);
        Books memory b = books();
        publishAccepted(q);
        after_(LIABILITY_WINDOW + 1);
        pool.collect(q);
        b.operator += REWARD;
        b.collateral -= uint256(REWARD) + 1;
        b.requester += uint256(REWARD) + 1;
        assertBooks(books(), b);
    }

    /// The advance cannot be withdrawn out of what is locked for its return.
    function test_1_TheAdvanceIsLockedToo() public {
        uint256 lockWithoutAdvance = LOCK - ADVANCE;
        vm.startPrank(operator);
        pool.openSlot(address(token), 9, uint128(lockWithoutAdvance), RESERVE, address(0));
        vm.stopPrank();
        Quote memory q = quote();
        q.task.slot = 9;
        assertFalse(publish(q));
    }

    // ---- 2: a party that cannot be paid halts everybody ----

    function test_2_ARequesterThatCannotReceiveHaltsNobody() public {
        BlocklistToken strict = BlocklistToken(address(token));
        Quote memory q = quote();
        publishAccepted(q);
        strict.setBlocked(requester, true);
        strict.setBlocked(operator, true);
        strict.setBlocked(address(target), true);
        after_(LIABILITY_WINDOW + 1);
        pool.collect(q);
        assertEq(pool.balanceOf(address(token), requester), REWARD + LIABILITY + BOND);
        // The operator's slots go on working.
        q = quote();
        q.task = task(DEDICATED, 2);
        publishAccepted(q);
        prove(q);
        // Whoever is blocked can have it sent elsewhere.
        vm.prank(requester);
        pool.withdraw(address(token), requester, stranger, 1);
    }

    function test_2_ATokenThatIsStoppedHaltsNoSettlement() public {
        Quote memory q = quote();
        publishAccepted(q);
        BlocklistToken(address(token)).setBlocked(address(pool), true);
        uint256 snapshot = vm.snapshotState();
        prove(q);
        vm.revertToState(snapshot);
        after_(PROOF_WINDOW + 1);
        rescue(q);
        after_(GRACE);
        proveRescued(q);
        vm.revertToState(snapshot);
        after_(LIABILITY_WINDOW + 1);
        pool.collect(q);
    }

    // ---- 3: anyone can charge any client ----

    /// Naming somebody as requester takes nothing from it, whatever it has deposited or approved.
    function test_3_ANamedRequesterIsNotCharged() public {
        vm.prank(requester);
        pool.deposit(address(token), requester, 10 * REWARD);
        uint256 wallet = token.balanceOf(requester);
        Quote memory q = quote();
        bytes memory signature = sign(q);
        vm.startPrank(stranger);
        token.approve(address(pool), 0);
        vm.expectRevert();
        pool.publish(q, signature);
        token.approve(address(pool), REWARD);
        uint256 strangers = token.balanceOf(stranger);
        pool.publish(q, signature);
        vm.stopPrank();
        assertEq(pool.balanceOf(address(token), requester), 10 * REWARD);
        assertEq(token.balanceOf(requester), wallet);
        assertEq(token.balanceOf(stranger), strangers - REWARD, "the publisher pays");
    }

    /// An id is the digest of all that was agreed: nobody's task passes for another's.
    function test_3_NoSettlementByAnotherQuote() public {
        Quote memory q = quote();
        publishAccepted(q);
        after_(LIABILITY_WINDOW + 1);
        Quote memory forged = q;
        forged.terms.requester = stranger;
        vm.expectRevert(IZKPool.NotInSlot.selector);
        pool.collect(forged);
        forged = quote();
        forged.terms.liability *= 2;
        vm.expectRevert(IZKPool.NotInSlot.selector);
        pool.collect(forged);
    }

    // ---- 5: one kind of signature passes for another ----

    /// The operator's key signs many things; only a quote of this pool is a quote of this pool.
    function test_5_OtherTypedDataIsNoQuote() public {
        Quote memory q = quote();
        Task[] memory tasks = new Task[](1);
        tasks[0] = q.task;
        bytes32[5] memory others = [
            batchDigest(q.terms, tasks),
            hashTerms(q.terms),
            typedDigest(hashTerms(q.terms)),
            typedDigest(hashTask(q.task)),
            keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", digest(q)))
        ];
        for (uint256 i; i < others.length; i++) {
            bytes memory signature = signWith(signerKey, others[i]);
            vm.expectRevert(IZKPool.BadSignature.selector);
            vm.prank(payer);
            pool.publish(q, signature);
        }
    }

    // ---- 6: tokens that misbehave ----

    /// The whole life of a task in a token that keeps a fee: deposits shrink, nothing else does.
    function test_6_FeeOnTransfer() public {
        _wholeLife(new FeeToken());
    }

    function test_6_NoReturnValue() public {
        _wholeLife(new NoReturnToken());
    }

    /// A token that says `false` moves nothing, and nothing is booked.
    function test_6_FalseReturning() public {
        FalseToken liar = new FalseToken();
        _wholeLife(liar);
        liar.setRefusing(true);
        vm.startPrank(payer);
        uint256 before = pool.balanceOf(address(liar), payer);
        vm.expectRevert();
        pool.deposit(address(liar), payer, 1000);
        vm.expectRevert();
        pool.withdraw(address(liar), payer, payer, 1);
        vm.stopPrank();
        assertEq(pool.balanceOf(address(liar), payer), before);
    }

    /// A token whose balances shrink harms only its own holders.
    function test_6_ARebasingTokenHarmsNoOther() public {
        RebasingToken shrinking = new RebasingToken();
        shrinking.mint(payer, 1000);
        vm.startPrank(payer);
        shrinking.approve(address(pool), type(uint256).max);
        pool.deposit(address(shrinking), payer, 1000);
        vm.stopPrank();
        shrinking.shrink(address(pool), 600);
        vm.startPrank(payer);
        vm.expectRevert();
        pool.withdraw(address(shrinking), payer, payer, 1000);
        pool.withdraw(address(shrinking), payer, payer, 400);
        vm.stopPrank();
        // The others' token is all there.
        uint256 there = token.balanceOf(address(pool));
        assertEq(there, 3 * (uint256(COLLATERAL) + RESERVE));
        Quote memory q = quote();
        publishAccepted(q);
        prove(q);
        vm.prank(operator);
        pool.withdraw(address(token), operator, operator, REWARD);
    }

    /// A worthless token as reward buys nothing of value: what is locked is in the liability's token.
    function test_6_AWorthlessTokenStaysWorthless() public {
        PlainToken worthless = new PlainToken();
        worthless.mint(payer, REWARD);
        vm.prank(payer);
        worthless.approve(address(pool), type(uint256).max);
        Quote memory q = quote();
        q.terms.rewardToken = address(worthless);
        q.terms.advance = 0;
        Books memory b = books();
        publishAccepted(q);
        prove(q);
        assertBooks(books(), b);
        assertEq(pool.balanceOf(address(worthless), operator), REWARD);
    }

    // ---- 7: the confused deputy ----

    /// A target is any address and the call any bytes: neither the pool's tokens nor what others have approved can move.
    function test_7_NoCallCanTouchMoney() public {
        vm.prank(requester);
        pool.deposit(address(token), requester, 5000);
        address hand = pool.TARGET_CALLER();
        bytes[6] memory calls = [
            abi.encodeCall(token.transfer, (stranger, 1)),
            abi.encodeCall(token.transferFrom, (address(pool), stranger, 1)),
            abi.encodeCall(token.transferFrom, (payer, stranger, 1)),
            abi.encodeCall(token.approve, (stranger, type(uint256).max)),
            abi.encodeCall(pool.withdraw, (address(token), requester, stranger, 1)),
            abi.encodeCall(pool.setAuthorization, (stranger, true))
        ];
        for (uint256 i; i < calls.length; i++) {
            uint256 snapshot = vm.snapshotState();
            Quote memory q = targetQuote(i < 4 ? address(token) : address(pool));
            // The proof's length and the suffix stand behind it and are ignored by an ABI decoder.
            Call memory call = Call({prefix: calls[i], suffix: "", doneCheck: ""});
            q.task.callHash = hashCall(call);
            publishAccepted(q);
            uint256 there = token.balanceOf(address(pool));
            uint256 payers = token.balanceOf(payer);
            vm.prank(signer);
            (bool ok,) = address(pool).call(abi.encodeCall(pool.prove, (q, call, "")));
            // Approving on behalf of the hand is the only one of these that can succeed: it has nothing to spend.
            assertEq(ok, i == 3);
            assertEq(token.balanceOf(address(pool)), there);
            assertEq(token.balanceOf(payer), payers);
            assertEq(token.balanceOf(stranger), FUNDS);
            assertEq(token.allowance(address(pool), stranger), 0);
            assertEq(pool.balanceOf(address(token), requester), 5000);
            assertEq(pool.balanceOf(address(token), hand), 0);
            vm.revertToState(snapshot);
        }
    }

    /// The target knows its caller: not the pool.
    function test_7_TheHandIsNotThePool() public {
        Quote memory q = quote();
        publishAccepted(q);
        prove(q);
        assertEq(target.caller(), pool.TARGET_CALLER());
        assertNotEq(target.caller(), address(pool));
        assertEq(target.valueGiven(), 0);
    }

    /// Anyone may use the hand directly; it changes nothing inside the pool.
    function test_7_TheHandAloneIsPowerless() public {
        vm.prank(payer);
        pool.deposit(address(token), operator, 1000);
        address hand = pool.TARGET_CALLER();
        bytes memory data = abi.encodeCall(pool.withdraw, (address(token), operator, stranger, 1000));
        vm.prank(stranger);
        (bool ok, bytes memory answer) =
            hand.call(abi.encodePacked(uint256(uint160(address(pool))), uint256(200_000), data));
        assertTrue(ok, "not called");
        assertEq(answer, abi.encodePacked(uint256(0), IZKPool.NotAuthorized.selector));
        assertEq(pool.balanceOf(address(token), operator), 1000);
    }

    // ---- 8: deadlines ----

    /// The windows run from the publication, whenever it is included (a reorganisation moves both alike).
    function test_8_WindowsRunFromThePublication() public {
        Quote memory q = quote();
        bytes memory signature = sign(q);
        uint256 snapshot = vm.snapshotState();
        for (uint256 delay; delay <= V / 2; delay += V / 2) {
            after_(delay);
            vm.prank(payer);
            pool.publish(q, signature);
            uint256 published = block.timestamp;
            (uint256 proofDeadline, uint256 liabilityDeadline,,,,) = pool.liveTask(q);
            assertEq(proofDeadline, published + PROOF_WINDOW);
            assertEq(liabilityDeadline, published + LIABILITY_WINDOW);
            vm.revertToState(snapshot);
        }
    }

    /// At every second around every deadline exactly one of delivery and collection is possible.
    function test_8_NoSecondIsWithoutOutcome() public {
        Quote memory q = quote();
        publishAccepted(q);
        uint256 published = block.timestamp;
        uint256 snapshot = vm.snapshotState();
        for (uint256 i; i < 3; i++) {
            vm.warp(published + LIABILITY_WINDOW - 1 + i);
            vm.prank(signer);
            (bool proven,) = address(pool).call(abi.encodeCall(pool.prove, (q, defaultCall(), proofOf(q))));
            vm.revertToState(snapshot);
            vm.warp(published + LIABILITY_WINDOW - 1 + i);
            (bool collected,) = address(pool).call(abi.encodeCall(pool.collect, (q)));
            assertTrue(proven != collected);
            assertEq(collected, i == 2);
            vm.revertToState(snapshot);
        }
    }

    // ---- 9: a requester that profits from lateness ----

    /// It makes its target fail at the moment of delivery: the task is delivered.
    function test_9_FlippingTheTargetDoesNotMakeItLate() public {
        FlippingTarget flipping = new FlippingTarget();
        Quote memory q = quote();
        q.terms.target = address(flipping);
        publishAccepted(q);
        flipping.setReverting(true);
        Books memory b = books();
        prove(q);
        b.operator += REWARD - ADVANCE;
        assertBooks(books(), b);
    }

    /// It takes the proof out of the mempool and calls its own target first, which then refuses the operator's call.
    function test_9_FrontRunningTheDeliveryDoesNotMakeItLate() public {
        PermissionlessTarget open = new PermissionlessTarget();
        Quote memory q = quote();
        q.terms.target = address(open);
        publishAccepted(q);
        vm.prank(requester);
        open.submit("id", proofOf(q));
        Books memory b = books();
        prove(q);
        b.operator += REWARD - ADVANCE;
        assertBooks(books(), b);
    }

    /// In target mode the done check is what protects the operator from the same.
    function test_9_FrontRunningInTargetModeIsDone() public {
        PermissionlessTarget open = new PermissionlessTarget();
        Call memory call = defaultCall();
        call.doneCheck = abi.encodeCall(open.isDone, ("id"));
        Quote memory q = targetQuote(address(open));
        q.task.callHash = hashCall(call);
        publishAccepted(q);
        vm.prank(requester);
        open.submit("id", "the proof from the mempool");
        Books memory b = books();
        vm.prank(signer);
        pool.prove(q, call, "the proof");
        b.operator += REWARD - ADVANCE;
        assertBooks(books(), b);
    }

    /// The burn makes a default that it has brought about itself cost somebody, and profit nobody, that much.
    function test_9_TheBurnIsNobodys() public {
        Quote memory q = quote();
        publishAccepted(q);
        after_(LIABILITY_WINDOW + 1);
        pool.collect(q);
        assertEq(pool.balanceOf(address(token), address(0)), BURN);
        address[3] memory everybody = [operator, requester, stranger];
        for (uint256 i; i < everybody.length; i++) {
            vm.expectRevert(IZKPool.NotAuthorized.selector);
            vm.prank(everybody[i]);
            pool.withdraw(address(token), address(0), everybody[i], 1);
        }
        // Nobody can be authorized by nobody, not even by asking the hand.
        Call memory call = Call({
            prefix: abi.encodeCall(pool.withdraw, (address(token), address(0), stranger, 1)), suffix: "", doneCheck: ""
        });
        q = targetQuote(address(pool));
        q.task.slot = DEDICATED;
        q.task.callHash = hashCall(call);
        publishAccepted(q);
        vm.expectPartialRevert(IZKPool.TargetReverted.selector);
        vm.prank(signer);
        pool.prove(q, call, "");
    }

    // ---- helpers ----

    function newToken() internal override returns (address) {
        return address(new BlocklistToken());
    }

    /// Deposit, slot, publication, delivery, default and withdrawal in one token, which in the end is all gone again.
    function _wholeLife(PlainToken token_) private {
        address[2] memory parties = [payer, operator];
        for (uint256 i; i < 2; i++) {
            token_.mint(parties[i], 1_000_000);
            vm.startPrank(parties[i]);
            token_.approve(address(pool), type(uint256).max);
            pool.deposit(address(token_), parties[i], 50_000);
            vm.stopPrank();
        }
        assertEq(
            pool.balanceOf(address(token_), payer) + pool.balanceOf(address(token_), operator),
            token_.balanceOf(address(pool)),
            "credited is what arrived"
        );
        vm.startPrank(operator);
        pool.openSlot(address(token_), 0, COLLATERAL, RESERVE, address(0));
        pool.openSlot(address(token_), 1, COLLATERAL, RESERVE, address(0));
        vm.stopPrank();
        Quote memory q = quote();
        (q.terms.rewardToken, q.terms.liabilityToken) = (address(token_), address(token_));
        publishAccepted(q);
        prove(q);
        q.task = task(1, 2);
        publishAccepted(q);
        after_(LIABILITY_WINDOW + 1);
        pool.collect(q);
        assertState(pool.slotOf(operator, address(token_), 1), SlotState.Idle);
        vm.startPrank(operator);
        pool.closeSlot(address(token_), 0);
        pool.closeSlot(address(token_), 1);
        after_(D);
        pool.emptySlot(address(token_), 0);
        pool.emptySlot(address(token_), 1);
        vm.stopPrank();
        uint256 rest = token_.balanceOf(address(pool));
        address[3] memory all = [payer, operator, requester];
        for (uint256 i; i < all.length; i++) {
            uint256 balance = pool.balanceOf(address(token_), all[i]);
            // One unit is left for what the test of a liar needs.
            if (all[i] == payer) balance -= 1;
            rest -= balance;
            vm.prank(all[i]);
            pool.withdraw(address(token_), all[i], all[i], balance);
        }
        assertEq(token_.balanceOf(address(pool)), rest, "all can be withdrawn");
        assertEq(rest, 1 + BURN, "what is left is the burn, and the unit");
    }
}
