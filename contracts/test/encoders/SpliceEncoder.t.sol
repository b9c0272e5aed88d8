// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {SpliceEncoder} from "../../src/encoders/SpliceEncoder.sol";

interface ITakesProofs {
    function verifyProof(
        uint256[2] calldata a,
        uint256[2][2] calldata b,
        uint256[2] calldata c,
        uint256[3] calldata inputs
    ) external;
    function finish(uint256 batch, bytes calldata proof) external;
    function settle(bytes calldata proof, uint256[] calldata inputs) external;
}

contract SpliceEncoderTest is Test {
    SpliceEncoder internal encoder = new SpliceEncoder();

    /// snarkjs' own verifiers and their kin.
    function testFuzz_BuildsVerifyProof(
        uint256[2] calldata a,
        uint256[2][2] calldata b,
        uint256[2] calldata c,
        uint256[3] calldata inputs
    ) public view {
        bytes memory data = _data(abi.encodePacked(ITakesProofs.verifyProof.selector), 0, 352, "", false);
        bytes memory built = encoder.encode(data, abi.encode(a, b, c, inputs));
        assertEq(built, abi.encodeCall(ITakesProofs.verifyProof, (a, b, c, inputs)));
    }

    /// The eight points alone, as ABI `bytes`, before other arguments and between them.
    function testFuzz_BuildsBytes(uint256[8] calldata points, uint256[2] calldata inputs, uint256 batch) public view {
        bytes memory proof = abi.encode(points, inputs);

        bytes memory prefix = abi.encodeWithSelector(ITakesProofs.finish.selector, batch, 0x40);
        bytes memory built = encoder.encode(_data(prefix, 0, 256, "", true), proof);
        assertEq(built, abi.encodeCall(ITakesProofs.finish, (batch, abi.encode(points))));

        uint256[] memory list = new uint256[](2);
        (list[0], list[1]) = (inputs[0], inputs[1]);
        prefix = abi.encodeWithSelector(ITakesProofs.settle.selector, 0x40, 0x40 + 32 + 256);
        built = encoder.encode(_data(prefix, 0, 256, abi.encodePacked(uint256(2), list), true), proof);
        assertEq(built, abi.encodeCall(ITakesProofs.settle, (abi.encode(points), list)));
    }

    function testFuzz_PadsBytesToWords(bytes calldata proof, uint256 batch, uint256 start, uint256 end) public view {
        end = bound(end, 0, proof.length);
        start = bound(start, 0, end);
        bytes memory prefix = abi.encodeWithSelector(ITakesProofs.finish.selector, batch, 0x40);
        bytes memory built = encoder.encode(_data(prefix, start, end, "", true), proof);
        assertEq(built, abi.encodeCall(ITakesProofs.finish, (batch, proof[start:end])));
    }

    function testFuzz_Splices(
        bytes calldata proof,
        bytes calldata prefix,
        bytes calldata suffix,
        uint256 start,
        uint256 end
    ) public view {
        end = bound(end, 0, proof.length);
        start = bound(start, 0, end);
        bytes memory built = encoder.encode(_data(prefix, start, end, suffix, false), proof);
        assertEq(built, bytes.concat(prefix, proof[start:end], suffix));
    }

    function testFuzz_RevertWhen_PartDoesNotExist(bytes calldata proof, uint256 start, uint256 end) public {
        vm.assume(start > end || end > proof.length);
        vm.expectRevert(SpliceEncoder.OutOfBounds.selector);
        encoder.encode(_data("", start, end, "", false), proof);
    }

    function test_RevertWhen_PartEndsOneTooLate() public {
        vm.expectRevert(SpliceEncoder.OutOfBounds.selector);
        encoder.encode(_data("", 0, 257, "", false), new bytes(256));
        vm.expectRevert(SpliceEncoder.OutOfBounds.selector);
        encoder.encode(_data("", 2, 1, "", false), new bytes(256));
    }

    function test_RevertWhen_DataIsMalformed() public {
        vm.expectRevert();
        encoder.encode("", new bytes(256));
        vm.expectRevert();
        encoder.encode(abi.encode(hex"01020304", 0, 256, bytes("")), new bytes(256));
    }

    function _data(bytes memory prefix, uint256 start, uint256 end, bytes memory suffix, bool asBytes)
        private
        pure
        returns (bytes memory)
    {
        return abi.encode(prefix, start, end, suffix, asBytes);
    }
}
