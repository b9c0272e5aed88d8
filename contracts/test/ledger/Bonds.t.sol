// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IRevenueLedger, Result, Testimony} from "../../src/interfaces/IRevenueLedger.sol";
import {RevenueLedger} from "../../src/RevenueLedger.sol";
import {FeeToken} from "../mocks/Tokens.sol";
import {LedgerFixture} from "./LedgerFixture.sol";

contract BondsTest is LedgerFixture {
    uint256 internal delay;

    function setUp() public override {
        super.setUp();
        delay = ledger.BOND_DELAY();
        bonded(0, 1009);
    }

    // ---- putting up and taking back ----

    function test_BondedInParts() public {
        vm.expectEmit(address(ledger));
        emit IRevenueLedger.Bonded(provers[0], address(token), 3);
        bonded(0, 3);
        _isBond(0, 1012, 0);
        _isBond(1, 0, 0);
        assertEq(token.balanceOf(provers[0]), FUNDS - 1012);
    }

    function test_BondIsWhatArrived() public {
        FeeToken fee = new FeeToken();
        give(fee, provers[0], 1000);
        vm.prank(provers[0]);
        assertEq(ledger.bond(address(fee), 1000), 990);
        (uint256 amount,) = ledger.bondOf(provers[0], address(fee));
        assertEq(amount, 990);
    }

    function test_WithdrawnAfterTheDelay() public {
        uint256 leavesAt = block.timestamp + delay;
        vm.startPrank(provers[0]);
        vm.expectEmit(address(ledger));
        emit IRevenueLedger.BondLeaving(provers[0], address(token), leavesAt);
        ledger.unbond(address(token));
        _isBond(0, 1009, leavesAt);
        vm.warp(leavesAt - 1);
        vm.expectRevert(IRevenueLedger.TooEarly.selector);
        ledger.withdrawBond(address(token), stranger);
        vm.warp(leavesAt);
        vm.expectEmit(address(ledger));
        emit IRevenueLedger.BondWithdrawn(provers[0], address(token), stranger, 1009);
        assertEq(ledger.withdrawBond(address(token), stranger), 1009);
        vm.stopPrank();
        _isBond(0, 0, 0);
        assertEq(token.balanceOf(stranger), FUNDS + 1009);
    }

    function test_RevertWhen_WithdrawnUnannounced() public {
        after_(1000 days);
        vm.expectRevert(IRevenueLedger.TooEarly.selector);
        vm.prank(provers[0]);
        ledger.withdrawBond(address(token), provers[0]);
    }

    function test_RevertWhen_WithdrawnTwice() public {
        bonded(1, 500);
        _leave(0);
        vm.startPrank(provers[0]);
        ledger.withdrawBond(address(token), provers[0]);
        vm.expectRevert(IRevenueLedger.TooEarly.selector);
        ledger.withdrawBond(address(token), provers[0]);
        vm.stopPrank();
        _isBond(1, 500, 0);
    }

    function test_RevertWhen_WithdrawnToNobody() public {
        _leave(0);
        vm.expectRevert(IRevenueLedger.ZeroAddress.selector);
        vm.prank(provers[0]);
        ledger.withdrawBond(address(token), address(0));
    }

    function test_RevertWhen_AnnouncedTwiceOrForNothing() public {
        vm.prank(provers[0]);
        ledger.unbond(address(token));
        after_(1);
        vm.expectRevert(IRevenueLedger.BondIsLeaving.selector);
        vm.prank(provers[0]);
        ledger.unbond(address(token));
        vm.expectRevert(IRevenueLedger.NoBond.selector);
        vm.prank(provers[1]);
        ledger.unbond(address(token));
    }

    /// Otherwise what was announced long ago would let new money leave at once.
    function test_BondingAgainStays() public {
        _leave(0);
        bonded(0, 1);
        _isBond(0, 1010, 0);
        vm.expectRevert(IRevenueLedger.TooEarly.selector);
        vm.prank(provers[0]);
        ledger.withdrawBond(address(token), provers[0]);
    }

    function test_TheDelayIsAWeekAtLeast() public view {
        assertGe(delay, 7 days);
    }

    /// Once its notice is over a bond may leave in front of the evidence. It shows from the announcement on that it counts
    /// for nothing, however long it is left here.
    function test_ALeavingBondShows() public {
        vm.prank(provers[0]);
        ledger.unbond(address(token));
        uint256 leavesAt = block.timestamp + delay;
        uint256[3] memory times = [leavesAt - 1, leavesAt, leavesAt + 1000 days];
        for (uint256 i; i < times.length; ++i) {
            vm.warp(times[i]);
            _isBond(0, 1009, leavesAt);
            // Nor can the notice be taken back but by putting up more, which starts another.
            vm.expectRevert(IRevenueLedger.BondIsLeaving.selector);
            vm.prank(provers[0]);
            ledger.unbond(address(token));
            _isBond(0, 1009, leavesAt);
        }
        vm.prank(provers[0]);
        ledger.withdrawBond(address(token), provers[0]);
        _slash(0);
        assertTrue(ledger.isSlashed(provers[0]));
        assertEq(ledger.burned(address(token)), 0, "the evidence came too late for the bond");
    }

    function test_BondsAreOfOneProverAndToken() public {
        bonded(1, 500);
        vm.prank(provers[0]);
        ledger.bond(address(otherToken), 5);
        _leave(0);
        vm.expectRevert(IRevenueLedger.TooEarly.selector);
        vm.prank(provers[1]);
        ledger.withdrawBond(address(token), provers[1]);
        vm.expectRevert(IRevenueLedger.TooEarly.selector);
        vm.prank(provers[0]);
        ledger.withdrawBond(address(otherToken), provers[0]);
    }

    // ---- slashing ----

    function test_SlashedForTwoResultsOfOneJob() public {
        vm.expectEmit(address(ledger));
        emit IRevenueLedger.Slashed(provers[0], address(token), stranger, 100, 909);
        vm.prank(stranger);
        address prover = _slash(0);
        assertEq(prover, provers[0]);
        assertTrue(ledger.isSlashed(provers[0]));
        assertFalse(ledger.isSlashed(provers[1]));
        assertEq(token.balanceOf(stranger), FUNDS + 100, "a tenth");
        assertEq(ledger.burned(address(token)), 909, "the rest is nobody's");
        _isBond(0, 0, 0);
    }

    function test_RevertWhen_TheResultsAreTheSame() public {
        Testimony memory one = testimony(keys[0], JOB, "one");
        vm.expectRevert(IRevenueLedger.NoContradiction.selector);
        ledger.slash(operator, JOB, one, one, only(token));
    }

    function test_RevertWhen_TheResultsAreOfTwoJobs() public {
        Testimony memory one = testimony(keys[0], JOB, "one");
        Testimony memory two = testimony(keys[0], "another job", "two");
        _refused(operator, JOB, one, two);
        _refused(operator, "another job", one, two);
        assertFalse(ledger.isSlashed(provers[0]));
    }

    function test_RevertWhen_TheResultsAreForTwoOperators() public {
        Testimony memory one = testimony(keys[0], JOB, "one");
        Testimony memory two = Testimony("two", signWith(keys[0], digest(Result(otherOperator, JOB, "two"))));
        _refused(operator, JOB, one, two);
        _refused(otherOperator, JOB, one, two);
        assertFalse(ledger.isSlashed(provers[0]));
    }

    function test_RevertWhen_TheResultsAreOfTwoProvers() public {
        Testimony memory one = testimony(keys[0], JOB, "one");
        Testimony memory two = testimony(keys[1], JOB, "two");
        vm.expectRevert(IRevenueLedger.SignersDiffer.selector);
        ledger.slash(operator, JOB, one, two, only(token));
        vm.expectRevert(IRevenueLedger.SignersDiffer.selector);
        ledger.slash(operator, JOB, two, one, only(token));
    }

    function test_RevertWhen_ASignatureIsNobodys() public {
        Testimony memory one = testimony(keys[0], JOB, "one");
        Testimony memory none = Testimony("two", new bytes(65));
        vm.expectRevert(IRevenueLedger.BadSignature.selector);
        ledger.slash(operator, JOB, none, one, only(token));
        // Two of nobody's are nobody's contradiction.
        vm.expectRevert(IRevenueLedger.BadSignature.selector);
        ledger.slash(operator, JOB, none, Testimony("one", ""), only(token));
        assertFalse(ledger.isSlashed(address(0)));
    }

    function test_RevertWhen_ASignatureIsMalleated() public {
        Testimony memory one = testimony(keys[0], JOB, "one");
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[0], digest(Result(operator, JOB, "two")));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        Testimony memory two =
            Testimony("two", abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27)));
        vm.expectRevert(IRevenueLedger.BadSignature.selector);
        ledger.slash(operator, JOB, one, two, only(token));
    }

    function test_RevertWhen_SignedForAnotherLedger() public {
        RevenueLedger own = ledger;
        ledger = new RevenueLedger();
        Testimony memory one = testimony(keys[0], JOB, "one");
        Testimony memory two = testimony(keys[0], JOB, "two");
        ledger = own;
        _refused(operator, JOB, one, two);
        // Nor with one that is signed for this one.
        _refused(operator, JOB, testimony(keys[0], JOB, "one"), two);
        assertFalse(ledger.isSlashed(provers[0]));
    }

    /// A voucher, a log-in or anything else that a prover signs is no result.
    function test_RevertWhen_AnythingElseWasSigned() public {
        bytes memory signature = signWith(keys[0], digest(voucher(0, provers[0], 5)));
        _refused(operator, JOB, testimony(keys[0], JOB, "one"), Testimony("two", signature));
        assertFalse(ledger.isSlashed(provers[0]));
    }

    function test_SlashedWhileItsBondLeaves() public {
        vm.prank(provers[0]);
        ledger.unbond(address(token));
        after_(delay - 1);
        _slash(0);
        after_(1);
        vm.expectRevert(IRevenueLedger.ProverIsSlashed.selector);
        vm.prank(provers[0]);
        ledger.withdrawBond(address(token), provers[0]);
        assertEq(ledger.burned(address(token)), 909);
    }

    function test_SlashedInEveryToken() public {
        vm.startPrank(provers[0]);
        ledger.bond(address(otherToken), 50);
        ledger.unbond(address(otherToken));
        vm.stopPrank();
        _slash(0);
        // Named later, by whoever has the evidence; until then it cannot leave.
        after_(delay);
        vm.expectRevert(IRevenueLedger.ProverIsSlashed.selector);
        vm.prank(provers[0]);
        ledger.withdrawBond(address(otherToken), provers[0]);
        address[] memory both = new address[](2);
        (both[0], both[1]) = (address(token), address(otherToken));
        vm.prank(stranger);
        ledger.slash(operator, JOB, testimony(keys[0], JOB, "one"), testimony(keys[0], JOB, "two"), both);
        assertEq(otherToken.balanceOf(stranger), 5);
        assertEq(ledger.burned(address(otherToken)), 45);
        assertEq(ledger.burned(address(token)), 909, "once");
    }

    function test_SlashedForEver() public {
        _slash(0);
        vm.expectRevert(IRevenueLedger.ProverIsSlashed.selector);
        vm.prank(provers[0]);
        ledger.bond(address(token), 1);
        uint256 before = token.balanceOf(address(this));
        _slash(0);
        assertEq(token.balanceOf(address(this)), before, "there is nothing more to share");
    }

    function test_SlashingTouchesNobodyElse() public {
        bonded(1, 500);
        uint256 tranche = open();
        _slash(0);
        _isBond(1, 500, 0);
        assertEq(ledger.fundOf(operator, address(token)) + left(tranche), FUNDS);
    }

    /// One result for each job: of whatever is known of its results of two jobs, nothing slashes it.
    function testFuzz_HonestProversAreNeverSlashed(bytes32 job, bytes32 other, bytes32 output, bytes32 otherOutput)
        public
    {
        vm.assume(job != other && output != otherOutput);
        Testimony[4] memory known = [
            testimony(keys[0], job, output),
            testimony(keys[0], other, otherOutput),
            Testimony(otherOutput, testimony(keys[0], job, output).signature),
            Testimony(output, testimony(keys[0], other, otherOutput).signature)
        ];
        for (uint256 i; i < known.length; ++i) {
            for (uint256 j; j < known.length; ++j) {
                if (known[i].output == known[j].output) continue;
                _refused(operator, job, known[i], known[j]);
                _refused(operator, other, known[i], known[j]);
            }
        }
        assertFalse(ledger.isSlashed(provers[0]));
        _isBond(0, 1009, 0);
    }

    // ---- helpers ----

    /// A signature of something else is that of a key which nobody has.
    function _refused(address operator_, bytes32 job, Testimony memory one, Testimony memory two) private {
        vm.expectRevert(IRevenueLedger.SignersDiffer.selector);
        ledger.slash(operator_, job, one, two, only(token));
    }

    function _slash(uint256 i) private returns (address) {
        return ledger.slash(operator, JOB, testimony(keys[i], JOB, "one"), testimony(keys[i], JOB, "two"), only(token));
    }

    function _leave(uint256 i) private {
        vm.prank(provers[i]);
        ledger.unbond(address(token));
        after_(delay);
    }

    function _isBond(uint256 i, uint256 expected, uint256 expectedToLeave) private view {
        (uint256 amount, uint256 leavesAt) = ledger.bondOf(provers[i], address(token));
        assertEq(amount, expected, "bond");
        assertEq(leavesAt, expectedToLeave, "leavesAt");
    }
}
