// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {IRiscZeroVerifier, Receipt as SealedClaim} from "../../src/interfaces/IRiscZeroVerifier.sol";
import {DigitOracle} from "../../src/examples/DigitOracle.sol";

/// @dev Takes exactly the seal "proof of" for image and journal, after its own name.
contract NamedVerifier is IRiscZeroVerifier {
    error NotProven();

    bytes32 public immutable NAME;

    constructor(bytes32 name) {
        NAME = name;
    }

    function sealFor(bytes32 imageId, bytes32 journalDigest) public view returns (bytes memory) {
        return abi.encode(NAME, "proof of", imageId, journalDigest);
    }

    function verify(bytes calldata seal, bytes32 imageId, bytes32 journalDigest) external view {
        require(keccak256(seal) == keccak256(sealFor(imageId, journalDigest)), NotProven());
    }

    function verifyIntegrity(SealedClaim calldata) external pure {
        revert NotProven();
    }
}

contract DigitOracleTest is Test {
    bytes32 internal constant IMAGE = keccak256("image");
    bytes32 internal constant MODEL = keccak256("model");
    bytes32 internal constant INPUT = keccak256("input");

    NamedVerifier internal first = new NamedVerifier("committee");
    NamedVerifier internal second = new NamedVerifier("groth16");
    address internal owner = makeAddr("owner");
    address internal stranger = makeAddr("stranger");
    DigitOracle internal oracle = new DigitOracle(IMAGE, MODEL, first, owner);

    // ---- asking ----

    function test_Asked() public {
        vm.expectEmit(address(oracle));
        emit DigitOracle.Asked(0, INPUT, first);
        vm.prank(stranger);
        assertEq(oracle.ask(INPUT), 0);
        assertEq(oracle.ask("another"), 1);
        assertEq(oracle.questions(), 2);
        assertFalse(oracle.answered(0));
        DigitOracle.Question memory question = oracle.questionOf(0);
        assertEq(question.inputCommitment, INPUT);
        assertEq(address(question.verifier), address(first));
        assertEq(question.count, 0);
        assertEq(oracle.questionOf(1).inputCommitment, "another");
    }

    function test_KnowsItsModel() public view {
        assertEq(oracle.IMAGE_ID(), IMAGE);
        assertEq(oracle.MODEL(), MODEL);
        assertEq(oracle.OWNER(), owner);
    }

    // ---- answering ----

    function test_Answered() public {
        uint256 id = oracle.ask(INPUT);
        bytes memory journal = _journal(hex"07");
        bytes memory seal = _seal(journal);
        vm.expectEmit(address(oracle));
        emit DigitOracle.Answered(id, INPUT, hex"07");
        vm.prank(stranger);
        oracle.answer(id, journal, seal);
        assertTrue(oracle.answered(id));
        assertEq(oracle.classesOf(id), hex"07");
        assertEq(oracle.questionOf(id).count, 1);
        assertEq(oracle.questionOf(id).answer, bytes32(hex"07"));
    }

    function test_AnswersUpTo32AreKept() public {
        bytes memory classes = new bytes(32);
        for (uint256 i; i < 32; ++i) {
            classes[i] = bytes1(uint8(i % 10));
        }
        uint256 id = _answer(classes);
        assertEq(oracle.classesOf(id), classes);
        assertEq(oracle.questionOf(id).answer, bytes32(classes));
        assertEq(oracle.questionOf(id).count, 32);
    }

    function test_OfMoreTheHashIsKept() public {
        bytes memory classes = new bytes(33);
        classes[32] = 0x09;
        uint256 id = _answer(classes);
        assertTrue(oracle.answered(id));
        assertEq(oracle.questionOf(id).answer, keccak256(classes));
        assertEq(oracle.questionOf(id).count, 33);
        vm.expectRevert(DigitOracle.TooManyClasses.selector);
        oracle.classesOf(id);
    }

    function test_AnAnswerOfZeroIsAnAnswer() public {
        uint256 id = _answer(hex"00");
        assertTrue(oracle.answered(id));
        assertEq(oracle.classesOf(id), hex"00");
    }

    /// The same answer serves every question about the same input, each once.
    function test_OneAnswerServesTwoQuestionsAboutOneInput() public {
        (uint256 a, uint256 b) = (oracle.ask(INPUT), oracle.ask(INPUT));
        bytes memory journal = _journal(hex"03");
        oracle.answer(b, journal, _seal(journal));
        assertFalse(oracle.answered(a));
        oracle.answer(a, journal, _seal(journal));
        assertEq(oracle.classesOf(a), oracle.classesOf(b));
    }

    function testFuzz_AnswersComeBackWhole(bytes calldata noise) public {
        vm.assume(noise.length > 0);
        bytes memory classes = noise;
        for (uint256 i; i < classes.length; ++i) {
            classes[i] = bytes1(uint8(classes[i]) % 10);
        }
        uint256 id = _answer(classes);
        if (classes.length <= 32) assertEq(oracle.classesOf(id), classes);
        else assertEq(oracle.questionOf(id).answer, keccak256(classes));
        assertEq(oracle.questionOf(id).count, classes.length);
    }

    // ---- what is refused ----

    function test_RevertWhen_NeverAsked() public {
        bytes memory journal = _journal(hex"07");
        bytes memory seal = _seal(journal);
        vm.expectRevert(DigitOracle.UnknownQuestion.selector);
        oracle.answer(0, journal, seal);
        vm.expectRevert(DigitOracle.UnknownQuestion.selector);
        oracle.questionOf(0);
        vm.expectRevert(DigitOracle.UnknownQuestion.selector);
        oracle.classesOf(0);
        assertFalse(oracle.answered(0));
        assertFalse(oracle.answered(type(uint256).max));
    }

    function test_RevertWhen_NotAnsweredYet() public {
        oracle.ask(INPUT);
        vm.expectRevert(DigitOracle.NotAnswered.selector);
        oracle.classesOf(0);
    }

    function test_RevertWhen_AnsweredAlready() public {
        uint256 id = _answer(hex"07");
        // Another answer, a longer one that begins the same, one that only the padding tells apart.
        _expectRefused(DigitOracle.AlreadyAnswered.selector, id, _journal(hex"08"));
        _expectRefused(DigitOracle.AlreadyAnswered.selector, id, _journal(hex"0701"));
        _expectRefused(DigitOracle.AlreadyAnswered.selector, id, _journal(hex"0700"));
        assertEq(oracle.classesOf(id), hex"07");

        id = _answer(new bytes(40));
        bytes memory other = new bytes(40);
        other[39] = 0x01;
        _expectRefused(DigitOracle.AlreadyAnswered.selector, id, _journal(other));
    }

    /// Somebody else was first with the proof: whoever was to be paid for this call is.
    function test_TheSameAnswerAgainDoesNoHarm() public {
        bytes[2] memory answers = [bytes(hex"07"), new bytes(40)];
        for (uint256 i; i < answers.length; ++i) {
            bytes memory journal = _journal(answers[i]);
            bytes memory seal = _seal(journal);
            uint256 id = oracle.ask(INPUT);
            vm.prank(stranger);
            oracle.answer(id, journal, seal);
            bytes32 kept = keccak256(abi.encode(oracle.questionOf(id)));
            vm.recordLogs();
            oracle.answer(id, journal, seal);
            assertEq(vm.getRecordedLogs().length, 0, "nothing is new");
            assertEq(keccak256(abi.encode(oracle.questionOf(id))), kept);
        }
    }

    /// What was answered is no reason to believe less carefully.
    function test_RevertWhen_TheSameAnswerIsNotProven() public {
        uint256 id = _answer(hex"07");
        vm.expectRevert(NamedVerifier.NotProven.selector);
        oracle.answer(id, _journal(hex"07"), "no seal");
    }

    function test_RevertWhen_AnswerIsToAnotherQuestion() public {
        oracle.ask(INPUT);
        uint256 other = oracle.ask("another input");
        _expectRefused(DigitOracle.WrongInput.selector, other, _journal(hex"07"));
        assertFalse(oracle.answered(other));
    }

    function test_RevertWhen_AnswerIsOfAnotherModel() public {
        uint256 id = oracle.ask(INPUT);
        bytes memory journal = abi.encodePacked(keccak256("another model"), INPUT, uint32(1), hex"07");
        _expectRefused(DigitOracle.WrongModel.selector, id, journal);
    }

    function test_RevertWhen_LengthIsNotWhatItSays() public {
        uint256 id = oracle.ask(INPUT);
        bytes[7] memory journals = [
            abi.encodePacked(MODEL, INPUT, uint32(0)),
            abi.encodePacked(MODEL, INPUT, uint32(2), hex"07"),
            abi.encodePacked(MODEL, INPUT, uint32(1), hex"0708"),
            abi.encodePacked(MODEL, INPUT, uint32(0), hex"07"),
            abi.encodePacked(MODEL, INPUT, uint32(1) << 24, hex"07"),
            abi.encodePacked(MODEL, INPUT),
            bytes("")
        ];
        for (uint256 i; i < journals.length; ++i) {
            _expectRefused(DigitOracle.BadJournalLength.selector, id, journals[i]);
        }
    }

    function test_RevertWhen_AClassIsNoDigit() public {
        uint256 id = oracle.ask(INPUT);
        _expectRefused(abi.encodeWithSelector(DigitOracle.BadClass.selector, 2), id, _journal(hex"01090a"));
        _expectRefused(abi.encodeWithSelector(DigitOracle.BadClass.selector, 0), id, _journal(hex"ff"));
        oracle.answer(id, _journal(hex"0900"), _seal(_journal(hex"0900")));
    }

    function test_RevertWhen_ItIsNotProven() public {
        uint256 id = oracle.ask(INPUT);
        bytes memory seal = _seal(_journal(hex"07"));
        vm.expectRevert(NamedVerifier.NotProven.selector);
        oracle.answer(id, _journal(hex"08"), seal);
        bytes memory ofAnotherImage = first.sealFor("another image", sha256(_journal(hex"08")));
        vm.expectRevert(NamedVerifier.NotProven.selector);
        oracle.answer(id, _journal(hex"08"), ofAnotherImage);
        assertFalse(oracle.answered(id));
    }

    function test_RevertWhen_TheVerifierIsGone() public {
        uint256 id = oracle.ask(INPUT);
        bytes memory seal = _seal(_journal(hex"07"));
        vm.etch(address(first), "");
        vm.expectRevert();
        oracle.answer(id, _journal(hex"07"), seal);
    }

    // ---- the verifier ----

    function test_QuestionsKeepTheVerifierThatTheyWereAskedUnder() public {
        uint256 before = oracle.ask(INPUT);
        vm.expectEmit(address(oracle));
        emit DigitOracle.VerifierChosen(second);
        vm.prank(owner);
        oracle.setVerifier(second);
        uint256 later = oracle.ask(INPUT);
        bytes memory journal = _journal(hex"07");
        (bytes memory word, bytes memory proof) = (_seal(journal), second.sealFor(IMAGE, sha256(journal)));

        vm.expectRevert(NamedVerifier.NotProven.selector);
        oracle.answer(before, journal, proof);
        vm.expectRevert(NamedVerifier.NotProven.selector);
        oracle.answer(later, journal, word);
        oracle.answer(before, journal, word);
        oracle.answer(later, journal, proof);
    }

    function test_RevertWhen_VerifierIsChosenByAnother() public {
        vm.expectRevert(DigitOracle.NotOwner.selector);
        vm.prank(stranger);
        oracle.setVerifier(second);
        // Who deployed it, which may be a factory for everybody, is nobody.
        vm.expectRevert(DigitOracle.NotOwner.selector);
        oracle.setVerifier(second);
        assertEq(address(oracle.verifier()), address(first));
    }

    function test_RevertWhen_VerifierHasNoCode() public {
        IRiscZeroVerifier nobody = IRiscZeroVerifier(makeAddr("nobody"));
        vm.expectRevert(DigitOracle.NotAContract.selector);
        vm.prank(owner);
        oracle.setVerifier(nobody);
        vm.expectRevert(DigitOracle.NotAContract.selector);
        new DigitOracle(IMAGE, MODEL, nobody, owner);
    }

    // ---- helpers ----

    function _journal(bytes memory classes) private pure returns (bytes memory) {
        return abi.encodePacked(MODEL, INPUT, uint32(classes.length), classes);
    }

    function _seal(bytes memory journal) private view returns (bytes memory) {
        return first.sealFor(IMAGE, sha256(journal));
    }

    function _answer(bytes memory classes) private returns (uint256 id) {
        id = oracle.ask(INPUT);
        bytes memory journal = _journal(classes);
        oracle.answer(id, journal, _seal(journal));
    }

    function _expectRefused(bytes4 selector, uint256 id, bytes memory journal) private {
        _expectRefused(abi.encodeWithSelector(selector), id, journal);
    }

    function _expectRefused(bytes memory reason, uint256 id, bytes memory journal) private {
        bytes memory seal = _seal(journal);
        vm.expectRevert(reason);
        oracle.answer(id, journal, seal);
    }
}
