// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {RevenueLedger} from "../../src/RevenueLedger.sol";
import {
    Claim,
    IRevenueLedger,
    Receipt as WorkReceipt,
    Result,
    Sibling,
    Testimony,
    Tranche,
    TrancheState,
    Voucher
} from "../../src/interfaces/IRevenueLedger.sol";
import {PlainToken} from "../mocks/Tokens.sol";

/// @notice Digests and trees, computed again from their definitions, so that the contract is not its own witness.
abstract contract LedgerWords is Test {
    struct Leaf {
        address prover;
        uint128 cap;
    }

    struct Node {
        bytes32 hash;
        uint256 sum;
    }

    bytes32 internal constant VOUCHER_TYPEHASH =
        keccak256("Voucher(address operator,uint256 tranche,address prover,uint128 amount,uint64 count,bytes32 head)");
    bytes32 internal constant RESULT_TYPEHASH = keccak256("Result(address operator,bytes32 job,bytes32 output)");
    bytes32 internal constant RECEIPT_TYPEHASH = keccak256(
        "Receipt(bytes32 task,uint32 index,uint64 fence,address prover,bytes32 output,uint64 units,uint128 amount,bytes32 previous)"
    );

    RevenueLedger internal ledger;

    // ---- digests ----

    function typedDigest(bytes32 structHash) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("ZKPool RevenueLedger"),
                keccak256("1"),
                block.chainid,
                address(ledger)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function digest(Voucher memory v) internal view returns (bytes32) {
        return typedDigest(
            keccak256(abi.encode(VOUCHER_TYPEHASH, v.operator, v.tranche, v.prover, v.amount, v.count, v.head))
        );
    }

    function digest(Result memory r) internal view returns (bytes32) {
        return typedDigest(keccak256(abi.encode(RESULT_TYPEHASH, r.operator, r.job, r.output)));
    }

    function head(WorkReceipt memory r) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(RECEIPT_TYPEHASH, r.task, r.index, r.fence, r.prover, r.output, r.units, r.amount, r.previous)
        );
    }

    function signWith(uint256 key, bytes32 digest_) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest_);
        return abi.encodePacked(r, s, v);
    }

    // ---- trees ----

    function leafNode(Leaf memory leaf) internal pure returns (Node memory) {
        bytes32 inner = keccak256(abi.encode(keccak256("ZKPool RevenueLedger leaf"), leaf.prover, leaf.cap));
        return Node(keccak256(abi.encodePacked(inner)), leaf.cap);
    }

    function nodeOf(Node memory left, Node memory right) internal pure returns (Node memory) {
        bytes32 domain = keccak256("ZKPool RevenueLedger node");
        return Node(keccak256(abi.encode(domain, left.hash, left.sum, right.hash, right.sum)), left.sum + right.sum);
    }

    /// The level above: what is odd stands beside nothing.
    function above(Node[] memory level) internal pure returns (Node[] memory next) {
        next = new Node[]((level.length + 1) / 2);
        for (uint256 i; i < next.length; ++i) {
            Node memory right = 2 * i + 1 < level.length ? level[2 * i + 1] : Node(0, 0);
            next[i] = nodeOf(level[2 * i], right);
        }
    }

    function bottom(Leaf[] memory leaves) internal pure returns (Node[] memory level) {
        level = new Node[](leaves.length);
        for (uint256 i; i < leaves.length; ++i) {
            level[i] = leafNode(leaves[i]);
        }
    }

    function rootOf(Leaf[] memory leaves) internal pure returns (Node memory) {
        Node[] memory level = bottom(leaves);
        while (level.length > 1) {
            level = above(level);
        }
        return level[0];
    }

    function siblingsOf(Leaf[] memory leaves, uint256 index) internal pure returns (Sibling[] memory siblings) {
        uint256 depth;
        while (1 << depth < leaves.length) {
            ++depth;
        }
        siblings = new Sibling[](depth);
        Node[] memory level = bottom(leaves);
        for (uint256 i; i < depth; ++i) {
            uint256 beside = index ^ 1;
            if (beside < level.length) siblings[i] = Sibling(level[beside].hash, uint128(level[beside].sum));
            (level, index) = (above(level), index / 2);
        }
    }
}

/// @notice An operator with a fund, five provers, and a tranche in which each of them has a cap.
/// @dev Amounts are odd, so that every rounding shows.
abstract contract LedgerFixture is LedgerWords {
    uint256 internal constant FUNDS = 1_000_001;
    uint256 internal constant PROVERS = 5;
    bytes32 internal constant JOB = keccak256("a lease of a job");

    PlainToken internal token;
    PlainToken internal otherToken;
    address internal operator = makeAddr("operator");
    address internal otherOperator = makeAddr("another operator");
    address internal agent = makeAddr("agent");
    address internal stranger = makeAddr("stranger");
    address internal signer;
    uint256 internal signerKey;
    address[] internal provers;
    uint256[] internal keys;

    function setUp() public virtual {
        vm.warp(1_700_000_000);
        ledger = new RevenueLedger();
        token = PlainToken(newToken());
        otherToken = new PlainToken();
        (signer, signerKey) = makeAddrAndKey("signer of vouchers");
        for (uint256 i; i < PROVERS; ++i) {
            (address prover, uint256 key) = makeAddrAndKey(string.concat("prover ", vm.toString(i)));
            provers.push(prover);
            keys.push(key);
            give(token, prover, FUNDS);
        }
        give(token, operator, FUNDS);
        give(token, stranger, FUNDS);
        give(otherToken, operator, FUNDS);
        give(otherToken, provers[0], FUNDS);
        vm.prank(operator);
        ledger.deposit(address(token), operator, FUNDS);
    }

    /// A fixture for one hostile token overrides this.
    function newToken() internal virtual returns (address) {
        return address(new PlainToken());
    }

    function give(PlainToken token_, address to, uint256 amount) internal {
        token_.mint(to, amount);
        vm.prank(to);
        token_.approve(address(ledger), type(uint256).max);
    }

    // ---- tranches ----

    /// Caps 101, 202, ...: all distinct.
    function leaves() internal view returns (Leaf[] memory all) {
        all = new Leaf[](PROVERS);
        for (uint256 i; i < PROVERS; ++i) {
            all[i] = Leaf(provers[i], uint128(101 * (i + 1)));
        }
    }

    function open() internal returns (uint256 tranche) {
        return open(leaves());
    }

    function open(Leaf[] memory all) internal returns (uint256) {
        Node memory root = rootOf(all);
        return open(root.hash, uint128(root.sum));
    }

    function open(bytes32 root, uint128 total) internal returns (uint256 tranche) {
        vm.prank(operator);
        tranche = ledger.openTranche(operator, address(token), root, total, signer);
    }

    function close(uint256 tranche) internal {
        vm.prank(operator);
        ledger.closeTranche(operator, tranche);
    }

    /// What the tranche still owes.
    function left(uint256 tranche) internal view returns (uint256) {
        Tranche memory t = ledger.trancheOf(operator, tranche);
        return t.total - t.paid;
    }

    function after_(uint256 time) internal {
        vm.warp(block.timestamp + time);
    }

    // ---- vouchers ----

    function voucher(uint256 tranche, address prover, uint128 amount) internal view returns (Voucher memory) {
        return Voucher(operator, tranche, prover, amount, 3, keccak256("head"));
    }

    /// Of prover `i`, in the ordinary tree.
    function claimOf(uint256 tranche, uint256 i, uint128 amount) internal view returns (Claim memory) {
        return claimIn(leaves(), tranche, i, amount);
    }

    function claimIn(Leaf[] memory all, uint256 tranche, uint256 i, uint128 amount)
        internal
        view
        returns (Claim memory c)
    {
        c.voucher = voucher(tranche, all[i].prover, amount);
        c.signature = signWith(signerKey, digest(c.voucher));
        (c.cap, c.index, c.siblings) = (all[i].cap, i, siblingsOf(all, i));
    }

    function resign(Claim memory c) internal view {
        c.signature = signWith(signerKey, digest(c.voucher));
    }

    // ---- results ----

    function testimony(uint256 key, bytes32 job, bytes32 output) internal view returns (Testimony memory) {
        return Testimony(output, signWith(key, digest(Result(operator, job, output))));
    }

    function only(PlainToken token_) internal pure returns (address[] memory tokens) {
        tokens = new address[](1);
        tokens[0] = address(token_);
    }

    function bonded(uint256 i, uint256 amount) internal {
        vm.prank(provers[i]);
        ledger.bond(address(token), amount);
    }
}
