// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {TrustClass} from "../../src/interfaces/IProofVerifier.sol";
import {InstanceState} from "../../src/verifiers/SgxInstances.sol";
import {SgxVerifier} from "../../src/verifiers/SgxVerifier.sol";
import {Fixtures} from "../fixtures/Fixtures.sol";
import {SgxFixture} from "./SgxFixture.sol";

/// @notice Whose signatures are believed, and for what.
contract SgxVerifierTest is SgxFixture {
    using Fixtures for bytes;

    uint256 internal constant CURVE_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    bytes32 internal statement = statementFor(PROGRAM, OUTPUT);
    bytes internal proof;

    function setUp() public {
        setUpSgx();
        proof = sgxProof(OUTPUT);
    }

    // ---- what is signed ----

    function test_AcceptsAnActiveInstancesSignature() public view {
        assertEq(proof.length, 149);
        assertTrue(sgx.verify(statement, proof));
    }

    function test_DigestIsTheEip712Digest() public view {
        bytes32 expected = attestationDigest(block.chainid, address(sgx), PROGRAM, OUTPUT, payee);
        assertEq(sgx.digestOf(PROGRAM, OUTPUT, payee), expected);
    }

    function test_RevertWhen_StatementIsAnother() public {
        bytes32[4] memory others =
            [statementFor(PROGRAM, keccak256("other")), statementFor(OTHER_PROGRAM, OUTPUT), OUTPUT, bytes32(0)];
        for (uint256 i; i < others.length; ++i) {
            vm.expectRevert(SgxVerifier.StatementMismatch.selector);
            sgx.verify(others[i], proof);
        }
    }

    /// SECURITY 16: what was signed elsewhere is of no use here. The signer that is recovered is nobody.
    function test_RevertWhen_SignedForAnotherChainOrContract() public {
        _refusedAsUnknown(_signed(attestationDigest(1, address(sgx), PROGRAM, OUTPUT, payee)));
        _refusedAsUnknown(_signed(attestationDigest(block.chainid, address(this), PROGRAM, OUTPUT, payee)));
        // And the reverse: the chain has split, and this is the other half.
        vm.chainId(999);
        _refusedAsUnknown(proof);
    }

    function test_RevertWhen_WhatWasSignedIsAnother() public {
        _refusedAsUnknown(_signed(attestationDigest(block.chainid, address(sgx), PROGRAM, 0, payee)));
        _refusedAsUnknown(_signed(attestationDigest(block.chainid, address(sgx), OTHER_PROGRAM, OUTPUT, payee)));
        _refusedAsUnknown(_signed(attestationDigest(block.chainid, address(sgx), PROGRAM, OUTPUT, outsider)));
        _refusedAsUnknown(_signed(statement));
    }

    /// SECURITY 11: who copies a proof cannot put its own name into it.
    function test_RevertWhen_PayeeIsReplaced() public {
        (, uint256 key) = makeAddrAndKey("thief");
        bytes32 digest = attestationDigest(block.chainid, address(sgx), PROGRAM, OUTPUT, outsider);
        bytes memory signature = signedBy(instanceKey, sgx.digestOf(PROGRAM, OUTPUT, payee));
        _refusedAsUnknown(abi.encodePacked(PROGRAM, OUTPUT, outsider, signature));
        _refusedAsUnknown(abi.encodePacked(PROGRAM, OUTPUT, outsider, signedBy(key, digest)));
        assertEq(sgx.payeeOf(proof), payee);
        assertEq(sgx.payeeOf(abi.encodePacked(PROGRAM, OUTPUT, outsider, signature)), outsider);
    }

    function test_RevertWhen_LengthIsAnother() public {
        uint256[5] memory lengths = [uint256(0), 84, 148, 150, 181];
        for (uint256 i; i < lengths.length; ++i) {
            bytes memory other = bytes.concat(proof, bytes32(0));
            uint256 length = lengths[i];
            assembly ("memory-safe") {
                mstore(other, length)
            }
            vm.expectRevert(SgxVerifier.BadProofLength.selector);
            sgx.verify(statement, other);
            vm.expectRevert(SgxVerifier.BadProofLength.selector);
            sgx.payeeOf(other);
        }
        // EIP-2098's signatures of 64 bytes.
        (bytes32 r, bytes32 vs) = vm.signCompact(instanceKey, sgx.digestOf(PROGRAM, OUTPUT, payee));
        vm.expectRevert(SgxVerifier.BadProofLength.selector);
        sgx.verify(statement, abi.encodePacked(PROGRAM, OUTPUT, payee, r, vs));
    }

    function test_RevertWhen_SignatureIsMalleated() public {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(instanceKey, sgx.digestOf(PROGRAM, OUTPUT, payee));
        bytes32 high = bytes32(CURVE_ORDER - uint256(s));
        bytes[5] memory bad = [
            abi.encodePacked(r, high, v == 27 ? uint8(28) : uint8(27)),
            abi.encodePacked(r, s, v - 27),
            abi.encodePacked(r, s, v + 2),
            abi.encodePacked(bytes32(0), s, v),
            abi.encodePacked(r, bytes32(0), v)
        ];
        for (uint256 i; i < bad.length; ++i) {
            vm.expectRevert(SgxVerifier.InvalidSignature.selector);
            sgx.verify(statement, abi.encodePacked(PROGRAM, OUTPUT, payee, bad[i]));
        }
    }

    function testFuzz_RefusesAnyFlippedBit(uint256 bit) public view {
        bit = bound(bit, 0, proof.length * 8 - 1);
        bytes memory flipped = bytes.concat(proof);
        flipped[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        _assertRefused(statement, flipped);
        _assertRefused(statementFor(bytes32(flipped.wordAt(0)), bytes32(flipped.wordAt(1))), flipped);
    }

    function testFuzz_RefusesNoise(bytes32 program, bytes32 output, address to, bytes32 r, bytes32 s, bool odd)
        public
        view
    {
        bytes memory noise = abi.encodePacked(program, output, to, r, s, uint8(odd ? 28 : 27));
        _assertRefused(statementFor(program, output), noise);
    }

    function testFuzz_RefusesOtherKeys(uint256 key) public {
        key = bound(key, 1, CURVE_ORDER - 1);
        vm.assume(key != instanceKey);
        bytes memory other = sgxProofBy(key, PROGRAM, OUTPUT);
        _refused(other, vm.addr(key), InstanceState.Unknown);
    }

    // ---- who signs ----

    function test_RevertWhen_SignedForAProgramOfAnotherInstance() public {
        knowProgram(sgx, OTHER_PROGRAM);
        allowBuild(OTHER_PROGRAM, MRENCLAVE);
        bytes memory other = sgxProofBy(instanceKey, OTHER_PROGRAM, OUTPUT);
        vm.expectRevert(abi.encodeWithSelector(SgxVerifier.NotActive.selector, instance, InstanceState.Unknown));
        sgx.verify(statementFor(OTHER_PROGRAM, OUTPUT), other);
    }

    /// The delay ends, and the lifetime, with the second that is named.
    function test_CountsFromTheEndOfTheDelayToTheEndOfItsLife() public {
        (address second, uint256 key) = makeAddrAndKey("second");
        register(second);
        uint256 activeAt = block.timestamp + DELAY;
        bytes memory signed = sgxProofBy(key, PROGRAM, OUTPUT);
        _refused(signed, second, InstanceState.Pending);
        vm.warp(activeAt - 1);
        _refused(signed, second, InstanceState.Pending);
        vm.warp(activeAt);
        assertTrue(sgx.verify(statement, signed));
        vm.warp(activeAt + LIFETIME - 1);
        assertTrue(sgx.verify(statement, signed));
        vm.warp(activeAt + LIFETIME);
        _refused(signed, second, InstanceState.Expired);
    }

    function test_RevertWhen_InstanceIsRevoked() public {
        revoke(instance);
        _refused(proof, instance, InstanceState.Revoked);
        vm.warp(block.timestamp + LIFETIME);
        _refused(proof, instance, InstanceState.Revoked);
    }

    function test_RevertWhen_InstanceIsRevokedBeforeItCounts() public {
        (address second, uint256 key) = makeAddrAndKey("second");
        register(second);
        revoke(second);
        vm.warp(block.timestamp + DELAY);
        _refused(sgxProofBy(key, PROGRAM, OUTPUT), second, InstanceState.Revoked);
    }

    /// SECURITY 16: the list is asked at every proof, not only when the instance was registered.
    function test_RevertWhen_MrenclaveWasRemovedSince() public {
        removeBuild(MRENCLAVE);
        _refused(proof, instance, InstanceState.Removed);
        // Back on the list it counts again, but not before everybody could object.
        vm.prank(sgxOwner);
        sgx.setMrenclave(PROGRAM, MRENCLAVE, true);
        vm.warp(block.timestamp + DELAY - 1);
        _refused(proof, instance, InstanceState.Removed);
        vm.warp(block.timestamp + 1);
        assertTrue(sgx.verify(statement, proof));
    }

    function test_RevertWhen_IsvSvnIsTooLowByNow() public {
        vm.prank(guardian);
        sgx.raiseMinIsvSvn(PROGRAM, ISV_SVN + 1);
        _refused(proof, instance, InstanceState.Outdated);
    }

    /// Another instance's trouble is not this one's.
    function test_InstancesStandForThemselves() public {
        allowBuild(PROGRAM, OTHER_MRENCLAVE);
        (address second, uint256 key) = makeAddrAndKey("second");
        QuoteSpec memory spec = specOf(second);
        spec.mrenclave = OTHER_MRENCLAVE;
        registerWith(spec, second);
        vm.warp(block.timestamp + DELAY);
        removeBuild(MRENCLAVE);
        assertTrue(sgx.verify(statement, sgxProofBy(key, PROGRAM, OUTPUT)));
        revoke(instance);
        assertTrue(sgx.verify(statement, sgxProofBy(key, PROGRAM, OUTPUT)));
    }

    // ---- the whole ----

    function test_RevertWhen_Stopped() public {
        assertFalse(sgx.halted());
        vm.prank(guardian);
        sgx.stop();
        assertTrue(sgx.halted());
        vm.expectRevert(SgxVerifier.AlreadyStopped.selector);
        sgx.verify(statement, proof);
    }

    function test_IsAnEnclave() public view {
        assertEq(uint256(sgx.trustClass()), uint256(TrustClass.TEE));
    }

    // ---- helpers ----

    function _signed(bytes32 digest) private view returns (bytes memory) {
        return abi.encodePacked(PROGRAM, OUTPUT, payee, signedBy(instanceKey, digest));
    }

    function _refused(bytes memory tested, address signer, InstanceState state) private {
        vm.expectRevert(abi.encodeWithSelector(SgxVerifier.NotActive.selector, signer, state));
        sgx.verify(statement, tested);
        assertEq(uint256(sgx.stateOf(PROGRAM, signer)), uint256(state));
    }

    function _refusedAsUnknown(bytes memory tested) private {
        vm.expectPartialRevert(SgxVerifier.NotActive.selector);
        sgx.verify(statement, tested);
    }

    function _assertRefused(bytes32 about, bytes memory tested) private view {
        try sgx.verify(about, tested) returns (bool accepted) {
            assertFalse(accepted);
        } catch {}
    }
}
