// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Quote} from "../../src/interfaces/IZKPool.sol";
import {Claim} from "../../src/interfaces/IRevenueLedger.sol";
import {LedgerFixture} from "../ledger/LedgerFixture.sol";
import {Fixture} from "../unit/Fixture.sol";

/// @notice What whole transactions on the ledger cost (see Gas.t.sol): figures in snapshots/RevenueLedger.json. Signatures,
/// hashes and amounts are as wide as real ones. The prover's wallet holds the token already. `first`: the prover's first claim
/// in a tranche out of which somebody else was paid before; `later`: any further one.
/// forge-config: default.isolate = true
contract RevenueLedgerGasTest is LedgerFixture {
    uint256 private constant UNIT = 123_456_789_012_345;

    function setUp() public override {
        super.setUp();
        give(token, operator, 1e24);
        vm.prank(operator);
        ledger.deposit(address(token), operator, 1e24);
    }

    function test_Tranches() public {
        open();
        Node memory root = rootOf(leaves());
        vm.startPrank(operator);
        ledger.openTranche(operator, address(token), root.hash, uint128(root.sum), signer);
        vm.snapshotGasLastCall("RevenueLedger", "open_tranche");
        ledger.closeTranche(operator, 1);
        vm.snapshotGasLastCall("RevenueLedger", "close_tranche");
        vm.stopPrank();
        after_(ledger.CLOSING_DELAY());
        ledger.reclaim(operator, 1);
        vm.snapshotGasLastCall("RevenueLedger", "reclaim");
        give(token, operator, 1e20);
        vm.prank(operator);
        ledger.deposit(address(token), operator, 1e20);
        vm.snapshotGasLastCall("RevenueLedger", "deposit");
    }

    function test_Claims8() public {
        _claims(8, "8_leaves");
    }

    function test_Claims1024() public {
        _claims(1024, "1024_leaves");
    }

    /// Ten vouchers of one prover, each from a tranche of its own, as they come together in ten days.
    function test_Batch() public {
        Leaf[] memory all = _leaves(8);
        Claim[] memory batch = new Claim[](10);
        for (uint256 i; i < batch.length; ++i) {
            uint256 tranche = open(all);
            ledger.claim(claimIn(all, tranche, 1, uint128(UNIT)));
            batch[i] = claimIn(all, tranche, 3, uint128(UNIT));
        }
        ledger.claimBatch(batch);
        vm.snapshotValue("RevenueLedger", "claim_batch10_8_leaves_per_voucher", vm.lastCallGas().gasTotalUsed / 10);
    }

    function test_Bonds() public {
        bonded(0, UNIT % FUNDS);
        vm.snapshotGasLastCall("RevenueLedger", "bond");
        vm.prank(provers[0]);
        ledger.unbond(address(token));
        vm.snapshotGasLastCall("RevenueLedger", "unbond");
        bonded(1, UNIT % FUNDS);
        vm.prank(stranger);
        ledger.slash(operator, JOB, testimony(keys[1], JOB, "one"), testimony(keys[1], JOB, "two"), only(token));
        vm.snapshotGasLastCall("RevenueLedger", "slash");
        after_(ledger.BOND_DELAY());
        vm.prank(provers[0]);
        ledger.withdrawBond(address(token), provers[0]);
        vm.snapshotGasLastCall("RevenueLedger", "withdraw_bond");
    }

    function _claims(uint256 size, string memory name) private {
        Leaf[] memory all = _leaves(size);
        uint256 tranche = open(all);
        ledger.claim(claimIn(all, tranche, 1, uint128(UNIT)));
        Claim memory c = claimIn(all, tranche, size / 2 + 1, uint128(UNIT));
        ledger.claim(c);
        vm.snapshotGasLastCall("RevenueLedger", string.concat("claim_first_", name));
        c.voucher.amount *= 2;
        resign(c);
        ledger.claim(c);
        vm.snapshotGasLastCall("RevenueLedger", string.concat("claim_later_", name));
    }

    function _leaves(uint256 size) private returns (Leaf[] memory all) {
        all = new Leaf[](size);
        for (uint256 i; i < size; ++i) {
            all[i] = Leaf(vm.addr(1000 + i), uint128(3 * UNIT + i));
            token.mint(all[i].prover, 1);
        }
    }
}

/// @notice What the provers' share costs a task, and fetching what has come together.
/// forge-config: default.isolate = true
contract EarmarkGasTest is Fixture {
    /// The same task without and with a share, everything else alike.
    function test_Share() public {
        _cycle(1);
        _cycle(2);
        uint256 without = _cycle(3);
        vm.prank(operator);
        pool.setShare(7500);
        vm.snapshotGasLastCall("RevenueLedger", "set_share");
        after_(D);
        _cycle(4);
        uint256 withShare = _cycle(5);
        vm.snapshotValue("RevenueLedger", "share_per_task", withShare - without);
        assertLe(withShare - without, 1000, "keeping the share apart costs too much");
        _sweep();
        _cycle(6);
        _sweep();
        vm.snapshotGasLastCall("RevenueLedger", "sweep");
    }

    function _sweep() private {
        (bool ok,) =
            pool.REVENUE_LEDGER().call(abi.encodeWithSignature("sweep(address,address,address)", pool, token, operator));
        assertTrue(ok);
    }

    /// Publication and delivery.
    function _cycle(uint256 salt) private returns (uint256 gas) {
        Quote memory q = quote();
        q.task.salt = bytes32(0x1122334455667788 + salt);
        publishAccepted(q);
        gas = vm.lastCallGas().gasTotalUsed;
        prove(q);
        gas += vm.lastCallGas().gasTotalUsed;
        after_(V + 1);
    }
}
