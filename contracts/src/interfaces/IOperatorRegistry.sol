// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice What an operator says about itself.
struct OperatorView {
    /// Whose word this is; quotes of this operator name it, and its slots are under it.
    address operator;
    /// When it was last said.
    uint40 updatedAt;
    /// Where its service answers. 1 to 256 printable ASCII characters without spaces; nothing else is known of it.
    string url;
    /// Names of the kinds of proof that it takes ("groth16-bn254", "risc0-composite", …), each left-aligned ASCII and padded
    /// with zeros; 1 to 16, strictly ascending.
    bytes32[] kinds;
}

/// @title OperatorRegistry: who operates, at which URL, for which kinds of proof.
/// @notice A list that anyone may put itself on, and that anyone can read from the state of one block, without logs and
/// without an archive node. No administrator, no money, no proxy.
///
/// Trust. None: an entry is what an account said about itself and nobody has checked. The URL can lead anywhere, into the
/// reader's own network too; the service behind it can be somebody else's; entries are as cheap as their gas. Whoever reads
/// must ask the service whose it is, and the pool what stands behind it: signer, collateral, tokens, slots and record are
/// not repeated here, because there they cannot be lied about.
///
/// Order. Older entries stand first, but for the one that takes the place of one that has left. A reader that wants all of
/// them, once each, reads its pages from the same block.
interface IOperatorRegistry {
    /// @notice `operator` has put itself on the list, or replaced what it had said. All of its entry is here.
    event Registered(address indexed operator, string url, bytes32[] kinds);
    event Left(address indexed operator);

    /// The URL is empty, longer than `MAX_URL`, or holds anything else than printable ASCII without spaces.
    error BadUrl();
    /// None or more than `MAX_KINDS`, not in strictly ascending order, or a name that holds anything else than printable
    /// ASCII without spaces before its padding.
    error BadKinds();
    error NotRegistered();

    /// @notice Bytes of a URL at most.
    function MAX_URL() external view returns (uint256);

    /// @notice Kinds of one operator at most.
    function MAX_KINDS() external view returns (uint256);

    /// @notice Puts the caller on the list, or replaces what it has said; it keeps its place.
    function register(string calldata url, bytes32[] calldata kinds) external;

    /// @notice Takes the caller off the list. The last entry takes its place.
    function unregister() external;

    /// @notice How many are on the list.
    function count() external view returns (uint256);

    /// @notice The entry of `operator`; all zero if it is not on the list.
    function operatorOf(address operator) external view returns (OperatorView memory);

    /// @notice The entries from `offset` on, `limit` of them at most: fewer at the end of the list, none behind it. An entry
    /// can be a kilobyte and costs up to 70,000 gas to read: a hundred at a time are within what endpoints allow.
    function page(uint256 offset, uint256 limit) external view returns (OperatorView[] memory);
}
