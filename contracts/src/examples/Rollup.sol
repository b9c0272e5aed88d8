// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {IERC165, ILegReceiver} from "../interfaces/ILegReceiver.sol";
import {MultiProofVerifier} from "../verifiers/MultiProofVerifier.sol";

/// @title A rollup of transfers whose batches are proven in several ways at once.
/// @notice An application as its owner would write it, and no part of the pool. Its use of bundles is `proveBatch`, which asks
/// one question, and, for those who like to know early, `receiveLeg`.
///
/// journal = chain id (8 bytes, big-endian) ‖ this contract (20) ‖ batch (4) ‖ root before (32) ‖ root after (32) ‖ SHA-256 of
/// the transfers (32). The statement of a batch is the journal's SHA-256.
///
/// Trust: `VERIFIER`, for the state. The sequencer chooses what goes into a batch and may drop batches that are not final;
/// it cannot change the state in any way that the programs behind the verifier do not allow. Transfers are published
/// with their batch. Deposits and withdrawals are left out.
contract Rollup is ILegReceiver {
    error NotSequencer();
    error ZeroAddress();
    error NotAContract();
    error BadWindows();
    error BadTransfersLength();
    /// Not proven one after the other for so long that no more are taken.
    error TooManyPending();
    error UnknownBatch();
    /// Final batches stay.
    error BatchIsFinal();
    error NotProven();
    /// Unknown statement, or not the time for this leg.
    error OutsideWindow();

    event BatchProposed(
        uint32 indexed batchId,
        bytes32 indexed statement,
        bytes32 preRoot,
        bytes32 postRoot,
        bytes32 transfersHash,
        bytes transfers
    );
    event BatchesDropped(uint32 from, uint32 until);
    event BatchProven(uint32 indexed batchId, bytes32 indexed statement);
    /// One leg has come early. The batch is not proven by that.
    event SoftConfirmed(uint32 indexed batchId, bytes32 indexed statement, uint256 leg);
    event Finalised(uint32 indexed batchId, bytes32 root);

    struct Batch {
        bytes32 statement;
        bytes32 postRoot;
        uint40 proposedAt;
        bool proven;
        /// Bit i: leg i has come early.
        uint8 softLegs;
    }

    /// @notice How many batches there are at most that are not final, so that finalising ends.
    uint256 public constant MAX_PENDING = 32;

    MultiProofVerifier public immutable VERIFIER;
    address public immutable SEQUENCER;
    /// @notice How long a batch's transfers are, the empty ones at its end included.
    uint256 public immutable TRANSFERS_LENGTH;
    bytes32 public immutable GENESIS_ROOT;

    /// @notice How many batches are final, which is the next one to become so.
    uint32 public finalised;
    Batch[] private _batches;
    /// @dev One more than the batch.
    mapping(bytes32 statement => uint256) private _batchOf;
    /// @dev For how long after its batch was proposed a leg is taken early, in seconds.
    uint32[] private _windows;

    /// @param windows for each of the verifier's legs, zero: never early
    constructor(
        MultiProofVerifier verifier,
        address sequencer,
        bytes32 genesisRoot,
        uint256 transfersLength,
        uint32[] memory windows
    ) {
        if (address(verifier).code.length == 0) revert NotAContract();
        if (sequencer == address(0)) revert ZeroAddress();
        if (windows.length != verifier.legs().length) revert BadWindows();
        (VERIFIER, SEQUENCER, GENESIS_ROOT, TRANSFERS_LENGTH) = (verifier, sequencer, genesisRoot, transfersLength);
        _windows = windows;
    }

    // ---- the sequencer ----

    /// @notice Proposes the next batch: `transfers` lead from the last batch's root to `postRoot`.
    function proposeBatch(bytes32 postRoot, bytes calldata transfers) external returns (uint32 batchId) {
        if (msg.sender != SEQUENCER) revert NotSequencer();
        if (transfers.length != TRANSFERS_LENGTH) revert BadTransfersLength();
        batchId = uint32(_batches.length);
        if (batchId - finalised >= MAX_PENDING) revert TooManyPending();
        bytes32 preRoot = _rootBefore(batchId);
        bytes32 transfersHash = sha256(transfers);
        bytes32 statement =
            sha256(abi.encodePacked(uint64(block.chainid), address(this), batchId, preRoot, postRoot, transfersHash));
        _batches.push(Batch(statement, postRoot, uint40(block.timestamp), false, 0));
        _batchOf[statement] = batchId + 1;
        emit BatchProposed(batchId, statement, preRoot, postRoot, transfersHash, transfers);
    }

    /// @notice Drops this batch and all that follow it: one that cannot be proven must not stop the others for ever.
    function dropBatches(uint32 from) external {
        if (msg.sender != SEQUENCER) revert NotSequencer();
        if (from < finalised) revert BatchIsFinal();
        uint32 until = uint32(_batches.length);
        if (from >= until) revert UnknownBatch();
        for (uint256 i = from; i < until; ++i) {
            delete _batchOf[_batches[_batches.length - 1].statement];
            _batches.pop();
        }
        emit BatchesDropped(from, until);
    }

    // ---- proofs ----

    /// @notice Takes the proof of a batch, from anyone and in any order; batches become final one after the other. Whoever
    /// sees a proof on its way can be first with it, so a batch that is proven already is no failure: who was to be paid
    /// for this call is paid all the same.
    function proveBatch(uint32 batchId, bytes calldata proof) external {
        Batch storage batch = _batch(batchId);
        if (batch.proven) return;
        if (!VERIFIER.verify(batch.statement, proof)) revert NotProven();
        batch.proven = true;
        emit BatchProven(batchId, batch.statement);
        _finalise();
    }

    /// @inheritdoc ILegReceiver
    function receiveLeg(bytes32 statement, uint256 leg, bytes calldata proof) external {
        (uint64 from, uint64 until) = legWindow(statement, leg);
        if (block.timestamp < from || block.timestamp >= until) revert OutsideWindow();
        uint32 batchId = uint32(_batchOf[statement] - 1);
        Batch storage batch = _batches[batchId];
        uint8 bit = uint8(1 << leg);
        if (batch.softLegs & bit != 0) return;
        if (!VERIFIER.leg(leg).leg.verify(statement, proof)) revert NotProven();
        batch.softLegs |= bit;
        emit SoftConfirmed(batchId, statement, leg);
    }

    // ---- views ----

    /// @notice The state's root after the last batch that is final.
    function root() external view returns (bytes32) {
        return _rootBefore(finalised);
    }

    /// @notice How many batches there are, final or not.
    function batches() external view returns (uint256) {
        return _batches.length;
    }

    function batchOf(uint32 batchId) external view returns (Batch memory) {
        return _batch(batchId);
    }

    /// @notice What is to be proven for a batch.
    function statementOf(uint32 batchId) external view returns (bytes32) {
        return _batch(batchId).statement;
    }

    /// @notice Whether a batch with this statement is proven. For the pool's `doneCheck`.
    function isProven(bytes32 statement) external view returns (bool) {
        uint256 next = _batchOf[statement];
        return next != 0 && _batches[next - 1].proven;
    }

    /// @inheritdoc ILegReceiver
    function legWindow(bytes32 statement, uint256 leg) public view returns (uint64 from, uint64 until) {
        uint256 next = _batchOf[statement];
        if (next == 0 || leg >= _windows.length) return (0, 0);
        Batch storage batch = _batches[next - 1];
        if (batch.proven || _windows[leg] == 0) return (0, 0);
        return (batch.proposedAt, uint64(batch.proposedAt) + _windows[leg]);
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == type(ILegReceiver).interfaceId || interfaceId == type(IERC165).interfaceId;
    }

    // ---- helpers ----

    function _batch(uint32 batchId) private view returns (Batch storage) {
        if (batchId >= _batches.length) revert UnknownBatch();
        return _batches[batchId];
    }

    function _rootBefore(uint32 batchId) private view returns (bytes32) {
        return batchId == 0 ? GENESIS_ROOT : _batches[batchId - 1].postRoot;
    }

    function _finalise() private {
        uint32 next = finalised;
        for (; next < _batches.length && _batches[next].proven; ++next) {
            emit Finalised(next, _batches[next].postRoot);
        }
        finalised = next;
    }
}
