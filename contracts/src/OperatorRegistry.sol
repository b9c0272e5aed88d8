// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IOperatorRegistry, OperatorView} from "./interfaces/IOperatorRegistry.sol";

/// @notice The list of operators; all that is to be said stands at `IOperatorRegistry`.
contract OperatorRegistry is IOperatorRegistry {
    struct Entry {
        /// Place in `_operators`, counted from one; zero: not on the list.
        uint64 place;
        uint40 updatedAt;
        string url;
        bytes32[] kinds;
    }

    /// @inheritdoc IOperatorRegistry
    uint256 public constant MAX_URL = 256;
    /// @inheritdoc IOperatorRegistry
    uint256 public constant MAX_KINDS = 16;

    address[] private _operators;
    mapping(address operator => Entry) private _entries;

    // ---- what an account says about itself ----

    /// @inheritdoc IOperatorRegistry
    function register(string calldata url, bytes32[] calldata kinds) external {
        _checkUrl(bytes(url));
        _checkKinds(kinds);
        Entry storage entry = _entries[msg.sender];
        if (entry.place == 0) {
            _operators.push(msg.sender);
            entry.place = uint64(_operators.length);
        }
        entry.updatedAt = uint40(block.timestamp);
        entry.url = url;
        entry.kinds = kinds;
        emit Registered(msg.sender, url, kinds);
    }

    /// @inheritdoc IOperatorRegistry
    function unregister() external {
        uint64 place = _entries[msg.sender].place;
        // slither-disable-next-line incorrect-equality
        if (place == 0) revert NotRegistered();
        address last = _operators[_operators.length - 1];
        _operators[place - 1] = last;
        _entries[last].place = place;
        _operators.pop();
        delete _entries[msg.sender];
        emit Left(msg.sender);
    }

    // ---- reading ----

    /// @inheritdoc IOperatorRegistry
    function count() external view returns (uint256) {
        return _operators.length;
    }

    /// @inheritdoc IOperatorRegistry
    function operatorOf(address operator) external view returns (OperatorView memory) {
        // slither-disable-next-line incorrect-equality
        if (_entries[operator].place == 0) operator = address(0);
        return _view(operator);
    }

    /// @inheritdoc IOperatorRegistry
    function page(uint256 offset, uint256 limit) external view returns (OperatorView[] memory entries) {
        uint256 total = _operators.length;
        uint256 left = offset < total ? total - offset : 0;
        entries = new OperatorView[](limit < left ? limit : left);
        for (uint256 i; i < entries.length; ++i) {
            entries[i] = _view(_operators[offset + i]);
        }
    }

    function _view(address operator) private view returns (OperatorView memory) {
        Entry storage entry = _entries[operator];
        return OperatorView(operator, entry.updatedAt, entry.url, entry.kinds);
    }

    // ---- what may stand here: text that harms nobody's terminal, in bounds that a reader can rely on ----

    function _checkUrl(bytes calldata url) private pure {
        if (url.length == 0 || url.length > MAX_URL) revert BadUrl();
        for (uint256 i; i < url.length; ++i) {
            if (!_isPrintable(url[i])) revert BadUrl();
        }
    }

    function _checkKinds(bytes32[] calldata kinds) private pure {
        if (kinds.length == 0 || kinds.length > MAX_KINDS) revert BadKinds();
        bytes32 previous;
        for (uint256 i; i < kinds.length; ++i) {
            // Zero is never above what stands before it, so there is no empty name.
            if (kinds[i] <= previous) revert BadKinds();
            previous = kinds[i];
            _checkName(previous);
        }
    }

    function _checkName(bytes32 name) private pure {
        uint256 length;
        while (length < 32 && _isPrintable(name[length])) ++length;
        // What follows must be padding.
        if (length < 32 && name << (8 * length) != 0) revert BadKinds();
    }

    function _isPrintable(bytes1 character) private pure returns (bool) {
        return character > 0x20 && character < 0x7f;
    }
}
