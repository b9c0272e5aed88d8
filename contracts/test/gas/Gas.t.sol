// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Call, Delivery, Quote, Task, Terms} from "../../src/interfaces/IZKPool.sol";
import {RecordingTarget} from "../mocks/Targets.sol";
import {Fixture} from "../unit/Fixture.sol";

/// @notice What whole transactions cost: 21,000, the calldata (by its floor where that is higher, EIP-7623), and the
/// execution. `tools/gas` writes the figures to snapshots/ZKPool.json, `tools/gas --check` fails if they have moved.
///
/// Isolated: every call is a transaction of its own, so accounts and storage are cold and calldata is paid for.
///
/// Steady state: the slot has had a task before, the balances that are touched are not zero, the reward is in the
/// publisher's balance, the operator's signer proves, the proof has 256 bytes and no zeros. Amounts, windows, hashes and
/// signatures are as wide as real ones; the salt is a counter, which is all that uniqueness asks for.
///
/// `_without_target` is without the verifier's and the target's own cost: both are one contract of seven instructions
/// that answers true (16 gas), at the block producer's address, which is warm like a contract that nothing had to load.
/// `prove_steady` is the same with two contracts that do nothing: 2,500 gas more for loading each of them.
/// forge-config: default.isolate = true
contract GasTest is Fixture {
    /// PUSH1 1 PUSH0 MSTORE PUSH1 32 PUSH0 RETURN
    bytes private constant ANSWER_TRUE = hex"60015f5260205ff3";
    uint32 private constant FIRST = 100;
    uint256 private constant LARGEST_BATCH = 32;

    uint256 private _entropy;

    function setUp() public override {
        super.setUp();
        vm.etch(address(verifier), ANSWER_TRUE);
        vm.etch(address(target), ANSWER_TRUE);
        address[5] memory all = [requester, payer, operator, rescuer, address(0)];
        for (uint256 i; i < all.length; i++) {
            token.mint(stranger, 1e24);
            vm.prank(stranger);
            pool.deposit(address(token), all[i], 1e22);
        }
        for (uint32 i; i < LARGEST_BATCH; i++) {
            _openSlot(operator, FIRST + i);
        }
        _openSlot(rescuer, FIRST);
    }

    /// What is measured is what a sender pays for: 100 bytes that are not zero cost their floor of 40 each (EIP-7623).
    function test_CountsWholeTransactions() public {
        (bool ok,) = stranger.call(
            abi.encodePacked(
                bytes32(type(uint256).max / 255), type(uint256).max, bytes32(type(uint256).max), bytes4(0x01020304)
            )
        );
        assertTrue(ok);
        assertEq(_lastGas(), 21_000 + 100 * 40);
    }

    // ---- one task ----

    function test_Steady() public {
        _turnWarm();
        _cycle();
        Quote memory q = _quote();
        _publish(q);
        uint256 gas = _lastGas();
        vm.snapshotGasLastCall("ZKPool", "publish_steady");
        _prove(q);
        gas += _lastGas();
        vm.snapshotGasLastCall("ZKPool", "prove_steady_without_target");
        assertLe(gas, 120_000, "a task costs too much");
    }

    function test_SteadyWithColdVerifierAndTarget() public {
        _cycle();
        Quote memory q = _quote();
        _publish(q);
        _prove(q);
        vm.snapshotGasLastCall("ZKPool", "prove_steady");
    }

    function test_Advance() public {
        _cycle();
        Quote memory q = _quote();
        q.terms.advance = 12345678901234567;
        _publish(q);
        vm.snapshotGasLastCall("ZKPool", "publish_with_advance");
    }

    /// The publisher's balance is empty: the reward comes out of its wallet.
    function test_RewardFromWallet() public {
        _cycle();
        vm.prank(payer);
        pool.withdraw(address(token), payer, payer, 1e22 - _quote().terms.reward);
        _publish(_quote());
        vm.snapshotGasLastCall("ZKPool", "publish_from_wallet");
    }

    function test_Dishonoured() public {
        _cycle();
        _publish(_quote());
        // The slot is occupied.
        _publish(_quote());
        vm.snapshotGasLastCall("ZKPool", "publish_dishonoured");
    }

    function test_Late() public {
        _cycle();
        Quote memory q = _quote();
        _publish(q);
        after_(PROOF_WINDOW + 1);
        _prove(q);
        vm.snapshotGasLastCall("ZKPool", "prove_late");
    }

    function test_Collect() public {
        _cycle();
        Quote memory q = _quote();
        _publish(q);
        after_(LIABILITY_WINDOW + 1);
        pool.collect(q);
        vm.snapshotGasLastCall("ZKPool", "collect");
    }

    function test_Rescue() public {
        _cycle();
        Quote memory q = _quote();
        _publish(q);
        after_(PROOF_WINDOW + 1);
        vm.prank(rescuerSigner);
        pool.rescue(q, rescuer, FIRST);
        vm.snapshotGasLastCall("ZKPool", "rescue");
        after_(GRACE);
        pool.novate(q);
        vm.snapshotGasLastCall("ZKPool", "novate");
        bytes memory proof = _proof();
        vm.prank(rescuerSigner);
        pool.proveRescued(q, rescuer, FIRST, _call(), proof);
        vm.snapshotGasLastCall("ZKPool", "prove_rescued");
    }

    /// Of a verifier that answers `halted` with true: the second observation extends the deadlines.
    function test_Halt() public {
        _cycle();
        Quote memory q = _quote();
        _publish(q);
        pool.observeHalt(q);
        vm.snapshotGasLastCall("ZKPool", "observe_halt_first");
        after_(60);
        pool.observeHalt(q);
        vm.snapshotGasLastCall("ZKPool", "observe_halt");
        for (uint256 halted = 60; halted < pool.HALT_CAP(); halted += 30 minutes) {
            after_(30 minutes);
            pool.observeHalt(q);
        }
        pool.unwind(q);
        vm.snapshotGasLastCall("ZKPool", "unwind");
    }

    // ---- batches, per task: publication and delivery ----

    function test_Batch8() public {
        assertLe(_batch(8), 45_000, "a task in a batch of 8 costs too much");
    }

    function test_Batch32() public {
        assertLe(_batch(LARGEST_BATCH), 38_000, "a task in a batch of 32 costs too much");
    }

    function _batch(uint256 size) private returns (uint256 perTask) {
        _turnWarm();
        _publishAndProveBatch(size);
        after_(V + 1);
        perTask = _publishAndProveBatch(size) / size;
        vm.snapshotValue("ZKPool", string.concat("batch", vm.toString(size), "_per_task"), perTask);
    }

    function _publishAndProveBatch(uint256 size) private returns (uint256 gas) {
        Terms memory t = _quote().terms;
        Task[] memory tasks = new Task[](size);
        Delivery[] memory deliveries = new Delivery[](size);
        for (uint256 i; i < size; i++) {
            tasks[i] = _quote().task;
            tasks[i].slot = FIRST + uint32(i);
            deliveries[i] = Delivery({task: tasks[i], call: _call(), proof: _proof()});
        }
        bytes memory signature = signWith(signerKey, batchDigest(t, tasks));
        vm.prank(payer);
        uint256 published = pool.publishBatch(t, tasks, signature);
        gas = _lastGas();
        vm.prank(signer);
        uint256 delivered = pool.proveBatch(t, deliveries);
        gas += _lastGas();
        assertEq(published, size);
        assertEq(delivered, size);
    }

    // ---- money and slots ----

    function test_Money() public {
        vm.startPrank(requester);
        pool.deposit(address(token), requester, 123456);
        vm.snapshotGasLastCall("ZKPool", "deposit");
        pool.withdraw(address(token), requester, requester, 123456);
        vm.snapshotGasLastCall("ZKPool", "withdraw");
        vm.stopPrank();
    }

    function test_Slots() public {
        vm.startPrank(operator);
        pool.openSlot(address(token), 1000, 1e19, 1e18, address(0));
        vm.snapshotGasLastCall("ZKPool", "open_slot");
        pool.openSlot(address(token), 1001, 1e19, 1e18, requester);
        vm.snapshotGasLastCall("ZKPool", "open_slot_dedicated");
        pool.topUpSlot(operator, address(token), 1000, 1e18, 0);
        vm.snapshotGasLastCall("ZKPool", "top_up_slot");
        pool.dedicateSlot(address(token), 1000, requester);
        vm.snapshotGasLastCall("ZKPool", "dedicate_slot");
        pool.closeSlot(address(token), 1000);
        vm.snapshotGasLastCall("ZKPool", "close_slot");
        after_(D);
        pool.emptySlot(address(token), 1000);
        vm.snapshotGasLastCall("ZKPool", "empty_slot");
        pool.setSigner(stranger);
        vm.snapshotGasLastCall("ZKPool", "set_signer");
        pool.freeze(operator);
        vm.snapshotGasLastCall("ZKPool", "freeze");
        vm.stopPrank();
    }

    // ---- the task ----

    function _openSlot(address owner, uint32 index) private {
        vm.prank(owner);
        pool.openSlot(address(token), index, 1e19, 1e18, address(0));
    }

    /// Verifier and target are warm from the transaction's beginning.
    function _turnWarm() private {
        vm.coinbase(address(verifier));
        target = RecordingTarget(payable(address(verifier)));
    }

    function _quote() private returns (Quote memory q) {
        q.terms = terms();
        q.terms.reward = 123456789012345678;
        q.terms.advance = 0;
        q.terms.liability = 1234567890123456789;
        q.terms.bond = 234567890123456789;
        q.terms.burn = 0;
        q.terms.honour = 12345678901234567;
        q.task = Task({
            slot: FIRST,
            statement: _random(),
            callHash: hashCall(_call()),
            inputHash: _random(),
            salt: bytes32(0x1122334455667788 + ++_entropy)
        });
    }

    /// `prove(bytes)`
    function _call() private pure returns (Call memory call) {
        call.prefix = abi.encodeWithSignature("prove(bytes)", uint256(0x20));
    }

    function _proof() private returns (bytes memory proof) {
        bytes32 ones = bytes32(type(uint256).max / 255);
        for (uint256 i; i < 8; i++) {
            proof = bytes.concat(proof, _random() | ones);
        }
    }

    function _random() private returns (bytes32) {
        return keccak256(abi.encode(++_entropy));
    }

    function _publish(Quote memory q) private {
        bytes memory signature = sign(q);
        vm.prank(payer);
        pool.publish(q, signature);
    }

    function _prove(Quote memory q) private {
        bytes memory proof = _proof();
        vm.prank(signer);
        pool.prove(q, _call(), proof);
    }

    /// A first task, so that nothing is fresh.
    function _cycle() private {
        Quote memory q = _quote();
        _publish(q);
        _prove(q);
        after_(V + 1);
    }

    function _lastGas() private view returns (uint256) {
        return vm.lastCallGas().gasTotalUsed;
    }
}
