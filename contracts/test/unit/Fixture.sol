// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {RevenueLedger} from "../../src/RevenueLedger.sol";
import {ZKPool} from "../../src/ZKPool.sol";
import {Call, Delivery, IZKPool, Quote, SlotState, SlotView, Task, Terms} from "../../src/interfaces/IZKPool.sol";
import {RecordingTarget} from "../mocks/Targets.sol";
import {PlainToken} from "../mocks/Tokens.sol";
import {TestVerifier} from "../mocks/Verifiers.sol";

/// @notice The EIP-712 digests, computed again from the type strings, so that the contract is not its own witness.
abstract contract Digests is Test {
    bytes32 internal constant TERMS_TYPEHASH = keccak256(
        "Terms(address requester,address operator,address target,address encoder,address verifier,uint32 callGas,uint32 proofWindow,uint32 liabilityWindow,uint40 validUntil,address rewardToken,uint128 reward,uint128 advance,address liabilityToken,uint128 liability,uint128 bond,uint128 burn,uint128 honour)"
    );
    bytes32 internal constant TASK_TYPEHASH =
        keccak256("Task(uint32 slot,bytes32 statement,bytes32 callHash,bytes32 inputHash,bytes32 salt)");
    bytes32 internal constant QUOTE_TYPEHASH = keccak256(
        "Quote(Terms terms,Task task)Task(uint32 slot,bytes32 statement,bytes32 callHash,bytes32 inputHash,bytes32 salt)Terms(address requester,address operator,address target,address encoder,address verifier,uint32 callGas,uint32 proofWindow,uint32 liabilityWindow,uint40 validUntil,address rewardToken,uint128 reward,uint128 advance,address liabilityToken,uint128 liability,uint128 bond,uint128 burn,uint128 honour)"
    );
    bytes32 internal constant BATCH_TYPEHASH = keccak256(
        "QuoteBatch(Terms terms,Task[] tasks)Task(uint32 slot,bytes32 statement,bytes32 callHash,bytes32 inputHash,bytes32 salt)Terms(address requester,address operator,address target,address encoder,address verifier,uint32 callGas,uint32 proofWindow,uint32 liabilityWindow,uint40 validUntil,address rewardToken,uint128 reward,uint128 advance,address liabilityToken,uint128 liability,uint128 bond,uint128 burn,uint128 honour)"
    );
    bytes32 internal constant CALL_TYPEHASH = keccak256("Call(bytes prefix,bytes suffix,bytes doneCheck)");

    ZKPool internal pool;

    function hashCall(Call memory call) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(CALL_TYPEHASH, keccak256(call.prefix), keccak256(call.suffix), keccak256(call.doneCheck))
            );
    }

    function hashTerms(Terms memory t) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(TERMS_TYPEHASH, abi.encode(t)));
    }

    function hashTask(Task memory t) internal pure returns (bytes32) {
        return keccak256(abi.encode(TASK_TYPEHASH, t));
    }

    function typedDigest(bytes32 structHash) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("ZKPool"),
                keccak256("1"),
                block.chainid,
                address(pool)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function digest(Quote memory q) internal view returns (bytes32) {
        return typedDigest(keccak256(abi.encode(QUOTE_TYPEHASH, hashTerms(q.terms), hashTask(q.task))));
    }

    function batchDigest(Terms memory t, Task[] memory tasks) internal view returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](tasks.length);
        for (uint256 i; i < tasks.length; i++) {
            hashes[i] = hashTask(tasks[i]);
        }
        return typedDigest(keccak256(abi.encode(BATCH_TYPEHASH, hashTerms(t), keccak256(abi.encodePacked(hashes)))));
    }

    /// As much of a digest as a slot remembers.
    function kept(bytes32 digest_) internal pure returns (bytes25) {
        return bytes25(digest_);
    }

    function signWith(uint256 key, bytes32 digest_) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest_);
        return abi.encodePacked(r, s, v);
    }
}

/// @notice The parties, a well-behaved world, and helpers that say in one word what each test does with it.
/// @dev All amounts are odd, so that every rounding shows.
abstract contract Fixture is Digests {
    uint128 internal constant REWARD = 1001;
    uint128 internal constant ADVANCE = 103;
    uint128 internal constant LIABILITY = 5003;
    uint128 internal constant BOND = 333;
    uint128 internal constant BURN = 77;
    uint128 internal constant HONOUR = 55;
    uint128 internal constant LOCK = LIABILITY + BURN + BOND + ADVANCE;
    uint128 internal constant COLLATERAL = LOCK + 9;
    uint128 internal constant RESERVE = 10 * HONOUR + 1;
    uint32 internal constant PROOF_WINDOW = 1000;
    uint32 internal constant LIABILITY_WINDOW = 3000;
    uint256 internal constant GRACE = (LIABILITY_WINDOW - PROOF_WINDOW) / 4;
    uint32 internal constant SHARED = 0;
    uint32 internal constant DEDICATED = 1;
    /// The rescuer's slot.
    uint32 internal constant SPARE = 7;
    uint256 internal constant FUNDS = 1_000_000;

    PlainToken internal token;
    PlainToken internal otherToken;
    TestVerifier internal verifier;
    RecordingTarget internal target;

    address internal requester = makeAddr("requester");
    address internal payer = makeAddr("payer");
    address internal operator = makeAddr("operator");
    address internal rescuer = makeAddr("rescuer");
    address internal stranger = makeAddr("stranger");
    address internal signer;
    uint256 internal signerKey;
    address internal rescuerSigner;
    uint256 internal rescuerKey;

    uint256 internal V;
    uint256 internal D;

    /// What everybody owns of one token inside the pool.
    struct Books {
        uint256 operator;
        uint256 rescuer;
        uint256 requester;
        uint256 payer;
        uint256 sink;
        uint256 collateral;
        uint256 spareCollateral;
        uint256 reserve;
    }

    function setUp() public virtual {
        vm.warp(1_700_000_000);
        (signer, signerKey) = makeAddrAndKey("signer");
        (rescuerSigner, rescuerKey) = makeAddrAndKey("rescuer's signer");
        pool = deployPool();
        (V, D) = (pool.MAX_VALIDITY(), pool.CHANGE_DELAY());
        token = PlainToken(newToken());
        otherToken = new PlainToken();
        verifier = new TestVerifier();
        target = new RecordingTarget();
        vm.label(address(pool), "pool");

        address[5] memory all = [requester, payer, operator, rescuer, stranger];
        for (uint256 i; i < all.length; i++) {
            fund(all[i]);
        }
        vm.startPrank(operator);
        pool.setSigner(signer);
        pool.openSlot(address(token), SHARED, COLLATERAL, RESERVE, address(0));
        pool.openSlot(address(token), DEDICATED, COLLATERAL, RESERVE, requester);
        vm.stopPrank();
        vm.startPrank(rescuer);
        pool.setSigner(rescuerSigner);
        pool.openSlot(address(token), SPARE, COLLATERAL, RESERVE, address(0));
        vm.stopPrank();
    }

    /// A fixture for one hostile token overrides this.
    function newToken() internal virtual returns (address) {
        return address(new PlainToken());
    }

    function deployPool() internal virtual returns (ZKPool) {
        return new ZKPool(address(new RevenueLedger()));
    }

    function fund(address account) internal {
        token.mint(account, FUNDS);
        otherToken.mint(account, FUNDS);
        vm.startPrank(account);
        token.approve(address(pool), type(uint256).max);
        otherToken.approve(address(pool), type(uint256).max);
        vm.stopPrank();
    }

    // ---- quotes ----

    function terms() internal view returns (Terms memory) {
        return Terms({
            requester: requester,
            operator: operator,
            target: address(target),
            encoder: address(0),
            verifier: address(verifier),
            callGas: 500_000,
            proofWindow: PROOF_WINDOW,
            liabilityWindow: LIABILITY_WINDOW,
            validUntil: uint40(block.timestamp + V / 2),
            rewardToken: address(token),
            reward: REWARD,
            advance: ADVANCE,
            liabilityToken: address(token),
            liability: LIABILITY,
            bond: BOND,
            burn: BURN,
            honour: HONOUR
        });
    }

    function task(uint32 slot, uint256 salt) internal view returns (Task memory) {
        return Task({
            slot: slot,
            statement: keccak256(abi.encode("statement", salt)),
            callHash: hashCall(defaultCall()),
            inputHash: keccak256("input"),
            salt: bytes32(salt)
        });
    }

    /// The ordinary quote: verifier mode, shared slot.
    function quote() internal view returns (Quote memory) {
        return Quote({terms: terms(), task: task(SHARED, 1)});
    }

    function targetQuote(address target_) internal view returns (Quote memory q) {
        q = quote();
        q.terms.verifier = address(0);
        q.terms.target = target_;
    }

    function defaultCall() internal pure returns (Call memory) {
        return Call({
            prefix: abi.encodeWithSignature("submit(bytes32,bytes)", bytes32("id"), uint256(0x40)),
            suffix: "",
            doneCheck: ""
        });
    }

    /// The only one that the honest verifier accepts. No call: it must not use up a prank.
    function proofOf(Quote memory q) internal pure returns (bytes memory) {
        return abi.encode("a proof of", q.task.statement);
    }

    function sign(Quote memory q) internal view returns (bytes memory) {
        return signWith(signerKey, digest(q));
    }

    // ---- deeds ----

    function publish(Quote memory q) internal returns (bool accepted) {
        bytes memory signature = sign(q);
        vm.prank(payer);
        (, accepted) = pool.publish(q, signature);
    }

    /// Published now, as it must be for the rest of the test to mean anything.
    function publishAccepted(Quote memory q) internal returns (bytes32) {
        assertTrue(publish(q), "not accepted");
        return digest(q);
    }

    function prove(Quote memory q) internal {
        vm.prank(signer);
        pool.prove(q, defaultCall(), proofOf(q));
    }

    function proveRescued(Quote memory q) internal {
        vm.prank(rescuerSigner);
        pool.proveRescued(q, rescuer, SPARE, defaultCall(), proofOf(q));
    }

    function rescue(Quote memory q) internal {
        vm.prank(rescuerSigner);
        pool.rescue(q, rescuer, SPARE);
    }

    function after_(uint256 time) internal {
        vm.warp(block.timestamp + time);
    }

    /// Published, late, and rescue announced one second after the proof deadline.
    function publishAndAnnounce(Quote memory q) internal returns (uint256 rescueAt) {
        publishAccepted(q);
        after_(q.terms.proofWindow + 1);
        rescue(q);
        return block.timestamp + (q.terms.liabilityWindow - q.terms.proofWindow) / 4;
    }

    // ---- books ----

    function slot(uint32 index) internal view returns (SlotView memory) {
        return pool.slotOf(operator, address(token), index);
    }

    function spare() internal view returns (SlotView memory) {
        return pool.slotOf(rescuer, address(token), SPARE);
    }

    function books() internal view returns (Books memory) {
        return booksOf(address(token), SHARED);
    }

    function booksOf(address token_, uint32 index) internal view returns (Books memory b) {
        b.operator = pool.balanceOf(token_, operator);
        b.rescuer = pool.balanceOf(token_, rescuer);
        b.requester = pool.balanceOf(token_, requester);
        b.payer = pool.balanceOf(token_, payer);
        b.sink = pool.balanceOf(token_, address(0));
        SlotView memory s = pool.slotOf(operator, token_, index);
        (b.collateral, b.reserve) = (s.collateral, s.honourReserve);
        b.spareCollateral = pool.slotOf(rescuer, token_, SPARE).collateral;
    }

    /// Checks every entry: what is not stated must not have moved.
    function assertBooks(Books memory actual, Books memory expected) internal pure {
        assertEq(actual.operator, expected.operator, "operator");
        assertEq(actual.rescuer, expected.rescuer, "rescuer");
        assertEq(actual.requester, expected.requester, "requester");
        assertEq(actual.payer, expected.payer, "payer");
        assertEq(actual.sink, expected.sink, "sink");
        assertEq(actual.collateral, expected.collateral, "collateral");
        assertEq(actual.spareCollateral, expected.spareCollateral, "the rescuer's collateral");
        assertEq(actual.reserve, expected.reserve, "honour reserve");
    }

    function half(uint256 amount) internal pure returns (uint256) {
        return amount / 2;
    }

    function assertState(SlotView memory s, SlotState expected) internal pure {
        assertEq(uint8(s.state), uint8(expected), "state");
    }
}
