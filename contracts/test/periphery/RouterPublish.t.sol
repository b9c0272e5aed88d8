// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IZKPool, Quote, Task, Terms} from "../../src/interfaces/IZKPool.sol";
import {Router} from "../../src/periphery/Router.sol";
import {FeeToken, PlainToken} from "../mocks/Tokens.sol";
import {Permit2Double} from "./Permit2Double.sol";
import {RouterFixture} from "./RouterFixture.sol";

contract RouterPublishTest is RouterFixture {
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
        assertAllActive(terms, list);
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
        assertAllActive(terms, list);
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
        assertAllActive(terms, list);
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

    // ---- tokens without permit ----

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
            publishDirectly(Quote({terms: terms, task: list[1]}));

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
}
