// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IZKPool} from "../../src/interfaces/IZKPool.sol";
import {Router} from "../../src/periphery/Router.sol";
import {TestWETH} from "../../src/testnet/TestWETH.sol";
import {RouterFixture} from "./RouterFixture.sol";

/// @dev Pays out with the stipend of 2,300 gas and no more, as the canonical WETH9.
contract StingyWETH is TestWETH {
    function withdraw(uint256 amount) public override {
        _burn(msg.sender, amount);
        (bool ok,) = msg.sender.call{value: amount, gas: 0}("");
        require(ok);
    }
}

contract RouterEtherTest is RouterFixture {
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

    // ---- ether out ----

    function test_WithdrawEtherPaysTheCallersBalance() public {
        depositAndAuthorize(payer, 1000);
        vm.prank(payer);
        router.withdrawEther(requester, 400);
        assertEq(requester.balance, 400);
        assertEq(inPool(address(weth), payer), 600);
        assertRouterEmpty();
    }

    function test_WithdrawEtherWorksWithAStipendAlone() public {
        vm.etch(address(weth), address(new StingyWETH()).code);
        test_WithdrawEtherPaysTheCallersBalance();
    }

    function test_RevertWhen_CallerHasNotAuthorizedTheRouter() public {
        vm.startPrank(payer);
        router.depositEther{value: 1000}(payer);
        vm.expectRevert(IZKPool.NotAuthorized.selector);
        router.withdrawEther(payer, 400);
    }

    function test_RevertWhen_EtherIsWithdrawnToNobody() public {
        depositAndAuthorize(payer, 1000);
        vm.prank(payer);
        vm.expectRevert(Router.ZeroAddress.selector);
        router.withdrawEther(address(0), 400);
    }

    function test_RevertWhen_RecipientRefusesEther() public {
        depositAndAuthorize(payer, 1000);
        vm.prank(payer);
        vm.expectRevert();
        router.withdrawEther(address(token), 400);
        assertEq(inPool(address(weth), payer), 1000);
    }

    function testFuzz_EtherComesBackWhole(uint256 deposited, uint256 withdrawn) public {
        deposited = bound(deposited, 0, FUNDS);
        withdrawn = bound(withdrawn, 0, deposited);
        depositAndAuthorize(payer, deposited);
        vm.prank(payer);
        router.withdrawEther(payer, withdrawn);
        assertEq(payer.balance, FUNDS - deposited + withdrawn);
        assertEq(inPool(address(weth), payer), deposited - withdrawn);
        assertRouterEmpty();
    }
}
