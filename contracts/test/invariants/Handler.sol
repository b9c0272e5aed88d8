// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Quote, SlotState, SlotView, Task, Terms} from "../../src/interfaces/IZKPool.sol";
import {PlainToken} from "../mocks/Tokens.sol";
import {TestVerifier} from "../mocks/Verifiers.sol";
import {World} from "./World.sol";

/// @notice Everything that anybody can do, in any order, with whatever arguments. Each deed is predicted from the books:
/// it must succeed exactly when they say so, and move exactly the money that they say.
contract Handler is World {
    /// How often each outcome came about, so that it can be seen that the walk reaches all of them.
    mapping(bytes32 deed => uint256) public count;
    uint256 public sinkSeen;
    bool public sinkShrank;
    uint256 private _salt;

    /// After every deed: nothing was created or destroyed, no callback got in, the sink did not shrink.
    modifier balanced() {
        _;
        uint256 sink;
        for (uint256 t; t < TOKENS; t++) {
            uint256 owing = bookedByThePool(tokens[t]) + escrow[tokens[t]];
            assertEq(PlainToken(tokens[t]).balanceOf(address(pool)), owing, "money out of nothing");
            sink += pool.balanceOf(tokens[t], address(0));
        }
        if (sink < sinkSeen) sinkShrank = true;
        sinkSeen = sink;
        assertFalse(hookToken.lastSuccess(), "a token got in");
        assertFalse(reentrant.succeeded(), "a target got in");
    }

    // ---- publication ----

    function publish(uint256 who, uint256 what, uint256 how, bool fromWallet) external balanced {
        Quote memory q = _quote(who, what, how);
        if (what % 4 != 0) _seekAvailable(q);
        address dedicatedTo = pool.slotOf(q.terms.operator, q.terms.liabilityToken, q.task.slot).dedicatedTo;
        if (dedicatedTo != address(0)) q.terms.requester = dedicatedTo;
        address payer = requesters[how % requesters.length];
        _pay(q.terms, payer, fromWallet);

        bytes memory signature = signWith(keyOf[q.terms.operator], digest(q));
        bool available = _isAvailable(q);
        bool backed = pool.isBacked(q, signature);
        vm.prank(payer);
        (bytes32 id, bool accepted) = pool.publish(q, signature);
        assertEq(accepted, available, "accepted exactly if available");
        assertEq(id, digest(q));
        if (backed) assertTrue(accepted, "backed, but not accepted");

        owed[q.terms.rewardToken][payer] -= q.terms.reward;
        if (accepted) _bookAccepted(q, id);
        else _bookDishonoured(q, dedicatedTo == address(0));
        // Once.
        vm.prank(payer);
        (bool again,) = address(pool).call(abi.encodeCall(pool.publish, (q, signature)));
        assertFalse(again, "published twice");
    }

    /// Mostly a slot that can take it, if there is one: breaches come about by themselves.
    function _seekAvailable(Quote memory q) private view {
        for (uint256 i; i < OPERATORS * SLOTS && !_isAvailable(q); i++) {
            q.terms.operator = operators[i % OPERATORS];
            q.task.slot = uint32(i / OPERATORS);
        }
    }

    function _pay(Terms memory t, address payer, bool fromWallet) private {
        if (!fromWallet || t.rewardToken != tokens[0]) return _give(t.rewardToken, payer, t.reward);
        // The whole of it from the wallet: the balance is set aside.
        vm.prank(payer);
        pool.withdraw(t.rewardToken, payer, payer, owed[t.rewardToken][payer]);
        PlainToken(t.rewardToken).mint(payer, t.reward);
        owed[t.rewardToken][payer] = t.reward;
    }

    function _isAvailable(Quote memory q) private view returns (bool) {
        Backing storage b = backing[q.terms.operator][q.terms.liabilityToken][q.task.slot];
        (,,, bool frozen) = pool.signerOf(q.terms.operator);
        return !frozen && b.idle && block.timestamp > b.busyUntil && block.timestamp < b.closesAt
            && b.collateral >= _lock(q.terms);
    }

    function _bookAccepted(Quote memory q, bytes32 id) private {
        Backing storage b = backing[q.terms.operator][q.terms.liabilityToken][q.task.slot];
        owed[q.terms.rewardToken][q.terms.operator] += q.terms.advance;
        escrow[q.terms.rewardToken] += q.terms.reward - q.terms.advance;
        (b.idle, b.locked, b.busyUntil) = (false, _lock(q.terms), q.terms.validUntil);
        live.push(tasks.length);
        Live storage task = tasks.push();
        task.quote = q;
        task.id = id;
        task.isLive = true;
        task.publishedAt = block.timestamp;
        (task.share,,) = pool.shareOf(q.terms.operator);
        count["accepted"]++;
    }

    function _bookDishonoured(Quote memory q, bool shared) private {
        Backing storage b = backing[q.terms.operator][q.terms.liabilityToken][q.task.slot];
        uint256 honour = q.terms.honour < b.reserve ? q.terms.honour : b.reserve;
        uint256 burned = shared ? honour / 2 : 0;
        b.reserve -= honour;
        b.busyUntil = block.timestamp + pool.MAX_VALIDITY();
        owed[q.terms.rewardToken][q.terms.requester] += q.terms.reward;
        owed[q.terms.liabilityToken][q.terms.requester] += honour - burned;
        owed[q.terms.liabilityToken][address(0)] += burned;
        count["dishonoured"]++;
    }

    function _lock(Terms memory t) private pure returns (uint256) {
        return uint256(t.liability) + t.burn + t.bond + t.advance;
    }

    // ---- delivery ----

    function prove(uint256 which, bool wrongProof, bool byOwner) external balanced {
        if (tasks.length == 0) return;
        Live storage task = _pick(which, _isWithOriginal);
        Quote memory q = task.quote;
        (uint256 proofDeadline,) = _deadlines(task);
        bool expected = _isWithOriginal(task) && _isDeliverable(q.terms, wrongProof);
        vm.prank(byOwner ? q.terms.operator : vm.addr(keyOf[q.terms.operator]));
        (bool ok,) = address(pool).call(abi.encodeCall(pool.prove, (q, _call(), _proof(q, wrongProof))));
        assertEq(ok, expected, "proven exactly if deliverable");
        if (!ok) return;

        uint256 lost;
        if (block.timestamp > proofDeadline) {
            lost = q.terms.bond - q.terms.bond / 2;
            count["late"]++;
        } else {
            count["on time"]++;
        }
        owed[q.terms.liabilityToken][q.terms.requester] += lost;
        _bookEarned(q.terms, q.terms.operator, q.terms.reward - q.terms.advance, task.share);
        if (task.rescuer != address(0)) _free(_refuge(task), 0);
        _free(_home(task), lost);
        _settled(task);
    }

    function proveRescued(uint256 which, bool wrongProof, bool byOwner) external balanced {
        if (tasks.length == 0) return;
        Live storage task = _pick(which, _isWithRescuer);
        if (task.rescuer == address(0)) return;
        Quote memory q = task.quote;
        bool expected = _isWithRescuer(task) && _isDeliverable(q.terms, wrongProof);
        vm.prank(byOwner ? task.rescuer : vm.addr(keyOf[task.rescuer]));
        bytes memory proof = _proof(q, wrongProof);
        bytes memory data = abi.encodeCall(pool.proveRescued, (q, task.rescuer, task.rescuerSlot, _call(), proof));
        (bool ok,) = address(pool).call(data);
        assertEq(ok, expected, "rescue proven exactly if deliverable");
        if (!ok) return;

        _novated(task);
        _bookEarned(q.terms, task.rescuer, q.terms.reward, task.rescuersShare);
        owed[q.terms.liabilityToken][task.rescuer] += q.terms.bond / 2;
        escrow[q.terms.liabilityToken] -= q.terms.bond / 2;
        _free(_refuge(task), 0);
        _settled(task);
        count["rescued"]++;
    }

    function _bookEarned(Terms memory t, address deliverer, uint256 earned, uint256 share) private {
        uint256 earmark = uint256(t.reward) * share / 10_000;
        if (earmark > earned) earmark = earned;
        owed[t.rewardToken][deliverer] += earned - earmark;
        earmarked[t.rewardToken][deliverer] += earmark;
        escrow[t.rewardToken] -= earned;
        if (earmark != 0) count["earmarked"]++;
    }

    // ---- lateness ----

    function rescue(uint256 which, uint256 who, uint256 index, bool byOwner) external balanced {
        if (tasks.length == 0) return;
        Live storage task = _pick(which, _isRescuable);
        address rescuer = operators[who % OPERATORS];
        uint32 slot = uint32(index % SLOTS);
        if (which % 4 != 0) {
            // Mostly by somebody who can.
            for (uint256 i; i < OPERATORS * SLOTS; i++) {
                if (_canRescue(task.quote.terms, rescuer, slot, byOwner)) break;
                (rescuer, slot) = (operators[i % OPERATORS], uint32(i / OPERATORS));
            }
        }
        bool expected = _isRescuable(task) && _canRescue(task.quote.terms, rescuer, slot, byOwner);
        vm.prank(byOwner ? rescuer : vm.addr(keyOf[rescuer]));
        (bool ok,) = address(pool).call(abi.encodeCall(pool.rescue, (task.quote, rescuer, slot)));
        assertEq(ok, expected, "rescue announced exactly if possible");
        if (!ok) return;

        Terms memory t = task.quote.terms;
        (task.rescuer, task.rescuerSlot, task.rescueAt) = (rescuer, slot, block.timestamp + _grace(t));
        (task.rescuersShare,,) = pool.shareOf(rescuer);
        Backing storage b = _refuge(task);
        (b.idle, b.locked) = (false, uint256(t.liability) + t.burn);
        count["announced"]++;
    }

    function _isRescuable(Live storage task) private view returns (bool) {
        (uint256 proofDeadline, uint256 liabilityDeadline) = _deadlines(task);
        return task.isLive && task.rescuer == address(0) && block.timestamp > proofDeadline
            && block.timestamp + _grace(task.quote.terms) <= liabilityDeadline;
    }

    function _canRescue(Terms memory t, address rescuer, uint32 slot, bool byOwner) private view returns (bool) {
        Backing storage b = backing[rescuer][t.liabilityToken][slot];
        (,,, bool frozen) = pool.signerOf(rescuer);
        return b.idle && block.timestamp > b.busyUntil && block.timestamp < b.closesAt
            && b.collateral >= uint256(t.liability) + t.burn
            && pool.slotOf(rescuer, t.liabilityToken, slot).dedicatedTo == address(0) && (byOwner || !frozen);
    }

    function _grace(Terms memory t) private pure returns (uint256) {
        return (t.liabilityWindow - t.proofWindow) / 4;
    }

    function novate(uint256 which) external balanced {
        if (tasks.length == 0) return;
        Live storage task = _pick(which, _isToBeNovated);
        bool expected = _isToBeNovated(task);
        (bool ok,) = address(pool).call(abi.encodeCall(pool.novate, (task.quote)));
        assertEq(ok, expected, "novated exactly if due");
        if (!ok) return;
        _novated(task);
        count["novated"]++;
    }

    function collect(uint256 which) external balanced {
        if (tasks.length == 0) return;
        Live storage task = _pick(which, _isLost);
        Terms memory t = task.quote.terms;
        bool expected = _isLost(task);
        (bool ok,) = address(pool).call(abi.encodeCall(pool.collect, (task.quote)));
        assertEq(ok, expected, "collected exactly if lost");
        if (!ok) return;

        bool rescued = task.rescuer != address(0);
        owed[t.rewardToken][t.requester] += t.reward;
        owed[t.liabilityToken][t.requester] += t.liability;
        owed[t.liabilityToken][address(0)] += t.burn;
        if (rescued) {
            _novated(task);
            escrow[t.rewardToken] -= t.reward;
            escrow[t.liabilityToken] -= t.bond / 2;
            owed[t.liabilityToken][t.requester] += t.bond / 2;
            _free(_refuge(task), uint256(t.liability) + t.burn);
            count["rescuer defaulted"]++;
        } else {
            escrow[t.rewardToken] -= t.reward - t.advance;
            owed[t.liabilityToken][t.requester] += t.bond;
            _free(_home(task), _lock(t));
            count["defaulted"]++;
        }
        _settled(task);
    }

    // ---- halts ----

    function observeHalt(uint256 which, uint256 times, uint256 pause) external balanced {
        if (tasks.length == 0) return;
        Live storage task = _pick(which, _isRunning);
        times = times % 3 + 1;
        for (uint256 i; i < times; i++) {
            _observe(task);
            vm.warp(block.timestamp + pause % 200);
        }
    }

    /// A verifier that is down for a week, watched all the time, and what comes of it.
    function haltToTheCap(uint256 which, bool thenUnwind) external balanced {
        if (tasks.length == 0 || which % 3 == 0) return;
        Live storage task = _pick(which / 3, which % 3 == 1 ? _isHaltable : _isHaltableAndAnnounced);
        if (!_isHaltable(task)) return;
        verifier.setHalt(TestVerifier.Halt.Halted);
        for (uint256 i; i <= 168; i++) {
            _observe(task);
            vm.warp(block.timestamp + pool.MAX_OBSERVATION_GAP());
        }
        if (thenUnwind) _unwind(task);
    }

    function unwind(uint256 which) external balanced {
        if (tasks.length == 0) return;
        _unwind(_pick(which, _isToBeUnwound));
    }

    // ---- operators ----

    function changeSlot(uint256 who, uint256 what, uint256 index, uint256 amount) external balanced {
        address operator = operators[who % OPERATORS];
        address token = tokens[index % TOKENS];
        uint32 slot = uint32(index / TOKENS % SLOTS);
        Backing storage b = backing[operator][token][slot];
        bool open = block.timestamp < b.closesAt;
        uint128 money = uint128(amount % 100_000);
        what = what % 12;
        if (what < 4) {
            // Topped up by somebody else, while it is open.
            _give(token, funder, uint256(money) * 2);
            vm.prank(funder);
            (bool ok,) = address(pool).call(abi.encodeCall(pool.topUpSlot, (operator, token, slot, money, money)));
            assertEq(ok, open, "topped up exactly if open");
            if (!ok) return;
            owed[token][funder] -= uint256(money) * 2;
            b.collateral += money;
            b.reserve += money;
        } else if (what == 4) {
            vm.prank(operator);
            (bool ok,) = address(pool).call(abi.encodeCall(pool.closeSlot, (token, slot)));
            assertEq(ok, b.closesAt == type(uint40).max, "closed exactly once");
            if (ok) b.closesAt = block.timestamp + pool.CHANGE_DELAY();
        } else if (what == 5 || what == 6) {
            address requester = what == 5 ? requesters[amount % requesters.length] : address(0);
            vm.prank(operator);
            (bool ok,) = address(pool).call(abi.encodeCall(pool.dedicateSlot, (token, slot, requester)));
            assertEq(ok, open, "dedicated exactly if open");
        } else if (what < 9) {
            vm.prank(operator);
            (bool ok,) = address(pool).call(abi.encodeCall(pool.emptySlot, (token, slot)));
            assertEq(ok, !open && b.idle, "emptied exactly if closed and idle");
            if (!ok) return;
            owed[token][operator] += b.collateral + b.reserve;
            (b.collateral, b.reserve) = (0, 0);
            count["emptied"]++;
        } else if (!open && b.idle && b.collateral == 0 && b.reserve == 0) {
            _open(operator, token, slot, money * 4, money / 10, address(0));
            count["reopened"]++;
        }
    }

    function changeSigner(uint256 who, uint256 what) external balanced {
        address operator = operators[who % OPERATORS];
        if (what % 5 == 0) {
            vm.prank(vm.addr(keyOf[operator]));
            pool.freeze(operator);
        } else {
            // The same key again: it ends a freeze after a while and keeps the books simple.
            vm.prank(operator);
            pool.setSigner(vm.addr(keyOf[operator]));
        }
    }

    function changeShare(uint256 who, uint256 share) external balanced {
        vm.prank(operators[who % OPERATORS]);
        pool.setShare(uint16(share % 201 * 50));
    }

    // ---- balances ----

    /// By anyone: all of it, and nothing else.
    function sweep(uint256 who, uint256 which) external balanced {
        (address operator, address token) = (operators[who % OPERATORS], tokens[which % TOKENS]);
        uint256 before = PlainToken(token).balanceOf(address(pool));
        ledger.sweep(address(pool), token, operator);
        assertEq(PlainToken(token).balanceOf(address(pool)), before - earmarked[token][operator], "swept");
        if (earmarked[token][operator] != 0) count["swept"]++;
        earmarked[token][operator] = 0;
    }

    function withdraw(uint256 who, uint256 which, uint256 amount, uint256 to) external balanced {
        address token = tokens[which % TOKENS];
        address owner = accounts[who % accounts.length];
        address receiver = requesters[to % requesters.length];
        amount = bound(amount, 0, owed[token][owner] + 1);
        bool expected = owner != address(0) && amount <= owed[token][owner]
            && (token != address(blocklistToken) || !blocklistToken.blocked(receiver));
        uint256 before = PlainToken(token).balanceOf(receiver);
        uint256 poolBefore = PlainToken(token).balanceOf(address(pool));
        vm.prank(owner == address(0) ? receiver : owner);
        (bool ok,) = address(pool).call(abi.encodeCall(pool.withdraw, (token, owner, receiver, amount)));
        assertEq(ok, expected, "withdrawn exactly if owned");
        if (!ok) return;
        count["withdrawn"]++;
        owed[token][owner] -= amount;
        assertEq(PlainToken(token).balanceOf(address(pool)), poolBefore - amount);
        assertGe(PlainToken(token).balanceOf(receiver), before + amount - amount / 100);
    }

    /// Somebody else's money.
    function steal(uint256 who, uint256 whose, uint256 which, uint256 amount) external balanced {
        address thief = accounts[who % accounts.length];
        address owner = accounts[whose % accounts.length];
        if (thief == owner || thief == address(0)) return;
        amount = bound(amount, 0, 1_000_000);
        vm.prank(thief);
        (bool ok,) = address(pool).call(abi.encodeCall(pool.withdraw, (tokens[which % TOKENS], owner, thief, amount)));
        assertFalse(ok, "stolen");
    }

    // ---- the world turns ----

    function turn(uint256 what, uint256 how) external {
        what = what % 5;
        if (what == 0) flipping.setReverting(how % 3 == 0);
        // Honest more often than not, or nothing would ever be delivered.
        if (what == 1) verifier.setVerify(TestVerifier.Verify(how % 3 == 0 ? how % 8 : 0));
        if (what == 2) verifier.setHalt(TestVerifier.Halt(how % 3 == 0 ? how % 9 : how % 2));
        if (what == 3) blocklistToken.setBlocked(requesters[how % requesters.length], how % 2 == 0);
        if (what == 4) {
            hookToken.setHook(address(pool), abi.encodeCall(pool.deposit, (tokens[0], address(this), 0)), how % 2 == 0);
        }
    }

    function pass(uint256 time) external {
        vm.warp(block.timestamp + bound(time, 1, 400));
    }

    // ---- what the invariants ask ----

    function checkSolvency() external view {
        for (uint256 t; t < TOKENS; t++) {
            uint256 there = PlainToken(tokens[t]).balanceOf(address(pool));
            assertEq(there, bookedByThePool(tokens[t]) + escrow[tokens[t]]);
            uint256 sum = escrow[tokens[t]];
            for (uint256 i; i < accounts.length; i++) {
                sum += owed[tokens[t]][accounts[i]] + earmarked[tokens[t]][accounts[i]];
            }
            for (uint256 i; i < OPERATORS; i++) {
                for (uint32 s; s < SLOTS; s++) {
                    sum += backing[operators[i]][tokens[t]][s].collateral + backing[operators[i]][tokens[t]][s].reserve;
                }
            }
            assertEq(there, sum, "the books");
        }
    }

    function checkBooks() external view {
        for (uint256 t; t < TOKENS; t++) {
            for (uint256 i; i < accounts.length; i++) {
                assertEq(pool.balanceOf(tokens[t], accounts[i]), owed[tokens[t]][accounts[i]], "balance");
                assertEq(pool.earmarkOf(tokens[t], accounts[i]), earmarked[tokens[t]][accounts[i]], "earmark");
            }
            for (uint256 i; i < OPERATORS; i++) {
                for (uint32 s; s < SLOTS; s++) {
                    SlotView memory v = pool.slotOf(operators[i], tokens[t], s);
                    Backing storage b = backing[operators[i]][tokens[t]][s];
                    assertEq(v.collateral, b.collateral, "collateral");
                    assertEq(v.honourReserve, b.reserve, "reserve");
                    assertEq(v.state == SlotState.Idle, b.idle, "state");
                    // What is over is over: a slot need not remember until when it once was busy.
                    if (v.busyUntil >= block.timestamp || b.busyUntil >= block.timestamp) {
                        assertEq(v.busyUntil, b.busyUntil, "busyUntil");
                    }
                    assertEq(v.closesAt, b.closesAt, "closesAt");
                }
            }
        }
    }

    function checkLocks() external view {
        for (uint256 t; t < TOKENS; t++) {
            for (uint256 i; i < OPERATORS; i++) {
                for (uint32 s; s < SLOTS; s++) {
                    uint256 locked = backing[operators[i]][tokens[t]][s].locked;
                    assertGe(pool.slotOf(operators[i], tokens[t], s).collateral, locked, "locked collateral left");
                }
            }
        }
    }

    /// Live tasks can be found where they should be; settled ones nowhere, and nothing settles them again.
    function checkTasks() external {
        for (uint256 i; i < tasks.length; i++) {
            Live storage task = tasks[i];
            assertEq(task.settlements, task.isLive ? 0 : 1, "settled once");
            (bool found, bytes memory answer) = address(pool).staticcall(abi.encodeCall(pool.liveTask, (task.quote)));
            assertEq(found, task.isLive, "live");
            if (!found) {
                _mustFail(abi.encodeCall(pool.collect, (task.quote)));
                _mustFail(abi.encodeCall(pool.novate, (task.quote)));
                _mustFail(abi.encodeCall(pool.unwind, (task.quote)));
                _mustFail(abi.encodeCall(pool.observeHalt, (task.quote)));
                continue;
            }
            (uint256 proofDeadline, uint256 liabilityDeadline) = _deadlines(task);
            (uint256 a, uint256 b, address rescuer, uint32 index, uint256 rescueAt, bool novated) =
                abi.decode(answer, (uint256, uint256, address, uint32, uint256, bool));
            assertEq(a, proofDeadline, "proof deadline");
            assertEq(b, liabilityDeadline, "liability deadline");
            assertEq(rescuer, task.rescuer, "rescuer");
            assertEq(index, task.rescuerSlot, "the rescuer's slot");
            assertEq(rescueAt, task.rescueAt, "rescueAt");
            assertEq(novated, task.novated, "novated");
        }
    }

    /// Whoever is called by the pool's hand owns nothing, inside and outside.
    function checkTargetCaller() external view {
        address hand = pool.TARGET_CALLER();
        for (uint256 t; t < TOKENS; t++) {
            assertEq(PlainToken(tokens[t]).balanceOf(hand), 0);
            assertEq(PlainToken(tokens[t]).allowance(address(pool), hand), 0);
        }
        for (uint256 i; i < accounts.length; i++) {
            assertFalse(pool.isAuthorized(accounts[i], hand));
        }
    }

    // ---- helpers ----

    function _quote(uint256 who, uint256 what, uint256 how) private returns (Quote memory q) {
        Terms memory t = q.terms;
        t.operator = operators[who % OPERATORS];
        t.requester = requesters[who / OPERATORS % requesters.length];
        t.target = targets[what % TARGETS];
        t.verifier = what / 8 % 4 == 0 ? address(0) : address(verifier);
        t.callGas = 200_000;
        t.proofWindow = uint32(bound(uint256(keccak256(abi.encode(what, "proof"))), 1, 2000));
        t.liabilityWindow = t.proofWindow + uint32(bound(uint256(keccak256(abi.encode(what, "liability"))), 0, 6000));
        t.validUntil = uint40(block.timestamp + how % (pool.MAX_VALIDITY() + 1));
        t.rewardToken = tokens[how % TOKENS];
        t.liabilityToken = how / 4 % 3 == 0 ? tokens[how / 12 % TOKENS] : t.rewardToken;
        t.reward = uint128(uint256(keccak256(abi.encode(how, "reward"))) % 10_000);
        if (t.rewardToken == t.liabilityToken) {
            t.advance = uint128(uint256(keccak256(abi.encode(how, "advance"))) % (uint256(t.reward) + 1));
        }
        t.liability = uint128(uint256(keccak256(abi.encode(how, "liability"))) % 60_000);
        t.bond = uint128(uint256(keccak256(abi.encode(how, "bond"))) % 5_000);
        t.burn = uint128(uint256(keccak256(abi.encode(how, "burn"))) % 5_000);
        t.honour = uint128(uint256(keccak256(abi.encode(how, "honour"))) % 1_000);
        q.task = Task({
            slot: uint32(who / 9 % SLOTS),
            statement: keccak256(abi.encode(_salt)),
            callHash: hashCall(_call()),
            inputHash: "",
            salt: bytes32(_salt++)
        });
    }

    function _proof(Quote memory q, bool wrong) private pure returns (bytes memory) {
        return wrong ? bytes("wrong") : abi.encode("a proof of", q.task.statement);
    }

    /// What the quote's judge would say, were the caller and the time right.
    function _isDeliverable(Terms memory t, bool wrongProof) private view returns (bool) {
        if (t.verifier == address(0)) {
            return t.target == address(reentrant) || (t.target == address(flipping) && !flipping.reverting());
        }
        TestVerifier.Verify mode = verifier.verifyMode();
        return mode == TestVerifier.Verify.AcceptAll || (mode == TestVerifier.Verify.Honest && !wrongProof);
    }

    /// Mostly a task to which the deed can be done, if there is one; sometimes whichever, settled ones included.
    function _pick(uint256 which, function(Live storage) view returns (bool) fits) private view returns (Live storage) {
        uint256 from = which / 8;
        if (which % 8 == 0 || live.length == 0) return tasks[from % tasks.length];
        for (uint256 i; i < live.length && which % 8 > 1; i++) {
            Live storage task = tasks[live[(from + i) % live.length]];
            if (fits(task)) return task;
        }
        return tasks[live[from % live.length]];
    }

    function _isRunning(Live storage task) private view returns (bool) {
        (, uint256 liabilityDeadline) = _deadlines(task);
        return task.isLive && block.timestamp <= liabilityDeadline;
    }

    function _isWithOriginal(Live storage task) private view returns (bool) {
        return _isRunning(task) && !_isTakenOver(task);
    }

    function _isWithRescuer(Live storage task) private view returns (bool) {
        return _isRunning(task) && _isTakenOver(task);
    }

    function _isHaltable(Live storage task) private view returns (bool) {
        return _isRunning(task) && task.quote.terms.verifier != address(0);
    }

    function _isHaltableAndAnnounced(Live storage task) private view returns (bool) {
        return _isHaltable(task) && task.rescuer != address(0);
    }

    function _isToBeNovated(Live storage task) private view returns (bool) {
        return task.isLive && !task.novated && _isTakenOver(task);
    }

    function _isLost(Live storage task) private view returns (bool) {
        return task.isLive && !_isRunning(task) && task.haltedFor < pool.HALT_CAP();
    }

    function _isToBeUnwound(Live storage task) private view returns (bool) {
        return task.isLive && task.haltedFor >= pool.HALT_CAP();
    }

    function _free(Backing storage b, uint256 lost) private {
        (b.idle, b.locked) = (true, 0);
        b.collateral -= lost;
    }

    function _settled(Live storage task) private {
        task.isLive = false;
        task.settlements++;
        for (uint256 i; i < live.length; i++) {
            if (tasks[live[i]].isLive) continue;
            live[i] = live[live.length - 1];
            live.pop();
            return;
        }
    }

    /// The first row of money that a rescue moves, if that has not been done.
    function _novated(Live storage task) private {
        if (task.novated) return;
        task.novated = true;
        Terms memory t = task.quote.terms;
        _free(_home(task), uint256(t.advance) + t.bond);
        owed[t.liabilityToken][t.requester] += t.bond - t.bond / 2;
        escrow[t.liabilityToken] += t.bond / 2;
        escrow[t.rewardToken] += t.advance;
    }

    function _observe(Live storage task) private {
        Terms memory t = task.quote.terms;
        bool expected = _isRunning(task);
        (bool ok,) = address(pool).call(abi.encodeCall(pool.observeHalt, (task.quote)));
        assertEq(ok, expected, "observed exactly if live");
        if (!ok) return;
        TestVerifier.Halt mode = verifier.haltMode();
        bool halted =
            t.verifier != address(0) && (mode == TestVerifier.Halt.Halted || mode == TestVerifier.Halt.HaltedLong);
        if (halted && task.lastHalted != 0 && block.timestamp - task.lastHalted <= pool.MAX_OBSERVATION_GAP()) {
            task.haltedFor += block.timestamp - task.lastHalted;
            if (task.haltedFor > pool.HALT_CAP()) task.haltedFor = pool.HALT_CAP();
            count["halted"]++;
        }
        task.lastHalted = halted ? block.timestamp : 0;
    }

    function _unwind(Live storage task) private {
        Terms memory t = task.quote.terms;
        bool expected = _isToBeUnwound(task);
        (bool ok,) = address(pool).call(abi.encodeCall(pool.unwind, (task.quote)));
        assertEq(ok, expected, "unwound exactly if halted");
        if (!ok) return;

        owed[t.rewardToken][t.requester] += t.reward;
        if (_isTakenOver(task)) {
            _novated(task);
            escrow[t.rewardToken] -= t.reward;
            escrow[t.liabilityToken] -= t.bond / 2;
            owed[t.liabilityToken][t.operator] += t.bond / 2;
            _free(_refuge(task), 0);
            count["unwound, rescued"]++;
        } else {
            escrow[t.rewardToken] -= t.reward - t.advance;
            if (task.rescuer != address(0)) _free(_refuge(task), 0);
            _free(_home(task), t.advance);
            count["unwound"]++;
        }
        _settled(task);
    }

    function _mustFail(bytes memory data) private {
        (bool ok,) = address(pool).call(data);
        assertFalse(ok, "settled again");
    }
}
