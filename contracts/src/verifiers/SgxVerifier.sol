// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "solady/utils/EIP712.sol";
import {IProofVerifier, TrustClass} from "../interfaces/IProofVerifier.sol";
import {InstanceState, SgxInstances} from "./SgxInstances.sol";

/// @title What a program has computed, by the word of an enclave.
/// @notice statement = keccak256(abi.encode(program, output)); proof = program (32 bytes) ‖ output (32) ‖ payee (20) ‖
/// signature (65: r ‖ s ‖ v, s in the lower half), by an active instance of the program over
/// `Attestation(bytes32 program,bytes32 output,address payee)`, EIP-712 with the domain ("ZKPool SGX", "1", chain, this).
///
/// **Trust: Intel and the registrar.** Intel's hardware must keep what it promises; attacks on it that need the machine in
/// hand are known and cheap, and operators have theirs in hand. And this contract does not check a quote's signatures, nor
/// whether the platform was patched: the registrar does, off chain, and publishes quote and collateral. Anybody can do it
/// again within `DELAY` (`dcap-qvl` is one tool that can), and owner or guardian revoke at once. A registrar that lies, with
/// owner and guardian asleep for as long, has its own keys believed.
/// What the contract checks itself: no debug enclave, the build on the program's list, then and at every proof, the key bound
/// to this chain, contract and program, and the quote made within the last 256 blocks.
///
/// Quotes name an `SgxLeg`, or a bundle of such: it knows when its own program is halted. This contract is halted only when
/// it is stopped.
contract SgxVerifier is IProofVerifier, SgxInstances, EIP712 {
    error AlreadyStopped();
    error BadProofLength();
    /// The proof is for another program or another output.
    error StatementMismatch();
    /// No key's signature, or in another form than the one that is taken.
    error InvalidSignature();
    error NotActive(address signer, InstanceState state);

    bytes32 private constant ATTESTATION_TYPEHASH =
        keccak256("Attestation(bytes32 program,bytes32 output,address payee)");
    uint256 private constant PAYEE_AT = 64;
    uint256 private constant SIGNATURE_AT = 84;
    uint256 private constant PROOF_LENGTH = 149;

    /// @param owner adds programs and builds, names the registrar
    /// @param guardian can revoke, remove and stop too; zero for none
    /// @param registrar_ registers instances; zero for none yet
    /// @param delay seconds, at least `MIN_DELAY` unless simulated
    /// @param lifetime seconds, at most `MAX_LIFETIME`
    /// @param simulated on test networks alone
    constructor(address owner, address guardian, address registrar_, uint256 delay, uint256 lifetime, bool simulated)
        SgxInstances(owner, guardian, registrar_, delay, lifetime, simulated)
    {}

    /// @inheritdoc IProofVerifier
    /// @dev Never false: it reverts with the reason.
    function verify(bytes32 statement, bytes calldata proof) external view returns (bool) {
        if (stopped) revert AlreadyStopped();
        address payee = payeeOf(proof);
        if (keccak256(proof[:PAYEE_AT]) != statement) revert StatementMismatch();
        bytes32 program = bytes32(proof);
        bytes32 digest = digestOf(program, bytes32(proof[32:PAYEE_AT]), payee);
        // slither-disable-next-line unused-return
        (address signer,,) = ECDSA.tryRecoverCalldata(digest, proof[SIGNATURE_AT:]);
        if (signer == address(0)) revert InvalidSignature();
        InstanceState state = stateOf(program, signer);
        if (state != InstanceState.Active) revert NotActive(signer, state);
        return true;
    }

    /// @inheritdoc IProofVerifier
    function halted() external view returns (bool) {
        return stopped;
    }

    /// @inheritdoc IProofVerifier
    function trustClass() external pure returns (TrustClass) {
        return TrustClass.TEE;
    }

    /// @notice What an instance signs.
    function digestOf(bytes32 program, bytes32 output, address payee) public view returns (bytes32) {
        return _hashTypedData(keccak256(abi.encode(ATTESTATION_TYPEHASH, program, output, payee)));
    }

    /// @notice Whom the proof names: for those who pay whoever brings one, so that a copied proof pays its maker. It means
    /// something once `verify` has taken the proof. (The pool pays whom the quote names.)
    function payeeOf(bytes calldata proof) public pure returns (address) {
        if (proof.length != PROOF_LENGTH) revert BadProofLength();
        return address(bytes20(proof[PAYEE_AT:SIGNATURE_AT]));
    }

    /// @dev For EIP712.
    function _domainNameAndVersion() internal pure override returns (string memory name, string memory version) {
        (name, version) = ("ZKPool SGX", "1");
    }
}
