// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IRiscZeroVerifier} from "../../src/interfaces/IRiscZeroVerifier.sol";
import {CommitteeStakes, MemberState} from "../../src/verifiers/CommitteeStakes.sol";
import {CommitteeVerifier, Program} from "../../src/verifiers/CommitteeVerifier.sol";
import {BlocklistToken, FalseToken, FeeToken, HookToken, NoReturnToken, PlainToken} from "../mocks/Tokens.sol";
import {ZkvmFixture} from "./ZkvmFixture.sol";

/// @dev Gives twice what it is asked for.
contract GenerousToken is PlainToken {
    function _move(address from, address to, uint256 amount) internal override {
        super._move(from, to, amount);
        balanceOf[to] += amount;
        totalSupply += amount;
    }
}

contract CommitteeStakesTest is ZkvmFixture {
    IRiscZeroVerifier internal constant NONE = IRiscZeroVerifier(address(0));

    // ---- constructor ----

    function test_TheSetIsAsItWasGiven() public view {
        assertEq(committee.members(), members);
        assertEq(committee.THRESHOLD(), 3);
        assertEq(committee.TOKEN(), address(token));
        assertEq(committee.STAKE(), STAKE);
    }

    function test_RevertWhen_MembersAreNotAscending() public {
        address[] memory list = members;
        (list[3], list[4]) = (list[4], list[3]);
        _expectRefused(CommitteeStakes.BadMembers.selector, list, 3);
        list[3] = list[4] = members[4];
        _expectRefused(CommitteeStakes.BadMembers.selector, list, 3);
        list = members;
        list[0] = address(0);
        _expectRefused(CommitteeStakes.BadMembers.selector, list, 3);
    }

    function test_RevertWhen_MembersAreNoneOrTooMany() public {
        _expectRefused(CommitteeStakes.BadMembers.selector, new address[](0), 0);
        (, address[] memory many) = newMembers("one of many", 33);
        _expectRefused(CommitteeStakes.BadMembers.selector, many, 17);
        (, many) = newMembers("one of many", 32);
        new CommitteeVerifier(many, 17, address(token), STAKE, programs(), NONE);
    }

    /// Two quorums that have no member in common could contradict each other and nobody would have.
    function test_RevertWhen_ThresholdIsNotMoreThanHalf() public {
        (, address[] memory four) = newMembers("one of four", 4);
        _expectRefused(CommitteeStakes.BadThreshold.selector, four, 2);
        _expectRefused(CommitteeStakes.BadThreshold.selector, four, 5);
        _expectRefused(CommitteeStakes.BadThreshold.selector, four, 0);
        new CommitteeVerifier(four, 3, address(token), STAKE, programs(), NONE);
        new CommitteeVerifier(four, 4, address(token), STAKE, programs(), NONE);
        _expectRefused(CommitteeStakes.BadThreshold.selector, members, 2);
    }

    function test_RevertWhen_ThereIsNothingToStake() public {
        vm.expectRevert(CommitteeStakes.BadStake.selector);
        new CommitteeVerifier(members, 3, address(token), 0, programs(), NONE);
        vm.expectRevert(CommitteeStakes.NotAContract.selector);
        new CommitteeVerifier(members, 3, makeAddr("no token"), STAKE, programs(), NONE);
    }

    // ---- join ----

    function test_JoinTakesTheStake() public {
        CommitteeVerifier set = newCommittee(NONE);
        assertFalse(set.isLive(members[0]));
        token.mint(members[0], STAKE);
        vm.startPrank(members[0]);
        token.approve(address(set), STAKE);
        vm.expectEmit(address(set));
        emit CommitteeStakes.Joined(members[0], STAKE);
        set.join();
        assertEq(token.balanceOf(address(set)), STAKE);
        assertTrue(set.isLive(members[0]));
        assertFalse(set.isLive(members[1]));
        (MemberState state,, uint128 stake) = set.memberOf(members[0]);
        assertEq(uint256(state), uint256(MemberState.Staked));
        assertEq(stake, STAKE);
    }

    function test_RevertWhen_JoinedByAnother() public {
        token.mint(stranger, STAKE);
        vm.startPrank(stranger);
        token.approve(address(committee), STAKE);
        vm.expectRevert(CommitteeStakes.NotAMember.selector);
        committee.join();
    }

    function test_RevertWhen_JoinedTwice() public {
        token.mint(members[0], STAKE);
        vm.startPrank(members[0]);
        token.approve(address(committee), STAKE);
        vm.expectRevert(abi.encodeWithSelector(CommitteeStakes.WrongState.selector, MemberState.Staked));
        committee.join();
    }

    function test_RevertWhen_MemberCannotPay() public {
        CommitteeVerifier set = newCommittee(NONE);
        vm.expectRevert(SafeTransferLib.TransferFromFailed.selector);
        vm.prank(members[0]);
        set.join();
    }

    /// SECURITY 6: a fee on transfers.
    function test_RevertWhen_LessThanTheStakeArrives() public {
        _useToken(new FeeToken());
        token.mint(members[0], STAKE);
        vm.startPrank(members[0]);
        token.approve(address(committee), STAKE);
        vm.expectRevert(CommitteeStakes.StakeTooSmall.selector);
        committee.join();
    }

    /// SECURITY 6: a token that says `false` and moves nothing.
    function test_RevertWhen_TokenSaysFalse() public {
        FalseToken lying = new FalseToken();
        _useToken(lying);
        lying.setRefusing(true);
        token.mint(members[0], STAKE);
        vm.startPrank(members[0]);
        token.approve(address(committee), STAKE);
        vm.expectRevert(SafeTransferLib.TransferFromFailed.selector);
        committee.join();
        vm.stopPrank();
        lying.setRefusing(false);
        token.mint(members[1], STAKE);
        join(committee, members[1]);
        _leave(members[1]);
        lying.setRefusing(true);
        vm.expectRevert(SafeTransferLib.TransferFailed.selector);
        vm.prank(members[1]);
        committee.withdraw(members[1]);
    }

    function test_CreditsWhatArrived() public {
        _useToken(new GenerousToken());
        join(committee, members[0]);
        (,, uint128 stake) = committee.memberOf(members[0]);
        assertEq(stake, 2 * STAKE);
    }

    function test_TakesATokenThatReturnsNothing() public {
        _useToken(new NoReturnToken());
        join(committee, members[0]);
        _leave(members[0]);
        vm.prank(members[0]);
        committee.withdraw(members[0]);
        assertEq(token.balanceOf(members[0]), STAKE);
    }

    /// SECURITY 4: one transfer, counted for two members.
    function test_RevertWhen_JoinedFromAToken() public {
        HookToken hook = new HookToken();
        _useToken(hook);
        bytes[4] memory calls = [
            abi.encodeCall(committee.join, ()),
            abi.encodeCall(committee.resign, ()),
            abi.encodeCall(committee.withdraw, (stranger)),
            abi.encodeCall(committee.collect, (stranger))
        ];
        for (uint256 i; i < calls.length; ++i) {
            hook.setHook(address(committee), calls[i], i % 2 == 0);
            join(committee, members[i]);
            assertFalse(hook.lastSuccess());
            assertEq(hook.lastResult(), abi.encodeWithSelector(CommitteeStakes.Reentrancy.selector));
        }
    }

    // ---- resign ----

    function test_ResignedMemberCountsForTheNotice() public {
        uint256 leavesAt = block.timestamp + committee.NOTICE();
        vm.expectEmit(address(committee));
        emit CommitteeStakes.Resigned(members[0], leavesAt);
        vm.prank(members[0]);
        committee.resign();
        assertTrue(committee.isLive(members[0]));
        vm.warp(leavesAt - 1);
        assertTrue(committee.isLive(members[0]));
        vm.warp(leavesAt);
        assertFalse(committee.isLive(members[0]));
    }

    /// What the pool's halts can add to a task, and the longest that is signed for.
    function test_NoticeIsLongerThanTheLongestTask() public view {
        assertEq(committee.NOTICE(), 14 days);
        assertEq(committee.EVIDENCE_WINDOW(), 7 days);
    }

    function test_RevertWhen_ResignedTwice() public {
        vm.startPrank(members[0]);
        committee.resign();
        vm.expectRevert(abi.encodeWithSelector(CommitteeStakes.WrongState.selector, MemberState.Staked));
        committee.resign();
    }

    function test_RevertWhen_ResignedWithoutStake() public {
        CommitteeVerifier set = newCommittee(NONE);
        vm.expectRevert(abi.encodeWithSelector(CommitteeStakes.WrongState.selector, MemberState.Absent));
        vm.prank(members[0]);
        set.resign();
        vm.expectRevert(CommitteeStakes.NotAMember.selector);
        vm.prank(stranger);
        set.resign();
    }

    // ---- withdraw ----

    function test_WithdrawnAfterTheEvidenceWindow() public {
        vm.prank(members[0]);
        committee.resign();
        uint256 free = block.timestamp + committee.NOTICE() + committee.EVIDENCE_WINDOW();
        vm.warp(free - 1);
        vm.expectRevert(CommitteeStakes.TooEarly.selector);
        vm.prank(members[0]);
        committee.withdraw(members[0]);
        vm.warp(free);
        vm.expectEmit(address(committee));
        emit CommitteeStakes.Withdrawn(members[0], reporter, STAKE);
        vm.prank(members[0]);
        committee.withdraw(reporter);
        assertEq(token.balanceOf(reporter), STAKE);
        assertEq(token.balanceOf(address(committee)), 4 * STAKE);
    }

    function test_RevertWhen_WithdrawnWithoutHavingResigned() public {
        vm.warp(block.timestamp + 365 days);
        vm.expectRevert(CommitteeStakes.TooEarly.selector);
        vm.prank(members[0]);
        committee.withdraw(members[0]);
    }

    function test_RevertWhen_WithdrawnTwice() public {
        _leave(members[0]);
        vm.startPrank(members[0]);
        committee.withdraw(members[0]);
        vm.expectRevert(abi.encodeWithSelector(CommitteeStakes.WrongState.selector, MemberState.Absent));
        committee.withdraw(members[0]);
    }

    function test_RevertWhen_WithdrawnByAnother() public {
        _leave(members[0]);
        vm.expectRevert(CommitteeStakes.NotAMember.selector);
        vm.prank(stranger);
        committee.withdraw(stranger);
        vm.expectRevert(CommitteeStakes.TooEarly.selector);
        vm.prank(members[1]);
        committee.withdraw(members[1]);
    }

    function test_RevertWhen_WithdrawnToNobody() public {
        _leave(members[0]);
        vm.expectRevert(CommitteeStakes.ZeroAddress.selector);
        vm.prank(members[0]);
        committee.withdraw(address(0));
    }

    function test_JoinsAgainAfterWithdrawing() public {
        _leave(members[0]);
        vm.prank(members[0]);
        committee.withdraw(stranger);
        assertFalse(committee.isLive(members[0]));
        join(committee, members[0]);
        vm.warp(block.timestamp + 365 days);
        assertTrue(committee.isLive(members[0]));
    }

    /// SECURITY 2: a token that blocks one party stops nobody else.
    function test_ABlockedMemberStopsNobodyElse() public {
        BlocklistToken blocking = new BlocklistToken();
        _useToken(blocking);
        joinAll(committee);
        _leave(members[0]);
        _leave(members[1]);
        blocking.setBlocked(members[0], true);
        vm.expectRevert(SafeTransferLib.TransferFailed.selector);
        vm.prank(members[0]);
        committee.withdraw(members[0]);
        vm.prank(members[1]);
        committee.withdraw(members[1]);
        assertEq(token.balanceOf(members[1]), STAKE);
        vm.prank(members[0]);
        committee.withdraw(stranger);
        assertEq(token.balanceOf(stranger), STAKE);
    }

    // ---- halted ----

    function test_HaltedWhileTooFewAreLive() public {
        CommitteeVerifier set = newCommittee(NONE);
        assertTrue(set.halted());
        join(set, members[4]);
        join(set, members[0]);
        assertTrue(set.halted());
        join(set, members[2]);
        assertFalse(set.halted());
    }

    function test_HaltedWhenTooManyHaveLeft() public {
        for (uint256 i; i < 3; ++i) {
            vm.prank(members[i]);
            committee.resign();
        }
        assertFalse(committee.halted());
        vm.warp(block.timestamp + committee.NOTICE() - 1);
        assertFalse(committee.halted());
        vm.warp(block.timestamp + 1);
        assertTrue(committee.halted());
    }

    /// The pool gives a verifier 200,000 gas to say that it is halted.
    function test_TheLargestSetSaysInTimeThatItIsHalted() public {
        (, address[] memory many) = newMembers("one of many", 32);
        CommitteeVerifier set = new CommitteeVerifier(many, 32, address(token), STAKE, programs(), NONE);
        for (uint256 i; i < 31; ++i) {
            join(set, many[i]);
        }
        vm.cool(address(set));
        (bool ok, bytes memory answer) = address(set).staticcall{gas: 200_000}(abi.encodeCall(set.halted, ()));
        assertTrue(ok);
        assertTrue(abi.decode(answer, (bool)));
    }

    // ---- helpers ----

    function _useToken(PlainToken token_) private {
        token = token_;
        committee = newCommittee(NONE);
    }

    function _leave(address member) private {
        vm.prank(member);
        committee.resign();
        vm.warp(block.timestamp + committee.NOTICE() + committee.EVIDENCE_WINDOW());
    }

    function _expectRefused(bytes4 selector, address[] memory list, uint256 threshold) private {
        Program[] memory vouched = programs();
        vm.expectRevert(selector);
        new CommitteeVerifier(list, threshold, address(token), STAKE, vouched, NONE);
    }
}
