// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {IProofVerifier, TrustClass} from "../interfaces/IProofVerifier.sol";

/// @title Groth16 over BN254, for any verifying key as snarkjs exports it.
/// @notice statement = keccak256 of the public inputs, each a 32-byte word, packed.
/// proof = A (2 words) ‖ B (4) ‖ C (2) ‖ public inputs; G2 coefficients imaginary first, as the EVM's precompiles take
/// them. Anything of another length, not canonical, not on the curve or not in the subgroup is refused with `false`.
///
/// Trust: the key. The constructor refuses keys whose second phase was skipped and other keys that are known to be
/// broken, but no contract can tell whether a ceremony was honest: compare `verifyingKey` (or `KEY_HASH`) with what the
/// circuit's ceremony published before you agree to this address.
///
/// Groth16 proofs can be re-randomised by anyone: a proof's bytes identify nothing, and nothing here relies on them.
contract Groth16Verifier is IProofVerifier {
    /// @notice A verifying key. G1 points as (x, y); G2 points as (x imaginary, x real, y imaginary, y real).
    struct Key {
        uint256[2] alpha;
        uint256[4] beta;
        uint256[4] gamma;
        uint256[4] delta;
        /// One more than there are public inputs; at most 374, which is what the code of a contract holds.
        uint256[2][] ic;
    }

    /// A coordinate is not canonical, or the point is not on the curve, not in the subgroup, or infinity.
    error BadPoint();
    /// Alpha, beta or delta is the group's generator up to sign: a setup that was begun and never contributed to.
    error DefaultPoint();
    /// Gamma and delta are equal up to sign: anyone could prove anything.
    error GammaIsDelta();
    error NoInputPoints();

    /// @notice keccak256(abi.encode(key)).
    bytes32 public immutable KEY_HASH;
    /// @notice How many public inputs a proof carries.
    uint256 public immutable INPUTS;
    /// @dev Where the key lies, as the code of a contract: -α ‖ β ‖ 0 ‖ -γ ‖ 0 ‖ -δ ‖ IC. The two gaps of 64 bytes are
    /// where `verify` puts the inputs' point and C, so that one copy lays out the pairing's input from its second pair on.
    address private immutable KEY;

    uint256 private constant Q = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
    uint256 private constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    /// @dev The generators' x coordinates.
    uint256 private constant G1_X = 1;
    uint256 private constant G2_X1 = 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2;
    uint256 private constant G2_X0 = 0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed;

    /// @dev Bounds what an invalid point can burn (a failing precompile takes all it was given), with ample room for a
    /// future gas schedule: four pairs cost 181,000 today.
    uint256 private constant PRECOMPILE_GAS = 1_000_000;
    uint256 private constant POINTS_LENGTH = 256;
    /// @dev Of the stored key, without its input points.
    uint256 private constant HEAD_LENGTH = 576;

    constructor(Key memory key) {
        if (key.ic.length == 0) revert NoInputPoints();
        _checkG1(key.alpha);
        if (key.alpha[0] == G1_X) revert DefaultPoint();
        for (uint256 i; i < key.ic.length; ++i) {
            _checkG1(key.ic[i]);
        }
        _checkG2(key.beta);
        _checkG2(key.gamma);
        _checkG2(key.delta);
        // Gamma is the generator in every key that snarkjs makes.
        if (_isGenerator(key.beta) || _isGenerator(key.delta)) revert DefaultPoint();
        if (key.gamma[0] == key.delta[0] && key.gamma[1] == key.delta[1]) revert GammaIsDelta();

        KEY_HASH = keccak256(abi.encode(key));
        INPUTS = key.ic.length - 1;
        KEY = SSTORE2.write(_pack(key));
    }

    /// @inheritdoc IProofVerifier
    function verify(bytes32 statement, bytes calldata proof) external view returns (bool valid) {
        uint256 inputs = INPUTS;
        if (proof.length != POINTS_LENGTH + 32 * inputs) return false;
        if (keccak256(proof[POINTS_LENGTH:]) != statement) return false;

        address key = KEY;
        assembly ("memory-safe") {
            // pairs: A B | -α β | sum -γ | C -δ (768 bytes); ic: the key's points; acc: a G1 point and a term to add to it.
            let pairs := mload(0x40)
            let ic := add(pairs, 768)
            let acc := add(ic, mul(64, add(inputs, 1)))
            calldatacopy(pairs, proof.offset, 192)
            extcodecopy(key, add(pairs, 192), 1, sub(acc, add(pairs, 192)))
            calldatacopy(add(pairs, 576), add(proof.offset, 192), 64)

            // sum = IC[0] + Σ inputs[i] · IC[i + 1]. The points were checked by the constructor and the inputs are below
            // r, so the precompiles fail only for want of gas.
            valid := 1
            mcopy(acc, ic, 64)
            let term := add(acc, 64)
            for { let i := 0 } lt(i, inputs) { i := add(i, 1) } {
                let scalar := calldataload(add(add(proof.offset, POINTS_LENGTH), mul(32, i)))
                valid := and(valid, lt(scalar, R))
                mcopy(term, add(ic, mul(64, add(i, 1))), 64)
                mstore(add(term, 64), scalar)
                valid := and(valid, staticcall(gas(), 7, term, 96, term, 64))
                valid := and(valid, staticcall(gas(), 6, acc, 128, acc, 64))
            }
            mcopy(add(pairs, 384), acc, 64)

            // e(A, B) · e(-α, β) · e(sum, -γ) · e(C, -δ) = 1. The precompile refuses what is not canonical, not on the
            // curve or, in G2, not in the subgroup.
            if valid { valid := and(eq(mload(0x00), 1), staticcall(PRECOMPILE_GAS, 8, pairs, 768, 0x00, 32)) }
        }
    }

    /// @inheritdoc IProofVerifier
    function halted() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IProofVerifier
    function trustClass() external pure returns (TrustClass) {
        return TrustClass.ONCHAIN_PROOF;
    }

    /// @notice The key as it was given to the constructor.
    function verifyingKey() external view returns (Key memory key) {
        bytes memory packed = SSTORE2.read(KEY);
        uint256[2] memory gap;
        (key.alpha, key.beta, gap, key.gamma, gap, key.delta) =
            abi.decode(packed, (uint256[2], uint256[4], uint256[2], uint256[4], uint256[2], uint256[4]));
        key.alpha[1] = Q - key.alpha[1];
        (key.gamma[2], key.gamma[3]) = (_negate(key.gamma[2]), _negate(key.gamma[3]));
        (key.delta[2], key.delta[3]) = (_negate(key.delta[2]), _negate(key.delta[3]));
        key.ic = new uint256[2][](INPUTS + 1);
        for (uint256 i; i < key.ic.length; ++i) {
            uint256 from = HEAD_LENGTH + 64 * i;
            key.ic[i] = abi.decode(SSTORE2.read(KEY, from, from + 64), (uint256[2]));
        }
    }

    // ---- constructor ----

    function _pack(Key memory key) private pure returns (bytes memory) {
        uint256[] memory words = new uint256[](HEAD_LENGTH / 32 + 2 * key.ic.length);
        (words[0], words[1]) = (key.alpha[0], Q - key.alpha[1]);
        for (uint256 i; i < 4; ++i) {
            words[2 + i] = key.beta[i];
            words[8 + i] = i < 2 ? key.gamma[i] : _negate(key.gamma[i]);
            words[14 + i] = i < 2 ? key.delta[i] : _negate(key.delta[i]);
        }
        for (uint256 i; i < key.ic.length; ++i) {
            (words[18 + 2 * i], words[19 + 2 * i]) = (key.ic[i][0], key.ic[i][1]);
        }
        return abi.encodePacked(words);
    }

    /// @dev No checked point has a y of zero, since the order of either group is an odd prime; but in G2 one coefficient
    /// of it may be zero.
    function _negate(uint256 coefficient) private pure returns (uint256) {
        return (Q - coefficient) % Q;
    }

    function _checkG1(uint256[2] memory point) private view {
        // Added to infinity: the precompile checks both coordinates and the curve; G1 is the whole curve.
        (bool ok, bytes memory sum) =
            address(6).staticcall{gas: PRECOMPILE_GAS}(abi.encode(point, uint256(0), uint256(0)));
        if (!ok || sum.length != 64 || (point[0] == 0 && point[1] == 0)) revert BadPoint();
    }

    function _checkG2(uint256[4] memory point) private view {
        // e(G, P) · e(-G, P) = 1 for every P that the precompile takes.
        (bool ok, bytes memory one) = address(8).staticcall{gas: PRECOMPILE_GAS}(
            abi.encode(uint256(1), uint256(2), point, uint256(1), Q - 2, point)
        );
        bool infinity = point[0] | point[1] | point[2] | point[3] == 0;
        if (!ok || one.length != 32 || infinity) revert BadPoint();
    }

    function _isGenerator(uint256[4] memory point) private pure returns (bool) {
        return point[0] == G2_X1 && point[1] == G2_X0;
    }
}
