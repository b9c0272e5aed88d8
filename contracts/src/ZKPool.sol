// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Deliveries} from "./core/Deliveries.sol";

/// @title ZKPool: firm, fully backed delivery contracts for zero-knowledge proofs.
/// @notice See `IZKPool` for what it does and `SPEC.md` for what it guarantees. One contract in five parts, each built
/// on the one before: `Balances`, `Slots`, `Publication`, `Lateness`, `Deliveries`.
contract ZKPool is Deliveries {
    /// @param ledger the `RevenueLedger` that provers' shares go to
    constructor(address ledger) Deliveries(ledger) {}
}
