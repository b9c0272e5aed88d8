// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IProofVerifier} from "../../src/interfaces/IProofVerifier.sol";
import {Call, Quote} from "../../src/interfaces/IZKPool.sol";
import {RiscZeroDeliveryFixture, StockApplication} from "../zkvm/RiscZeroDelivery.t.sol";

/// @notice Whole transactions with an application that checks the receipt once more and stores its journal: figures in
/// snapshots/RiscZero.json.
/// forge-config: default.isolate = true
contract RiscZeroGasTest is RiscZeroDeliveryFixture {
    function test_Groth16() public {
        _cycle(application, address(adapter), realProof(), "groth16");
    }

    function test_Committee() public {
        StockApplication same = applicationOver(address(committee));
        _cycle(same, address(committee), committeeProof(realJournal()), "committee_3_of_5");
    }

    function test_Report() public {
        bytes memory one = "just one";
        bytes memory two = "just two";
        vm.prank(reporter);
        committee.reportJournals(IMAGE, testimony(keys[0], one, RECEIPT), testimony(keys[0], two, RECEIPT));
        vm.snapshotGasLastCall("RiscZero", "report_journals");
    }

    function _cycle(StockApplication target, address verifier, bytes memory proof, string memory name) private {
        (Quote memory quote, Call memory call) = task(target, verifier);
        publish(quote);
        prove(quote, call, proof);
        vm.snapshotGasLastCall("RiscZero", string.concat("prove_", name));
    }
}

/// @notice `verify` alone, cold, without a transaction's base cost.
contract RiscZeroVerifyGasTest is RiscZeroDeliveryFixture {
    function test_Groth16() public {
        _measure(adapter, realProof(), "groth16");
    }

    function test_Committee() public {
        _measure(IProofVerifier(address(committee)), committeeProof(realJournal()), "committee_3_of_5");
    }

    function test_Halted() public {
        vm.cool(address(committee));
        vm.startSnapshotGas("RiscZero", "halted_committee_3_of_5");
        committee.halted();
        vm.stopSnapshotGas();
    }

    function _measure(IProofVerifier verifier, bytes memory proof, string memory name) private {
        bytes32 statement = realStatement();
        vm.cool(address(verifier));
        vm.cool(address(published));
        vm.startSnapshotGas("RiscZero", string.concat("verify_", name));
        bool valid = verifier.verify(statement, proof);
        vm.stopSnapshotGas();
        assertTrue(valid);
    }
}
