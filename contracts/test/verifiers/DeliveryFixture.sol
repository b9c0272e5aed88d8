// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {SemaphoreVerifier} from "@semaphore-protocol/contracts/base/SemaphoreVerifier.sol";
import {ISemaphoreVerifier} from "@semaphore-protocol/contracts/interfaces/ISemaphoreVerifier.sol";
import {ISemaphore} from "@semaphore-protocol/contracts/interfaces/ISemaphore.sol";
import {Semaphore} from "@semaphore-protocol/contracts/Semaphore.sol";
import {RevenueLedger} from "../../src/RevenueLedger.sol";
import {ZKPool} from "../../src/ZKPool.sol";
import {Call, IZKPool, Quote} from "../../src/interfaces/IZKPool.sol";
import {SemaphoreEncoder} from "../../src/encoders/SemaphoreEncoder.sol";
import {Groth16Verifier} from "../../src/verifiers/Groth16Verifier.sol";
import {SemaphoreVerifierAdapter} from "../../src/verifiers/SemaphoreVerifierAdapter.sol";
import {TestToken} from "../../src/testnet/TestToken.sol";
import {Fixtures} from "../fixtures/Fixtures.sol";

/// @notice A pool with one operator, the real Semaphore with a group of two, and quotes for its real proofs.
abstract contract DeliveryFixture is Test {
    using Fixtures for bytes;

    uint128 internal constant REWARD = 1001;
    uint128 internal constant LIABILITY = 5003;

    ZKPool internal pool;
    TestToken internal token;
    address internal requester = makeAddr("requester");
    address internal operator = makeAddr("operator");
    address internal stranger = makeAddr("stranger");
    address internal signer;
    uint256 internal signerKey;

    Semaphore internal semaphore;
    uint256 internal groupId;
    SemaphoreVerifierAdapter internal adapter;
    Groth16Verifier internal generic;
    SemaphoreEncoder internal encoder;

    function setUp() public virtual {
        vm.warp(1_700_000_000);
        (signer, signerKey) = makeAddrAndKey("signer");
        pool = new ZKPool(address(new RevenueLedger()));
        token = new TestToken();
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

        ISemaphoreVerifier published = ISemaphoreVerifier(address(new SemaphoreVerifier()));
        semaphore = new Semaphore(published);
        groupId = semaphore.createGroup();
        semaphore.addMembers(groupId, Fixtures.semaphoreMembers());
        adapter = new SemaphoreVerifierAdapter(published, Fixtures.semaphoreDepth());
        generic = new Groth16Verifier(Fixtures.semaphoreKey());
        encoder = new SemaphoreEncoder();
    }

    /// @dev What the quote says about the `index`-th proof is known before it exists: root, nullifier, message, scope.
    function semaphoreTask(uint256 index, address verifier)
        internal
        view
        returns (Quote memory quote, Call memory call, bytes memory proof)
    {
        uint256 message;
        uint256 scope;
        (proof, message, scope) = Fixtures.semaphoreProof(index);
        (uint256 root, uint256 nullifier) = (proof.wordAt(8), proof.wordAt(9));
        call.prefix = abi.encode(groupId, Fixtures.semaphoreDepth(), root, nullifier, message, scope);
        quote = quoteFor(address(semaphore), verifier, call);
        quote.terms.encoder = address(encoder);
        quote.terms.callGas = 500_000;
        quote.task.statement = keccak256(
            abi.encode(
                root,
                nullifier,
                uint256(keccak256(abi.encode(message))) >> 8,
                uint256(keccak256(abi.encode(scope))) >> 8
            )
        );
        quote.task.salt = bytes32(index);
    }

    function quoteFor(address target, address verifier, Call memory call) internal view returns (Quote memory quote) {
        quote.terms.requester = requester;
        quote.terms.operator = operator;
        quote.terms.target = target;
        quote.terms.verifier = verifier;
        quote.terms.callGas = 100_000;
        quote.terms.proofWindow = 1000;
        quote.terms.liabilityWindow = 3000;
        quote.terms.validUntil = uint40(block.timestamp + 60);
        quote.terms.rewardToken = address(token);
        quote.terms.reward = REWARD;
        quote.terms.liabilityToken = address(token);
        quote.terms.liability = LIABILITY;
        quote.task.callHash = keccak256(
            abi.encode(
                keccak256("Call(bytes prefix,bytes suffix,bytes doneCheck)"),
                keccak256(call.prefix),
                keccak256(call.suffix),
                keccak256(call.doneCheck)
            )
        );
    }

    function sign(Quote memory quote) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(signerKey, pool.digestOf(quote));
        return abi.encodePacked(r, s, v);
    }

    function publish(Quote memory quote) internal returns (bytes32 task) {
        bytes memory signature = sign(quote);
        bool accepted;
        vm.prank(requester);
        (task, accepted) = pool.publish(quote, signature);
        assertTrue(accepted, "not accepted");
    }

    function earned() internal view returns (uint256) {
        return pool.balanceOf(address(token), operator);
    }

    /// @dev The call that anybody can make with what he sees in a proof on its way.
    function stolenCall(Call memory call, bytes memory proof) internal view returns (bytes memory) {
        return encoder.encode(call.prefix, proof);
    }

    function pointsOf(bytes memory proof) internal pure returns (uint256[8] memory points) {
        for (uint256 i; i < 8; ++i) {
            points[i] = proof.wordAt(i);
        }
    }
}
