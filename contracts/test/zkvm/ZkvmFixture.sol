// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {ControlID} from "risc0/src/groth16/ControlID.sol";
import {RiscZeroGroth16Verifier} from "risc0/src/groth16/RiscZeroGroth16Verifier.sol";
import {TestReceipt} from "risc0/test/TestReceiptV3_0.sol";
import {IRiscZeroVerifier} from "../../src/interfaces/IRiscZeroVerifier.sol";
import {Attestation, CommitteeVerifier, Program, Testimony} from "../../src/verifiers/CommitteeVerifier.sol";
import {PlainToken} from "../mocks/Tokens.sol";

/// @notice RISC Zero's own verifier with a real wrapped receipt, and committees of five (three decide).
abstract contract ZkvmFixture is Test {
    bytes32 internal constant IMAGE = TestReceipt.IMAGE_ID;
    /// @dev A second program that the committee vouches for.
    bytes32 internal constant OTHER_IMAGE = keccak256("another program");
    bytes32 internal constant RECEIPT = keccak256("a receipt");
    /// @dev The real journal is "just a simple receipt": its question is "just", its answer the rest.
    uint32 internal constant QUESTION_BYTES = 4;
    uint128 internal constant STAKE = 1007;

    IRiscZeroVerifier internal published;
    PlainToken internal token;
    CommitteeVerifier internal committee;
    /// @dev Keys of its members, in the order of their addresses.
    uint256[] internal keys;
    address[] internal members;
    address internal reporter = makeAddr("reporter");
    address internal stranger = makeAddr("stranger");

    function setUp() public virtual {
        vm.warp(1_700_000_000);
        published =
            IRiscZeroVerifier(address(new RiscZeroGroth16Verifier(ControlID.CONTROL_ROOT, ControlID.BN254_CONTROL_ID)));
        token = new PlainToken();
        (keys, members) = newMembers("member", 5);
        committee = newCommittee(published);
        joinAll(committee);
    }

    // ---- the real receipt ----

    function realSeal() internal pure returns (bytes memory) {
        return TestReceipt.SEAL;
    }

    function realJournal() internal pure returns (bytes memory) {
        return TestReceipt.JOURNAL;
    }

    function statementOf(bytes32 imageId, bytes memory journal) internal pure returns (bytes32) {
        return keccak256(abi.encode(imageId, sha256(journal)));
    }

    function realStatement() internal pure returns (bytes32) {
        return statementOf(IMAGE, realJournal());
    }

    function realProof() internal pure returns (bytes memory) {
        return abi.encode(IMAGE, realJournal(), realSeal());
    }

    // ---- committees ----

    function newMembers(string memory name, uint256 count)
        internal
        returns (uint256[] memory sortedKeys, address[] memory sorted)
    {
        (sortedKeys, sorted) = (new uint256[](count), new address[](count));
        for (uint256 i; i < count; ++i) {
            (address member, uint256 key) = makeAddrAndKey(string.concat(name, vm.toString(i)));
            uint256 place = i;
            for (; place > 0 && sorted[place - 1] > member; --place) {
                (sorted[place], sortedKeys[place]) = (sorted[place - 1], sortedKeys[place - 1]);
            }
            (sorted[place], sortedKeys[place]) = (member, key);
        }
    }

    function programs() internal pure returns (Program[] memory list) {
        list = new Program[](2);
        list[0] = Program(IMAGE, QUESTION_BYTES);
        list[1] = Program(OTHER_IMAGE, 64);
    }

    function newCommittee(IRiscZeroVerifier arbiter) internal returns (CommitteeVerifier) {
        return new CommitteeVerifier(members, 3, address(token), STAKE, programs(), arbiter);
    }

    function joinAll(CommitteeVerifier set) internal {
        for (uint256 i; i < members.length; ++i) {
            join(set, members[i]);
        }
    }

    function join(CommitteeVerifier set, address member) internal {
        token.mint(member, STAKE);
        vm.startPrank(member);
        token.approve(address(set), STAKE);
        set.join();
        vm.stopPrank();
    }

    // ---- attestations ----

    /// @dev By hand, so that it checks the contract's.
    function digestOf(CommitteeVerifier set, Attestation memory attestation) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("ZKPool Committee"),
                keccak256("1"),
                block.chainid,
                address(set)
            )
        );
        bytes32 typeHash = keccak256("Attestation(bytes32 imageId,bytes32 journalDigest,bytes32 receiptHash)");
        bytes32 structHash =
            keccak256(abi.encode(typeHash, attestation.imageId, attestation.journalDigest, attestation.receiptHash));
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function signWith(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function attest(uint256 key, bytes32 imageId, bytes memory journal, bytes32 receipt)
        internal
        view
        returns (bytes memory)
    {
        return signWith(key, digestOf(committee, Attestation(imageId, sha256(journal), receipt)));
    }

    function testimony(uint256 key, bytes memory journal, bytes32 receipt) internal view returns (Testimony memory) {
        return Testimony(journal, receipt, attest(key, IMAGE, journal, receipt));
    }

    /// @dev Signed by the members with these indices, in this order.
    function sealBy(uint256[] memory who, bytes32 imageId, bytes memory journal) internal view returns (bytes memory) {
        return sealOf(committee, who, imageId, journal);
    }

    function sealOf(CommitteeVerifier set, uint256[] memory who, bytes32 imageId, bytes memory journal)
        internal
        view
        returns (bytes memory seal)
    {
        seal = bytes.concat(set.SELECTOR(), RECEIPT);
        bytes32 digest = digestOf(set, Attestation(imageId, sha256(journal), RECEIPT));
        for (uint256 i; i < who.length; ++i) {
            seal = bytes.concat(seal, signWith(keys[who[i]], digest));
        }
    }

    function quorumSeal(bytes memory journal) internal view returns (bytes memory) {
        return sealBy(three(0, 1, 2), IMAGE, journal);
    }

    function three(uint256 a, uint256 b, uint256 c) internal pure returns (uint256[] memory list) {
        list = new uint256[](3);
        (list[0], list[1], list[2]) = (a, b, c);
    }

    /// @dev An application that checks a seal. Called from outside, so that a revert that is expected can only be its.
    function check(bytes calldata seal, bytes calldata journal) external view {
        IRiscZeroVerifier(address(committee)).verify(seal, IMAGE, sha256(journal));
    }
}
