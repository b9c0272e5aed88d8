// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Fixture} from "./Fixture.sol";
import {IZKPool} from "../../src/interfaces/IZKPool.sol";
import {BlocklistToken, FalseToken, FeeToken, NoReturnToken, PlainToken} from "../mocks/Tokens.sol";

contract BalancesTest is Fixture {
    // ---- deposit ----

    function test_DepositCreditsWhomItIsMeantFor() public {
        Books memory b = books();
        uint256 wallet = token.balanceOf(payer);
        vm.expectEmit(address(pool));
        emit IZKPool.Deposited(address(token), requester, 41);
        vm.prank(payer);
        assertEq(pool.deposit(address(token), requester, 41), 41);
        b.requester += 41;
        assertBooks(books(), b);
        assertEq(token.balanceOf(payer), wallet - 41);
    }

    function test_DepositCreditsWhatArrived() public {
        FeeToken fee = new FeeToken();
        _give(fee, 1000);
        vm.prank(payer);
        assertEq(pool.deposit(address(fee), payer, 1000), 990);
        assertEq(pool.balanceOf(address(fee), payer), 990);
        // All of it can be withdrawn: nothing was credited that is not there.
        vm.prank(payer);
        pool.withdraw(address(fee), payer, payer, 990);
        assertEq(fee.balanceOf(address(pool)), 0);
    }

    function test_DepositAndWithdrawOfATokenThatReturnsNothing() public {
        NoReturnToken silent = new NoReturnToken();
        _give(silent, 1000);
        vm.startPrank(payer);
        assertEq(pool.deposit(address(silent), payer, 1000), 1000);
        pool.withdraw(address(silent), payer, stranger, 1000);
        vm.stopPrank();
        assertEq(silent.balanceOf(stranger), 1000);
    }

    function test_RevertWhen_DepositedTokenSaysFalse() public {
        FalseToken liar = new FalseToken();
        _give(liar, 1000);
        liar.setRefusing(true);
        vm.expectRevert();
        vm.prank(payer);
        pool.deposit(address(liar), payer, 1000);
        assertEq(pool.balanceOf(address(liar), payer), 0);
    }

    function test_RevertWhen_DepositedTokenHasNoCode() public {
        address nothing = makeAddr("no code");
        vm.expectRevert();
        vm.prank(payer);
        pool.deposit(nothing, payer, 1000);
        assertEq(pool.balanceOf(nothing, payer), 0);
    }

    function test_RevertWhen_AllowanceIsShort() public {
        vm.startPrank(payer);
        token.approve(address(pool), 99);
        vm.expectRevert();
        pool.deposit(address(token), payer, 100);
        pool.deposit(address(token), payer, 99);
        vm.stopPrank();
    }

    function test_DepositForNobodyBurns() public {
        Books memory b = books();
        vm.prank(payer);
        pool.deposit(address(token), address(0), 41);
        b.sink += 41;
        assertBooks(books(), b);
    }

    // ---- withdraw ----

    function test_WithdrawByTheOwner() public {
        _deposited(100);
        vm.expectEmit(address(pool));
        emit IZKPool.Withdrawn(address(token), requester, stranger, 60);
        uint256 before = token.balanceOf(stranger);
        vm.prank(requester);
        pool.withdraw(address(token), requester, stranger, 60);
        assertEq(pool.balanceOf(address(token), requester), 40);
        assertEq(token.balanceOf(stranger), before + 60);
    }

    function test_WithdrawByAnAgent() public {
        _deposited(100);
        vm.prank(requester);
        pool.setAuthorization(stranger, true);
        assertTrue(pool.isAuthorized(requester, stranger));
        uint256 before = token.balanceOf(payer);
        vm.prank(stranger);
        pool.withdraw(address(token), requester, payer, 60);
        assertEq(pool.balanceOf(address(token), requester), 40);
        assertEq(token.balanceOf(payer), before + 60);
    }

    function test_RevertWhen_WithdrawnByAnother() public {
        _deposited(100);
        address[3] memory others = [stranger, operator, address(this)];
        for (uint256 i; i < others.length; i++) {
            vm.expectRevert(IZKPool.NotAuthorized.selector);
            vm.prank(others[i]);
            pool.withdraw(address(token), requester, others[i], 1);
        }
        assertEq(pool.balanceOf(address(token), requester), 100);
    }

    function test_RevertWhen_WithdrawnByTheSigner() public {
        vm.prank(payer);
        pool.deposit(address(token), operator, 100);
        vm.expectRevert(IZKPool.NotAuthorized.selector);
        vm.prank(signer);
        pool.withdraw(address(token), operator, signer, 1);
    }

    function test_RevertWhen_AuthorizationWasWithdrawn() public {
        _deposited(100);
        vm.startPrank(requester);
        pool.setAuthorization(stranger, true);
        pool.setAuthorization(stranger, false);
        vm.stopPrank();
        vm.expectRevert(IZKPool.NotAuthorized.selector);
        vm.prank(stranger);
        pool.withdraw(address(token), requester, stranger, 1);
    }

    function test_AuthorizationIsOneOwnersForOneAgent() public {
        vm.expectEmit(address(pool));
        emit IZKPool.AuthorizationSet(requester, stranger, true);
        vm.prank(requester);
        pool.setAuthorization(stranger, true);
        assertFalse(pool.isAuthorized(stranger, requester), "it is not mutual");
        assertFalse(pool.isAuthorized(payer, stranger), "it is not for all");
        assertFalse(pool.isAuthorized(requester, payer), "nor to all");
    }

    function test_RevertWhen_WithdrawnToNobody() public {
        _deposited(100);
        vm.expectRevert(IZKPool.ZeroAddress.selector);
        vm.prank(requester);
        pool.withdraw(address(token), requester, address(0), 1);
    }

    function test_RevertWhen_BalanceIsShort() public {
        _deposited(100);
        vm.startPrank(requester);
        vm.expectRevert(IZKPool.InsufficientBalance.selector);
        pool.withdraw(address(token), requester, requester, 101);
        pool.withdraw(address(token), requester, requester, 100);
        vm.stopPrank();
    }

    function test_RevertWhen_WithdrawnTokenSaysFalse() public {
        FalseToken liar = new FalseToken();
        _give(liar, 1000);
        vm.startPrank(payer);
        pool.deposit(address(liar), payer, 1000);
        liar.setRefusing(true);
        vm.expectRevert();
        pool.withdraw(address(liar), payer, payer, 1000);
        vm.stopPrank();
        assertEq(pool.balanceOf(address(liar), payer), 1000, "the balance stays");
    }

    function test_RevertWhen_WithdrawnTokenBlocks() public {
        BlocklistToken strict = new BlocklistToken();
        _give(strict, 1000);
        vm.startPrank(payer);
        pool.deposit(address(strict), payer, 1000);
        strict.setBlocked(payer, true);
        vm.expectRevert();
        pool.withdraw(address(strict), payer, payer, 1000);
        // The owner can still send it elsewhere.
        pool.withdraw(address(strict), payer, stranger, 1000);
        vm.stopPrank();
        assertEq(strict.balanceOf(stranger), 1000);
    }

    // ---- helpers ----

    function _deposited(uint256 amount) private {
        vm.prank(payer);
        pool.deposit(address(token), requester, amount);
    }

    function _give(PlainToken token_, uint256 amount) private {
        token_.mint(payer, amount);
        vm.prank(payer);
        token_.approve(address(pool), type(uint256).max);
    }
}
