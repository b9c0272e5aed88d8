// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {Rollup} from "../../src/examples/Rollup.sol";
import {TrustClass} from "../../src/interfaces/IProofVerifier.sol";
import {ILeg} from "../../src/interfaces/ILeg.sol";
import {IERC165, ILegReceiver} from "../../src/interfaces/ILegReceiver.sol";
import {LegProof} from "../../src/libraries/LegProofs.sol";
import {MultiProofVerifier} from "../../src/verifiers/MultiProofVerifier.sol";
import {TestLeg} from "../mocks/Legs.sol";

contract RollupTest is Test {
    uint256 internal constant LENGTH = 100;
    uint32 internal constant WINDOW = 3600;
    bytes32 internal constant GENESIS = keccak256("genesis");
    uint256 internal constant PROOF = 0;
    uint256 internal constant ENCLAVE = 1;

    TestLeg[2] internal legs;
    MultiProofVerifier internal verifier;
    Rollup internal rollup;
    address internal sequencer = makeAddr("sequencer");
    address internal anybody = makeAddr("anybody");

    function setUp() public {
        vm.warp(1_700_000_000);
        legs = [new TestLeg("proof", TrustClass.ONCHAIN_PROOF), new TestLeg("enclave", TrustClass.TEE)];
        ILeg[] memory list = new ILeg[](2);
        (list[0], list[1]) = (legs[0], legs[1]);
        verifier = new MultiProofVerifier(list, 2);
        rollup = new Rollup(verifier, sequencer, GENESIS, LENGTH, _windows());
    }

    // ---- proposing ----

    function test_StatementIsTheJournalsHash() public {
        bytes memory transfers = _transfers(0);
        bytes memory journal =
            abi.encodePacked(uint64(block.chainid), address(rollup), uint32(0), GENESIS, _root(0), sha256(transfers));
        assertEq(journal.length, 128);
        vm.expectEmit(address(rollup));
        emit Rollup.BatchProposed(0, sha256(journal), GENESIS, _root(0), sha256(transfers), transfers);
        assertEq(_propose(0), 0);
        assertEq(rollup.statementOf(0), sha256(journal));

        transfers = _transfers(1);
        journal =
            abi.encodePacked(uint64(block.chainid), address(rollup), uint32(1), _root(0), _root(1), sha256(transfers));
        assertEq(_propose(1), 1);
        assertEq(rollup.statementOf(1), sha256(journal));
        assertEq(rollup.batches(), 2);
        assertEq(rollup.batchOf(1).postRoot, _root(1));
        assertEq(rollup.batchOf(1).proposedAt, block.timestamp);
        // Proposed is not proven.
        assertEq(rollup.root(), GENESIS);
        assertEq(rollup.finalised(), 0);
    }

    function test_RevertWhen_ProposedByAnother() public {
        vm.expectRevert(Rollup.NotSequencer.selector);
        rollup.proposeBatch(_root(0), _transfers(0));
    }

    function test_RevertWhen_TransfersHaveAnotherLength() public {
        vm.startPrank(sequencer);
        vm.expectRevert(Rollup.BadTransfersLength.selector);
        rollup.proposeBatch(_root(0), new bytes(LENGTH - 1));
        vm.expectRevert(Rollup.BadTransfersLength.selector);
        rollup.proposeBatch(_root(0), new bytes(LENGTH + 1));
    }

    function test_RevertWhen_TooManyArePending() public {
        uint256 most = rollup.MAX_PENDING();
        _proposeMany(most);
        vm.prank(sequencer);
        vm.expectRevert(Rollup.TooManyPending.selector);
        rollup.proposeBatch(_root(most), _transfers(most));
        _prove(0);
        _propose(most);
        // The longest walk: all of them wait for the first.
        for (uint256 i = 2; i <= most; ++i) {
            _prove(i);
        }
        bytes memory proof = _proofOf(rollup.statementOf(1));
        uint256 before = gasleft();
        rollup.proveBatch(1, proof);
        assertLt(before - gasleft(), 500_000);
        assertEq(rollup.finalised(), most + 1);
    }

    // ---- proving ----

    function test_ProvenByAnyoneAndFinal() public {
        _propose(0);
        bytes32 statement = rollup.statementOf(0);
        bytes memory proof = _proofOf(statement);
        assertFalse(rollup.isProven(statement));
        vm.expectEmit(address(rollup));
        emit Rollup.BatchProven(0, statement);
        vm.expectEmit(address(rollup));
        emit Rollup.Finalised(0, _root(0));
        vm.prank(anybody);
        rollup.proveBatch(0, proof);
        assertTrue(rollup.isProven(statement));
        assertTrue(rollup.batchOf(0).proven);
        assertEq(rollup.root(), _root(0));
    }

    /// Provers need not wait for each other, and the state does not run ahead.
    function test_ProvenInAnyOrderAndFinalInOrder() public {
        _proposeMany(4);
        _prove(2);
        _prove(1);
        assertEq(rollup.finalised(), 0);
        assertEq(rollup.root(), GENESIS);
        _prove(0);
        assertEq(rollup.finalised(), 3);
        assertEq(rollup.root(), _root(2));
        _prove(3);
        assertEq(rollup.root(), _root(3));
    }

    function test_ProvenAgainDoesNoHarm() public {
        _proposeMany(2);
        bytes memory proof = _proofOf(rollup.statementOf(0));
        rollup.proveBatch(0, proof);
        vm.recordLogs();
        rollup.proveBatch(0, proof);
        rollup.proveBatch(0, "");
        assertEq(vm.getRecordedLogs().length, 0);
        assertEq(rollup.finalised(), 1);
    }

    function test_RevertWhen_ProofIsOfAnotherBatch() public {
        _proposeMany(2);
        bytes memory proof = _proofOf(rollup.statementOf(1));
        vm.expectRevert(abi.encodeWithSelector(MultiProofVerifier.LegRefused.selector, PROOF, ""));
        rollup.proveBatch(0, proof);
        vm.expectRevert(Rollup.UnknownBatch.selector);
        rollup.proveBatch(2, proof);
    }

    /// A verifier that says no without a word.
    function test_RevertWhen_TheVerifierAnswersWithFalse() public {
        _propose(0);
        vm.mockCall(address(verifier), abi.encodeWithSelector(verifier.verify.selector), abi.encode(false));
        vm.expectRevert(Rollup.NotProven.selector);
        rollup.proveBatch(0, "");
    }

    // ---- dropping ----

    function test_DroppedBatchesLeaveNothingBehind() public {
        _proposeMany(4);
        _prove(0);
        _prove(3);
        bytes32 dropped = rollup.statementOf(2);
        bytes32 proven = rollup.statementOf(3);
        bytes memory proof = _proofOf(dropped);
        vm.expectEmit(address(rollup));
        emit Rollup.BatchesDropped(2, 4);
        vm.prank(sequencer);
        rollup.dropBatches(2);
        assertEq(rollup.batches(), 2);
        assertFalse(rollup.isProven(proven));
        (uint64 from, uint64 until) = rollup.legWindow(dropped, ENCLAVE);
        assertEq(from | until, 0);
        vm.expectRevert(Rollup.UnknownBatch.selector);
        rollup.proveBatch(2, proof);
        // Another batch in its place is another statement.
        _propose(7);
        assertNotEq(rollup.statementOf(2), dropped);
        vm.expectRevert();
        rollup.proveBatch(2, proof);
        _prove(1);
        _prove(2);
        assertEq(rollup.root(), _root(7));
    }

    function test_RevertWhen_DroppedByAnotherOrFinal() public {
        _proposeMany(2);
        vm.expectRevert(Rollup.NotSequencer.selector);
        rollup.dropBatches(0);
        _prove(0);
        vm.startPrank(sequencer);
        vm.expectRevert(Rollup.BatchIsFinal.selector);
        rollup.dropBatches(0);
        vm.expectRevert(Rollup.UnknownBatch.selector);
        rollup.dropBatches(2);
        rollup.dropBatches(1);
        assertEq(rollup.root(), _root(0));
    }

    // ---- early legs ----

    function test_TakesAnEarlyLegWithinItsWindow() public {
        _propose(0);
        bytes32 statement = rollup.statementOf(0);
        bytes memory proof = legs[ENCLAVE].proofOf(statement);
        (uint64 from, uint64 until) = rollup.legWindow(statement, ENCLAVE);
        assertEq(from, block.timestamp);
        assertEq(until, block.timestamp + WINDOW);
        vm.warp(until - 1);
        vm.expectEmit(address(rollup));
        emit Rollup.SoftConfirmed(0, statement, ENCLAVE);
        vm.prank(anybody);
        rollup.receiveLeg(statement, ENCLAVE, proof);
        assertEq(rollup.batchOf(0).softLegs, 1 << ENCLAVE);
        // A leg is no bundle.
        assertFalse(rollup.isProven(statement));
        assertEq(rollup.finalised(), 0);
        // Again, it is nothing new.
        vm.recordLogs();
        rollup.receiveLeg(statement, ENCLAVE, proof);
        assertEq(vm.getRecordedLogs().length, 0);
        _prove(0);
        assertEq(rollup.root(), _root(0));
    }

    function test_RevertWhen_EarlyLegIsNotAskedFor() public {
        _propose(0);
        bytes32 statement = rollup.statementOf(0);
        bytes memory enclave = legs[ENCLAVE].proofOf(statement);
        // It has no window; there is no such leg; there is no such batch.
        _outside(statement, PROOF, legs[PROOF].proofOf(statement));
        _outside(statement, 2, enclave);
        _outside(statement, type(uint256).max, enclave);
        _outside(keccak256("nothing"), ENCLAVE, enclave);
        // Too late, or no longer of use.
        uint256 before = vm.snapshotState();
        vm.warp(block.timestamp + WINDOW);
        _outside(statement, ENCLAVE, enclave);
        vm.revertToState(before);
        _prove(0);
        _outside(statement, ENCLAVE, enclave);
    }

    function test_RevertWhen_EarlyLegIsRefused() public {
        _propose(0);
        bytes32 statement = rollup.statementOf(0);
        bytes memory other = legs[ENCLAVE].proofOf(keccak256("another"));
        vm.expectRevert(Rollup.NotProven.selector);
        rollup.receiveLeg(statement, ENCLAVE, other);
        assertEq(rollup.batchOf(0).softLegs, 0);
    }

    function test_SaysThatItTakesLegs() public view {
        bytes4 id = rollup.legWindow.selector ^ rollup.receiveLeg.selector;
        assertEq(type(ILegReceiver).interfaceId, id);
        assertTrue(rollup.supportsInterface(id));
        assertTrue(rollup.supportsInterface(type(IERC165).interfaceId));
        assertFalse(rollup.supportsInterface(0xffffffff));
    }

    // ---- construction ----

    function test_RevertWhen_MadeWrongly() public {
        vm.expectRevert(Rollup.NotAContract.selector);
        new Rollup(MultiProofVerifier(anybody), sequencer, GENESIS, LENGTH, _windows());
        vm.expectRevert(Rollup.ZeroAddress.selector);
        new Rollup(verifier, address(0), GENESIS, LENGTH, _windows());
        vm.expectRevert(Rollup.BadWindows.selector);
        new Rollup(verifier, sequencer, GENESIS, LENGTH, new uint32[](1));
        vm.expectRevert(Rollup.BadWindows.selector);
        new Rollup(verifier, sequencer, GENESIS, LENGTH, new uint32[](3));
    }

    // ---- helpers ----

    function _windows() private pure returns (uint32[] memory windows) {
        windows = new uint32[](2);
        windows[ENCLAVE] = WINDOW;
    }

    function _root(uint256 index) private pure returns (bytes32) {
        return keccak256(abi.encode("root", index));
    }

    function _transfers(uint256 index) private pure returns (bytes memory transfers) {
        transfers = new bytes(LENGTH);
        transfers[0] = bytes1(uint8(index + 1));
    }

    function _propose(uint256 index) private returns (uint32) {
        vm.prank(sequencer);
        return rollup.proposeBatch(_root(index), _transfers(index));
    }

    function _proposeMany(uint256 count) private {
        for (uint256 i; i < count; ++i) {
            _propose(i);
        }
    }

    function _proofOf(bytes32 statement) private view returns (bytes memory) {
        LegProof[] memory bundle = new LegProof[](2);
        bundle[0] = LegProof(0, legs[0].proofOf(statement));
        bundle[1] = LegProof(1, legs[1].proofOf(statement));
        return abi.encode(bundle);
    }

    function _prove(uint256 batchId) private {
        rollup.proveBatch(uint32(batchId), _proofOf(rollup.statementOf(uint32(batchId))));
    }

    function _outside(bytes32 statement, uint256 leg, bytes memory proof) private {
        vm.expectRevert(Rollup.OutsideWindow.selector);
        rollup.receiveLeg(statement, leg, proof);
    }
}
