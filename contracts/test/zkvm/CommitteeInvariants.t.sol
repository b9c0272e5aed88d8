// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {IRiscZeroVerifier} from "../../src/interfaces/IRiscZeroVerifier.sol";
import {MemberState} from "../../src/verifiers/CommitteeStakes.sol";
import {Attestation, CommitteeVerifier, Testimony} from "../../src/verifiers/CommitteeVerifier.sol";
import {PlainToken} from "../mocks/Tokens.sol";
import {ZkvmFixture} from "./ZkvmFixture.sol";

/// @dev Members come and go, lie and are reported, by each other, by themselves and by a stranger; time passes. What each
/// has paid and got is kept here, apart from the contract's own books.
contract CommitteeHandler is Test {
    CommitteeInvariantsTest internal immutable world;
    CommitteeVerifier internal immutable committee;
    PlainToken internal immutable token;
    uint256 internal immutable stake;

    mapping(address member => uint256) public paid;
    mapping(address member => uint256) public slashed;
    uint256 public totalPaid;
    uint256 public totalReturned;
    uint256 public totalRewarded;
    uint256 public totalSlashed;
    mapping(string deed => uint256) public deeds;

    constructor(CommitteeInvariantsTest world_, CommitteeVerifier committee_, PlainToken token_) {
        (world, committee, token, stake) = (world_, committee_, token_, committee_.STAKE());
    }

    function join(uint256 who) external {
        address member = world.member(who);
        (MemberState state,,) = committee.memberOf(member);
        if (state != MemberState.Absent) return;
        token.mint(member, stake);
        vm.startPrank(member);
        token.approve(address(committee), stake);
        committee.join();
        vm.stopPrank();
        paid[member] += stake;
        totalPaid += stake;
        ++deeds["join"];
    }

    function resign(uint256 who) external {
        address member = world.member(who);
        (MemberState state, uint40 leavesAt,) = committee.memberOf(member);
        if (state != MemberState.Staked || leavesAt != type(uint40).max) return;
        vm.prank(member);
        committee.resign();
        ++deeds["resign"];
    }

    /// Everybody tries, at any time.
    function withdraw(uint256 who) external {
        address member = world.member(who);
        uint256 before = token.balanceOf(member);
        vm.prank(member);
        try committee.withdraw(member) {
            uint256 got = token.balanceOf(member) - before;
            paid[member] -= got;
            totalReturned += got;
            ++deeds["withdraw"];
        } catch {}
    }

    function lie(uint256 who, uint256 by, bytes calldata first, bytes calldata second, bool receipts) external {
        (address member, address reporter) = (world.member(who), world.member(by));
        (,, uint128 before) = committee.memberOf(member);
        bytes memory call = world.evidence(who, first, second, receipts);
        vm.prank(reporter);
        (bool ok,) = address(committee).call(call);
        if (!ok) return;
        slashed[member] += before;
        totalSlashed += before;
        ++deeds["slash"];
    }

    function collect(uint256 who) external {
        address member = world.member(who);
        uint256 before = token.balanceOf(member);
        vm.prank(member);
        try committee.collect(member) {
            totalRewarded += token.balanceOf(member) - before;
            ++deeds["collect"];
        } catch {}
    }

    function wait_(uint256 time) external {
        vm.warp(block.timestamp + bound(time, 1, 10 days));
    }

    /// Somebody gives tokens unasked.
    function give(uint256 amount) external {
        token.mint(address(committee), bound(amount, 0, 10));
    }
}

contract CommitteeInvariantsTest is ZkvmFixture {
    CommitteeHandler internal handler;

    function setUp() public override {
        super.setUp();
        committee = newCommittee(IRiscZeroVerifier(address(0)));
        handler = new CommitteeHandler(this, committee, token);
        targetContract(address(handler));
    }

    function member(uint256 who) external view returns (address) {
        return members[who % 5];
    }

    /// @dev The call that reports two attestations of the member; it contradicts itself if the journals differ.
    function evidence(uint256 who, bytes calldata first, bytes calldata second, bool receipts)
        external
        view
        returns (bytes memory)
    {
        uint256 key = keys[who % 5];
        bytes memory a = bytes.concat("just", first);
        bytes memory b = bytes.concat("just", second);
        if (!receipts) {
            return
                abi.encodeCall(
                    committee.reportJournals, (IMAGE, testimony(key, a, RECEIPT), testimony(key, b, ~RECEIPT))
                );
        }
        return abi.encodeCall(
            committee.reportReceipt,
            (
                Attestation(IMAGE, sha256(a), RECEIPT),
                attest(key, IMAGE, a, RECEIPT),
                Attestation(IMAGE, sha256(b), RECEIPT),
                attest(key, IMAGE, b, RECEIPT)
            )
        );
    }

    /// Never owes more than it holds: stakes, rewards and what is burned are all there.
    function invariant_HoldsWhatItOwes() public view {
        uint256 owed = committee.burned();
        for (uint256 i; i < 5; ++i) {
            (,, uint128 stake) = committee.memberOf(members[i]);
            owed += stake + committee.rewardOf(members[i]);
        }
        assertLe(owed, token.balanceOf(address(committee)));
        assertEq(owed, handler.totalPaid() - handler.totalReturned() - handler.totalRewarded());
    }

    /// What was slashed is not paid out: nine tenths are burned, and a member that was slashed is paid nothing more.
    function invariant_SlashedStakeStays() public view {
        for (uint256 i; i < 5; ++i) {
            (MemberState state,, uint128 stake) = committee.memberOf(members[i]);
            if (state == MemberState.Slashed) {
                assertEq(stake, 0);
                assertEq(handler.paid(members[i]), handler.slashed(members[i]));
                assertFalse(committee.isLive(members[i]));
            } else {
                assertEq(handler.paid(members[i]), stake);
            }
        }
        assertGe(committee.burned(), handler.totalSlashed() * 9 / 10);
    }

    /// It verifies if and only if three distinct members have put up a whole stake and not lost or left it; each counts
    /// once, also when it signs often.
    function invariant_LiveMembersCountOnce() public {
        uint256[] memory who = new uint256[](5);
        uint256 live;
        for (uint256 i; i < 5; ++i) {
            (MemberState state, uint40 leavesAt, uint128 stake) = committee.memberOf(members[i]);
            bool isLive = state == MemberState.Staked && block.timestamp < leavesAt;
            assertEq(committee.isLive(members[i]), isLive);
            if (!isLive) continue;
            assertGe(stake, STAKE);
            who[live++] = i;
        }
        assertEq(committee.halted(), live < 3);
        for (uint256 i = live; i < 5 && live > 0; ++i) {
            who[i] = who[live - 1];
        }
        bytes memory often = sealBy(who, IMAGE, "just so");
        if (live < 5) vm.expectRevert();
        this.check(often, "just so");
        assembly ("memory-safe") {
            mstore(who, live)
        }
        bytes memory once = sealBy(who, IMAGE, "just so");
        if (live < 3) vm.expectRevert();
        this.check(once, "just so");
    }

    /// The walk does all that it could do.
    function test_TheWalkReachesEveryDeed() public {
        handler.join(0);
        handler.join(1);
        handler.resign(1);
        handler.wait_(10 days);
        handler.wait_(10 days);
        handler.wait_(10 days);
        handler.withdraw(0);
        handler.withdraw(1);
        handler.lie(0, 2, "this", "that", true);
        handler.lie(3, 2, "this", "that", false);
        handler.lie(3, 2, "this", "that", false);
        handler.lie(4, 2, "this", "this", false);
        handler.collect(2);
        assertEq(handler.deeds("join"), 2);
        assertEq(handler.deeds("resign"), 1);
        assertEq(handler.deeds("withdraw"), 1);
        assertEq(handler.deeds("slash"), 2);
        assertEq(handler.deeds("collect"), 1);
        invariant_HoldsWhatItOwes();
        invariant_SlashedStakeStays();
        invariant_LiveMembersCountOnce();
    }
}
