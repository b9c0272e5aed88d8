// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice An address that changes with notice, and a stop mark that belongs to each value it takes.
/// @dev Whoever relies on the value can see what it will be, and until when. The zero value of the struct is the zero
/// address, effective since for ever. Only a pending change needs the second word.
struct DelayedAddress {
    address latest;
    /// From this second on `latest` counts, before it `previous`.
    uint40 effectiveAt;
    bool latestStopped;
    bool previousStopped;
    address previous;
}

using DelayedAddressLib for DelayedAddress global;

library DelayedAddressLib {
    /// The value that counts now.
    function get(DelayedAddress storage self) internal view returns (address) {
        return at(self, block.timestamp);
    }

    /// The value that counts at `time`, now or later, as far as is known now.
    function at(DelayedAddress storage self, uint256 time) internal view returns (address) {
        return time < self.effectiveAt ? self.previous : self.latest;
    }

    function isPending(DelayedAddress storage self) internal view returns (bool) {
        return block.timestamp < self.effectiveAt;
    }

    /// The value that counts now and whether it was stopped.
    function getWithStop(DelayedAddress storage self) internal view returns (address value, bool stopped) {
        return isPending(self) ? (self.previous, self.previousStopped) : (self.latest, self.latestStopped);
    }

    /// Lets `value` count from `effectiveAt` on, unstopped. A change that is still pending is replaced.
    function set(DelayedAddress storage self, address value, uint256 effectiveAt) internal {
        (self.previous, self.previousStopped) = getWithStop(self);
        (self.latest, self.latestStopped) = (value, false);
        self.effectiveAt = uint40(effectiveAt);
    }

    /// Stops the value that counts now; the next one starts unstopped.
    function stop(DelayedAddress storage self) internal {
        if (isPending(self)) self.previousStopped = true;
        else self.latestStopped = true;
    }
}
