// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {RevenueLedger} from "../../src/RevenueLedger.sol";
import {ZKPool} from "../../src/ZKPool.sol";
import {IZKPool, Quote, SlotState, SlotView, Task, Terms} from "../../src/interfaces/IZKPool.sol";
import {ISignatureTransfer} from "../../src/periphery/interfaces/ISignatureTransfer.sol";
import {IWETH} from "../../src/periphery/interfaces/IWETH.sol";
import {Router} from "../../src/periphery/Router.sol";
import {TestToken} from "../../src/testnet/TestToken.sol";
import {TestWETH} from "../../src/testnet/TestWETH.sol";
import {Permit2Double} from "./Permit2Double.sol";

/// @notice A pool with one operator, whose slots are backed in the test token, and a payer that owns ether and tokens.
abstract contract RouterFixture is Test {
    uint128 internal constant REWARD = 1001;
    uint128 internal constant LIABILITY = 5003;
    uint128 internal constant HONOUR = 55;
    uint256 internal constant FUNDS = 1_000_000;
    uint32 internal constant SLOTS = 3;

    IZKPool internal pool;
    TestWETH internal weth;
    TestToken internal token;
    Permit2Double internal permit2;
    Router internal router;

    address internal requester = makeAddr("requester");
    address internal operator = makeAddr("operator");
    address internal stranger = makeAddr("stranger");
    address internal payer;
    uint256 internal payerKey;
    address internal signer;
    uint256 internal signerKey;

    function setUp() public virtual {
        vm.warp(1_700_000_000);
        (payer, payerKey) = makeAddrAndKey("payer");
        (signer, signerKey) = makeAddrAndKey("signer");
        pool = new ZKPool(address(new RevenueLedger()));
        weth = new TestWETH();
        token = new TestToken();
        permit2 = new Permit2Double();
        router = new Router(pool, IWETH(address(weth)), ISignatureTransfer(address(permit2)));

        address[3] memory all = [payer, operator, stranger];
        for (uint256 i; i < all.length; ++i) {
            token.mint(all[i], FUNDS);
            vm.deal(all[i], FUNDS);
        }
        vm.startPrank(operator);
        token.approve(address(pool), type(uint256).max);
        pool.setSigner(signer);
        for (uint32 i; i < SLOTS; ++i) {
            pool.openSlot(address(token), i, LIABILITY, HONOUR, address(0));
        }
        vm.stopPrank();
        vm.prank(payer);
        token.approve(address(permit2), type(uint256).max);
    }

    // ---- quotes ----

    function termsIn(address rewardToken) internal view returns (Terms memory terms) {
        terms.requester = requester;
        terms.operator = operator;
        terms.target = address(this);
        terms.callGas = 100_000;
        terms.proofWindow = 1000;
        terms.liabilityWindow = 3000;
        terms.validUntil = uint40(block.timestamp + 60);
        terms.rewardToken = rewardToken;
        terms.reward = REWARD;
        terms.liabilityToken = address(token);
        terms.liability = LIABILITY;
        terms.honour = HONOUR;
    }

    function quoteIn(address rewardToken) internal view returns (Quote memory quote) {
        quote.terms = termsIn(rewardToken);
        quote.task.salt = bytes32("one");
    }

    function tasks(uint32 count) internal pure returns (Task[] memory list) {
        list = new Task[](count);
        for (uint32 i; i < count; ++i) {
            list[i].slot = i;
            list[i].salt = bytes32(uint256(i + 1));
        }
    }

    function sign(Quote memory quote) internal view returns (bytes memory) {
        return _sign(signerKey, pool.digestOf(quote));
    }

    function signBatch(Terms memory terms, Task[] memory list) internal view returns (bytes memory) {
        return _sign(signerKey, pool.batchDigestOf(terms, list));
    }

    /// @dev From now on the operator cannot back what it has signed.
    function breakPromises() internal {
        vm.prank(operator);
        pool.freeze(operator);
    }

    // ---- permits of the payer's for the router ----

    function permitFor(uint256 value) internal view returns (Router.Permit memory permit) {
        permit.value = value;
        permit.deadline = block.timestamp + 60;
        bytes32 hash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                payer,
                address(router),
                value,
                token.nonces(payer),
                permit.deadline
            )
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), hash));
        (permit.v, permit.r, permit.s) = vm.sign(payerKey, digest);
    }

    function permit2For(address asset, uint256 amount) internal view returns (Router.Permit2 memory permit) {
        permit.amount = amount;
        permit.nonce = 7;
        permit.deadline = block.timestamp + 60;
        ISignatureTransfer.PermitTransferFrom memory signed = ISignatureTransfer.PermitTransferFrom({
            permitted: ISignatureTransfer.TokenPermissions({token: asset, amount: amount}),
            nonce: permit.nonce,
            deadline: permit.deadline
        });
        permit.signature = _sign(payerKey, permit2.digestOf(signed, address(router)));
    }

    // ---- deeds ----

    function publishDirectly(Quote memory quote) internal {
        bytes memory signature = sign(quote);
        vm.startPrank(stranger);
        weth.deposit{value: REWARD}();
        weth.approve(address(pool), REWARD);
        token.approve(address(pool), REWARD);
        pool.publish(quote, signature);
        vm.stopPrank();
    }

    function depositAndAuthorize(address account, uint256 amount) internal {
        vm.startPrank(account);
        router.depositEther{value: amount}(account);
        pool.setAuthorization(address(router), true);
        vm.stopPrank();
    }

    function assertAllActive(Terms memory terms, Task[] memory list) internal view {
        for (uint32 i; i < list.length; ++i) {
            assertActive(i, pool.digestOf(Quote({terms: terms, task: list[i]})));
        }
    }

    // ---- assertions ----

    function assertActive(uint32 slot, bytes32 task) internal view {
        SlotView memory held = pool.slotOf(operator, address(token), slot);
        assertEq(uint8(held.state), uint8(SlotState.Active));
        assertEq(bytes25(held.digest), bytes25(task));
    }

    function assertRouterEmpty() internal view {
        assertEq(address(router).balance, 0, "ether");
        address[2] memory assets = [address(weth), address(token)];
        for (uint256 i; i < assets.length; ++i) {
            assertEq(TestToken(assets[i]).balanceOf(address(router)), 0, "tokens");
            assertEq(pool.balanceOf(assets[i], address(router)), 0, "pool balance");
        }
    }

    function inPool(address asset, address account) internal view returns (uint256) {
        return pool.balanceOf(asset, account);
    }

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }
}
