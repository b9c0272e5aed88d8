// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IRevenueLedger, Result, Testimony} from "../interfaces/IRevenueLedger.sol";
import {LedgerTypes} from "../libraries/LedgerTypes.sol";
import {Vault} from "./Vault.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

struct Bond {
    uint128 amount;
    uint40 leavesAt;
}

/// @notice What provers put up, so that nobody sells two results for one job.
abstract contract Bonds is Vault {
    using LedgerTypes for Result;
    using SafeTransferLib for address;

    uint256 public constant override BOND_DELAY = 14 days;
    uint256 public constant override REPORTER_SHARE = 10;

    /// @inheritdoc IRevenueLedger
    mapping(address prover => mapping(address token => Bond)) public override bondOf;
    /// @inheritdoc IRevenueLedger
    mapping(address prover => bool) public override isSlashed;
    /// @inheritdoc IRevenueLedger
    mapping(address token => uint256) public override burned;

    // ---- putting up and taking back ----

    /// @inheritdoc IRevenueLedger
    function bond(address token, uint256 amount) external nonReentrant returns (uint256 credited) {
        if (isSlashed[msg.sender]) revert ProverIsSlashed();
        credited = _pull(token, amount);
        Bond storage own = bondOf[msg.sender][token];
        uint256 sum = own.amount + credited;
        if (sum > type(uint128).max) revert AmountTooLarge();
        (own.amount, own.leavesAt) = (uint128(sum), 0);
        emit Bonded(msg.sender, token, credited);
    }

    /// @inheritdoc IRevenueLedger
    function unbond(address token) external nonReentrant {
        Bond storage own = bondOf[msg.sender][token];
        if (own.amount == 0) revert NoBond();
        if (own.leavesAt != 0) revert BondIsLeaving();
        uint256 leavesAt = block.timestamp + BOND_DELAY;
        own.leavesAt = uint40(leavesAt);
        emit BondLeaving(msg.sender, token, leavesAt);
    }

    /// @inheritdoc IRevenueLedger
    function withdrawBond(address token, address to) external nonReentrant returns (uint256 amount) {
        if (to == address(0)) revert ZeroAddress();
        if (isSlashed[msg.sender]) revert ProverIsSlashed();
        Bond memory own = bondOf[msg.sender][token];
        if (own.leavesAt == 0 || block.timestamp < own.leavesAt) revert TooEarly();
        delete bondOf[msg.sender][token];
        amount = own.amount;
        emit BondWithdrawn(msg.sender, token, to, amount);
        token.safeTransfer(to, amount);
    }

    // ---- slashing ----

    /// @inheritdoc IRevenueLedger
    function slash(
        address operator,
        bytes32 job,
        Testimony calldata first,
        Testimony calldata second,
        address[] calldata tokens
    ) external nonReentrant returns (address prover) {
        if (first.output == second.output) revert NoContradiction();
        prover = _authorOf(operator, job, first);
        if (_authorOf(operator, job, second) != prover) revert SignersDiffer();
        isSlashed[prover] = true;
        for (uint256 i; i < tokens.length; ++i) {
            _slash(prover, tokens[i]);
        }
    }

    /// A token that cannot be paid out makes the report fail: the reporter leaves it out.
    function _slash(address prover, address token) private {
        uint256 amount = bondOf[prover][token].amount;
        uint256 reward = amount / REPORTER_SHARE;
        delete bondOf[prover][token];
        burned[token] += amount - reward;
        emit Slashed(prover, token, msg.sender, reward, amount - reward);
        if (reward != 0) token.safeTransfer(msg.sender, reward);
    }

    function _authorOf(address operator, bytes32 job, Testimony calldata testimony)
        private
        view
        returns (address author)
    {
        author = _recover(Result(operator, job, testimony.output).hash(), testimony.signature);
        if (author == address(0)) revert BadSignature();
    }
}
