// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {AbiBytes} from "./AbiBytes.sol";

/// @notice How this pool carries a RISC Zero proof: `abi.encode(bytes32 imageId, bytes journal, bytes seal)`. The journal
/// travels with it, because the application needs the journal as well.
library RiscZeroProof {
    uint256 private constant WORD = 0x20;
    /// @dev Where the journal begins: behind the image and two offsets.
    uint256 internal constant TAIL = 0x60;

    /// keccak256(abi.encode(imageId, sha256(journal))): what a task of this kind asks to be proven.
    function statementOf(bytes32 imageId, bytes32 journalDigest) internal pure returns (bytes32) {
        return keccak256(abi.encode(imageId, journalDigest));
    }

    /// Not ok unless `proof` is, byte for byte, what `abi.encode` makes of the three: one proof has one form, and what is
    /// decoded here can be taken apart by anybody else in the same way.
    function decode(bytes calldata proof)
        internal
        pure
        returns (bool ok, bytes32 imageId, bytes calldata journal, bytes calldata seal)
    {
        journal = seal = proof[:0];
        if (proof.length < TAIL) return (false, imageId, journal, seal);
        imageId = bytes32(proof[:WORD]);
        uint256 end;
        (ok, journal, end) = AbiBytes.read(proof, TAIL);
        ok = ok && bytes32(proof[WORD:2 * WORD]) == bytes32(TAIL) && bytes32(proof[2 * WORD:TAIL]) == bytes32(end);
        if (!ok) return (false, imageId, journal, seal);
        (ok, seal, end) = AbiBytes.read(proof, end);
        ok = ok && end == proof.length;
    }
}
