// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {Handler} from "./Handler.sol";

/// @notice Random walks through everything that anybody can do. The handler predicts each step from books of its own and
/// fails by itself when the pool differs; what must hold between the steps stands here.
contract PoolInvariants is Test {
    Handler private handler;

    function setUp() public {
        handler = new Handler();
        targetContract(address(handler));
        bytes4[] memory deeds = new bytes4[](28);
        // Deeds that lead anywhere stand more often than those that only disturb.
        for (uint256 i; i < 5; i++) {
            deeds[i] = Handler.publish.selector;
        }
        deeds[5] = deeds[6] = Handler.prove.selector;
        deeds[7] = deeds[8] = Handler.rescue.selector;
        deeds[9] = Handler.proveRescued.selector;
        deeds[10] = Handler.collect.selector;
        deeds[11] = Handler.novate.selector;
        deeds[12] = Handler.observeHalt.selector;
        deeds[13] = Handler.haltToTheCap.selector;
        deeds[14] = Handler.unwind.selector;
        deeds[15] = Handler.changeSlot.selector;
        deeds[16] = Handler.changeSigner.selector;
        deeds[17] = Handler.withdraw.selector;
        deeds[18] = Handler.steal.selector;
        deeds[19] = Handler.turn.selector;
        deeds[20] = deeds[21] = Handler.pass.selector;
        deeds[22] = deeds[23] = Handler.collect.selector;
        deeds[24] = deeds[25] = Handler.prove.selector;
        deeds[26] = Handler.changeShare.selector;
        deeds[27] = Handler.sweep.selector;
        targetSelector(FuzzSelector({addr: address(handler), selectors: deeds}));
    }

    // Every walk checks every step, whichever invariant it is for: their number is six times the runs.

    /// forge-config: default.invariant.runs = 6
    function invariant_Solvent() public view {
        handler.checkSolvency();
    }

    /// forge-config: default.invariant.runs = 6
    function invariant_BooksAgree() public view {
        handler.checkBooks();
    }

    /// forge-config: default.invariant.runs = 6
    function invariant_LockedCollateralStays() public view {
        handler.checkLocks();
    }

    /// forge-config: default.invariant.runs = 6
    function invariant_SettledOnce() public {
        handler.checkTasks();
    }

    /// forge-config: default.invariant.runs = 6
    function invariant_TheSinkNeverShrinks() public view {
        assertFalse(handler.sinkShrank());
    }

    /// forge-config: default.invariant.runs = 6
    function invariant_TheHandOwnsNothing() public view {
        handler.checkTargetCaller();
    }

    /// One long walk, the same every time. It comes to every outcome that there is, so that those above mean something.
    function test_TheWalkReachesEveryOutcome() public {
        for (uint256 i; i < 3200; i++) {
            _step(uint256(keccak256(abi.encode("a walk", i))));
        }
        bytes32[17] memory outcomes = [
            bytes32("accepted"),
            "dishonoured",
            "on time",
            "late",
            "announced",
            "novated",
            "rescued",
            "defaulted",
            "rescuer defaulted",
            "halted",
            "unwound",
            "unwound, rescued",
            "emptied",
            "reopened",
            "withdrawn",
            "earmarked",
            "swept"
        ];
        for (uint256 i; i < outcomes.length; i++) {
            emit log_named_uint(string(abi.encodePacked(outcomes[i])), handler.count(outcomes[i]));
            assertGt(handler.count(outcomes[i]), 0, string(abi.encodePacked(outcomes[i])));
        }
        handler.checkSolvency();
        handler.checkBooks();
        handler.checkLocks();
        handler.checkTasks();
        handler.checkTargetCaller();
        assertFalse(handler.sinkShrank());
    }

    function _step(uint256 seed) private {
        uint256 deed = seed % 29;
        uint256 a = uint256(keccak256(abi.encode(seed, "a")));
        uint256 b = uint256(keccak256(abi.encode(seed, "b")));
        uint256 c = uint256(keccak256(abi.encode(seed, "c")));
        bool flag = a >> 255 == 1;
        bool other = b >> 254 == 0;
        if (deed < 5) handler.publish(a, b, c, flag);
        else if (deed < 8) handler.prove(a, other, flag);
        else if (deed < 12) handler.rescue(a, b, c, flag);
        else if (deed < 14) handler.proveRescued(a, other, flag);
        else if (deed < 16) handler.collect(a);
        else if (deed < 17) handler.novate(a);
        else if (deed < 18) handler.observeHalt(a, b, c);
        else if (deed < 19) handler.haltToTheCap(a, flag);
        else if (deed < 20) handler.unwind(a);
        else if (deed < 22) handler.changeSlot(a, b, c, a >> 128);
        else if (deed < 23) handler.changeSigner(a, b);
        else if (deed < 24) handler.withdraw(a, b, c, a >> 128);
        else if (deed < 25) handler.steal(a, b, c, a >> 128);
        else if (deed < 26) handler.turn(a, b);
        else if (deed < 27) handler.pass(a);
        else if (deed < 28) handler.changeShare(a, b);
        else handler.sweep(a, b);
        handler.pass(b % 80);
    }
}
