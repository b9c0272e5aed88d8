// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {RiscZeroEncoder} from "../../src/encoders/RiscZeroEncoder.sol";

interface ITakesReceipts {
    function set(bytes calldata journal, bytes calldata seal) external;
    function answer(uint256 id, bytes calldata journal, bytes calldata seal) external;
    function settle(address who, bytes32 what, bool yes, bytes calldata journal, bytes calldata seal) external;
}

contract RiscZeroEncoderTest is Test {
    RiscZeroEncoder internal encoder = new RiscZeroEncoder();

    function testFuzz_BuildsCallsOfApplications(
        bytes32 imageId,
        bytes calldata journal,
        bytes calldata seal,
        uint256 id,
        address who,
        bool yes
    ) public view {
        bytes memory proof = abi.encode(imageId, journal, seal);
        bytes memory built = encoder.encode(abi.encodePacked(ITakesReceipts.set.selector), proof);
        assertEq(built, abi.encodeCall(ITakesReceipts.set, (journal, seal)));
        built = encoder.encode(abi.encodePacked(ITakesReceipts.answer.selector, id), proof);
        assertEq(built, abi.encodeCall(ITakesReceipts.answer, (id, journal, seal)));
        bytes memory data = abi.encodeWithSelector(ITakesReceipts.settle.selector, who, bytes32(id), yes);
        assertEq(
            encoder.encode(data, proof), abi.encodeCall(ITakesReceipts.settle, (who, bytes32(id), yes, journal, seal))
        );
    }

    /// Around the borders of words, where paddings are.
    function test_BuildsCallsForEveryLength() public view {
        for (uint256 j; j <= 33; ++j) {
            for (uint256 s; s <= 33; s += 11) {
                (bytes memory journal, bytes memory seal) = (new bytes(j), new bytes(s));
                if (j > 0) journal[j - 1] = 0xff;
                if (s > 0) seal[s - 1] = 0xff;
                bytes memory built = encoder.encode(
                    abi.encodePacked(ITakesReceipts.answer.selector, uint256(7)), abi.encode(bytes32(0), journal, seal)
                );
                assertEq(built, abi.encodeCall(ITakesReceipts.answer, (7, journal, seal)));
            }
        }
    }

    function test_RevertWhen_DataIsNotASelectorAndWords() public {
        bytes memory proof = abi.encode(bytes32(0), "journal", "seal");
        uint256[7] memory lengths = [uint256(0), 3, 5, 32, 35, 37, 64];
        for (uint256 i; i < lengths.length; ++i) {
            vm.expectRevert(RiscZeroEncoder.BadDataLength.selector);
            encoder.encode(new bytes(lengths[i]), proof);
        }
    }

    function test_RevertWhen_ProofIsMalformed() public {
        bytes memory proof = abi.encode(bytes32(0), "journal", "seal");
        vm.expectRevert(RiscZeroEncoder.MalformedProof.selector);
        encoder.encode(new bytes(4), bytes.concat(proof, hex"00"));
        proof[proof.length - 1] = 0x01;
        vm.expectRevert(RiscZeroEncoder.MalformedProof.selector);
        encoder.encode(new bytes(4), proof);
        vm.expectRevert(RiscZeroEncoder.MalformedProof.selector);
        encoder.encode(new bytes(4), "");
        vm.expectRevert(RiscZeroEncoder.MalformedProof.selector);
        encoder.encode(new bytes(4), abi.encode("journal", "seal", bytes32(0)));
    }

    function testFuzz_RevertWhen_ProofIsNoise(bytes calldata noise) public {
        vm.expectRevert(RiscZeroEncoder.MalformedProof.selector);
        encoder.encode(new bytes(4), noise);
    }
}
