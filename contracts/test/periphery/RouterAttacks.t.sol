// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IZKPool, Quote, Task} from "../../src/interfaces/IZKPool.sol";
import {Router} from "../../src/periphery/Router.sol";
import {HookToken, PlainToken} from "../mocks/Tokens.sol";
import {Permit2Double} from "./Permit2Double.sol";
import {RouterFixture} from "./RouterFixture.sol";

/// @dev Knows no permit, but answers every call (WETH9 and its kin).
contract PhantomPermitToken is PlainToken {
    fallback() external payable {}
}

/// @dev Withdraws again, or does something else, when it is paid.
contract ReenteringRecipient {
    bytes public again;
    bytes public reason;

    function start(IZKPool pool, Router router, uint256 amount, bytes calldata again_) external {
        again = again_;
        pool.setAuthorization(address(router), true);
        router.withdrawEther(address(this), amount);
    }

    receive() external payable {
        (, reason) = msg.sender.call(again);
    }
}

contract RouterAttacksTest is RouterFixture {
    // ---- SECURITY 7: what was given to the router is of no use to anybody else ----
    // The victim is also the requester that the quotes name.

    function test_RevertWhen_PermitIsSomebodyElses() public {
        Quote memory quote = quoteIn(address(token));
        quote.terms.requester = payer;
        bytes memory signature = sign(quote);
        Router.Permit memory permit = permitFor(FUNDS);
        vm.prank(stranger);
        vm.expectRevert(Router.InsufficientAllowance.selector);
        router.publishWithPermit(quote, signature, permit);
        assertEq(token.balanceOf(payer), FUNDS);
    }

    function test_RevertWhen_ApprovalIsSomebodyElses() public {
        vm.prank(payer);
        token.approve(address(router), type(uint256).max);
        Quote memory quote = quoteIn(address(token));
        quote.terms.requester = payer;
        bytes memory signature = sign(quote);
        Router.Permit memory nothing;
        vm.prank(stranger);
        vm.expectRevert(Router.InsufficientAllowance.selector);
        router.publishWithPermit(quote, signature, nothing);
    }

    function test_RevertWhen_Permit2IsSomebodyElses() public {
        Quote memory quote = quoteIn(address(token));
        quote.terms.requester = payer;
        bytes memory signature = sign(quote);
        Router.Permit2 memory permit = permit2For(address(token), REWARD);
        vm.startPrank(stranger);
        token.approve(address(permit2), type(uint256).max);
        vm.expectRevert(Permit2Double.InvalidSigner.selector);
        router.publishWithPermit2(quote, signature, permit);
    }

    /// A token whose `permit` is a fallback that does nothing makes no permit valid.
    function test_RevertWhen_TokenOnlyPretendsToPermit() public {
        PhantomPermitToken phantom = new PhantomPermitToken();
        phantom.mint(payer, FUNDS);
        vm.prank(payer);
        phantom.approve(address(router), type(uint256).max);
        Quote memory quote = quoteIn(address(phantom));
        bytes memory signature = sign(quote);
        Router.Permit memory permit = permitFor(REWARD);
        vm.prank(stranger);
        vm.expectRevert(Router.InsufficientAllowance.selector);
        router.publishWithPermit(quote, signature, permit);
        assertEq(phantom.balanceOf(payer), FUNDS);
    }

    /// An authorization too.
    function test_RevertWhen_BalanceIsSomebodyElses() public {
        depositAndAuthorize(payer, 1000);
        vm.startPrank(stranger);
        vm.expectRevert(IZKPool.NotAuthorized.selector);
        router.withdrawEther(stranger, 1);
        vm.expectRevert(IZKPool.NotAuthorized.selector);
        router.withdrawEther(payer, 1);
        pool.setAuthorization(address(router), true);
        vm.expectRevert(IZKPool.InsufficientBalance.selector);
        router.withdrawEther(stranger, 1);
    }

    // ---- reentrancy ----

    function test_RecipientCannotReenter() public {
        ReenteringRecipient recipient = new ReenteringRecipient();
        bytes[2] memory calls = [
            abi.encodeCall(Router.withdrawEther, (address(recipient), 1)),
            abi.encodeCall(Router.depositEther, (address(recipient)))
        ];
        for (uint256 i; i < calls.length; ++i) {
            vm.prank(payer);
            router.depositEther{value: 500}(address(recipient));
            recipient.start(pool, router, 400, calls[i]);
            assertEq(recipient.reason(), abi.encodeWithSelector(Router.Reentrancy.selector));
        }
        assertEq(address(recipient).balance, 800);
        assertEq(inPool(address(weth), address(recipient)), 200);
    }

    function test_TokenCannotReenter() public {
        HookToken hooked = new HookToken();
        Quote memory quote = quoteIn(address(hooked));
        Quote memory inner = quoteIn(address(hooked));
        (inner.task.slot, inner.task.salt) = (1, "two");
        Task[] memory list = tasks(1);
        Router.Permit memory permit;
        Router.Permit2 memory permitted = permit2For(address(hooked), REWARD);
        bytes memory signature = sign(inner);
        bytes[8] memory calls = [
            abi.encodeCall(Router.publishWithPermit, (inner, signature, permit)),
            abi.encodeCall(Router.publishBatchWithPermit, (inner.terms, list, signature, permit)),
            abi.encodeCall(Router.publishWithPermit2, (inner, signature, permitted)),
            abi.encodeCall(Router.publishBatchWithPermit2, (inner.terms, list, signature, permitted)),
            abi.encodeCall(Router.publishWithEther, (inner, signature)),
            abi.encodeCall(Router.publishBatchWithEther, (inner.terms, list, signature)),
            abi.encodeCall(Router.depositEther, (address(hooked))),
            abi.encodeCall(Router.withdrawEther, (address(hooked), 0))
        ];
        hooked.mint(payer, FUNDS);
        vm.prank(payer);
        hooked.approve(address(router), type(uint256).max);
        signature = sign(quote);
        for (uint256 i; i < calls.length; ++i) {
            hooked.setHook(address(router), calls[i], i % 2 == 0);
            uint256 before = vm.snapshotState();
            vm.prank(payer);
            (, bool accepted) = router.publishWithPermit(quote, signature, permit);
            assertTrue(accepted);
            assertFalse(hooked.lastSuccess());
            assertEq(hooked.lastResult(), abi.encodeWithSelector(Router.Reentrancy.selector));
            vm.revertToState(before);
        }
    }

    // ---- stray money ----

    function test_RevertWhen_EtherComesUnasked() public {
        vm.prank(payer);
        (bool ok, bytes memory reason) = address(router).call{value: 1}("");
        assertFalse(ok);
        assertEq(reason, abi.encodeWithSelector(Router.UnexpectedEther.selector));
    }

    /// Whatever was left or put here by others, in tokens or at the pool, does not stay.
    function test_StrayMoneyGoesToWhoeverComesNext() public {
        token.mint(address(router), 5);
        vm.startPrank(stranger);
        token.approve(address(pool), 7);
        pool.deposit(address(token), address(router), 7);
        vm.stopPrank();

        Quote memory quote = quoteIn(address(token));
        bytes memory signature = sign(quote);
        Router.Permit memory permit = permitFor(REWARD);
        vm.prank(payer);
        router.publishWithPermit(quote, signature, permit);
        assertEq(inPool(address(token), payer), 12);
        assertRouterEmpty();
    }
}
