// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {RiscZeroVerifierEmergencyStop} from "risc0/src/RiscZeroVerifierEmergencyStop.sol";
import {IRiscZeroVerifier as IPublished, VerificationFailed} from "risc0/src/IRiscZeroVerifier.sol";
import {SelectorMismatch} from "risc0/src/groth16/RiscZeroGroth16Verifier.sol";
import {RevenueLedger} from "../../src/RevenueLedger.sol";
import {ZKPool} from "../../src/ZKPool.sol";
import {RiscZeroEncoder} from "../../src/encoders/RiscZeroEncoder.sol";
import {Call, IZKPool, Quote} from "../../src/interfaces/IZKPool.sol";
import {IRiscZeroVerifier} from "../../src/interfaces/IRiscZeroVerifier.sol";
import {CommitteeVerifier} from "../../src/verifiers/CommitteeVerifier.sol";
import {RiscZeroVerifierAdapter} from "../../src/verifiers/RiscZeroVerifierAdapter.sol";
import {ZkvmFixture} from "./ZkvmFixture.sol";

/// @dev As RISC Zero's users write them, and with RISC Zero's own interface: knows its program, takes a journal once.
contract StockApplication {
    error AlreadyTold();

    IPublished public immutable VERIFIER;
    bytes32 public immutable IMAGE_ID;
    mapping(uint256 topic => bytes journal) public told;

    constructor(IPublished verifier, bytes32 imageId) {
        (VERIFIER, IMAGE_ID) = (verifier, imageId);
    }

    function tell(uint256 topic, bytes calldata journal, bytes calldata seal) external {
        VERIFIER.verify(seal, IMAGE_ID, sha256(journal));
        require(told[topic].length == 0, AlreadyTold());
        told[topic] = journal;
    }

    function isTold(uint256 topic) external view returns (bool) {
        return told[topic].length != 0;
    }
}

/// @notice The whole way of a real wrapped receipt, and of a committee's word for it: quote, publication, proof, the
/// application, reward.
abstract contract RiscZeroDeliveryFixture is ZkvmFixture {
    uint128 internal constant REWARD = 1001;
    uint128 internal constant LIABILITY = 5003;
    uint256 internal constant TOPIC = 7;

    ZKPool internal pool;
    RiscZeroEncoder internal encoder;
    RiscZeroVerifierAdapter internal adapter;
    StockApplication internal application;
    address internal requester = makeAddr("requester");
    address internal operator = makeAddr("operator");
    address internal signer;
    uint256 internal signerKey;

    function setUp() public virtual override {
        super.setUp();
        (signer, signerKey) = makeAddrAndKey("signer");
        pool = new ZKPool(address(new RevenueLedger()));
        encoder = new RiscZeroEncoder();
        adapter = new RiscZeroVerifierAdapter(published);
        application = applicationOver(address(published));
        address[2] memory parties = [requester, operator];
        for (uint256 i; i < parties.length; ++i) {
            token.mint(parties[i], 1_000_000);
            vm.prank(parties[i]);
            token.approve(address(pool), type(uint256).max);
        }
        vm.startPrank(operator);
        pool.setSigner(signer);
        pool.openSlot(address(token), 0, LIABILITY, 0, address(0));
        vm.stopPrank();
    }

    function applicationOver(address verifier) internal returns (StockApplication) {
        return new StockApplication(IPublished(verifier), IMAGE);
    }

    /// @dev A verifier of zero is target mode.
    function task(StockApplication target, address verifier)
        internal
        view
        returns (Quote memory quote, Call memory call)
    {
        call.prefix = abi.encodePacked(StockApplication.tell.selector, TOPIC);
        if (verifier == address(0)) call.doneCheck = abi.encodeCall(StockApplication.isTold, (TOPIC));
        quote.terms.requester = requester;
        quote.terms.operator = operator;
        quote.terms.target = address(target);
        quote.terms.encoder = address(encoder);
        quote.terms.verifier = verifier;
        quote.terms.callGas = 500_000;
        quote.terms.proofWindow = 1000;
        quote.terms.liabilityWindow = 3000;
        quote.terms.validUntil = uint40(block.timestamp + 60);
        quote.terms.rewardToken = address(token);
        quote.terms.reward = REWARD;
        quote.terms.liabilityToken = address(token);
        quote.terms.liability = LIABILITY;
        quote.task.statement = realStatement();
        quote.task.callHash = keccak256(
            abi.encode(
                keccak256("Call(bytes prefix,bytes suffix,bytes doneCheck)"),
                keccak256(call.prefix),
                keccak256(call.suffix),
                keccak256(call.doneCheck)
            )
        );
    }

    function publish(Quote memory quote) internal returns (bytes32 id) {
        bytes memory signature = signWith(signerKey, pool.digestOf(quote));
        bool accepted;
        vm.prank(requester);
        (id, accepted) = pool.publish(quote, signature);
        assertTrue(accepted, "not accepted");
    }

    function prove(Quote memory quote, Call memory call, bytes memory proof) internal {
        vm.prank(signer);
        pool.prove(quote, call, proof);
    }

    function earned() internal view returns (uint256) {
        return pool.balanceOf(address(token), operator);
    }

    function committeeProof(bytes memory journal) internal view returns (bytes memory) {
        return abi.encode(IMAGE, journal, quorumSeal(journal));
    }
}

contract RiscZeroDeliveryTest is RiscZeroDeliveryFixture {
    // ---- (a): a wrapped receipt ----

    function test_RealReceiptReachesTheApplication() public {
        (Quote memory quote, Call memory call) = task(application, address(adapter));
        bytes32 id = publish(quote);
        vm.expectEmit(address(pool));
        emit IZKPool.Delivered(id, true, true, 0);
        prove(quote, call, realProof());
        assertEq(application.told(TOPIC), realJournal());
        assertEq(earned(), REWARD);
    }

    function test_RealReceiptReachesTheApplicationInTargetMode() public {
        (Quote memory quote, Call memory call) = task(application, address(0));
        bytes32 id = publish(quote);
        vm.expectEmit(address(pool));
        emit IZKPool.Delivered(id, true, true, 0);
        prove(quote, call, realProof());
        assertEq(application.told(TOPIC), realJournal());
        assertEq(earned(), REWARD);
    }

    /// SECURITY 17: every wrong part is refused by the pool, and by the application with the reason.
    function test_RevertWhen_AnyPartIsAnothers() public {
        bytes memory seal = realSeal();
        seal[0] ^= 0x01;
        bytes memory mismatch = abi.encodeWithSelector(SelectorMismatch.selector, bytes4(seal), bytes4(realSeal()));
        bytes memory failed = abi.encodeWithSelector(VerificationFailed.selector);
        _expectRefused(abi.encode(IMAGE, realJournal(), seal), mismatch);
        seal = realSeal();
        // The y of A: still a point's coordinates, but of no point.
        seal[4 + 63] ^= 0x01;
        _expectRefused(abi.encode(IMAGE, realJournal(), seal), failed);
        _expectRefused(abi.encode(IMAGE, "just a different receipt", realSeal()), failed);
        // The application knows its image itself, and so does the statement.
        (Quote memory quote, Call memory call) = task(application, address(adapter));
        publish(quote);
        vm.expectRevert(IZKPool.ProofRejected.selector);
        prove(quote, call, abi.encode(OTHER_IMAGE, realJournal(), realSeal()));
    }

    /// SECURITY 11: whoever copies the proof can use it up, but is not paid, and the operator is, in both modes.
    function test_CopiedProofCostsTheOperatorNothing() public {
        address[2] memory verifiers = [address(adapter), address(0)];
        for (uint256 i; i < verifiers.length; ++i) {
            uint256 before = vm.snapshotState();
            (Quote memory quote, Call memory call) = task(application, verifiers[i]);
            bytes32 id = publish(quote);
            vm.startPrank(stranger);
            application.tell(TOPIC, realJournal(), realSeal());
            vm.expectRevert(IZKPool.NotAuthorized.selector);
            pool.prove(quote, call, realProof());
            vm.stopPrank();
            vm.expectEmit(address(pool));
            emit IZKPool.Delivered(id, true, i == 1, 0);
            prove(quote, call, realProof());
            assertEq(earned(), REWARD);
            vm.revertToState(before);
        }
    }

    /// SECURITY 12: Groth16 seals can be re-randomised (here: A and B negated); what is paid for is the statement.
    function test_RerandomisedSealIsPaidOnce() public {
        bytes memory seal = realSeal();
        uint256 q = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
        uint256[3] memory ys = [uint256(4 + 32), 4 + 128, 4 + 160];
        for (uint256 i; i < ys.length; ++i) {
            uint256 offset = 32 + ys[i];
            assembly ("memory-safe") {
                let y := add(seal, offset)
                mstore(y, sub(q, mload(y)))
            }
        }
        assertNotEq(seal, realSeal());
        (Quote memory quote, Call memory call) = task(application, address(adapter));
        publish(quote);
        prove(quote, call, abi.encode(IMAGE, realJournal(), seal));
        assertEq(earned(), REWARD);
        vm.expectRevert(IZKPool.NotInSlot.selector);
        prove(quote, call, realProof());
    }

    /// SECURITY 19: the guardian stops the verifier for good: no liability is lost, and no money is frozen.
    function test_AnEmergencyStopCostsNobody() public {
        RiscZeroVerifierEmergencyStop stop = new RiscZeroVerifierEmergencyStop(IPublished(address(published)), stranger);
        address stoppable = address(new RiscZeroVerifierAdapter(IRiscZeroVerifier(address(stop))));
        (Quote memory quote, Call memory call) = task(application, stoppable);
        publish(quote);
        vm.prank(stranger);
        stop.estop();
        vm.expectRevert(IZKPool.ProofRejected.selector);
        prove(quote, call, realProof());
        _expectUnwound(quote);
    }

    // ---- (b): a committee's word ----

    /// The application is the same, to the byte; its verifier's address, and the quote's, are the committee's.
    function test_CommitteesWordReachesTheSameApplication() public {
        StockApplication same = applicationOver(address(committee));
        (Quote memory quote, Call memory call) = task(same, address(committee));
        bytes32 id = publish(quote);
        vm.expectEmit(address(pool));
        emit IZKPool.Delivered(id, true, true, 0);
        prove(quote, call, committeeProof(realJournal()));
        assertEq(same.told(TOPIC), realJournal());
        assertEq(earned(), REWARD);
    }

    function test_RevertWhen_ACommitteesWordIsGivenForAProof() public {
        (Quote memory quote, Call memory call) = task(application, address(adapter));
        publish(quote);
        bytes memory proof = committeeProof(realJournal());
        vm.expectRevert(IZKPool.ProofRejected.selector);
        prove(quote, call, proof);
    }

    function test_RevertWhen_AProofIsGivenToACommittee() public {
        (Quote memory quote, Call memory call) = task(applicationOver(address(committee)), address(committee));
        publish(quote);
        vm.expectRevert(IZKPool.ProofRejected.selector);
        prove(quote, call, realProof());
    }

    function test_RevertWhen_AMinoritySigns() public {
        (Quote memory quote, Call memory call) = task(applicationOver(address(committee)), address(committee));
        publish(quote);
        uint256[] memory two = new uint256[](2);
        two[1] = 1;
        bytes memory proof = abi.encode(IMAGE, realJournal(), sealBy(two, IMAGE, realJournal()));
        vm.expectRevert(IZKPool.ProofRejected.selector);
        prove(quote, call, proof);
    }

    /// A task stays under the set that it was published under, whatever sets come after.
    function test_AnOldSetServesItsTasks() public {
        StockApplication same = applicationOver(address(committee));
        (Quote memory quote, Call memory call) = task(same, address(committee));
        publish(quote);
        bytes memory proof = committeeProof(realJournal());
        CommitteeVerifier next = newCommittee(published);
        joinAll(next);
        for (uint256 i; i < 5; ++i) {
            vm.prank(members[i]);
            committee.resign();
        }
        vm.warp(block.timestamp + 1000);
        prove(quote, call, proof);
        assertEq(earned(), REWARD);
    }

    /// SECURITY 19: a set that was withdrawn in the middle of a task is halted.
    function test_AWithdrawnSetCostsNobody() public {
        for (uint256 i; i < 3; ++i) {
            vm.prank(members[i]);
            committee.resign();
        }
        vm.warp(block.timestamp + committee.NOTICE() - 10);
        (Quote memory quote,) = task(applicationOver(address(committee)), address(committee));
        publish(quote);
        vm.warp(block.timestamp + 10);
        _expectUnwound(quote);
    }

    // ---- helpers ----

    function _expectRefused(bytes memory proof, bytes memory reason) private {
        uint256 before = vm.snapshotState();
        (Quote memory quote, Call memory call) = task(application, address(adapter));
        publish(quote);
        vm.expectRevert(IZKPool.ProofRejected.selector);
        prove(quote, call, proof);
        vm.revertToState(before);
        (quote, call) = task(application, address(0));
        publish(quote);
        vm.expectRevert(abi.encodeWithSelector(IZKPool.TargetReverted.selector, reason));
        prove(quote, call, proof);
        vm.revertToState(before);
    }

    /// The verifier is halted from now on: watched for the cap, the task is unwound.
    function _expectUnwound(Quote memory quote) private {
        uint256 before = pool.balanceOf(address(token), requester);
        pool.observeHalt(quote);
        for (uint256 watched; watched < pool.HALT_CAP(); watched += 900) {
            vm.warp(block.timestamp + 900);
            pool.observeHalt(quote);
        }
        pool.unwind(quote);
        assertEq(pool.balanceOf(address(token), requester) - before, REWARD);
        assertEq(pool.slotOf(operator, address(token), 0).collateral, LIABILITY);
    }
}
