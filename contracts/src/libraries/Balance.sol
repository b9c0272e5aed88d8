// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice What an account owns of one token, in one word, so that keeping the provers' share apart costs a delivery no
/// storage of its own.
///
/// | bits   | 0..127 | 128..255  |
/// | ------ | ------ | --------- |
/// | member | free   | earmarked |
///
/// `free` is the account's to withdraw and to spend, `earmarked` can only go to the revenue ledger.
type Balance is uint256;

using BalanceLib for Balance global;

library BalanceLib {
    uint256 internal constant MAX = type(uint128).max;

    uint256 private constant EARMARKED = 128;

    // ---- members ----

    function free(Balance self) internal pure returns (uint256) {
        return Balance.unwrap(self) & MAX;
    }

    function earmarked(Balance self) internal pure returns (uint256) {
        return Balance.unwrap(self) >> EARMARKED;
    }

    // ---- changes: what does not fit is lost, because no settlement may fail on account of a token of which there are more
    // than 2^128 units ----

    /// @param amount as `earmark`, at most as much as 2^64 amounts of 128 bits come to
    function plus(Balance self, uint256 amount, uint256 earmark) internal pure returns (Balance) {
        unchecked {
            return _create(free(self) + amount, earmarked(self) + earmark);
        }
    }

    function withFree(Balance self, uint256 amount) internal pure returns (Balance) {
        return _create(amount, earmarked(self));
    }

    function withoutEarmark(Balance self) internal pure returns (Balance) {
        return _create(free(self), 0);
    }

    function _create(uint256 free_, uint256 earmarked_) private pure returns (Balance) {
        if (free_ > MAX) free_ = MAX;
        if (earmarked_ > MAX) earmarked_ = MAX;
        return Balance.wrap(free_ | earmarked_ << EARMARKED);
    }
}
