// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IZKPool} from "../interfaces/IZKPool.sol";
import {Balance} from "../libraries/Balance.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

/// @notice Internal balances: the only place where tokens come in and go out.
abstract contract Balances is IZKPool {
    using SafeTransferLib for address;

    /// The account whose balances nobody can draw on.
    address internal constant SINK = address(0);

    /// @inheritdoc IZKPool
    address public immutable override REVENUE_LEDGER;

    mapping(address token => mapping(address account => Balance)) private _balances;
    /// @inheritdoc IZKPool
    mapping(address owner => mapping(address agent => bool)) public override isAuthorized;

    uint256 private transient _entered;

    constructor(address ledger) {
        // What is earmarked for an address without code would be lost.
        if (ledger.code.length == 0) revert LedgerHasNoCode();
        REVENUE_LEDGER = ledger;
    }

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
        if (credited > type(uint128).max - balanceOf(token, to)) revert AmountTooLarge();
        _credit(token, to, credited);
        emit Deposited(token, to, credited);
    }

    /// @inheritdoc IZKPool
    function withdraw(address token, address owner, address to, uint256 amount) external nonReentrant {
        if (msg.sender != owner && !isAuthorized[owner][msg.sender]) revert NotAuthorized();
        if (to == address(0)) revert ZeroAddress();
        Balance balance = _balances[token][owner];
        if (balance.free() < amount) revert InsufficientBalance();
        _balances[token][owner] = balance.withFree(balance.free() - amount);
        emit Withdrawn(token, owner, to, amount);
        token.safeTransfer(to, amount);
    }

    /// @inheritdoc IZKPool
    function setAuthorization(address agent, bool allowed) external nonReentrant {
        isAuthorized[msg.sender][agent] = allowed;
        emit AuthorizationSet(msg.sender, agent, allowed);
    }

    /// @inheritdoc IZKPool
    function releaseEarmark(address token, address account) external nonReentrant returns (uint256 amount) {
        if (msg.sender != REVENUE_LEDGER) revert NotAuthorized();
        Balance balance = _balances[token][account];
        amount = balance.earmarked();
        _balances[token][account] = balance.withoutEarmark();
        emit EarmarkReleased(token, account, amount);
        token.safeTransfer(REVENUE_LEDGER, amount);
    }

    /// @inheritdoc IZKPool
    function balanceOf(address token, address account) public view returns (uint256) {
        return _balances[token][account].free();
    }

    /// @inheritdoc IZKPool
    function earmarkOf(address token, address account) external view returns (uint256) {
        return _balances[token][account].earmarked();
    }

    // ---- for the rest of the core ----

    function _credit(address token, address account, uint256 amount) internal {
        _credit(token, account, amount, 0);
    }

    function _credit(address token, address account, uint256 amount, uint256 earmark) internal {
        // slither-disable-next-line incorrect-equality
        if (amount | earmark == 0) return;
        _balances[token][account] = _balances[token][account].plus(amount, earmark);
    }

    /// Takes `amount` from the caller: out of its balance, the shortfall out of its wallet.
    function _take(address token, uint256 amount) internal {
        Balance balance = _balances[token][msg.sender];
        uint256 free = balance.free();
        if (free < amount) {
            free += _pull(token, amount - free);
            if (free < amount) revert InsufficientBalance();
        }
        if (amount != 0) _balances[token][msg.sender] = balance.withFree(free - amount);
    }

    /// Pulls `amount` out of the caller's wallet.
    /// @return arrived what is credited, for tokens that keep a fee
    function _pull(address token, uint256 amount) private returns (uint256 arrived) {
        uint256 before = IERC20(token).balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        arrived = IERC20(token).balanceOf(address(this)) - before;
    }
}
