// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {RevenueLedger} from "../../src/RevenueLedger.sol";
import {ZKPool} from "../../src/ZKPool.sol";
import {Rollup} from "../../src/examples/Rollup.sol";
import {Call, IZKPool, Quote} from "../../src/interfaces/IZKPool.sol";
import {LegProof} from "../../src/libraries/LegProofs.sol";
import {MultiProofVerifier} from "../../src/verifiers/MultiProofVerifier.sol";
import {InstanceState} from "../../src/verifiers/SgxInstances.sol";
import {SgxVerifier} from "../../src/verifiers/SgxVerifier.sol";
import {Fixtures} from "../fixtures/Fixtures.sol";
import {BundleFixture} from "./BundleFixture.sol";

/// @notice A pool with one operator, and a rollup of two batches, for which there are real proofs of a circuit.
abstract contract BundleDeliveryFixture is BundleFixture {
    uint128 internal constant REWARD = 1001;
    uint128 internal constant LIABILITY = 5003;
    /// @dev Where the proofs in test/fixtures/bundle.json expect it.
    Rollup internal constant ROLLUP = Rollup(address(0x0211ed));
    uint32 internal constant WINDOW = 3600;

    ZKPool internal pool;
    address internal requester = makeAddr("requester");
    address internal operator = makeAddr("operator");
    address internal sequencer = makeAddr("sequencer");
    address internal signer;
    uint256 internal signerKey;

    function setUp() public virtual override {
        super.setUp();
        (signer, signerKey) = makeAddrAndKey("signer");
        pool = new ZKPool(address(new RevenueLedger()));
        address[2] memory parties = [requester, operator];
        for (uint256 i; i < parties.length; ++i) {
            token.mint(parties[i], 1_000_000);
            vm.prank(parties[i]);
            token.approve(address(pool), type(uint256).max);
        }
        vm.startPrank(operator);
        pool.setSigner(signer);
        pool.openSlot(address(token), 0, LIABILITY, 0, address(0));
        pool.openSlot(address(token), 1, LIABILITY, 0, address(0));
        vm.stopPrank();
        deployRollup(verifier);
        propose(0);
        propose(1);
    }

    function deployRollup(MultiProofVerifier by) internal {
        uint32[] memory windows = new uint32[](3);
        windows[SGX] = WINDOW;
        bytes memory arguments = abi.encode(by, sequencer, bytes32(uint256(1000)), uint256(256), windows);
        deployCodeTo("Rollup.sol:Rollup", arguments, address(ROLLUP));
    }

    /// @dev As the fixtures' maker has it: batch i leads from root 1000 + i to the next, and is 256 bytes of i + 1.
    function propose(uint256 batchId) internal {
        vm.prank(sequencer);
        ROLLUP.proposeBatch(bytes32(1001 + batchId), transfersOf(batchId));
        assertEq(ROLLUP.statementOf(uint32(batchId)), sha256(Fixtures.bundleJournal(1 + batchId)));
    }

    function transfersOf(uint256 batchId) internal pure returns (bytes memory transfers) {
        transfers = new bytes(256);
        for (uint256 i; i < transfers.length; ++i) {
            transfers[i] = bytes1(uint8(batchId + 1));
        }
    }

    function legsFor(uint32 batchId) internal view returns (LegProof[] memory) {
        return pair(
            LegProof(GROTH16, Fixtures.bundleProof(1 + batchId)), LegProof(SGX, sgxProof(ROLLUP.statementOf(batchId)))
        );
    }

    function proofFor(uint32 batchId) internal view returns (bytes memory) {
        return abi.encode(legsFor(batchId));
    }

    /// @dev A verifier of zero is target mode. No encoder: the function takes the proof as its last argument.
    function task(uint32 batchId, address by) internal view returns (Quote memory quote, Call memory call) {
        call.prefix = abi.encodePacked(Rollup.proveBatch.selector, uint256(batchId), uint256(0x40));
        bytes32 statement = ROLLUP.statementOf(batchId);
        if (by == address(0)) call.doneCheck = abi.encodeCall(Rollup.isProven, (statement));
        quote.terms.requester = requester;
        quote.terms.operator = operator;
        quote.terms.target = address(ROLLUP);
        quote.terms.verifier = by;
        quote.terms.callGas = 500_000;
        quote.terms.proofWindow = 1000;
        quote.terms.liabilityWindow = 3000;
        quote.terms.validUntil = uint40(block.timestamp + 60);
        quote.terms.rewardToken = address(token);
        quote.terms.reward = REWARD;
        quote.terms.liabilityToken = address(token);
        quote.terms.liability = LIABILITY;
        quote.task.slot = batchId;
        quote.task.statement = statement;
        quote.task.callHash = keccak256(
            abi.encode(
                keccak256("Call(bytes prefix,bytes suffix,bytes doneCheck)"),
                keccak256(call.prefix),
                keccak256(call.suffix),
                keccak256(call.doneCheck)
            )
        );
    }

    function publish(Quote memory quote) internal returns (bytes32 id) {
        bytes memory signature = signWith(signerKey, pool.digestOf(quote));
        bool accepted;
        vm.prank(requester);
        (id, accepted) = pool.publish(quote, signature);
        assertTrue(accepted, "not accepted");
    }

    function prove(Quote memory quote, Call memory call, bytes memory proof) internal {
        vm.prank(signer);
        pool.prove(quote, call, proof);
    }

    function earned() internal view returns (uint256) {
        return pool.balanceOf(address(token), operator);
    }
}

/// @notice The whole way of a bundle: quote, publication, two kinds of proof, the rollup, reward.
contract BundleDeliveryTest is BundleDeliveryFixture {
    function test_BundleReachesTheRollupInEitherMode() public {
        address[2] memory verifiers = [address(verifier), address(0)];
        for (uint256 i; i < verifiers.length; ++i) {
            uint256 before = vm.snapshotState();
            (Quote memory quote, Call memory call) = task(0, verifiers[i]);
            bytes32 id = publish(quote);
            vm.expectEmit(address(pool));
            emit IZKPool.Delivered(id, true, true, 0);
            prove(quote, call, proofFor(0));
            assertEq(ROLLUP.root(), bytes32(uint256(1001)));
            assertEq(ROLLUP.finalised(), 1);
            assertEq(earned(), REWARD);
            vm.revertToState(before);
        }
    }

    /// An operator's delivery does not hang on another's.
    function test_BatchesAreDeliveredInAnyOrder() public {
        (Quote memory first, Call memory firstCall) = task(0, address(verifier));
        (Quote memory second, Call memory secondCall) = task(1, address(verifier));
        publish(first);
        publish(second);
        prove(second, secondCall, proofFor(1));
        assertEq(earned(), REWARD);
        assertEq(ROLLUP.finalised(), 0);
        prove(first, firstCall, proofFor(0));
        assertEq(earned(), 2 * REWARD);
        assertEq(ROLLUP.root(), bytes32(uint256(1002)));
    }

    /// SECURITY 15, by way of the pool: what the policy does not take is not paid for, and the rollup says why.
    function test_RevertWhen_ThePolicyIsNotSatisfied() public {
        LegProof[] memory legs = legsFor(0);
        LegProof[] memory one = new LegProof[](1);
        one[0] = legs[0];
        bytes memory tooFew = abi.encodeWithSelector(MultiProofVerifier.TooFewLegs.selector, 1, 2);
        _expectRefused(abi.encode(one), tooFew);
        one[0] = legs[1];
        _expectRefused(abi.encode(one), tooFew);
        _expectRefused(
            abi.encode(pair(legs[1], legs[1])), abi.encodeWithSelector(MultiProofVerifier.LegsNotAscending.selector)
        );
        // One leg is of the other batch.
        bytes memory mismatch = abi.encodeWithSelector(
            MultiProofVerifier.LegRefused.selector, SGX, abi.encodeWithSelector(SgxVerifier.StatementMismatch.selector)
        );
        _expectRefused(abi.encode(pair(legs[0], legsFor(1)[1])), mismatch);
        bytes memory refused = abi.encodeWithSelector(MultiProofVerifier.LegRefused.selector, GROTH16, "");
        _expectRefused(abi.encode(pair(legsFor(1)[0], legs[1])), refused);
    }

    function test_RevertWhen_AnEnclaveAndACommitteeAgree() public {
        MultiProofVerifier mixed = new MultiProofVerifier(legsOf(groth16Leg, committeeLeg, sgxLeg), 2);
        deployRollup(mixed);
        (Quote memory quote, Call memory call) = task(0, address(mixed));
        quote.task.statement = journalDigest;
        publish(quote);
        bytes memory word = abi.encode(IMAGE, realJournal(), quorumSeal(realJournal()));
        bytes memory proof = abi.encode(pair(LegProof(RISC0, word), realLegProof(SGX)));
        vm.expectRevert(IZKPool.ProofRejected.selector);
        prove(quote, call, proof);
    }

    /// SECURITY 11: whoever copies the bundle can use it up, but is not paid, and the operator is, in both modes.
    function test_CopiedBundleCostsTheOperatorNothing() public {
        address[2] memory verifiers = [address(verifier), address(0)];
        for (uint256 i; i < verifiers.length; ++i) {
            uint256 before = vm.snapshotState();
            (Quote memory quote, Call memory call) = task(0, verifiers[i]);
            bytes32 id = publish(quote);
            bytes memory proof = proofFor(0);
            vm.startPrank(stranger);
            ROLLUP.proveBatch(0, proof);
            vm.expectRevert(IZKPool.NotAuthorized.selector);
            pool.prove(quote, call, proof);
            vm.stopPrank();
            vm.expectEmit(address(pool));
            emit IZKPool.Delivered(id, true, true, 0);
            prove(quote, call, proof);
            assertEq(earned(), REWARD);
            vm.revertToState(before);
        }
    }

    /// The enclave is done at once, the proof an hour later: the first is told early, the money comes with the whole.
    function test_AnEarlyLegChangesNothingAboutTheDelivery() public {
        (Quote memory quote, Call memory call) = task(0, address(verifier));
        publish(quote);
        LegProof[] memory legs = legsFor(0);
        bytes32 statement = quote.task.statement;
        vm.expectEmit(address(ROLLUP));
        emit Rollup.SoftConfirmed(0, statement, SGX);
        vm.prank(operator);
        ROLLUP.receiveLeg(statement, SGX, legs[1].proof);
        assertEq(ROLLUP.batchOf(0).softLegs, 1 << SGX);
        assertEq(ROLLUP.finalised(), 0);
        assertEq(earned(), 0);
        vm.warp(block.timestamp + 900);
        prove(quote, call, abi.encode(legs));
        assertEq(ROLLUP.root(), bytes32(uint256(1001)));
        assertEq(earned(), REWARD);
    }

    /// SECURITY 16 and 19: the build is removed in the middle of a task that cannot do without it: nobody is at fault.
    function test_ARemovedBuildCostsNobody() public {
        MultiProofVerifier all = new MultiProofVerifier(legsOf(groth16Leg, riscZeroLeg, sgxLeg), 3);
        (Quote memory quote,) = task(0, address(all));
        publish(quote);
        removeBuild(MRENCLAVE);
        uint256 before = pool.balanceOf(address(token), requester);
        pool.observeHalt(quote);
        for (uint256 watched; watched < pool.HALT_CAP(); watched += 900) {
            vm.warp(block.timestamp + 900);
            pool.observeHalt(quote);
        }
        pool.unwind(quote);
        assertEq(pool.balanceOf(address(token), requester) - before, REWARD);
        assertEq(pool.slotOf(operator, address(token), 0).collateral, LIABILITY);
    }

    /// And one that can is not halted: the operator answers for the legs that are left.
    function test_ABundleThatCanDoWithoutALegIsNotHalted() public {
        (Quote memory quote, Call memory call) = task(0, address(verifier));
        publish(quote);
        removeBuild(MRENCLAVE);
        pool.observeHalt(quote);
        vm.expectRevert(IZKPool.NotHalted.selector);
        pool.unwind(quote);
        bytes memory proof = proofFor(0);
        vm.expectRevert(IZKPool.ProofRejected.selector);
        prove(quote, call, proof);
        assertEq(uint256(sgx.stateOf(PROGRAM, instance)), uint256(InstanceState.Removed));
        assertFalse(verifier.halted());
    }

    // ---- helpers ----

    function _expectRefused(bytes memory proof, bytes memory reason) private {
        uint256 before = vm.snapshotState();
        (Quote memory quote, Call memory call) = task(0, address(verifier));
        publish(quote);
        vm.expectRevert(IZKPool.ProofRejected.selector);
        prove(quote, call, proof);
        vm.revertToState(before);
        (quote, call) = task(0, address(0));
        publish(quote);
        vm.expectRevert(abi.encodeWithSelector(IZKPool.TargetReverted.selector, reason));
        prove(quote, call, proof);
        vm.revertToState(before);
    }
}
