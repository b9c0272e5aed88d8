// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {RevenueLedger} from "../../src/RevenueLedger.sol";
import {ZKPool} from "../../src/ZKPool.sol";
import {Call, Quote, SlotView} from "../../src/interfaces/IZKPool.sol";
import {FlippingTarget, GasBombTarget, ReentrantTarget, ReturnBombTarget} from "../mocks/Targets.sol";
import {BlocklistToken, FeeToken, HookToken, PlainToken} from "../mocks/Tokens.sol";
import {TestVerifier} from "../mocks/Verifiers.sol";
import {Digests} from "../unit/Fixture.sol";

/// @notice Who and what there is: parties, tokens of every temper, hostile targets, and a second set of books that is
/// kept from the money table of ARCHITECTURE.md alone.
abstract contract World is Digests {
    uint256 internal constant OPERATORS = 3;
    uint256 internal constant SLOTS = 2;
    uint256 internal constant TOKENS = 4;
    uint256 internal constant TARGETS = 5;

    /// A task as the books see it.
    struct Live {
        Quote quote;
        bytes32 id;
        bool isLive;
        uint256 publishedAt;
        uint256 haltedFor;
        uint256 lastHalted;
        address rescuer;
        uint32 rescuerSlot;
        uint256 rescueAt;
        bool novated;
        /// What the provers get, in basis points: of the operator when it was published, of the rescuer when it announced.
        uint256 share;
        uint256 rescuersShare;
        uint256 settlements;
    }

    /// A slot as the books see it.
    struct Backing {
        bool idle;
        uint256 collateral;
        uint256 locked;
        uint256 reserve;
        uint256 busyUntil;
        uint256 closesAt;
    }

    RevenueLedger internal ledger;
    address[] internal operators;
    address[] internal requesters;
    address[] internal tokens;
    address[] internal targets;
    address[] internal accounts;
    TestVerifier internal verifier;
    FlippingTarget internal flipping;
    ReentrantTarget internal reentrant;
    HookToken internal hookToken;
    BlocklistToken internal blocklistToken;
    address internal funder = makeAddr("funder");
    mapping(address operator => uint256) internal keyOf;

    Live[] internal tasks;
    /// Indices of those that are not settled.
    uint256[] internal live;
    /// The books.
    mapping(address token => mapping(address account => uint256)) internal owed;
    /// What is kept apart for provers in the pool.
    mapping(address token => mapping(address operator => uint256)) internal earmarked;
    /// What is held for live tasks.
    mapping(address token => uint256) internal escrow;
    mapping(address operator => mapping(address token => mapping(uint32 index => Backing))) internal backing;

    constructor() {
        vm.warp(1_700_000_000);
        ledger = new RevenueLedger();
        pool = new ZKPool(address(ledger));
        verifier = new TestVerifier();
        flipping = new FlippingTarget();
        reentrant = new ReentrantTarget();
        (hookToken, blocklistToken) = (new HookToken(), new BlocklistToken());
        tokens = [address(new PlainToken()), address(new FeeToken()), address(hookToken), address(blocklistToken)];
        targets = [
            address(flipping),
            address(reentrant),
            address(new GasBombTarget()),
            address(new ReturnBombTarget(true, 3000)),
            makeAddr("no code")
        ];
        // Whoever is called in the middle of something tries to change something, with a call that costs it nothing.
        bytes memory attack = abi.encodeCall(pool.deposit, (tokens[0], address(this), 0));
        reentrant.prepare(address(pool), attack);
        hookToken.setHook(address(pool), attack, false);

        accounts.push(address(0));
        accounts.push(pool.TARGET_CALLER());
        accounts.push(address(reentrant));
        accounts.push(funder);
        for (uint256 i; i < OPERATORS; i++) {
            (address signer, uint256 key) = makeAddrAndKey(string.concat("signer ", vm.toString(i)));
            operators.push(makeAddr(string.concat("operator ", vm.toString(i))));
            requesters.push(makeAddr(string.concat("requester ", vm.toString(i))));
            keyOf[operators[i]] = key;
            accounts.push(operators[i]);
            accounts.push(requesters[i]);
            accounts.push(signer);
            vm.prank(operators[i]);
            pool.setSigner(signer);
        }
        for (uint256 i; i < accounts.length; i++) {
            _approve(accounts[i]);
        }
        for (uint256 t; t < TOKENS; t++) {
            PlainToken(tokens[t]).mint(funder, type(uint128).max);
            for (uint256 i; i < OPERATORS; i++) {
                for (uint32 s; s < SLOTS; s++) {
                    _open(operators[i], tokens[t], s, 200_000, 2_000, address(0));
                }
            }
        }
    }

    // ---- steps that books and pool take together ----

    function _open(
        address operator,
        address token,
        uint32 index,
        uint128 collateral,
        uint128 reserve,
        address requester
    ) internal {
        _give(token, operator, uint256(collateral) + reserve);
        vm.prank(operator);
        pool.openSlot(token, index, collateral, reserve, requester);
        owed[token][operator] -= uint256(collateral) + reserve;
        Backing storage b = backing[operator][token][index];
        (b.idle, b.collateral, b.reserve, b.closesAt) = (true, collateral, reserve, type(uint40).max);
    }

    /// Lets somebody own at least `amount` inside the pool: what a fee takes away is made good beforehand.
    function _give(address token, address to, uint256 amount) internal {
        if (amount == 0) return;
        uint256 gross = amount + amount / 50 + 100;
        uint256 before = PlainToken(token).balanceOf(address(pool));
        vm.prank(funder);
        uint256 credited = pool.deposit(token, to, gross);
        assertEq(credited, PlainToken(token).balanceOf(address(pool)) - before, "credited is what arrived");
        owed[token][to] += credited;
    }

    function _approve(address account) private {
        for (uint256 t; t < TOKENS; t++) {
            vm.prank(account);
            PlainToken(tokens[t]).approve(address(pool), type(uint256).max);
        }
    }

    // ---- what is ----

    function _deadlines(Live storage task) internal view returns (uint256 proofDeadline, uint256 liabilityDeadline) {
        uint256 start = task.publishedAt + task.haltedFor;
        return (start + task.quote.terms.proofWindow, start + task.quote.terms.liabilityWindow);
    }

    /// The rescue of a task has taken effect, whether it was carried out or not.
    function _isTakenOver(Live storage task) internal view returns (bool) {
        return task.novated || (task.rescuer != address(0) && block.timestamp >= task.rescueAt);
    }

    function _home(Live storage task) internal view returns (Backing storage) {
        return backing[task.quote.terms.operator][task.quote.terms.liabilityToken][task.quote.task.slot];
    }

    function _refuge(Live storage task) internal view returns (Backing storage) {
        return backing[task.rescuer][task.quote.terms.liabilityToken][task.rescuerSlot];
    }

    function _call() internal pure returns (Call memory) {
        return Call({prefix: "call", suffix: "", doneCheck: ""});
    }

    // ---- what the invariants read ----

    function accountsLength() external view returns (uint256) {
        return accounts.length;
    }

    /// Everything that the pool owes in one token, from its own views: balances, earmarks, slots, reserves. Not what it holds
    /// for tasks.
    function bookedByThePool(address token) public view returns (uint256 sum) {
        for (uint256 i; i < accounts.length; i++) {
            sum += pool.balanceOf(token, accounts[i]);
        }
        for (uint256 i; i < OPERATORS; i++) {
            sum += pool.earmarkOf(token, operators[i]);
            for (uint32 s; s < SLOTS; s++) {
                SlotView memory view_ = pool.slotOf(operators[i], token, s);
                sum += view_.collateral + view_.honourReserve;
            }
        }
    }
}
