// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Claim, IRevenueLedger, Sibling} from "../../src/interfaces/IRevenueLedger.sol";
import {LedgerFixture} from "./LedgerFixture.sol";

/// @notice Trees that liars make. Whoever can prove its place is paid in full, first or last, and nobody is paid with what
/// is set apart for another tranche.
contract MaliciousTreesTest is LedgerFixture {
    Leaf internal honest;
    Leaf internal sybil;

    function setUp() public override {
        super.setUp();
        honest = Leaf(provers[0], 101);
        sybil = Leaf(provers[1], 7);
        // Somebody else's money, which a broken tree would reach for.
        open("another tranche", 10_000);
    }

    // ---- sums ----

    /// The root says less than its children have: then no child can be proven.
    function test_APromiseBeyondTheTotalIsNobodys() public {
        (Node memory a, Node memory b) = (leafNode(honest), leafNode(sybil));
        bytes32 root = nodeOf(a, b).hash;
        uint256 tranche = open(root, uint128(a.sum + b.sum - 1));
        _refused(tranche, honest, 0, _beside(b));
        _refused(tranche, sybil, 1, _beside(a));
        // Nor with sums that make the total right.
        _refused(tranche, honest, 0, _beside(Node(b.hash, b.sum - 1)));
    }

    /// The root states a child's sum too low, to fit more beside it: the child cannot be proven, the rest can.
    function test_AnUnderstatedChildIsNobodys() public {
        (Node memory a, Node memory b) = (leafNode(honest), leafNode(sybil));
        Node memory understated = Node(b.hash, 1);
        uint256 tranche = open(nodeOf(a, understated).hash, uint128(a.sum + 1));
        _refused(tranche, sybil, 1, _beside(a));
        sybil.cap = 1;
        _refused(tranche, sybil, 1, _beside(a));
        assertEq(_claimed(tranche, honest, 0, _beside(understated)), 101);
    }

    /// A sum so large that the total comes around: sums have 128 bits in a proof and are added in 256.
    function test_SumsDoNotOverflow() public {
        Node memory a = leafNode(honest);
        Node memory huge = leafNode(Leaf(sybil.prover, type(uint128).max));
        bytes32 root = keccak256(abi.encode(keccak256("ZKPool RevenueLedger node"), a.hash, a.sum, huge.hash, huge.sum));
        // 101 + (2^128 - 1) comes to 100 in 128 bits.
        uint256 tranche = open(root, 100);
        _refused(tranche, honest, 0, _beside(huge));
        _refused(tranche, Leaf(sybil.prover, type(uint128).max), 1, _beside(a));
    }

    function test_RevertWhen_ASumHasMoreThan128Bits() public {
        Node memory a = leafNode(honest);
        // -100, and the total would be 1, the tranche's; what is in the proof is not what a proof can hold.
        uint256 minus = type(uint256).max - 99;
        bytes32 root = keccak256(abi.encode(keccak256("ZKPool RevenueLedger node"), a.hash, a.sum, bytes32("x"), minus));
        uint256 tranche = open(root, 1);
        bytes memory data = abi.encodeCall(ledger.claim, (_claim(tranche, honest, 0, _beside(Node("x", 1)))));
        // The last word is the sibling's sum.
        assembly ("memory-safe") {
            mstore(add(data, mload(data)), minus)
        }
        (bool ok, bytes memory answer) = address(ledger).call(data);
        assertFalse(ok);
        // Not read at all: neither an error of the ledger's nor an addition that failed.
        assertEq(answer, "");
    }

    // ---- places ----

    /// One prover in two places: the larger cap counts, not the sum, and never both.
    function test_TwoPlacesOfOneProverCountOnce() public {
        (Node memory a, Node memory b) = (leafNode(honest), leafNode(Leaf(honest.prover, 30)));
        uint256 tranche = open(nodeOf(a, b).hash, 131);
        assertEq(_claimed(tranche, Leaf(honest.prover, 30), 1, _beside(a)), 30);
        assertEq(_claimed(tranche, honest, 0, _beside(b)), 71);
        assertEq(_claimed(tranche, Leaf(honest.prover, 30), 1, _beside(a)), 0);
        assertEq(left(tranche), 30);
    }

    /// One subtree hangs in two places: it is the same money for the same provers.
    function test_OneSubtreeInTwoPlacesPaysOnce() public {
        Node memory pair = nodeOf(leafNode(honest), leafNode(sybil));
        uint256 tranche = open(nodeOf(pair, pair).hash, uint128(2 * pair.sum));
        for (uint256 i; i < 2; ++i) {
            Sibling[] memory path = new Sibling[](2);
            (path[0], path[1]) = (_sibling(leafNode(sybil)), _sibling(pair));
            assertEq(_claimed(tranche, honest, 2 * i, path), i == 0 ? 101 : 0);
        }
        assertEq(left(tranche), 2 * pair.sum - 101);
    }

    /// The order counts: siblings cannot change places.
    function test_SidesAreFixed() public {
        (Node memory a, Node memory b) = (leafNode(honest), leafNode(sybil));
        uint256 tranche = open(nodeOf(a, b).hash, 108);
        _refused(tranche, honest, 1, _beside(b));
        _refused(tranche, sybil, 0, _beside(a));
        assertEq(_claimed(tranche, honest, 0, _beside(b)), 101);
    }

    // ---- leaves and nodes ----

    /// An inner node for a leaf: there is no prover and cap whose leaf it is, whatever its children's hashes say.
    function test_ANodeIsNoLeaf() public {
        (Node memory a, Node memory b) = (leafNode(honest), leafNode(sybil));
        Node memory inner = nodeOf(a, b);
        uint256 tranche = open(nodeOf(inner, b).hash, 115);
        // Read as a leaf, the first words of an inner node would be a domain, a prover and a cap.
        _refused(tranche, Leaf(address(uint160(uint256(a.hash))), uint128(a.sum)), 0, _beside(b));
        _refused(tranche, Leaf(honest.prover, uint128(inner.sum)), 0, _beside(b));
        // It is an inner node.
        Sibling[] memory path = new Sibling[](2);
        (path[0], path[1]) = (_sibling(b), _sibling(b));
        assertEq(_claimed(tranche, honest, 0, path), 101);
    }

    /// A leaf for an inner node: nothing hangs below it.
    function test_ALeafIsNoNode() public {
        Node memory a = leafNode(honest);
        uint256 tranche = open(a.hash, 101);
        _refused(tranche, sybil, 0, _beside(a));
        _refused(tranche, honest, 0, _beside(Node(0, 0)));
        assertEq(_claimed(tranche, honest, 0, new Sibling[](0)), 101);
    }

    /// Leaves are hashed twice: what is hashed once, or without the domain, is none.
    function test_OtherHashesAreNoLeaves() public {
        bytes memory plain = abi.encode(keccak256("ZKPool RevenueLedger leaf"), honest.prover, honest.cap);
        bytes32[3] memory roots = [
            keccak256(plain),
            keccak256(abi.encodePacked(keccak256(abi.encode(honest.prover, honest.cap)))),
            keccak256(abi.encode(keccak256("ZKPool RevenueLedger node"), honest.prover, honest.cap))
        ];
        for (uint256 i; i < roots.length; ++i) {
            _refused(open(roots[i], 101), honest, 0, new Sibling[](0));
        }
    }

    // ---- any tree ----

    /// A liar puts together what it likes: stated sums that are not the children's, provers in many places, subtrees that
    /// hang twice. Whoever can prove a place is paid all of the largest that it can prove, in any order, out of the total.
    function testFuzz_NoTreePromisesTheSameTwice(uint256 seed) public {
        Node[] memory nodes = new Node[](7);
        Leaf[] memory ends = new Leaf[](4);
        for (uint256 i; i < 4; ++i) {
            uint256 who = _random(seed, 35) % 2 == 0 ? i : _random(seed, i) % 3;
            ends[i] = Leaf(provers[who], uint128(_random(seed, 10 + i) % 5));
            nodes[3 + i] = _stated(seed, 20 + i, leafNode(ends[i]));
        }
        if (_random(seed, 30) % 4 == 0) nodes[5] = nodes[3];
        nodes[1] = _stated(seed, 31, nodeOf(nodes[3], nodes[4]));
        nodes[2] = _random(seed, 32) % 4 == 0 ? nodes[1] : _stated(seed, 33, nodeOf(nodes[5], nodes[6]));
        nodes[0] = nodeOf(nodes[1], nodes[2]);
        uint256 total = nodes[0].sum;
        if (_random(seed, 34) % 4 == 0) total += 1;
        else if (_random(seed, 34) % 4 == 1 && total > 0) total -= 1;
        if (total == 0) return;
        uint256 tranche = open(nodes[0].hash, uint128(total));
        uint256 others = ledger.trancheOf(operator, 0).total + ledger.fundOf(operator, address(token));

        uint256 sum;
        for (uint256 i; i < 16; ++i) {
            // Each place with its own leaf and with any, and with the sums that would be right, if that helps.
            uint256 place = (seed % 4 + i) % 4;
            uint256 end = i < 8 ? place : _random(seed, 40 + i) % 4;
            Sibling[] memory path = new Sibling[](2);
            path[0] = _sibling(nodes[3 + (place ^ 1)]);
            path[1] = _sibling(nodes[place < 2 ? 2 : 1]);
            uint256 above_ = nodes[place < 2 ? 1 : 2].sum;
            if (i / 4 % 2 == 1 && above_ >= ends[end].cap) path[0].sum = uint128(above_ - ends[end].cap);
            Claim memory c = _claim(tranche, ends[end], place, path);
            uint256 before = ledger.paidOf(operator, tranche, ends[end].prover);
            try ledger.claim(c) returns (uint256 paid) {
                sum += paid;
                assertEq(before + paid, before < ends[end].cap ? ends[end].cap : before, "paid in full");
            } catch {}
        }
        assertLe(sum, total, "more than the tranche has");
        assertEq(left(tranche), total - sum);
        assertEq(token.balanceOf(address(ledger)), others + total - sum, "another's money");
    }

    // ---- helpers ----

    function _random(uint256 seed, uint256 i) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, i)));
    }

    /// The node, or the node with another sum than it has.
    function _stated(uint256 seed, uint256 i, Node memory node) private pure returns (Node memory) {
        uint256 lie = _random(seed, 1000 + i) % 8;
        if (lie == 0) node.sum += 1;
        if (lie == 1 && node.sum > 0) node.sum -= 1;
        return node;
    }

    function _sibling(Node memory node) private pure returns (Sibling memory) {
        return Sibling(node.hash, uint128(node.sum));
    }

    function _beside(Node memory node) private pure returns (Sibling[] memory path) {
        path = new Sibling[](1);
        path[0] = _sibling(node);
    }

    function _claim(uint256 tranche, Leaf memory leaf, uint256 index, Sibling[] memory path)
        private
        view
        returns (Claim memory c)
    {
        c.voucher = voucher(tranche, leaf.prover, type(uint128).max);
        (c.cap, c.index, c.siblings) = (leaf.cap, index, path);
        resign(c);
    }

    function _claimed(uint256 tranche, Leaf memory leaf, uint256 index, Sibling[] memory path)
        private
        returns (uint256)
    {
        return ledger.claim(_claim(tranche, leaf, index, path));
    }

    function _refused(uint256 tranche, Leaf memory leaf, uint256 index, Sibling[] memory path) private {
        Claim memory c = _claim(tranche, leaf, index, path);
        vm.expectRevert(IRevenueLedger.NotInTranche.selector);
        ledger.claim(c);
    }
}
