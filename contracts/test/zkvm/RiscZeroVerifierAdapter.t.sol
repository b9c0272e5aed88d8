// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {RiscZeroVerifierEmergencyStop} from "risc0/src/RiscZeroVerifierEmergencyStop.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {IRiscZeroVerifier as IPublished, VerificationFailed} from "risc0/src/IRiscZeroVerifier.sol";
import {SelectorMismatch} from "risc0/src/groth16/RiscZeroGroth16Verifier.sol";
import {TrustClass} from "../../src/interfaces/IProofVerifier.sol";
import {IRiscZeroVerifier} from "../../src/interfaces/IRiscZeroVerifier.sol";
import {RiscZeroVerifierAdapter} from "../../src/verifiers/RiscZeroVerifierAdapter.sol";
import {TestVerifier} from "../mocks/Verifiers.sol";
import {ZkvmFixture} from "./ZkvmFixture.sol";

/// @dev Answers whatever it is told to, to whatever question.
contract Parrot {
    bytes public answer;
    bool public reverting;

    function set(bytes calldata answer_, bool reverting_) external {
        (answer, reverting) = (answer_, reverting_);
    }

    fallback() external {
        bytes memory said = answer;
        bool failing = reverting;
        assembly ("memory-safe") {
            if failing { revert(add(said, 0x20), mload(said)) }
            return(add(said, 0x20), mload(said))
        }
    }
}

/// @dev An enclave's verifier that says so.
contract EnclaveVerifier {
    function trustClass() external pure returns (TrustClass) {
        return TrustClass.TEE;
    }
}

/// @dev Burns the gas that it is given, when it is asked whether it is paused.
contract GasBombPaused {
    function paused() external pure returns (bool) {
        assembly ("memory-safe") {
            invalid()
        }
    }
}

contract RiscZeroVerifierAdapterTest is ZkvmFixture {
    RiscZeroVerifierAdapter internal adapter;
    RiscZeroVerifierEmergencyStop internal stop;
    RiscZeroVerifierAdapter internal stoppable;
    address internal guardian = makeAddr("guardian");

    function setUp() public override {
        super.setUp();
        adapter = new RiscZeroVerifierAdapter(published);
        stop = new RiscZeroVerifierEmergencyStop(IPublished(address(published)), guardian);
        stoppable = new RiscZeroVerifierAdapter(IRiscZeroVerifier(address(stop)));
    }

    // ---- constructor ----

    /// SECURITY 14: a call to an address without code would "succeed".
    function test_RevertWhen_VerifierHasNoCode() public {
        address[3] memory nothings = [makeAddr("nobody"), address(0), address(1)];
        for (uint256 i; i < nothings.length; ++i) {
            vm.expectRevert(RiscZeroVerifierAdapter.NotAContract.selector);
            new RiscZeroVerifierAdapter(IRiscZeroVerifier(nothings[i]));
        }
    }

    /// SECURITY 19a: a committee that passes for a ZK proof.
    function test_RevertWhen_VerifierIsACommittee() public {
        vm.expectRevert(RiscZeroVerifierAdapter.NotAnOnchainProof.selector);
        new RiscZeroVerifierAdapter(committee);
    }

    function test_RevertWhen_VerifierIsAnEnclave() public {
        IRiscZeroVerifier enclave = IRiscZeroVerifier(address(new EnclaveVerifier()));
        vm.expectRevert(RiscZeroVerifierAdapter.NotAnOnchainProof.selector);
        new RiscZeroVerifierAdapter(enclave);
    }

    function test_RevertWhen_ACommitteeIsBehindAnEmergencyStop() public {
        IRiscZeroVerifier disguised =
            IRiscZeroVerifier(address(new RiscZeroVerifierEmergencyStop(IPublished(address(committee)), guardian)));
        vm.expectRevert(RiscZeroVerifierAdapter.NotAnOnchainProof.selector);
        new RiscZeroVerifierAdapter(disguised);
    }

    function test_TakesAVerifierThatSaysItIsOne() public {
        IRiscZeroVerifier named = IRiscZeroVerifier(address(new TestVerifier()));
        assertEq(address(new RiscZeroVerifierAdapter(named).VERIFIER()), address(named));
    }

    /// What says that it stands before something that is no address, or before nothing, is taken as it is.
    function test_TakesAVerifierThatAnswersNonsense() public {
        Parrot parrot = new Parrot();
        parrot.set(new bytes(31), false);
        assertEq(address(new RiscZeroVerifierAdapter(IRiscZeroVerifier(address(parrot))).VERIFIER()), address(parrot));
        parrot.set(abi.encode(uint256(1)), true);
        assertEq(address(new RiscZeroVerifierAdapter(IRiscZeroVerifier(address(parrot))).VERIFIER()), address(parrot));
    }

    // ---- verify ----

    function test_AcceptsTheRealReceipt() public view {
        assertTrue(adapter.verify(realStatement(), realProof()));
        assertTrue(stoppable.verify(realStatement(), realProof()));
    }

    function test_RefusesAnotherStatement() public view {
        assertFalse(adapter.verify(0, realProof()));
        assertFalse(adapter.verify(statementOf(OTHER_IMAGE, realJournal()), realProof()));
        assertFalse(adapter.verify(statementOf(IMAGE, "just a different receipt"), realProof()));
        assertFalse(adapter.verify(keccak256(abi.encode(IMAGE, keccak256(realJournal()))), realProof()));
    }

    /// SECURITY 17: a valid receipt of another program or another journal.
    function test_RevertWhen_SealIsOfAnotherImage() public {
        bytes32 statement = statementOf(OTHER_IMAGE, realJournal());
        vm.expectRevert(VerificationFailed.selector);
        adapter.verify(statement, abi.encode(OTHER_IMAGE, realJournal(), realSeal()));
    }

    function test_RevertWhen_SealIsOfAnotherJournal() public {
        bytes memory other = "just a different receipt";
        bytes32 statement = statementOf(IMAGE, other);
        vm.expectRevert(VerificationFailed.selector);
        adapter.verify(statement, abi.encode(IMAGE, other, realSeal()));
    }

    function test_RevertWhen_SealIsForAnotherVerifier() public {
        bytes memory seal = realSeal();
        bytes4 expected = bytes4(seal);
        seal[0] ^= 0x01;
        bytes32 statement = realStatement();
        vm.expectRevert(abi.encodeWithSelector(SelectorMismatch.selector, bytes4(seal), expected));
        adapter.verify(statement, abi.encode(IMAGE, realJournal(), seal));
    }

    function testFuzz_RefusesAnyFlippedBitOfTheSeal(uint256 bit) public view {
        bytes memory seal = realSeal();
        bit = bound(bit, 0, seal.length * 8 - 1);
        seal[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        _assertRefused(realStatement(), abi.encode(IMAGE, realJournal(), seal));
    }

    function test_RefusesATruncatedSeal() public view {
        bytes memory seal = realSeal();
        for (uint256 length; length < 260; length += 4) {
            assembly ("memory-safe") {
                mstore(seal, length)
            }
            _assertRefused(realStatement(), abi.encode(IMAGE, realJournal(), seal));
        }
    }

    /// SECURITY 14, later: whatever becomes of the verifier, silence is no acceptance.
    function test_RevertWhen_VerifierIsGone() public {
        vm.etch(address(published), "");
        bytes32 statement = realStatement();
        vm.expectRevert();
        adapter.verify(statement, realProof());
    }

    // ---- the form of a proof ----

    function test_RefusesAProofOfAnotherForm() public view {
        bytes memory proof = realProof();
        // The journal has 21 bytes: image, two offsets, length, journal and padding, length, seal of 260 and padding.
        assertEq(proof.length, 5 * 32 + 32 + 288);
        assertFalse(adapter.verify(realStatement(), bytes.concat(proof, hex"00")), "longer by a byte");
        assertFalse(adapter.verify(realStatement(), bytes.concat(proof, bytes32(0))), "longer by a word");
        assertFalse(adapter.verify(realStatement(), ""), "empty");
        uint256[7] memory cuts = [uint256(1), 28, 29, 32, 288, 320, 384];
        for (uint256 i; i < cuts.length; ++i) {
            bytes memory shorter = realProof();
            uint256 length = shorter.length - cuts[i];
            assembly ("memory-safe") {
                mstore(shorter, length)
            }
            assertFalse(adapter.verify(realStatement(), shorter), "shorter");
        }
    }

    function test_RefusesOtherOffsets() public view {
        // The second offset points where it should, at a copy of the seal behind the true one; the first at a copy of
        // the journal there.
        bytes memory tail = abi.encodePacked(uint256(21), realJournal(), new bytes(11), uint256(260), realSeal());
        bytes memory padding = new bytes(28);
        bytes memory later = bytes.concat(IMAGE, bytes32(uint256(0x80)), bytes32(uint256(0xc0)), bytes32(0), tail);
        _assertDecodes(bytes.concat(later, padding));
        assertFalse(adapter.verify(realStatement(), bytes.concat(later, padding)), "a gap in front");

        bytes memory gap = bytes.concat(
            IMAGE, bytes32(uint256(0x60)), bytes32(uint256(0xc0)), bytes32(uint256(21)), realJournal(), new bytes(43)
        );
        gap = bytes.concat(gap, bytes32(uint256(260)), realSeal(), padding);
        _assertDecodes(gap);
        assertFalse(adapter.verify(realStatement(), gap), "a gap between");

        bytes memory swapped = bytes.concat(IMAGE, bytes32(uint256(0x1a0)), bytes32(uint256(0x60)));
        swapped = bytes.concat(swapped, bytes32(uint256(260)), realSeal(), padding);
        swapped = bytes.concat(swapped, bytes32(uint256(21)), realJournal(), new bytes(11));
        _assertDecodes(swapped);
        assertFalse(adapter.verify(realStatement(), swapped), "swapped");

        // An offset that is not needed to find what stands where it must.
        for (uint256 i = 1; i <= 2; ++i) {
            bytes memory proof = realProof();
            proof[32 * i + 31] ^= 0x20;
            assertFalse(adapter.verify(realStatement(), proof), "another offset");
        }
    }

    function test_RefusesPaddingThatIsNotZero() public view {
        bytes memory proof = realProof();
        for (uint256 i = 128 + 21; i < 160; ++i) {
            proof[i] = 0x01;
            _assertDecodes(proof);
            assertFalse(adapter.verify(realStatement(), proof), "behind the journal");
            proof[i] = 0;
        }
        for (uint256 i = 192 + 260; i < proof.length; ++i) {
            proof[i] = 0x80;
            _assertDecodes(proof);
            assertFalse(adapter.verify(realStatement(), proof), "behind the seal");
            proof[i] = 0;
        }
        assertTrue(adapter.verify(realStatement(), proof));
    }

    function test_RefusesLengthsThatOverflow() public view {
        uint256[4] memory lengths = [type(uint256).max, type(uint256).max - 31, 1 << 64, 10_000];
        for (uint256 i; i < lengths.length; ++i) {
            bytes memory proof = realProof();
            uint256 length = lengths[i];
            assembly ("memory-safe") {
                mstore(add(proof, 0x80), length)
            }
            assertFalse(adapter.verify(realStatement(), proof), "the journal's");
            proof = realProof();
            assembly ("memory-safe") {
                mstore(add(proof, 0xc0), length)
            }
            assertFalse(adapter.verify(realStatement(), proof), "the seal's");
        }
    }

    function testFuzz_RefusesNoise(bytes calldata noise) public view {
        assertFalse(adapter.verify(realStatement(), noise));
    }

    // ---- halted ----

    function test_HaltedWhenTheEmergencyStopIsPulled() public {
        assertFalse(stoppable.halted());
        vm.prank(guardian);
        stop.estop();
        assertTrue(stoppable.halted());
        bytes32 statement = realStatement();
        vm.expectRevert(Pausable.EnforcedPause.selector);
        stoppable.verify(statement, realProof());
    }

    function test_NothingElseThanTrueIsHalted() public {
        assertFalse(adapter.halted(), "no such function");
        Parrot parrot = new Parrot();
        // While the adapter is made it keeps silent.
        RiscZeroVerifierAdapter over = new RiscZeroVerifierAdapter(IRiscZeroVerifier(address(parrot)));
        parrot.set("", false);
        assertFalse(over.halted(), "nothing");
        parrot.set(new bytes(31), false);
        assertFalse(over.halted(), "short");
        parrot.set(abi.encode(uint256(2)), false);
        assertFalse(over.halted(), "two");
        parrot.set(abi.encode(true), true);
        assertFalse(over.halted(), "reverts");
        parrot.set(abi.encode(true), false);
        assertTrue(over.halted(), "true");
    }

    function test_HaltedCostsLittleWhateverTheVerifierDoes() public {
        RiscZeroVerifierAdapter over = new RiscZeroVerifierAdapter(IRiscZeroVerifier(address(new GasBombPaused())));
        uint256 before = gasleft();
        assertFalse(over.halted());
        assertLt(before - gasleft(), 200_000);
    }

    function test_IsAnOnchainProof() public view {
        assertEq(uint256(adapter.trustClass()), uint256(TrustClass.ONCHAIN_PROOF));
    }

    /// The interface is RISC Zero's, function by function.
    function test_InterfaceIsThePublishedOne() public pure {
        assertEq(IRiscZeroVerifier.verify.selector, IPublished.verify.selector);
        assertEq(IRiscZeroVerifier.verifyIntegrity.selector, IPublished.verifyIntegrity.selector);
    }

    // ---- helpers ----

    /// Refused in either way: false, or a revert.
    function _assertRefused(bytes32 statement, bytes memory proof) private view {
        try adapter.verify(statement, proof) returns (bool ok) {
            assertFalse(ok);
        } catch {}
    }

    /// It would pass for the real proof with a decoder that is not strict.
    function _assertDecodes(bytes memory proof) private pure {
        (bytes32 imageId, bytes memory journal, bytes memory seal) = abi.decode(proof, (bytes32, bytes, bytes));
        assertEq(abi.encode(imageId, journal, seal), realProof());
    }
}
