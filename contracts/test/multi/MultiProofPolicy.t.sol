// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {TrustClass} from "../../src/interfaces/IProofVerifier.sol";
import {ILeg} from "../../src/interfaces/ILeg.sol";
import {LegProof} from "../../src/libraries/LegProofs.sol";
import {MultiProofVerifier} from "../../src/verifiers/MultiProofVerifier.sol";
import {TestLeg} from "../mocks/Legs.sol";
import {TestVerifier} from "../mocks/Verifiers.sol";
import {BundleFixture} from "./BundleFixture.sol";

/// @notice Which policies there can be, and when one cannot be satisfied any more.
contract MultiProofPolicyTest is BundleFixture {
    /// @dev What the pool gives to the question.
    uint256 internal constant HALTED_GAS = 200_000;

    // ---- construction ----

    function test_ThePolicyIsAsItWasGiven() public {
        ILeg[3] memory expected = [ILeg(groth16Leg), riscZeroLeg, sgxLeg];
        MultiProofVerifier.LegView[] memory legs = verifier.legs();
        assertEq(verifier.THRESHOLD(), 2);
        assertEq(legs.length, 3);
        for (uint256 i; i < 3; ++i) {
            assertEq(address(legs[i].leg), address(expected[i]));
            assertEq(legs[i].kind, expected[i].kind());
            assertEq(uint256(legs[i].trustClass), uint256(expected[i].trustClass()));
            assertEq(abi.encode(verifier.leg(i)), abi.encode(legs[i]));
        }
        vm.expectRevert(abi.encodeWithSelector(MultiProofVerifier.UnknownLeg.selector, 3));
        verifier.leg(3);
    }

    function test_RevertWhen_LegsAreTooFewOrTooMany() public {
        for (uint256 count; count <= 9; ++count) {
            ILeg[] memory legs = asLegs(testLegs(new TrustClass[](count)));
            if (count < 2 || count > 8) vm.expectRevert(MultiProofVerifier.BadLegCount.selector);
            new MultiProofVerifier(legs, 1);
        }
    }

    function test_RevertWhen_ThresholdIsNoneOrMoreThanThereAre() public {
        ILeg[] memory legs = legsOf(groth16Leg, riscZeroLeg, sgxLeg);
        for (uint8 threshold; threshold <= 4; ++threshold) {
            if (threshold == 0 || threshold == 4) vm.expectRevert(MultiProofVerifier.BadThreshold.selector);
            new MultiProofVerifier(legs, threshold);
        }
    }

    function test_RevertWhen_ALegHasNoCode() public {
        for (uint256 i; i < 3; ++i) {
            ILeg[] memory legs = legsOf(groth16Leg, riscZeroLeg, sgxLeg);
            legs[i] = ILeg(outsider);
            vm.expectRevert(abi.encodeWithSelector(MultiProofVerifier.NotAContract.selector, i));
            new MultiProofVerifier(legs, 2);
        }
    }

    /// SECURITY 15: the same kind twice, by one contract or by two.
    function test_RevertWhen_TwoLegsAreOfOneKind() public {
        bytes memory reason = abi.encodeWithSelector(MultiProofVerifier.DuplicateKind.selector, keccak256("risc0"));
        vm.expectRevert(reason);
        new MultiProofVerifier(legsOf(riscZeroLeg, groth16Leg, riscZeroLeg), 2);
        vm.expectRevert(reason);
        new MultiProofVerifier(legsOf(riscZeroLeg, committeeLeg, sgxLeg), 2);
        vm.expectRevert(reason);
        new MultiProofVerifier(legsOf(groth16Leg, committeeLeg, riscZeroLeg), 2);
    }

    /// SECURITY 15: no policy that enclaves and committees can satisfy among themselves.
    function test_RevertWhen_NoLegIsAnOnchainProof() public {
        ILeg[] memory legs = new ILeg[](2);
        (legs[0], legs[1]) = (sgxLeg, committeeLeg);
        vm.expectRevert(MultiProofVerifier.NoOnchainProof.selector);
        new MultiProofVerifier(legs, 1);
        vm.expectRevert(MultiProofVerifier.NoOnchainProof.selector);
        new MultiProofVerifier(legs, 2);
        TrustClass[] memory classes = new TrustClass[](8);
        for (uint256 i; i < 8; ++i) {
            classes[i] = i % 2 == 0 ? TrustClass.TEE : TrustClass.COMMITTEE;
        }
        legs = asLegs(testLegs(classes));
        vm.expectRevert(MultiProofVerifier.NoOnchainProof.selector);
        new MultiProofVerifier(legs, 8);
    }

    /// A leg that says later that it is a proof is still what it was.
    function test_TrustClassIsPinned() public {
        (MultiProofVerifier tested, TestLeg[] memory legs) = _policy([true, false, false], 2);
        legs[1].setTrustClass(TrustClass.ONCHAIN_PROOF);
        LegProof[] memory bundle =
            pair(LegProof(1, legs[1].proofOf(journalDigest)), LegProof(2, legs[2].proofOf(journalDigest)));
        vm.expectRevert(MultiProofVerifier.NoOnchainProof.selector);
        tested.verify(journalDigest, abi.encode(bundle));
        legs[0].setHalt(TestVerifier.Halt.Halted);
        assertTrue(tested.halted());
    }

    // ---- halted ----

    /// Every policy over three legs, with every set of them halted.
    function test_HaltedExactlyWhenThePolicyCannotBeSatisfied() public {
        for (uint256 proofs = 1; proofs < 8; ++proofs) {
            for (uint8 threshold = 1; threshold <= 3; ++threshold) {
                (MultiProofVerifier tested, TestLeg[] memory legs) =
                    _policy([proofs & 1 != 0, proofs & 2 != 0, proofs & 4 != 0], threshold);
                for (uint256 halted; halted < 8; ++halted) {
                    _halt(legs, halted);
                    assertEq(tested.halted(), !_canBeSatisfied(3, threshold, proofs, halted));
                }
            }
        }
    }

    function testFuzz_HaltedExactlyWhenThePolicyCannotBeSatisfied(
        uint256 count,
        uint256 threshold,
        uint256 proofs,
        uint256 halted
    ) public {
        count = bound(count, 2, 8);
        threshold = bound(threshold, 1, count);
        proofs = bound(proofs, 1, (1 << count) - 1);
        halted = bound(halted, 0, (1 << count) - 1);
        TrustClass[] memory classes = new TrustClass[](count);
        for (uint256 i; i < count; ++i) {
            classes[i] = proofs & (1 << i) != 0 ? TrustClass.ONCHAIN_PROOF : TrustClass.TEE;
        }
        TestLeg[] memory legs = testLegs(classes);
        MultiProofVerifier tested = new MultiProofVerifier(asLegs(legs), uint8(threshold));
        _halt(legs, halted);
        assertEq(tested.halted{gas: HALTED_GAS}(), !_canBeSatisfied(count, threshold, proofs, halted));
    }

    /// What is halted cannot be proven, and what is not can, by the legs that are left.
    function test_RealLegsHaltAsTheirVerifiersDo() public {
        assertFalse(verifier.halted());
        revoke(instance);
        assertFalse(verifier.halted(), "two proofs are left");
        MultiProofVerifier all = new MultiProofVerifier(legsOf(groth16Leg, riscZeroLeg, sgxLeg), 3);
        assertTrue(all.halted(), "one is missing");
    }

    function test_NothingElseThanTrueIsHalted() public {
        (MultiProofVerifier tested, TestLeg[] memory legs) = _policy([true, true, true], 3);
        TestVerifier.Halt[7] memory modes = [
            TestVerifier.Halt.Reverts,
            TestVerifier.Halt.Nothing,
            TestVerifier.Halt.Short,
            TestVerifier.Halt.Two,
            TestVerifier.Halt.GasBomb,
            TestVerifier.Halt.ReturnBomb,
            TestVerifier.Halt.Running
        ];
        for (uint256 i; i < modes.length; ++i) {
            legs[2].setHalt(modes[i]);
            assertFalse(tested.halted{gas: HALTED_GAS}());
        }
        vm.etch(address(legs[2]), "");
        assertFalse(tested.halted());
    }

    /// Seven of eight legs burn all that they are given, and the last one's halt is seen, whichever it is.
    function test_ALegThatBurnsItsGasHidesNoOthersHalt() public {
        TestLeg[] memory legs = testLegs(new TrustClass[](8));
        MultiProofVerifier tested = new MultiProofVerifier(asLegs(legs), 8);
        for (uint256 honest; honest < 8; ++honest) {
            for (uint256 i; i < 8; ++i) {
                legs[i].setHalt(i == honest ? TestVerifier.Halt.Halted : TestVerifier.Halt.GasBomb);
                vm.cool(address(legs[i]));
            }
            vm.cool(address(tested));
            assertTrue(tested.halted{gas: HALTED_GAS}());
        }
    }

    /// The most expensive enclave there can be: all seats taken, by builds of their own that were all removed.
    function test_TheLargestFleetSaysInTimeThatItIsHalted() public {
        revoke(instance);
        uint256 seats = sgx.SEATS();
        for (uint256 i; i < seats; ++i) {
            bytes32 mrenclave = bytes32(i + 1);
            allowBuild(PROGRAM, mrenclave);
            (address who,) = makeAddrAndKey(vm.toString(i));
            QuoteSpec memory spec = specOf(who);
            spec.mrenclave = mrenclave;
            registerWith(spec, who);
        }
        vm.warp(block.timestamp + DELAY);
        for (uint256 i; i < seats; ++i) {
            removeBuild(bytes32(i + 1));
        }
        ILeg[3][3] memory orders = [
            [ILeg(sgxLeg), groth16Leg, riscZeroLeg],
            [ILeg(groth16Leg), sgxLeg, riscZeroLeg],
            [ILeg(groth16Leg), riscZeroLeg, sgxLeg]
        ];
        for (uint256 i; i < orders.length; ++i) {
            MultiProofVerifier all = new MultiProofVerifier(legsOf(orders[i][0], orders[i][1], orders[i][2]), 3);
            _coolAll();
            vm.cool(address(all));
            assertTrue(all.halted{gas: HALTED_GAS}());
        }
        _coolAll();
        assertTrue(sgxLeg.halted{gas: 60_000}());
    }

    // ---- helpers ----

    function _policy(bool[3] memory proofs, uint8 threshold)
        private
        returns (MultiProofVerifier tested, TestLeg[] memory legs)
    {
        TrustClass[] memory classes = new TrustClass[](3);
        for (uint256 i; i < 3; ++i) {
            classes[i] = proofs[i] ? TrustClass.ONCHAIN_PROOF : i == 1 ? TrustClass.TEE : TrustClass.COMMITTEE;
        }
        legs = testLegs(classes);
        tested = new MultiProofVerifier(asLegs(legs), threshold);
    }

    function _halt(TestLeg[] memory legs, uint256 mask) private {
        for (uint256 i; i < legs.length; ++i) {
            legs[i].setHalt(mask & (1 << i) != 0 ? TestVerifier.Halt.Halted : TestVerifier.Halt.Running);
        }
    }

    /// By trying every set of legs that could be given.
    function _canBeSatisfied(uint256 count, uint256 threshold, uint256 proofs, uint256 halted)
        private
        pure
        returns (bool)
    {
        for (uint256 given; given < 1 << count; ++given) {
            uint256 size;
            for (uint256 i; i < count; ++i) {
                size += given >> i & 1;
            }
            if (size >= threshold && given & proofs != 0 && given & halted == 0) return true;
        }
        return false;
    }

    function _coolAll() private {
        address[6] memory all = [
            address(sgxLeg),
            address(groth16Leg),
            address(riscZeroLeg),
            address(sgx),
            address(riscZeroLeg.VERIFIER()),
            address(groth16Leg.VERIFIER())
        ];
        for (uint256 i; i < all.length; ++i) {
            vm.cool(all[i]);
        }
    }
}
