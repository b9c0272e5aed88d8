// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {RiscZeroVerifierEmergencyStop} from "risc0/src/RiscZeroVerifierEmergencyStop.sol";
import {IRiscZeroVerifier as IPublished} from "risc0/src/IRiscZeroVerifier.sol";
import {IProofVerifier, TrustClass} from "../../src/interfaces/IProofVerifier.sol";
import {IRiscZeroVerifier, Receipt as SealedClaim} from "../../src/interfaces/IRiscZeroVerifier.sol";
import {CommitteeStakes} from "../../src/verifiers/CommitteeStakes.sol";
import {Attestation, CommitteeVerifier, Program} from "../../src/verifiers/CommitteeVerifier.sol";
import {ZkvmFixture} from "./ZkvmFixture.sol";

contract CommitteeVerifierTest is ZkvmFixture {
    bytes internal constant JOURNAL = "just a simple receipt";

    uint256 internal constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    // ---- constructor ----

    function test_RevertWhen_AProgramHasNoQuestionOrStandsTwice() public {
        Program[] memory list = programs();
        list[1].questionBytes = 0;
        vm.expectRevert(abi.encodeWithSelector(CommitteeVerifier.BadProgram.selector, OTHER_IMAGE));
        new CommitteeVerifier(members, 3, address(token), STAKE, list, published);
        list[1] = Program(IMAGE, 7);
        vm.expectRevert(abi.encodeWithSelector(CommitteeVerifier.BadProgram.selector, IMAGE));
        new CommitteeVerifier(members, 3, address(token), STAKE, list, published);
    }

    function test_KnowsItsPrograms() public {
        assertEq(committee.questionBytes(IMAGE), QUESTION_BYTES);
        assertEq(committee.questionBytes(OTHER_IMAGE), 64);
        assertEq(committee.questionBytes(0), 0);
        vm.expectEmit();
        emit CommitteeVerifier.ProgramAdded(IMAGE, QUESTION_BYTES);
        vm.expectEmit();
        emit CommitteeVerifier.ProgramAdded(OTHER_IMAGE, 64);
        newCommittee(published);
    }

    function test_RevertWhen_ArbiterIsNoProofsVerifier() public {
        vm.expectRevert(CommitteeVerifier.NotAnOnchainProof.selector);
        newCommittee(committee);
        IRiscZeroVerifier behind =
            IRiscZeroVerifier(address(new RiscZeroVerifierEmergencyStop(IPublished(address(committee)), stranger)));
        vm.expectRevert(CommitteeVerifier.NotAnOnchainProof.selector);
        newCommittee(behind);
        IRiscZeroVerifier nothing = IRiscZeroVerifier(makeAddr("nothing"));
        vm.expectRevert(CommitteeStakes.NotAContract.selector);
        newCommittee(nothing);
    }

    // ---- what is accepted ----

    function test_AcceptsAQuorum() public view {
        this.check(quorumSeal(JOURNAL), JOURNAL);
        this.check(sealBy(three(2, 3, 4), IMAGE, JOURNAL), JOURNAL);
        this.check(sealBy(three(0, 2, 4), IMAGE, JOURNAL), JOURNAL);
    }

    function test_AcceptsMoreThanAQuorum() public view {
        uint256[] memory all = new uint256[](5);
        for (uint256 i; i < 5; ++i) {
            all[i] = i;
        }
        this.check(sealBy(all, IMAGE, JOURNAL), JOURNAL);
    }

    function test_DigestIsTheEip712Digest() public view {
        Attestation memory attestation = Attestation(IMAGE, sha256(JOURNAL), RECEIPT);
        assertEq(committee.digestOf(attestation), digestOf(committee, attestation));
        (, string memory name, string memory version, uint256 chainId, address verifyingContract,,) =
            committee.eip712Domain();
        assertEq(name, "ZKPool Committee");
        assertEq(version, "1");
        assertEq(chainId, block.chainid);
        assertEq(verifyingContract, address(committee));
    }

    /// The pool's interface: same proof and statement as for a proof's verifier.
    function test_AcceptsThePoolsProof() public view {
        bytes memory proof = abi.encode(IMAGE, JOURNAL, quorumSeal(JOURNAL));
        assertTrue(IProofVerifier(address(committee)).verify(statementOf(IMAGE, JOURNAL), proof));
    }

    function test_RefusesThePoolsProofOfAnotherStatement() public view {
        bytes memory proof = abi.encode(IMAGE, JOURNAL, quorumSeal(JOURNAL));
        IProofVerifier asPool = IProofVerifier(address(committee));
        assertFalse(asPool.verify(statementOf(OTHER_IMAGE, JOURNAL), proof));
        assertFalse(asPool.verify(statementOf(IMAGE, "just another"), proof));
        assertFalse(asPool.verify(statementOf(IMAGE, JOURNAL), bytes.concat(proof, hex"00")));
        assertFalse(asPool.verify(statementOf(IMAGE, JOURNAL), ""));
    }

    function test_RevertWhen_ThePoolsProofHasNoQuorum() public {
        bytes memory seal = quorumSeal("just a lie");
        bytes32 statement = statementOf(IMAGE, JOURNAL);
        vm.expectRevert();
        IProofVerifier(address(committee)).verify(statement, abi.encode(IMAGE, JOURNAL, seal));
    }

    // ---- what is refused ----

    function test_RevertWhen_SelectorIsAnothers() public {
        CommitteeVerifier next = newCommittee(published);
        assertNotEq(next.SELECTOR(), committee.SELECTOR());
        bytes memory seal = sealOf(next, three(0, 1, 2), IMAGE, JOURNAL);
        vm.expectRevert(
            abi.encodeWithSelector(CommitteeVerifier.SelectorMismatch.selector, next.SELECTOR(), committee.SELECTOR())
        );
        this.check(seal, JOURNAL);
        vm.expectRevert(
            abi.encodeWithSelector(
                CommitteeVerifier.SelectorMismatch.selector, bytes4(realSeal()), committee.SELECTOR()
            )
        );
        this.check(realSeal(), JOURNAL);
        vm.expectRevert(
            abi.encodeWithSelector(CommitteeVerifier.SelectorMismatch.selector, bytes4(0), committee.SELECTOR())
        );
        this.check("", JOURNAL);
    }

    function test_RevertWhen_LengthIsNotOfWholeSignatures() public {
        bytes memory seal = quorumSeal(JOURNAL);
        uint256[4] memory lengths = [uint256(4), 35, seal.length - 1, seal.length - 64];
        for (uint256 i; i < lengths.length; ++i) {
            bytes memory cut = bytes.concat(seal);
            uint256 length = lengths[i];
            assembly ("memory-safe") {
                mstore(cut, length)
            }
            vm.expectRevert(CommitteeVerifier.BadSealLength.selector);
            this.check(cut, JOURNAL);
        }
        vm.expectRevert(CommitteeVerifier.BadSealLength.selector);
        this.check(bytes.concat(seal, hex"00"), JOURNAL);
    }

    function test_RevertWhen_SignaturesAreTooFew() public {
        uint256[] memory two = new uint256[](2);
        two[1] = 1;
        bytes memory seal = sealBy(two, IMAGE, JOURNAL);
        vm.expectRevert(abi.encodeWithSelector(CommitteeVerifier.TooFewSignatures.selector, 2, 3));
        this.check(seal, JOURNAL);
        seal = sealBy(new uint256[](0), IMAGE, JOURNAL);
        vm.expectRevert(abi.encodeWithSelector(CommitteeVerifier.TooFewSignatures.selector, 0, 3));
        this.check(seal, JOURNAL);
    }

    /// A member counts once, whatever it signs, and signatures have one order.
    function test_RevertWhen_SignersAreNotAscending() public {
        uint256[] memory order = three(1, 0, 2);
        _expectRefused(CommitteeVerifier.SignersNotAscending.selector, order);
        _expectRefused(CommitteeVerifier.SignersNotAscending.selector, three(0, 0, 1));
        _expectRefused(CommitteeVerifier.SignersNotAscending.selector, three(0, 1, 1));
        _expectRefused(CommitteeVerifier.SignersNotAscending.selector, three(2, 2, 2));
    }

    function test_RevertWhen_SignerIsNoMember() public {
        (address outsider, uint256 key) = makeAddrAndKey("outsider");
        uint256 place;
        while (place < 5 && members[place] < outsider) ++place;
        bytes32 digest = digestOf(committee, Attestation(IMAGE, sha256(JOURNAL), RECEIPT));
        bytes memory seal = bytes.concat(committee.SELECTOR(), RECEIPT);
        for (uint256 i; i <= 5; ++i) {
            if (i == place) seal = bytes.concat(seal, signWith(key, digest));
            if (i < 5) seal = bytes.concat(seal, signWith(keys[i], digest));
        }
        vm.expectRevert(abi.encodeWithSelector(CommitteeVerifier.NotALiveMember.selector, outsider));
        this.check(seal, JOURNAL);
    }

    function test_RevertWhen_SignerHasLeft() public {
        bytes memory seal = quorumSeal(JOURNAL);
        vm.prank(members[1]);
        committee.resign();
        this.check(seal, JOURNAL);
        vm.warp(block.timestamp + committee.NOTICE());
        vm.expectRevert(abi.encodeWithSelector(CommitteeVerifier.NotALiveMember.selector, members[1]));
        this.check(seal, JOURNAL);
    }

    function test_RevertWhen_SignerHasNotJoined() public {
        committee = newCommittee(published);
        join(committee, members[0]);
        join(committee, members[1]);
        bytes memory seal = quorumSeal(JOURNAL);
        vm.expectRevert(abi.encodeWithSelector(CommitteeVerifier.NotALiveMember.selector, members[2]));
        this.check(seal, JOURNAL);
        join(committee, members[2]);
        this.check(seal, JOURNAL);
    }

    function test_RevertWhen_SignatureIsMalleated() public {
        bytes32 digest = digestOf(committee, Attestation(IMAGE, sha256(JOURNAL), RECEIPT));
        bytes memory seal = bytes.concat(committee.SELECTOR(), RECEIPT);
        for (uint256 i; i < 3; ++i) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[i], digest);
            if (i == 1) (v, s) = (55 - v, bytes32(ORDER - uint256(s)));
            seal = bytes.concat(seal, r, s, bytes1(v));
        }
        vm.expectRevert(CommitteeVerifier.InvalidSignature.selector);
        this.check(seal, JOURNAL);
    }

    function test_RevertWhen_SignatureIsNoKeys() public {
        bytes memory seal = quorumSeal(JOURNAL);
        for (uint256 i = 36; i < 36 + 64; ++i) {
            seal[i] = 0;
        }
        vm.expectRevert(CommitteeVerifier.InvalidSignature.selector);
        this.check(seal, JOURNAL);
        seal = quorumSeal(JOURNAL);
        seal[36 + 64] = 0x1d;
        vm.expectRevert(CommitteeVerifier.InvalidSignature.selector);
        this.check(seal, JOURNAL);
    }

    /// SECURITY 17: signed for another program, another journal, another receipt.
    function test_RevertWhen_WhatWasSignedIsAnother() public {
        bytes memory seal = quorumSeal(JOURNAL);
        (bytes32 signed, bytes32 other) = (sha256(JOURNAL), sha256("just another"));
        IRiscZeroVerifier verifier = committee;
        verifier.verify(seal, IMAGE, signed);
        vm.expectRevert();
        verifier.verify(seal, OTHER_IMAGE, signed);
        vm.expectRevert();
        verifier.verify(seal, IMAGE, other);
        seal[4] ^= 0x01;
        vm.expectRevert();
        verifier.verify(seal, IMAGE, signed);
    }

    function test_RevertWhen_ProgramIsUnknown() public {
        bytes32 unknown = keccak256("unknown");
        bytes memory seal = sealBy(three(0, 1, 2), unknown, JOURNAL);
        bytes32 journalDigest = sha256(JOURNAL);
        vm.expectRevert(abi.encodeWithSelector(CommitteeVerifier.UnknownProgram.selector, unknown));
        IRiscZeroVerifier(address(committee)).verify(seal, unknown, journalDigest);
    }

    /// SECURITY 5: a signature for one contract or chain is of no use on another.
    function test_RevertWhen_SignedForAnotherContractOrChain() public {
        CommitteeVerifier next = newCommittee(published);
        joinAll(next);
        bytes memory seal = quorumSeal(JOURNAL);
        bytes4 selector = next.SELECTOR();
        for (uint256 i; i < 4; ++i) {
            seal[i] = selector[i];
        }
        bytes32 journalDigest = sha256(JOURNAL);
        vm.expectRevert();
        IRiscZeroVerifier(address(next)).verify(seal, IMAGE, journalDigest);
        seal = quorumSeal(JOURNAL);
        vm.chainId(block.chainid + 1);
        vm.expectRevert();
        this.check(seal, JOURNAL);
        this.check(quorumSeal(JOURNAL), JOURNAL);
    }

    function test_RevertWhen_IntegrityIsAsked() public {
        SealedClaim memory receipt = SealedClaim(quorumSeal(JOURNAL), bytes32(0));
        vm.expectRevert(CommitteeVerifier.IntegrityNotSupported.selector);
        committee.verifyIntegrity(receipt);
    }

    function test_IsACommittee() public view {
        assertEq(uint256(committee.trustClass()), uint256(TrustClass.COMMITTEE));
    }

    // ---- fuzz ----

    /// Exactly the seals of at least three distinct members, in order, are taken.
    function testFuzz_TakesQuorumsAlone(uint256 seed, uint256 count) public {
        count = bound(count, 0, 6);
        uint256[] memory who = new uint256[](count);
        bool ascending = true;
        for (uint256 i; i < count; ++i) {
            // Mostly the next one, now and then anybody.
            uint256 dice = uint256(keccak256(abi.encode(seed, i)));
            who[i] = dice % 4 == 0 ? dice / 4 % 5 : (i + dice / 4 % 2) % 5;
            if (i > 0 && who[i] <= who[i - 1]) ascending = false;
        }
        bytes memory seal = sealBy(who, IMAGE, JOURNAL);
        if (!ascending || count < 3) vm.expectRevert();
        this.check(seal, JOURNAL);
    }

    /// Whoever is not there does not count, whatever the seal.
    function testFuzz_TakesLiveMembersAlone(uint256 joined) public {
        committee = newCommittee(published);
        uint256[] memory who = new uint256[](5);
        uint256 count;
        for (uint256 i; i < 5; ++i) {
            if (joined >> i & 1 == 0) continue;
            join(committee, members[i]);
            who[count++] = i;
        }
        assertEq(committee.halted(), count < 3);
        bytes memory seal = quorumSeal(JOURNAL);
        if (joined & 7 != 7) vm.expectRevert();
        this.check(seal, JOURNAL);
        assembly ("memory-safe") {
            mstore(who, count)
        }
        seal = sealBy(who, IMAGE, JOURNAL);
        if (count < 3) vm.expectRevert();
        this.check(seal, JOURNAL);
    }

    function testFuzz_RefusesAnyFlippedBit(uint256 bit) public {
        bytes memory seal = quorumSeal(JOURNAL);
        bit = bound(bit, 0, seal.length * 8 - 1);
        seal[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        vm.expectRevert();
        this.check(seal, JOURNAL);
    }

    function testFuzz_RefusesNoise(bytes calldata noise) public {
        vm.expectRevert();
        this.check(noise, JOURNAL);
        bytes memory seal = bytes.concat(committee.SELECTOR(), RECEIPT, noise);
        vm.expectRevert();
        this.check(seal, JOURNAL);
    }

    function _expectRefused(bytes4 selector, uint256[] memory who) private {
        bytes memory seal = sealBy(who, IMAGE, JOURNAL);
        vm.expectRevert(selector);
        this.check(seal, JOURNAL);
    }
}
