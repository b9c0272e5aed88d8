// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice Tokens as they are met in the wild. All start from one plain ERC-20 and break one habit each.

/// @dev Well behaved.
contract PlainToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    uint256 public totalSupply;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
        totalSupply += amount;
    }

    function approve(address spender, uint256 amount) external virtual returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external virtual returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external virtual returns (bool) {
        _spend(from, amount);
        _move(from, to, amount);
        return true;
    }

    function _spend(address from, uint256 amount) internal {
        uint256 allowed = allowance[from][msg.sender];
        require(allowed >= amount, "allowance");
        if (allowed != type(uint256).max) allowance[from][msg.sender] = allowed - amount;
    }

    function _move(address from, address to, uint256 amount) internal virtual {
        require(balanceOf[from] >= amount, "balance");
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @dev Keeps one percent of every transfer.
contract FeeToken is PlainToken {
    function _move(address from, address to, uint256 amount) internal override {
        super._move(from, to, amount);
        uint256 fee = amount / 100;
        balanceOf[to] -= fee;
        totalSupply -= fee;
    }
}

/// @dev Says `false` and moves nothing, while told to.
contract FalseToken is PlainToken {
    bool public refusing;

    function setRefusing(bool refusing_) external {
        refusing = refusing_;
    }

    function transfer(address to, uint256 amount) external override returns (bool) {
        if (refusing) return false;
        _move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external override returns (bool) {
        if (refusing) return false;
        _spend(from, amount);
        _move(from, to, amount);
        return true;
    }
}

/// @dev Returns nothing (USDT).
contract NoReturnToken is PlainToken {
    function transfer(address to, uint256 amount) external override returns (bool) {
        _move(msg.sender, to, amount);
        assembly ("memory-safe") {
            return(0, 0)
        }
    }

    function transferFrom(address from, address to, uint256 amount) external override returns (bool) {
        _spend(from, amount);
        _move(from, to, amount);
        assembly ("memory-safe") {
            return(0, 0)
        }
    }
}

/// @dev Reverts when a blocked account sends or receives (USDC).
contract BlocklistToken is PlainToken {
    mapping(address => bool) public blocked;

    function setBlocked(address account, bool blocked_) external {
        blocked[account] = blocked_;
    }

    function _move(address from, address to, uint256 amount) internal override {
        require(!blocked[from] && !blocked[to], "blocked");
        super._move(from, to, amount);
    }
}

/// @dev Its balances can shrink by themselves.
contract RebasingToken is PlainToken {
    function shrink(address account, uint256 amount) external {
        balanceOf[account] -= amount;
        totalSupply -= amount;
    }
}

/// @dev Calls out in the middle of each transfer (ERC-777), before or after the money has moved.
contract HookToken is PlainToken {
    address public hook;
    bytes public hookData;
    bool public before;
    bool public lastSuccess;
    bytes public lastResult;
    bool private _running;

    function setHook(address hook_, bytes calldata data, bool before_) external {
        (hook, hookData, before) = (hook_, data, before_);
    }

    function _move(address from, address to, uint256 amount) internal override {
        if (before) _call();
        super._move(from, to, amount);
        if (!before) _call();
    }

    function _call() private {
        if (hook == address(0) || _running) return;
        _running = true;
        (lastSuccess, lastResult) = hook.call(hookData);
        _running = false;
    }
}
