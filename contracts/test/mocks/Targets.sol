// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice Requesters' contracts, from the ordinary to the hostile.

/// @dev Ordinary: remembers how it was called.
contract RecordingTarget {
    uint256 public calls;
    address public caller;
    bytes public data;
    uint256 public gasGiven;
    uint256 public valueGiven;

    fallback() external payable {
        gasGiven = gasleft();
        calls++;
        (caller, data, valueGiven) = (msg.sender, msg.data, msg.value);
    }
}

/// @dev An application that takes each proof once, from anyone.
contract PermissionlessTarget {
    error AlreadySubmitted();

    mapping(bytes32 => bool) public isDone;

    function submit(bytes32 id, bytes calldata) external {
        require(!isDone[id], AlreadySubmitted());
        isDone[id] = true;
    }
}

/// @dev Reverts while told to.
contract FlippingTarget {
    error Flipped(uint256 code);

    bool public reverting;
    uint256 public calls;

    function setReverting(bool reverting_) external {
        reverting = reverting_;
    }

    fallback() external {
        if (reverting) revert Flipped(42);
        calls++;
    }
}

/// @dev Burns all the gas that it is given.
contract GasBombTarget {
    fallback() external {
        assembly ("memory-safe") {
            invalid()
        }
    }
}

/// @dev Spends `cost` gas and succeeds, if it was given that much.
contract CostlyTarget {
    uint256 public cost;
    uint256 public calls;

    constructor(uint256 cost_) {
        cost = cost_;
    }

    fallback() external {
        uint256 start = gasleft();
        uint256 cost_ = cost;
        calls++;
        while (start - gasleft() < cost_) {}
    }
}

/// @dev Succeeds or reverts with as much return data as its gas buys.
contract ReturnBombTarget {
    bool public reverting;
    uint256 public size;

    constructor(bool reverting_, uint256 size_) {
        (reverting, size) = (reverting_, size_);
    }

    fallback() external {
        bool reverting_ = reverting;
        uint256 size_ = size;
        assembly ("memory-safe") {
            if reverting_ { revert(0, size_) }
            return(0, size_)
        }
    }
}

/// @dev Calls back with prepared data and tells what came of it.
contract ReentrantTarget {
    address public victim;
    bytes public attack;
    bool public attacked;
    bool public succeeded;
    bytes public result;

    function prepare(address victim_, bytes calldata attack_) external {
        (victim, attack, attacked) = (victim_, attack_, false);
    }

    fallback() external {
        attacked = true;
        (succeeded, result) = victim.call(attack);
    }
}

/// @dev `doneCheck` in all its forms: the calldata of the check selects the answer.
contract AnsweringTarget {
    enum Answer {
        Yes,
        No,
        Revert,
        Nothing,
        Short,
        Two,
        GasBomb,
        Write,
        Long
    }

    uint256 public written;
    bool public done;

    function setDone(bool done_) external {
        done = done_;
    }

    function isDone() external view returns (bool) {
        return done;
    }

    function answer(Answer kind) external returns (bool) {
        if (kind == Answer.Yes) return true;
        if (kind == Answer.No) return false;
        if (kind == Answer.Revert) revert("no answer");
        if (kind == Answer.Write) {
            written++;
            return true;
        }
        assembly ("memory-safe") {
            switch kind
            case 3 { return(0, 0) }
            case 4 {
                mstore(0, not(0))
                return(0, 31)
            }
            case 5 {
                mstore(0, 2)
                return(0, 32)
            }
            case 8 {
                mstore(0, 1)
                return(0, 64)
            }
            default { invalid() }
        }
    }

    fallback() external {
        revert("not a proof");
    }
}
