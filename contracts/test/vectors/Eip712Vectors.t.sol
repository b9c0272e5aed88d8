// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {RevenueLedger} from "../../src/RevenueLedger.sol";
import {ZKPool} from "../../src/ZKPool.sol";
import {Call, Quote, Task, Terms} from "../../src/interfaces/IZKPool.sol";
import {QuoteLib} from "../../src/libraries/QuoteLib.sol";
import {Digests} from "../unit/Fixture.sol";

/// @notice The digests that contracts and Rust must agree on, in test/vectors/eip712.json. Each is computed by the
/// contract, by this repository's tests (`Digests`), and by forge's own EIP-712 from the same JSON that stands in the file.
/// The file is checked by every test run, and written by
/// `WRITE_VECTORS=true tools/forge test --match-contract Eip712VectorsTest`.
contract Eip712VectorsTest is Digests {
    string private constant FILE = "test/vectors/eip712.json";
    string private constant TASK_MEMBERS =
        '[{"name":"slot","type":"uint32"},{"name":"statement","type":"bytes32"},{"name":"callHash","type":"bytes32"},{"name":"inputHash","type":"bytes32"},{"name":"salt","type":"bytes32"}]';
    string private constant TERMS_MEMBERS =
        '[{"name":"requester","type":"address"},{"name":"operator","type":"address"},{"name":"target","type":"address"},{"name":"encoder","type":"address"},{"name":"verifier","type":"address"},{"name":"callGas","type":"uint32"},{"name":"proofWindow","type":"uint32"},{"name":"liabilityWindow","type":"uint32"},{"name":"validUntil","type":"uint40"},{"name":"rewardToken","type":"address"},{"name":"reward","type":"uint128"},{"name":"advance","type":"uint128"},{"name":"liabilityToken","type":"address"},{"name":"liability","type":"uint128"},{"name":"bond","type":"uint128"},{"name":"burn","type":"uint128"},{"name":"honour","type":"uint128"}]';
    string private constant DOMAIN_MEMBERS =
        '[{"name":"name","type":"string"},{"name":"version","type":"string"},{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}]';
    uint256 private constant CHAIN_ID = 8453;

    address private _signer;
    uint256 private _key;

    function setUp() public {
        vm.chainId(CHAIN_ID);
        (_signer, _key) = makeAddrAndKey("signer of the vectors");
        pool = ZKPool(0x5aF0000000000000000000000000000000000712);
        deployCodeTo("ZKPool.sol:ZKPool", abi.encode(new RevenueLedger()), address(pool));
    }

    function test_FileIsFresh() public {
        string memory text = _value("", "chainId", vm.toString(CHAIN_ID));
        text = _text(text, "pool", vm.toString(address(pool)));
        text = _text(text, "domainSeparator", vm.toString(_domainSeparator()));
        text = string.concat("{", text, ',\n"typeHashes":{', _typeHashes(), "}");
        text = string.concat(text, ',\n"calls":[\n', _calls(), '\n],\n"quotes":[\n', _quotes());
        text = string.concat(text, '\n],\n"batches":[\n', _batches(), "\n]}\n");
        if (vm.envOr("WRITE_VECTORS", false)) vm.writeFile(FILE, text);
        assertEq(vm.readFile(FILE), text, "test/vectors/eip712.json is stale");
    }

    // ---- the vectors ----

    function _quote(uint256 kind) private pure returns (Quote memory q) {
        q.terms = Terms({
            requester: 0x1000000000000000000000000000000000000001,
            operator: 0x2000000000000000000000000000000000000002,
            target: 0x3000000000000000000000000000000000000003,
            encoder: address(0),
            verifier: 0x4000000000000000000000000000000000000004,
            callGas: 300_000,
            proofWindow: 3600,
            liabilityWindow: 7200,
            validUntil: 1_800_000_000,
            rewardToken: 0x5000000000000000000000000000000000000005,
            reward: 1_234_567_890_123_456_789,
            advance: 234_567_890_123_456_789,
            liabilityToken: 0x5000000000000000000000000000000000000005,
            liability: 34_567_890_123_456_789_012,
            bond: 567_890_123_456_789_013,
            burn: 67_890_123_456_789,
            honour: 7_890_123_456_789_014
        });
        q.task = _task(0);
        q.task.callHash = hashCall(_call(0));
        if (kind == 1) {
            // Target mode, another token, an encoder.
            q.terms.verifier = address(0);
            q.terms.encoder = 0x6000000000000000000000000000000000000006;
            q.terms.advance = 0;
            q.terms.liabilityToken = 0x7000000000000000000000000000000000000007;
            q.task.callHash = hashCall(_call(2));
        } else if (kind == 2) {
            // Everything is zero that can be.
            Quote memory zero;
            q = zero;
        } else if (kind == 3) {
            address all = address(type(uint160).max);
            q.terms = Terms({
                requester: all,
                operator: all,
                target: all,
                encoder: all,
                verifier: all,
                callGas: type(uint32).max,
                proofWindow: type(uint32).max,
                liabilityWindow: type(uint32).max,
                validUntil: type(uint40).max,
                rewardToken: all,
                reward: type(uint128).max,
                advance: type(uint128).max,
                liabilityToken: all,
                liability: type(uint128).max,
                bond: type(uint128).max,
                burn: type(uint128).max,
                honour: type(uint128).max
            });
            bytes32 word = bytes32(type(uint256).max);
            q.task = Task({slot: type(uint32).max, statement: word, callHash: word, inputHash: word, salt: word});
        }
    }

    function _task(uint32 slot) private pure returns (Task memory) {
        return Task({
            slot: slot,
            statement: keccak256(abi.encode("statement", slot)),
            callHash: keccak256(abi.encode("call", slot)),
            inputHash: keccak256(abi.encode("input", slot)),
            salt: bytes32(uint256(slot) + 1)
        });
    }

    function _call(uint256 kind) private pure returns (Call memory call) {
        if (kind == 0) call.prefix = abi.encodeWithSignature("prove(bytes)", uint256(0x20));
        if (kind == 1) {
            call.prefix = abi.encodeWithSignature("prove(uint256,bytes,bytes)", 9, 0x60, 0xc0);
            call.suffix = abi.encode(uint256(4), bytes4("note"));
        }
        if (kind == 2) {
            call.prefix = hex"00";
            call.doneCheck = abi.encodeWithSignature("isProven(uint256)", 9);
        }
    }

    // ---- hashes and digests ----

    function _domainSeparator() private view returns (bytes32) {
        bytes32 domainType =
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        return keccak256(abi.encode(domainType, keccak256("ZKPool"), keccak256("1"), CHAIN_ID, address(pool)));
    }

    function _typeHashes() private pure returns (string memory) {
        assertEq(QuoteLib.TERMS_TYPEHASH, TERMS_TYPEHASH);
        assertEq(QuoteLib.TASK_TYPEHASH, TASK_TYPEHASH);
        assertEq(QuoteLib.QUOTE_TYPEHASH, QUOTE_TYPEHASH);
        assertEq(QuoteLib.BATCH_TYPEHASH, BATCH_TYPEHASH);
        assertEq(QuoteLib.CALL_TYPEHASH, CALL_TYPEHASH);
        string memory text = _text("", "terms", vm.toString(TERMS_TYPEHASH));
        text = _text(text, "task", vm.toString(TASK_TYPEHASH));
        text = _text(text, "quote", vm.toString(QUOTE_TYPEHASH));
        text = _text(text, "quoteBatch", vm.toString(BATCH_TYPEHASH));
        return _text(text, "call", vm.toString(CALL_TYPEHASH));
    }

    /// By the library as the contract uses it.
    function callHash(Call calldata call) external pure returns (bytes32) {
        return QuoteLib.callHash(call.prefix, call.suffix, call.doneCheck);
    }

    function _calls() private view returns (string memory text) {
        for (uint256 kind; kind < 4; kind++) {
            Call memory call = _call(kind);
            bytes32 hash = this.callHash(call);
            assertEq(hash, hashCall(call), "the call's hash");
            string memory json = _text("", "prefix", vm.toString(call.prefix));
            json = _text(json, "suffix", vm.toString(call.suffix));
            json = _text(json, "doneCheck", vm.toString(call.doneCheck));
            json = _text(string.concat('{"call":{', json, "}"), "hash", vm.toString(hash));
            text = string.concat(text, kind == 0 ? "" : ",\n", json, "}");
        }
    }

    function _quotes() private view returns (string memory text) {
        for (uint256 kind; kind < 4; kind++) {
            Quote memory q = _quote(kind);
            bytes32 hash = pool.digestOf(q);
            assertEq(hash, digest(q), "the quote's digest");
            string memory json = string.concat('{"terms":', _json(q.terms), ',"task":', _json(q.task), "}");
            string memory members = '[{"name":"terms","type":"Terms"},{"name":"task","type":"Task"}]';
            assertEq(hash, vm.eip712HashTypedData(_typedData("Quote", members, json)), "forge's digest");
            json = string.concat('{"quote":', json);
            json = _text(json, "termsHash", vm.toString(hashTerms(q.terms)));
            json = _text(json, "taskHash", vm.toString(hashTask(q.task)));
            text = string.concat(text, kind == 0 ? "" : ",\n", json, ",", _signed(hash));
            text = string.concat(text, "}");
        }
    }

    function _batches() private view returns (string memory text) {
        Terms memory t = _quote(0).terms;
        for (uint256 size = 1; size <= 3; size += 2) {
            Task[] memory tasks = new Task[](size);
            string memory list;
            string memory digests;
            for (uint32 i; i < size; i++) {
                tasks[i] = _task(i * 7);
                string memory separator = i == 0 ? "" : ",";
                list = string.concat(list, separator, _json(tasks[i]));
                bytes32 id = pool.digestOf(Quote({terms: t, task: tasks[i]}));
                digests = string.concat(digests, separator, '"', vm.toString(id), '"');
            }
            bytes32 hash = pool.batchDigestOf(t, tasks);
            assertEq(hash, batchDigest(t, tasks), "the batch's digest");
            string memory json = string.concat('{"terms":', _json(t), ',"tasks":[', list, "]}");
            string memory members = '[{"name":"terms","type":"Terms"},{"name":"tasks","type":"Task[]"}]';
            assertEq(hash, vm.eip712HashTypedData(_typedData("QuoteBatch", members, json)), "forge's digest");
            text = string.concat(text, size == 1 ? "" : ",\n", '{"batch":', json, ',"taskDigests":[', digests);
            text = string.concat(text, "],", _signed(hash), "}");
        }
    }

    // ---- JSON ----

    function _signed(bytes32 hash) private view returns (string memory text) {
        text = _text("", "digest", vm.toString(hash));
        text = _text(text, "signer", vm.toString(_signer));
        text = _text(text, "signature", vm.toString(signWith(_key, hash)));
    }

    function _typedData(string memory primary, string memory members, string memory message)
        private
        view
        returns (string memory text)
    {
        string memory types = string.concat('{"EIP712Domain":', DOMAIN_MEMBERS);
        types = string.concat(types, ',"Terms":', TERMS_MEMBERS, ',"Task":', TASK_MEMBERS);
        types = string.concat(types, ',"', primary, '":', members, "}");
        text = string.concat('{"types":', types, ',"primaryType":"', primary, '","message":', message);
        text = string.concat(text, ',"domain":{"name":"ZKPool","version":"1","chainId":', vm.toString(CHAIN_ID));
        text = string.concat(text, ',"verifyingContract":"', vm.toString(address(pool)), '"}}');
    }

    function _json(Task memory task) private pure returns (string memory text) {
        text = _value("", "slot", vm.toString(task.slot));
        text = _text(text, "statement", vm.toString(task.statement));
        text = _text(text, "callHash", vm.toString(task.callHash));
        text = _text(text, "inputHash", vm.toString(task.inputHash));
        text = _text(text, "salt", vm.toString(task.salt));
        text = string.concat("{", text, "}");
    }

    function _json(Terms memory t) private pure returns (string memory text) {
        text = _text("", "requester", vm.toString(t.requester));
        text = _text(text, "operator", vm.toString(t.operator));
        text = _text(text, "target", vm.toString(t.target));
        text = _text(text, "encoder", vm.toString(t.encoder));
        text = _text(text, "verifier", vm.toString(t.verifier));
        text = _value(text, "callGas", vm.toString(t.callGas));
        text = _value(text, "proofWindow", vm.toString(t.proofWindow));
        text = _value(text, "liabilityWindow", vm.toString(t.liabilityWindow));
        text = _value(text, "validUntil", vm.toString(t.validUntil));
        text = _text(text, "rewardToken", vm.toString(t.rewardToken));
        text = _text(text, "reward", vm.toString(t.reward));
        text = _text(text, "advance", vm.toString(t.advance));
        text = _text(text, "liabilityToken", vm.toString(t.liabilityToken));
        text = _text(text, "liability", vm.toString(t.liability));
        text = _text(text, "bond", vm.toString(t.bond));
        text = _text(text, "burn", vm.toString(t.burn));
        text = _text(text, "honour", vm.toString(t.honour));
        text = string.concat("{", text, "}");
    }

    function _text(string memory before, string memory name, string memory value) private pure returns (string memory) {
        return _value(before, name, string.concat('"', value, '"'));
    }

    function _value(string memory before, string memory name, string memory value)
        private
        pure
        returns (string memory)
    {
        return string.concat(before, bytes(before).length == 0 ? "" : ",", '"', name, '":', value);
    }
}
