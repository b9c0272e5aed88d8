// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Quote, Terms} from "../../src/interfaces/IZKPool.sol";
import {TestVerifier} from "../mocks/Verifiers.sol";
import {Fixture} from "../unit/Fixture.sol";

/// @notice Every way that a task can end, with any amounts: the money table, line by line, and nothing left over.
contract OutcomesFuzz is Fixture {
    enum Outcome {
        OnTime,
        Late,
        LateDuringAnnouncement,
        Rescued,
        RescuedAfterNovate,
        Defaulted,
        RescuerDefaulted,
        Unwound,
        UnwoundDuringAnnouncement,
        UnwoundRescued
    }

    uint256 private constant PLENTY = uint256(type(uint120).max) * 8;

    function setUp() public override {
        super.setUp();
        address[4] memory all = [requester, payer, operator, rescuer];
        for (uint256 i; i < all.length; i++) {
            token.mint(all[i], PLENTY);
            otherToken.mint(all[i], PLENTY);
        }
    }

    /// Per task, everything paid out equals everything paid in, whoever pays and whoever is paid.
    function testFuzz_MoneyTable(uint256 seed, uint8 outcome_, bool sameToken) public {
        Outcome outcome = Outcome(bound(outcome_, 0, uint256(type(Outcome).max)));
        Quote memory q = _anyQuote(seed, sameToken);
        _fundSlots(q.terms);
        Books memory b = booksOf(address(token), SHARED);
        Books memory r = sameToken ? b : booksOf(address(otherToken), SHARED);
        uint256[2] memory there = [token.balanceOf(address(pool)), otherToken.balanceOf(address(pool))];

        publishAccepted(q);
        _bringAbout(q, outcome);

        _expect(q.terms, outcome, b, r);
        assertBooks(booksOf(address(token), SHARED), b);
        if (!sameToken) assertBooks(booksOf(address(otherToken), SHARED), r);
        // What came in from the publisher's wallet is all that came, and none of it went.
        there[sameToken ? 0 : 1] += q.terms.reward;
        assertEq(token.balanceOf(address(pool)), there[0]);
        assertEq(otherToken.balanceOf(address(pool)), there[1]);
    }

    /// The sums of the table itself: nothing is created, nothing is destroyed but the burn.
    function testFuzz_Conservation(uint256 seed, uint8 outcome_, bool sameToken) public {
        Quote memory q = _anyQuote(seed, sameToken);
        _fundSlots(q.terms);
        uint256 before = _sum(address(token));
        uint256 otherBefore = _sum(address(otherToken));
        publishAccepted(q);
        _bringAbout(q, Outcome(bound(outcome_, 0, uint256(type(Outcome).max))));
        assertEq(_sum(address(token)), before + (sameToken ? q.terms.reward : 0));
        assertEq(_sum(address(otherToken)), otherBefore + (sameToken ? 0 : q.terms.reward));
    }

    /// An operator that stalls and has itself rescued under another name is where it would be had it delivered late.
    function testFuzz_RescuingOneselfGainsNothing(uint256 seed) public {
        Quote memory q = _anyQuote(seed, true);
        _fundSlots(q.terms);
        uint256 snapshot = vm.snapshotState();
        publishAccepted(q);
        _bringAbout(q, Outcome.Late);
        uint256 honest = _ownedByBoth();
        uint256 requesterHonest = pool.balanceOf(address(token), requester);
        vm.revertToState(snapshot);
        publishAccepted(q);
        _bringAbout(q, Outcome.Rescued);
        assertEq(_ownedByBoth(), honest, "the two together");
        assertEq(pool.balanceOf(address(token), requester), requesterHonest, "the requester");
        vm.revertToState(snapshot);
        // Nor does it when neither delivers.
        publishAccepted(q);
        _bringAbout(q, Outcome.Defaulted);
        honest = _ownedByBoth();
        vm.revertToState(snapshot);
        publishAccepted(q);
        _bringAbout(q, Outcome.RescuerDefaulted);
        assertEq(_ownedByBoth(), honest, "the two together, in default");
    }

    /// Failing never pays: whatever was paid in advance, an operator that never delivers loses all of the liability.
    function testFuzz_FailingCostsTheLiability(uint256 seed) public {
        Quote memory q = _anyQuote(seed, true);
        _fundSlots(q.terms);
        uint256 before = _ownedByBoth();
        uint256 requesterBefore = pool.balanceOf(address(token), requester);
        publishAccepted(q);
        _bringAbout(q, Outcome.Defaulted);
        assertEq(before - _ownedByBoth(), uint256(q.terms.liability) + q.terms.bond + q.terms.burn);
        assertEq(
            pool.balanceOf(address(token), requester) - requesterBefore,
            uint256(q.terms.reward) + q.terms.liability + q.terms.bond
        );
    }

    // ---- what happens ----

    function _bringAbout(Quote memory q, Outcome outcome) private {
        uint256 published = block.timestamp;
        if (outcome == Outcome.OnTime) return prove(q);
        if (outcome == Outcome.Unwound || outcome == Outcome.UnwoundDuringAnnouncement) _halt(q, pool.HALT_CAP());
        if (outcome == Outcome.Unwound) return pool.unwind(q);
        uint256 late = published + q.terms.proofWindow + 1;
        if (outcome == Outcome.UnwoundDuringAnnouncement) late += pool.HALT_CAP();
        vm.warp(late);
        if (outcome == Outcome.Late) return prove(q);
        if (outcome == Outcome.Defaulted) {
            vm.warp(published + q.terms.liabilityWindow + 1);
            return pool.collect(q);
        }
        rescue(q);
        if (outcome == Outcome.LateDuringAnnouncement) return prove(q);
        if (outcome == Outcome.UnwoundDuringAnnouncement) return pool.unwind(q);
        after_((q.terms.liabilityWindow - q.terms.proofWindow) / 4);
        if (outcome == Outcome.RescuedAfterNovate || outcome == Outcome.UnwoundRescued) pool.novate(q);
        if (outcome == Outcome.Rescued || outcome == Outcome.RescuedAfterNovate) return proveRescued(q);
        if (outcome == Outcome.RescuerDefaulted) {
            vm.warp(published + q.terms.liabilityWindow + 1);
            return pool.collect(q);
        }
        _halt(q, pool.HALT_CAP());
        pool.unwind(q);
    }

    /// ARCHITECTURE.md's table, added up from publication to the end. `b` are the books in the liability's token, `r`
    /// those in the reward's; when the tokens are one, so are the books.
    function _expect(Terms memory t, Outcome outcome, Books memory b, Books memory r) private pure {
        uint256 toRequester = t.bond - t.bond / 2;
        if (outcome == Outcome.OnTime) {
            r.operator += t.reward;
        } else if (outcome == Outcome.Late || outcome == Outcome.LateDuringAnnouncement) {
            r.operator += t.reward;
            b.collateral -= toRequester;
            b.requester += toRequester;
        } else if (outcome == Outcome.Rescued || outcome == Outcome.RescuedAfterNovate) {
            b.operator += t.advance;
            b.collateral -= uint256(t.advance) + t.bond;
            b.requester += toRequester;
            b.rescuer += t.bond / 2;
            r.rescuer += t.reward;
        } else {
            // Never delivered: the advance came back out of the lock, and the requester has its reward again.
            b.operator += t.advance;
            b.collateral -= t.advance;
            r.requester += t.reward;
            _expectUndelivered(t, outcome, b, toRequester);
        }
    }

    function _expectUndelivered(Terms memory t, Outcome outcome, Books memory b, uint256 toRequester) private pure {
        if (outcome == Outcome.Defaulted) {
            b.collateral -= uint256(t.liability) + t.burn + t.bond;
            b.requester += uint256(t.liability) + t.bond;
            b.sink += t.burn;
        } else if (outcome == Outcome.RescuerDefaulted) {
            b.collateral -= t.bond;
            b.spareCollateral -= uint256(t.liability) + t.burn;
            b.requester += uint256(t.liability) + t.bond;
            b.sink += t.burn;
        } else if (outcome == Outcome.UnwoundRescued) {
            b.collateral -= t.bond;
            b.requester += toRequester;
            b.operator += t.bond / 2;
        }
    }

    // ---- helpers ----

    /// Amounts from nothing to as much as a slot can hold.
    function _anyQuote(uint256 seed, bool sameToken) private view returns (Quote memory q) {
        q = quote();
        Terms memory t = q.terms;
        t.reward = _amount(seed, "reward");
        t.liability = _amount(seed, "liability");
        t.bond = _amount(seed, "bond");
        t.burn = _amount(seed, "burn");
        if (sameToken) {
            t.advance = uint128(_amount(seed, "advance") % (uint256(t.reward) + 1));
        } else {
            t.advance = 0;
            t.rewardToken = address(otherToken);
        }
        t.proofWindow = uint32(bound(uint256(keccak256(abi.encode(seed, "proof window"))), 1, 30 days));
        // Long enough that the verifier's week begins before the task is lost.
        t.liabilityWindow = t.proofWindow + uint32(bound(uint256(keccak256(abi.encode(seed, "rest"))), 10, 30 days));
    }

    /// Of every order of magnitude up to a quarter of what fits.
    function _amount(uint256 seed, string memory what) private pure returns (uint128) {
        uint256 word = uint256(keccak256(abi.encode(seed, what)));
        return uint128(bound(word >> 8, 0, type(uint120).max >> (2 + (word & 0xff) % 118)));
    }

    function _fundSlots(Terms memory t) private {
        vm.startPrank(payer);
        pool.topUpSlot(operator, address(token), SHARED, uint128(t.liability + t.bond + t.burn + t.advance), 0);
        pool.topUpSlot(rescuer, address(token), SPARE, uint128(t.liability + t.burn), 0);
        vm.stopPrank();
    }

    function _halt(Quote memory q, uint256 time) private {
        verifier.setHalt(TestVerifier.Halt.Halted);
        uint256 gap = pool.MAX_OBSERVATION_GAP();
        pool.observeHalt(q);
        for (uint256 i; i < time / gap; i++) {
            after_(gap);
            pool.observeHalt(q);
        }
    }

    function _ownedByBoth() private view returns (uint256) {
        Books memory b = books();
        return b.operator + b.collateral + b.rescuer + b.spareCollateral;
    }

    /// All that the pool owes in one token.
    function _sum(address token_) private view returns (uint256) {
        Books memory b = booksOf(token_, SHARED);
        return b.operator + b.rescuer + b.requester + b.payer + b.sink + b.collateral + b.spareCollateral + b.reserve;
    }
}
