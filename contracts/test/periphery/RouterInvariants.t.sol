// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {IZKPool, Quote, Task, Terms} from "../../src/interfaces/IZKPool.sol";
import {Router} from "../../src/periphery/Router.sol";
import {RouterFixture} from "./RouterFixture.sol";

/// @dev Uses the router in every way as two users, one of whom has signed nothing and approved nothing.
contract RouterHandler is Test {
    RouterInvariantsTest internal immutable world;
    Router internal immutable router;
    IZKPool internal immutable pool;
    address[2] internal users;
    uint256 internal salt;

    constructor(RouterInvariantsTest world_, Router router_, address[2] memory users_) {
        (world, router, pool, users) = (world_, router_, router_.POOL(), users_);
    }

    function depositEther(uint256 who, uint256 amount) external {
        address user = users[who % 2];
        vm.prank(user);
        router.depositEther{value: bound(amount, 0, user.balance / 2)}(user);
    }

    function withdrawEther(uint256 who, uint256 amount) external {
        address user = users[who % 2];
        uint256 balance = pool.balanceOf(address(router.WETH()), user);
        vm.prank(user);
        router.withdrawEther(user, bound(amount, 0, balance));
    }

    function publishWithEther(uint256 who, uint256 amount, uint128 reward, bool batch) external {
        address user = users[who % 2];
        amount = bound(amount, 0, user.balance / 4);
        reward = uint128(bound(reward, 0, amount / 2));
        (Terms memory terms, Task[] memory list, bytes memory signature) =
            world.offer(address(router.WETH()), reward, batch, ++salt);
        vm.prank(user);
        if (batch) router.publishBatchWithEther{value: amount}(terms, list, signature);
        else router.publishWithEther{value: amount}(Quote({terms: terms, task: list[0]}), signature);
    }

    /// Each user tries with the victim's signatures as well as its own approvals.
    function publishWithTokens(uint256 who, uint128 reward, bool batch, bool permit2) external {
        address user = users[who % 2];
        reward = uint128(bound(reward, 0, 1000));
        (Terms memory terms, Task[] memory list, bytes memory signature) =
            world.offer(world.asset(), reward, batch, ++salt);
        (Router.Permit memory one, Router.Permit2 memory two) = world.signaturesOfTheVictim();
        Quote memory quote = Quote({terms: terms, task: list[0]});
        vm.prank(user);
        if (permit2 && batch) {
            try router.publishBatchWithPermit2(terms, list, signature, two) {} catch {}
        } else if (permit2) {
            try router.publishWithPermit2(quote, signature, two) {} catch {}
        } else if (batch) {
            try router.publishBatchWithPermit(terms, list, signature, one) {} catch {}
        } else {
            try router.publishWithPermit(quote, signature, one) {} catch {}
        }
    }
}

/// @notice The payer is the victim here: it has approved and authorized the router without limit and signed everything
/// for it, and does nothing itself.
contract RouterInvariantsTest is RouterFixture {
    address internal user = makeAddr("user");

    function setUp() public override {
        super.setUp();
        vm.startPrank(payer);
        token.approve(address(router), type(uint256).max);
        token.approve(address(permit2), type(uint256).max);
        weth.deposit{value: FUNDS / 2}();
        weth.approve(address(router), type(uint256).max);
        weth.approve(address(permit2), type(uint256).max);
        router.depositEther{value: FUNDS / 2}(payer);
        pool.setAuthorization(address(router), true);
        vm.stopPrank();

        address[2] memory users = [user, stranger];
        for (uint256 i; i < users.length; ++i) {
            vm.deal(users[i], FUNDS);
            vm.prank(users[i]);
            pool.setAuthorization(address(router), true);
        }
        token.mint(user, FUNDS);
        vm.prank(user);
        token.approve(address(router), type(uint256).max);

        RouterHandler handler = new RouterHandler(this, router, users);
        targetContract(address(handler));
    }

    function invariant_NobodyElseSpendsWhatWasGivenToTheRouter() public view {
        assertEq(token.balanceOf(payer), FUNDS);
        assertEq(weth.balanceOf(payer), FUNDS / 2);
        assertEq(inPool(address(weth), payer), FUNDS / 2);
        assertEq(inPool(address(token), payer), 0);
    }

    function invariant_TheRouterHoldsNothing() public view {
        assertRouterEmpty();
    }

    // ---- for the handler ----

    function asset() external view returns (address) {
        return address(token);
    }

    /// @dev Accepted while slots are free, dishonoured afterwards: money goes both ways.
    function offer(address rewardToken, uint128 reward, bool batch, uint256 salt)
        external
        view
        returns (Terms memory terms, Task[] memory list, bytes memory signature)
    {
        terms = termsIn(rewardToken);
        terms.reward = reward;
        list = tasks(batch ? 2 : 1);
        for (uint32 i; i < list.length; ++i) {
            list[i].slot = uint32(salt % SLOTS + i) % SLOTS;
            list[i].salt = keccak256(abi.encode(salt, i));
        }
        signature = batch ? signBatch(terms, list) : sign(Quote({terms: terms, task: list[0]}));
    }

    function signaturesOfTheVictim() external view returns (Router.Permit memory, Router.Permit2 memory) {
        return (permitFor(type(uint256).max), permit2For(address(token), type(uint256).max));
    }
}
