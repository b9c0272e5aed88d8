// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {SpliceEncoder} from "../../src/encoders/SpliceEncoder.sol";
import {Call, IZKPool, Quote} from "../../src/interfaces/IZKPool.sol";
import {Groth16Verifier} from "../../src/verifiers/Groth16Verifier.sol";
import {Fixtures} from "../fixtures/Fixtures.sol";
import {DeliveryFixture} from "./DeliveryFixture.sol";

/// @dev An application in the style of those that snarkjs' templates lead to.
contract ProductApp {
    Groth16Verifier internal immutable verifier;
    mapping(uint256 product => bool) public isFactored;

    constructor(Groth16Verifier verifier_) {
        verifier = verifier_;
    }

    function submit(uint256[2] calldata a, uint256[2][2] calldata b, uint256[2] calldata c, uint256[2] calldata inputs)
        external
    {
        require(verifier.verify(keccak256(abi.encode(inputs)), abi.encode(a, b, c, inputs)));
        isFactored[inputs[0]] = true;
    }
}

/// @notice The same way for a circuit of one's own, with the generic verifier and encoder.
contract Groth16DeliveryTest is DeliveryFixture {
    using Fixtures for bytes;

    function test_RealProofReachesTheApplication() public {
        Groth16Verifier verifier = new Groth16Verifier(Fixtures.productKey());
        ProductApp app = new ProductApp(verifier);
        bytes memory proof = Fixtures.productProof(0);
        Call memory call;
        call.prefix = abi.encode(abi.encodePacked(ProductApp.submit.selector), 0, 320, "", false);
        Quote memory quote = quoteFor(address(app), address(verifier), call);
        quote.terms.encoder = address(new SpliceEncoder());
        quote.terms.callGas = 400_000;
        quote.task.statement = keccak256(abi.encode(15, 3));
        bytes32 task = publish(quote);

        vm.expectEmit(address(pool));
        emit IZKPool.Delivered(task, true, true, 0);
        vm.prank(signer);
        pool.prove(quote, call, proof);
        assertTrue(app.isFactored(15));
        assertEq(earned(), REWARD);
    }
}
