// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Claim, IRevenueLedger} from "../../src/interfaces/IRevenueLedger.sol";
import {BlocklistToken, FalseToken, FeeToken, HookToken, NoReturnToken, RebasingToken} from "../mocks/Tokens.sol";
import {LedgerFixture} from "./LedgerFixture.sol";

/// @dev A pool, and a token, that do something else while they are called.
contract Intruder {
    address private immutable _ledger;
    bytes private _data;
    bool public entered;
    bytes public answer;

    constructor(address ledger, bytes memory data) {
        (_ledger, _data) = (ledger, data);
    }

    function releaseEarmark(address, address) external returns (uint256) {
        (entered, answer) = _ledger.call(_data);
        return 0;
    }
}

contract FeeOnTransferTest is LedgerFixture {
    function newToken() internal override returns (address) {
        return address(new FeeToken());
    }

    /// Credited is what arrived, so all of it can be paid: the fee of paying is the receiver's.
    function test_EverythingCreditedIsThere() public {
        uint256 credited = ledger.fundOf(operator, address(token));
        assertEq(credited, FUNDS - FUNDS / 100);
        bonded(0, 1000);
        (uint256 bond,) = ledger.bondOf(provers[0], address(token));
        assertEq(token.balanceOf(address(ledger)), credited + bond);
        Leaf[] memory all = new Leaf[](1);
        all[0] = Leaf(provers[1], uint128(credited));
        uint256 tranche = open(all);
        assertEq(ledger.claim(claimIn(all, tranche, 0, type(uint128).max)), credited);
        assertEq(token.balanceOf(provers[1]), FUNDS + credited - credited / 100);
        assertEq(token.balanceOf(address(ledger)), bond);
    }
}

contract FalseReturningTest is LedgerFixture {
    function newToken() internal override returns (address) {
        return address(new FalseToken());
    }

    /// What says that it did not pay has not been paid.
    function test_RevertWhen_TheTokenSaysFalse() public {
        uint256 tranche = open();
        bonded(0, 100);
        Claim memory c = claimOf(tranche, 0, 40);
        FalseToken(address(token)).setRefusing(true);
        vm.expectRevert();
        ledger.claim(c);
        assertEq(ledger.paidOf(operator, tranche, provers[0]), 0);
        vm.expectRevert();
        vm.prank(stranger);
        ledger.deposit(address(token), operator, 5);
        vm.expectRevert();
        vm.prank(provers[1]);
        ledger.bond(address(token), 5);
        FalseToken(address(token)).setRefusing(false);
        assertEq(ledger.claim(c), 40);
    }
}

contract NoReturnTest is LedgerFixture {
    function newToken() internal override returns (address) {
        return address(new NoReturnToken());
    }

    function test_ATokenThatReturnsNothingIsPaid() public {
        uint256 tranche = open();
        ledger.claim(claimOf(tranche, 0, 40));
        assertEq(token.balanceOf(provers[0]), FUNDS + 40);
        bonded(1, 100);
        ledger.slash(operator, JOB, testimony(keys[1], JOB, "one"), testimony(keys[1], JOB, "two"), only(token));
        assertEq(token.balanceOf(address(this)), 10);
    }
}

contract BlocklistTest is LedgerFixture {
    function newToken() internal override returns (address) {
        return address(new BlocklistToken());
    }

    /// A prover that the token refuses to pay names another payout; others are paid meanwhile.
    function test_ABlockedProverNamesAnotherPayout() public {
        uint256 tranche = open();
        Claim memory c = claimOf(tranche, 0, 40);
        BlocklistToken(address(token)).setBlocked(provers[0], true);
        vm.expectRevert();
        ledger.claim(c);
        assertEq(ledger.claim(claimOf(tranche, 1, 40)), 40);
        vm.prank(provers[0]);
        ledger.setPayout(stranger);
        assertEq(ledger.claim(c), 40);
        assertEq(token.balanceOf(stranger), FUNDS + 40);
    }
}

contract RebasingTest is LedgerFixture {
    function newToken() internal override returns (address) {
        return address(new RebasingToken());
    }

    /// It harms its own books, and no other token's.
    function test_AShrinkingTokenHarmsNoOther() public {
        vm.startPrank(operator);
        ledger.deposit(address(otherToken), operator, 10_000);
        Node memory root = rootOf(leaves());
        uint256 sound = ledger.openTranche(operator, address(otherToken), root.hash, uint128(root.sum), signer);
        vm.stopPrank();
        uint256 tranche = open();
        RebasingToken(address(token)).shrink(address(ledger), FUNDS - 10);
        Claim memory c = claimOf(tranche, 0, 40);
        vm.expectRevert();
        ledger.claim(c);
        assertEq(ledger.claim(claimOf(sound, 0, 40)), 40);
    }
}

contract ReentrancyTest is LedgerFixture {
    function newToken() internal override returns (address) {
        return address(new HookToken());
    }

    /// Nothing that changes state can be entered from a token, before or after it has moved the money, nor from a pool.
    function test_NothingCanBeEntered() public {
        uint256 tranche = open();
        bonded(0, 1000);
        bytes[] memory attacks = new bytes[](13);
        Claim[] memory batch = new Claim[](1);
        batch[0] = claimOf(tranche, 1, 50);
        attacks[0] = abi.encodeCall(ledger.deposit, (address(otherToken), operator, 0));
        attacks[1] = abi.encodeCall(ledger.sweep, (address(0), address(otherToken), operator));
        attacks[2] = abi.encodeCall(ledger.setAuthorization, (stranger, true));
        attacks[3] = abi.encodeCall(ledger.openTranche, (operator, address(token), "root", 1, signer));
        attacks[4] = abi.encodeCall(ledger.closeTranche, (operator, tranche));
        attacks[5] = abi.encodeCall(ledger.reclaim, (operator, tranche));
        attacks[6] = abi.encodeCall(ledger.claim, (batch[0]));
        attacks[7] = abi.encodeCall(ledger.claimBatch, (batch));
        attacks[8] = abi.encodeCall(ledger.setPayout, (stranger));
        attacks[9] = abi.encodeCall(ledger.bond, (address(otherToken), 0));
        attacks[10] = abi.encodeCall(ledger.withdrawBond, (address(token), stranger));
        attacks[11] = abi.encodeCall(
            ledger.slash, (operator, JOB, testimony(keys[0], JOB, "one"), testimony(keys[0], JOB, "two"), only(token))
        );
        attacks[12] = abi.encodeCall(ledger.unbond, (address(token)));
        HookToken hooked = HookToken(address(token));
        for (uint128 i; i < attacks.length; ++i) {
            for (uint256 before; before < 2; ++before) {
                hooked.setHook(address(ledger), attacks[i], before == 1);
                assertEq(ledger.claim(claimOf(tranche, 0, 2 * i + uint128(before) + 1)), 1);
                assertFalse(hooked.lastSuccess());
                assertEq(bytes4(hooked.lastResult()), IRevenueLedger.Reentrancy.selector);
            }
            Intruder pool = new Intruder(address(ledger), attacks[i]);
            ledger.sweep(address(pool), address(otherToken), operator);
            assertFalse(pool.entered());
            assertEq(bytes4(pool.answer()), IRevenueLedger.Reentrancy.selector);
        }
        assertEq(ledger.paidOf(operator, tranche, provers[1]), 0);
    }

    /// What comes in during a deposit is credited once.
    function test_ADepositIsCreditedOnce() public {
        HookToken hooked = HookToken(address(token));
        give(token, address(token), 5);
        bytes memory again = abi.encodeCall(ledger.deposit, (address(token), operator, 5));
        hooked.setHook(address(ledger), again, false);
        vm.prank(stranger);
        assertEq(ledger.deposit(address(token), operator, 7), 7);
        assertFalse(hooked.lastSuccess());
        assertEq(ledger.fundOf(operator, address(token)), FUNDS + 7);
    }

    function test_TheGuardOpensAgain() public {
        uint256 tranche = open();
        ledger.claim(claimOf(tranche, 0, 1));
        ledger.claim(claimOf(tranche, 0, 2));
        assertEq(token.balanceOf(provers[0]), FUNDS + 2);
    }
}
