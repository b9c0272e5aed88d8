// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Delivery, IZKPool, Quote} from "../../src/interfaces/IZKPool.sol";
import {RevenueLedger} from "../../src/RevenueLedger.sol";
import {ZKPool} from "../../src/ZKPool.sol";
import {PlainToken} from "../mocks/Tokens.sol";
import {TestVerifier} from "../mocks/Verifiers.sol";
import {Fixture} from "./Fixture.sol";

/// @notice What operators announce for their provers, and what deliveries keep apart of it.
contract ShareTest is Fixture {
    uint16 internal constant SHARE = 6050;
    uint256 internal constant EARMARK = uint256(REWARD) * SHARE / 10_000;

    RevenueLedger internal ledger;

    function setUp() public override {
        super.setUp();
        ledger = RevenueLedger(pool.REVENUE_LEDGER());
    }

    // ---- announcing ----

    function test_FirstShareCountsAtOnce() public {
        vm.expectEmit(address(pool));
        emit IZKPool.ShareSet(stranger, SHARE, block.timestamp);
        vm.prank(stranger);
        pool.setShare(SHARE);
        _isShare(stranger, SHARE, 0, 0);
        _isShare(operator, 0, 0, 0);
    }

    function test_NextShareCountsFromD() public {
        uint256 changesAt = block.timestamp + D;
        vm.expectEmit(address(pool));
        emit IZKPool.ShareSet(operator, SHARE, changesAt);
        _announce(operator, SHARE);
        vm.warp(changesAt - 1);
        _isShare(operator, 0, SHARE, changesAt);
        vm.warp(changesAt);
        _isShare(operator, SHARE, 0, 0);
        (address now_, address next,,) = pool.signerOf(operator);
        assertEq(now_, signer, "the signer is as it was");
        assertEq(next, address(0));
    }

    function test_PendingShareIsReplaced() public {
        _announce(operator, SHARE);
        after_(D / 2);
        _announce(operator, 100);
        after_(D - 1);
        _isShare(operator, 0, 100, block.timestamp + 1);
        after_(1);
        _isShare(operator, 100, 0, 0);
    }

    function test_RevertWhen_ItIsNoShare() public {
        uint16[3] memory none = [10_050, 1, 6049];
        for (uint256 i; i < none.length; i++) {
            vm.expectRevert(IZKPool.BadShare.selector);
            _announce(operator, none[i]);
        }
        assertEq(pool.SHARE_STEP(), 50);
        _announce(operator, 10_000);
        after_(D);
        _isShare(operator, 10_000, 0, 0);
    }

    function test_AChangeOfOnePutsOffTheOther() public {
        _announce(operator, SHARE);
        after_(D - 1);
        uint256 changesAt = block.timestamp + D;
        vm.expectEmit(address(pool));
        emit IZKPool.SignerSet(operator, stranger, changesAt);
        vm.expectEmit(address(pool));
        emit IZKPool.ShareSet(operator, SHARE, changesAt);
        vm.prank(operator);
        pool.setSigner(stranger);
        after_(1);
        _isShare(operator, 0, SHARE, changesAt);

        after_(D / 2);
        changesAt = block.timestamp + D;
        vm.expectEmit(address(pool));
        emit IZKPool.ShareSet(operator, 100, changesAt);
        vm.expectEmit(address(pool));
        emit IZKPool.SignerSet(operator, stranger, changesAt);
        _announce(operator, 100);
        vm.warp(changesAt - 1);
        (address current, address next, uint256 when,) = pool.signerOf(operator);
        assertEq(current, signer);
        assertEq(next, stranger);
        assertEq(when, changesAt);
        _isShare(operator, 0, 100, changesAt);
        vm.warp(changesAt);
        (current,,,) = pool.signerOf(operator);
        assertEq(current, stranger);
        _isShare(operator, 100, 0, 0);
    }

    /// Nor does it end one sooner or later: frozen is frozen until another signer has taken effect.
    function test_AShareEndsNoFreeze() public {
        vm.prank(operator);
        pool.freeze(operator);
        _announce(operator, SHARE);
        _isFrozen(true);
        after_(D);
        _isFrozen(true);
        vm.prank(operator);
        pool.setSigner(signer);
        after_(D - 1);
        vm.expectEmit(address(pool));
        emit IZKPool.ShareSet(operator, 100, block.timestamp + D);
        vm.expectEmit(address(pool));
        emit IZKPool.SignerSet(operator, signer, block.timestamp + D);
        _announce(operator, 100);
        after_(D - 1);
        _isFrozen(true);
        after_(1);
        _isFrozen(false);
    }

    /// A share that is pending when the freeze comes does not end it when it takes effect.
    function test_AFreezeOutlastsAPendingShare() public {
        _announce(operator, SHARE);
        after_(D - 1);
        vm.prank(signer);
        pool.freeze(operator);
        _isFrozen(true);
        after_(1);
        _isShare(operator, SHARE, 0, 0);
        _isFrozen(true);
        vm.prank(operator);
        pool.setSigner(signer);
        after_(D);
        _isFrozen(false);
    }

    // ---- fixed ----

    function test_TheShareOfATaskIsThatOfItsPublication() public {
        _share(operator, SHARE);
        Quote memory q = quote();
        publishAccepted(q);
        assertEq(slot(SHARED).share, SHARE);
        _share(operator, 10_000);
        assertEq(slot(SHARED).share, SHARE);
        prove(q);
        assertEq(pool.earmarkOf(address(token), operator), EARMARK);
    }

    function test_APendingShareIsNotYetATasks() public {
        _share(operator, SHARE);
        _announce(operator, 10_000);
        after_(D - 1);
        Quote memory q = quote();
        publishAccepted(q);
        after_(1);
        prove(q);
        assertEq(pool.earmarkOf(address(token), operator), EARMARK);
    }

    function test_TheRescuersShareIsThatOfItsAnnouncement() public {
        _share(operator, 10_000);
        _share(rescuer, SHARE);
        Quote memory q = quote();
        publishAndAnnounce(q);
        assertEq(spare().share, SHARE);
        _announce(rescuer, 100);
        after_(D);
        Books memory b = books();
        proveRescued(q);
        assertEq(pool.earmarkOf(address(token), rescuer), EARMARK);
        assertEq(pool.earmarkOf(address(token), operator), 0);
        b.rescuer += REWARD - EARMARK + half(BOND);
        b.requester += BOND - half(BOND);
        b.collateral -= ADVANCE + BOND;
        assertBooks(books(), b);
    }

    // ---- kept apart ----

    function test_EarmarkedOnDelivery() public {
        _share(operator, SHARE);
        Quote memory q = quote();
        publishAccepted(q);
        Books memory b = books();
        vm.expectEmit(address(pool));
        emit IZKPool.Delivered(digest(q), true, true, EARMARK);
        prove(q);
        b.operator += REWARD - ADVANCE - EARMARK;
        assertBooks(books(), b);
        assertEq(pool.earmarkOf(address(token), operator), EARMARK);
    }

    function test_EarmarkedInTargetMode() public {
        _share(operator, SHARE);
        Quote memory q = targetQuote(address(target));
        publishAccepted(q);
        vm.expectEmit(address(pool));
        emit IZKPool.Delivered(digest(q), true, true, EARMARK);
        prove(q);
        assertEq(pool.earmarkOf(address(token), operator), EARMARK);
    }

    function test_EarmarkedWhenLate() public {
        _share(operator, SHARE);
        Quote memory q = quote();
        publishAccepted(q);
        after_(PROOF_WINDOW + 1);
        Books memory b = books();
        prove(q);
        b.operator += REWARD - ADVANCE - EARMARK;
        b.requester += BOND - half(BOND);
        b.collateral -= BOND - half(BOND);
        assertBooks(books(), b);
        assertEq(pool.earmarkOf(address(token), operator), EARMARK);
    }

    function test_EarmarkedInTheRewardToken() public {
        _share(operator, SHARE);
        Quote memory q = quote();
        (q.terms.rewardToken, q.terms.advance) = (address(otherToken), 0);
        publishAccepted(q);
        prove(q);
        assertEq(pool.earmarkOf(address(otherToken), operator), EARMARK);
        assertEq(pool.balanceOf(address(otherToken), operator), REWARD - EARMARK);
        assertEq(pool.earmarkOf(address(token), operator), 0);
    }

    /// The advance was the operator's before: of what is left, nothing.
    function test_EarmarkedAtMostWhatTheDeliveryPays() public {
        _share(operator, 10_000);
        Quote memory q = quote();
        publishAccepted(q);
        Books memory b = books();
        prove(q);
        assertBooks(books(), b);
        assertEq(pool.earmarkOf(address(token), operator), REWARD - ADVANCE);
    }

    function test_BatchEarmarksEachByItsOwnShare() public {
        _share(operator, SHARE);
        Quote memory q = quote();
        publishAccepted(q);
        _announce(operator, 10_000);
        Delivery[] memory deliveries = new Delivery[](2);
        deliveries[0] = Delivery(q.task, defaultCall(), proofOf(q));
        after_(D);
        Quote memory other = Quote(quote().terms, task(DEDICATED, 2));
        publishAccepted(other);
        deliveries[1] = Delivery(other.task, defaultCall(), proofOf(other));
        vm.prank(signer);
        pool.proveBatch(q.terms, deliveries);
        assertEq(pool.earmarkOf(address(token), operator), EARMARK);
        vm.prank(signer);
        pool.proveBatch(other.terms, deliveries);
        assertEq(pool.earmarkOf(address(token), operator), EARMARK + REWARD - ADVANCE);
    }

    function test_BatchSumsUp() public {
        _share(operator, SHARE);
        Quote memory first = quote();
        Quote memory second = Quote(first.terms, task(DEDICATED, 2));
        publishAccepted(first);
        publishAccepted(second);
        Delivery[] memory deliveries = new Delivery[](2);
        deliveries[0] = Delivery(first.task, defaultCall(), proofOf(first));
        deliveries[1] = Delivery(second.task, defaultCall(), proofOf(second));
        Books memory b = books();
        vm.prank(signer);
        assertEq(pool.proveBatch(first.terms, deliveries), 2);
        b.operator += 2 * (REWARD - ADVANCE - EARMARK);
        assertBooks(books(), b);
        assertEq(pool.earmarkOf(address(token), operator), 2 * EARMARK);
    }

    function test_NothingIsEarmarkedWithoutADelivery() public {
        _share(operator, SHARE);
        _share(rescuer, SHARE);
        for (uint256 way; way < 5; way++) {
            uint256 snapshot = vm.snapshotState();
            Quote memory q = quote();
            (q.terms.proofWindow, q.terms.liabilityWindow) = (10 hours, 20 hours);
            bool rescued = way == 1 || way == 3;
            if (rescued) publishAndAnnounce(q);
            else publishAccepted(q);
            if (way < 2) {
                after_(20 hours + 1);
                pool.collect(q);
            } else if (way < 4) {
                _haltToTheCap(q);
                pool.unwind(q);
            } else {
                q.task.salt = "another";
                assertFalse(publish(q), "dishonoured");
            }
            address[5] memory all = [operator, rescuer, requester, payer, address(0)];
            for (uint256 i; i < all.length; i++) {
                assertEq(pool.earmarkOf(address(token), all[i]), 0);
            }
            vm.revertToState(snapshot);
        }
    }

    function testFuzz_EarmarkAndRestAreTheReward(uint128 reward, uint128 advance, uint16 share) public {
        reward = uint128(bound(reward, 1, FUNDS / 2));
        advance = uint128(bound(advance, 0, reward));
        share = uint16(bound(share, 0, 200) * 50);
        token.mint(operator, FUNDS);
        vm.prank(operator);
        pool.topUpSlot(operator, address(token), SHARED, uint128(FUNDS), 0);
        _share(operator, share);
        Quote memory q = quote();
        (q.terms.reward, q.terms.advance) = (reward, advance);
        publishAccepted(q);
        uint256 before = pool.balanceOf(address(token), operator);
        prove(q);
        uint256 earmark = pool.earmarkOf(address(token), operator);
        uint256 due = uint256(reward) * share / 10_000;
        assertEq(earmark, due < reward - advance ? due : reward - advance);
        assertEq(pool.balanceOf(address(token), operator) + earmark, before + reward - advance);
    }

    // ---- where it goes ----

    function test_SweptByAnyoneToTheLedger() public {
        _delivered();
        uint256 before = token.balanceOf(address(pool));
        Books memory b = books();
        vm.expectEmit(address(pool));
        emit IZKPool.EarmarkReleased(address(token), operator, EARMARK);
        vm.prank(stranger);
        assertEq(ledger.sweep(address(pool), address(token), operator), EARMARK);
        assertEq(ledger.fundOf(operator, address(token)), EARMARK);
        assertEq(pool.earmarkOf(address(token), operator), 0);
        assertEq(token.balanceOf(address(ledger)), EARMARK);
        assertEq(token.balanceOf(address(pool)), before - EARMARK);
        assertBooks(books(), b);
        assertEq(ledger.sweep(address(pool), address(token), operator), 0, "once");
    }

    function test_RevertWhen_ReleasedByAnother() public {
        _delivered();
        address[4] memory others = [operator, signer, stranger, requester];
        for (uint256 i; i < others.length; i++) {
            vm.expectRevert(IZKPool.NotAuthorized.selector);
            vm.prank(others[i]);
            pool.releaseEarmark(address(token), operator);
        }
        // Another ledger is another.
        RevenueLedger another = new RevenueLedger();
        vm.expectRevert(IZKPool.NotAuthorized.selector);
        another.sweep(address(pool), address(token), operator);
    }

    function test_RevertWhen_TheEarmarkIsWithdrawn() public {
        _delivered();
        uint256 free = REWARD - EARMARK;
        assertEq(pool.balanceOf(address(token), operator), free);
        vm.startPrank(operator);
        vm.expectRevert(IZKPool.InsufficientBalance.selector);
        pool.withdraw(address(token), operator, operator, free + 1);
        pool.withdraw(address(token), operator, operator, free);
        vm.stopPrank();
        assertEq(pool.earmarkOf(address(token), operator), EARMARK);
    }

    /// What is short is pulled from the wallet: the earmark neither counts nor shrinks.
    function test_TheEarmarkIsNotSpent() public {
        _delivered();
        uint256 free = pool.balanceOf(address(token), operator);
        uint256 wallet = token.balanceOf(operator);
        vm.prank(operator);
        pool.topUpSlot(operator, address(token), SHARED, uint128(free + 5), 0);
        assertEq(token.balanceOf(operator), wallet - 5);
        assertEq(pool.balanceOf(address(token), operator), 0);
        assertEq(pool.earmarkOf(address(token), operator), EARMARK);
        vm.prank(operator);
        token.approve(address(pool), 0);
        vm.expectRevert();
        vm.prank(operator);
        pool.topUpSlot(operator, address(token), SHARED, 1, 0);
    }

    function test_RevertWhen_TheLedgerHasNoCode() public {
        address[2] memory none = [address(0), makeAddr("no code")];
        for (uint256 i; i < none.length; i++) {
            vm.expectRevert(IZKPool.LedgerHasNoCode.selector);
            new ZKPool(none[i]);
        }
        assertEq(new ZKPool(address(token)).REVENUE_LEDGER(), address(token));
    }

    // ---- what a word can hold ----

    function test_RevertWhen_ADepositDoesNotFit() public {
        PlainToken vast = _vast();
        vm.startPrank(payer);
        pool.deposit(address(vast), requester, type(uint128).max);
        vm.expectRevert(IZKPool.AmountTooLarge.selector);
        pool.deposit(address(vast), requester, 1);
        vm.stopPrank();
        assertEq(pool.balanceOf(address(vast), requester), type(uint128).max);
    }

    /// A reward in a token of which there is more than a word can count must not halt what is due in another.
    function test_ABalanceThatIsFullHaltsNoSettlement() public {
        PlainToken vast = _vast();
        Quote memory q = quote();
        (q.terms.rewardToken, q.terms.advance) = (address(vast), 0);
        publishAccepted(q);
        vm.prank(payer);
        pool.deposit(address(vast), requester, type(uint128).max);
        after_(LIABILITY_WINDOW + 1);
        uint256 before = pool.balanceOf(address(token), requester);
        pool.collect(q);
        assertEq(pool.balanceOf(address(token), requester), before + LIABILITY + BOND);
        assertEq(pool.balanceOf(address(vast), requester), type(uint128).max);
    }

    /// What does not fit never reaches the other half of the word.
    function test_ABalanceThatIsFullLeavesTheEarmark() public {
        _share(operator, SHARE);
        PlainToken vast = _vast();
        Quote memory q = quote();
        (q.terms.rewardToken, q.terms.advance) = (address(vast), 0);
        publishAccepted(q);
        vm.prank(payer);
        pool.deposit(address(vast), operator, type(uint128).max - 1);
        prove(q);
        assertEq(pool.balanceOf(address(vast), operator), type(uint128).max);
        assertEq(pool.earmarkOf(address(vast), operator), EARMARK);
        Quote memory large = Quote(terms(), task(DEDICATED, 2));
        (large.terms.rewardToken, large.terms.advance) = (address(vast), 0);
        large.terms.reward = type(uint128).max;
        bytes memory signature = sign(large);
        vm.prank(operator);
        pool.publish(large, signature);
        assertEq(pool.balanceOf(address(vast), operator), 0);
        assertEq(pool.earmarkOf(address(vast), operator), EARMARK);
    }

    /// Nor does what does not fit into the earmark come around.
    function test_AnEarmarkThatIsFullStaysFull() public {
        _share(operator, 10_000);
        PlainToken vast = _vast();
        for (uint256 i; i < 2; i++) {
            Quote memory q = Quote(terms(), task(uint32(i), i));
            (q.terms.rewardToken, q.terms.advance, q.terms.reward) = (address(vast), 0, type(uint128).max);
            publishAccepted(q);
            prove(q);
            assertEq(pool.earmarkOf(address(vast), operator), type(uint128).max);
            assertEq(pool.balanceOf(address(vast), operator), 0);
        }
    }

    // ---- helpers ----

    /// Watched all the time.
    function _haltToTheCap(Quote memory q) private {
        verifier.setHalt(TestVerifier.Halt.Halted);
        pool.observeHalt(q);
        for (uint256 time; time < pool.HALT_CAP(); time += 1 hours) {
            after_(1 hours);
            pool.observeHalt(q);
        }
    }

    function _vast() private returns (PlainToken vast) {
        vast = new PlainToken();
        vast.mint(payer, uint256(type(uint128).max) * 4);
        vm.prank(payer);
        vast.approve(address(pool), type(uint256).max);
    }

    function _announce(address who, uint16 share) private {
        vm.prank(who);
        pool.setShare(share);
    }

    function _share(address who, uint16 share) private {
        _announce(who, share);
        after_(D);
    }

    function _delivered() private {
        _share(operator, SHARE);
        Quote memory q = quote();
        publishAccepted(q);
        prove(q);
    }

    function _isShare(address who, uint256 share, uint256 next, uint256 changesAt) private view {
        (uint256 actual, uint256 actualNext, uint256 actualAt) = pool.shareOf(who);
        assertEq(actual, share, "share");
        assertEq(actualNext, next, "next");
        assertEq(actualAt, changesAt, "changesAt");
    }

    function _isFrozen(bool expected) private view {
        (,,, bool frozen) = pool.signerOf(operator);
        assertEq(frozen, expected, "frozen");
    }
}
