// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ICallEncoder} from "../../src/interfaces/ICallEncoder.sol";

/// @dev Puts the proof first and the data last: `submit(bytes,bytes)`.
contract SwappingEncoder is ICallEncoder {
    function encode(bytes calldata data, bytes calldata proof) external pure returns (bytes memory) {
        return abi.encodeWithSignature("submit(bytes,bytes)", proof, data);
    }
}

/// @dev Answers in ways that an encoder should not; the data's first byte selects which.
contract BrokenEncoder {
    uint256 public written;

    fallback() external {
        // encode(bytes data, bytes proof): the first byte of `data` stands after selector, two offsets and a length.
        uint256 kind = uint8(msg.data[4 + 96]);
        if (kind == 0) revert("no call");
        if (kind == 1) written++;
        assembly ("memory-safe") {
            switch kind
            // writes, if it may
            case 1 {
                mstore(0, 0x20)
                mstore(0x20, 0)
                return(0, 0x40)
            }
            // nothing
            case 2 { return(0, 0) }
            // an offset beyond the data
            case 3 {
                mstore(0, not(0))
                mstore(0x20, 4)
                return(0, 0x60)
            }
            // a length beyond the data
            case 4 {
                mstore(0, 0x20)
                mstore(0x20, 1000)
                return(0, 0x60)
            }
            // as much as gas buys
            case 5 {
                mstore(0, 0x20)
                mstore(0x20, 999000)
                return(0, 1000000)
            }
            default { invalid() }
        }
    }
}

/// @dev Insists on `cost` gas, burns it, and makes a call of four bytes, whatever the proof.
contract CostlyEncoder {
    uint256 public immutable cost;

    constructor(uint256 cost_) {
        cost = cost_;
    }

    fallback() external {
        uint256 start = gasleft();
        uint256 cost_ = cost;
        require(start > cost_ + 10_000, "starved");
        while (start - gasleft() < cost_) {}
        bytes memory answer = abi.encode(hex"01020304");
        assembly ("memory-safe") {
            return(add(answer, 0x20), mload(answer))
        }
    }
}
