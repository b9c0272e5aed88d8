// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "solady/utils/EIP712.sol";
import {IProofVerifier, TrustClass} from "../interfaces/IProofVerifier.sol";
import {IRiscZeroVerifier, Receipt} from "../interfaces/IRiscZeroVerifier.sol";
import {RiscZeroProof} from "../libraries/RiscZeroProof.sol";
import {TrustClasses} from "../libraries/TrustClasses.sol";
import {CommitteeStakes} from "./CommitteeStakes.sol";

/// @notice What a member signs: that the receipt with this hash proves that the program ended with this journal.
struct Attestation {
    bytes32 imageId;
    /// SHA-256 of the journal.
    bytes32 journalDigest;
    /// SHA-256 of the receipt's bytes as they are published, so that anybody can look whether it does.
    bytes32 receiptHash;
}

/// @notice A member's signature for a journal, as evidence.
struct Testimony {
    bytes journal;
    bytes32 receiptHash;
    bytes signature;
}

/// @notice A program that the committee vouches for.
struct Program {
    bytes32 imageId;
    /// So many bytes, the first of the journal, are the question (commitments to model and input, for example). The rest
    /// must be a function of them: members are slashed for two answers to one question.
    uint32 questionBytes;
}

/// @title RISC Zero receipts that the EVM cannot check cheaply (composite, succinct), by the word of staked members.
/// @notice **A committee is a committee.** Each member checks receipts itself and signs; nothing is proven here. Whoever
/// accepts this contract trusts that, of the members, fewer than `THRESHOLD` lie. A quorum that lies is believed.
/// What stands against it is stake and evidence: receipts are published, so that anybody can look whether a member has
/// signed for one that does not verify, and a member loses its stake to whoever shows
/// - two signatures of it for one receipt and different claims (`reportReceipt`),
/// - two for different journals of one program and one question (`reportJournals`), or
/// - one for a journal, and a proof, accepted by `ARBITER`, of another journal for the same question (`reportByProof`).
/// A lying quorum that signs one lie and nothing else is punished by the last of these alone, and not at all where there is
/// no arbiter or nobody makes the proof. What it can gain by a lie should be less than what its members have at stake.
///
/// One contract is one version of a committee: its members, threshold, stake and programs never change, there is no
/// administrator, and other members are another address. An application chooses set and threshold by naming the address,
/// and tasks published under it stay under it. A set that has too few live members to reach its threshold is halted: its
/// members can bring that about by resigning, with `NOTICE`, or at once by contradicting themselves, at the price of their
/// stakes. Members that merely keep silent are not halted: whoever promises a proof by them answers for that.
///
/// It serves as the pool's verifier (`IProofVerifier`, for statement and proof as in `RiscZeroVerifierAdapter`) and as an
/// application's (`IRiscZeroVerifier`), so that an application can change to a proof's verifier, and back, by the address
/// alone.
///
/// seal = `SELECTOR` ‖ receipt's hash (32 bytes) ‖ signatures (65 bytes each, r ‖ s ‖ v, s in the lower half) of
/// `Attestation`, by EIP-712 with the domain ("ZKPool Committee", "1", chain, this contract), the signers in strictly
/// ascending order, all of them live members, at least `THRESHOLD`.
contract CommitteeVerifier is IProofVerifier, IRiscZeroVerifier, CommitteeStakes, EIP712 {
    /// The seal is for another verifier.
    error SelectorMismatch(bytes4 received, bytes4 expected);
    error BadSealLength();
    error TooFewSignatures(uint256 received, uint256 expected);
    /// No key's signature, or in another form than the one that is taken.
    error InvalidSignature();
    error SignersNotAscending();
    error NotALiveMember(address signer);
    /// The committee does not vouch for this program.
    error UnknownProgram(bytes32 imageId);
    /// Members sign images and journals; digests of whole claims they do not.
    error IntegrityNotSupported();
    /// A program stands twice, or has no question.
    error BadProgram(bytes32 imageId);
    /// The signatures are of two keys.
    error SignersDiffer();
    /// What was shown does not contradict itself.
    error NoContradiction();
    error NoArbiter();
    /// The arbiter would be a committee or an enclave itself.
    error NotAnOnchainProof();

    event ProgramAdded(bytes32 indexed imageId, uint256 questionBytes);

    bytes32 private constant ATTESTATION_TYPEHASH =
        keccak256("Attestation(bytes32 imageId,bytes32 journalDigest,bytes32 receiptHash)");
    uint256 private constant HEAD_LENGTH = 36;
    uint256 private constant SIGNATURE_LENGTH = 65;

    /// @notice The first bytes of the domain's separator, and of every seal for this contract: another set, another one.
    bytes4 public immutable SELECTOR;
    /// @notice A verifier of proofs whose word overrules a member's. Zero if there is none. Members stand in for its
    /// soundness: one that accepts a false proof costs an honest member its stake.
    IRiscZeroVerifier public immutable ARBITER;

    /// @notice Zero for programs that the committee does not vouch for.
    mapping(bytes32 imageId => uint256) public questionBytes;

    /// @param members_ strictly ascending
    /// @param threshold more than half of them
    constructor(
        address[] memory members_,
        uint256 threshold,
        address token,
        uint128 stake,
        Program[] memory programs,
        IRiscZeroVerifier arbiter
    ) CommitteeStakes(members_, threshold, token, stake) {
        for (uint256 i; i < programs.length; ++i) {
            Program memory program = programs[i];
            if (program.questionBytes == 0 || questionBytes[program.imageId] != 0) revert BadProgram(program.imageId);
            questionBytes[program.imageId] = program.questionBytes;
            emit ProgramAdded(program.imageId, program.questionBytes);
        }
        if (address(arbiter) != address(0)) {
            if (address(arbiter).code.length == 0) revert NotAContract();
            if (TrustClasses.isKnownForLess(address(arbiter))) revert NotAnOnchainProof();
        }
        ARBITER = arbiter;
        SELECTOR = bytes4(_domainSeparator());
    }

    // ---- verifying ----

    /// @inheritdoc IRiscZeroVerifier
    function verify(bytes calldata seal, bytes32 imageId, bytes32 journalDigest) external view {
        _verify(seal, imageId, journalDigest);
    }

    /// @inheritdoc IProofVerifier
    function verify(bytes32 statement, bytes calldata proof) external view returns (bool) {
        (bool ok, bytes32 imageId, bytes calldata journal, bytes calldata seal) = RiscZeroProof.decode(proof);
        if (!ok) return false;
        bytes32 journalDigest = sha256(journal);
        if (RiscZeroProof.statementOf(imageId, journalDigest) != statement) return false;
        _verify(seal, imageId, journalDigest);
        return true;
    }

    /// @notice Always reverts: applications that need more than `verify` need a proof.
    function verifyIntegrity(Receipt calldata) external pure {
        revert IntegrityNotSupported();
    }

    /// @notice Whether fewer than `THRESHOLD` members are live.
    function halted() external view returns (bool) {
        return !_hasQuorum();
    }

    /// @inheritdoc IProofVerifier
    function trustClass() external pure returns (TrustClass) {
        return TrustClass.COMMITTEE;
    }

    /// @notice What a member signs.
    function digestOf(Attestation memory attestation) public view returns (bytes32) {
        return _hashTypedData(
            keccak256(
                abi.encode(
                    ATTESTATION_TYPEHASH, attestation.imageId, attestation.journalDigest, attestation.receiptHash
                )
            )
        );
    }

    function _verify(bytes calldata seal, bytes32 imageId, bytes32 journalDigest) private view {
        if (bytes4(seal) != SELECTOR) revert SelectorMismatch(bytes4(seal), SELECTOR);
        if (seal.length < HEAD_LENGTH || (seal.length - HEAD_LENGTH) % SIGNATURE_LENGTH != 0) revert BadSealLength();
        uint256 count = (seal.length - HEAD_LENGTH) / SIGNATURE_LENGTH;
        if (count < THRESHOLD) revert TooFewSignatures(count, THRESHOLD);
        if (questionBytes[imageId] == 0) revert UnknownProgram(imageId);
        bytes32 digest = digestOf(Attestation(imageId, journalDigest, bytes32(seal[4:HEAD_LENGTH])));
        address previous;
        for (uint256 i; i < count; ++i) {
            uint256 start = HEAD_LENGTH + i * SIGNATURE_LENGTH;
            address signer = _signerOf(digest, seal[start:start + SIGNATURE_LENGTH]);
            if (signer <= previous) revert SignersNotAscending();
            if (!isLive(signer)) revert NotALiveMember(signer);
            previous = signer;
        }
    }

    // ---- evidence ----

    /// @notice Slashes a member that has signed the same receipt for two claims: no receipt proves two.
    function reportReceipt(
        Attestation calldata first,
        bytes calldata firstSignature,
        Attestation calldata second,
        bytes calldata secondSignature
    ) external {
        bool differ =
            first.imageId != second.imageId || first.journalDigest != second.journalDigest;
        if (!differ || first.receiptHash != second.receiptHash) revert NoContradiction();
        address member = _signerOf(digestOf(first), firstSignature);
        if (_signerOf(digestOf(second), secondSignature) != member) revert SignersDiffer();
        _slash(member);
    }

    /// @notice Slashes a member that has signed two answers of one program to one question, whatever the receipts.
    function reportJournals(bytes32 imageId, Testimony calldata first, Testimony calldata second) external {
        _expectContradiction(imageId, first.journal, second.journal);
        address member = _authorOf(imageId, first);
        if (_authorOf(imageId, second) != member) revert SignersDiffer();
        _slash(member);
    }

    /// @notice Slashes a member that has signed an answer, when another answer of the program to the question is proven.
    /// @param seal with which `ARBITER` accepts `journal`
    function reportByProof(bytes32 imageId, Testimony calldata lie, bytes calldata journal, bytes calldata seal)
        external
    {
        if (address(ARBITER) == address(0)) revert NoArbiter();
        _expectContradiction(imageId, lie.journal, journal);
        ARBITER.verify(seal, imageId, sha256(journal));
        _slash(_authorOf(imageId, lie));
    }

    /// Two journals of one program that begin with the same question and go on differently.
    function _expectContradiction(bytes32 imageId, bytes calldata first, bytes calldata second) private view {
        uint256 length = questionBytes[imageId];
        if (length == 0) revert UnknownProgram(imageId);
        if (first.length < length || second.length < length) revert NoContradiction();
        if (keccak256(first[:length]) != keccak256(second[:length])) revert NoContradiction();
        if (keccak256(first) == keccak256(second)) revert NoContradiction();
    }

    function _authorOf(bytes32 imageId, Testimony calldata testimony) private view returns (address) {
        Attestation memory attestation = Attestation(imageId, sha256(testimony.journal), testimony.receiptHash);
        return _signerOf(digestOf(attestation), testimony.signature);
    }

    /// Whose signature of 65 bytes it is, with an s in the lower half: nobody can make another of it.
    function _signerOf(bytes32 digest, bytes calldata signature) private pure returns (address signer) {
        // slither-disable-next-line unused-return
        (signer,,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (signer == address(0)) revert InvalidSignature();
    }

    /// @dev For EIP712.
    function _domainNameAndVersion() internal pure override returns (string memory name, string memory version) {
        (name, version) = ("ZKPool Committee", "1");
    }
}
