// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Claim, IRevenueLedger, Sibling} from "../../src/interfaces/IRevenueLedger.sol";
import {RevenueLedger} from "../../src/RevenueLedger.sol";
import {LedgerFixture} from "./LedgerFixture.sol";

contract ClaimsTest is LedgerFixture {
    uint256 internal tranche;

    function setUp() public override {
        super.setUp();
        // Not the first, so that no zero passes for it.
        open("root", 1);
        tranche = open();
    }

    // ---- who is paid, and what ----

    function test_PaidByAnyoneToTheProver() public {
        Claim memory c = claimOf(tranche, 2, 77);
        vm.expectEmit(address(ledger));
        emit IRevenueLedger.Claimed(operator, tranche, provers[2], 77, 77, 3, keccak256("head"));
        vm.prank(stranger);
        assertEq(ledger.claim(c), 77);
        assertEq(token.balanceOf(provers[2]), FUNDS + 77);
        assertEq(token.balanceOf(stranger), FUNDS);
        assertEq(ledger.paidOf(operator, tranche, provers[2]), 77);
        assertEq(ledger.trancheOf(operator, tranche).paid, 77);
        assertEq(ledger.paidOf(operator, tranche, provers[1]), 0);
    }

    function test_PaidUpToTheCap() public {
        assertEq(ledger.claim(claimOf(tranche, 0, 100)), 100);
        assertEq(ledger.claim(claimOf(tranche, 0, 102)), 1, "the cap is 101");
        assertEq(ledger.claim(claimOf(tranche, 0, type(uint128).max)), 0);
        assertEq(token.balanceOf(provers[0]), FUNDS + 101);
    }

    function test_PaidToThePayoutOfTheProversChoice() public {
        address payout = makeAddr("payout");
        assertEq(ledger.payoutOf(provers[0]), provers[0]);
        vm.expectEmit(address(ledger));
        emit IRevenueLedger.PayoutSet(provers[0], payout);
        vm.prank(provers[0]);
        ledger.setPayout(payout);
        // What others choose is their own.
        vm.prank(stranger);
        ledger.setPayout(stranger);
        vm.prank(operator);
        ledger.setPayout(operator);
        ledger.claim(claimOf(tranche, 0, 40));
        assertEq(token.balanceOf(payout), 40);
        ledger.claim(claimOf(tranche, 1, 40));
        assertEq(token.balanceOf(provers[1]), FUNDS + 40);
        vm.prank(provers[0]);
        ledger.setPayout(address(0));
        ledger.claim(claimOf(tranche, 0, 50));
        assertEq(token.balanceOf(provers[0]), FUNDS + 10);
    }

    // ---- cumulative ----

    function test_AVoucherPaysOnce() public {
        Claim memory c = claimOf(tranche, 0, 40);
        assertEq(ledger.claim(c), 40);
        assertEq(ledger.claim(c), 0);
        // The same amount under another head.
        c.voucher.head = "another";
        resign(c);
        assertEq(ledger.claim(c), 0);
        assertEq(token.balanceOf(provers[0]), FUNDS + 40);
    }

    function test_EveryOrderPaysTheSame() public {
        assertEq(ledger.claim(claimOf(tranche, 0, 40)), 40);
        assertEq(ledger.claim(claimOf(tranche, 0, 60)), 20);
        assertEq(ledger.claim(claimOf(tranche, 1, 60)), 60);
        assertEq(ledger.claim(claimOf(tranche, 1, 40)), 0, "an old one");
        assertEq(ledger.claim(claimOf(tranche, 1, 61)), 1);
    }

    function testFuzz_AnyOrder(uint128[8] memory amounts, uint256 who) public {
        who = who % PROVERS;
        uint256 cap = leaves()[who].cap;
        uint256 highest;
        for (uint256 i; i < amounts.length; ++i) {
            amounts[i] = uint128(bound(amounts[i], 0, cap * 2));
            if (amounts[i] > highest) highest = amounts[i];
            ledger.claim(claimOf(tranche, who, amounts[i]));
        }
        uint256 due = highest < cap ? highest : cap;
        assertEq(token.balanceOf(provers[who]), FUNDS + due);
        assertEq(ledger.paidOf(operator, tranche, provers[who]), due);
    }

    // ---- whose signature ----

    function test_RevertWhen_SignedByAnother() public {
        Claim memory c = claimOf(tranche, 0, 40);
        uint256[2] memory others = [keys[0], keys[1]];
        for (uint256 i; i < others.length; ++i) {
            c.signature = signWith(others[i], digest(c.voucher));
            vm.expectRevert(IRevenueLedger.BadSignature.selector);
            ledger.claim(c);
        }
        c.signature = "";
        vm.expectRevert(IRevenueLedger.BadSignature.selector);
        ledger.claim(c);
    }

    function test_RevertWhen_AnyFieldWasChanged() public {
        open();
        vm.prank(operator);
        ledger.deposit(address(otherToken), otherOperator, 10_000);
        Node memory root = rootOf(leaves());
        for (uint256 i; i <= tranche; ++i) {
            vm.prank(otherOperator);
            ledger.openTranche(otherOperator, address(otherToken), root.hash, uint128(root.sum), signer);
        }
        for (uint256 i; i < 6; ++i) {
            Claim memory c = claimOf(tranche, 0, 40);
            if (i == 0) c.voucher.operator = otherOperator;
            if (i == 1) c.voucher.tranche = tranche + 1;
            if (i == 2) {
                // Its place in the tree too, so that nothing but the signature is wrong.
                c = claimOf(tranche, 1, 40);
                c.voucher.prover = provers[0];
                resign(c);
                c.voucher.prover = provers[1];
            }
            if (i == 3) c.voucher.amount = 41;
            if (i == 4) c.voucher.count = 4;
            if (i == 5) c.voucher.head = "another";
            vm.expectRevert(IRevenueLedger.BadSignature.selector);
            ledger.claim(c);
        }
    }

    function test_RevertWhen_SignedForAnotherLedgerOrChain() public {
        Claim memory c = claimOf(tranche, 0, 40);
        vm.chainId(block.chainid + 1);
        vm.expectRevert(IRevenueLedger.BadSignature.selector);
        ledger.claim(c);
        RevenueLedger own = ledger;
        ledger = new RevenueLedger();
        resign(c);
        vm.expectRevert(IRevenueLedger.BadSignature.selector);
        own.claim(c);
    }

    function test_RevertWhen_SignatureIsMalleated() public {
        Claim memory c = claimOf(tranche, 0, 40);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(signerKey, digest(c.voucher));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        c.signature = abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        vm.expectRevert(IRevenueLedger.BadSignature.selector);
        ledger.claim(c);
    }

    function test_TheSignerOfATrancheStays() public {
        Claim memory c = claimOf(tranche, 0, 40);
        // Whatever the operator does afterwards: another signer, a closing, code in its place.
        vm.prank(operator);
        ledger.openTranche(operator, address(token), rootOf(leaves()).hash, 5, stranger);
        close(tranche);
        vm.etch(operator, hex"fe");
        vm.etch(signer, hex"fe");
        assertEq(ledger.claim(c), 40);
    }

    // ---- whose place ----

    function test_RevertWhen_ThePlaceIsNotItsOwn() public {
        Claim memory c;
        for (uint256 i; i < 7; ++i) {
            c = claimOf(tranche, 2, 40);
            if (i == 0) c.cap += 1;
            if (i == 1) c.index = 3;
            if (i == 2) c.siblings[0].node = "another";
            if (i == 3) c.siblings[1].sum += 1;
            if (i == 4) c.siblings = new Sibling[](0);
            if (i == 5) (c.cap, c.siblings[0].sum) = (c.cap + 1, c.siblings[0].sum - 1);
            if (i == 6) {
                // A voucher, but no leaf.
                c.voucher.prover = stranger;
                resign(c);
            }
            vm.expectRevert(IRevenueLedger.NotInTranche.selector);
            ledger.claim(c);
        }
    }

    function test_EveryProverHasItsPlace() public {
        uint256 sum;
        for (uint256 i; i < PROVERS; ++i) {
            sum += ledger.claim(claimOf(tranche, i, type(uint128).max));
        }
        assertEq(sum, rootOf(leaves()).sum);
        assertEq(left(tranche), 0);
    }

    function test_RevertWhen_TheTotalIsNotTheTrees() public {
        Node memory root = rootOf(leaves());
        uint256 short = open(root.hash, uint128(root.sum - 1));
        uint256 long = open(root.hash, uint128(root.sum + 1));
        Claim memory c = claimOf(short, 0, 40);
        vm.expectRevert(IRevenueLedger.NotInTranche.selector);
        ledger.claim(c);
        c = claimOf(long, 0, 40);
        vm.expectRevert(IRevenueLedger.NotInTranche.selector);
        ledger.claim(c);
    }

    function test_RevertWhen_NeverOpened() public {
        Claim memory c = claimOf(tranche + 1, 0, 40);
        vm.expectRevert(IRevenueLedger.TrancheNotOpen.selector);
        ledger.claim(c);
    }

    /// forge-config: default.fuzz.runs = 48
    function testFuzz_TreesOfAnySize(uint256 size, uint256 seed) public {
        size = bound(size, 1, 33);
        Leaf[] memory all = new Leaf[](size);
        for (uint256 i; i < size; ++i) {
            all[i] = Leaf(address(uint160(i + 1000)), uint128(uint256(keccak256(abi.encode(seed, i))) % 10_000));
        }
        if (rootOf(all).sum == 0) all[0].cap = 1;
        uint256 own = open(all);
        for (uint256 i; i < size; ++i) {
            assertEq(ledger.claim(claimIn(all, own, i, type(uint128).max)), all[i].cap);
        }
        assertEq(left(own), 0);
    }

    // ---- batches ----

    function test_BatchPaysEach() public {
        uint256 second = open();
        Claim[] memory batch = new Claim[](6);
        batch[0] = claimOf(tranche, 0, 40);
        batch[1] = claimOf(second, 0, 50);
        batch[2] = claimOf(second, 1, 60);
        batch[3] = claimOf(tranche, 0, 45);
        batch[4] = claimOf(second, 1, 60);
        batch[5] = claimOf(second, 1, 70);
        vm.expectCall(address(token), abi.encodeCall(token.transfer, (provers[0], 90)), 1);
        vm.prank(stranger);
        uint256[] memory paid = ledger.claimBatch(batch);
        assertEq(abi.encode(paid), abi.encode([uint256(0x20), 6, 40, 50, 60, 5, 0, 10]));
        assertEq(token.balanceOf(provers[0]), FUNDS + 95);
        assertEq(token.balanceOf(provers[1]), FUNDS + 70);
    }

    function test_BatchPaysEachInItsToken() public {
        vm.startPrank(operator);
        ledger.deposit(address(otherToken), operator, 10_000);
        Node memory root = rootOf(leaves());
        uint256 other = ledger.openTranche(operator, address(otherToken), root.hash, uint128(root.sum), signer);
        vm.stopPrank();
        Claim[] memory batch = new Claim[](2);
        (batch[0], batch[1]) = (claimOf(tranche, 0, 40), claimOf(other, 0, 50));
        uint256 before = otherToken.balanceOf(provers[0]);
        ledger.claimBatch(batch);
        assertEq(token.balanceOf(provers[0]), FUNDS + 40);
        assertEq(otherToken.balanceOf(provers[0]), before + 50);
    }

    function test_RevertWhen_OneOfABatchIsRefused() public {
        Claim[] memory batch = new Claim[](2);
        (batch[0], batch[1]) = (claimOf(tranche, 0, 40), claimOf(tranche, 1, 50));
        batch[1].cap += 1;
        vm.expectRevert(IRevenueLedger.NotInTranche.selector);
        ledger.claimBatch(batch);
        assertEq(token.balanceOf(provers[0]), FUNDS);
        assertEq(ledger.paidOf(operator, tranche, provers[0]), 0);
    }

    function test_AnEmptyBatchPaysNobody() public {
        assertEq(ledger.claimBatch(new Claim[](0)).length, 0);
    }
}
