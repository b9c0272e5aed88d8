// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IProofVerifier, TrustClass} from "../../src/interfaces/IProofVerifier.sol";
import {ILeg} from "../../src/interfaces/ILeg.sol";
import {SgxVerifier} from "../../src/verifiers/SgxVerifier.sol";
import {Groth16Leg} from "../../src/verifiers/legs/Groth16Leg.sol";
import {Leg} from "../../src/verifiers/legs/Leg.sol";
import {RiscZeroLeg} from "../../src/verifiers/legs/RiscZeroLeg.sol";
import {SgxLeg} from "../../src/verifiers/legs/SgxLeg.sol";
import {Fixtures} from "../fixtures/Fixtures.sol";
import {TestLeg} from "../mocks/Legs.sol";
import {TestVerifier} from "../mocks/Verifiers.sol";
import {BundleFixture} from "./BundleFixture.sol";

contract LegsTest is BundleFixture {
    using Fixtures for bytes;

    // ---- each kind ----

    function test_Groth16AcceptsTheHalvesOfTheDigest() public view {
        assertTrue(groth16Leg.verify(journalDigest, groth16Proof()));
        (uint256 high, uint256 low) = (uint256(journalDigest) >> 128, uint256(journalDigest) & type(uint128).max);
        assertEq(groth16Leg.statementOf(journalDigest), keccak256(abi.encode(high, low)));
        assertEq(groth16Leg.kind(), keccak256("groth16-bn254"));
    }

    function test_Groth16RefusesOtherHalves() public view {
        bytes32 swapped = journalDigest << 128 | journalDigest >> 128;
        assertFalse(groth16Leg.verify(swapped, groth16Proof()));
        assertFalse(groth16Leg.verify(bytes32(uint256(journalDigest) ^ 1), groth16Proof()));
        assertFalse(groth16Leg.verify(bytes32(uint256(journalDigest) ^ 1 << 255), groth16Proof()));
        // A proof whose inputs are no halves: the digest as a whole, or a half that is one too large for its place.
        bytes memory proof = groth16Proof().withWord(9, groth16Proof().wordAt(9) + (1 << 128));
        assertFalse(groth16Leg.verify(journalDigest, proof));
    }

    function test_RiscZeroAcceptsTheRealReceipt() public view {
        assertTrue(riscZeroLeg.verify(journalDigest, realProof()));
        assertEq(riscZeroLeg.statementOf(journalDigest), realStatement());
        assertEq(riscZeroLeg.kind(), keccak256("risc0"));
    }

    function test_RiscZeroAcceptsACommitteesWordAsSuch() public view {
        bytes memory proof = abi.encode(IMAGE, realJournal(), quorumSeal(realJournal()));
        assertTrue(committeeLeg.verify(journalDigest, proof));
        assertEq(uint256(committeeLeg.trustClass()), uint256(TrustClass.COMMITTEE));
        assertEq(committeeLeg.kind(), riscZeroLeg.kind());
    }

    function test_RiscZeroRefusesAnotherProgram() public {
        RiscZeroLeg other = new RiscZeroLeg(riscZeroLeg.VERIFIER(), OTHER_IMAGE);
        assertFalse(other.verify(journalDigest, realProof()));
        assertFalse(accepts(other, journalDigest, abi.encode(OTHER_IMAGE, realJournal(), realSeal())));
    }

    function test_SgxAcceptsAnInstancesSignature() public view {
        assertTrue(sgxLeg.verify(journalDigest, sgxProof(journalDigest)));
        assertEq(sgxLeg.statementOf(journalDigest), statementFor(PROGRAM, journalDigest));
        assertEq(sgxLeg.kind(), keccak256("sgx"));
        assertEq(uint256(sgxLeg.trustClass()), uint256(TrustClass.TEE));
    }

    function test_SgxRefusesAnotherProgram() public {
        SgxLeg other = new SgxLeg(sgx, OTHER_PROGRAM);
        assertFalse(accepts(other, journalDigest, sgxProof(journalDigest)));
        assertFalse(accepts(other, journalDigest, sgxProofBy(instanceKey, OTHER_PROGRAM, journalDigest)));
    }

    /// SECURITY 15: each leg takes the proof of its own statement, and none of them any other's.
    function testFuzz_RefusesEveryOtherDigest(bytes32 digest) public view {
        vm.assume(digest != journalDigest);
        assertFalse(accepts(groth16Leg, digest, groth16Proof()));
        assertFalse(accepts(riscZeroLeg, digest, realProof()));
        assertFalse(accepts(sgxLeg, digest, sgxProof(journalDigest)));
    }

    // ---- what is behind ----

    function test_PassesOnWhatIsBehind() public {
        TestVerifier behind = new TestVerifier();
        Leg[3] memory legs = [
            Leg(new Groth16Leg(behind)),
            new RiscZeroLeg(behind, IMAGE),
            new SgxLeg(SgxVerifier(address(behind)), PROGRAM)
        ];
        for (uint256 i; i < legs.length; ++i) {
            bytes memory proof = behind.proofOf(legs[i].statementOf(journalDigest));
            assertTrue(legs[i].verify(journalDigest, proof));
            assertFalse(legs[i].verify(journalDigest, bytes.concat(proof, hex"00")));
            behind.setVerify(TestVerifier.Verify.Reverts);
            vm.expectRevert("refused");
            legs[i].verify(journalDigest, proof);
            behind.setVerify(TestVerifier.Verify.Honest);
        }
        for (uint256 i; i < 2; ++i) {
            assertFalse(legs[i].halted());
            behind.setHalt(TestVerifier.Halt.Halted);
            assertTrue(legs[i].halted());
            behind.setHalt(TestVerifier.Halt.Running);
        }
    }

    function test_TrustClassIsWhatItWasWhenTheLegWasMade() public {
        TestLeg behind = new TestLeg(0, TrustClass.COMMITTEE);
        Groth16Leg leg = new Groth16Leg(behind);
        behind.setTrustClass(TrustClass.ONCHAIN_PROOF);
        assertEq(uint256(leg.trustClass()), uint256(TrustClass.COMMITTEE));
        assertEq(uint256(groth16Leg.trustClass()), uint256(TrustClass.ONCHAIN_PROOF));
        assertEq(uint256(riscZeroLeg.trustClass()), uint256(TrustClass.ONCHAIN_PROOF));
    }

    function test_RevertWhen_VerifierHasNoCode() public {
        vm.expectRevert(Leg.NotAContract.selector);
        new Groth16Leg(IProofVerifier(outsider));
        vm.expectRevert(Leg.NotAContract.selector);
        new RiscZeroLeg(IProofVerifier(outsider), IMAGE);
        vm.expectRevert(Leg.NotAContract.selector);
        new SgxLeg(SgxVerifier(outsider), PROGRAM);
    }

    function test_RevertWhen_VerifierIsGone() public {
        vm.etch(address(groth16Leg.VERIFIER()), "");
        vm.expectRevert();
        groth16Leg.verify(journalDigest, groth16Proof());
    }

    // ---- a halted enclave ----

    function test_SgxIsHaltedWhileNoInstanceIsActive() public {
        assertFalse(sgxLeg.halted());
        assertTrue(new SgxLeg(sgx, OTHER_PROGRAM).halted(), "no such program");
        revoke(instance);
        assertTrue(sgxLeg.halted(), "revoked");
        (address second,) = makeAddrAndKey("second");
        register(second);
        assertTrue(sgxLeg.halted(), "pending");
        vm.warp(block.timestamp + DELAY);
        assertFalse(sgxLeg.halted(), "active");
        removeBuild(MRENCLAVE);
        assertTrue(sgxLeg.halted(), "removed");
        allowBuild(PROGRAM, MRENCLAVE);
        assertFalse(sgxLeg.halted(), "back");
        vm.warp(block.timestamp + LIFETIME);
        assertTrue(sgxLeg.halted(), "expired");
    }

    function test_SgxIsHaltedWhenStopped() public {
        assertFalse(sgx.halted());
        vm.prank(guardian);
        sgx.stop();
        assertTrue(sgxLeg.halted());
        assertTrue(sgx.halted());
    }
}
