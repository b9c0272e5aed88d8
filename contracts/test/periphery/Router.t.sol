// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IZKPool, Quote, Task, Terms} from "../../src/interfaces/IZKPool.sol";
import {Router} from "../../src/periphery/Router.sol";
import {FeeToken, HookToken, PlainToken} from "../mocks/Tokens.sol";
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

contract RouterTest is RouterFixture {
    function setUp() public override {
        super.setUp();
        vm.prank(payer);
        token.approve(address(permit2), type(uint256).max);
    }

    // ---- ether in ----

    function test_DepositEtherCreditsTheAccount() public {
        vm.prank(payer);
        uint256 credited = router.depositEther{value: 1000}(requester);
        assertEq(credited, 1000);
        assertEq(inPool(address(weth), requester), 1000);
        assertEq(payer.balance, FUNDS - 1000);
        assertRouterEmpty();
    }

    function test_RevertWhen_EtherIsDepositedForNobody() public {
        vm.prank(payer);
        vm.expectRevert(Router.ZeroAddress.selector);
        router.depositEther{value: 1000}(address(0));
    }

    function test_RevertWhen_EtherComesUnasked() public {
        vm.prank(payer);
        (bool ok, bytes memory reason) = address(router).call{value: 1}("");
        assertFalse(ok);
        assertEq(reason, abi.encodeWithSelector(Router.UnexpectedEther.selector));
    }

    // ---- ether out ----

    function test_WithdrawEtherPaysTheCallersBalance() public {
        _depositAndAuthorize(payer, 1000);
        vm.prank(payer);
        router.withdrawEther(requester, 400);
        assertEq(requester.balance, 400);
        assertEq(inPool(address(weth), payer), 600);
        assertRouterEmpty();
    }

    function test_RevertWhen_CallerHasNotAuthorizedTheRouter() public {
        vm.startPrank(payer);
        router.depositEther{value: 1000}(payer);
        vm.expectRevert(IZKPool.NotAuthorized.selector);
        router.withdrawEther(payer, 400);
    }

    /// SECURITY 7: an authorization given to the router serves its owner alone.
    function test_RevertWhen_BalanceIsSomebodyElses() public {
        _depositAndAuthorize(payer, 1000);
        vm.startPrank(stranger);
        vm.expectRevert(IZKPool.NotAuthorized.selector);
        router.withdrawEther(stranger, 1);
        pool.setAuthorization(address(router), true);
        vm.expectRevert(IZKPool.InsufficientBalance.selector);
        router.withdrawEther(stranger, 1);
    }

    function test_RevertWhen_EtherIsWithdrawnToNobody() public {
        _depositAndAuthorize(payer, 1000);
        vm.prank(payer);
        vm.expectRevert(Router.ZeroAddress.selector);
        router.withdrawEther(address(0), 400);
    }

    function test_RevertWhen_RecipientRefusesEther() public {
        _depositAndAuthorize(payer, 1000);
        vm.prank(payer);
        vm.expectRevert();
        router.withdrawEther(address(token), 400);
        assertEq(inPool(address(weth), payer), 1000);
    }

    // ---- publish with ether ----

    function test_EtherPublishes() public {
        Quote memory quote = quoteIn(address(weth));
        bytes memory signature = sign(quote);
        vm.prank(payer);
        (bytes32 task, bool accepted) = router.publishWithEther{value: REWARD}(quote, signature);
        assertTrue(accepted);
        assertEq(task, pool.digestOf(quote));
        assertActive(0, task);
        assertEq(payer.balance, FUNDS - REWARD);
        assertEq(weth.balanceOf(address(pool)), REWARD);
        assertRouterEmpty();
    }

    function test_ExcessEtherIsCreditedToThePayer() public {
        Quote memory quote = quoteIn(address(weth));
        bytes memory signature = sign(quote);
        vm.prank(payer);
        router.publishWithEther{value: REWARD + 77}(quote, signature);
        assertEq(inPool(address(weth), payer), 77);
        assertEq(weth.balanceOf(address(pool)), REWARD + 77);
        assertRouterEmpty();
    }

    function test_RevertWhen_EtherDoesNotCoverThePrice() public {
        Quote memory quote = quoteIn(address(weth));
        bytes memory signature = sign(quote);
        vm.prank(payer);
        vm.expectRevert(Router.InsufficientEther.selector);
        router.publishWithEther{value: REWARD - 1}(quote, signature);
    }

    function test_RevertWhen_RewardIsNotInWeth() public {
        Quote memory quote = quoteIn(address(token));
        bytes memory signature = sign(quote);
        vm.prank(payer);
        vm.expectRevert(Router.RewardNotInWeth.selector);
        router.publishWithEther{value: REWARD}(quote, signature);
    }

    function test_RevertWhen_QuoteIsNotSigned() public {
        Quote memory quote = quoteIn(address(weth));
        bytes memory signature = _sign(payerKey, pool.digestOf(quote));
        vm.prank(payer);
        vm.expectRevert(IZKPool.BadSignature.selector);
        router.publishWithEther{value: REWARD}(quote, signature);
        assertEq(payer.balance, FUNDS);
    }

    /// The core's rule: whoever paid, the reward comes back to the requester; only the excess is the payer's.
    function test_DishonouredRewardGoesToTheRequester() public {
        Quote memory quote = quoteIn(address(weth));
        bytes memory signature = sign(quote);
        breakPromises();
        vm.prank(payer);
        (, bool accepted) = router.publishWithEther{value: REWARD + 77}(quote, signature);
        assertFalse(accepted);
        assertEq(inPool(address(weth), requester), REWARD);
        assertEq(inPool(address(token), requester), HONOUR - HONOUR / 2);
        assertEq(inPool(address(weth), payer), 77);
        assertEq(inPool(address(token), payer), 0);
        assertRouterEmpty();
    }

    function test_EtherPublishesABatch() public {
        (Terms memory terms, Task[] memory list) = (termsIn(address(weth)), tasks(SLOTS));
        bytes memory signature = signBatch(terms, list);
        vm.prank(payer);
        uint256 accepted = router.publishBatchWithEther{value: SLOTS * REWARD + 77}(terms, list, signature);
        assertEq(accepted, SLOTS);
        _assertAllActive(terms, list);
        assertEq(inPool(address(weth), payer), 77);
        assertEq(payer.balance, FUNDS - SLOTS * REWARD - 77);
        assertRouterEmpty();
    }

    function test_RevertWhen_EtherDoesNotCoverTheBatch() public {
        (Terms memory terms, Task[] memory list) = (termsIn(address(weth)), tasks(SLOTS));
        bytes memory signature = signBatch(terms, list);
        vm.prank(payer);
        vm.expectRevert(Router.InsufficientEther.selector);
        router.publishBatchWithEther{value: SLOTS * REWARD - 1}(terms, list, signature);
    }

    function test_DishonouredBatchGoesToTheRequester() public {
        (Terms memory terms, Task[] memory list) = (termsIn(address(weth)), tasks(SLOTS));
        bytes memory signature = signBatch(terms, list);
        breakPromises();
        vm.prank(payer);
        uint256 accepted = router.publishBatchWithEther{value: SLOTS * REWARD}(terms, list, signature);
        assertEq(accepted, 0);
        assertEq(inPool(address(weth), requester), SLOTS * REWARD);
        assertRouterEmpty();
    }

    // ---- publish with an ERC-2612 permit ----

    function test_PermitPublishes() public {
        Quote memory quote = quoteIn(address(token));
        bytes memory signature = sign(quote);
        Router.Permit memory permit = permitFor(REWARD);
        vm.prank(payer);
        (bytes32 task, bool accepted) = router.publishWithPermit(quote, signature, permit);
        assertTrue(accepted);
        assertActive(0, task);
        assertEq(token.balanceOf(payer), FUNDS - REWARD);
        assertRouterEmpty();
    }

    function test_ToleratesAPermitThatSomebodyElseUsed() public {
        Quote memory quote = quoteIn(address(token));
        bytes memory signature = sign(quote);
        Router.Permit memory permit = permitFor(REWARD);
        vm.prank(stranger);
        token.permit(payer, address(router), permit.value, permit.deadline, permit.v, permit.r, permit.s);
        vm.prank(payer);
        (bytes32 task, bool accepted) = router.publishWithPermit(quote, signature, permit);
        assertTrue(accepted);
        assertActive(0, task);
        assertEq(token.balanceOf(payer), FUNDS - REWARD);
    }

    function test_RevertWhen_PermitDoesNotCoverThePrice() public {
        Quote memory quote = quoteIn(address(token));
        bytes memory signature = sign(quote);
        Router.Permit memory permit = permitFor(REWARD - 1);
        vm.prank(payer);
        vm.expectRevert(Router.InsufficientAllowance.selector);
        router.publishWithPermit(quote, signature, permit);
    }

    function test_PermitPublishesABatch() public {
        (Terms memory terms, Task[] memory list) = (termsIn(address(token)), tasks(SLOTS));
        bytes memory signature = signBatch(terms, list);
        Router.Permit memory permit = permitFor(SLOTS * REWARD);
        vm.prank(payer);
        assertEq(router.publishBatchWithPermit(terms, list, signature, permit), SLOTS);
        _assertAllActive(terms, list);
        assertEq(token.balanceOf(payer), FUNDS - SLOTS * REWARD);
        assertRouterEmpty();
    }

    function test_RevertWhen_PermitDoesNotCoverTheBatch() public {
        (Terms memory terms, Task[] memory list) = (termsIn(address(token)), tasks(SLOTS));
        bytes memory signature = signBatch(terms, list);
        Router.Permit memory permit = permitFor(SLOTS * REWARD - 1);
        vm.prank(payer);
        vm.expectRevert(Router.InsufficientAllowance.selector);
        router.publishBatchWithPermit(terms, list, signature, permit);
    }

    // ---- publish with Permit2 ----

    function test_Permit2Publishes() public {
        Quote memory quote = quoteIn(address(token));
        bytes memory signature = sign(quote);
        Router.Permit2 memory permit = permit2For(address(token), REWARD);
        vm.prank(payer);
        (bytes32 task, bool accepted) = router.publishWithPermit2(quote, signature, permit);
        assertTrue(accepted);
        assertActive(0, task);
        assertEq(token.balanceOf(payer), FUNDS - REWARD);
        assertRouterEmpty();
    }

    function test_Permit2TakesOnlyThePrice() public {
        Quote memory quote = quoteIn(address(token));
        bytes memory signature = sign(quote);
        Router.Permit2 memory permit = permit2For(address(token), FUNDS);
        vm.prank(payer);
        router.publishWithPermit2(quote, signature, permit);
        assertEq(token.balanceOf(payer), FUNDS - REWARD);
        assertRouterEmpty();
    }

    function test_RevertWhen_Permit2IsUsedAgain() public {
        Quote memory quote = quoteIn(address(token));
        Router.Permit2 memory permit = permit2For(address(token), REWARD);
        bytes memory signature = sign(quote);
        vm.prank(payer);
        router.publishWithPermit2(quote, signature, permit);

        (quote.task.slot, quote.task.salt) = (1, "two");
        signature = sign(quote);
        vm.prank(payer);
        vm.expectRevert(Permit2Double.InvalidNonce.selector);
        router.publishWithPermit2(quote, signature, permit);
    }

    function test_RevertWhen_Permit2DoesNotCoverThePrice() public {
        Quote memory quote = quoteIn(address(token));
        bytes memory signature = sign(quote);
        Router.Permit2 memory permit = permit2For(address(token), REWARD - 1);
        vm.prank(payer);
        vm.expectRevert(abi.encodeWithSelector(Permit2Double.InvalidAmount.selector, REWARD - 1));
        router.publishWithPermit2(quote, signature, permit);
    }

    function test_RevertWhen_Permit2IsForAnotherToken() public {
        Quote memory quote = quoteIn(address(token));
        bytes memory signature = sign(quote);
        Router.Permit2 memory permit = permit2For(address(weth), REWARD);
        vm.prank(payer);
        vm.expectRevert(Permit2Double.InvalidSigner.selector);
        router.publishWithPermit2(quote, signature, permit);
    }

    function test_Permit2PublishesABatch() public {
        (Terms memory terms, Task[] memory list) = (termsIn(address(token)), tasks(SLOTS));
        bytes memory signature = signBatch(terms, list);
        Router.Permit2 memory permit = permit2For(address(token), SLOTS * REWARD);
        vm.prank(payer);
        assertEq(router.publishBatchWithPermit2(terms, list, signature, permit), SLOTS);
        _assertAllActive(terms, list);
        assertEq(token.balanceOf(payer), FUNDS - SLOTS * REWARD);
        assertRouterEmpty();
    }

    function test_RevertWhen_Permit2DoesNotCoverTheBatch() public {
        (Terms memory terms, Task[] memory list) = (termsIn(address(token)), tasks(SLOTS));
        bytes memory signature = signBatch(terms, list);
        Router.Permit2 memory permit = permit2For(address(token), SLOTS * REWARD - 1);
        vm.prank(payer);
        vm.expectRevert(abi.encodeWithSelector(Permit2Double.InvalidAmount.selector, SLOTS * REWARD - 1));
        router.publishBatchWithPermit2(terms, list, signature, permit);
    }

    // ---- what a publication did not use ----

    /// The operator publishes one task of its batch before the requester does.
    function test_UnusedRewardsComeBackToThePayer() public {
        address[2] memory assets = [address(weth), address(token)];
        for (uint256 i; i < 3; ++i) {
            uint256 before = vm.snapshotState();
            address asset = assets[i == 0 ? 0 : 1];
            (Terms memory terms, Task[] memory list) = (termsIn(asset), tasks(SLOTS));
            bytes memory signature = signBatch(terms, list);
            Router.Permit memory permit = permitFor(SLOTS * REWARD);
            Router.Permit2 memory permit2_ = permit2For(asset, SLOTS * REWARD);
            _publishDirectly(Quote({terms: terms, task: list[1]}));

            vm.prank(payer);
            uint256 accepted;
            if (i == 0) accepted = router.publishBatchWithEther{value: SLOTS * REWARD}(terms, list, signature);
            if (i == 1) accepted = router.publishBatchWithPermit(terms, list, signature, permit);
            if (i == 2) accepted = router.publishBatchWithPermit2(terms, list, signature, permit2_);
            assertEq(accepted, SLOTS - 1);
            assertEq(inPool(asset, payer), REWARD);
            assertRouterEmpty();
            vm.revertToState(before);
        }
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

    // ---- SECURITY 7: what was given to the router is of no use to anybody else ----

    function test_RevertWhen_PermitIsSomebodyElses() public {
        Quote memory quote = quoteIn(address(token));
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
        bytes memory signature = sign(quote);
        Router.Permit memory nothing;
        vm.prank(stranger);
        vm.expectRevert(Router.InsufficientAllowance.selector);
        router.publishWithPermit(quote, signature, nothing);
    }

    function test_RevertWhen_Permit2IsSomebodyElses() public {
        Quote memory quote = quoteIn(address(token));
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

    /// An approval given beforehand serves tokens that know no permit.
    function test_StandingApprovalPublishes() public {
        PlainToken plain = new PlainToken();
        plain.mint(payer, FUNDS);
        Quote memory quote = quoteIn(address(plain));
        bytes memory signature = sign(quote);
        Router.Permit memory nothing;
        vm.startPrank(payer);
        plain.approve(address(router), REWARD);
        (, bool accepted) = router.publishWithPermit(quote, signature, nothing);
        assertTrue(accepted);
        assertEq(plain.balanceOf(payer), FUNDS - REWARD);
        assertEq(plain.balanceOf(address(router)), 0);
    }

    /// A token that keeps a fee cannot be paid through the router; nothing is lost.
    function test_RevertWhen_TokenKeepsAFee() public {
        FeeToken fee = new FeeToken();
        fee.mint(payer, FUNDS);
        Quote memory quote = quoteIn(address(fee));
        bytes memory signature = sign(quote);
        Router.Permit memory nothing;
        vm.startPrank(payer);
        fee.approve(address(router), REWARD);
        vm.expectRevert();
        router.publishWithPermit(quote, signature, nothing);
        assertEq(fee.balanceOf(payer), FUNDS);
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

    // ---- fuzz ----

    function testFuzz_EtherIsConserved(uint128 reward, uint256 sent) public {
        reward = uint128(bound(reward, 0, FUNDS));
        sent = bound(sent, reward, FUNDS);
        Quote memory quote = quoteIn(address(weth));
        quote.terms.reward = reward;
        bytes memory signature = sign(quote);
        vm.prank(payer);
        router.publishWithEther{value: sent}(quote, signature);
        assertEq(payer.balance + inPool(address(weth), payer) + reward, FUNDS);
        assertEq(weth.balanceOf(address(pool)), sent);
        assertRouterEmpty();
    }

    function testFuzz_EtherComesBackWhole(uint256 deposited, uint256 withdrawn) public {
        deposited = bound(deposited, 0, FUNDS);
        withdrawn = bound(withdrawn, 0, deposited);
        _depositAndAuthorize(payer, deposited);
        vm.prank(payer);
        router.withdrawEther(payer, withdrawn);
        assertEq(payer.balance, FUNDS - deposited + withdrawn);
        assertEq(inPool(address(weth), payer), deposited - withdrawn);
        assertRouterEmpty();
    }

    // ---- helpers ----

    function _publishDirectly(Quote memory quote) private {
        bytes memory signature = sign(quote);
        vm.startPrank(stranger);
        weth.deposit{value: REWARD}();
        weth.approve(address(pool), REWARD);
        token.approve(address(pool), REWARD);
        pool.publish(quote, signature);
        vm.stopPrank();
    }

    function _depositAndAuthorize(address account, uint256 amount) private {
        vm.startPrank(account);
        router.depositEther{value: amount}(account);
        pool.setAuthorization(address(router), true);
        vm.stopPrank();
    }

    function _assertAllActive(Terms memory terms, Task[] memory list) private view {
        for (uint32 i; i < list.length; ++i) {
            assertActive(i, pool.digestOf(Quote({terms: terms, task: list[i]})));
        }
    }
}
