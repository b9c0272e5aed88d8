// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {AbiBytes} from "./AbiBytes.sol";

/// @notice What one leg of a bundle is given.
struct LegProof {
    /// Its index in the bundle's verifier.
    uint8 leg;
    bytes proof;
}

/// @notice How a bundle's proof is carried: `abi.encode(LegProof[])`, read where it stands. Only what `abi.encode` makes is
/// taken, byte for byte: each part begins where the one before it has ended.
library LegProofs {
    uint256 private constant WORD = 0x20;
    /// @dev Where the array's items begin, and what their offsets count from: behind the array's own offset and length.
    uint256 private constant ITEMS = 0x40;

    /// How many there are, and where the first begins.
    function open(bytes calldata bundle) internal pure returns (bool ok, uint256 count, uint256 end) {
        if (bundle.length < ITEMS) return (false, 0, 0);
        count = _wordAt(bundle, WORD);
        ok = _wordAt(bundle, 0) == WORD && count <= (bundle.length - ITEMS) / WORD;
        if (ok) end = ITEMS + WORD * count;
    }

    /// The one with this index, which begins where the one before it has ended.
    function next(bytes calldata bundle, uint256 index, uint256 start)
        internal
        pure
        returns (bool ok, uint256 leg, bytes calldata proof, uint256 end)
    {
        proof = bundle[:0];
        ok = bundle.length - start >= 2 * WORD && _wordAt(bundle, ITEMS + WORD * index) == start - ITEMS
            && _wordAt(bundle, start + WORD) == 2 * WORD;
        if (!ok) return (false, 0, proof, 0);
        leg = _wordAt(bundle, start);
        (ok, proof, end) = AbiBytes.read(bundle, start + 2 * WORD);
    }

    function _wordAt(bytes calldata data, uint256 start) private pure returns (uint256) {
        return uint256(bytes32(data[start:start + WORD]));
    }
}
