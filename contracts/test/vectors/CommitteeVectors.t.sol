// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IRiscZeroVerifier} from "../../src/interfaces/IRiscZeroVerifier.sol";
import {Attestation, CommitteeVerifier} from "../../src/verifiers/CommitteeVerifier.sol";
import {ZkvmFixture} from "../zkvm/ZkvmFixture.sol";

/// @notice What contracts and Rust must agree on about committees, in test/vectors/committee.json: the digest of an
/// attestation, and the seal that three members make of it, which the contract accepts. Each digest is computed by the
/// contract, by this repository's tests, and by forge's own EIP-712.
/// The file is checked by every test run, and written by
/// `WRITE_VECTORS=true tools/forge test --match-contract CommitteeVectorsTest`.
contract CommitteeVectorsTest is ZkvmFixture {
    string private constant FILE = "test/vectors/committee.json";
    string private constant TYPES =
        '{"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],"Attestation":[{"name":"imageId","type":"bytes32"},{"name":"journalDigest","type":"bytes32"},{"name":"receiptHash","type":"bytes32"}]}';
    address private constant COMMITTEE = 0xC0FFEe0000000000000000000000000000000712;
    uint256 private constant CHAIN_ID = 8453;

    function setUp() public override {
        super.setUp();
        vm.chainId(CHAIN_ID);
        deployCodeTo(
            "CommitteeVerifier.sol:CommitteeVerifier",
            abi.encode(members, uint256(3), address(token), STAKE, programs(), address(0)),
            COMMITTEE
        );
        committee = CommitteeVerifier(COMMITTEE);
        joinAll(committee);
    }

    function test_FileIsFresh() public {
        string memory text = string.concat('{"chainId":', vm.toString(CHAIN_ID));
        text = _text(text, "committee", vm.toString(COMMITTEE));
        text = _text(text, "selector", _hex4(committee.SELECTOR()));
        text = string.concat(text, ',\n"attestations":[\n');
        bytes[3] memory journals = [realJournal(), bytes("just"), new bytes(100)];
        for (uint256 i; i < journals.length; ++i) {
            text = string.concat(text, i == 0 ? "" : ",\n", _vector(i, journals[i]));
        }
        text = string.concat(text, "\n]}\n");
        if (vm.envOr("WRITE_VECTORS", false)) vm.writeFile(FILE, text);
        assertEq(vm.readFile(FILE), text, "test/vectors/committee.json is stale");
    }

    function _vector(uint256 which, bytes memory journal) private view returns (string memory text) {
        bytes32 imageId = which == 1 ? OTHER_IMAGE : IMAGE;
        Attestation memory attestation = Attestation(imageId, sha256(journal), RECEIPT);
        text = string.concat('{"imageId":"', vm.toString(imageId), '"');
        text = _text(text, "journal", vm.toString(journal));
        text = _text(text, "journalDigest", vm.toString(attestation.journalDigest));
        text = _text(text, "receiptHash", vm.toString(RECEIPT));
        bytes32 digest = committee.digestOf(attestation);
        assertEq(digest, digestOf(committee, attestation), "the attestation's digest");
        assertEq(digest, vm.eip712HashTypedData(_typedData(attestation)), "forge's digest");
        text = _text(text, "digest", vm.toString(digest));

        bytes memory seal = sealBy(three(0, 2, 4), imageId, journal);
        IRiscZeroVerifier(COMMITTEE).verify(seal, imageId, attestation.journalDigest);
        // Not in the seal's order, for whoever makes a seal of them.
        text = string.concat(text, ',"signatures":[', _signed(4, digest), ",", _signed(0, digest), ",");
        text = _text(string.concat(text, _signed(2, digest), "]"), "seal", vm.toString(seal));
        return string.concat(text, "}");
    }

    function _signed(uint256 who, bytes32 digest) private view returns (string memory text) {
        text = string.concat('{"signer":"', vm.toString(members[who]), '"');
        return string.concat(_text(text, "signature", vm.toString(signWith(keys[who], digest))), "}");
    }

    function _typedData(Attestation memory attestation) private pure returns (string memory text) {
        text = string.concat('{"types":', TYPES, ',"primaryType":"Attestation","message":{"imageId":"');
        text = string.concat(text, vm.toString(attestation.imageId), '"');
        text = _text(text, "journalDigest", vm.toString(attestation.journalDigest));
        text = _text(text, "receiptHash", vm.toString(attestation.receiptHash));
        text = string.concat(text, '},"domain":{"name":"ZKPool Committee","version":"1","chainId":');
        text = _text(string.concat(text, vm.toString(CHAIN_ID)), "verifyingContract", vm.toString(COMMITTEE));
        return string.concat(text, "}}");
    }

    function _text(string memory before, string memory name, string memory value) private pure returns (string memory) {
        return string.concat(before, ',"', name, '":"', value, '"');
    }

    function _hex4(bytes4 value) private pure returns (string memory) {
        return vm.toString(abi.encodePacked(value));
    }
}
