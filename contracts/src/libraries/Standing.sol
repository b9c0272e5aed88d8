// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice What a slot is good for, in one word: read by every publication, written only when the slot loses or gains
/// something. (Solidity would read the members of a packed struct one by one.)
///
/// | bits   | 0..119     | 120..159 | 160..199    | 200           |
/// | ------ | ---------- | -------- | ----------- | ------------- |
/// | member | collateral | closesAt | barredUntil | hasDedication |
///
/// `closesAt` is zero if the slot was never opened. Its operator having broken its word, it accepts nothing up to and at
/// `barredUntil`. With `hasDedication` it is or was dedicated, or will be.
/// @dev Whoever sets a member sees to it that it fits.
type Standing is uint256;

using StandingLib for Standing global;

library StandingLib {
    uint256 internal constant MAX_COLLATERAL = type(uint120).max;
    /// `closesAt` of a slot that is not to be closed.
    uint256 internal constant NEVER = type(uint40).max;

    uint256 private constant TIME = type(uint40).max;
    uint256 private constant CLOSES_AT = 120;
    uint256 private constant BARRED_UNTIL = 160;
    uint256 private constant HAS_DEDICATION = 1 << 200;

    // ---- members ----

    function collateral(Standing self) internal pure returns (uint256) {
        return Standing.unwrap(self) & MAX_COLLATERAL;
    }

    function closesAt(Standing self) internal pure returns (uint256) {
        return Standing.unwrap(self) >> CLOSES_AT & TIME;
    }

    function barredUntil(Standing self) internal pure returns (uint256) {
        return Standing.unwrap(self) >> BARRED_UNTIL & TIME;
    }

    function hasDedication(Standing self) internal pure returns (bool) {
        return Standing.unwrap(self) & HAS_DEDICATION != 0;
    }

    // ---- changes ----

    function withCollateral(Standing self, uint256 amount) internal pure returns (Standing) {
        return Standing.wrap(Standing.unwrap(self) & ~MAX_COLLATERAL | amount);
    }

    function withClosesAt(Standing self, uint256 time) internal pure returns (Standing) {
        return Standing.wrap(Standing.unwrap(self) & ~(TIME << CLOSES_AT) | time << CLOSES_AT);
    }

    function withBarredUntil(Standing self, uint256 time) internal pure returns (Standing) {
        return Standing.wrap(Standing.unwrap(self) & ~(TIME << BARRED_UNTIL) | time << BARRED_UNTIL);
    }

    function withDedication(Standing self, bool has) internal pure returns (Standing) {
        uint256 others = Standing.unwrap(self) & ~HAS_DEDICATION;
        return Standing.wrap(has ? others | HAS_DEDICATION : others);
    }
}
