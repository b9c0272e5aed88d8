// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {SemaphoreVerifier} from "@semaphore-protocol/contracts/base/SemaphoreVerifier.sol";
import {ISemaphoreVerifier} from "@semaphore-protocol/contracts/interfaces/ISemaphoreVerifier.sol";
import {Call, Quote} from "../../src/interfaces/IZKPool.sol";
import {IProofVerifier} from "../../src/interfaces/IProofVerifier.sol";
import {Groth16Verifier} from "../../src/verifiers/Groth16Verifier.sol";
import {SemaphoreVerifierAdapter} from "../../src/verifiers/SemaphoreVerifierAdapter.sol";
import {Fixtures} from "../fixtures/Fixtures.sol";
import {DeliveryFixture} from "../verifiers/DeliveryFixture.sol";

/// @dev Costs nothing, so that what is measured is the pool and the verifier.
contract NoopTarget {
    fallback() external {}
}

/// @notice Whole transactions of the steady state, as in Gas.t.sol, with real proofs and verifiers: figures in
/// snapshots/RealVerifiers.json. Publishing costs the same for all of them.
/// forge-config: default.isolate = true
contract RealVerifiersGasTest is DeliveryFixture {
    using Fixtures for bytes;

    function setUp() public override {
        super.setUp();
        vm.startPrank(requester);
        pool.deposit(address(token), requester, 100 * REWARD);
        vm.stopPrank();
    }

    function test_Semaphore() public {
        // The application checks the proof once more and stores its nullifier.
        (Quote memory quote, Call memory call, bytes memory proof) = semaphoreTask(0, address(adapter));
        _cycle(quote, call, proof, "");
        (quote, call, proof) = semaphoreTask(1, address(adapter));
        _cycle(quote, call, proof, "semaphore");
    }

    function test_SemaphoreVerifierAlone() public {
        _steady(address(adapter), "semaphore_verifier_only");
    }

    function test_Groth16FourInputs() public {
        _steady(address(generic), "groth16_4_inputs");
    }

    function test_Groth16TwoInputs() public {
        address target = address(new NoopTarget());
        address verifier = address(new Groth16Verifier(Fixtures.productKey()));
        for (uint256 i; i < 2; ++i) {
            bytes memory proof = Fixtures.productProof(i);
            Call memory call;
            Quote memory quote = quoteFor(target, verifier, call);
            quote.task.statement = proof.statementOf();
            quote.task.salt = keccak256(abi.encode(i));
            _cycle(quote, call, proof, i == 0 ? "" : "groth16");
        }
    }

    function _steady(address verifier, string memory name) private {
        address target = address(new NoopTarget());
        for (uint256 i; i < 2; ++i) {
            (Quote memory quote,, bytes memory proof) = semaphoreTask(i, verifier);
            Call memory call;
            bytes32 statement = quote.task.statement;
            quote = quoteFor(target, verifier, call);
            quote.task.statement = statement;
            quote.task.salt = keccak256(abi.encode(i));
            _cycle(quote, call, proof, i == 0 ? "" : name);
        }
    }

    function _cycle(Quote memory quote, Call memory call, bytes memory proof, string memory name) private {
        bytes memory signature = sign(quote);
        vm.prank(requester);
        pool.publish(quote, signature);
        if (bytes(name).length != 0) vm.snapshotGasLastCall("RealVerifiers", "publish_steady");
        vm.prank(signer);
        pool.prove(quote, call, proof);
        if (bytes(name).length != 0) vm.snapshotGasLastCall("RealVerifiers", string.concat("prove_steady_", name));
        vm.warp(block.timestamp + 61);
    }
}

/// @notice `verify` alone, cold, without a transaction's base cost.
contract VerifyGasTest is Test {
    using Fixtures for bytes;

    Groth16Verifier internal four;
    Groth16Verifier internal two;
    SemaphoreVerifierAdapter internal adapter;

    function setUp() public {
        four = new Groth16Verifier(Fixtures.semaphoreKey());
        two = new Groth16Verifier(Fixtures.productKey());
        adapter = new SemaphoreVerifierAdapter(ISemaphoreVerifier(address(new SemaphoreVerifier())), 20);
    }

    function test_Groth16FourInputs() public {
        (bytes memory proof,,) = Fixtures.semaphoreProof(0);
        _measure(four, proof, "verify_groth16_4_inputs");
    }

    function test_Groth16TwoInputs() public {
        _measure(two, Fixtures.productProof(0), "verify_groth16");
    }

    function test_Semaphore() public {
        (bytes memory proof,,) = Fixtures.semaphoreProof(0);
        _measure(adapter, proof, "verify_semaphore");
    }

    function _measure(IProofVerifier verifier, bytes memory proof, string memory name) private {
        bytes32 statement = proof.statementOf();
        vm.startSnapshotGas("RealVerifiers", name);
        bool valid = verifier.verify(statement, proof);
        vm.stopSnapshotGas();
        assertTrue(valid);
    }
}
