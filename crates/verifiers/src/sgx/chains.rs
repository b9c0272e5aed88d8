//! Where a simulated platform may be used.

/// The chains on which simulated enclaves are let through: development chains and public test nets. A list of what is
/// allowed, not of what is forbidden: a chain that nobody has thought of is a chain with value. It is the contract's list,
/// too (`SgxInstances.sol`).
pub const SIMULATION_CHAINS: [u64; 7] = [
    1337,       // a local node
    31_337,     // anvil, hardhat
    11_155_111, // Sepolia
    560_048,    // Hoodi
    84_532,     // Base Sepolia
    11_155_420, // OP Sepolia
    421_614,    // Arbitrum Sepolia
];

/// Whether simulated enclaves are let through on a chain.
pub fn may_simulate(chain_id: u64) -> bool {
    SIMULATION_CHAINS.contains(&chain_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_chain_with_value_takes_a_simulation() {
        for chain in [1, 10, 14, 25, 30, 56, 100, 137, 250, 252, 324, 1101, 5000, 8453, 34443, 42161, 42220, 43114] {
            assert!(!may_simulate(chain), "{chain}");
        }
        for chain in [0, 59_144, 81_457, 167_000, 534_352, 7_777_777, u64::MAX] {
            assert!(!may_simulate(chain), "{chain}");
        }
        assert!(may_simulate(31_337) && may_simulate(1337));
    }
}
