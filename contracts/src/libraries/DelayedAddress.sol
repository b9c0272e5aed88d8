// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice An address that changes with notice, a stop mark that belongs to each value it takes, and a small number (an
/// operator's share for its provers) that changes with the same notice.
/// @dev Whoever relies on the value can see what it will be, and until when. The zero value of the struct is the zero
/// address, effective since for ever. Only a pending change needs the second word.
struct DelayedAddress {
    address latest;
    /// From this second on `latest` counts, before it `previous`.
    uint40 effectiveAt;
    bool latestStopped;
    bool previousStopped;
    /// As `latest` and `previous`.
    uint8 latestShare;
    uint8 previousShare;
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

    /// `getWithStop` and `share` at once, which costs no more than one of them.
    function getAll(DelayedAddress storage self) internal view returns (address value, bool stopped, uint8 share_) {
        return isPending(self)
            ? (self.previous, self.previousStopped, self.previousShare)
            : (self.latest, self.latestStopped, self.latestShare);
    }

    /// Whether what was announced last changes the address or its stop mark.
    function changesAddress(DelayedAddress storage self) internal view returns (bool) {
        return isPending(self) && (self.latest != self.previous || self.latestStopped != self.previousStopped);
    }

    /// Whether what was announced last changes the share.
    function changesShare(DelayedAddress storage self) internal view returns (bool) {
        return isPending(self) && self.latestShare != self.previousShare;
    }

    /// The share that counts now.
    function share(DelayedAddress storage self) internal view returns (uint8) {
        return isPending(self) ? self.previousShare : self.latestShare;
    }

    /// Lets `value` count from `effectiveAt` on, unstopped. A change that is still pending is replaced; one of
    /// the share is put off until then.
    function set(DelayedAddress storage self, address value, uint256 effectiveAt) internal {
        _postpone(self, effectiveAt);
        (self.latest, self.latestStopped) = (value, false);
    }

    /// Lets `share_` count from `effectiveAt` on. As `set`: a pending change of the address, or of the stop mark that goes
    /// with it, is put off until then.
    function setShare(DelayedAddress storage self, uint8 share_, uint256 effectiveAt) internal {
        _postpone(self, effectiveAt);
        self.latestShare = share_;
    }

    /// What counts now counts until `effectiveAt`.
    function _postpone(DelayedAddress storage self, uint256 effectiveAt) private {
        (self.previous, self.previousStopped, self.previousShare) = getAll(self);
        self.effectiveAt = uint40(effectiveAt);
    }

    /// Stops the value that counts now; the next one starts unstopped. A share that is pending makes no other value of it.
    function stop(DelayedAddress storage self) internal {
        if (!changesAddress(self)) self.latestStopped = true;
        if (isPending(self)) self.previousStopped = true;
    }
}
