// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Claim, IRevenueLedger, Tranche, TrancheState, Voucher} from "../interfaces/IRevenueLedger.sol";
import {IZKPool} from "../interfaces/IZKPool.sol";
import {LedgerTypes} from "../libraries/LedgerTypes.sol";
import {SumTree} from "../libraries/SumTree.sol";
import {Vault} from "./Vault.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

/// @notice Operators' money for their provers, from the fund through tranches to those who have earned it.
abstract contract Tranches is Vault {
    using FixedPointMathLib for uint256;
    using LedgerTypes for Voucher;
    using SafeTransferLib for address;

    uint256 public constant override CLOSING_DELAY = 14 days;

    /// @inheritdoc IRevenueLedger
    mapping(address operator => mapping(address token => uint256)) public override fundOf;
    /// @inheritdoc IRevenueLedger
    mapping(address operator => mapping(address agent => bool)) public override isAuthorized;
    /// @inheritdoc IRevenueLedger
    mapping(address operator => uint256) public override trancheCount;
    /// @inheritdoc IRevenueLedger
    mapping(address operator => mapping(uint256 tranche => mapping(address prover => uint256))) public override paidOf;

    mapping(address operator => mapping(uint256 index => Tranche)) private _tranches;
    mapping(address prover => address) private _payouts;

    // ---- funds ----

    /// @inheritdoc IRevenueLedger
    function deposit(address token, address operator, uint256 amount) external nonReentrant returns (uint256 credited) {
        credited = _pull(token, amount);
        fundOf[operator][token] += credited;
        emit Deposited(operator, token, msg.sender, credited);
    }

    /// @inheritdoc IRevenueLedger
    function sweep(address pool, address token, address operator) external nonReentrant returns (uint256 credited) {
        uint256 before = IERC20(token).balanceOf(address(this));
        // Whatever the pool is and says: what counts is what has come.
        // slither-disable-next-line unused-return
        IZKPool(pool).releaseEarmark(token, operator);
        credited = IERC20(token).balanceOf(address(this)) - before;
        fundOf[operator][token] += credited;
        emit Swept(operator, token, pool, credited);
    }

    /// @inheritdoc IRevenueLedger
    function setAuthorization(address agent, bool allowed) external nonReentrant {
        isAuthorized[msg.sender][agent] = allowed;
        emit AuthorizationSet(msg.sender, agent, allowed);
    }

    // ---- tranches ----

    /// @inheritdoc IRevenueLedger
    function openTranche(address operator, address token, bytes32 root, uint128 total, address signer)
        external
        nonReentrant
        returns (uint256 tranche)
    {
        _onlyOperatorOrAgent(operator);
        if (signer == address(0)) revert ZeroAddress();
        if (total == 0) revert NothingToShare();
        uint256 fund = fundOf[operator][token];
        if (fund < total) revert FundTooSmall();
        fundOf[operator][token] = fund - total;
        tranche = trancheCount[operator]++;
        Tranche storage opened = _tranches[operator][tranche];
        (opened.token, opened.state, opened.signer) = (token, TrancheState.Open, signer);
        (opened.total, opened.root) = (total, root);
        emit TrancheOpened(operator, tranche, token, root, total, signer);
    }

    /// @inheritdoc IRevenueLedger
    function closeTranche(address operator, uint256 tranche) external nonReentrant {
        _onlyOperatorOrAgent(operator);
        Tranche storage closing = _tranches[operator][tranche];
        if (closing.state != TrancheState.Open) revert TrancheNotOpen();
        uint256 closesAt = block.timestamp + CLOSING_DELAY;
        (closing.state, closing.closesAt) = (TrancheState.Closing, uint40(closesAt));
        emit TrancheClosing(operator, tranche, closesAt);
    }

    /// @inheritdoc IRevenueLedger
    function reclaim(address operator, uint256 tranche) external nonReentrant returns (uint256 amount) {
        Tranche storage closed = _tranches[operator][tranche];
        TrancheState state = closed.state;
        if (state == TrancheState.None || state == TrancheState.Reclaimed) revert TrancheNotOpen();
        if (state == TrancheState.Open || block.timestamp < closed.closesAt) revert TooEarly();
        closed.state = TrancheState.Reclaimed;
        amount = closed.total - closed.paid;
        fundOf[operator][closed.token] += amount;
        emit TrancheReclaimed(operator, tranche, amount);
    }

    /// @inheritdoc IRevenueLedger
    function trancheOf(address operator, uint256 tranche) external view returns (Tranche memory) {
        return _tranches[operator][tranche];
    }

    // ---- claims ----

    /// @inheritdoc IRevenueLedger
    function claim(Claim calldata claim_) external nonReentrant returns (uint256 paid) {
        address token;
        (token, paid) = _book(claim_);
        _pay(token, claim_.voucher.prover, paid);
    }

    /// @inheritdoc IRevenueLedger
    function claimBatch(Claim[] calldata claims) external nonReentrant returns (uint256[] memory paid) {
        paid = new uint256[](claims.length);
        address token;
        address prover;
        uint256 sum;
        for (uint256 i; i < claims.length; ++i) {
            (address nextToken, uint256 due) = _book(claims[i]);
            address nextProver = claims[i].voucher.prover;
            if (nextToken != token || nextProver != prover) {
                _pay(token, prover, sum);
                (token, prover, sum) = (nextToken, nextProver, 0);
            }
            paid[i] = due;
            sum += due;
        }
        _pay(token, prover, sum);
    }

    /// @inheritdoc IRevenueLedger
    function setPayout(address payout) external nonReentrant {
        _payouts[msg.sender] = payout;
        emit PayoutSet(msg.sender, payout);
    }

    /// @inheritdoc IRevenueLedger
    function payoutOf(address prover) public view returns (address payout) {
        payout = _payouts[prover];
        if (payout == address(0)) payout = prover;
    }

    /// Books what the claim is due. That no tranche pays out more than its total follows from the tree (see `SumTree`),
    /// because no prover is paid more than the largest of its caps.
    function _book(Claim calldata claim_) private returns (address token, uint256 due) {
        Voucher calldata voucher = claim_.voucher;
        Tranche storage tranche = _tranches[voucher.operator][voucher.tranche];
        TrancheState state = tranche.state;
        if (state == TrancheState.None || state == TrancheState.Reclaimed) revert TrancheNotOpen();
        token = tranche.token;
        if (_recover(voucher.hash(), claim_.signature) != tranche.signer) revert BadSignature();
        (bytes32 root, uint256 total) = SumTree.rootOf(voucher.prover, claim_.cap, claim_.index, claim_.siblings);
        if (root != tranche.root || total != tranche.total) revert NotInTranche();

        mapping(address prover => uint256) storage paidTo = paidOf[voucher.operator][voucher.tranche];
        uint256 paid = paidTo[voucher.prover];
        due = uint256(voucher.amount).min(claim_.cap).zeroFloorSub(paid);
        if (due == 0) return (token, due);
        paidTo[voucher.prover] = paid + due;
        tranche.paid += uint128(due);
        emit Claimed(
            voucher.operator, voucher.tranche, voucher.prover, due, voucher.amount, voucher.count, voucher.head
        );
    }

    function _pay(address token, address prover, uint256 amount) private {
        if (amount != 0) token.safeTransfer(payoutOf(prover), amount);
    }

    function _onlyOperatorOrAgent(address operator) private view {
        if (msg.sender != operator && !isAuthorized[operator][msg.sender]) revert NotAuthorized();
    }
}
