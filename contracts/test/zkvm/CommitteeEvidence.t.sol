// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {VerificationFailed} from "risc0/src/IRiscZeroVerifier.sol";
import {IRiscZeroVerifier} from "../../src/interfaces/IRiscZeroVerifier.sol";
import {CommitteeStakes, MemberState} from "../../src/verifiers/CommitteeStakes.sol";
import {Attestation, CommitteeVerifier, Testimony} from "../../src/verifiers/CommitteeVerifier.sol";
import {FalseToken} from "../mocks/Tokens.sol";
import {ZkvmFixture} from "./ZkvmFixture.sol";

/// @notice Who is slashed, for what, and that nobody else is. The question is the journal's first four bytes.
contract CommitteeEvidenceTest is ZkvmFixture {
    bytes internal constant TRUTH = "just a simple receipt";
    bytes internal constant LIE = "just a lie";
    bytes internal constant OTHER_QUESTION = "what is this";
    bytes32 internal constant OTHER_RECEIPT = keccak256("another receipt");

    // ---- one receipt, two claims ----

    function test_SlashedForOneReceiptWithTwoJournals() public {
        Attestation memory first = Attestation(IMAGE, sha256(TRUTH), RECEIPT);
        Attestation memory second = Attestation(IMAGE, sha256(OTHER_QUESTION), RECEIPT);
        _expectSlashed(members[1], STAKE);
        _reportReceipt(keys[1], first, second);
        _assertSlashed(members[1]);
    }

    function test_SlashedForOneReceiptWithTwoImages() public {
        Attestation memory first = Attestation(IMAGE, sha256(TRUTH), RECEIPT);
        Attestation memory second = Attestation(OTHER_IMAGE, sha256(TRUTH), RECEIPT);
        _expectSlashed(members[4], STAKE);
        _reportReceipt(keys[4], first, second);
        _assertSlashed(members[4]);
    }

    function test_RevertWhen_ReceiptsDiffer() public {
        Attestation memory first = Attestation(IMAGE, sha256(TRUTH), RECEIPT);
        Attestation memory second = Attestation(IMAGE, sha256(LIE), OTHER_RECEIPT);
        vm.expectRevert(CommitteeVerifier.NoContradiction.selector);
        _reportReceipt(keys[1], first, second);
    }

    function test_RevertWhen_TheSameWasSignedTwice() public {
        Attestation memory only = Attestation(IMAGE, sha256(TRUTH), RECEIPT);
        vm.expectRevert(CommitteeVerifier.NoContradiction.selector);
        _reportReceipt(keys[1], only, only);
    }

    function test_RevertWhen_ReceiptsAreSignedByTwoMembers() public {
        Attestation memory first = Attestation(IMAGE, sha256(TRUTH), RECEIPT);
        Attestation memory second = Attestation(IMAGE, sha256(LIE), RECEIPT);
        bytes memory one = signWith(keys[0], digestOf(committee, first));
        bytes memory two = signWith(keys[1], digestOf(committee, second));
        vm.expectRevert(CommitteeVerifier.SignersDiffer.selector);
        committee.reportReceipt(first, one, second, two);
    }

    // ---- one question, two answers ----

    function test_SlashedForTwoAnswersToOneQuestion() public {
        _expectSlashed(members[2], STAKE);
        _report(keys[2], TRUTH, LIE);
        _assertSlashed(members[2]);
    }

    /// An answer that is another one with something left out, down to the bare question.
    function test_SlashedForAnswersOfAnyLength() public {
        _report(keys[0], "justice", "just");
        _assertSlashed(members[0]);
        _report(keys[1], "justx", "justxx");
        _assertSlashed(members[1]);
    }

    function test_RevertWhen_QuestionsDiffer() public {
        _expectNoContradiction(TRUTH, OTHER_QUESTION);
        _expectNoContradiction("jusT", "just");
    }

    function test_RevertWhen_JournalsAreTheSame() public {
        _expectNoContradiction(TRUTH, TRUTH);
    }

    function test_RevertWhen_AJournalHasNoWholeQuestion() public {
        _expectNoContradiction("jus", "just");
        _expectNoContradiction("just", "jus");
        _expectNoContradiction("", "just");
    }

    function test_RevertWhen_JournalsAreSignedByTwoMembers() public {
        Testimony memory first = testimony(keys[0], TRUTH, RECEIPT);
        Testimony memory second = testimony(keys[1], LIE, RECEIPT);
        vm.expectRevert(CommitteeVerifier.SignersDiffer.selector);
        committee.reportJournals(IMAGE, first, second);
    }

    /// The journals that are shown must be those that were signed.
    function test_RevertWhen_AJournalWasNotSigned() public {
        Testimony memory first = testimony(keys[0], TRUTH, RECEIPT);
        Testimony memory second = testimony(keys[0], OTHER_QUESTION, RECEIPT);
        second.journal = LIE;
        vm.expectRevert(CommitteeVerifier.SignersDiffer.selector);
        committee.reportJournals(IMAGE, first, second);
        (first, second) = (second, first);
        vm.expectRevert(CommitteeVerifier.SignersDiffer.selector);
        committee.reportJournals(IMAGE, first, second);
    }

    function test_RevertWhen_JournalsAreOfAnotherProgram() public {
        Testimony memory first = testimony(keys[0], TRUTH, RECEIPT);
        Testimony memory second = testimony(keys[0], LIE, RECEIPT);
        vm.expectRevert(CommitteeVerifier.NoContradiction.selector);
        committee.reportJournals(OTHER_IMAGE, first, second);
        bytes32 unknown = keccak256("unknown");
        vm.expectRevert(abi.encodeWithSelector(CommitteeVerifier.UnknownProgram.selector, unknown));
        committee.reportJournals(unknown, first, second);
    }

    // ---- one answer, and a proof of another ----

    function test_SlashedWhenAnotherAnswerIsProven() public {
        Testimony memory lie = testimony(keys[3], LIE, RECEIPT);
        _expectSlashed(members[3], STAKE);
        vm.prank(reporter);
        committee.reportByProof(IMAGE, lie, realJournal(), realSeal());
        _assertSlashed(members[3]);
    }

    function test_RevertWhen_TheProvenAnswerIsTheSignedOne() public {
        Testimony memory honest = testimony(keys[3], realJournal(), RECEIPT);
        vm.expectRevert(CommitteeVerifier.NoContradiction.selector);
        committee.reportByProof(IMAGE, honest, realJournal(), realSeal());
    }

    function test_RevertWhen_TheProvenAnswerIsToAnotherQuestion() public {
        Testimony memory honest = testimony(keys[3], OTHER_QUESTION, RECEIPT);
        vm.expectRevert(CommitteeVerifier.NoContradiction.selector);
        committee.reportByProof(IMAGE, honest, realJournal(), realSeal());
    }

    function test_RevertWhen_TheOtherAnswerIsNotProven() public {
        Testimony memory honest = testimony(keys[3], realJournal(), RECEIPT);
        vm.expectRevert(VerificationFailed.selector);
        committee.reportByProof(IMAGE, honest, LIE, realSeal());
    }

    function test_RevertWhen_ThereIsNoArbiter() public {
        committee = newCommittee(IRiscZeroVerifier(address(0)));
        joinAll(committee);
        Testimony memory lie = testimony(keys[3], LIE, RECEIPT);
        vm.expectRevert(CommitteeVerifier.NoArbiter.selector);
        committee.reportByProof(IMAGE, lie, realJournal(), realSeal());
    }

    // ---- who can be slashed ----

    function test_RevertWhen_SlashedTwice() public {
        _report(keys[0], TRUTH, LIE);
        Testimony memory first = testimony(keys[0], TRUTH, RECEIPT);
        Testimony memory second = testimony(keys[0], LIE, RECEIPT);
        vm.expectRevert(abi.encodeWithSelector(CommitteeStakes.WrongState.selector, MemberState.Slashed));
        committee.reportJournals(IMAGE, first, second);
        assertEq(committee.rewardOf(reporter), STAKE / 10);
    }

    function test_RevertWhen_SignerIsNoMember() public {
        (, uint256 key) = makeAddrAndKey("outsider");
        Testimony memory first = testimony(key, TRUTH, RECEIPT);
        Testimony memory second = testimony(key, LIE, RECEIPT);
        vm.expectRevert(CommitteeStakes.NotAMember.selector);
        committee.reportJournals(IMAGE, first, second);
    }

    /// Otherwise a member of one committee could be slashed in another for what it has signed honestly.
    function test_RevertWhen_SignedForAnotherContract() public {
        CommitteeVerifier next = newCommittee(published);
        joinAll(next);
        Testimony memory first = testimony(keys[0], TRUTH, RECEIPT);
        Testimony memory second = testimony(keys[0], LIE, RECEIPT);
        vm.expectRevert();
        next.reportJournals(IMAGE, first, second);
    }

    function test_RevertWhen_EvidenceIsNoKeysSignature() public {
        Testimony memory first = testimony(keys[0], TRUTH, RECEIPT);
        Testimony memory second = testimony(keys[0], LIE, RECEIPT);
        (first.signature, second.signature) = (new bytes(65), new bytes(65));
        vm.expectRevert(CommitteeVerifier.InvalidSignature.selector);
        committee.reportJournals(IMAGE, first, second);
        (first.signature, second.signature) = ("", "");
        vm.expectRevert(CommitteeVerifier.InvalidSignature.selector);
        committee.reportJournals(IMAGE, first, second);
    }

    /// The stake answers for what was signed until the evidence window has ended.
    function test_AMemberThatHasResignedIsSlashed() public {
        vm.startPrank(members[0]);
        committee.resign();
        vm.warp(block.timestamp + committee.NOTICE() + committee.EVIDENCE_WINDOW() - 1);
        vm.stopPrank();
        _expectSlashed(members[0], STAKE);
        _report(keys[0], TRUTH, LIE);
        vm.warp(block.timestamp + 1);
        vm.expectRevert(abi.encodeWithSelector(CommitteeStakes.WrongState.selector, MemberState.Slashed));
        vm.prank(members[0]);
        committee.withdraw(members[0]);
        assertEq(committee.rewardOf(reporter), STAKE / 10);
    }

    /// There is nothing to take, but it never counts again.
    function test_AMemberWithoutStakeIsSlashed() public {
        committee = newCommittee(published);
        _expectSlashed(members[0], 0);
        _report(keys[0], TRUTH, LIE);
        _assertSlashed(members[0]);
        assertEq(committee.rewardOf(reporter), 0);
    }

    function test_ASlashedMemberNeverCountsAgain() public {
        bytes memory seal = quorumSeal(TRUTH);
        this.check(seal, TRUTH);
        _report(keys[1], TRUTH, LIE);
        vm.expectRevert(abi.encodeWithSelector(CommitteeVerifier.NotALiveMember.selector, members[1]));
        this.check(seal, TRUTH);
        token.mint(members[1], STAKE);
        bytes memory reason = abi.encodeWithSelector(CommitteeStakes.WrongState.selector, MemberState.Slashed);
        vm.startPrank(members[1]);
        token.approve(address(committee), STAKE);
        vm.expectRevert(reason);
        committee.join();
        vm.expectRevert(reason);
        committee.resign();
        vm.warp(block.timestamp + 365 days);
        vm.expectRevert(reason);
        committee.withdraw(members[1]);
    }

    function test_HaltedWhenTooManyWereSlashed() public {
        _report(keys[0], TRUTH, LIE);
        _report(keys[1], TRUTH, LIE);
        assertFalse(committee.halted());
        _report(keys[2], TRUTH, LIE);
        assertTrue(committee.halted());
    }

    // ---- the reward ----

    function test_ATenthIsTheReportersAndTheRestIsNobodys() public {
        _report(keys[0], TRUTH, LIE);
        assertEq(committee.rewardOf(reporter), 100);
        assertEq(committee.burned(), 907);
        vm.expectEmit(address(committee));
        emit CommitteeStakes.Collected(reporter, stranger, 100);
        vm.startPrank(reporter);
        committee.collect(stranger);
        assertEq(token.balanceOf(stranger), 100);
        vm.expectRevert(CommitteeStakes.NothingToCollect.selector);
        committee.collect(stranger);
        vm.stopPrank();
        assertEq(token.balanceOf(address(committee)), 4 * STAKE + 907);
    }

    /// What a member saves by being its own reporter is the tenth.
    function test_AMemberThatReportsItselfLosesMostOfItsStake() public {
        Testimony memory first = testimony(keys[0], TRUTH, RECEIPT);
        Testimony memory second = testimony(keys[0], LIE, RECEIPT);
        vm.startPrank(members[0]);
        committee.reportJournals(IMAGE, first, second);
        committee.collect(members[0]);
        assertEq(token.balanceOf(members[0]), STAKE / 10);
        assertEq(committee.burned(), STAKE - STAKE / 10);
    }

    function test_RevertWhen_CollectedToNobody() public {
        _report(keys[0], TRUTH, LIE);
        vm.expectRevert(CommitteeStakes.ZeroAddress.selector);
        vm.prank(reporter);
        committee.collect(address(0));
    }

    /// SECURITY 2: nothing is transferred, so that no token can stop it.
    function test_ATokenThatIsStoppedSavesNobody() public {
        FalseToken stopped = new FalseToken();
        token = stopped;
        committee = newCommittee(published);
        joinAll(committee);
        stopped.setRefusing(true);
        _report(keys[0], TRUTH, LIE);
        _assertSlashed(members[0]);
    }

    // ---- the committee as a whole ----

    /// A minority that lies is of no consequence: its signatures are too few.
    function test_ALyingMinorityIsNotBelieved() public {
        uint256[] memory two = new uint256[](2);
        two[1] = 1;
        bytes memory seal = sealBy(two, IMAGE, LIE);
        vm.expectRevert(abi.encodeWithSelector(CommitteeVerifier.TooFewSignatures.selector, 2, 3));
        this.check(seal, LIE);
        // With the signature of an honest member for the truth it is not more.
        seal = bytes.concat(seal, attest(keys[2], IMAGE, TRUTH, RECEIPT));
        vm.expectRevert();
        this.check(seal, LIE);
    }

    /// A quorum that lies is believed: a committee is a committee. What it costs its members is seen afterwards: whoever
    /// has signed the truth as well, and everybody once the truth is proven.
    function test_ALyingQuorumIsBelievedAndSlashed() public {
        this.check(sealBy(three(0, 1, 2), IMAGE, LIE), LIE);
        // Any quorum for the truth has a member in common with it.
        this.check(sealBy(three(2, 3, 4), IMAGE, TRUTH), TRUTH);
        _report(keys[2], TRUTH, LIE);
        _assertSlashed(members[2]);
        // The other two have signed nothing else. The proof of the truth is enough.
        vm.startPrank(reporter);
        committee.reportByProof(IMAGE, testimony(keys[0], LIE, RECEIPT), realJournal(), realSeal());
        committee.reportByProof(IMAGE, testimony(keys[1], LIE, RECEIPT), realJournal(), realSeal());
        vm.stopPrank();
        _assertSlashed(members[0]);
        _assertSlashed(members[1]);
        assertTrue(committee.halted());
        assertTrue(committee.isLive(members[3]));
        assertTrue(committee.isLive(members[4]));
    }

    /// What honest members sign, one answer a question, cannot be turned against them in any way.
    function testFuzz_HonestMembersAreNeverSlashed(
        bytes4 q1,
        bytes4 q2,
        bytes memory a1,
        bytes32 r1,
        bytes32 r2,
        uint256 image
    ) public {
        if (image % 3 == 0) q2 = q1;
        // The answer is a function of the question, the claim of the receipt.
        bytes memory first = bytes.concat(q1, keccak256(bytes.concat(q1, a1)));
        bytes memory second = bytes.concat(q2, keccak256(bytes.concat(q2, a1)));
        if (r1 == r2) second = first;
        Testimony memory one = testimony(keys[0], first, r1);
        Testimony memory two = testimony(keys[0], second, r2);
        bytes32 imageId = image % 2 == 0 ? IMAGE : OTHER_IMAGE;
        vm.expectRevert();
        committee.reportJournals(imageId, one, two);
        Attestation memory oneClaim = Attestation(IMAGE, sha256(first), r1);
        Attestation memory twoClaim = Attestation(IMAGE, sha256(second), r2);
        vm.expectRevert();
        committee.reportReceipt(oneClaim, one.signature, twoClaim, two.signature);
        vm.expectRevert();
        committee.reportByProof(imageId, one, second, realSeal());
        assertTrue(committee.isLive(members[0]));
    }

    // ---- helpers ----

    function _report(uint256 key, bytes memory first, bytes memory second) private {
        Testimony memory one = testimony(key, first, RECEIPT);
        Testimony memory two = testimony(key, second, OTHER_RECEIPT);
        vm.prank(reporter);
        committee.reportJournals(IMAGE, one, two);
    }

    function _reportReceipt(uint256 key, Attestation memory first, Attestation memory second) private {
        bytes memory one = signWith(key, digestOf(committee, first));
        bytes memory two = signWith(key, digestOf(committee, second));
        vm.prank(reporter);
        committee.reportReceipt(first, one, second, two);
    }

    function _expectNoContradiction(bytes memory first, bytes memory second) private {
        Testimony memory one = testimony(keys[0], first, RECEIPT);
        Testimony memory two = testimony(keys[0], second, OTHER_RECEIPT);
        vm.expectRevert(CommitteeVerifier.NoContradiction.selector);
        committee.reportJournals(IMAGE, one, two);
    }

    function _expectSlashed(address member, uint256 stake) private {
        vm.expectEmit(address(committee));
        emit CommitteeStakes.Slashed(member, reporter, stake / 10, stake - stake / 10);
    }

    function _assertSlashed(address member) private view {
        (MemberState state,, uint128 stake) = committee.memberOf(member);
        assertEq(uint256(state), uint256(MemberState.Slashed));
        assertEq(stake, 0);
        assertFalse(committee.isLive(member));
    }
}
