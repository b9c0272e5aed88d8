// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {DcapQuote} from "../libraries/DcapQuote.sol";

/// @notice Where an instance stands with a program. What an `Active` one signs is believed, and nothing else.
enum InstanceState {
    /// Never registered for it, or expired or revoked so long ago that another has its seat.
    Unknown,
    Pending,
    Active,
    Expired,
    Revoked,
    /// Its MRENCLAVE is not on the program's list (any more).
    Removed,
    /// Its ISVSVN is below the program's minimum (by now).
    Outdated
}

/// @notice A key that was made inside an enclave and has never left it.
struct Instance {
    address key;
    /// First second at which it counts.
    uint40 activeAt;
    /// First second at which it does not count any more; zero if it was revoked.
    uint40 expiresAt;
    uint16 isvSvn;
    bytes32 mrenclave;
}

/// @notice Who signs the builds of a program. MRENCLAVE does not say: anybody can sign the same code with any ISVSVN.
struct SgxProgram {
    /// Zero for programs that are not known.
    bytes32 mrsigner;
    uint16 isvProdId;
    uint16 minIsvSvn;
}

/// @notice Which enclaves are believed: programs, the builds that count as each of them, and the keys of running instances.
///
/// ```
/// register ──▶ Pending ──DELAY──▶ Active ──LIFETIME──▶ Expired
///                 └──────revoke──────┴──▶ Revoked
/// ```
///
/// What widens trust takes `DELAY` (a build, an instance), so that anybody can object. What narrows it takes effect at once.
abstract contract SgxInstances {
    error NotAuthorized();
    error ZeroAddress();
    error BadDelay();
    error BadLifetime();
    /// Simulated enclaves are nobody's word: they are taken on test networks alone.
    error NotATestNetwork(uint256 chainId);
    error BadProgram(bytes32 program);
    error UnknownProgram(bytes32 program);
    /// It is on the list already, or is not on it.
    error MrenclaveUnchanged(bytes32 mrenclave);
    /// A minimum is only ever raised.
    error IsvSvnNotRaised(uint16 current);
    /// Also if it has expired or was revoked since: an enclave makes itself another key.
    error AlreadyRegistered(address instance);
    error NotAnInstance(address instance);
    error MrenclaveNotAllowed(bytes32 mrenclave);
    error WrongSigner(bytes32 mrsigner, uint16 isvProdId);
    error IsvSvnTooOld(uint16 received, uint16 expected);
    /// REPORTDATA is not for this chain, contract, program and instance.
    error QuoteNotBound();
    /// Not made after `blockNumber`, or that block is too old or not there yet.
    error StaleQuote();
    /// Until one of the program's instances expires or is revoked.
    error NoFreeSeat();

    event RegistrarSet(address registrar);
    event ProgramAdded(bytes32 indexed program, bytes32 mrsigner, uint16 isvProdId, uint16 minIsvSvn);
    event MinIsvSvnRaised(bytes32 indexed program, uint16 minIsvSvn);
    event MrenclaveAllowed(bytes32 indexed program, bytes32 indexed mrenclave, uint256 effectiveAt);
    event MrenclaveRemoved(bytes32 indexed program, bytes32 indexed mrenclave);
    event Registered(
        bytes32 indexed program,
        address indexed instance,
        bytes32 indexed mrenclave,
        uint256 activeAt,
        uint256 expiresAt
    );
    /// With what the instance was registered, so that anybody can check it.
    event QuotePublished(
        bytes32 indexed program, address indexed instance, uint64 blockNumber, bytes quote, bytes collateral
    );
    event Revoked(bytes32 indexed program, address indexed instance);
    event Stopped();

    uint256 public constant MIN_DELAY = 1 days;
    /// @notice An instance proves itself anew at least this often: Intel's word about a platform ages.
    uint256 public constant MAX_LIFETIME = 90 days;
    /// @notice How many instances a program has at most at a time, so that `haltedFor` can look at all of them.
    uint256 public constant SEATS = 8;

    bytes32 private constant REPORT_DATA_TAG = keccak256("zkpool sgx instance v1");

    /// @notice Adds programs and builds, names the registrar.
    address public immutable OWNER;
    /// @notice Can revoke, remove and stop, like the owner, and nothing else. Zero: there is none.
    address public immutable GUARDIAN;
    /// @notice For how long anybody can object to a build or an instance.
    uint256 public immutable DELAY;
    uint256 public immutable LIFETIME;
    /// @notice Quotes are of enclaves that do not exist. What is proven here is worth nothing.
    bool public immutable SIMULATED;

    /// @notice Registers instances, and answers for having checked their quotes.
    address public registrar;
    /// @notice Nothing is verified any more, for good.
    bool public stopped;
    mapping(bytes32 program => SgxProgram) public programs;
    /// @notice From when on a build counts as the program; zero if it is not on the list.
    mapping(bytes32 program => mapping(bytes32 mrenclave => uint256)) public mrenclaveFrom;
    /// @notice What an instance was registered for, kept for ever.
    mapping(address instance => bytes32 program) public programOf;
    mapping(bytes32 program => Instance[SEATS]) private _instances;

    modifier onlyOwner() {
        if (msg.sender != OWNER) revert NotAuthorized();
        _;
    }

    modifier onlyOwnerOrGuardian() {
        if (msg.sender != OWNER && msg.sender != GUARDIAN) revert NotAuthorized();
        _;
    }

    constructor(address owner, address guardian, address registrar_, uint256 delay, uint256 lifetime, bool simulated) {
        if (owner == address(0)) revert ZeroAddress();
        if (simulated && !_isTestNetwork(block.chainid)) revert NotATestNetwork(block.chainid);
        // A delay of years is a mistake, and would not fit.
        if ((delay < MIN_DELAY && !simulated) || delay > MAX_LIFETIME) revert BadDelay();
        if (lifetime == 0 || lifetime > MAX_LIFETIME) revert BadLifetime();
        (OWNER, GUARDIAN, DELAY, LIFETIME, SIMULATED) = (owner, guardian, delay, lifetime, simulated);
        _setRegistrar(registrar_);
    }

    // ---- programs and their builds ----

    /// @notice Makes a program known, for good.
    function addProgram(bytes32 program, bytes32 mrsigner, uint16 isvProdId, uint16 minIsvSvn) external onlyOwner {
        if (program == 0 || mrsigner == 0 || programs[program].mrsigner != 0) revert BadProgram(program);
        programs[program] = SgxProgram(mrsigner, isvProdId, minIsvSvn);
        emit ProgramAdded(program, mrsigner, isvProdId, minIsvSvn);
    }

    /// @notice Puts a build on the program's list, from `DELAY` on, or takes it off, with all of its instances, at once.
    function setMrenclave(bytes32 program, bytes32 mrenclave, bool allowed) external onlyOwnerOrGuardian {
        if (allowed && msg.sender != OWNER) revert NotAuthorized();
        _expectProgram(program);
        if (allowed == (mrenclaveFrom[program][mrenclave] != 0)) revert MrenclaveUnchanged(mrenclave);
        if (allowed) {
            uint256 effectiveAt = block.timestamp + DELAY;
            mrenclaveFrom[program][mrenclave] = effectiveAt;
            emit MrenclaveAllowed(program, mrenclave, effectiveAt);
        } else {
            mrenclaveFrom[program][mrenclave] = 0;
            emit MrenclaveRemoved(program, mrenclave);
        }
    }

    /// @notice From now on instances with a lower ISVSVN do not count.
    function raiseMinIsvSvn(bytes32 program, uint16 minIsvSvn) external onlyOwnerOrGuardian {
        _expectProgram(program);
        uint16 current = programs[program].minIsvSvn;
        if (minIsvSvn <= current) revert IsvSvnNotRaised(current);
        programs[program].minIsvSvn = minIsvSvn;
        emit MinIsvSvnRaised(program, minIsvSvn);
    }

    // ---- instances ----

    /// @notice Registers an instance by its quote. Caller: the registrar, which has checked the quote's signatures against
    /// Intel's root, and the platform's standing against `collateral`. Here is checked what the quote says.
    /// @param quote DCAP, version 3
    /// @param collateral what the registrar has checked the quote with; read by nobody here
    /// @param blockNumber of the last 256: the quote was made after it
    function register(
        bytes calldata quote,
        bytes calldata collateral,
        uint64 blockNumber,
        bytes32 program,
        address instance
    ) external {
        if (msg.sender != registrar) revert NotAuthorized();
        DcapQuote.Report memory report = DcapQuote.parse(quote);
        _checkBuild(program, report);
        if (report.dataHigh != reportDataOf(program, instance)) revert QuoteNotBound();
        bytes32 blockHash = blockhash(blockNumber);
        if (blockHash == 0 || report.dataLow != blockHash) revert StaleQuote();
        _seat(program, instance, report);
        emit QuotePublished(program, instance, blockNumber, quote, collateral);
    }

    /// @notice From now on the instance does not count, and never again.
    function revoke(address instance) external onlyOwnerOrGuardian {
        bytes32 program = programOf[instance];
        (bool seated, Instance storage seat) = _find(program, instance);
        if (!seated) revert NotAnInstance(instance);
        seat.expiresAt = 0;
        emit Revoked(program, instance);
    }

    // ---- the whole ----

    /// @notice Names the registrar. Zero: nobody can register for now.
    function setRegistrar(address registrar_) external onlyOwner {
        _setRegistrar(registrar_);
    }

    /// @notice For the day on which SGX itself is broken: nothing is verified here any more, and the verifier is halted.
    function stop() external onlyOwnerOrGuardian {
        stopped = true;
        emit Stopped();
    }

    // ---- views ----

    /// @notice The first half of REPORTDATA in the quote of an instance. The second is the hash of a recent block.
    function reportDataOf(bytes32 program, address instance) public view returns (bytes32) {
        return keccak256(abi.encode(REPORT_DATA_TAG, block.chainid, address(this), program, instance));
    }

    function stateOf(bytes32 program, address instance) public view returns (InstanceState) {
        (bool seated, Instance storage seat) = _find(program, instance);
        return seated ? _stateOf(program, seat) : InstanceState.Unknown;
    }

    /// @notice The program's seats. Free ones are zero, or hold who expired or was revoked last.
    function instancesOf(bytes32 program) external view returns (Instance[SEATS] memory) {
        return _instances[program];
    }

    /// @notice Whether no instance can sign for this program now.
    function haltedFor(bytes32 program) external view returns (bool) {
        if (stopped) return true;
        Instance[SEATS] storage seats = _instances[program];
        for (uint256 i; i < SEATS; ++i) {
            if (_stateOf(program, seats[i]) == InstanceState.Active) return false;
        }
        return true;
    }

    // ---- helpers ----

    function _expectProgram(bytes32 program) private view {
        if (programs[program].mrsigner == 0) revert UnknownProgram(program);
    }

    function _checkBuild(bytes32 program, DcapQuote.Report memory report) private view {
        _expectProgram(program);
        SgxProgram memory known = programs[program];
        if (report.mrsigner != known.mrsigner || report.isvProdId != known.isvProdId) {
            revert WrongSigner(report.mrsigner, report.isvProdId);
        }
        if (report.isvSvn < known.minIsvSvn) revert IsvSvnTooOld(report.isvSvn, known.minIsvSvn);
        if (!_isAllowed(program, report.mrenclave)) revert MrenclaveNotAllowed(report.mrenclave);
    }

    function _isAllowed(bytes32 program, bytes32 mrenclave) private view returns (bool) {
        uint256 from = mrenclaveFrom[program][mrenclave];
        return from != 0 && block.timestamp >= from;
    }

    function _stateOf(bytes32 program, Instance storage instance) private view returns (InstanceState) {
        (uint256 activeAt, uint256 expiresAt, uint256 isvSvn) = (instance.activeAt, instance.expiresAt, instance.isvSvn);
        if (expiresAt == 0) return InstanceState.Revoked;
        if (block.timestamp < activeAt) return InstanceState.Pending;
        if (block.timestamp >= expiresAt) return InstanceState.Expired;
        if (!_isAllowed(program, instance.mrenclave)) return InstanceState.Removed;
        if (isvSvn < programs[program].minIsvSvn) return InstanceState.Outdated;
        return InstanceState.Active;
    }

    /// The instance's seat with the program. If it has none, `seat` is of no use.
    function _find(bytes32 program, address instance) private view returns (bool seated, Instance storage seat) {
        Instance[SEATS] storage seats = _instances[program];
        seat = seats[0];
        for (uint256 i; i < SEATS; ++i) {
            seat = seats[i];
            if (seat.key == instance) return (instance != address(0), seat);
        }
    }

    function _seat(bytes32 program, address instance, DcapQuote.Report memory report) private {
        if (instance == address(0)) revert ZeroAddress();
        if (programOf[instance] != 0) revert AlreadyRegistered(instance);
        uint256 activeAt = block.timestamp + DELAY;
        uint256 expiresAt = activeAt + LIFETIME;
        programOf[instance] = program;
        _instances[program][_freeSeat(program)] =
            Instance(instance, uint40(activeAt), uint40(expiresAt), report.isvSvn, report.mrenclave);
        emit Registered(program, instance, report.mrenclave, activeAt, expiresAt);
    }

    /// The first seat whose instance, if it has one, never counts again.
    function _freeSeat(bytes32 program) private view returns (uint256) {
        for (uint256 i; i < SEATS; ++i) {
            if (block.timestamp >= _instances[program][i].expiresAt) return i;
        }
        revert NoFreeSeat();
    }

    function _setRegistrar(address registrar_) private {
        registrar = registrar_;
        emit RegistrarSet(registrar_);
    }

    /// A list of those that are, because nobody can list those that are not: development chains, Sepolia, Hoodi, and the
    /// Sepolias of Base, Optimism and Arbitrum.
    function _isTestNetwork(uint256 chainId) private pure returns (bool) {
        return chainId == 31_337 || chainId == 1337 || chainId == 11_155_111 || chainId == 560_048 || chainId == 84_532
            || chainId == 11_155_420 || chainId == 421_614;
    }
}
