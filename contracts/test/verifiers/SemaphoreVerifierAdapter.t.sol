// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {SemaphoreVerifier} from "@semaphore-protocol/contracts/base/SemaphoreVerifier.sol";
import {ISemaphoreVerifier} from "@semaphore-protocol/contracts/interfaces/ISemaphoreVerifier.sol";
import {TrustClass} from "../../src/interfaces/IProofVerifier.sol";
import {Groth16Verifier} from "../../src/verifiers/Groth16Verifier.sol";
import {SemaphoreVerifierAdapter} from "../../src/verifiers/SemaphoreVerifierAdapter.sol";
import {Fixtures} from "../fixtures/Fixtures.sol";

contract SemaphoreVerifierAdapterTest is Test {
    using Fixtures for bytes;

    uint256 internal constant Q = Fixtures.Q;
    uint256 internal constant R = Fixtures.R;

    ISemaphoreVerifier internal published;
    SemaphoreVerifierAdapter internal adapter;
    Groth16Verifier internal generic;
    bytes internal proof;
    bytes32 internal statement;

    function setUp() public {
        published = ISemaphoreVerifier(address(new SemaphoreVerifier()));
        adapter = new SemaphoreVerifierAdapter(published, Fixtures.semaphoreDepth());
        generic = new Groth16Verifier(Fixtures.semaphoreKey());
        (proof,,) = Fixtures.semaphoreProof(0);
        statement = proof.statementOf();
    }

    /// SECURITY 14: a call to an address without code would "succeed".
    function test_RevertWhen_VerifierHasNoCode() public {
        vm.expectRevert(SemaphoreVerifierAdapter.NotAContract.selector);
        new SemaphoreVerifierAdapter(ISemaphoreVerifier(makeAddr("nobody")), 20);
    }

    function test_RevertWhen_DepthHasNoKey() public {
        vm.expectRevert(SemaphoreVerifierAdapter.BadDepth.selector);
        this.deploy(0);
        vm.expectRevert(SemaphoreVerifierAdapter.BadDepth.selector);
        this.deploy(33);
        assertEq(new SemaphoreVerifierAdapter(published, 1).DEPTH(), 1);
        assertEq(new SemaphoreVerifierAdapter(published, 32).DEPTH(), 32);
    }

    /// @dev A call of its own: what follows an expected revert at the same depth might not run.
    function deploy(uint256 depth) external {
        new SemaphoreVerifierAdapter(published, depth);
    }

    function test_AcceptsRealProofs() public view {
        for (uint256 i; i < 3; ++i) {
            (bytes memory each, uint256 message, uint256 scope) = Fixtures.semaphoreProof(i);
            uint256[2] memory hashes =
                [uint256(keccak256(abi.encode(message))) >> 8, uint256(keccak256(abi.encode(scope))) >> 8];
            bytes32 expected = keccak256(abi.encode(each.wordAt(8), each.wordAt(9), hashes[0], hashes[1]));
            assertTrue(adapter.verify(expected, each));
        }
    }

    function test_RefusesAnotherStatement() public view {
        (bytes memory other,,) = Fixtures.semaphoreProof(1);
        assertFalse(adapter.verify(other.statementOf(), proof));
        assertFalse(adapter.verify(0, proof));
    }

    function test_RefusesAnotherLength() public view {
        bytes memory longer = bytes.concat(proof, hex"00");
        assertFalse(adapter.verify(statement, longer));
        assertFalse(adapter.verify(longer.statementOf(), longer));
        assertFalse(adapter.verify(keccak256(""), ""));
        assertFalse(adapter.verify(keccak256(""), new bytes(256)));
        assertFalse(adapter.verify(keccak256(""), new bytes(383)));
    }

    function test_RefusesAnotherDepth() public {
        assertFalse(new SemaphoreVerifierAdapter(published, 19).verify(statement, proof));
    }

    function test_RefusesInputsNotBelowR() public view {
        for (uint256 i = 8; i < 12; ++i) {
            bytes memory aliased = proof.withWord(i, proof.wordAt(i) + R);
            assertFalse(adapter.verify(aliased.statementOf(), aliased));
        }
    }

    /// Semaphore's verifier alone takes this one: it computes (q - y) mod 2^256 mod q.
    function test_RefusesCoordinatesNotBelowQ() public view {
        uint256 wrap = type(uint256).max % Q + 1;
        uint256 disguised = addmod(wrap, proof.wordAt(1), Q);
        while (disguised < Q) disguised += Q;
        bytes memory aliased = proof.withWord(1, disguised);
        (uint256[2] memory a, uint256[2][2] memory b, uint256[2] memory c, uint256[4] memory inputs) =
            abi.decode(aliased, (uint256[2], uint256[2][2], uint256[2], uint256[4]));
        assertTrue(published.verifyProof(a, b, c, inputs, 20));
        assertFalse(adapter.verify(statement, aliased));

        for (uint256 i; i < 8; ++i) {
            assertFalse(adapter.verify(statement, proof.withWord(i, proof.wordAt(i) + Q)));
        }
    }

    function test_IsNeverHalted() public view {
        assertFalse(adapter.halted());
    }

    function test_IsAnOnchainProof() public view {
        assertEq(uint256(adapter.trustClass()), uint256(TrustClass.ONCHAIN_PROOF));
    }

    function testFuzz_RefusesAnyFlippedBit(uint256 bit) public view {
        bit = bound(bit, 0, proof.length * 8 - 1);
        bytes memory tampered = proof.withWord(bit / 256, proof.wordAt(bit / 256) ^ (1 << (bit % 256)));
        assertFalse(adapter.verify(tampered.statementOf(), tampered));
        assertFalse(adapter.verify(statement, tampered));
    }

    /// Two verifiers of one circuit, of different origin, are of one opinion.
    function testFuzz_AgreesWithTheGenericVerifier(uint256 which, uint256 index, uint256 word) public view {
        (bytes memory each,,) = Fixtures.semaphoreProof(bound(which, 0, 2));
        index = bound(index, 0, 12);
        if (index < 12) each = each.withWord(index, word);
        bool valid = adapter.verify(each.statementOf(), each);
        assertEq(valid, generic.verify(each.statementOf(), each));
        if (index == 12) assertTrue(valid);
    }
}
