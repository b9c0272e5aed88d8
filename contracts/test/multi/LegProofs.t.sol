// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {LegProof} from "../../src/libraries/LegProofs.sol";
import {MultiProofVerifier} from "../../src/verifiers/MultiProofVerifier.sol";
import {Fixtures} from "../fixtures/Fixtures.sol";
import {BundleFixture} from "./BundleFixture.sol";

/// @notice The only form of a bundle's proof. Word by word, for two legs:
///
/// ```
/// 0: offset of the array   1: its length   2, 3: offsets of its items   then each item: leg, offset, length, proof
/// ```
contract LegProofsTest is BundleFixture {
    using Fixtures for bytes;

    bytes internal proof;
    /// @dev The words at which the items begin.
    uint256 internal first = 4;
    uint256 internal second;

    function setUp() public override {
        super.setUp();
        // Of 320 bytes, which need no padding, and of 149, which do.
        proof = abi.encode(pair(realLegProof(GROTH16), realLegProof(SGX)));
        second = first + 3 + 320 / 32;
        assertEq(proof.wordAt(second), SGX);
        assertEq(proof.length, 32 * (second + 3 + 5));
    }

    function test_RefusesOtherLengths() public {
        _malformed(bytes.concat(proof, hex"00"));
        _malformed(bytes.concat(proof, bytes32(0)));
        for (uint256 length; length < proof.length; length += length < 256 ? 1 : 32) {
            _malformed(_cut(length));
        }
        // A third item's place, and no third item.
        _malformed(proof.withWord(1, 3));
        _malformed(proof.withWord(1, type(uint256).max));
        _malformed(proof.withWord(1, type(uint256).max / 32));
        // Three are announced, and there are two, and one that is nothing but its offset.
        _malformed(abi.encodePacked(uint256(32), uint256(3), new bytes(64)));
    }

    function test_RefusesOtherOffsets() public {
        uint256[5] memory words = [uint256(0), 2, 3, first + 1, second + 1];
        for (uint256 i; i < words.length; ++i) {
            uint256 word = proof.wordAt(words[i]);
            _malformed(proof.withWord(words[i], word + 32));
            _malformed(proof.withWord(words[i], word - 32));
            _malformed(proof.withWord(words[i], 0));
            _malformed(proof.withWord(words[i], word | 1 << 255));
        }
        // Both items in one place: it is given twice, by what `abi.decode` makes of it.
        _malformed(proof.withWord(3, proof.wordAt(2)));
        _malformed(proof.withWord(2, proof.wordAt(3)));
    }

    function test_RefusesAGap() public {
        // The second item a word later, and the offset adapted to it: `abi.decode` would not notice.
        bytes memory gap = bytes.concat(_cut(32 * second), bytes32(0), _from(32 * second));
        gap = gap.withWord(3, gap.wordAt(3) + 32);
        LegProof[] memory decoded = abi.decode(gap, (LegProof[]));
        assertEq(abi.encode(decoded), proof);
        _malformed(gap);
    }

    function test_RefusesPaddingThatIsNotZero() public {
        _malformed(proof.withWord(second + 7, proof.wordAt(second + 7) | 1));
        _malformed(proof.withWord(second + 7, proof.wordAt(second + 7) | 1 << 80));
    }

    function test_RefusesLengthsThatOverflow() public {
        uint256[4] memory lengths = [type(uint256).max, type(uint256).max - 31, 1 << 255, proof.length];
        for (uint256 i; i < lengths.length; ++i) {
            _malformed(proof.withWord(first + 2, lengths[i]));
            _malformed(proof.withWord(second + 2, lengths[i]));
        }
    }

    function test_RefusesAnIndexOfMoreThanAByte() public {
        bytes memory wide = proof.withWord(second, 256 + SGX);
        vm.expectRevert(abi.encodeWithSelector(MultiProofVerifier.UnknownLeg.selector, 256 + SGX));
        verifier.verify(journalDigest, wide);
    }

    /// One proof has one form: no bit of it is of no meaning.
    function testFuzz_RefusesAnyFlippedBit(uint256 bit) public view {
        bit = bound(bit, 0, proof.length * 8 - 1);
        bytes memory flipped = proof.withWord(bit / 256, proof.wordAt(bit / 256) ^ (1 << (bit % 256)));
        assertFalse(accepts(verifier, journalDigest, flipped));
    }

    function testFuzz_RefusesAnyReplacedWord(uint256 index, uint256 word) public view {
        index = bound(index, 0, proof.length / 32 - 1);
        vm.assume(word != proof.wordAt(index));
        assertFalse(accepts(verifier, journalDigest, proof.withWord(index, word)));
    }

    function testFuzz_RefusesNoise(bytes calldata noise, bytes32 statement) public view {
        assertFalse(accepts(verifier, statement, noise));
    }

    function _malformed(bytes memory tested) private {
        vm.expectRevert(MultiProofVerifier.MalformedProof.selector);
        verifier.verify(journalDigest, tested);
    }

    function _cut(uint256 length) private view returns (bytes memory part) {
        part = bytes.concat(proof);
        assembly ("memory-safe") {
            mstore(part, length)
        }
    }

    function _from(uint256 start) private view returns (bytes memory part) {
        part = new bytes(proof.length - start);
        for (uint256 i; i < part.length; ++i) {
            part[i] = proof[start + i];
        }
    }
}
