// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IZKPool, Quote, Task, Terms} from "../interfaces/IZKPool.sol";
import {ISignatureTransfer} from "./interfaces/ISignatureTransfer.sol";
import {IWETH} from "./interfaces/IWETH.sol";

/// @title Ether and signed approvals for ZKPool, in one transaction.
/// @notice A convenience: everything here can be done at the pool itself. No administrator, no fee; it holds nothing
/// between transactions, and what is sent to it unasked goes to whoever comes next.
///
/// It only ever spends the caller's own money: tokens are pulled from `msg.sender` and from nobody else, and a pool
/// balance is withdrawn only for `msg.sender` (who has to authorize the router at the pool first). An approval or a
/// permit given to the router is therefore of no use to anyone but its owner. The token of a quote is an address that
/// the caller chose; a hostile one is called with nothing at hand but the caller's own payment.
///
/// Whoever pays, the pool's rule stands: refunds, liability and honour go to the quote's requester.
contract Router {
    /// @notice An ERC-2612 permit of the caller's for the router.
    struct Permit {
        /// At least the price.
        uint256 value;
        uint256 deadline;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    /// @notice A Permit2 `PermitTransferFrom` of the caller's, with the router as its spender and the quote's reward token.
    struct Permit2 {
        /// The amount that was signed, at least the price.
        uint256 amount;
        uint256 nonce;
        uint256 deadline;
        bytes signature;
    }

    error Reentrancy();
    error ZeroAddress();
    /// Ether only comes from WETH or with a call that says what it is for.
    error UnexpectedEther();
    /// Ether pays only for quotes whose reward is in WETH.
    error RewardNotInWeth();
    error InsufficientEther();
    /// Whether or not the permit was still good: the router's allowance does not cover the price.
    error InsufficientAllowance();

    IZKPool public immutable POOL;
    IWETH public immutable WETH;
    /// @notice Uniswap's Permit2; where there is none, the functions that need it revert.
    ISignatureTransfer public immutable PERMIT2;

    /// @dev An allowance above this need not be renewed. Some tokens keep it in 96 bits, and count it down.
    uint256 private constant ENOUGH = type(uint96).max / 2;

    bool private transient _entered;

    /// @dev Money is on its way through the router only while this holds.
    modifier nonReentrant() {
        require(!_entered, Reentrancy());
        _entered = true;
        _;
        _entered = false;
    }

    constructor(IZKPool pool, IWETH weth, ISignatureTransfer permit2) {
        (POOL, WETH, PERMIT2) = (pool, weth, permit2);
    }

    receive() external payable {
        require(msg.sender == address(WETH), UnexpectedEther());
    }

    // ---- ether in and out ----

    /// @notice Credits `to` at the pool with the ether sent, as WETH.
    function depositEther(address to) external payable nonReentrant returns (uint256 credited) {
        require(to != address(0), ZeroAddress());
        WETH.deposit{value: msg.value}();
        _allowPool(address(WETH));
        credited = _depositAll(address(WETH), to);
    }

    /// @notice Pays `amount` of the caller's WETH balance at the pool to `to` as ether.
    /// The caller has authorized the router: `POOL.setAuthorization(router, true)`.
    function withdrawEther(address to, uint256 amount) external nonReentrant {
        require(to != address(0), ZeroAddress());
        POOL.withdraw(address(WETH), msg.sender, address(this), amount);
        WETH.withdraw(amount);
        SafeTransferLib.safeTransferETH(to, amount);
    }

    // ---- publication ----
    // Each is `IZKPool.publish` or `IZKPool.publishBatch`, paid for in its own way. What the publication did not use (ether
    // beyond the price, the rewards of a batch's tasks that were published already) is credited to the caller at the
    // pool: nobody is called back.

    /// @notice Pays with the ether sent.
    function publishWithEther(Quote calldata quote, bytes calldata signature)
        external
        payable
        nonReentrant
        returns (bytes32 task, bool accepted)
    {
        _payWithEther(quote.terms.rewardToken, quote.terms.reward);
        return _publish(quote, signature);
    }

    /// @notice Pays with the ether sent.
    function publishBatchWithEther(Terms calldata terms, Task[] calldata tasks, bytes calldata signature)
        external
        payable
        nonReentrant
        returns (uint256 accepted)
    {
        _payWithEther(terms.rewardToken, _price(terms, tasks));
        return _publishBatch(terms, tasks, signature);
    }

    /// @notice Pays with the caller's tokens by an ERC-2612 permit. A permit that somebody else has already used does no
    /// harm: the allowance that it left is what counts.
    function publishWithPermit(Quote calldata quote, bytes calldata signature, Permit calldata permit)
        external
        nonReentrant
        returns (bytes32 task, bool accepted)
    {
        _payWithPermit(quote.terms.rewardToken, quote.terms.reward, permit);
        return _publish(quote, signature);
    }

    /// @notice See `publishWithPermit`.
    function publishBatchWithPermit(
        Terms calldata terms,
        Task[] calldata tasks,
        bytes calldata signature,
        Permit calldata permit
    ) external nonReentrant returns (uint256 accepted) {
        _payWithPermit(terms.rewardToken, _price(terms, tasks), permit);
        return _publishBatch(terms, tasks, signature);
    }

    /// @notice Pays with the caller's tokens by a Permit2 signature, of which only the price is used.
    function publishWithPermit2(Quote calldata quote, bytes calldata signature, Permit2 calldata permit)
        external
        nonReentrant
        returns (bytes32 task, bool accepted)
    {
        _payWithPermit2(quote.terms.rewardToken, quote.terms.reward, permit);
        return _publish(quote, signature);
    }

    /// @notice See `publishWithPermit2`.
    function publishBatchWithPermit2(
        Terms calldata terms,
        Task[] calldata tasks,
        bytes calldata signature,
        Permit2 calldata permit
    ) external nonReentrant returns (uint256 accepted) {
        _payWithPermit2(terms.rewardToken, _price(terms, tasks), permit);
        return _publishBatch(terms, tasks, signature);
    }

    // ---- payment: the caller's money comes here ----

    function _payWithEther(address token, uint256 price) private {
        require(token == address(WETH), RewardNotInWeth());
        require(msg.value >= price, InsufficientEther());
        WETH.deposit{value: msg.value}();
    }

    function _payWithPermit(address token, uint256 price, Permit calldata permit) private {
        try IERC20Permit(token)
            .permit(msg.sender, address(this), permit.value, permit.deadline, permit.v, permit.r, permit.s) {}
            catch {}
        require(IERC20(token).allowance(msg.sender, address(this)) >= price, InsufficientAllowance());
        SafeTransferLib.safeTransferFrom(token, msg.sender, address(this), price);
    }

    function _payWithPermit2(address token, uint256 price, Permit2 calldata permit) private {
        PERMIT2.permitTransferFrom(
            ISignatureTransfer.PermitTransferFrom({
                permitted: ISignatureTransfer.TokenPermissions({token: token, amount: permit.amount}),
                nonce: permit.nonce,
                deadline: permit.deadline
            }),
            ISignatureTransfer.SignatureTransferDetails({to: address(this), requestedAmount: price}),
            msg.sender,
            permit.signature
        );
    }

    function _price(Terms calldata terms, Task[] calldata tasks) private pure returns (uint256) {
        return uint256(terms.reward) * tasks.length;
    }

    // ---- publication: it goes to the pool, all of it ----

    function _publish(Quote calldata quote, bytes calldata signature) private returns (bytes32 task, bool accepted) {
        address token = quote.terms.rewardToken;
        _allowPool(token);
        (task, accepted) = POOL.publish(quote, signature);
        _depositAll(token, msg.sender);
    }

    function _publishBatch(Terms calldata terms, Task[] calldata tasks, bytes calldata signature)
        private
        returns (uint256 accepted)
    {
        _allowPool(terms.rewardToken);
        accepted = POOL.publishBatch(terms, tasks, signature);
        _depositAll(terms.rewardToken, msg.sender);
    }

    function _depositAll(address token, address to) private returns (uint256 credited) {
        uint256 balance = IERC20(token).balanceOf(address(this));
        if (balance != 0) credited = POOL.deposit(token, to, balance);
    }

    /// @dev The pool pulls from its caller alone, so this approval is of no use to anybody else, and the router has
    /// nothing between transactions. For ever, to spare each publication an approval of its own.
    function _allowPool(address token) private {
        if (IERC20(token).allowance(address(this), address(POOL)) < ENOUGH) {
            SafeTransferLib.safeApproveWithRetry(token, address(POOL), type(uint256).max);
        }
    }
}
