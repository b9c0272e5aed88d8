// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice What an operator's signer gives a prover for each result that it has accepted: what the prover has earned in one
/// tranche so far. The last voucher is worth all that came before.
/// @dev EIP-712 type `Voucher`.
struct Voucher {
    address operator;
    uint256 tranche;
    address prover;
    /// Earned in all, in units of the tranche's token.
    uint128 amount;
    /// How many receipts.
    uint64 count;
    /// Hash of the last of them, which holds that of the one before it.
    bytes32 head;
}

/// @notice What a prover signs with each result that it returns.
/// @dev EIP-712 type `Result`.
struct Result {
    address operator;
    /// The lease of a job: `jobOf(task, index, fence)`.
    bytes32 job;
    /// SHA-256 of the result.
    bytes32 output;
}

/// @notice What an operator publishes for each result that it has accepted. Its EIP-712 struct hash is the head of the chain
/// that it ends: one chain for each operator, prover and tranche.
/// @dev EIP-712 type `Receipt`. No contract reads it: it is here so that all who recompute it agree.
struct Receipt {
    /// Digest of the task's quote.
    bytes32 task;
    /// The job within the task, and the fencing token of its lease.
    uint32 index;
    uint64 fence;
    address prover;
    bytes32 output;
    uint64 units;
    /// For this result alone.
    uint128 amount;
    /// Head before it; zero for the first.
    bytes32 previous;
}

/// @notice A node beside the way from a leaf to the root, and the sum of the caps below it.
struct Sibling {
    bytes32 node;
    uint128 sum;
}

/// @notice A voucher, and the proof of what its prover may at most be paid in the tranche.
struct Claim {
    Voucher voucher;
    /// By the tranche's signer, 65 bytes.
    bytes signature;
    uint128 cap;
    /// Position of the leaf: bit i says whether the node at height i is a right child.
    uint256 index;
    /// From the leaf upwards.
    Sibling[] siblings;
}

/// @notice One of two results of the same job.
struct Testimony {
    bytes32 output;
    /// Of `Result`, 65 bytes.
    bytes signature;
}

/// @notice Where a tranche stands. Claims are paid while it is open and closing.
///
/// ```
/// None ──openTranche──▶ Open ──closeTranche──▶ Closing ──CLOSING_DELAY, reclaim──▶ Reclaimed
/// ```
enum TrancheState {
    None,
    Open,
    Closing,
    Reclaimed
}

struct Tranche {
    address token;
    TrancheState state;
    /// From this second on it can be reclaimed; zero while open.
    uint40 closesAt;
    /// Signs its vouchers, for as long as it exists.
    address signer;
    uint128 total;
    uint128 paid;
    /// Of the Merkle-sum tree of (prover, cap), whose sum is `total`.
    bytes32 root;
}

/// @title RevenueLedger: provers' money, that each can always collect.
/// @notice What operators have announced as their provers' share comes here and leaves only to provers. An operator opens
/// prefunded *tranches*, each with a Merkle-sum tree that says how much of it each prover may earn; whoever is in the tree has
/// that much set apart for it, whatever the operator does. For each accepted result the operator signs a *voucher*; a
/// prover with its voucher and its place in the tree is paid without anybody's help. Provers put up *bonds*, which they lose
/// to whoever shows that they have signed two results for one job, and for nothing else.
///
/// No administrator, no proxy, no fee. It knows no pool: whichever pool names it in its constructor can be swept.
///
/// Trust. A prover trusts this code and the token. It does not trust its operator beyond the results for which it holds no
/// voucher yet: it works only while its cap in an open tranche covers the work, and stops at the first voucher that is
/// withheld. An operator that invents work, loses its keys or disappears pays out what it has promised.
///
/// What is not proven here is that a voucher is *right*: an operator can sign vouchers for work that nobody did, out of what is
/// set apart for the prover that they name, and for work that was done it can refuse one. The former is found by whoever
/// recomputes its receipts; the latter costs the prover one job.
///
/// A prover signs one result for each job that it leases, once and for ever: it stores what it signed before it sends it, and
/// never signs another for the same job, whoever asks. Only its own signatures can slash it.
///
/// Tokens. Credited is what arrived. A token whose balances shrink by themselves makes that token's books insolvent, and only
/// that token's; one that refuses to be paid to somebody's payout refuses that claim alone.
interface IRevenueLedger {
    // ---- events ----

    event AuthorizationSet(address indexed operator, address indexed agent, bool allowed);
    event Deposited(address indexed operator, address indexed token, address from, uint256 amount);
    event Swept(address indexed operator, address indexed token, address pool, uint256 amount);
    event TrancheOpened(
        address indexed operator,
        uint256 indexed tranche,
        address indexed token,
        bytes32 root,
        uint256 total,
        address signer
    );
    event TrancheClosing(address indexed operator, uint256 indexed tranche, uint256 closesAt);
    event TrancheReclaimed(address indexed operator, uint256 indexed tranche, uint256 amount);
    event PayoutSet(address indexed prover, address payout);
    /// `paid` for a voucher over `amount` in all, which closes a chain of `count` receipts that ends in `head`.
    event Claimed(
        address indexed operator,
        uint256 indexed tranche,
        address indexed prover,
        uint256 paid,
        uint256 amount,
        uint256 count,
        bytes32 head
    );
    event Bonded(address indexed prover, address indexed token, uint256 amount);
    event BondLeaving(address indexed prover, address indexed token, uint256 leavesAt);
    event BondWithdrawn(address indexed prover, address indexed token, address to, uint256 amount);
    /// `burned` is what nobody can ever draw.
    event Slashed(
        address indexed prover, address indexed token, address indexed reporter, uint256 reward, uint256 burned
    );

    // ---- errors ----

    error Reentrancy();
    error NotAuthorized();
    error ZeroAddress();
    error AmountTooLarge();
    error NothingToShare();
    error FundTooSmall();
    /// Never opened, closing already, or reclaimed.
    error TrancheNotOpen();
    error TooEarly();
    error BadSignature();
    /// The tranche's tree has no such leaf in this place.
    error NotInTranche();
    error NoBond();
    error BondIsLeaving();
    error ProverIsSlashed();
    /// The signatures are of two keys.
    error SignersDiffer();
    /// Both say the same.
    error NoContradiction();

    // ---- constants ----

    /// @notice How long after its announcement a tranche can be reclaimed: so long a prover may look away.
    function CLOSING_DELAY() external view returns (uint256);
    /// @notice How long after its announcement a bond can be withdrawn: so long what it has signed last can cost the prover.
    /// Once that is over, the bond may leave in front of whatever evidence comes. So a bond whose withdrawal is announced
    /// (`leavesAt` is not zero) counts for nothing, from the announcement on: whoever relies on bonds counts those that stay.
    function BOND_DELAY() external view returns (uint256);
    /// @notice The reporter's part of a slashed bond is one in so many. The rest is burned, because a prover can report itself,
    /// under another name, before others do.
    function REPORTER_SHARE() external view returns (uint256);

    // ---- funds ----

    /// @notice Adds what arrives of `amount` pulled from the caller to `operator`'s fund, which goes into tranches only.
    function deposit(address token, address operator, uint256 amount) external returns (uint256 credited);
    /// @notice Fetches what `pool` has earmarked for `operator`'s provers into its fund. Anyone.
    /// @param pool believed only as far as tokens arrive
    function sweep(address pool, address token, address operator) external returns (uint256 credited);
    /// @notice What was deposited and swept for `operator`'s provers and is in no tranche.
    function fundOf(address operator, address token) external view returns (uint256);
    /// @notice Lets `agent` open and close tranches for the caller. It decides which provers are paid.
    function setAuthorization(address agent, bool allowed) external;
    function isAuthorized(address operator, address agent) external view returns (bool);

    // ---- tranches ----

    /// @notice Opens `operator`'s next tranche with `total` of its fund. Caller: the operator or its agent.
    /// @param root of a Merkle-sum tree whose sum is `total`; with any other nobody is in it (see `SumTree`)
    /// @param signer an ordinary key: a contract could disown what it signed
    function openTranche(address operator, address token, bytes32 root, uint128 total, address signer)
        external
        returns (uint256 tranche);
    /// @notice Announces that the tranche will be reclaimed. Caller: the operator or its agent.
    function closeTranche(address operator, uint256 tranche) external;
    /// @notice Puts what is left of a tranche back into its operator's fund, `CLOSING_DELAY` after it was announced. Anyone.
    function reclaim(address operator, uint256 tranche) external returns (uint256 amount);
    /// @notice All zeros if it was never opened.
    function trancheOf(address operator, uint256 tranche) external view returns (Tranche memory);
    /// @notice How many tranches `operator` has opened; the first is number zero.
    function trancheCount(address operator) external view returns (uint256);

    // ---- claims ----

    /// @notice Pays the voucher's prover what it has not been paid yet of the voucher's amount, at most of its cap. Anyone, in any
    /// order, any number of times; a voucher that was paid, or is older than one that was, pays nothing.
    /// @dev Of several leaves of one prover the largest counts, not their sum.
    function claim(Claim calldata claim_) external returns (uint256 paid);
    /// @notice `claim` for many vouchers, of any operators, tranches and provers, all or nothing. Those of one prover and token
    /// that follow each other are paid by one transfer.
    /// @dev One claim that fails fails all, and others can make one fail: a tranche past its `closesAt` is reclaimed by
    /// whoever comes first, and a payout can be refused by its token. A batch should hold no claim on a tranche that can be
    /// reclaimed, and those of one prover only; what fails in a batch is claimed singly.
    function claimBatch(Claim[] calldata claims) external returns (uint256[] memory paid);
    /// @notice Has the caller's claims paid to `payout`; zero: to the caller.
    function setPayout(address payout) external;
    function payoutOf(address prover) external view returns (address);
    /// @notice What a prover has been paid in a tranche.
    function paidOf(address operator, uint256 tranche, address prover) external view returns (uint256);

    // ---- bonds ----

    /// @notice Adds what arrives of `amount` to the caller's bond. One that was leaving stays. Not for a prover that was slashed.
    function bond(address token, uint256 amount) external returns (uint256 credited);
    /// @notice Announces that the caller will withdraw its bond.
    function unbond(address token) external;
    /// @notice Pays the caller's bond to `to`, `BOND_DELAY` after it was announced.
    function withdrawBond(address token, address to) external returns (uint256 amount);
    /// @notice Slashes the prover that has signed two results for one job, once and for ever: its bonds in `tokens` now, others
    /// whenever somebody names them. A tenth is the caller's.
    /// @dev The evidence is its bearer's: whoever sees it before it is in a block can report with it first, and have the tenth.
    /// A reporter that wants it sends the report through a private relay.
    function slash(
        address operator,
        bytes32 job,
        Testimony calldata first,
        Testimony calldata second,
        address[] calldata tokens
    ) external returns (address prover);
    /// @return amount what the prover has put up
    /// @return leavesAt from this second on it can be withdrawn; zero if it stays. Only a bond that stays counts (`BOND_DELAY`)
    function bondOf(address prover, address token) external view returns (uint128 amount, uint40 leavesAt);
    function isSlashed(address prover) external view returns (bool);
    /// @notice What stays here for ever.
    function burned(address token) external view returns (uint256);

    // ---- digests ----

    /// @notice What a tranche's signer signs.
    function voucherDigestOf(Voucher calldata voucher) external view returns (bytes32);
    /// @notice What a prover signs.
    function resultDigestOf(Result calldata result) external view returns (bytes32);
    /// @notice The head of the chain that ends in this receipt.
    function headOf(Receipt calldata receipt) external pure returns (bytes32);
    /// @notice The name of one lease of one job.
    function jobOf(bytes32 task, uint32 index, uint64 fence) external pure returns (bytes32);
}
