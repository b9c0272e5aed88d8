// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {ICallEncoder} from "../interfaces/ICallEncoder.sol";
import {RiscZeroProof} from "../libraries/RiscZeroProof.sol";

/// @title The call of a RISC Zero application's contract: `f(…, bytes journal, bytes seal)`.
/// @notice data = selector ‖ the arguments that come first, each a word (none of them dynamic); proof as
/// `RiscZeroVerifierAdapter` and `CommitteeVerifier` take it.
/// - `answer(uint256 id, bytes journal, bytes seal)`: data = selector ‖ id.
/// @dev Whether it reverts depends on the length of `data`, known before a quote is signed, and on the form of the proof:
/// one that is not in the only form is accepted by no verifier either. The pool takes at most 65,536 bytes from an encoder,
/// so journals have to be shorter than that by a few words.
contract RiscZeroEncoder is ICallEncoder {
    /// It is not a selector and whole words.
    error BadDataLength();
    error MalformedProof();

    uint256 private constant SELECTOR_LENGTH = 4;
    /// @dev Where the proof says where its seal begins.
    uint256 private constant SEAL_OFFSET = 64;

    /// @inheritdoc ICallEncoder
    function encode(bytes calldata data, bytes calldata proof) external pure returns (bytes memory callData) {
        if (data.length % 32 != SELECTOR_LENGTH) revert BadDataLength();
        // slither-disable-next-line unused-return
        (bool ok,,,) = RiscZeroProof.decode(proof);
        if (!ok) revert MalformedProof();
        // Journal and seal stand in the call as they stand in the proof, behind the call's own offsets.
        uint256 journalAt = data.length - SELECTOR_LENGTH + 64;
        uint256 sealAt = journalAt + uint256(bytes32(proof[SEAL_OFFSET:RiscZeroProof.TAIL])) - RiscZeroProof.TAIL;
        return bytes.concat(data, bytes32(journalAt), bytes32(sealAt), proof[RiscZeroProof.TAIL:]);
    }
}
