// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Claim, IRevenueLedger, Tranche, TrancheState} from "../../src/interfaces/IRevenueLedger.sol";
import {FeeToken, PlainToken} from "../mocks/Tokens.sol";
import {LedgerFixture} from "./LedgerFixture.sol";

/// @dev A pool that says one thing and does another.
contract LyingPool {
    PlainToken private immutable _token;
    uint256 private immutable _sends;
    uint256 private immutable _says;

    constructor(PlainToken token, uint256 sends, uint256 says) {
        (_token, _sends, _says) = (token, sends, says);
        token.mint(address(this), sends);
    }

    function releaseEarmark(address, address) external returns (uint256) {
        _token.transfer(msg.sender, _sends);
        return _says;
    }
}

contract TranchesTest is LedgerFixture {
    // ---- funds ----

    function test_DepositedByAnyoneForAnyone() public {
        vm.expectEmit(address(ledger));
        emit IRevenueLedger.Deposited(otherOperator, address(token), stranger, 41);
        vm.prank(stranger);
        assertEq(ledger.deposit(address(token), otherOperator, 41), 41);
        assertEq(ledger.fundOf(otherOperator, address(token)), 41);
        assertEq(ledger.fundOf(operator, address(token)), FUNDS, "no other fund has moved");
        assertEq(ledger.fundOf(otherOperator, address(otherToken)), 0, "nor in another token");
        assertEq(token.balanceOf(stranger), FUNDS - 41);
    }

    function test_DepositCreditsWhatArrived() public {
        FeeToken fee = new FeeToken();
        give(fee, stranger, 1000);
        vm.prank(stranger);
        assertEq(ledger.deposit(address(fee), operator, 1000), 990);
        assertEq(ledger.fundOf(operator, address(fee)), 990);
    }

    function test_SweepBelievesTokensAlone() public {
        address liar = address(new LyingPool(token, 7, 1_000_000));
        vm.expectEmit(address(ledger));
        emit IRevenueLedger.Swept(operator, address(token), liar, 7);
        vm.prank(stranger);
        assertEq(ledger.sweep(liar, address(token), operator), 7);
        assertEq(ledger.fundOf(operator, address(token)), FUNDS + 7);
    }

    // ---- opening ----

    function test_OpenedFromTheFund() public {
        Node memory root = rootOf(leaves());
        vm.expectEmit(address(ledger));
        emit IRevenueLedger.TrancheOpened(operator, 0, address(token), root.hash, root.sum, signer);
        assertEq(open(), 0);
        assertEq(ledger.fundOf(operator, address(token)), FUNDS - root.sum);
        Tranche memory t = ledger.trancheOf(operator, 0);
        assertEq(t.token, address(token));
        assertEq(uint8(t.state), uint8(TrancheState.Open));
        assertEq(t.closesAt, 0);
        assertEq(t.signer, signer);
        assertEq(t.total, root.sum);
        assertEq(t.paid, 0);
        assertEq(t.root, root.hash);
        assertEq(token.balanceOf(address(ledger)), FUNDS, "nothing has left");
    }

    function test_OpenedOneAfterTheOther() public {
        assertEq(open(), 0);
        assertEq(open("another root", 5), 1);
        assertEq(ledger.trancheCount(operator), 2);
        assertEq(ledger.trancheOf(operator, 0).root, rootOf(leaves()).hash, "the first is as it was");
        assertEq(ledger.trancheOf(operator, 1).root, "another root");
        assertEq(ledger.trancheCount(otherOperator), 0);
    }

    function test_OpenedUpToTheWholeFund() public {
        vm.expectRevert(IRevenueLedger.FundTooSmall.selector);
        open("root", uint128(FUNDS + 1));
        open("root", uint128(FUNDS));
        assertEq(ledger.fundOf(operator, address(token)), 0);
    }

    function test_RevertWhen_TheFundIsAnothers() public {
        vm.expectRevert(IRevenueLedger.FundTooSmall.selector);
        vm.prank(otherOperator);
        ledger.openTranche(otherOperator, address(token), "root", 1, signer);
        vm.expectRevert(IRevenueLedger.FundTooSmall.selector);
        vm.prank(operator);
        ledger.openTranche(operator, address(otherToken), "root", 1, signer);
    }

    function test_RevertWhen_ThereIsNothingToShareOrNobodyToSign() public {
        vm.startPrank(operator);
        vm.expectRevert(IRevenueLedger.NothingToShare.selector);
        ledger.openTranche(operator, address(token), "root", 0, signer);
        vm.expectRevert(IRevenueLedger.ZeroAddress.selector);
        ledger.openTranche(operator, address(token), "root", 1, address(0));
        vm.stopPrank();
    }

    function test_OpenedAndClosedByAnAgent() public {
        vm.expectEmit(address(ledger));
        emit IRevenueLedger.AuthorizationSet(operator, agent, true);
        vm.prank(operator);
        ledger.setAuthorization(agent, true);
        vm.startPrank(agent);
        ledger.openTranche(operator, address(token), "root", 7, signer);
        ledger.closeTranche(operator, 0);
        // Of one operator alone.
        vm.expectRevert(IRevenueLedger.NotAuthorized.selector);
        ledger.openTranche(otherOperator, address(token), "root", 7, signer);
        vm.stopPrank();
        assertEq(ledger.fundOf(operator, address(token)), FUNDS - 7);
    }

    function test_RevertWhen_OpenedOrClosedByAnother() public {
        open();
        vm.startPrank(operator);
        ledger.setAuthorization(agent, true);
        ledger.setAuthorization(agent, false);
        vm.stopPrank();
        address[4] memory others = [stranger, agent, signer, otherOperator];
        for (uint256 i; i < others.length; ++i) {
            vm.startPrank(others[i]);
            vm.expectRevert(IRevenueLedger.NotAuthorized.selector);
            ledger.openTranche(operator, address(token), "root", 7, signer);
            vm.expectRevert(IRevenueLedger.NotAuthorized.selector);
            ledger.closeTranche(operator, 0);
            vm.stopPrank();
        }
    }

    // ---- closing and reclaiming ----

    function test_ReclaimedAfterTheDelay() public {
        uint256 tranche = open();
        ledger.claim(claimOf(tranche, 0, 40));
        uint256 rest = left(tranche);
        uint256 closesAt = block.timestamp + ledger.CLOSING_DELAY();
        vm.expectEmit(address(ledger));
        emit IRevenueLedger.TrancheClosing(operator, tranche, closesAt);
        close(tranche);
        assertEq(uint8(ledger.trancheOf(operator, tranche).state), uint8(TrancheState.Closing));
        vm.warp(closesAt - 1);
        vm.expectRevert(IRevenueLedger.TooEarly.selector);
        ledger.reclaim(operator, tranche);
        vm.warp(closesAt);
        uint256 fund = ledger.fundOf(operator, address(token));
        vm.expectEmit(address(ledger));
        emit IRevenueLedger.TrancheReclaimed(operator, tranche, rest);
        // By anyone: it goes to the fund, and nowhere else.
        vm.prank(stranger);
        assertEq(ledger.reclaim(operator, tranche), rest);
        assertEq(ledger.fundOf(operator, address(token)), fund + rest);
        assertEq(token.balanceOf(address(ledger)), FUNDS - 40);
        assertEq(token.balanceOf(operator), 0);
    }

    function test_TheDelayIsAWeekAtLeast() public view {
        assertGe(ledger.CLOSING_DELAY(), 7 days);
    }

    function test_RevertWhen_ReclaimedTwice() public {
        uint256 tranche = open();
        close(tranche);
        after_(ledger.CLOSING_DELAY());
        ledger.reclaim(operator, tranche);
        vm.expectRevert(IRevenueLedger.TrancheNotOpen.selector);
        ledger.reclaim(operator, tranche);
        assertEq(ledger.fundOf(operator, address(token)), FUNDS);
    }

    function test_RevertWhen_ReclaimedUnannounced() public {
        uint256 tranche = open();
        after_(1000 days);
        vm.expectRevert(IRevenueLedger.TooEarly.selector);
        ledger.reclaim(operator, tranche);
        vm.expectRevert(IRevenueLedger.TrancheNotOpen.selector);
        ledger.reclaim(operator, tranche + 1);
    }

    function test_RevertWhen_ClosedTwiceOrNeverOpened() public {
        uint256 tranche = open();
        close(tranche);
        uint256 closesAt = ledger.trancheOf(operator, tranche).closesAt;
        after_(1 days);
        vm.startPrank(operator);
        vm.expectRevert(IRevenueLedger.TrancheNotOpen.selector);
        ledger.closeTranche(operator, tranche);
        vm.expectRevert(IRevenueLedger.TrancheNotOpen.selector);
        ledger.closeTranche(operator, tranche + 1);
        vm.stopPrank();
        assertEq(ledger.trancheOf(operator, tranche).closesAt, closesAt, "neither sooner nor later");
    }

    function test_ClaimedWhileClosingAndUntilReclaimed() public {
        uint256 tranche = open();
        close(tranche);
        after_(ledger.CLOSING_DELAY() - 1);
        assertEq(ledger.claim(claimOf(tranche, 0, 40)), 40);
        // What nobody has reclaimed is still there to be claimed.
        after_(1000 days);
        assertEq(ledger.claim(claimOf(tranche, 1, 50)), 50);
        ledger.reclaim(operator, tranche);
        Claim memory late = claimOf(tranche, 2, 60);
        vm.expectRevert(IRevenueLedger.TrancheNotOpen.selector);
        ledger.claim(late);
        assertEq(ledger.fundOf(operator, address(token)), FUNDS - 90);
    }
}
