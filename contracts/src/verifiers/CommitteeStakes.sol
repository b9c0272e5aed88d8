// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";

/// @notice Where a member of a committee stands. `Absent` may join, `Staked` may resign, `Slashed` is for ever.
enum MemberState {
    Stranger,
    Absent,
    Staked,
    Slashed
}

/// @notice The stakes of a committee's members: the only place where its tokens come in and go out.
///
/// ```
/// Stranger      Absent ──join──▶ Staked ──resign, NOTICE + EVIDENCE_WINDOW, withdraw──▶ Absent
///                  └──────report───┴──report──▶ Slashed
/// ```
///
/// A member that resigns counts for `NOTICE` more, so that a set cannot vanish from under the tasks published under it;
/// then its stake stays for `EVIDENCE_WINDOW`, so that what it has signed last can still cost it.
abstract contract CommitteeStakes {
    using SafeTransferLib for address;

    /// Not one of this set.
    error NotAMember();
    /// Not in the state that this needs: joined already, resigned already, slashed.
    error WrongState(MemberState state);
    /// Less than the stake arrived.
    error StakeTooSmall();
    error TooEarly();
    error NothingToCollect();
    error ZeroAddress();
    error Reentrancy();
    error NotAContract();
    error BadStake();
    /// None or too many, or not in strictly ascending order.
    error BadMembers();
    /// Not more than half of the members, or more than there are.
    error BadThreshold();

    event Joined(address indexed member, uint256 stake);
    event Resigned(address indexed member, uint256 leavesAt);
    event Withdrawn(address indexed member, address to, uint256 stake);
    /// @param burned what nobody can ever draw
    event Slashed(address indexed member, address indexed reporter, uint256 reward, uint256 burned);
    event Collected(address indexed reporter, address to, uint256 reward);

    struct Member {
        MemberState state;
        /// When it ceases to count; `NEVER` until it resigns.
        uint40 leavesAt;
        uint128 stake;
    }

    /// @notice How long a member that resigns goes on to count: longer than any task under this set may last, what halts
    /// add (7 days at most) included. Operators sign nothing for a committee with a liability window beyond 7 days.
    uint256 public constant NOTICE = 14 days;
    /// @notice How long its stake is held after that.
    uint256 public constant EVIDENCE_WINDOW = 7 days;
    /// @notice The reporter's part of a slashed stake is one in so many. The rest is burned, because a member can report
    /// itself, under another name, before others do: what is burned is all that slashing is certain to cost it.
    uint256 public constant REPORTER_SHARE = 10;
    /// @notice So that `halted` stays within the gas that the pool gives it.
    uint256 public constant MAX_MEMBERS = 32;

    uint256 internal constant NEVER = type(uint40).max;

    /// @notice How many live members it takes. More than half, so that any two quorums have a member in common: if they
    /// contradict each other, somebody can be slashed for it.
    uint256 public immutable THRESHOLD;
    address public immutable TOKEN;
    /// @notice What each member puts up, in units of `TOKEN`.
    uint128 public immutable STAKE;

    address[] private _members;
    mapping(address account => Member) public memberOf;
    /// @notice What reporters have earned and not collected.
    mapping(address reporter => uint256) public rewardOf;
    /// @notice What stays here for ever.
    uint256 public burned;

    uint256 private transient _entered;

    modifier nonReentrant() {
        if (_entered != 0) revert Reentrancy();
        _entered = 1;
        _;
        _entered = 0;
    }

    constructor(address[] memory members_, uint256 threshold, address token, uint128 stake) {
        if (members_.length == 0 || members_.length > MAX_MEMBERS) revert BadMembers();
        if (threshold > members_.length || 2 * threshold <= members_.length) revert BadThreshold();
        if (token.code.length == 0) revert NotAContract();
        if (stake == 0) revert BadStake();
        address previous;
        for (uint256 i; i < members_.length; ++i) {
            if (members_[i] <= previous) revert BadMembers();
            previous = members_[i];
            memberOf[previous].state = MemberState.Absent;
        }
        _members = members_;
        THRESHOLD = threshold;
        TOKEN = token;
        STAKE = stake;
    }

    // ---- members ----

    /// @notice Puts up the caller's stake, out of its wallet; it counts from now. Credited is what arrives.
    function join() external nonReentrant {
        Member storage member = memberOf[msg.sender];
        _expect(member, MemberState.Absent);
        uint256 before = IERC20(TOKEN).balanceOf(address(this));
        TOKEN.safeTransferFrom(msg.sender, address(this), STAKE);
        uint256 arrived = IERC20(TOKEN).balanceOf(address(this)) - before;
        if (arrived < STAKE || arrived > type(uint128).max) revert StakeTooSmall();
        (member.state, member.leavesAt, member.stake) = (MemberState.Staked, uint40(NEVER), uint128(arrived));
        emit Joined(msg.sender, arrived);
    }

    /// @notice The caller resigns: it counts for `NOTICE` more.
    function resign() external nonReentrant {
        Member storage member = memberOf[msg.sender];
        _expect(member, MemberState.Staked);
        if (member.leavesAt != NEVER) revert WrongState(MemberState.Staked);
        uint256 leavesAt = block.timestamp + NOTICE;
        member.leavesAt = uint40(leavesAt);
        emit Resigned(msg.sender, leavesAt);
    }

    /// @notice Pays out the stake of a member that has left, `EVIDENCE_WINDOW` later. It may join again.
    function withdraw(address to) external nonReentrant {
        if (to == address(0)) revert ZeroAddress();
        Member storage member = memberOf[msg.sender];
        _expect(member, MemberState.Staked);
        if (block.timestamp < member.leavesAt + EVIDENCE_WINDOW) revert TooEarly();
        uint256 stake = member.stake;
        (member.state, member.leavesAt, member.stake) = (MemberState.Absent, 0, 0);
        emit Withdrawn(msg.sender, to, stake);
        TOKEN.safeTransfer(to, stake);
    }

    /// @notice Pays out what the caller has earned by reporting.
    function collect(address to) external nonReentrant {
        if (to == address(0)) revert ZeroAddress();
        uint256 reward = rewardOf[msg.sender];
        if (reward == 0) revert NothingToCollect();
        rewardOf[msg.sender] = 0;
        emit Collected(msg.sender, to, reward);
        TOKEN.safeTransfer(to, reward);
    }

    // ---- views ----

    /// @notice The set, in ascending order.
    function members() external view returns (address[] memory) {
        return _members;
    }

    /// @notice Whether its signature counts now.
    function isLive(address account) public view returns (bool) {
        Member storage member = memberOf[account];
        return member.state == MemberState.Staked && block.timestamp < member.leavesAt;
    }

    function _hasQuorum() internal view returns (bool) {
        uint256 live;
        for (uint256 i; i < _members.length; ++i) {
            if (isLive(_members[i]) && ++live == THRESHOLD) return true;
        }
        return false;
    }

    // ---- slashing ----

    /// Slashes `account` for what the caller has shown. A member without stake, that has not joined or has withdrawn, is
    /// slashed like any other: there is nothing to share, but it never counts again.
    function _slash(address account) internal {
        Member storage member = memberOf[account];
        if (member.state == MemberState.Stranger) revert NotAMember();
        if (member.state == MemberState.Slashed) revert WrongState(MemberState.Slashed);
        uint256 stake = member.stake;
        uint256 reward = stake / REPORTER_SHARE;
        (member.state, member.leavesAt, member.stake) = (MemberState.Slashed, 0, 0);
        rewardOf[msg.sender] += reward;
        burned += stake - reward;
        emit Slashed(account, msg.sender, reward, stake - reward);
    }

    function _expect(Member storage member, MemberState state) private view {
        MemberState current = member.state;
        if (current == MemberState.Stranger) revert NotAMember();
        if (current != state) revert WrongState(current);
    }
}
