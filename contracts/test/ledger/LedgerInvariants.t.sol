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
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {BlocklistToken, FeeToken, PlainToken} from "../mocks/Tokens.sol";
import {LedgerWords} from "./LedgerFixture.sol";

/// @notice Everything that anybody can do with the ledger, in any order: operators that lie about trees and sign what they
/// like, provers that claim, bond, leave and contradict themselves, and strangers. What each has put in and got out is kept
/// here, apart from the ledger's own books, and says of most deeds whether they must succeed.
contract LedgerHandler is LedgerWords {
    uint256 internal constant TOKENS = 3;
    uint256 internal constant OPERATORS = 2;
    /// At first; and this many are in trees at any time, the latest that came.
    uint256 internal constant PROVERS = 4;
    uint256 internal constant PLACES = 4;

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

    struct Stake {
        uint256 amount;
        /// Zero if it stays.
        uint256 leavesAt;
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
    mapping(address prover => mapping(address token => Stake)) internal bonds;
    mapping(address prover => bool) internal slashed;
    mapping(address token => uint256) public burned;
    /// Those of one tranche follow each other.
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
            _join();
        }
    }

    function _join() private {
        provers.push(_party(string.concat("prover ", vm.toString(provers.length))));
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
        Leaf[] memory all = new Leaf[](PLACES);
        for (uint256 i; i < PLACES; ++i) {
            address prover = provers[provers.length - 1 - (seed >> 8 * i) % PROVERS];
            all[i] = Leaf(prover, uint128((seed >> 64 >> 16 * i) % 1000));
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
        (bool ok, address operator) = _openFromAFund(who, which, root.hash, total);
        if (!ok) return;
        uint256 tranche = ledger.trancheCount(operator) - 1;
        for (uint256 i; i < PLACES; ++i) {
            Place storage place = places.push();
            (place.operator, place.tranche) = (operator, tranche);
            (place.prover, place.cap, place.index) = (all[i].prover, all[i].cap, i);
            place.siblings.push(Sibling(low[i ^ 1].hash, uint128(low[i ^ 1].sum)));
            place.siblings.push(Sibling(high[1 - i / 2].hash, uint128(high[1 - i / 2].sum)));
        }
        ++deeds["open"];
    }

    /// Mostly by an operator and in a token that it has enough of.
    function _openFromAFund(uint256 who, uint256 which, bytes32 root, uint128 total)
        private
        returns (bool ok, address operator)
    {
        operator = operators[who % OPERATORS];
        address token = address(tokens[which % TOKENS]);
        for (uint256 i; i < OPERATORS * TOKENS && who % 8 != 0 && ledger.fundOf(operator, token) < total; ++i) {
            (operator, token) = (operators[i % OPERATORS], address(tokens[i / OPERATORS]));
        }
        bool expected = total != 0 && total <= ledger.fundOf(operator, token);
        vm.prank(operator);
        (ok,) = address(ledger).call(abi.encodeCall(ledger.openTranche, (operator, token, root, total, operator)));
        assertEq(ok, expected, "opened exactly if there is the money");
    }

    function closeTranche(uint256 which) external {
        if (places.length == 0) return;
        Place storage place = places[_pick(which, _isOpen)];
        bool expected = _isOpen(place);
        vm.prank(place.operator);
        (bool ok,) = address(ledger).call(abi.encodeCall(ledger.closeTranche, (place.operator, place.tranche)));
        assertEq(ok, expected, "closed exactly if open");
        if (ok) ++deeds["close"];
    }

    /// Anybody tries, at any time; sometimes patiently.
    function reclaim(uint256 which, uint256 patience) external {
        if (places.length == 0) return;
        Place storage place = places[_pick(which, _isClosing)];
        uint256 closesAt = ledger.trancheOf(place.operator, place.tranche).closesAt;
        if (_isClosing(place) && patience % 2 == 0) _waitFor(closesAt);
        bool expected = _isClosing(place) && block.timestamp >= closesAt;
        (bool ok,) = address(ledger).call(abi.encodeCall(ledger.reclaim, (place.operator, place.tranche)));
        assertEq(ok, expected, "reclaimed exactly if due");
        if (ok) ++deeds["reclaim"];
    }

    // ---- provers ----

    /// Of an amount that the operator has signed for, true or not.
    function claim(uint256 which, uint256 amount) external {
        if (places.length == 0) return;
        Place storage place = places[_pick(which, _isPaying)];
        amount = bound(amount, 0, 1200);
        PlainToken token = PlainToken(ledger.trancheOf(place.operator, place.tranche).token);
        uint256 before = token.balanceOf(address(ledger));
        try ledger.claim(_claim(place, uint128(amount))) returns (uint256 paid) {
            assertEq(token.balanceOf(address(ledger)), before - paid, "paid is what left");
            _bookClaim(place, amount, paid);
        } catch {
            ++deeds["refused"];
        }
    }

    /// Up to three: what they would be paid one after the other, or nothing.
    function claimBatch(uint256 which, uint256 amounts) external {
        if (places.length == 0) return;
        uint256 size = amounts % 3 + 1;
        uint256[] memory chosen = new uint256[](size);
        Claim[] memory batch = new Claim[](size);
        for (uint256 i; i < size; ++i) {
            chosen[i] = _pick(uint256(keccak256(abi.encode(which, i))), _isPaying);
            batch[i] = _claim(places[chosen[i]], uint128((amounts >> 8 >> 16 * i) % 1200));
        }
        (bool expected, uint256[] memory single) = _oneByOne(batch);
        try ledger.claimBatch(batch) returns (uint256[] memory paid) {
            assertTrue(expected, "paid, though one would be refused");
            assertEq(paid, single, "paid as one after the other");
            for (uint256 i; i < size; ++i) {
                _bookClaim(places[chosen[i]], batch[i].voucher.amount, paid[i]);
            }
            ++deeds["batch"];
        } catch {
            assertFalse(expected, "refused, though none would be");
            ++deeds["batch refused"];
        }
    }

    /// What would come of the claims one after the other. Nothing does.
    function _oneByOne(Claim[] memory batch) private returns (bool all, uint256[] memory paid) {
        uint256 snapshot = vm.snapshotState();
        all = true;
        paid = new uint256[](batch.length);
        for (uint256 i; i < batch.length; ++i) {
            (bool ok, bytes memory answer) = address(ledger).call(abi.encodeCall(ledger.claim, (batch[i])));
            if (ok) paid[i] = abi.decode(answer, (uint256));
            else all = false;
        }
        vm.revertToState(snapshot);
    }

    function _bookClaim(Place storage place, uint256 amount, uint256 paid) private {
        address token = ledger.trancheOf(place.operator, place.tranche).token;
        wentOut[token] += paid;
        operatorsMoney[place.operator][token] -= paid;
        uint256 earned = amount < place.cap ? amount : place.cap;
        if (earned > place.vouched) place.vouched = earned;
        assertGe(ledger.paidOf(place.operator, place.tranche, place.prover), earned, "paid in full");
        ++deeds[paid == 0 ? "claim again" : "claim"];
    }

    function setPayout(uint256 who, uint256 to) external {
        vm.prank(provers[who % provers.length]);
        ledger.setPayout(to % 3 == 0 ? address(0) : address(uint160(to % 3 + 0xabcd)));
    }

    function bond(uint256 which, uint256 amount) external {
        (address prover, PlainToken token) = _pickBond(which, _canBond);
        bool expected = !slashed[prover] && !_isBlocked(prover, token);
        uint256 before = token.balanceOf(address(ledger));
        vm.prank(prover);
        (bool ok,) = address(ledger).call(abi.encodeCall(ledger.bond, (address(token), bound(amount, 0, 5000))));
        assertEq(ok, expected, "bonded exactly if never slashed");
        if (!ok) return;
        uint256 arrived = token.balanceOf(address(ledger)) - before;
        cameIn[address(token)] += arrived;
        Stake storage stake = bonds[prover][address(token)];
        (stake.amount, stake.leavesAt) = (stake.amount + arrived, 0);
        ++deeds["bond"];
    }

    function unbond(uint256 which) external {
        (address prover, PlainToken token) = _pickBond(which, _isStaying);
        Stake storage stake = bonds[prover][address(token)];
        bool expected = stake.amount != 0 && stake.leavesAt == 0;
        vm.prank(prover);
        (bool ok,) = address(ledger).call(abi.encodeCall(ledger.unbond, (address(token))));
        assertEq(ok, expected, "announced exactly if it stays");
        if (!ok) return;
        stake.leavesAt = block.timestamp + ledger.BOND_DELAY();
        ++deeds["unbond"];
    }

    /// As soon as it can, or too early.
    function withdraw(uint256 which, uint256 patience) external {
        (address prover, PlainToken token) = _pickBond(which, _isLeaving);
        Stake memory stake = bonds[prover][address(token)];
        if (patience % 2 == 0) _waitFor(stake.leavesAt);
        bool expected =
            !slashed[prover] && stake.leavesAt != 0 && block.timestamp >= stake.leavesAt && !_isBlocked(prover, token);
        uint256 before = token.balanceOf(address(ledger));
        vm.prank(prover);
        (bool ok,) = address(ledger).call(abi.encodeCall(ledger.withdrawBond, (address(token), prover)));
        assertEq(ok, expected, "withdrawn exactly if its notice is over");
        if (!ok) return;
        assertEq(token.balanceOf(address(ledger)), before - stake.amount, "all of it");
        wentOut[address(token)] += stake.amount;
        delete bonds[prover][address(token)];
        ++deeds["withdraw"];
    }

    /// Seldom, and somebody else comes for whoever is slashed, or nobody would be left to do anything.
    function contradict(uint256 which, uint256 seldom) external {
        if (seldom % 4 == 0) return;
        (address prover, PlainToken token) = _pickBond(which, _isBonded);
        uint256 amount = bonds[prover][address(token)].amount;
        address[] memory only = new address[](1);
        only[0] = address(token);
        ledger.slash(operators[0], "job", _testimony(prover, "one"), _testimony(prover, "two"), only);
        wentOut[address(token)] += amount / 10;
        burned[address(token)] += amount - amount / 10;
        delete bonds[prover][address(token)];
        if (!slashed[prover]) _join();
        slashed[prover] = true;
        ++deeds[amount == 0 ? "slash of nothing" : "slash"];
    }

    // ---- the world ----

    function block_(uint256 who, uint256 blocked) external {
        BlocklistToken(address(tokens[2])).setBlocked(provers[who % provers.length], blocked % 2 == 0);
    }

    function pass(uint256 time) external {
        vm.warp(block.timestamp + bound(time, 1, 10 days));
    }

    function _waitFor(uint256 time) private {
        if (block.timestamp < time) vm.warp(time);
    }

    // ---- what a deed can be done to ----

    /// Mostly a place to which the deed can be done, if there is one; sometimes whichever.
    function _pick(uint256 which, function(Place storage) view returns (bool) fits) private view returns (uint256) {
        uint256 from = which / 8;
        for (uint256 i; i < places.length && which % 8 != 0; ++i) {
            uint256 index = (from + i) % places.length;
            if (fits(places[index])) return index;
        }
        return from % places.length;
    }

    function _isOpen(Place storage place) private view returns (bool) {
        return ledger.trancheOf(place.operator, place.tranche).state == TrancheState.Open;
    }

    function _isClosing(Place storage place) private view returns (bool) {
        return ledger.trancheOf(place.operator, place.tranche).state == TrancheState.Closing;
    }

    function _isPaying(Place storage place) private view returns (bool) {
        return _isOpen(place) || _isClosing(place);
    }

    /// As `_pick`: whose bond, and in which token.
    function _pickBond(uint256 which, function(address, address) view returns (bool) fits)
        private
        view
        returns (address prover, PlainToken token)
    {
        uint256 from = which / 8;
        for (uint256 i; i < provers.length * TOKENS; ++i) {
            uint256 index = (from + i) % (provers.length * TOKENS);
            (prover, token) = (provers[index / TOKENS], tokens[index % TOKENS]);
            if (which % 8 == 0 || fits(prover, address(token))) break;
        }
    }

    function _canBond(address prover, address) private view returns (bool) {
        return !slashed[prover];
    }

    function _isBonded(address prover, address token) private view returns (bool) {
        return bonds[prover][token].amount != 0;
    }

    function _isStaying(address prover, address token) private view returns (bool) {
        return !slashed[prover] && _isBonded(prover, token) && bonds[prover][token].leavesAt == 0;
    }

    function _isLeaving(address prover, address token) private view returns (bool) {
        return !slashed[prover] && bonds[prover][token].leavesAt != 0;
    }

    function _isBlocked(address prover, PlainToken token) private view returns (bool) {
        return token == tokens[2] && BlocklistToken(address(token)).blocked(prover);
    }

    // ---- signatures ----

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
            for (uint256 i; i < provers.length; ++i) {
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
        for (uint256 i; i < provers.length; ++i) {
            assertEq(ledger.isSlashed(provers[i]), slashed[provers[i]], "slashed");
        }
        for (uint256 t; t < TOKENS; ++t) {
            address token = address(tokens[t]);
            assertEq(ledger.burned(token), burned[token], "burned");
            for (uint256 i; i < provers.length; ++i) {
                (uint256 amount, uint256 leavesAt) = ledger.bondOf(provers[i], token);
                assertEq(amount, bonds[provers[i]][token].amount, "bond");
                assertEq(leavesAt, bonds[provers[i]][token].leavesAt, "leavesAt");
            }
        }
    }

    /// All who can prove a place in a tranche that pays can be paid up to their caps now, each whatever is paid to the others.
    function checkEarmarks() external {
        for (uint256 first; first < places.length; first += PLACES) {
            Tranche memory t = ledger.trancheOf(places[first].operator, places[first].tranche);
            assertLe(t.paid, t.total);
            uint256 due;
            for (uint256 i; i < PLACES; ++i) {
                due += _isRepeated(first, i) ? 0 : _dueTo(first, places[first + i].prover);
            }
            if (t.state != TrancheState.Reclaimed) assertLe(due, t.total - t.paid, "promised twice");
        }
    }

    function _isRepeated(uint256 first, uint256 i) private view returns (bool) {
        for (uint256 j; j < i; ++j) {
            if (places[first + j].prover == places[first + i].prover) return true;
        }
        return false;
    }

    /// What a prover can still claim in the tranche whose places begin at `first`: up to the largest of its caps.
    function _dueTo(uint256 first, address prover) private returns (uint256 due) {
        for (uint256 i = first; i < first + PLACES; ++i) {
            Place storage place = places[i];
            if (place.prover != prover) continue;
            uint256 paid = ledger.paidOf(place.operator, place.tranche, prover);
            assertGe(paid, place.vouched, "a claim was undone");
            if (place.cap > paid + due && _isProvable(place)) due = place.cap - paid;
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
        targetSelector(FuzzSelector({addr: address(handler), selectors: _deeds()}));
    }

    /// Deeds that lead anywhere stand more often than those that only disturb.
    function _deeds() private pure returns (bytes4[] memory all) {
        all = new bytes4[](24);
        all[0] = all[1] = all[2] = all[3] = LedgerHandler.claim.selector;
        all[4] = all[5] = LedgerHandler.claimBatch.selector;
        all[6] = all[7] = LedgerHandler.deposit.selector;
        all[8] = all[9] = all[10] = LedgerHandler.openTranche.selector;
        all[11] = LedgerHandler.closeTranche.selector;
        all[12] = LedgerHandler.reclaim.selector;
        all[13] = all[14] = LedgerHandler.bond.selector;
        all[15] = all[16] = LedgerHandler.unbond.selector;
        all[17] = all[18] = all[19] = LedgerHandler.withdraw.selector;
        all[20] = LedgerHandler.contradict.selector;
        all[21] = LedgerHandler.setPayout.selector;
        all[22] = LedgerHandler.block_.selector;
        all[23] = LedgerHandler.pass.selector;
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

    /// One long walk, the same every time. It does all that can be done, and often, so that those above mean something.
    function test_TheWalkReachesEveryDeed() public {
        bytes4[] memory all = _deeds();
        for (uint256 i; i < 1000; ++i) {
            bytes32 seed = keccak256(abi.encode("a walk", i));
            bytes32[4] memory arguments;
            for (uint256 j; j < 4; ++j) {
                arguments[j] = keccak256(abi.encode(seed, j));
            }
            // Every deed takes as many of them as it has use for.
            Address.functionCall(address(handler), bytes.concat(all[uint256(seed) % all.length], abi.encode(arguments)));
        }
        string[13] memory names = [
            "deposit",
            "open",
            "close",
            "reclaim",
            "claim",
            "claim again",
            "refused",
            "batch",
            "batch refused",
            "bond",
            "unbond",
            "withdraw",
            "slash"
        ];
        for (uint256 i; i < names.length; ++i) {
            emit log_named_uint(names[i], handler.deeds(names[i]));
            assertGe(handler.deeds(names[i]), 10, names[i]);
        }
        handler.checkSolvency();
        handler.checkFunds();
        handler.checkBonds();
        handler.checkEarmarks();
    }
}
