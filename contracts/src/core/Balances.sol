// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IZKPool} from "../interfaces/IZKPool.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

/// @notice Internal balances: the only place where tokens come in and go out.
abstract contract Balances is IZKPool {
    using SafeTransferLib for address;

    /// The account whose balances nobody can draw on.
    address internal constant SINK = address(0);

    /// @inheritdoc IZKPool
    mapping(address token => mapping(address account => uint256)) public override balanceOf;
    /// @inheritdoc IZKPool
    mapping(address owner => mapping(address agent => bool)) public override isAuthorized;

    uint256 private transient _entered;

    modifier nonReentrant() {
        _enter();
        _;
        _entered = 0;
    }

    function _enter() private {
        if (_entered != 0) revert Reentrancy();
        _entered = 1;
    }

    // ---- deposits and withdrawals ----

    /// @inheritdoc IZKPool
    function deposit(address token, address to, uint256 amount) external nonReentrant returns (uint256 credited) {
        credited = _pull(token, amount);
        _credit(token, to, credited);
        emit Deposited(token, to, credited);
    }

    /// @inheritdoc IZKPool
    function withdraw(address token, address owner, address to, uint256 amount) external nonReentrant {
        if (msg.sender != owner && !isAuthorized[owner][msg.sender]) revert NotAuthorized();
        if (to == address(0)) revert ZeroAddress();
        uint256 balance = balanceOf[token][owner];
        if (balance < amount) revert InsufficientBalance();
        balanceOf[token][owner] = balance - amount;
        emit Withdrawn(token, owner, to, amount);
        token.safeTransfer(to, amount);
    }

    /// @inheritdoc IZKPool
    function setAuthorization(address agent, bool allowed) external nonReentrant {
        isAuthorized[msg.sender][agent] = allowed;
        emit AuthorizationSet(msg.sender, agent, allowed);
    }

    // ---- for the rest of the core ----

    function _credit(address token, address account, uint256 amount) internal {
        if (amount != 0) balanceOf[token][account] += amount;
    }

    /// Takes `amount` from the caller: out of its balance, the shortfall out of its wallet.
    function _take(address token, uint256 amount) internal {
        uint256 balance = balanceOf[token][msg.sender];
        if (balance < amount) {
            balance += _pull(token, amount - balance);
            if (balance < amount) revert InsufficientBalance();
        }
        if (amount != 0) balanceOf[token][msg.sender] = balance - amount;
    }

    /// Pulls `amount` out of the caller's wallet.
    /// @return arrived what is credited, for tokens that keep a fee
    function _pull(address token, uint256 amount) private returns (uint256 arrived) {
        uint256 before = IERC20(token).balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        arrived = IERC20(token).balanceOf(address(this)) - before;
    }
}
