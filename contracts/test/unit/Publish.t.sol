// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Fixture} from "./Fixture.sol";
import {IZKPool, Quote, SlotState, SlotView, Terms} from "../../src/interfaces/IZKPool.sol";
import {FeeToken} from "../mocks/Tokens.sol";

contract PublishTest is Fixture {
    // ---- when the quote itself is at fault ----

    function test_RevertWhen_SignedByAnother() public {
        Quote memory q = quote();
        (, uint256 ownerKey) = makeAddrAndKey("operator");
        _refusedWithSignature(q, signWith(ownerKey, digest(q)));
        _refusedWithSignature(q, signWith(rescuerKey, digest(q)));
    }

    function test_RevertWhen_SignatureIsMisshapen() public {
        Quote memory q = quote();
        bytes memory good = sign(q);
        _refusedWithSignature(q, "");
        bytes memory short = new bytes(64);
        bytes memory long = new bytes(66);
        bytes memory zeroV = new bytes(65);
        for (uint256 i; i < 65; i++) {
            if (i < 64) (short[i], zeroV[i]) = (good[i], good[i]);
            long[i] = good[i];
        }
        _refusedWithSignature(q, short);
        _refusedWithSignature(q, long);
        _refusedWithSignature(q, zeroV);
        _refusedWithSignature(q, new bytes(65));
    }

    function test_RevertWhen_SignatureIsMalleated() public {
        Quote memory q = quote();
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(signerKey, digest(q));
        uint256 n = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        bytes32 flipped = bytes32(n - uint256(s));
        assertEq(ecrecover(digest(q), v == 27 ? 28 : 27, r, flipped), signer, "the malleated signature recovers");
        _refusedWithSignature(q, abi.encodePacked(r, flipped, v == 27 ? uint8(28) : uint8(27)));
    }

    function test_RevertWhen_OperatorHasNoSigner() public {
        Quote memory q = quote();
        q.terms.operator = stranger;
        _refusedWithSignature(q, sign(q));
        // A failed ecrecover yields zero, which is also the signer of an operator that has none.
        _refusedWithSignature(q, new bytes(65));
    }

    function test_RevertWhen_AnyFieldWasChanged() public {
        bytes memory signature = signWith(signerKey, pool.digestOf(quote()));
        for (uint256 i; i < FIELDS; i++) {
            (Quote memory q, bool wellFormed) = _changed(i);
            assertNotEq(digest(q), digest(quote()), "the field did not change the digest");
            vm.prank(payer);
            if (wellFormed) vm.expectRevert(IZKPool.BadSignature.selector);
            else vm.expectRevert();
            pool.publish(q, signature);
        }
    }

    function test_DigestIsTheEip712Digest() public {
        for (uint256 i; i < FIELDS; i++) {
            (Quote memory q,) = _changed(i);
            assertEq(pool.digestOf(q), digest(q));
        }
        assertEq(pool.digestOf(quote()), digest(quote()));
        bytes32 before = pool.digestOf(quote());
        vm.chainId(block.chainid + 1);
        assertNotEq(pool.digestOf(quote()), before, "the chain is not covered");
        assertEq(pool.digestOf(quote()), digest(quote()), "on another chain");
    }

    function test_PublishedUpToValidUntil() public {
        Quote memory q = quote();
        bytes memory signature = sign(q);
        uint256 snapshot = vm.snapshotState();
        for (uint256 i; i < 2; i++) {
            vm.warp(q.terms.validUntil - i);
            vm.prank(payer);
            (, bool accepted) = pool.publish(q, signature);
            assertTrue(accepted);
            vm.revertToState(snapshot);
        }
    }

    function test_RevertWhen_Expired() public {
        Quote memory q = quote();
        bytes memory signature = sign(q);
        vm.warp(q.terms.validUntil + 1);
        vm.expectRevert(IZKPool.QuoteExpired.selector);
        vm.prank(payer);
        pool.publish(q, signature);
    }

    function test_ValidityUpToV() public {
        Quote memory q = quote();
        q.terms.validUntil = uint40(block.timestamp + V);
        publishAccepted(q);
    }

    function test_RevertWhen_ValidityIsTooLong() public {
        Quote memory q = quote();
        q.terms.validUntil = uint40(block.timestamp + V + 1);
        bytes memory signature = sign(q);
        vm.expectRevert(IZKPool.ValidityTooLong.selector);
        vm.prank(payer);
        pool.publish(q, signature);
    }

    function test_RevertWhen_RequesterIsZero() public {
        Quote memory q = quote();
        q.terms.requester = address(0);
        _malformed(q);
    }

    function test_RevertWhen_TargetIsZero() public {
        Quote memory q = quote();
        q.terms.target = address(0);
        _malformed(q);
        q.terms.verifier = address(0);
        _malformed(q);
    }

    function test_RevertWhen_WindowsAreInTheWrongOrder() public {
        Quote memory q = quote();
        q.terms.liabilityWindow = q.terms.proofWindow - 1;
        _malformed(q);
        q.terms.liabilityWindow = q.terms.proofWindow;
        publishAccepted(q);
    }

    function test_RevertWhen_ProofWindowIsZero() public {
        Quote memory q = quote();
        q.terms.proofWindow = 0;
        _malformed(q);
        q.terms.proofWindow = 1;
        publishAccepted(q);
    }

    function test_RevertWhen_CallGasIsTooHigh() public {
        Quote memory q = quote();
        q.terms.callGas = uint32(pool.MAX_CALL_GAS() + 1);
        _malformed(q);
        q.terms.callGas = uint32(pool.MAX_CALL_GAS());
        publishAccepted(q);
    }

    function test_RevertWhen_AdvanceExceedsReward() public {
        Quote memory q = quote();
        q.terms.advance = q.terms.reward + 1;
        q.terms.liability = 1;
        _malformed(q);
        q.terms.advance = q.terms.reward;
        publishAccepted(q);
    }

    function test_RevertWhen_AdvanceIsInAnotherToken() public {
        Quote memory q = quote();
        q.terms.rewardToken = address(otherToken);
        q.terms.advance = 1;
        _malformed(q);
        q.terms.advance = 0;
        publishAccepted(q);
    }

    function test_RevertWhen_LockDoesNotFit() public {
        Quote memory q = quote();
        q.terms.liability = type(uint128).max;
        _refusedAsTooLarge(q);
        q.terms.liability = 1;
        q.terms.bond = type(uint128).max;
        _refusedAsTooLarge(q);
        q.terms.bond = 1;
        q.terms.burn = type(uint128).max;
        _refusedAsTooLarge(q);
    }

    function test_RevertWhen_DedicatedToAnother() public {
        Quote memory q = quote();
        q.task.slot = DEDICATED;
        q.terms.requester = stranger;
        bytes memory signature = sign(q);
        Books memory b = booksOf(address(token), DEDICATED);
        uint256 wallet = token.balanceOf(payer);
        vm.expectRevert(IZKPool.SlotDedicatedToAnother.selector);
        vm.prank(payer);
        pool.publish(q, signature);
        // Neither when it could not be backed anyway.
        vm.prank(signer);
        pool.freeze(operator);
        vm.expectRevert(IZKPool.SlotDedicatedToAnother.selector);
        vm.prank(payer);
        pool.publish(q, signature);
        assertBooks(booksOf(address(token), DEDICATED), b);
        assertEq(token.balanceOf(payer), wallet);
    }

    function test_RevertWhen_SlotWasNeverOpened() public {
        Quote memory q = quote();
        q.task.slot = 99;
        bytes memory signature = sign(q);
        vm.expectRevert(IZKPool.SlotNotOpen.selector);
        vm.prank(payer);
        pool.publish(q, signature);
    }

    // ---- when the quote was consumed ----

    function test_RevertWhen_TaskIsActive() public {
        Quote memory q = quote();
        publishAccepted(q);
        _refusedAsPublished(q);
        vm.warp(q.terms.validUntil);
        _refusedAsPublished(q);
    }

    function test_RevertWhen_TaskWasDelivered() public {
        Quote memory q = quote();
        publishAccepted(q);
        prove(q);
        _refusedAsPublished(q);
        vm.warp(q.terms.validUntil);
        _refusedAsPublished(q);
    }

    function test_RevertWhen_TaskWasCollected() public {
        Quote memory q = _brief();
        publishAccepted(q);
        after_(q.terms.liabilityWindow + 1);
        pool.collect(q);
        _refusedAsPublished(q);
        vm.warp(q.terms.validUntil);
        _refusedAsPublished(q);
    }

    function test_RevertWhen_TaskWasRescued() public {
        Quote memory q = _brief();
        vm.warp(publishAndAnnounce(q));
        _refusedAsPublished(q);
        pool.novate(q);
        _refusedAsPublished(q);
        proveRescued(q);
        _refusedAsPublished(q);
        vm.warp(q.terms.validUntil);
        _refusedAsPublished(q);
    }

    function test_RevertWhen_SlotWasReopened() public {
        vm.prank(operator);
        pool.closeSlot(address(token), SHARED);
        after_(D - 2);
        Quote memory q = quote();
        q.terms.validUntil = uint40(block.timestamp + V);
        publishAccepted(q);
        prove(q);
        after_(2);
        vm.startPrank(operator);
        pool.emptySlot(address(token), SHARED);
        pool.openSlot(address(token), SHARED, COLLATERAL, RESERVE, address(0));
        vm.stopPrank();
        _refusedAsPublished(q);
        assertEq(slot(SHARED).busyUntil, q.terms.validUntil, "still busy");
    }

    function test_RevertWhen_WasDishonoured() public {
        publishAccepted(quote());
        Quote memory q = quote();
        q.task.salt = bytes32("second");
        q.terms.validUntil = uint40(block.timestamp + V);
        assertFalse(publish(q));
        bytes memory signature = sign(q);
        vm.expectRevert(IZKPool.AlreadyDishonoured.selector);
        vm.prank(payer);
        pool.publish(q, signature);
        // Not even when it could be backed by now.
        vm.warp(q.terms.validUntil);
        vm.expectRevert(IZKPool.AlreadyDishonoured.selector);
        vm.prank(payer);
        pool.publish(q, signature);
    }

    // ---- when the publisher cannot pay ----

    function test_RevertWhen_PublisherCannotPay() public {
        Quote memory q = quote();
        bytes memory signature = sign(q);
        address poor = makeAddr("poor");
        vm.startPrank(poor);
        token.approve(address(pool), type(uint256).max);
        vm.expectRevert();
        pool.publish(q, signature);
        token.mint(poor, REWARD - 1);
        vm.expectRevert();
        pool.publish(q, signature);
        token.mint(poor, 1);
        pool.publish(q, signature);
        vm.stopPrank();
    }

    function test_RevertWhen_PublisherCannotPayForABrokenQuote() public {
        vm.prank(operator);
        pool.freeze(operator);
        Quote memory q = quote();
        bytes memory signature = sign(q);
        vm.expectRevert();
        vm.prank(makeAddr("poor"));
        pool.publish(q, signature);
        assertEq(slot(SHARED).honourReserve, RESERVE);
    }

    function test_RevertWhen_LessThanTheRewardArrives() public {
        FeeToken fee = new FeeToken();
        fee.mint(payer, 10_000);
        Quote memory q = quote();
        q.terms.rewardToken = address(fee);
        q.terms.advance = 0;
        bytes memory signature = sign(q);
        vm.startPrank(payer);
        fee.approve(address(pool), type(uint256).max);
        vm.expectRevert(IZKPool.InsufficientBalance.selector);
        pool.publish(q, signature);
        // Deposited beforehand it is good money.
        pool.deposit(address(fee), payer, 2000);
        pool.publish(q, signature);
        vm.stopPrank();
    }

    // ---- when the slot is available ----

    function test_Accepted() public {
        Quote memory q = quote();
        bytes memory signature = sign(q);
        vm.expectEmit(address(pool));
        emit IZKPool.Published(digest(q), operator, requester, SHARED);
        vm.prank(payer);
        (bytes32 id, bool accepted) = pool.publish(q, signature);
        assertTrue(accepted);
        assertEq(id, digest(q));
        SlotView memory s = slot(SHARED);
        assertState(s, SlotState.Active);
        assertEq(s.digest, kept(id));
        assertEq(s.publishedAt, block.timestamp);
        assertEq(s.busyUntil, q.terms.validUntil);
        assertEq(s.closesAt, type(uint40).max);
        (uint256 proofDeadline, uint256 liabilityDeadline, address rescuer_,,, bool novated) = pool.liveTask(q);
        assertEq(proofDeadline, block.timestamp + PROOF_WINDOW);
        assertEq(liabilityDeadline, block.timestamp + LIABILITY_WINDOW);
        assertEq(rescuer_, address(0));
        assertFalse(novated);
    }

    function test_AcceptedPaysTheAdvanceAndHoldsTheRest() public {
        Books memory b = books();
        uint256 wallet = token.balanceOf(payer);
        uint256 held = token.balanceOf(address(pool));
        publishAccepted(quote());
        b.operator += ADVANCE;
        assertBooks(books(), b);
        assertEq(token.balanceOf(payer), wallet - REWARD);
        assertEq(token.balanceOf(address(pool)), held + REWARD);
    }

    function test_AcceptedPaysFromTheBalanceFirst() public {
        vm.prank(payer);
        pool.deposit(address(token), payer, 400);
        Books memory b = books();
        uint256 wallet = token.balanceOf(payer);
        publishAccepted(quote());
        b.operator += ADVANCE;
        b.payer -= 400;
        assertBooks(books(), b);
        assertEq(token.balanceOf(payer), wallet - (REWARD - 400));
    }

    function test_AcceptedPaysFromTheBalanceAlone() public {
        vm.startPrank(payer);
        pool.deposit(address(token), payer, REWARD + 1);
        token.approve(address(pool), 0);
        vm.stopPrank();
        publishAccepted(quote());
        assertEq(pool.balanceOf(address(token), payer), 1);
    }

    function test_AcceptedWithAnotherRewardToken() public {
        Quote memory q = quote();
        q.terms.rewardToken = address(otherToken);
        q.terms.advance = 0;
        Books memory b = books();
        Books memory other = booksOf(address(otherToken), SHARED);
        publishAccepted(q);
        assertBooks(books(), b);
        assertBooks(booksOf(address(otherToken), SHARED), other);
        assertEq(otherToken.balanceOf(address(pool)), REWARD);
    }

    function test_AcceptedWhenTheLockIsAllTheCollateral() public {
        Quote memory q = quote();
        q.terms.liability += COLLATERAL - LOCK;
        publishAccepted(q);
    }

    function test_AcceptedOnADedicatedSlot() public {
        Quote memory q = quote();
        q.task.slot = DEDICATED;
        publishAccepted(q);
    }

    function test_AcceptedAfterBusyUntil() public {
        Quote memory first = quote();
        publishAccepted(first);
        prove(first);
        vm.warp(first.terms.validUntil + 1);
        Quote memory second = quote();
        second.task.salt = bytes32("second");
        publishAccepted(second);
        assertEq(slot(SHARED).digest, kept(digest(second)));
    }

    function test_AcceptedUntilTheSlotCloses() public {
        vm.prank(operator);
        pool.closeSlot(address(token), SHARED);
        after_(D - 1);
        publishAccepted(quote());
    }

    // ---- when the slot is not available ----

    function test_DishonouredWhenOccupied() public {
        publishAccepted(quote());
        _dishonouredShared(_second());
        assertEq(slot(SHARED).digest, kept(digest(quote())), "the occupant was touched");
        assertState(slot(SHARED), SlotState.Active);
    }

    function test_DishonouredWhenOccupiedPastBusyUntil() public {
        publishAccepted(quote());
        bytes32 id = digest(quote());
        vm.warp(quote().terms.validUntil + 1);
        _dishonouredShared(_second());
        assertEq(slot(SHARED).digest, kept(id), "the occupant was touched");
    }

    function test_DishonouredWhenBusy() public {
        Quote memory first = quote();
        publishAccepted(first);
        prove(first);
        vm.warp(first.terms.validUntil);
        _dishonouredShared(_second());
    }

    function test_DishonouredWhenUnderfunded() public {
        Quote memory q = quote();
        q.terms.liability += COLLATERAL - LOCK + 1;
        _dishonouredShared(q);
    }

    /// Each part of the lock counts: one unit more of any of them does not fit.
    function test_DishonouredWhenUnderfundedByEachPart() public {
        uint256 snapshot = vm.snapshotState();
        for (uint256 i; i < 4; i++) {
            Quote memory q = quote();
            uint128 excess = COLLATERAL - LOCK + 1;
            if (i == 0) q.terms.liability += excess;
            if (i == 1) q.terms.burn += excess;
            if (i == 2) q.terms.bond += excess;
            if (i == 3) q.terms.advance += excess;
            _dishonouredShared(q);
            vm.revertToState(snapshot);
        }
    }

    function test_DishonouredWhenClosed() public {
        vm.prank(operator);
        pool.closeSlot(address(token), SHARED);
        after_(D);
        _dishonouredShared(quote());
    }

    function test_DishonouredWhenFrozen() public {
        vm.prank(signer);
        pool.freeze(operator);
        _dishonouredShared(quote());
    }

    function test_DishonouredWhenReserved() public {
        publishAndAnnounce(quote());
        _dishonouredByRescuer();
        assertState(spare(), SlotState.Reserved);
    }

    function test_DishonouredWhenRescuing() public {
        Quote memory q = quote();
        vm.warp(publishAndAnnounce(q));
        pool.novate(q);
        _dishonouredByRescuer();
        assertState(spare(), SlotState.Rescuing);
    }

    function test_DishonouredBurnsHalfRoundedDown() public {
        vm.prank(operator);
        pool.freeze(operator);
        Quote memory q = quote();
        q.terms.honour = 7;
        Books memory b = books();
        vm.expectEmit(address(pool));
        emit IZKPool.Dishonoured(digest(q), operator, requester, 4, 3);
        publish(q);
        b.requester += REWARD + 4;
        b.sink += 3;
        b.reserve -= 7;
        assertBooks(books(), b);
    }

    function test_DishonouredInFullWhenDedicated() public {
        vm.prank(operator);
        pool.freeze(operator);
        Quote memory q = quote();
        q.task.slot = DEDICATED;
        Books memory b = booksOf(address(token), DEDICATED);
        vm.expectEmit(address(pool));
        emit IZKPool.Dishonoured(digest(q), operator, requester, HONOUR, 0);
        assertFalse(publish(q));
        b.requester += REWARD + HONOUR;
        b.reserve -= HONOUR;
        assertBooks(booksOf(address(token), DEDICATED), b);
    }

    function test_DishonouredPaysWhatTheReserveHolds() public {
        vm.prank(operator);
        pool.freeze(operator);
        Quote memory q = quote();
        q.terms.honour = RESERVE + 1000;
        Books memory b = books();
        assertFalse(publish(q));
        b.requester += REWARD + (RESERVE - half(RESERVE));
        b.sink += half(RESERVE);
        b.reserve = 0;
        assertBooks(books(), b);
        // Nothing is left for the next one, which gets its reward back all the same.
        Quote memory next = _second();
        b = books();
        vm.expectEmit(address(pool));
        emit IZKPool.Dishonoured(digest(next), operator, requester, 0, 0);
        assertFalse(publish(next));
        b.requester += REWARD;
        assertBooks(books(), b);
    }

    function test_DishonouredWithoutHonour() public {
        vm.prank(operator);
        pool.freeze(operator);
        Quote memory q = quote();
        q.terms.honour = 0;
        Books memory b = books();
        assertFalse(publish(q));
        b.requester += REWARD;
        assertBooks(books(), b);
    }

    function test_DishonouredGivesBackTheRewardInItsToken() public {
        vm.prank(operator);
        pool.freeze(operator);
        Quote memory q = quote();
        q.terms.rewardToken = address(otherToken);
        q.terms.advance = 0;
        Books memory b = books();
        Books memory other = booksOf(address(otherToken), SHARED);
        assertFalse(publish(q));
        b.requester += HONOUR - half(HONOUR);
        b.sink += half(HONOUR);
        b.reserve -= HONOUR;
        other.requester += REWARD;
        assertBooks(books(), b);
        assertBooks(booksOf(address(otherToken), SHARED), other);
    }

    function test_DishonouredKeepsTheSlotBusyForV() public {
        Quote memory q = quote();
        q.terms.liability = COLLATERAL;
        publish(q);
        assertEq(slot(SHARED).busyUntil, block.timestamp + V);
        after_(V);
        _dishonouredShared(_second());
        after_(V + 1);
        Quote memory third = quote();
        third.task.salt = bytes32("third");
        publishAccepted(third);
    }

    /// A breach while a task is in the slot leaves the task alone, and counts when the slot is idle again.
    function test_DishonouredKeepsTheSlotBusyAfterItsTask() public {
        Quote memory q = quote();
        publishAccepted(q);
        after_(V / 4);
        publish(_second());
        uint256 busyUntil = block.timestamp + V;
        assertEq(slot(SHARED).busyUntil, busyUntil);
        prove(q);
        vm.warp(busyUntil);
        Quote memory third = quote();
        third.task.salt = bytes32("third");
        _dishonouredShared(third);
    }

    // ---- helpers ----

    uint256 private constant FIELDS = 22;

    function _refusedWithSignature(Quote memory q, bytes memory signature) private {
        vm.expectRevert(IZKPool.BadSignature.selector);
        vm.prank(payer);
        pool.publish(q, signature);
    }

    function _malformed(Quote memory q) private {
        bytes memory signature = sign(q);
        vm.expectRevert(IZKPool.MalformedTerms.selector);
        vm.prank(payer);
        pool.publish(q, signature);
    }

    function _refusedAsTooLarge(Quote memory q) private {
        bytes memory signature = sign(q);
        vm.expectRevert(IZKPool.MalformedTerms.selector);
        vm.prank(payer);
        pool.publish(q, signature);
    }

    function _refusedAsPublished(Quote memory q) private {
        bytes memory signature = sign(q);
        vm.expectRevert(IZKPool.AlreadyPublished.selector);
        vm.prank(payer);
        pool.publish(q, signature);
    }

    function _second() private view returns (Quote memory q) {
        q = quote();
        q.task.salt = bytes32("second");
    }

    /// Over and done with long before its validity ends.
    function _brief() private view returns (Quote memory q) {
        q = quote();
        (q.terms.proofWindow, q.terms.liabilityWindow) = (4, 24);
    }

    function _dishonouredShared(Quote memory q) private {
        Books memory b = books();
        uint256 wallet = token.balanceOf(payer);
        assertFalse(publish(q), "accepted");
        b.requester += REWARD + (HONOUR - half(HONOUR));
        b.sink += half(HONOUR);
        b.reserve -= HONOUR;
        assertBooks(books(), b);
        assertEq(token.balanceOf(payer), wallet - REWARD, "the reward comes back to the requester");
    }

    function _dishonouredByRescuer() private {
        Quote memory q = quote();
        q.terms.operator = rescuer;
        q.task.slot = SPARE;
        bytes memory signature = signWith(rescuerKey, digest(q));
        Books memory b = books();
        vm.prank(payer);
        (, bool accepted) = pool.publish(q, signature);
        assertFalse(accepted);
        b.requester += REWARD + (HONOUR - half(HONOUR));
        b.sink += half(HONOUR);
        assertBooks(books(), b);
        assertEq(spare().honourReserve, RESERVE - HONOUR);
    }

    /// The ordinary quote with its i-th field changed, and whether it is still well formed.
    function _changed(uint256 i) private returns (Quote memory q, bool wellFormed) {
        q = quote();
        wellFormed = true;
        address another = makeAddr("another");
        if (i == 0) q.terms.requester = another;
        if (i == 1) q.terms.operator = rescuer;
        if (i == 2) q.terms.target = another;
        if (i == 3) q.terms.encoder = another;
        if (i == 4) q.terms.verifier = another;
        if (i == 5) q.terms.callGas++;
        if (i == 6) q.terms.proofWindow++;
        if (i == 7) q.terms.liabilityWindow++;
        if (i == 8) q.terms.validUntil++;
        if (i == 9) (q.terms.rewardToken, wellFormed) = (another, false);
        if (i == 10) q.terms.reward++;
        if (i == 11) q.terms.advance++;
        if (i == 12) (q.terms.liabilityToken, wellFormed) = (another, false);
        if (i == 13) q.terms.liability++;
        if (i == 14) q.terms.bond++;
        if (i == 15) q.terms.burn++;
        if (i == 16) q.terms.honour++;
        if (i == 17) q.task.slot++;
        if (i == 18) q.task.statement = bytes32(uint256(q.task.statement) ^ 1);
        if (i == 19) q.task.callHash = bytes32(uint256(q.task.callHash) ^ 1);
        if (i == 20) q.task.inputHash = bytes32(uint256(q.task.inputHash) ^ 1);
        if (i == 21) q.task.salt = bytes32(uint256(q.task.salt) ^ 1);
    }
}
