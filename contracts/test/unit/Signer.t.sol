// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Fixture} from "./Fixture.sol";
import {IZKPool, Quote} from "../../src/interfaces/IZKPool.sol";

contract SignerTest is Fixture {
    address private next;
    uint256 private nextKey;

    function setUp() public override {
        super.setUp();
        (next, nextKey) = makeAddrAndKey("next signer");
    }

    // ---- setSigner ----

    function test_FirstSignerCountsAtOnce() public {
        vm.expectEmit(address(pool));
        emit IZKPool.SignerSet(stranger, next, block.timestamp);
        vm.prank(stranger);
        pool.setSigner(next);
        _assertSigner(stranger, next, address(0), 0, false);
    }

    function test_NextSignerCountsFromD() public {
        vm.expectEmit(address(pool));
        emit IZKPool.SignerSet(operator, next, block.timestamp + D);
        vm.prank(operator);
        pool.setSigner(next);
        uint256 changesAt = block.timestamp + D;
        _assertSigner(operator, signer, next, changesAt, false);
        _signs(signerKey, true);
        _signs(nextKey, false);

        vm.warp(changesAt - 1);
        _signs(signerKey, true);
        _signs(nextKey, false);

        vm.warp(changesAt);
        _assertSigner(operator, next, address(0), 0, false);
        _signs(signerKey, false);
        _signs(nextKey, true);
    }

    function test_PendingSignerIsReplaced() public {
        vm.startPrank(operator);
        pool.setSigner(next);
        after_(D - 1);
        pool.setSigner(rescuerSigner);
        vm.stopPrank();
        uint256 changesAt = block.timestamp + D;
        after_(1);
        _assertSigner(operator, signer, rescuerSigner, changesAt, false);
        _signs(signerKey, true);
        _signs(nextKey, false);
        vm.warp(changesAt - 1);
        _signs(signerKey, true);
        vm.warp(changesAt);
        _signs(signerKey, false);
        _signs(nextKey, false);
        _signs(rescuerKey, true);
    }

    function test_NobodySignsAfterZero() public {
        vm.prank(operator);
        pool.setSigner(address(0));
        after_(D - 1);
        _signs(signerKey, true);
        after_(1);
        _assertSigner(operator, address(0), address(0), 0, false);
        _signs(signerKey, false);
        Quote memory q = quote();
        vm.expectRevert(IZKPool.BadSignature.selector);
        pool.publish(q, new bytes(65));
        vm.prank(operator);
        pool.setSigner(next);
        _assertSigner(operator, next, address(0), 0, false);
        _signs(nextKey, true);
    }

    function test_SignerChangesDoNotTouchOthers() public {
        vm.prank(operator);
        pool.setSigner(next);
        after_(D);
        _assertSigner(rescuer, rescuerSigner, address(0), 0, false);
    }

    // ---- freeze ----

    function test_FrozenByOperatorOrSigner() public {
        address[2] memory callers = [operator, signer];
        for (uint256 i; i < 2; i++) {
            uint256 snapshot = vm.snapshotState();
            vm.expectEmit(address(pool));
            emit IZKPool.Frozen(operator);
            vm.prank(callers[i]);
            pool.freeze(operator);
            _assertSigner(operator, signer, address(0), 0, true);
            vm.revertToState(snapshot);
        }
    }

    function test_RevertWhen_FrozenByAnother() public {
        vm.prank(operator);
        pool.setSigner(next);
        address[4] memory others = [stranger, rescuer, requester, next];
        for (uint256 i; i < others.length; i++) {
            vm.expectRevert(IZKPool.NotAuthorized.selector);
            vm.prank(others[i]);
            pool.freeze(operator);
        }
        after_(D);
        vm.expectRevert(IZKPool.NotAuthorized.selector);
        vm.prank(signer);
        pool.freeze(operator);
        vm.prank(next);
        pool.freeze(operator);
    }

    function test_FrozenForEverySlotAndToken() public {
        vm.startPrank(operator);
        pool.openSlot(address(otherToken), SHARED, COLLATERAL, RESERVE, address(0));
        pool.freeze(operator);
        vm.stopPrank();
        Quote memory q = quote();
        assertFalse(publish(q), "shared");
        q.task.slot = DEDICATED;
        assertFalse(publish(q), "dedicated");
        q = quote();
        q.terms.liabilityToken = address(otherToken);
        q.terms.advance = 0;
        assertFalse(publish(q), "another token");
    }

    function test_FreezeEndsWithTheNextSigner() public {
        vm.startPrank(operator);
        pool.freeze(operator);
        pool.setSigner(next);
        vm.stopPrank();
        uint256 changesAt = block.timestamp + D;
        _assertSigner(operator, signer, next, changesAt, true);
        vm.warp(changesAt - 1);
        _assertSigner(operator, signer, next, changesAt, true);
        _acceptedWith(signerKey, false);
        vm.warp(changesAt);
        _assertSigner(operator, next, address(0), 0, false);
        _acceptedWith(nextKey, true);
    }

    /// The same key again is a way to end a freeze that was a false alarm; it takes as long.
    function test_FreezeEndsWithTheSameSigner() public {
        vm.startPrank(operator);
        pool.freeze(operator);
        pool.setSigner(signer);
        vm.stopPrank();
        after_(D - 1);
        _acceptedWith(signerKey, false);
        after_(1);
        _acceptedWith(signerKey, true);
    }

    function test_FreezeWhileAChangeIsPending() public {
        vm.startPrank(operator);
        pool.setSigner(next);
        uint256 changesAt = block.timestamp + D;
        after_(10);
        pool.freeze(operator);
        vm.stopPrank();
        _assertSigner(operator, signer, next, changesAt, true);
        _acceptedWith(signerKey, false);
        vm.warp(changesAt);
        _assertSigner(operator, next, address(0), 0, false);
        _acceptedWith(nextKey, true);
    }

    /// Replacing the pending signer must not thaw what is frozen.
    function test_FreezeSurvivesAReplacedChange() public {
        vm.startPrank(operator);
        pool.setSigner(next);
        pool.freeze(operator);
        after_(D / 2);
        pool.setSigner(rescuerSigner);
        vm.stopPrank();
        after_(D / 2);
        _assertSigner(operator, signer, rescuerSigner, block.timestamp + D / 2, true);
        _acceptedWith(signerKey, false);
    }

    /// The signer that counts already is no other: setting it before the freeze announces nothing that could end one, setting
    /// it afterwards does.
    function test_FreezeOutlastsTheSameSignerSetBefore() public {
        vm.startPrank(operator);
        pool.setSigner(signer);
        _assertSigner(operator, signer, address(0), 0, false);
        after_(D - 1);
        pool.freeze(operator);
        vm.stopPrank();
        after_(1);
        _assertSigner(operator, signer, address(0), 0, true);
        _acceptedWith(signerKey, false);
        vm.prank(operator);
        pool.setSigner(signer);
        _assertSigner(operator, signer, signer, block.timestamp + D, true);
        after_(D);
        _assertSigner(operator, signer, address(0), 0, false);
        _acceptedWith(signerKey, true);
    }

    function test_FreezeDoesNotTouchOthers() public {
        vm.prank(operator);
        pool.freeze(operator);
        _assertSigner(rescuer, rescuerSigner, address(0), 0, false);
        Quote memory q = quote();
        q.terms.operator = rescuer;
        q.task.slot = SPARE;
        bytes memory signature = signWith(rescuerKey, digest(q));
        vm.prank(payer);
        (, bool accepted) = pool.publish(q, signature);
        assertTrue(accepted);
    }

    // ---- helpers ----

    function _assertSigner(address operator_, address signer_, address next_, uint256 changesAt, bool frozen)
        private
        view
    {
        (address actual, address actualNext, uint256 actualChangesAt, bool actualFrozen) = pool.signerOf(operator_);
        assertEq(actual, signer_, "signer");
        assertEq(actualNext, next_, "next");
        assertEq(actualChangesAt, changesAt, "changesAt");
        assertEq(actualFrozen, frozen, "frozen");
    }

    function _signs(uint256 key, bool expected) private {
        uint256 snapshot = vm.snapshotState();
        Quote memory q = quote();
        bytes memory signature = signWith(key, digest(q));
        assertEq(pool.isBacked(q, signature), expected && _holds(key), "isBacked");
        vm.prank(payer);
        if (!expected) vm.expectRevert(IZKPool.BadSignature.selector);
        pool.publish(q, signature);
        vm.revertToState(snapshot);
    }

    /// Whether the key that signs now still will when the ordinary quote expires.
    function _holds(uint256 key) private view returns (bool) {
        (, address next_, uint256 changesAt,) = pool.signerOf(operator);
        return changesAt == 0 || block.timestamp + V / 2 < changesAt || next_ == vm.addr(key);
    }

    function _acceptedWith(uint256 key, bool expected) private {
        uint256 snapshot = vm.snapshotState();
        Quote memory q = quote();
        bytes memory signature = signWith(key, digest(q));
        vm.prank(payer);
        (, bool accepted) = pool.publish(q, signature);
        assertEq(accepted, expected, "accepted");
        vm.revertToState(snapshot);
    }
}
