// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {RevenueLedger} from "../../src/RevenueLedger.sol";
import {Claim, Receipt as WorkReceipt, Result, Sibling, Voucher} from "../../src/interfaces/IRevenueLedger.sol";
import {PlainToken} from "../mocks/Tokens.sol";
import {LedgerWords} from "../ledger/LedgerFixture.sol";

/// @notice What the ledger and Rust must agree on, in test/vectors/ledger.json: the digests of vouchers and results, the heads
/// of a chain of receipts, the names of jobs, and trees of several sizes, in which the contract pays every leaf. Each digest is
/// computed by the contract, by this repository's tests, and by forge's own EIP-712.
/// The file is checked by every test run, and written by
/// `WRITE_VECTORS=true tools/forge test --match-contract LedgerVectorsTest`.
contract LedgerVectorsTest is LedgerWords {
    string private constant FILE = "test/vectors/ledger.json";
    string private constant DOMAIN_TYPE =
        '"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}]';
    string private constant VOUCHER_TYPE =
        '"Voucher":[{"name":"operator","type":"address"},{"name":"tranche","type":"uint256"},{"name":"prover","type":"address"},{"name":"amount","type":"uint128"},{"name":"count","type":"uint64"},{"name":"head","type":"bytes32"}]';
    string private constant RESULT_TYPE =
        '"Result":[{"name":"operator","type":"address"},{"name":"job","type":"bytes32"},{"name":"output","type":"bytes32"}]';
    string private constant RECEIPT_STRUCT =
        "Receipt(bytes32 task,uint32 index,uint64 fence,address prover,bytes32 output,uint64 units,uint128 amount,bytes32 previous)";
    address private constant LEDGER = 0x1ed6E40000000000000000000000000000000712;
    uint256 private constant CHAIN_ID = 8453;

    address private _operator = makeAddr("operator of the vectors");
    address private _signer;
    uint256 private _signerKey;
    address private _prover;
    uint256 private _proverKey;
    PlainToken private _token;

    function setUp() public {
        vm.chainId(CHAIN_ID);
        deployCodeTo("RevenueLedger.sol:RevenueLedger", LEDGER);
        ledger = RevenueLedger(LEDGER);
        (_signer, _signerKey) = makeAddrAndKey("signer of the vectors");
        (_prover, _proverKey) = makeAddrAndKey("prover of the vectors");
        _token = new PlainToken();
        _token.mint(_operator, 1e30);
        vm.startPrank(_operator);
        _token.approve(LEDGER, type(uint256).max);
        ledger.deposit(address(_token), _operator, 1e30);
        vm.stopPrank();
    }

    function test_FileIsFresh() public {
        string memory text = string.concat('{"chainId":', vm.toString(CHAIN_ID));
        text = _text(text, "ledger", vm.toString(LEDGER));
        text = _text(text, "operator", vm.toString(_operator));
        text = _text(text, "signer", vm.toString(_signer));
        text = _text(text, "signerKey", vm.toString(bytes32(_signerKey)));
        text = _text(text, "proverKey", vm.toString(bytes32(_proverKey)));
        text = string.concat(text, ',\n"receipts":[\n', _receipts(), "\n]");
        text = string.concat(text, ',\n"vouchers":[\n', _voucher(0, 0, 0), ",\n", _voucher(7, 1, 5), ",\n");
        text = string.concat(text, _voucher(type(uint256).max, type(uint128).max, type(uint64).max), "\n]");
        text = string.concat(text, ',\n"results":[\n', _result(0), ",\n", _result(1), "\n]");
        uint256[6] memory sizes = [uint256(1), 2, 3, 5, 8, 13];
        for (uint256 i; i < sizes.length; ++i) {
            text = string.concat(text, i == 0 ? ',\n"trees":[\n' : ",\n", _tree(sizes[i]));
        }
        text = string.concat(text, "\n]}\n");
        if (vm.envOr("WRITE_VECTORS", false)) vm.writeFile(FILE, text);
        assertEq(vm.readFile(FILE), text, "test/vectors/ledger.json is stale");
    }

    // ---- receipts: a chain of three ----

    function _receipts() private view returns (string memory text) {
        WorkReceipt memory receipt;
        for (uint256 i; i < 3; ++i) {
            receipt.task = keccak256(abi.encode("task", i / 2));
            (receipt.index, receipt.fence) = (uint32(i), uint64(100 * i + 1));
            receipt.prover = _prover;
            receipt.output = sha256(abi.encode("result", i));
            (receipt.units, receipt.amount) = (uint64(1_000_000 * i), uint128(1e18 + i));
            bytes32 next = ledger.headOf(receipt);
            assertEq(next, head(receipt), "the receipt's hash");
            assertEq(next, vm.eip712HashStruct(RECEIPT_STRUCT, abi.encode(receipt)), "forge's hash");
            text = string.concat(text, i == 0 ? "" : ",\n", _receipt(receipt, next));
            receipt.previous = next;
        }
    }

    function _receipt(WorkReceipt memory receipt, bytes32 next) private view returns (string memory text) {
        text = string.concat('{"task":"', vm.toString(receipt.task), '"');
        text = string.concat(text, ',"index":', vm.toString(receipt.index));
        text = _text(text, "fence", vm.toString(receipt.fence));
        text = _text(text, "prover", vm.toString(receipt.prover));
        text = _text(text, "output", vm.toString(receipt.output));
        text = _text(text, "units", vm.toString(receipt.units));
        text = _text(text, "amount", vm.toString(receipt.amount));
        text = _text(text, "previous", vm.toString(receipt.previous));
        bytes32 job = ledger.jobOf(receipt.task, receipt.index, receipt.fence);
        assertEq(job, keccak256(abi.encode(receipt.task, receipt.index, receipt.fence)), "the job's name");
        text = _text(text, "job", vm.toString(job));
        return string.concat(_text(text, "head", vm.toString(next)), "}");
    }

    // ---- vouchers and results ----

    function _voucher(uint256 tranche, uint128 amount, uint64 count) private view returns (string memory text) {
        Voucher memory voucher =
            Voucher(_operator, tranche, _prover, amount, count, count == 0 ? bytes32(0) : keccak256("head"));
        text = string.concat('"operator":"', vm.toString(_operator), '"');
        text = _text(text, "tranche", vm.toString(tranche));
        text = _text(text, "prover", vm.toString(_prover));
        text = _text(text, "amount", vm.toString(amount));
        text = _text(text, "count", vm.toString(count));
        text = _text(text, "head", vm.toString(voucher.head));
        bytes32 digest_ = ledger.voucherDigestOf(voucher);
        assertEq(digest_, digest(voucher), "the voucher's digest");
        assertEq(digest_, _forges(VOUCHER_TYPE, "Voucher", text), "forge's digest");
        text = _text(string.concat("{", text), "digest", vm.toString(digest_));
        return string.concat(_text(text, "signature", vm.toString(signWith(_signerKey, digest_))), "}");
    }

    function _result(uint256 i) private view returns (string memory text) {
        Result memory result = Result(_operator, keccak256(abi.encode("job", i)), sha256(abi.encode("result", i)));
        text = string.concat('"operator":"', vm.toString(_operator), '"');
        text = _text(text, "job", vm.toString(result.job));
        text = _text(text, "output", vm.toString(result.output));
        bytes32 digest_ = ledger.resultDigestOf(result);
        assertEq(digest_, digest(result), "the result's digest");
        assertEq(digest_, _forges(RESULT_TYPE, "Result", text), "forge's digest");
        text = _text(string.concat("{", text), "digest", vm.toString(digest_));
        return string.concat(_text(text, "signature", vm.toString(signWith(_proverKey, digest_))), "}");
    }

    function _forges(string memory type_, string memory name, string memory message) private pure returns (bytes32) {
        string memory text = string.concat('{"types":{', DOMAIN_TYPE, ",", type_, '},"primaryType":"', name);
        text = string.concat(text, '","message":{', message, '},"domain":{"name":"ZKPool RevenueLedger","version":"1"');
        text = string.concat(text, ',"chainId":', vm.toString(CHAIN_ID));
        return vm.eip712HashTypedData(string.concat(_text(text, "verifyingContract", vm.toString(LEDGER)), "}}"));
    }

    // ---- trees ----

    function _tree(uint256 size) private returns (string memory text) {
        Leaf[] memory all = new Leaf[](size);
        for (uint256 i; i < size; ++i) {
            all[i] = Leaf(vm.addr(1000 + i), uint128(1e18 * (i + 1) + i));
        }
        Node memory root = rootOf(all);
        vm.prank(_operator);
        uint256 tranche = ledger.openTranche(_operator, address(_token), root.hash, uint128(root.sum), _signer);
        text = string.concat('{"root":"', vm.toString(root.hash), '"');
        text = string.concat(_text(text, "total", vm.toString(root.sum)), ',"leaves":[\n');
        for (uint256 i; i < size; ++i) {
            text = string.concat(text, i == 0 ? "" : ",\n", _leaf(all, tranche, i));
        }
        return string.concat(text, "\n]}");
    }

    function _leaf(Leaf[] memory all, uint256 tranche, uint256 i) private returns (string memory text) {
        Claim memory c;
        c.voucher = Voucher(_operator, tranche, all[i].prover, all[i].cap, 1, bytes32(0));
        c.signature = signWith(_signerKey, digest(c.voucher));
        (c.cap, c.index, c.siblings) = (all[i].cap, i, siblingsOf(all, i));
        assertEq(ledger.claim(c), all[i].cap);
        text = string.concat('{"prover":"', vm.toString(all[i].prover), '"');
        text = _text(text, "cap", vm.toString(all[i].cap));
        text = _text(text, "leaf", vm.toString(leafNode(all[i]).hash));
        for (uint256 j; j < c.siblings.length; ++j) {
            Sibling memory sibling = c.siblings[j];
            text = string.concat(text, j == 0 ? ',"siblings":[' : ",", '{"node":"', vm.toString(sibling.node), '"');
            text = string.concat(_text(text, "sum", vm.toString(sibling.sum)), "}");
        }
        return string.concat(text, c.siblings.length == 0 ? ',"siblings":[]}' : "]}");
    }

    function _text(string memory before, string memory name, string memory value) private pure returns (string memory) {
        return string.concat(before, ',"', name, '":"', value, '"');
    }
}
