// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IProofVerifier, TrustClass} from "../../src/interfaces/IProofVerifier.sol";
import {ILeg} from "../../src/interfaces/ILeg.sol";
import {LegProof} from "../../src/libraries/LegProofs.sol";
import {Groth16Verifier} from "../../src/verifiers/Groth16Verifier.sol";
import {MultiProofVerifier} from "../../src/verifiers/MultiProofVerifier.sol";
import {RiscZeroVerifierAdapter} from "../../src/verifiers/RiscZeroVerifierAdapter.sol";
import {Groth16Leg} from "../../src/verifiers/legs/Groth16Leg.sol";
import {RiscZeroLeg} from "../../src/verifiers/legs/RiscZeroLeg.sol";
import {SgxLeg} from "../../src/verifiers/legs/SgxLeg.sol";
import {Fixtures} from "../fixtures/Fixtures.sol";
import {TestLeg} from "../mocks/Legs.sol";
import {ZkvmFixture} from "../zkvm/ZkvmFixture.sol";
import {SgxFixture} from "./SgxFixture.sol";

/// @notice A bundle that takes two of three legs, and for one journal real proofs of each kind: a circuit's, RISC Zero's
/// wrapped receipt, and an enclave's signature.
abstract contract BundleFixture is ZkvmFixture, SgxFixture {
    uint8 internal constant GROTH16 = 0;
    uint8 internal constant RISC0 = 1;
    uint8 internal constant SGX = 2;

    Groth16Leg internal groth16Leg;
    RiscZeroLeg internal riscZeroLeg;
    /// @dev Its proofs are the committee's word.
    RiscZeroLeg internal committeeLeg;
    SgxLeg internal sgxLeg;
    MultiProofVerifier internal verifier;
    /// @dev SHA-256 of the journal: the bundle's statement.
    bytes32 internal journalDigest = sha256(realJournal());

    function setUp() public virtual override {
        super.setUp();
        setUpSgx();
        groth16Leg = new Groth16Leg(new Groth16Verifier(Fixtures.productKey()));
        riscZeroLeg = new RiscZeroLeg(new RiscZeroVerifierAdapter(published), IMAGE);
        committeeLeg = new RiscZeroLeg(committee, IMAGE);
        sgxLeg = new SgxLeg(sgx, PROGRAM);
        verifier = new MultiProofVerifier(legsOf(groth16Leg, riscZeroLeg, sgxLeg), 2);
    }

    function legsOf(ILeg first, ILeg second, ILeg third) internal pure returns (ILeg[] memory list) {
        list = new ILeg[](3);
        (list[0], list[1], list[2]) = (first, second, third);
    }

    /// @dev Legs of kinds of their own.
    function testLegs(TrustClass[] memory classes) internal returns (TestLeg[] memory legs) {
        legs = new TestLeg[](classes.length);
        for (uint256 i; i < classes.length; ++i) {
            legs[i] = new TestLeg(bytes32(i), classes[i]);
        }
    }

    function asLegs(TestLeg[] memory legs) internal pure returns (ILeg[] memory list) {
        list = new ILeg[](legs.length);
        for (uint256 i; i < legs.length; ++i) {
            list[i] = legs[i];
        }
    }

    // ---- real proofs for the journal ----

    function groth16Proof() internal view returns (bytes memory) {
        return Fixtures.bundleProof(0);
    }

    function realLegProof(uint8 leg) internal view returns (LegProof memory) {
        if (leg == GROTH16) return LegProof(leg, groth16Proof());
        if (leg == RISC0) return LegProof(leg, realProof());
        return LegProof(leg, sgxProof(journalDigest));
    }

    /// @dev The legs whose bits are set, in ascending order.
    function bundleOf(uint256 mask) internal view returns (LegProof[] memory bundle) {
        bundle = new LegProof[](3);
        uint256 count;
        for (uint8 leg; leg < 3; ++leg) {
            if (mask & (1 << leg) != 0) bundle[count++] = realLegProof(leg);
        }
        assembly ("memory-safe") {
            mstore(bundle, count)
        }
    }

    function pair(LegProof memory first, LegProof memory second) internal pure returns (LegProof[] memory bundle) {
        bundle = new LegProof[](2);
        (bundle[0], bundle[1]) = (first, second);
    }

    function accepts(IProofVerifier by, bytes32 statement, bytes memory proof) internal view returns (bool) {
        try by.verify(statement, proof) returns (bool accepted) {
            return accepted;
        } catch {
            return false;
        }
    }
}
