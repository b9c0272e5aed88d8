// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {TrustClass} from "../../src/interfaces/IProofVerifier.sol";
import {LegProof} from "../../src/libraries/LegProofs.sol";
import {MultiProofVerifier} from "../../src/verifiers/MultiProofVerifier.sol";
import {InstanceState} from "../../src/verifiers/SgxInstances.sol";
import {SgxVerifier} from "../../src/verifiers/SgxVerifier.sol";
import {TestLeg} from "../mocks/Legs.sol";
import {TestVerifier} from "../mocks/Verifiers.sol";
import {BundleFixture} from "./BundleFixture.sol";

/// @notice Which proofs of a bundle are taken: real legs, two of three.
contract MultiProofVerifierTest is BundleFixture {
    // ---- what is taken ----

    function test_AcceptsEveryTwoAndAllThree() public view {
        uint256[4] memory masks = [uint256(3), 5, 6, 7];
        for (uint256 i; i < masks.length; ++i) {
            assertTrue(verifier.verify(journalDigest, abi.encode(bundleOf(masks[i]))));
        }
        assertEq(uint256(verifier.trustClass()), uint256(TrustClass.ONCHAIN_PROOF));
    }

    function test_RevertWhen_LegsAreTooFew() public {
        for (uint8 leg; leg < 3; ++leg) {
            _refused(bundleOf(1 << leg), abi.encodeWithSelector(MultiProofVerifier.TooFewLegs.selector, 1, 2));
        }
        _refused(bundleOf(0), abi.encodeWithSelector(MultiProofVerifier.TooFewLegs.selector, 0, 2));
    }

    /// SECURITY 15: one leg for one statement, the other for another, asked about either.
    function test_RevertWhen_LegsAreForDifferentStatements() public {
        bytes32 other = sha256("another journal");
        LegProof[] memory bundle = pair(realLegProof(GROTH16), LegProof(SGX, sgxProof(other)));
        bytes memory reason = abi.encodeWithSelector(SgxVerifier.StatementMismatch.selector);
        _refused(bundle, abi.encodeWithSelector(MultiProofVerifier.LegRefused.selector, SGX, reason));
        vm.expectRevert(abi.encodeWithSelector(MultiProofVerifier.LegRefused.selector, GROTH16, ""));
        verifier.verify(other, abi.encode(bundle));
    }

    function test_RevertWhen_OneBeyondTheThresholdIsRefused() public {
        for (uint8 leg; leg < 3; ++leg) {
            LegProof[] memory bundle = bundleOf(7);
            // Of another leg, or of none.
            bundle[leg].proof = realLegProof((leg + 1) % 3).proof;
            assertFalse(accepts(verifier, journalDigest, abi.encode(bundle)));
            bundle[leg].proof = "";
            assertFalse(accepts(verifier, journalDigest, abi.encode(bundle)));
        }
    }

    function test_RevertWhen_LegsAreNotAscending() public {
        bytes memory reason = abi.encodeWithSelector(MultiProofVerifier.LegsNotAscending.selector);
        for (uint8 leg; leg < 3; ++leg) {
            // The same twice is one kind, however often it is given.
            _refused(pair(realLegProof(leg), realLegProof(leg)), reason);
            for (uint8 lower; lower < leg; ++lower) {
                _refused(pair(realLegProof(leg), realLegProof(lower)), reason);
            }
        }
    }

    function test_RevertWhen_LegIsUnknown() public {
        LegProof[] memory bundle = bundleOf(3);
        bundle[1].leg = 3;
        _refused(bundle, abi.encodeWithSelector(MultiProofVerifier.UnknownLeg.selector, 3));
        bundle[1].leg = 255;
        _refused(bundle, abi.encodeWithSelector(MultiProofVerifier.UnknownLeg.selector, 255));
    }

    /// SECURITY 15, the incident: an enclave and a committee that agree are not enough, however honest they look.
    function test_RevertWhen_NoneGivenIsAnOnchainProof() public {
        MultiProofVerifier mixed = new MultiProofVerifier(legsOf(groth16Leg, committeeLeg, sgxLeg), 2);
        LegProof memory word = LegProof(RISC0, abi.encode(IMAGE, realJournal(), quorumSeal(realJournal())));
        vm.expectRevert(MultiProofVerifier.NoOnchainProof.selector);
        mixed.verify(journalDigest, abi.encode(pair(word, realLegProof(SGX))));
        // With the proof each of them will do.
        assertTrue(mixed.verify(journalDigest, abi.encode(pair(realLegProof(GROTH16), word))));
        assertTrue(mixed.verify(journalDigest, abi.encode(pair(realLegProof(GROTH16), realLegProof(SGX)))));
    }

    function test_RevertWhen_TheOnlyLegIsAnEnclaves() public {
        MultiProofVerifier one = new MultiProofVerifier(legsOf(groth16Leg, riscZeroLeg, sgxLeg), 1);
        assertTrue(one.verify(journalDigest, abi.encode(bundleOf(1 << RISC0))));
        vm.expectRevert(MultiProofVerifier.NoOnchainProof.selector);
        one.verify(journalDigest, abi.encode(bundleOf(1 << SGX)));
    }

    function test_RevertWhen_LegIsGone() public {
        vm.etch(address(groth16Leg), "");
        vm.expectRevert();
        verifier.verify(journalDigest, abi.encode(bundleOf(7)));
    }

    // ---- reasons ----

    function test_TellsWhichLegHasRefusedAndWhy() public {
        revoke(instance);
        bytes memory reason = abi.encodeWithSelector(SgxVerifier.NotActive.selector, instance, InstanceState.Revoked);
        _refused(bundleOf(7), abi.encodeWithSelector(MultiProofVerifier.LegRefused.selector, SGX, reason));
    }

    function test_RevertWhen_LegAnswersAnythingButTrue() public {
        TrustClass[] memory classes = new TrustClass[](3);
        TestLeg[] memory legs = testLegs(classes);
        MultiProofVerifier tested = new MultiProofVerifier(asLegs(legs), 2);
        LegProof[] memory bundle =
            pair(LegProof(0, legs[0].proofOf(journalDigest)), LegProof(1, legs[1].proofOf(journalDigest)));
        assertTrue(tested.verify(journalDigest, abi.encode(bundle)));
        TestVerifier.Verify[7] memory modes = [
            TestVerifier.Verify.RejectAll,
            TestVerifier.Verify.Reverts,
            TestVerifier.Verify.Nothing,
            TestVerifier.Verify.Short,
            TestVerifier.Verify.Two,
            TestVerifier.Verify.GasBomb,
            TestVerifier.Verify.ReturnBomb
        ];
        for (uint256 i; i < modes.length; ++i) {
            legs[1].setVerify(modes[i]);
            assertFalse(accepts(tested, journalDigest, abi.encode(bundle)));
        }
    }

    /// Gas that runs out in the middle refuses; it never accepts.
    function testFuzz_StarvedNeverAccepts(uint256 gasGiven) public {
        LegProof[] memory bundle = bundleOf(7);
        bundle[2].proof = sgxProof(0);
        bytes memory proof = abi.encode(bundle);
        gasGiven = bound(gasGiven, 0, 1_000_000);
        try verifier.verify{gas: gasGiven}(journalDigest, proof) returns (bool accepted) {
            assertFalse(accepted);
        } catch {}
        revoke(instance);
        try verifier.verify{gas: gasGiven}(journalDigest, abi.encode(bundleOf(7))) returns (bool accepted) {
            assertFalse(accepted);
        } catch {}
    }

    // ---- helpers ----

    function _refused(LegProof[] memory bundle, bytes memory reason) private {
        vm.expectRevert(reason);
        verifier.verify(journalDigest, abi.encode(bundle));
    }
}
