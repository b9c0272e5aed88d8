// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IProofVerifier} from "../../src/interfaces/IProofVerifier.sol";
import {Call, Quote} from "../../src/interfaces/IZKPool.sol";
import {BundleDeliveryFixture} from "../multi/BundleDelivery.t.sol";

/// @notice Whole transactions of a rollup's bundle, a circuit's proof and an enclave's: figures in snapshots/Multi.json.
/// forge-config: default.isolate = true
contract MultiGasTest is BundleDeliveryFixture {
    function test_PublishAndProve() public {
        _cycle(address(verifier), "verifier_mode");
        vm.snapshotGasLastCall("Multi", "prove_groth16_sgx_verifier_mode");
    }

    function test_PublishAndProveInTargetMode() public {
        _cycle(address(0), "target_mode");
        vm.snapshotGasLastCall("Multi", "prove_groth16_sgx_target_mode");
    }

    function test_ProposeBatch() public {
        bytes memory transfers = transfersOf(2);
        vm.prank(sequencer);
        ROLLUP.proposeBatch(bytes32(uint256(1003)), transfers);
        vm.snapshotGasLastCall("Multi", "propose_batch_256_bytes");
    }

    function test_ReceiveLeg() public {
        bytes32 statement = ROLLUP.statementOf(0);
        bytes memory proof = sgxProof(statement);
        ROLLUP.receiveLeg(statement, SGX, proof);
        vm.snapshotGasLastCall("Multi", "receive_leg_sgx");
    }

    /// With a quote of 727 bytes and no collateral, which are paid for by the byte.
    function test_RegisterAnInstance() public {
        address who = makeAddr("second");
        bytes memory quote = quoteOf(specOf(who));
        freshBlock();
        vm.prank(registrar);
        sgx.register(quote, "", BLOCK, PROGRAM, who);
        vm.snapshotGasLastCall("Multi", "register_instance");
    }

    function _cycle(address by, string memory mode) private {
        (Quote memory quote, Call memory call) = task(0, by);
        publish(quote);
        vm.snapshotGasLastCall("Multi", string.concat("publish_", mode));
        prove(quote, call, proofFor(0));
    }
}

/// @notice `verify` and `halted` alone, cold, without a transaction's base cost.
contract MultiVerifyGasTest is BundleDeliveryFixture {
    function test_Legs() public {
        _measure(groth16Leg, groth16Proof(), "groth16_leg");
        _measure(riscZeroLeg, realProof(), "risc0_leg");
        _measure(committeeLeg, abi.encode(IMAGE, realJournal(), quorumSeal(realJournal())), "committee_leg_3_of_5");
        _measure(sgxLeg, sgxProof(journalDigest), "sgx_leg");
    }

    function test_Bundles() public {
        _measure(verifier, abi.encode(bundleOf(3)), "bundle_groth16_risc0");
        _measure(verifier, abi.encode(bundleOf(5)), "bundle_groth16_sgx");
        _measure(verifier, abi.encode(bundleOf(6)), "bundle_risc0_sgx");
        _measure(verifier, abi.encode(bundleOf(7)), "bundle_of_all");
    }

    function test_Halted() public {
        _coolAll();
        vm.startSnapshotGas("Multi", "halted_bundle");
        verifier.halted();
        vm.stopSnapshotGas();
    }

    /// All seats taken by instances whose build was removed.
    function test_HaltedFleet() public {
        for (uint256 i = 1; i < sgx.SEATS(); ++i) {
            register(makeAddr(vm.toString(i)));
        }
        vm.warp(block.timestamp + DELAY);
        removeBuild(MRENCLAVE);
        _coolAll();
        vm.startSnapshotGas("Multi", "halted_sgx_leg_8_instances");
        bool halted = sgxLeg.halted();
        vm.stopSnapshotGas();
        assertTrue(halted);
    }

    function _measure(IProofVerifier by, bytes memory proof, string memory name) private {
        _coolAll();
        vm.startSnapshotGas("Multi", string.concat("verify_", name));
        bool valid = by.verify(journalDigest, proof);
        vm.stopSnapshotGas();
        assertTrue(valid);
    }

    function _coolAll() private {
        address[10] memory all = [
            address(verifier),
            address(groth16Leg),
            address(riscZeroLeg),
            address(committeeLeg),
            address(sgxLeg),
            address(groth16Leg.VERIFIER()),
            address(riscZeroLeg.VERIFIER()),
            address(committee),
            address(sgx),
            address(published)
        ];
        for (uint256 i; i < all.length; ++i) {
            vm.cool(all[i]);
        }
    }
}
