// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {SlotState} from "../interfaces/IZKPool.sol";

/// @notice The task that a slot holds or has held last, in one word, so that an ordinary publication and an ordinary
/// delivery each write their slot once.
///
/// | bits   | 0..1  | 2..3  | 4..12   | 13..47      | 48..55 | 56..255                      |
/// | ------ | ----- | ----- | ------- | ----------- | ------ | ---------------------------- |
/// | member | state | flags | busyFor | publishedAt | share  | first 200 bits of the digest |
///
/// `share` is the provers' of the reward, in steps of half a percent.
/// @dev Two quotes whose digests begin with the same 200 bits cost 2^100 hashes to find, about what it costs to break a
/// pairing on BN254. A whole second word would cost 5,000 gas a task. Times last until the year 3058.
type Holding is uint256;

using HoldingLib for Holding global;

library HoldingLib {
    /// A rescue of the task was announced: its record must be read.
    uint256 internal constant RESCUE_ANNOUNCED = 1 << 2;
    /// The task's verifier was seen halted: its halts must be read.
    uint256 internal constant HALT_OBSERVED = 1 << 3;

    uint256 private constant STATE = 0x3;
    uint256 private constant FLAGS = RESCUE_ANNOUNCED | HALT_OBSERVED;
    uint256 private constant BUSY_FOR_OFFSET = 4;
    uint256 private constant BUSY_FOR = 0x1ff;
    uint256 private constant PUBLISHED_AT_OFFSET = 13;
    uint256 private constant PUBLISHED_AT = 0x7ffffffff;
    uint256 private constant SHARE_OFFSET = 48;
    uint256 private constant SHARE = 0xff;
    uint256 private constant DIGEST_OFFSET = 56;

    /// @param busyFor how long after `publishedAt` the slot accepts nothing else, less than 512 seconds
    function create(SlotState state_, bytes32 digest, uint256 publishedAt_, uint256 busyFor, uint256 share_)
        internal
        pure
        returns (Holding)
    {
        return Holding.wrap(
            uint256(state_) | busyFor << BUSY_FOR_OFFSET | publishedAt_ << PUBLISHED_AT_OFFSET | share_ << SHARE_OFFSET
                | uint256(digest) >> DIGEST_OFFSET << DIGEST_OFFSET
        );
    }

    // ---- members ----

    function state(Holding self) internal pure returns (SlotState) {
        return SlotState(Holding.unwrap(self) & STATE);
    }

    function has(Holding self, uint256 flag) internal pure returns (bool) {
        return Holding.unwrap(self) & flag != 0;
    }

    function publishedAt(Holding self) internal pure returns (uint256) {
        return Holding.unwrap(self) >> PUBLISHED_AT_OFFSET & PUBLISHED_AT;
    }

    function busyUntil(Holding self) internal pure returns (uint256) {
        unchecked {
            return publishedAt(self) + (Holding.unwrap(self) >> BUSY_FOR_OFFSET & BUSY_FOR);
        }
    }

    function share(Holding self) internal pure returns (uint256) {
        return Holding.unwrap(self) >> SHARE_OFFSET & SHARE;
    }

    /// As much of the digest as is kept.
    function digestPrefix(Holding self) internal pure returns (bytes25) {
        return bytes25(bytes32(Holding.unwrap(self)));
    }

    /// Whether this is or was the task with this digest.
    function isOf(Holding self, bytes32 digest) internal pure returns (bool) {
        return (Holding.unwrap(self) ^ uint256(digest)) >> DIGEST_OFFSET == 0;
    }

    // ---- changes ----

    function with(Holding self, uint256 flag) internal pure returns (Holding) {
        return Holding.wrap(Holding.unwrap(self) | flag);
    }

    /// The task has ended in this slot, which stays busy for as long as it was, and remembers the digest: a quote that
    /// it has consumed stays consumed.
    function ended(Holding self) internal pure returns (Holding) {
        return Holding.wrap(Holding.unwrap(self) & ~(STATE | FLAGS));
    }
}
