// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IRiscZeroVerifier} from "../interfaces/IRiscZeroVerifier.sol";

/// @title Which digits are these? Asked here, answered by whoever can prove it.
/// @notice An application as its owner would write it, and no part of the pool. It takes an answer only for its question,
/// only of its model, and only one.
///
/// journal = model commitment (32 bytes) ‖ input commitment (32) ‖ count (4, big-endian) ‖ one class a byte, 0 to 9.
///
/// Trust: the verifier that a question was asked under (`verifierOf`): a committee's word or a proof. The owner names the
/// one for questions to come and can do nothing else.
contract DigitOracle {
    error NotOwner();
    error NotAContract();
    error UnknownQuestion();
    /// With another answer. The same one again does no harm.
    error AlreadyAnswered();
    error NotAnswered();
    /// The journal's length is not what its count says, or the count is zero.
    error BadJournalLength();
    /// The journal is of another model.
    error WrongModel();
    /// The journal is about another input than the question.
    error WrongInput();
    error BadClass(uint256 index);
    /// More than 32 classes are not kept: they are in the event.
    error TooManyClasses();

    event VerifierChosen(IRiscZeroVerifier verifier);
    event Asked(uint256 indexed id, bytes32 indexed inputCommitment, IRiscZeroVerifier verifier);
    event Answered(uint256 indexed id, bytes32 indexed inputCommitment, bytes classes);

    struct Question {
        bytes32 inputCommitment;
        IRiscZeroVerifier verifier;
        /// Zero until it is answered.
        uint32 count;
        /// Up to 32 classes, one a byte from the left; of more, their keccak256.
        bytes32 answer;
    }

    bytes32 public immutable IMAGE_ID;
    bytes32 public immutable MODEL;
    /// Named by whoever deploys it, who may be a factory. Zero: the verifier never changes.
    address public immutable OWNER;

    uint256 private constant CLASSES_AT = 68;
    uint256 private constant MAX_CLASS = 9;

    /// @notice For questions to come.
    IRiscZeroVerifier public verifier;
    Question[] private _questions;

    constructor(bytes32 imageId, bytes32 model, IRiscZeroVerifier verifier_, address owner) {
        IMAGE_ID = imageId;
        MODEL = model;
        OWNER = owner;
        _choose(verifier_);
    }

    /// @notice From now on questions are asked under this verifier. Those that were asked keep theirs.
    function setVerifier(IRiscZeroVerifier verifier_) external {
        if (msg.sender != OWNER) revert NotOwner();
        _choose(verifier_);
    }

    /// @notice Anyone asks, about images that only their commitment is known of here.
    function ask(bytes32 inputCommitment) external returns (uint256 id) {
        id = _questions.length;
        _questions.push(Question(inputCommitment, verifier, 0, 0));
        emit Asked(id, inputCommitment, verifier);
    }

    /// @notice Anyone answers, with a seal that the question's verifier accepts. Whoever sees a proof on its way can be
    /// first with it, so the same answer again is no failure: who was to be paid for this call is paid all the same.
    function answer(uint256 id, bytes calldata journal, bytes calldata seal) external {
        Question storage question = _question(id);
        bytes calldata classes = _classesOf(journal, question.inputCommitment);
        question.verifier.verify(seal, IMAGE_ID, sha256(journal));
        bytes32 kept = classes.length <= 32 ? bytes32(classes) : keccak256(classes);
        if (question.count != 0) {
            if (question.count != classes.length || question.answer != kept) revert AlreadyAnswered();
            return;
        }
        question.count = uint32(classes.length);
        question.answer = kept;
        emit Answered(id, question.inputCommitment, classes);
    }

    // ---- views ----

    /// @notice How many questions were asked; the last has the id one below.
    function questions() external view returns (uint256) {
        return _questions.length;
    }

    /// @notice False also if it was never asked.
    function answered(uint256 id) external view returns (bool) {
        return id < _questions.length && _questions[id].count != 0;
    }

    function questionOf(uint256 id) external view returns (Question memory) {
        return _question(id);
    }

    /// @notice The answer, one class a byte, if it has at most 32.
    function classesOf(uint256 id) external view returns (bytes memory) {
        Question storage question = _question(id);
        if (question.count == 0) revert NotAnswered();
        if (question.count > 32) revert TooManyClasses();
        bytes memory word = abi.encodePacked(question.answer);
        uint256 count = question.count;
        assembly ("memory-safe") {
            mstore(word, count)
        }
        return word;
    }

    // ---- helpers ----

    /// The classes of a journal that is one of this model about this input.
    function _classesOf(bytes calldata journal, bytes32 inputCommitment) private view returns (bytes calldata classes) {
        if (journal.length <= CLASSES_AT) revert BadJournalLength();
        if (bytes32(journal[:32]) != MODEL) revert WrongModel();
        if (bytes32(journal[32:64]) != inputCommitment) revert WrongInput();
        classes = journal[CLASSES_AT:];
        if (uint32(bytes4(journal[64:CLASSES_AT])) != classes.length) revert BadJournalLength();
        for (uint256 i; i < classes.length; ++i) {
            if (uint8(classes[i]) > MAX_CLASS) revert BadClass(i);
        }
    }

    function _choose(IRiscZeroVerifier verifier_) private {
        if (address(verifier_).code.length == 0) revert NotAContract();
        verifier = verifier_;
        emit VerifierChosen(verifier_);
    }

    function _question(uint256 id) private view returns (Question storage) {
        if (id >= _questions.length) revert UnknownQuestion();
        return _questions[id];
    }
}
