// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {TrustClass} from "../../src/interfaces/IProofVerifier.sol";
import {Groth16Verifier} from "../../src/verifiers/Groth16Verifier.sol";
import {Fixtures} from "../fixtures/Fixtures.sol";

contract Groth16VerifierTest is Test {
    using Fixtures for bytes;

    uint256 internal constant Q = Fixtures.Q;
    uint256 internal constant R = Fixtures.R;

    Groth16Verifier internal semaphore;
    Groth16Verifier internal product;
    bytes internal semaphoreProof;
    bytes internal productProof;

    function setUp() public {
        semaphore = new Groth16Verifier(Fixtures.semaphoreKey());
        product = new Groth16Verifier(Fixtures.productKey());
        (semaphoreProof,,) = Fixtures.semaphoreProof(0);
        productProof = Fixtures.productProof(0);
    }

    // ---- constructor ----

    function test_KeepsTheKey() public view {
        Groth16Verifier.Key memory key = Fixtures.semaphoreKey();
        assertEq(abi.encode(semaphore.verifyingKey()), abi.encode(key));
        assertEq(semaphore.KEY_HASH(), keccak256(abi.encode(key)));
        assertEq(semaphore.INPUTS(), 4);

        key = Fixtures.productKey();
        assertEq(abi.encode(product.verifyingKey()), abi.encode(key));
        assertEq(product.KEY_HASH(), keccak256(abi.encode(key)));
        assertEq(product.INPUTS(), 2);
    }

    function test_RevertWhen_KeyHasNoInputPoints() public {
        Groth16Verifier.Key memory key = Fixtures.productKey();
        key.ic = new uint256[2][](0);
        _refused(key, Groth16Verifier.NoInputPoints.selector);
    }

    function test_RevertWhen_G1PointIsBad() public {
        uint256[2][4] memory bad = [[uint256(0), 0], [uint256(1), 3], [1 + Q, 2], [uint256(1), 2 + Q]];
        for (uint256 i; i < bad.length; ++i) {
            Groth16Verifier.Key memory key = Fixtures.productKey();
            key.alpha = bad[i];
            _refused(key, Groth16Verifier.BadPoint.selector);
            for (uint256 j; j < key.ic.length; ++j) {
                key = Fixtures.productKey();
                key.ic[j] = bad[i];
                _refused(key, Groth16Verifier.BadPoint.selector);
            }
        }
    }

    function test_RevertWhen_G2PointIsBad() public {
        uint256[4] memory good = Fixtures.semaphoreKey().delta;
        uint256[4][8] memory bad = [
            [uint256(0), 0, 0, 0],
            [good[0], good[1], good[2], good[3] ^ 1],
            [good[1], good[0], good[3], good[2]],
            _offSubgroup(),
            [good[0] + Q, good[1], good[2], good[3]],
            [good[0], good[1] + Q, good[2], good[3]],
            [good[0], good[1], good[2] + Q, good[3]],
            [good[0], good[1], good[2], good[3] + Q]
        ];
        for (uint256 i; i < bad.length; ++i) {
            Groth16Verifier.Key memory key = Fixtures.productKey();
            key.beta = bad[i];
            _refused(key, Groth16Verifier.BadPoint.selector);
            key = Fixtures.productKey();
            key.gamma = bad[i];
            _refused(key, Groth16Verifier.BadPoint.selector);
            key = Fixtures.productKey();
            key.delta = bad[i];
            _refused(key, Groth16Verifier.BadPoint.selector);
        }
    }

    /// SECURITY 13: Veil Cash and FoomCash went live with the key that snarkjs writes before its second phase.
    function test_RevertWhen_SecondPhaseWasSkipped() public {
        Groth16Verifier.Key memory key = Fixtures.productKeyWithoutPhase2();
        assertEq(abi.encode(key.gamma), abi.encode(key.delta));
        _refused(key, Groth16Verifier.DefaultPoint.selector);
    }

    function test_RevertWhen_PointIsTheGenerator() public {
        // Gamma is the generator in keys that snarkjs makes.
        uint256[4] memory generator = Fixtures.semaphoreKey().gamma;

        Groth16Verifier.Key memory key = Fixtures.productKey();
        key.alpha = [uint256(1), 2];
        _refused(key, Groth16Verifier.DefaultPoint.selector);
        key.alpha = [uint256(1), Q - 2];
        _refused(key, Groth16Verifier.DefaultPoint.selector);

        key = Fixtures.productKey();
        key.beta = generator;
        _refused(key, Groth16Verifier.DefaultPoint.selector);
        key.beta = _negated(generator);
        _refused(key, Groth16Verifier.DefaultPoint.selector);

        key = Fixtures.productKey();
        key.delta = generator;
        _refused(key, Groth16Verifier.DefaultPoint.selector);
        key.delta = _negated(generator);
        _refused(key, Groth16Verifier.DefaultPoint.selector);
    }

    function test_RevertWhen_GammaIsDelta() public {
        Groth16Verifier.Key memory key = Fixtures.productKey();
        key.gamma = key.delta;
        _refused(key, Groth16Verifier.GammaIsDelta.selector);
        key.gamma = _negated(key.delta);
        _refused(key, Groth16Verifier.GammaIsDelta.selector);
    }

    function test_TakesAKeyWithoutInputs() public {
        Groth16Verifier.Key memory key = Fixtures.productKey();
        uint256[2] memory first = key.ic[0];
        key.ic = new uint256[2][](1);
        key.ic[0] = first;
        Groth16Verifier verifier = new Groth16Verifier(key);
        assertEq(verifier.INPUTS(), 0);
        assertFalse(verifier.verify(keccak256(""), new bytes(256)));
    }

    /// As many points as fit into the code of a contract.
    function test_TakesTheLargestKey() public {
        Groth16Verifier.Key memory key = Fixtures.productKey();
        uint256[2] memory point = key.ic[0];
        key.ic = new uint256[2][](374);
        for (uint256 i; i < key.ic.length; ++i) {
            key.ic[i] = point;
        }
        Groth16Verifier verifier = new Groth16Verifier(key);
        assertEq(verifier.INPUTS(), 373);
        assertEq(abi.encode(verifier.verifyingKey()), abi.encode(key));
        bytes memory proof = new bytes(256 + 32 * 373);
        assertFalse(verifier.verify(proof.statementOf(), proof));
    }

    // ---- verify ----

    function test_AcceptsRealProofs() public view {
        for (uint256 i; i < 3; ++i) {
            (bytes memory proof,,) = Fixtures.semaphoreProof(i);
            assertTrue(semaphore.verify(proof.statementOf(), proof));
        }
        for (uint256 i; i < 2; ++i) {
            bytes memory proof = Fixtures.productProof(i);
            assertTrue(product.verify(proof.statementOf(), proof));
        }
        assertEq(productProof.statementOf(), keccak256(abi.encode(15, 3)));
    }

    function test_RefusesAnotherStatement() public view {
        bytes memory other = Fixtures.productProof(1);
        assertFalse(product.verify(other.statementOf(), productProof));
        assertFalse(product.verify(keccak256(abi.encode(3, 15)), productProof));
        assertFalse(product.verify(0, productProof));
    }

    /// The statement's own inputs beside points that prove another.
    function test_RefusesPointsOfAnotherStatement() public view {
        bytes memory proof = Fixtures.productProof(1).withWord(8, 15).withWord(9, 3);
        assertEq(proof.statementOf(), productProof.statementOf());
        assertFalse(product.verify(proof.statementOf(), proof));
    }

    function test_RefusesAProofOfAnotherKey() public {
        Groth16Verifier.Key memory key = Fixtures.productKey();
        key.delta = Fixtures.semaphoreKey().delta;
        assertFalse(new Groth16Verifier(key).verify(productProof.statementOf(), productProof));
    }

    function test_RefusesAnotherLength() public view {
        bytes memory proof = bytes.concat(productProof, hex"00");
        assertFalse(product.verify(proof.statementOf(), proof));
        proof = bytes.concat(productProof, bytes32(0));
        assertFalse(product.verify(proof.statementOf(), proof));
        proof = new bytes(productProof.length - 1);
        for (uint256 i; i < proof.length; ++i) {
            proof[i] = productProof[i];
        }
        assertFalse(product.verify(proof.statementOf(), proof));
        assertFalse(product.verify(keccak256(""), ""));
        assertFalse(product.verify(keccak256(""), new bytes(256)));
        // Four inputs where two belong, and the reverse.
        assertFalse(product.verify(semaphoreProof.statementOf(), semaphoreProof));
        assertFalse(semaphore.verify(productProof.statementOf(), productProof));
    }

    /// SECURITY 13: the same number modulo r, under a statement of its own.
    function test_RefusesInputsNotBelowR() public view {
        for (uint256 i = 8; i < 12; ++i) {
            uint256 input = semaphoreProof.wordAt(i);
            for (uint256 alias_ = input; alias_ <= type(uint256).max - R;) {
                alias_ += R;
                bytes memory proof = semaphoreProof.withWord(i, alias_);
                assertFalse(semaphore.verify(proof.statementOf(), proof));
            }
        }
    }

    function test_RefusesCoordinatesNotBelowQ() public view {
        for (uint256 i; i < 8; ++i) {
            uint256 coordinate = semaphoreProof.wordAt(i);
            for (uint256 alias_ = coordinate; alias_ <= type(uint256).max - Q;) {
                alias_ += Q;
                assertFalse(semaphore.verify(semaphoreProof.statementOf(), semaphoreProof.withWord(i, alias_)));
            }
        }
    }

    function test_RefusesPointsOffTheirGroup() public view {
        bytes32 statement = productProof.statementOf();
        assertFalse(product.verify(statement, productProof.withWord(0, 1).withWord(1, 3)));
        assertFalse(product.verify(statement, productProof.withWord(6, 1).withWord(7, 3)));
        uint256[4] memory b = _offSubgroup();
        bytes memory proof = productProof.withWord(2, b[0]).withWord(3, b[1]).withWord(4, b[2]).withWord(5, b[3]);
        assertFalse(product.verify(statement, proof));
    }

    function test_RefusesInfinity() public view {
        bytes32 statement = productProof.statementOf();
        bytes memory a = productProof.withWord(0, 0).withWord(1, 0);
        bytes memory b = productProof.withWord(2, 0).withWord(3, 0).withWord(4, 0).withWord(5, 0);
        bytes memory c = productProof.withWord(6, 0).withWord(7, 0);
        assertFalse(product.verify(statement, a));
        assertFalse(product.verify(statement, b));
        assertFalse(product.verify(statement, c));
        assertFalse(product.verify(statement, bytes.concat(new bytes(256), abi.encode(15, 3))));
    }

    function test_RefusesG2CoefficientsRealFirst() public view {
        bytes memory proof = productProof.withWord(2, productProof.wordAt(3)).withWord(3, productProof.wordAt(2))
            .withWord(4, productProof.wordAt(5)).withWord(5, productProof.wordAt(4));
        assertFalse(product.verify(proof.statementOf(), proof));
    }

    /// SECURITY 12: whoever sees a proof can make another of the same statement, so nothing may rest on a proof's bytes.
    function test_TakesARerandomisedProof() public view {
        bytes memory proof = productProof.withWord(1, Q - productProof.wordAt(1))
            .withWord(4, Q - productProof.wordAt(4)).withWord(5, Q - productProof.wordAt(5));
        assertNotEq(keccak256(proof), keccak256(productProof));
        assertTrue(product.verify(proof.statementOf(), proof));
    }

    function test_InvalidPointBurnsBoundedGas() public view {
        bytes memory proof = productProof.withWord(0, 1).withWord(1, 3);
        bytes32 statement = proof.statementOf();
        uint256 before = gasleft();
        product.verify(statement, proof);
        assertLt(before - gasleft(), 1_050_000);
    }

    function test_IsNeverHalted() public view {
        assertFalse(product.halted());
    }

    function test_IsAnOnchainProof() public view {
        assertEq(uint256(product.trustClass()), uint256(TrustClass.ONCHAIN_PROOF));
    }

    // ---- fuzz ----

    function testFuzz_RefusesAnyFlippedBit(uint256 bit) public view {
        bit = bound(bit, 0, productProof.length * 8 - 1);
        bytes memory proof = productProof.withWord(bit / 256, productProof.wordAt(bit / 256) ^ (1 << (bit % 256)));
        assertFalse(product.verify(proof.statementOf(), proof));
        assertFalse(product.verify(productProof.statementOf(), proof));
    }

    function testFuzz_RefusesAnyReplacedWord(uint256 index, uint256 word) public view {
        index = bound(index, 0, semaphoreProof.length / 32 - 1);
        vm.assume(word != semaphoreProof.wordAt(index));
        bytes memory proof = semaphoreProof.withWord(index, word);
        assertFalse(semaphore.verify(proof.statementOf(), proof));
    }

    function testFuzz_RefusesOtherInputs(uint256 c, uint256 a) public view {
        (c, a) = (bound(c, 0, R - 1), bound(a, 0, R - 1));
        vm.assume(c != 15 || a != 3);
        bytes memory proof = productProof.withWord(8, c).withWord(9, a);
        assertFalse(product.verify(proof.statementOf(), proof));
    }

    function testFuzz_RefusesNoise(bytes calldata proof, bytes32 statement) public view {
        assertFalse(product.verify(statement, proof));
    }

    function testFuzz_RefusesNoiseOfTheRightLength(uint256[10] calldata words) public view {
        bytes memory proof = abi.encode(words);
        assertFalse(product.verify(proof.statementOf(), proof));
    }

    /// Starved at any point of its work it may refuse a valid proof, but never accepts an invalid one.
    function testFuzz_StarvedNeverAccepts(uint256 gasGiven, uint256 index) public view {
        index = bound(index, 0, 9);
        bytes memory proof = productProof.withWord(index, productProof.wordAt(index) ^ 1);
        gasGiven = bound(gasGiven, 0, 300_000);
        try product.verify{gas: gasGiven}(proof.statementOf(), proof) returns (bool valid) {
            assertFalse(valid);
        } catch {}
    }

    // ---- helpers ----

    /// @dev A call of its own: what follows an expected revert at the same depth might not run.
    function deploy(Groth16Verifier.Key calldata key) external {
        new Groth16Verifier(key);
    }

    function _refused(Groth16Verifier.Key memory key, bytes4 reason) private {
        vm.expectRevert(reason);
        this.deploy(key);
    }

    function _negated(uint256[4] memory point) private pure returns (uint256[4] memory) {
        return [point[0], point[1], Q - point[2], Q - point[3]];
    }

    /// @dev On the twist, but outside the subgroup of order r.
    function _offSubgroup() private pure returns (uint256[4] memory) {
        return [
            uint256(1),
            2,
            0x2b76c179599bb92a963dac85546a005a777f7c13f6a7b75d5918b6b5808f5fde,
            0x101f7278419308b95099eca02dcee0c5381f4d26d1d62313f057167f064101ce
        ];
    }
}
