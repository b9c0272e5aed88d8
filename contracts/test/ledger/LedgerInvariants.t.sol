// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {RevenueLedger} from "../../src/RevenueLedger.sol";
import {
    Claim,
    Result,
    Sibling,
    Testimony,
    Tranche,
    TrancheState,
    Voucher
} from "../../src/interfaces/IRevenueLedger.sol";
import {BlocklistToken, FeeToken, PlainToken} from "../mocks/Tokens.sol";
import {LedgerWords} from "./LedgerFixture.sol";

/// @notice Everything that anybody can do with the ledger, in any order: operators that lie about trees and sign what they
/// like, provers that claim, bond, leave and contradict themselves, and strangers. What each has put in and got out is kept
/// here, apart from the ledger's own books.
contract LedgerHandler is LedgerWords {
    uint256 internal constant TOKENS = 3;
    uint256 internal constant OPERATORS = 2;
    uint256 internal constant PROVERS = 4;

    struct Place {
        address operator;
        uint256 tranche;
        address prover;
        uint256 cap;
        uint256 index;
        Sibling[] siblings;
        /// The largest amount that was vouched for and submitted while claims were paid.
        uint256 vouched;
    }

    PlainToken[] public tokens;
    address[] internal operators;
    address[] internal provers;
    mapping(address => uint256) internal keyOf;

    /// What came in and what went out, by the tokens' own word.
    mapping(address token => uint256) public cameIn;
    mapping(address token => uint256) public wentOut;
    /// What an operator's fund has been given less what its tranches have paid out: never more nor less.
    mapping(address operator => mapping(address token => uint256)) public operatorsMoney;
    mapping(address prover => mapping(address token => uint256)) public bonds;
    mapping(address token => uint256) public burned;
    Place[] internal places;
    mapping(string deed => uint256) public deeds;

    constructor() {
        vm.warp(1_700_000_000);
        ledger = new RevenueLedger();
        tokens.push(new PlainToken());
        tokens.push(new FeeToken());
        tokens.push(new BlocklistToken());
        for (uint256 i; i < OPERATORS; ++i) {
            operators.push(_party(string.concat("operator ", vm.toString(i))));
        }
        for (uint256 i; i < PROVERS; ++i) {
            provers.push(_party(string.concat("prover ", vm.toString(i))));
        }
    }

    function _party(string memory name) private returns (address party) {
        uint256 key;
        (party, key) = makeAddrAndKey(name);
        keyOf[party] = key;
        for (uint256 t; t < TOKENS; ++t) {
            tokens[t].mint(party, 1e30);
            vm.prank(party);
            tokens[t].approve(address(ledger), type(uint256).max);
        }
    }

    // ---- operators ----

    function deposit(uint256 who, uint256 by, uint256 which, uint256 amount) external {
        (address operator, PlainToken token) = (operators[who % OPERATORS], tokens[which % TOKENS]);
        uint256 before = token.balanceOf(address(ledger));
        vm.prank(operators[by % OPERATORS]);
        ledger.deposit(address(token), operator, bound(amount, 0, 10_000));
        uint256 arrived = token.balanceOf(address(ledger)) - before;
        cameIn[address(token)] += arrived;
        operatorsMoney[operator][address(token)] += arrived;
        ++deeds["deposit"];
    }

    /// A tree of four places. Its maker may have hung one subtree in twice, or misstated sums.
    function openTranche(uint256 who, uint256 which, uint256 seed, uint256 lie) external {
        (address operator, address token) = (operators[who % OPERATORS], address(tokens[which % TOKENS]));
        Leaf[] memory all = new Leaf[](4);
        for (uint256 i; i < 4; ++i) {
            all[i] = Leaf(provers[(seed >> 8 * i) % PROVERS], uint128((seed >> 64 >> 16 * i) % 1000));
        }
        Node[] memory low = bottom(all);
        if (lie % 8 == 1) low[lie % 3].sum += 100;
        if (lie % 8 == 2) low[3] = low[0];
        Node[] memory high = above(low);
        if (lie % 8 == 3 && high[0].sum > 0) high[0].sum -= 1;
        if (lie % 8 == 4) high[1] = high[0];
        Node memory root = nodeOf(high[0], high[1]);
        uint128 total = uint128(root.sum);
        if (lie % 8 == 5 && total > 50) total -= 50;
        vm.prank(operator);
        (bool ok, bytes memory answer) =
            address(ledger).call(abi.encodeCall(ledger.openTranche, (operator, token, root.hash, total, operator)));
        if (!ok) return;
        uint256 tranche = abi.decode(answer, (uint256));
        for (uint256 i; i < 4; ++i) {
            Place storage place = places.push();
            (place.operator, place.tranche) = (operator, tranche);
            (place.prover, place.cap, place.index) = (all[i].prover, all[i].cap, i);
            place.siblings.push(Sibling(low[i ^ 1].hash, uint128(low[i ^ 1].sum)));
            place.siblings.push(Sibling(high[1 - i / 2].hash, uint128(high[1 - i / 2].sum)));
        }
        ++deeds["open"];
    }

    function closeTranche(uint256 which) external {
        if (places.length == 0) return;
        Place storage place = places[which % places.length];
        vm.prank(place.operator);
        try ledger.closeTranche(place.operator, place.tranche) {
            ++deeds["close"];
        } catch {}
    }

    /// Anybody tries, at any time.
    function reclaim(uint256 which) external {
        if (places.length == 0) return;
        Place storage place = places[which % places.length];
        try ledger.reclaim(place.operator, place.tranche) {
            ++deeds["reclaim"];
        } catch {}
    }

    // ---- provers ----

    /// Of an amount that the operator has signed for, true or not.
    function claim(uint256 which, uint256 amount) external {
        if (places.length == 0) return;
        Place storage place = places[which % places.length];
        amount = bound(amount, 0, 1200);
        Tranche memory t = ledger.trancheOf(place.operator, place.tranche);
        PlainToken token = PlainToken(t.token);
        uint256 before = token.balanceOf(address(ledger));
        try ledger.claim(_claim(place, uint128(amount))) returns (uint256 paid) {
            assertEq(token.balanceOf(address(ledger)), before - paid, "paid is what left");
            wentOut[t.token] += paid;
            operatorsMoney[place.operator][t.token] -= paid;
            uint256 earned = amount < place.cap ? amount : place.cap;
            if (earned > place.vouched) place.vouched = earned;
            assertGe(ledger.paidOf(place.operator, place.tranche, place.prover), earned, "paid in full");
            ++deeds[paid == 0 ? "claim again" : "claim"];
        } catch {
            ++deeds["refused"];
        }
    }

    function setPayout(uint256 who, uint256 to) external {
        vm.prank(provers[who % PROVERS]);
        ledger.setPayout(to % 3 == 0 ? address(0) : address(uint160(to % 3 + 0xabcd)));
    }

    function bond(uint256 who, uint256 which, uint256 amount) external {
        (address prover, PlainToken token) = (provers[who % PROVERS], tokens[which % TOKENS]);
        uint256 before = token.balanceOf(address(ledger));
        vm.prank(prover);
        try ledger.bond(address(token), bound(amount, 0, 5000)) {
            uint256 arrived = token.balanceOf(address(ledger)) - before;
            cameIn[address(token)] += arrived;
            bonds[prover][address(token)] += arrived;
            ++deeds["bond"];
        } catch {}
    }

    function depart(uint256 who, uint256 which) external {
        (address prover, PlainToken token) = (provers[who % PROVERS], tokens[which % TOKENS]);
        vm.startPrank(prover);
        try ledger.unbond(address(token)) {
            ++deeds["unbond"];
        } catch {}
        uint256 before = token.balanceOf(address(ledger));
        try ledger.withdrawBond(address(token), prover) returns (uint256 amount) {
            assertEq(token.balanceOf(address(ledger)), before - amount);
            wentOut[address(token)] += amount;
            bonds[prover][address(token)] -= amount;
            ++deeds["withdraw"];
        } catch {}
        vm.stopPrank();
    }

    function contradict(uint256 who, uint256 which, uint256 seldom) external {
        // Or nobody would be left to do anything else.
        if (seldom % 4 != 0) return;
        (address prover, address token) = (provers[who % PROVERS], address(tokens[which % TOKENS]));
        (uint256 amount,) = ledger.bondOf(prover, token);
        address[] memory only = new address[](1);
        only[0] = token;
        ledger.slash(operators[0], "job", _testimony(prover, "one"), _testimony(prover, "two"), only);
        wentOut[token] += amount / 10;
        burned[token] += amount - amount / 10;
        bonds[prover][token] = 0;
        ++deeds["slash"];
    }

    // ---- the world ----

    function block_(uint256 who, bool blocked) external {
        BlocklistToken(address(tokens[2])).setBlocked(provers[who % PROVERS], blocked);
    }

    function pass(uint256 time) external {
        vm.warp(block.timestamp + bound(time, 1, 10 days));
    }

    function _testimony(address prover, bytes32 output) private view returns (Testimony memory) {
        return Testimony(output, signWith(keyOf[prover], digest(Result(operators[0], "job", output))));
    }

    function _claim(Place storage place, uint128 amount) private view returns (Claim memory c) {
        c.voucher = Voucher(place.operator, place.tranche, place.prover, amount, 1, bytes32(0));
        c.signature = signWith(keyOf[place.operator], digest(c.voucher));
        (c.cap, c.index, c.siblings) = (uint128(place.cap), place.index, place.siblings);
    }

    // ---- what the invariants ask ----

    /// Never owes more than it holds, in any token: funds, tranches, bonds and what is burned are all there.
    function checkSolvency() external view {
        for (uint256 t; t < TOKENS; ++t) {
            address token = address(tokens[t]);
            uint256 owed = ledger.burned(token);
            for (uint256 i; i < OPERATORS; ++i) {
                owed += ledger.fundOf(operators[i], token) + _inTranches(operators[i], token);
            }
            for (uint256 i; i < PROVERS; ++i) {
                (uint256 amount,) = ledger.bondOf(provers[i], token);
                owed += amount;
            }
            assertEq(owed, tokens[t].balanceOf(address(ledger)), "owed is held");
            assertEq(owed, cameIn[token] - wentOut[token], "nothing came from nothing");
        }
    }

    /// An operator's money is in its fund, in its tranches, or with provers.
    function checkFunds() external view {
        for (uint256 t; t < TOKENS; ++t) {
            address token = address(tokens[t]);
            for (uint256 i; i < OPERATORS; ++i) {
                uint256 there = ledger.fundOf(operators[i], token) + _inTranches(operators[i], token);
                assertEq(there, operatorsMoney[operators[i]][token], "the operator's money");
            }
        }
    }

    function checkBonds() external view {
        for (uint256 t; t < TOKENS; ++t) {
            assertEq(ledger.burned(address(tokens[t])), burned[address(tokens[t])], "burned");
            for (uint256 i; i < PROVERS; ++i) {
                (uint256 amount,) = ledger.bondOf(provers[i], address(tokens[t]));
                assertEq(amount, bonds[provers[i]][address(tokens[t])], "bond");
            }
        }
    }

    /// Whoever can prove a place in a tranche that pays can be paid up to its cap now, whatever was paid to others.
    function checkEarmarks() external {
        for (uint256 i; i < places.length; ++i) {
            Place storage place = places[i];
            Tranche memory t = ledger.trancheOf(place.operator, place.tranche);
            uint256 paid = ledger.paidOf(place.operator, place.tranche, place.prover);
            assertGe(paid, place.vouched, "a claim was undone");
            assertLe(t.paid, t.total);
            if (t.state == TrancheState.Reclaimed || !_isProvable(place)) continue;
            assertGe(t.total - t.paid, place.cap > paid ? place.cap - paid : 0, "the earmark is gone");
        }
    }

    /// A claim of nothing says whether the place is in the tree.
    function _isProvable(Place storage place) private returns (bool ok) {
        (ok,) = address(ledger).call(abi.encodeCall(ledger.claim, (_claim(place, 0))));
    }

    function _inTranches(address operator, address token) private view returns (uint256 sum) {
        for (uint256 i; i < ledger.trancheCount(operator); ++i) {
            Tranche memory t = ledger.trancheOf(operator, i);
            if (t.token == token && t.state != TrancheState.Reclaimed) sum += t.total - t.paid;
        }
    }
}

contract LedgerInvariantsTest is LedgerWords {
    LedgerHandler private handler;

    function setUp() public {
        handler = new LedgerHandler();
        targetContract(address(handler));
        bytes4[] memory all = new bytes4[](16);
        for (uint256 i; i < 4; ++i) {
            all[i] = LedgerHandler.claim.selector;
        }
        all[4] = all[5] = LedgerHandler.deposit.selector;
        all[6] = all[7] = LedgerHandler.openTranche.selector;
        all[8] = LedgerHandler.closeTranche.selector;
        all[9] = LedgerHandler.reclaim.selector;
        all[10] = LedgerHandler.setPayout.selector;
        all[11] = LedgerHandler.bond.selector;
        all[12] = LedgerHandler.depart.selector;
        all[13] = LedgerHandler.contradict.selector;
        all[14] = LedgerHandler.block_.selector;
        all[15] = LedgerHandler.pass.selector;
        targetSelector(FuzzSelector({addr: address(handler), selectors: all}));
    }

    /// forge-config: default.invariant.runs = 12
    function invariant_HoldsWhatItOwes() public view {
        handler.checkSolvency();
    }

    /// forge-config: default.invariant.runs = 12
    function invariant_FundsGoToProversAlone() public view {
        handler.checkFunds();
    }

    /// forge-config: default.invariant.runs = 12
    function invariant_BondsAreTheirOwners() public view {
        handler.checkBonds();
    }

    /// forge-config: default.invariant.runs = 12
    function invariant_EarmarksAreDisjoint() public {
        handler.checkEarmarks();
    }

    /// One long walk, the same every time. It does all that can be done, so that those above mean something.
    function test_TheWalkReachesEveryDeed() public {
        for (uint256 i; i < 600; ++i) {
            _step(i);
        }
        string[11] memory names = [
            "deposit",
            "open",
            "close",
            "reclaim",
            "claim",
            "claim again",
            "refused",
            "bond",
            "unbond",
            "withdraw",
            "slash"
        ];
        for (uint256 i; i < names.length; ++i) {
            assertGt(handler.deeds(names[i]), 0, names[i]);
        }
        handler.checkSolvency();
        handler.checkFunds();
        handler.checkBonds();
        handler.checkEarmarks();
    }

    function _step(uint256 i) private {
        uint256 a = uint256(keccak256(abi.encode(i, "a")));
        uint256 b = uint256(keccak256(abi.encode(i, "b")));
        uint256 deed = uint256(keccak256(abi.encode(i))) % 16;
        if (deed < 4) handler.claim(a, b);
        else if (deed < 6) handler.deposit(a, a >> 8, a >> 16, b);
        else if (deed < 8) handler.openTranche(a, a >> 8, b, a >> 16);
        else if (deed < 9) handler.closeTranche(a);
        else if (deed < 10) handler.reclaim(a);
        else if (deed < 11) handler.setPayout(a, b);
        else if (deed < 12) handler.bond(a, a >> 8, b);
        else if (deed < 13) handler.depart(a, a >> 8);
        else if (deed < 14) handler.contradict(a, a >> 8, i / 100);
        else if (deed < 15) handler.block_(a, b % 2 == 0);
        else handler.pass(a);
    }
}
