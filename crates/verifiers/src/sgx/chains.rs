//! Where a simulated platform may be used.

/// The chains on which simulated enclaves are let through: development chains and public test nets. A list of what is
/// allowed, not of what is forbidden: a chain that nobody has thought of is a chain with value. It is the contract's list,
/// too (`SgxInstances.sol`).
pub const SIMULATION_CHAINS: [u64; 9] = [
    1337,       // a local node
    31_337,     // anvil, hardhat
    11_155_111, // Sepolia
    17_000,     // Holesky
    560_048,    // Hoodi
    84_532,     // Base Sepolia
    11_155_420, // OP Sepolia
    421_614,    // Arbitrum Sepolia
    167_009,    // Taiko Hekla
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

    #[test]
    fn the_contract_has_the_same_list() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/src/verifiers/SgxInstances.sol");
        let source = std::fs::read_to_string(file).unwrap();
        let list = source.split("function _isTestNetwork").nth(1).unwrap().split(';').next().unwrap();
        let numbers = list.split("chainId ==").skip(1).map(|rest| {
            let digits = rest.trim_start().chars().take_while(|c| c.is_ascii_digit() || *c == '_');
            digits.filter(|c| *c != '_').collect::<String>().parse::<u64>().unwrap()
        });
        let (mut theirs, mut ours) = (numbers.collect::<Vec<_>>(), SIMULATION_CHAINS.to_vec());
        theirs.sort_unstable();
        ours.sort_unstable();
        assert_eq!(theirs, ours);
    }
}
