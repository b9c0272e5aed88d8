// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Delivery, Quote, SlotView, Task} from "../../src/interfaces/IZKPool.sol";
import {Fixture} from "../unit/Fixture.sol";

/// @notice There is no administrator: whoever is not a party to something cannot make any party poorer, the account that
/// deployed the pool included.
contract AdminFuzz is Fixture {
    Quote private active;
    Quote private late;

    function setUp() public override {
        super.setUp();
        vm.startPrank(payer);
        pool.deposit(address(token), requester, 10_000);
        pool.deposit(address(token), operator, 10_000);
        pool.deposit(address(token), address(0), 10_000);
        vm.stopPrank();
        late = quote();
        publishAccepted(late);
        after_(PROOF_WINDOW + 1);
        active = quote();
        active.task = task(DEDICATED, 2);
        publishAccepted(active);
    }

    function test_TheDeployerIsNobody() public {
        // This contract has deployed the pool.
        for (uint256 deed; deed < DEEDS; deed++) {
            for (uint256 word; word < 4; word++) {
                _cannotTake(address(this), deed, word);
            }
        }
    }

    function testFuzz_NobodyTakesWhatIsAnothers(address caller, uint256 seed) public {
        address[6] memory parties = [requester, payer, operator, signer, rescuer, rescuerSigner];
        for (uint256 i; i < parties.length; i++) {
            vm.assume(caller != parties[i]);
        }
        vm.assume(caller != address(0) && caller != address(vm) && caller != address(token));
        for (uint256 i; i < 8; i++) {
            uint256 word = uint256(keccak256(abi.encode(seed, i)));
            _cannotTake(caller, word % DEEDS, word / DEEDS);
        }
    }

    // ---- helpers ----

    uint256 private constant DEEDS = 20;

    function _cannotTake(address caller, uint256 deed, uint256 word) private {
        Quote memory q = word % 2 == 0 ? active : late;
        bytes memory data = _deed(caller, deed, word / 2, q);
        // Payment and time are not in its way.
        uint256 snapshot = vm.snapshotState();
        token.mint(caller, 1e30);
        vm.prank(caller);
        token.approve(address(pool), type(uint256).max);
        Books memory b = books();
        SlotView memory dedicated = slot(DEDICATED);
        uint256 there = token.balanceOf(address(pool));
        vm.prank(caller);
        (bool ok,) = address(pool).call(data);
        ok;
        Books memory a = books();
        assertGe(a.operator, b.operator, "operator");
        assertGe(a.rescuer, b.rescuer, "rescuer");
        assertGe(a.requester, b.requester, "requester");
        assertGe(a.payer, b.payer, "payer");
        assertGe(a.sink, b.sink, "sink");
        assertGe(a.collateral, b.collateral, "collateral");
        assertGe(a.spareCollateral, b.spareCollateral, "the rescuer's collateral");
        assertGe(a.reserve, b.reserve, "honour reserve");
        assertGe(slot(DEDICATED).collateral, dedicated.collateral);
        assertGe(slot(DEDICATED).honourReserve, dedicated.honourReserve);
        assertGe(token.balanceOf(address(pool)), there, "left the pool");
        assertEq(pool.balanceOf(address(token), caller), 0, "has something");
        vm.revertToState(snapshot);
    }

    function _deed(address caller, uint256 deed, uint256 word, Quote memory q) private view returns (bytes memory) {
        address[4] memory owners = [requester, operator, rescuer, address(0)];
        address owner = owners[word % 4];
        uint32 index = uint32(word / 4 % 3 == 0 ? SPARE : word / 4 % 2);
        if (deed < 4) return abi.encodeCall(pool.withdraw, (address(token), owner, caller, word / 16 % 10_000 + 1));
        if (deed == 4) return abi.encodeCall(pool.setAuthorization, (caller, true));
        if (deed == 5) return abi.encodeCall(pool.setSigner, (caller));
        if (deed == 6) return abi.encodeCall(pool.freeze, (owner));
        if (deed == 7) return abi.encodeCall(pool.openSlot, (address(token), index, 1, 1, caller));
        if (deed == 8) return abi.encodeCall(pool.topUpSlot, (owner, address(token), index, 5, 5));
        if (deed == 9) return abi.encodeCall(pool.dedicateSlot, (address(token), index, caller));
        if (deed == 10) return abi.encodeCall(pool.closeSlot, (address(token), index));
        if (deed == 11) return abi.encodeCall(pool.emptySlot, (address(token), index));
        if (deed == 12) return abi.encodeCall(pool.publish, (q, sign(q)));
        if (deed == 13) {
            Task[] memory tasks = new Task[](1);
            tasks[0] = q.task;
            return abi.encodeCall(pool.publishBatch, (q.terms, tasks, signWith(signerKey, batchDigest(q.terms, tasks))));
        }
        if (deed == 14) return abi.encodeCall(pool.prove, (q, defaultCall(), proofOf(q)));
        if (deed == 15) {
            Delivery[] memory deliveries = new Delivery[](1);
            deliveries[0] = Delivery({task: q.task, call: defaultCall(), proof: proofOf(q)});
            return abi.encodeCall(pool.proveBatch, (q.terms, deliveries));
        }
        if (deed == 16) return abi.encodeCall(pool.rescue, (q, word % 3 == 0 ? caller : rescuer, index));
        if (deed == 17) return abi.encodeCall(pool.proveRescued, (q, rescuer, SPARE, defaultCall(), proofOf(q)));
        if (deed == 18) return word % 2 == 0 ? abi.encodeCall(pool.novate, (q)) : abi.encodeCall(pool.collect, (q));
        return word % 2 == 0 ? abi.encodeCall(pool.unwind, (q)) : abi.encodeCall(pool.observeHalt, (q));
    }
}
