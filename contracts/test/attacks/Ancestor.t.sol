// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {RevenueLedger} from "../../src/RevenueLedger.sol";
import {ZKPool} from "../../src/ZKPool.sol";
import {IZKPool, Quote} from "../../src/interfaces/IZKPool.sol";
import {Fixture} from "../unit/Fixture.sol";

/// @notice What was wrong with the first contract of this name (aoraki-labs/zkpool-protocol, 2023): each line of it.
contract AncestorAttacks is Fixture {
    /// "Verification commented out."
    function testFuzz_GarbageIsNeverPaid(bytes calldata proof) public {
        Quote memory q = quote();
        vm.assume(keccak256(proof) != keccak256(proofOf(q)));
        publishAccepted(q);
        Books memory b = books();
        vm.expectRevert(IZKPool.ProofRejected.selector);
        vm.prank(signer);
        pool.prove(q, defaultCall(), proof);
        assertBooks(books(), b);
    }

    /// "`proven` never checked, so the same task's bond could be released again and again, draining everybody's."
    function test_ABondIsReleasedOnce() public {
        Quote memory q = quote();
        publishAccepted(q);
        prove(q);
        Books memory b = books();
        bytes memory proof = proofOf(q);
        for (uint256 i; i < 3; i++) {
            vm.startPrank(operator);
            vm.expectRevert(IZKPool.NotInSlot.selector);
            pool.prove(q, defaultCall(), proof);
            vm.expectRevert(IZKPool.NotInSlot.selector);
            pool.proveRescued(q, operator, SHARED, defaultCall(), proof);
            vm.expectRevert(IZKPool.NotInSlot.selector);
            pool.rescue(q, operator, DEDICATED);
            vm.expectRevert(IZKPool.NotInSlot.selector);
            pool.novate(q);
            vm.expectRevert(IZKPool.NotInSlot.selector);
            pool.collect(q);
            vm.expectRevert(IZKPool.NotInSlot.selector);
            pool.observeHalt(q);
            vm.expectRevert(IZKPool.NotInSlot.selector);
            pool.unwind(q);
            vm.stopPrank();
            after_(LIABILITY_WINDOW);
        }
        assertBooks(books(), b);
    }

    /// "Liability emitted in an event but never taken nor paid": here it arrives in the requester's wallet.
    function test_TheLiabilityReachesTheWallet() public {
        Quote memory q = quote();
        publishAccepted(q);
        after_(LIABILITY_WINDOW + 1);
        pool.collect(q);
        uint256 due = REWARD + LIABILITY + BOND;
        uint256 before = token.balanceOf(requester);
        vm.prank(requester);
        pool.withdraw(address(token), requester, requester, due);
        assertEq(token.balanceOf(requester), before + due);
        // And is gone from the operator's slot, for good.
        vm.startPrank(operator);
        pool.closeSlot(address(token), SHARED);
        after_(D);
        pool.emptySlot(address(token), SHARED);
        vm.stopPrank();
        assertEq(pool.balanceOf(address(token), operator), ADVANCE + COLLATERAL - LOCK + RESERVE);
    }

    /// "The signed hash left out chain, contract and prover."
    function test_ASignatureIsOfOneChain() public {
        Quote memory q = quote();
        bytes memory signature = signWith(signerKey, pool.digestOf(q));
        vm.chainId(block.chainid + 1);
        vm.expectRevert(IZKPool.BadSignature.selector);
        vm.prank(payer);
        pool.publish(q, signature);
    }

    /// The same, of the contract.
    function test_ASignatureIsOfOneContract() public {
        ZKPool other = new ZKPool(address(new RevenueLedger()));
        vm.startPrank(operator);
        other.setSigner(signer);
        token.approve(address(other), type(uint256).max);
        other.openSlot(address(token), SHARED, COLLATERAL, RESERVE, address(0));
        vm.stopPrank();
        Quote memory q = quote();
        bytes memory signature = signWith(signerKey, pool.digestOf(q));
        vm.startPrank(payer);
        token.approve(address(other), type(uint256).max);
        vm.expectRevert(IZKPool.BadSignature.selector);
        other.publish(q, signature);
        vm.stopPrank();
    }

    /// The same, of the operator, even if two share their key.
    function test_ASignatureIsOfOneOperator() public {
        vm.startPrank(stranger);
        pool.setSigner(signer);
        pool.openSlot(address(token), SHARED, COLLATERAL, RESERVE, address(0));
        vm.stopPrank();
        Quote memory q = quote();
        bytes memory signature = sign(q);
        q.terms.operator = stranger;
        vm.expectRevert(IZKPool.BadSignature.selector);
        vm.prank(payer);
        pool.publish(q, signature);
    }
}
