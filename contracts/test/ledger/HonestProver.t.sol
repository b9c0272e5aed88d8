// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Claim, IRevenueLedger} from "../../src/interfaces/IRevenueLedger.sol";
import {LedgerFixture} from "./LedgerFixture.sol";

/// @notice An honest prover holds its place and a voucher. Its operator does its worst.
contract HonestProverTest is LedgerFixture {
    uint256 internal tranche;

    function setUp() public override {
        super.setUp();
        tranche = open();
    }

    /// The voucher, submitted by somebody who has no part in it.
    function _isPaid() private {
        Claim memory own = claimOf(tranche, 4, 500);
        vm.prank(stranger);
        assertEq(ledger.claim(own), 500, "what was vouched for");
        assertEq(token.balanceOf(provers[4]), FUNDS + 500);
    }

    function test_TheOperatorDisappears() public {
        after_(3650 days);
        _isPaid();
    }

    /// Work that nobody did, vouched for to names that are the operator's own, up to the last unit of their caps.
    function test_TheOperatorInventsWork() public {
        for (uint256 i; i < 4; ++i) {
            ledger.claim(claimOf(tranche, i, type(uint128).max));
        }
        Claim memory beyond = claimOf(tranche, 0, type(uint128).max);
        assertEq(ledger.claim(beyond), 0);
        _isPaid();
    }

    /// All that the operator has left goes to a tranche for itself.
    function test_TheOperatorTakesTheFund() public {
        Leaf[] memory alone = new Leaf[](1);
        alone[0] = Leaf(stranger, uint128(ledger.fundOf(operator, address(token))));
        uint256 second = open(alone);
        ledger.claim(claimIn(alone, second, 0, alone[0].cap));
        assertEq(ledger.fundOf(operator, address(token)), 0);
        _isPaid();
    }

    function test_TheOperatorChangesItsKeys() public {
        vm.startPrank(operator);
        ledger.setAuthorization(stranger, true);
        ledger.openTranche(operator, address(token), rootOf(leaves()).hash, 5, stranger);
        vm.stopPrank();
        vm.etch(signer, hex"fe");
        _isPaid();
    }

    /// It has a fortnight from the announcement, and all the time until somebody reclaims.
    function test_TheOperatorCloses() public {
        close(tranche);
        vm.expectRevert(IRevenueLedger.TooEarly.selector);
        ledger.reclaim(operator, tranche);
        after_(ledger.CLOSING_DELAY() - 1);
        vm.expectRevert(IRevenueLedger.TooEarly.selector);
        ledger.reclaim(operator, tranche);
        _isPaid();
        after_(1);
        ledger.reclaim(operator, tranche);
    }

    /// An older voucher, submitted by the operator in the moment in which the prover submits the last, costs it nothing.
    function test_TheOperatorFrontRunsWithAnOldVoucher() public {
        (Claim memory old, Claim memory last) = (claimOf(tranche, 4, 123), claimOf(tranche, 4, 500));
        vm.prank(operator);
        ledger.claim(old);
        vm.prank(provers[4]);
        assertEq(ledger.claim(last), 377);
        assertEq(token.balanceOf(provers[4]), FUNDS + 500);
    }

    /// Somebody else's name, payout or bond changes nothing.
    function test_OthersCannotDivertIt() public {
        vm.prank(operator);
        ledger.setPayout(operator);
        vm.prank(stranger);
        ledger.setPayout(stranger);
        _isPaid();
    }

    /// Slashing takes the bond, not the pay.
    function test_ASlashedProverIsStillPaid() public {
        bonded(4, 100);
        ledger.slash(operator, JOB, testimony(keys[4], JOB, "one"), testimony(keys[4], JOB, "two"), only(token));
        Claim memory own = claimOf(tranche, 4, 500);
        vm.prank(stranger);
        assertEq(ledger.claim(own), 500);
    }
}
