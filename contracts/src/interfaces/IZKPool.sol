// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice What all tasks of one publication share: the parties, the money, the windows, the way of delivery.
/// @dev EIP-712 type `Terms`. Amounts are in a token's smallest unit, times in seconds.
struct Terms {
    /// Receives refunds, liability and honour, whoever pays or publishes. Not zero.
    address requester;
    /// Owner of the slots that back the tasks; earns the reward.
    address operator;
    /// The requester's own contract, called on delivery. Not zero.
    address target;
    /// Builds the call from data and proof (`ICallEncoder`); zero: the call is `prefix ‖ abi(proof) ‖ suffix`.
    address encoder;
    /// Verifier mode: accepts the statement (`IProofVerifier`). Zero: target mode, the target's success is the delivery.
    address verifier;
    /// Gas that the target's call is given, at most `MAX_CALL_GAS`.
    uint32 callGas;
    /// On time means at or before `publishedAt + proofWindow`.
    uint32 proofWindow;
    /// After `publishedAt + liabilityWindow` nothing can be proven. Not before the proof window.
    uint32 liabilityWindow;
    /// Last second at which the quote can be published, at most `MAX_VALIDITY` ahead.
    uint40 validUntil;
    address rewardToken;
    /// Paid by the publisher, per task.
    uint128 reward;
    /// Part of the reward that the operator gets at publication; needs `rewardToken == liabilityToken`.
    uint128 advance;
    address liabilityToken;
    /// All of it the requester's when the task is never delivered.
    uint128 liability;
    /// Half to the requester, half to the deliverer when the delivery is late.
    uint128 bond;
    /// Destroyed when the task is never delivered.
    uint128 burn;
    /// Paid from the slot's honour reserve when the operator signed what it cannot back.
    uint128 honour;
}

/// @notice What differs from task to task.
struct Task {
    /// Index of the slot of (`terms.operator`, `terms.liabilityToken`) that backs this task.
    uint32 slot;
    /// What the verifier is asked to accept; its meaning is the verifier's.
    bytes32 statement;
    /// EIP-712 struct hash of `Call`.
    bytes32 callHash;
    /// Content address of the input, for those who prove.
    bytes32 inputHash;
    /// Makes the quote unique.
    bytes32 salt;
}

/// @notice A signed offer for one task. Its EIP-712 digest is the task's id.
struct Quote {
    Terms terms;
    Task task;
}

/// @notice How the target's call is built; revealed on delivery, committed to by `Task.callHash`.
struct Call {
    /// Template: what stands before the ABI-encoded `bytes proof` (selector, head words). Encoder: its data.
    bytes prefix;
    /// Template: what stands after it. Encoder: empty.
    bytes suffix;
    /// Target mode only: calldata of a static call to the target that returns `true` if it is already satisfied. May be empty.
    bytes doneCheck;
}

/// @notice One item of `proveBatch`.
struct Delivery {
    Task task;
    Call call;
    bytes proof;
}

/// @notice What a slot is doing. The same names stand in the service's database and API.
enum SlotState {
    /// No task; available if open, not busy and funded.
    Idle,
    /// Holds the task that its own operator was quoted for.
    Active,
    /// Has announced a rescue that takes effect when the grace period ends.
    Reserved,
    /// Holds a task taken over from another slot.
    Rescuing
}

/// @notice A slot as seen from outside. What it holds outlives the task: `digest` and `publishedAt` are those of the last.
struct SlotView {
    /// First 208 bits of the digest of the task that it holds or has held last (all that is kept of it).
    bytes25 digest;
    SlotState state;
    uint40 publishedAt;
    /// Last second at which the slot cannot accept another quote.
    uint40 busyUntil;
    /// From this second on nothing is accepted; the maximum while open, zero if never opened.
    uint40 closesAt;
    uint128 collateral;
    uint128 honourReserve;
    /// The only requester served, zero if shared; now, and after the pending change if `dedicationChangesAt` is not zero.
    address dedicatedTo;
    address nextDedicatedTo;
    uint40 dedicationChangesAt;
    /// Of the task's reward, the provers' part, in basis points.
    uint16 share;
}

/// @title ZKPool: firm, fully backed delivery contracts for zero-knowledge proofs.
/// @notice One immutable core. No proxy, no administrator, no fee. ERC-20 only; ether through the router and WETH.
///
/// Trust. A requester trusts: this code, the verifier named in its quote (verifier mode) or its own contract (target
/// mode), and the two tokens. It does not trust the operator: the liability is locked before the quote is signed, and
/// anyone can trigger its payment. An operator trusts: this code, the verifier it agreed to (a verifier that lies,
/// stays silent or halts at will can make it default), in target mode the target, and the tokens.
///
/// Tokens. What is credited is what arrived, so tokens with a fee on transfer work; a token whose balances shrink by
/// themselves makes that token's books insolvent, and only that token's.
///
/// Reentrancy. No function that changes state can be entered while another runs, whatever is called in between.
interface IZKPool {
    // ---- events: lean; the quote itself is in calldata, every party stores it before it acts on it ----

    event Deposited(address indexed token, address indexed account, uint256 amount);
    event Withdrawn(address indexed token, address indexed account, address to, uint256 amount);
    event AuthorizationSet(address indexed owner, address indexed agent, bool allowed);
    /// All that was earmarked of an account has gone to the revenue ledger.
    event EarmarkReleased(address indexed token, address indexed account, uint256 amount);

    event SignerSet(address indexed operator, address signer, uint256 effectiveAt);
    event ShareSet(address indexed operator, uint256 share, uint256 effectiveAt);
    event Frozen(address indexed operator);
    event SlotOpened(
        address indexed operator,
        address indexed token,
        uint256 slot,
        uint256 collateral,
        uint256 honour,
        address dedicatedTo
    );
    event SlotToppedUp(
        address indexed operator, address indexed token, uint256 slot, uint256 collateral, uint256 honour
    );
    event SlotDedicated(
        address indexed operator, address indexed token, uint256 slot, address requester, uint256 effectiveAt
    );
    event SlotClosing(address indexed operator, address indexed token, uint256 slot, uint256 closesAt);
    event SlotEmptied(address indexed operator, address indexed token, uint256 slot, uint256 amount);

    event Published(bytes32 indexed task, address indexed operator, address indexed requester, uint256 slot);
    /// The operator had signed what it could not back; `paid` went to the requester, `burned` to nobody.
    event Dishonoured(
        bytes32 indexed task, address indexed operator, address indexed requester, uint256 paid, uint256 burned
    );
    /// `targetOk` is false when, in verifier mode, the target's call failed (`TargetFailed` follows with the proof).
    /// `earmarked` of the reward was kept apart for the deliverer's provers.
    event Delivered(bytes32 indexed task, bool onTime, bool targetOk, uint256 earmarked);
    /// The proof stands here so that anyone can replay the call.
    event TargetFailed(bytes32 indexed task, bytes proof);
    /// An item of a batch was not accepted; `reason` is the selector of the error that `prove` would have raised.
    event DeliveryRejected(bytes32 indexed task, bytes4 reason);
    event RescueAnnounced(bytes32 indexed task, address indexed rescuer, uint256 slot, uint256 effectiveAt);
    event Novated(bytes32 indexed task, address indexed rescuer);
    /// Never delivered: refund, liability and what was left of the bond went to the requester.
    event Defaulted(bytes32 indexed task, address indexed operator);
    event HaltObserved(bytes32 indexed task, bool halted, uint256 total);
    event Unwound(bytes32 indexed task);

    // ---- errors ----

    error Reentrancy();
    error NotAuthorized();
    error ZeroAddress();
    error InsufficientBalance();
    error AmountTooLarge();
    error BadSignature();
    error QuoteExpired();
    error ValidityTooLong();
    /// Requester, operator or target missing; windows in the wrong order or none; too much call gas; an advance that
    /// exceeds the reward or is in another token than the liability; a lock beyond 120 bits.
    error MalformedTerms();
    error AlreadyPublished();
    error AlreadyDishonoured();
    /// The slot serves only another requester: the quote was never backed (`isBacked` says so) and costs only gas.
    error SlotDedicatedToAnother();
    /// More than everything, or not a multiple of `SHARE_STEP`.
    error BadShare();
    error LedgerHasNoCode();
    error SlotNotOpen();
    error SlotAlreadyOpen();
    error SlotBusy();
    error SlotUnderfunded();
    error EmptyBatch();
    /// The named slot does not hold this task now: never published, already settled, or taken over.
    error NotInSlot();
    error TooEarly();
    error TooLate();
    error WrongCall();
    error EncoderFailed();
    error ProofRejected();
    error TargetHasNoCode();
    error TargetReverted(bytes reason);
    error InsufficientGas();
    error RescueExists();
    error NotHalted();
    /// The verifier was halted for `HALT_CAP`: the task can only be unwound, or delivered while there is time.
    error VerifierHalted();

    // ---- constants ----

    /// @notice V: how far ahead a quote's validity may end.
    function MAX_VALIDITY() external view returns (uint256);
    /// @notice D > V: when changes to signer, share, dedication and closing take effect.
    function CHANGE_DELAY() external view returns (uint256);
    /// @notice Shares are multiples of this many basis points: a slot has eight bits for one.
    function SHARE_STEP() external view returns (uint256);
    function MAX_CALL_GAS() external view returns (uint256);
    /// @notice Two observations of a halt further apart than this do not count as one interval.
    function MAX_OBSERVATION_GAP() external view returns (uint256);
    /// @notice Halted for this long in all: the task can be unwound without fault.
    function HALT_CAP() external view returns (uint256);
    /// @notice The contract that calls targets. It owns nothing and is never approved for anything.
    function TARGET_CALLER() external view returns (address);
    /// @notice Where provers' shares go, and nothing else of what they are paid with. Trusted by provers alone: it can call
    /// `releaseEarmark` and has no other right.
    function REVENUE_LEDGER() external view returns (address);

    // ---- balances ----

    /// @notice Credits `to` with what arrives of `amount` pulled from the caller. `to` = zero burns.
    /// @dev Elsewhere a shortfall that is pulled must arrive in full: with a token that keeps a fee, deposit first.
    function deposit(address token, address to, uint256 amount) external returns (uint256 credited);
    /// @notice Pays `amount` of `owner`'s balance to `to`. Caller: the owner or an agent that it authorized.
    function withdraw(address token, address owner, address to, uint256 amount) external;
    /// @notice Lets `agent` withdraw for the caller (the router, for ether).
    function setAuthorization(address agent, bool allowed) external;
    function isAuthorized(address owner, address agent) external view returns (bool);
    /// @notice Internal balance, without what is earmarked. The zero address is the sink of burned money.
    function balanceOf(address token, address account) external view returns (uint256);
    /// @notice What deliveries have kept apart for `account`'s provers and the ledger has not fetched yet. It can be neither
    /// withdrawn nor spent.
    function earmarkOf(address token, address account) external view returns (uint256);
    /// @notice Pays all that is earmarked of `account`'s balance to the revenue ledger. Caller: the ledger, whose `sweep`
    /// is anybody's to call.
    function releaseEarmark(address token, address account) external returns (uint256 amount);

    // ---- operators ----

    /// @notice Sets the key that signs quotes, proves and rescues for the caller. The first takes effect at once, later
    /// ones after `CHANGE_DELAY`, ending a freeze. An ordinary key: a contract could disown what it signed. Setting the key
    /// that counts already and is not frozen changes nothing: a freeze that comes before it takes effect outlasts it.
    function setSigner(address signer) external;
    /// @notice Sets what the caller's provers get of each reward, in basis points, for tasks that are published, and rescues
    /// that are announced, once it takes effect: at once as long as the caller has no signer, else after `CHANGE_DELAY`, so
    /// that whoever holds a valid quote knows its share. Of a delivered task so much of the reward is earmarked, at most what
    /// the delivery pays of it (an advance was paid before). A change of signer or share puts off one of the other that is
    /// still pending, and says so in an event.
    function setShare(uint16 share) external;
    function shareOf(address operator) external view returns (uint256 share, uint256 next, uint256 changesAt);
    /// @notice From now on no quote of `operator` is accepted, but dishonoured, and its signer cannot rescue; it can still
    /// prove. Lasts until the next change of the signer takes effect: one that is pending then, or one asked for afterwards,
    /// to the same key too. Caller: operator or signer.
    function freeze(address operator) external;
    /// @notice Opens slot `index` of the caller for `token`, funded from its balance, the shortfall pulled from it.
    /// `dedicatedTo` zero: shared. A closed and emptied slot can be opened again.
    function openSlot(address token, uint32 index, uint128 collateral, uint128 honour, address dedicatedTo) external;
    /// @notice Adds to an open slot of `operator`, from the caller's balance or pulled from it.
    function topUpSlot(address operator, address token, uint32 index, uint128 collateral, uint128 honour) external;
    /// @notice Dedicates the caller's slot to one requester (zero: shares it), after `CHANGE_DELAY`.
    function dedicateSlot(address token, uint32 index, address requester) external;
    /// @notice Closes the caller's slot to new quotes after `CHANGE_DELAY`.
    function closeSlot(address token, uint32 index) external;
    /// @notice Credits the caller with all that a closed, idle slot holds.
    function emptySlot(address token, uint32 index) external;
    function signerOf(address operator)
        external
        view
        returns (address signer, address next, uint256 changesAt, bool frozen);
    function slotOf(address operator, address token, uint32 index) external view returns (SlotView memory);

    // ---- publication ----

    /// @notice Publishes a signed quote and pays its reward, or, if the operator cannot back what it signed, gives the
    /// reward back (to the requester's balance) and pays the quote's honour from the slot's reserve (F1).
    /// On a slot dedicated to the requester honour is paid in full; on a shared one first come, half of it burned.
    /// The publisher must have the whole reward, in its balance or its wallet, in either case.
    function publish(Quote calldata quote, bytes calldata signature) external returns (bytes32 task, bool accepted);
    /// @notice `publish` for many tasks with shared terms under one signature over `QuoteBatch`; F1 for each. A task that
    /// was published or dishonoured already is passed over and not paid for, so that an operator that publishes one of
    /// them itself is not rid of the others; what else `publish` refuses refuses the batch.
    function publishBatch(Terms calldata terms, Task[] calldata tasks, bytes calldata signature)
        external
        returns (uint256 accepted);
    /// @notice True if the quote could be published now and until `validUntil`, pending changes included, and the honour
    /// reserve covers its honour. If it is true for a slot that is dedicated to the requester, and the requester publishes
    /// nothing else there, then whatever anyone does the quote's publication is accepted or its honour paid in full. On
    /// a shared slot somebody else may come first.
    function isBacked(Quote calldata quote, bytes calldata signature) external view returns (bool);

    // ---- delivery ----

    /// @notice Delivers the proof of a task that is still with its own operator. Caller: the operator or its signer.
    ///
    /// Verifier mode: delivered if the verifier accepts the statement; a target that has no code or fails, and an encoder
    /// that fails, change nothing but the event, because both are the requester's. Target mode: delivered if the target's
    /// call succeeds, or fails and `doneCheck` then answers `true`.
    /// @dev The gas left after the verifier must cover `callGas` after the 63/64 rule and some 100,000 for the rest, or it
    /// reverts with `InsufficientGas`. Verifiers get at most `MAX_CALL_GAS`, encoders 1,000,000.
    function prove(Quote calldata quote, Call calldata call, bytes calldata proof) external;
    /// @notice `prove` for tasks with shared terms; an item that fails does not touch the others.
    /// @dev An item that finds too little gas is rejected like any other, and the transaction succeeds: a gas limit found
    /// by trying out which one succeeds is of no use. Add up `callGas` and what each proof takes.
    function proveBatch(Terms calldata terms, Delivery[] calldata deliveries) external returns (uint256 accepted);
    /// @notice `prove` for a task that `rescuer` has taken over in its slot. Caller: the rescuer or its signer.
    function proveRescued(
        Quote calldata quote,
        address rescuer,
        uint32 rescuerSlot,
        Call calldata call,
        bytes calldata proof
    ) external;

    // ---- lateness ----

    /// @notice Announces that `rescuer` takes the late task over with its own slot, which puts up liability and burn now.
    /// Binding: it takes effect by itself after the grace period, a quarter of the span between the two windows,
    /// unless the original operator delivers first. It must take effect within the liability window. Once per task.
    /// The slot must be idle, not busy, open, shared, and of the task's liability token. Caller: the rescuer or its signer.
    function rescue(Quote calldata quote, address rescuer, uint32 rescuerSlot) external;
    /// @notice Carries out a rescue whose grace period is over: the original pays advance and bond and is released, the
    /// requester gets half of the bond. Anyone; `proveRescued`, `collect` and `unwind` do it by themselves.
    function novate(Quote calldata quote) external;
    /// @notice After the liability window: pays refund, liability and what is left of the bond to the requester. Anyone.
    /// Not if the task can be unwound (`VerifierHalted`).
    function collect(Quote calldata quote) external;

    // ---- a halted verifier ----

    /// @notice Records whether the verifier says it is halted. Time between two halted observations in succession, at most
    /// `MAX_OBSERVATION_GAP` apart, moves the task's deadlines by as much, up to `HALT_CAP` in all: the task's clock stands.
    /// Up to the liability deadline, which a halt must therefore be observed before. Anyone.
    /// @dev A verifier that does not answer `halted` with `true` within 200,000 gas is not halted.
    function observeHalt(Quote calldata quote) external;
    /// @notice Halted for `HALT_CAP` in all: full refund to the requester, the rest back to whoever put it up. Anyone.
    function unwind(Quote calldata quote) external;

    // ---- views ----

    /// @notice The task's id: the quote's EIP-712 digest.
    function digestOf(Quote calldata quote) external view returns (bytes32);
    /// @notice What is signed for `publishBatch`.
    function batchDigestOf(Terms calldata terms, Task[] calldata tasks) external view returns (bytes32);
    /// @notice Deadlines of a live task, halts included, and its rescue; reverts with `NotInSlot` if it is not live.
    /// @return proofDeadline last second on time
    /// @return liabilityDeadline last second at which it can be proven
    /// @return rescuer zero if no rescue was announced
    /// @return rescuerSlot the rescuer's slot
    /// @return rescueAt when the rescue takes (or took) effect
    /// @return novated whether the rescuer's slot holds the task already
    function liveTask(Quote calldata quote)
        external
        view
        returns (
            uint256 proofDeadline,
            uint256 liabilityDeadline,
            address rescuer,
            uint32 rescuerSlot,
            uint256 rescueAt,
            bool novated
        );
}
