// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Rollup} from "../../src/examples/Rollup.sol";
import {TrustClass} from "../../src/interfaces/IProofVerifier.sol";
import {LegProof} from "../../src/libraries/LegProofs.sol";
import {MultiProofVerifier} from "../../src/verifiers/MultiProofVerifier.sol";
import {SgxVerifier} from "../../src/verifiers/SgxVerifier.sol";
import {BundleFixture} from "../multi/BundleFixture.sol";
import {TestLeg} from "../mocks/Legs.sol";
import {TestVerifier} from "../mocks/Verifiers.sol";

/// @notice What contracts and Rust must agree on about bundles, in test/vectors/bundle.json: statements of legs, what an
/// instance signs and what it puts into its quote, how proofs are put together, and the rollup's journal. Each is computed
/// by a contract and by this repository's tests, digests by forge's own EIP-712 too, and the proofs are accepted.
/// The file is checked by every test run, and written by
/// `WRITE_VECTORS=true tools/forge test --match-contract BundleVectorsTest`.
contract BundleVectorsTest is BundleFixture {
    string private constant FILE = "test/vectors/bundle.json";
    string private constant TYPES =
        '{"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],"Attestation":[{"name":"program","type":"bytes32"},{"name":"output","type":"bytes32"},{"name":"payee","type":"address"}]}';
    address private constant SGX_VERIFIER = 0xc0fFEE0000000000000000000000000000000713;
    address private constant ROLLUP = 0xC0FFeE0000000000000000000000000000000714;
    uint256 private constant CHAIN_ID = 8453;

    function setUp() public override {
        super.setUp();
        vm.chainId(CHAIN_ID);
        bytes memory arguments = abi.encode(sgxOwner, guardian, registrar, DELAY, LIFETIME, false);
        deployCodeTo("SgxVerifier.sol:SgxVerifier", arguments, SGX_VERIFIER);
        sgx = SgxVerifier(SGX_VERIFIER);
        knowProgram(sgx, PROGRAM);
        allowBuild(PROGRAM, MRENCLAVE);
        register(instance);
        vm.warp(block.timestamp + DELAY);
    }

    function test_FileIsFresh() public {
        string memory text = string.concat('{"chainId":', vm.toString(CHAIN_ID));
        text = _hex(text, "sgxVerifier", vm.toString(SGX_VERIFIER));
        text = string.concat(text, ',\n"instance":', _instance(), ',\n"attestations":[\n');
        bytes32[3] memory outputs = [journalDigest, bytes32(0), bytes32(type(uint256).max)];
        for (uint256 i; i < outputs.length; ++i) {
            text = string.concat(text, i == 0 ? "" : ",\n", _attestation(outputs[i]));
        }
        text =
            string.concat(text, '\n],\n"legs":', _legs(), ',\n"bundle":', _bundle(), ',\n"rollup":', _rollup(), "}\n");
        if (vm.envOr("WRITE_VECTORS", false)) vm.writeFile(FILE, text);
        assertEq(vm.readFile(FILE), text, "test/vectors/bundle.json is stale");
    }

    function _instance() private view returns (string memory text) {
        bytes32 reportData = sgx.reportDataOf(PROGRAM, instance);
        assertEq(reportData, boundTo(CHAIN_ID, SGX_VERIFIER, PROGRAM, instance));
        text = string.concat('{"key":"', vm.toString(bytes32(instanceKey)), '"');
        text = _hex(text, "address", vm.toString(instance));
        text = _hex(text, "program", vm.toString(PROGRAM));
        return string.concat(_hex(text, "reportData", vm.toString(reportData)), "}");
    }

    function _attestation(bytes32 output) private view returns (string memory text) {
        bytes32 digest = sgx.digestOf(PROGRAM, output, payee);
        assertEq(digest, attestationDigest(CHAIN_ID, SGX_VERIFIER, PROGRAM, output, payee), "the attestation's digest");
        assertEq(digest, vm.eip712HashTypedData(_typedData(output)), "forge's digest");
        bytes memory proof = sgxProof(output);
        bytes32 statement = statementFor(PROGRAM, output);
        assertTrue(sgx.verify(statement, proof));
        text = string.concat('{"program":"', vm.toString(PROGRAM), '"');
        text = _hex(text, "output", vm.toString(output));
        text = _hex(text, "payee", vm.toString(payee));
        text = _hex(text, "statement", vm.toString(statement));
        text = _hex(text, "digest", vm.toString(digest));
        return string.concat(_hex(text, "proof", vm.toString(proof)), "}");
    }

    /// Of RISC Zero's test receipt.
    function _legs() private view returns (string memory text) {
        text = string.concat('{"journal":"', vm.toString(realJournal()), '"');
        text = _hex(text, "digest", vm.toString(journalDigest));
        text = _hex(text, "imageId", vm.toString(IMAGE));
        text = _hex(text, "program", vm.toString(PROGRAM));
        text = _hex(text, "groth16Kind", vm.toString(groth16Leg.kind()));
        text = _hex(text, "risc0Kind", vm.toString(riscZeroLeg.kind()));
        text = _hex(text, "sgxKind", vm.toString(sgxLeg.kind()));
        text = _hex(text, "groth16", vm.toString(groth16Leg.statementOf(journalDigest)));
        text = _hex(text, "risc0", vm.toString(riscZeroLeg.statementOf(journalDigest)));
        return string.concat(_hex(text, "sgx", vm.toString(sgxLeg.statementOf(journalDigest))), "}");
    }

    /// Proofs of lengths that need padding, that need none, and of nothing.
    function _bundle() private returns (string memory text) {
        TestLeg[] memory all = testLegs(new TrustClass[](6));
        for (uint256 i; i < all.length; ++i) {
            all[i].setVerify(TestVerifier.Verify.AcceptAll);
        }
        LegProof[] memory bundle = new LegProof[](4);
        bundle[0] = LegProof(0, hex"0102030405");
        bundle[1] = LegProof(2, new bytes(64));
        bundle[2] = LegProof(3, "");
        bundle[3] = LegProof(5, new bytes(149));
        bytes memory encoded = abi.encode(bundle);
        assertTrue(new MultiProofVerifier(asLegs(all), 4).verify(journalDigest, encoded));
        text = '{"legs":[';
        for (uint256 i; i < bundle.length; ++i) {
            text = string.concat(text, i == 0 ? "" : ",", '{"leg":', vm.toString(bundle[i].leg));
            text = string.concat(_hex(text, "proof", vm.toString(bundle[i].proof)), "}");
        }
        return string.concat(_hex(string.concat(text, "]"), "encoded", vm.toString(encoded)), "}");
    }

    function _rollup() private returns (string memory text) {
        (bytes32 preRoot, bytes32 postRoot) = (keccak256("before"), keccak256("after"));
        bytes memory arguments = abi.encode(verifier, address(this), preRoot, uint256(5), new uint32[](3));
        deployCodeTo("Rollup.sol:Rollup", arguments, ROLLUP);
        bytes memory transfers = "moves";
        Rollup(ROLLUP).proposeBatch(postRoot, transfers);
        bytes memory journal =
            abi.encodePacked(uint64(CHAIN_ID), ROLLUP, uint32(0), preRoot, postRoot, sha256(transfers));
        assertEq(Rollup(ROLLUP).statementOf(0), sha256(journal));
        text = string.concat('{"rollup":"', vm.toString(ROLLUP), '","batchId":0');
        text = _hex(text, "preRoot", vm.toString(preRoot));
        text = _hex(text, "postRoot", vm.toString(postRoot));
        text = _hex(text, "transfers", vm.toString(transfers));
        text = _hex(text, "journal", vm.toString(journal));
        return string.concat(_hex(text, "statement", vm.toString(sha256(journal))), "}");
    }

    function _typedData(bytes32 output) private view returns (string memory text) {
        text = string.concat('{"types":', TYPES, ',"primaryType":"Attestation","message":{"program":"');
        text = string.concat(text, vm.toString(PROGRAM), '"');
        text = _hex(text, "output", vm.toString(output));
        text = _hex(text, "payee", vm.toString(payee));
        text = string.concat(text, '},"domain":{"name":"ZKPool SGX","version":"1","chainId":');
        text = _hex(string.concat(text, vm.toString(CHAIN_ID)), "verifyingContract", vm.toString(SGX_VERIFIER));
        return string.concat(text, "}}");
    }

    function _hex(string memory before, string memory name, string memory value) private pure returns (string memory) {
        return string.concat(before, ',"', name, '":"', value, '"');
    }
}
