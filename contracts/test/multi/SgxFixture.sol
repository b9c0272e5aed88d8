// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {SgxVerifier} from "../../src/verifiers/SgxVerifier.sol";

/// @notice A verifier of enclaves with one program, quotes with any contents, and instances that sign with any key.
abstract contract SgxFixture is Test {
    bytes32 internal constant PROGRAM = keccak256("a program");
    bytes32 internal constant OTHER_PROGRAM = keccak256("another program");
    bytes32 internal constant OUTPUT = keccak256("an output");
    bytes32 internal constant MRENCLAVE = keccak256("a build");
    bytes32 internal constant OTHER_MRENCLAVE = keccak256("another build");
    bytes32 internal constant MRSIGNER = keccak256("a signer of builds");
    uint16 internal constant ISV_PROD_ID = 0x0107;
    uint16 internal constant ISV_SVN = 0x0203;
    uint64 internal constant INIT = 0x01;
    uint64 internal constant DEBUG = 0x02;
    uint64 internal constant MODE64 = 0x04;
    uint64 internal constant PROVISION_KEY = 0x10;
    uint64 internal constant EINITTOKEN_KEY = 0x20;

    uint256 internal constant DELAY = 2 days;
    uint256 internal constant LIFETIME = 30 days;
    uint64 internal constant BLOCK = 990;
    bytes32 internal constant BLOCK_HASH = keccak256("a block");

    /// @dev What a quote says. Its signatures say nothing here.
    struct QuoteSpec {
        uint16 version;
        uint16 keyType;
        uint32 tee;
        uint64 flags;
        bytes32 mrenclave;
        bytes32 mrsigner;
        uint16 isvProdId;
        uint16 isvSvn;
        bytes32 dataHigh;
        bytes32 dataLow;
    }

    SgxVerifier internal sgx;
    address internal sgxOwner = makeAddr("sgx owner");
    address internal guardian = makeAddr("guardian");
    address internal registrar = makeAddr("registrar");
    address internal outsider = makeAddr("outsider");
    address internal payee = makeAddr("payee");
    address internal instance;
    uint256 internal instanceKey;

    /// @dev With one instance, which is active.
    function setUpSgx() internal {
        vm.warp(1_700_000_000);
        sgx = new SgxVerifier(sgxOwner, guardian, registrar, DELAY, LIFETIME, false);
        (instance, instanceKey) = makeAddrAndKey("instance");
        knowProgram(sgx, PROGRAM);
        allowBuild(PROGRAM, MRENCLAVE);
        register(instance);
        vm.warp(block.timestamp + DELAY);
    }

    // ---- programs and instances ----

    function knowProgram(SgxVerifier verifier, bytes32 program) internal {
        vm.prank(sgxOwner);
        verifier.addProgram(program, MRSIGNER, ISV_PROD_ID, ISV_SVN);
    }

    /// @dev And waits until it counts.
    function allowBuild(bytes32 program, bytes32 mrenclave) internal {
        vm.prank(sgxOwner);
        sgx.setMrenclave(program, mrenclave, true);
        vm.warp(block.timestamp + DELAY);
    }

    function removeBuild(bytes32 mrenclave) internal {
        vm.prank(sgxOwner);
        sgx.setMrenclave(PROGRAM, mrenclave, false);
    }

    function revoke(address who) internal {
        vm.prank(guardian);
        sgx.revoke(who);
    }

    function register(address who) internal {
        registerWith(specOf(who), who);
    }

    function registerWith(QuoteSpec memory spec, address who) internal {
        freshBlock();
        vm.prank(registrar);
        sgx.register(quoteOf(spec), "collateral", BLOCK, PROGRAM, who);
    }

    function freshBlock() internal {
        vm.roll(BLOCK + 10);
        vm.setBlockhash(BLOCK, BLOCK_HASH);
    }

    // ---- quotes ----

    /// @dev What a good enclave's quote says.
    function specOf(address who) internal view returns (QuoteSpec memory) {
        return QuoteSpec({
            version: 3,
            keyType: 2,
            tee: 0,
            flags: INIT | MODE64,
            mrenclave: MRENCLAVE,
            mrsigner: MRSIGNER,
            isvProdId: ISV_PROD_ID,
            isvSvn: ISV_SVN,
            dataHigh: boundTo(block.chainid, address(sgx), PROGRAM, who),
            dataLow: BLOCK_HASH
        });
    }

    /// @dev By hand, so that it checks the contract's.
    function boundTo(uint256 chainId, address verifier, bytes32 program, address who) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("zkpool sgx instance v1"), chainId, verifier, program, who));
    }

    /// @dev Whatever says nothing here is not zero, so that an offset that is wrong shows.
    function quoteOf(QuoteSpec memory spec) internal pure returns (bytes memory quote) {
        quote = bytes.concat(
            _le(spec.version, 2), _le(spec.keyType, 2), _le(spec.tee, 4), _filler(88), _le(spec.flags, 8), _filler(8)
        );
        quote = bytes.concat(quote, spec.mrenclave, _filler(32), spec.mrsigner, _filler(96));
        quote = bytes.concat(quote, _le(spec.isvProdId, 2), _le(spec.isvSvn, 2), _filler(60));
        quote = bytes.concat(quote, spec.dataHigh, spec.dataLow, _le(0x0123, 4), _filler(0x0123));
    }

    function _le(uint256 number, uint256 length) private pure returns (bytes memory field) {
        field = new bytes(length);
        for (uint256 i; i < length; ++i) {
            field[i] = bytes1(uint8(number >> (8 * i)));
        }
    }

    function _filler(uint256 length) private pure returns (bytes memory field) {
        field = new bytes(length);
        for (uint256 i; i < length; ++i) {
            field[i] = 0xa5;
        }
    }

    // ---- proofs ----

    function statementFor(bytes32 program, bytes32 output) internal pure returns (bytes32) {
        return keccak256(abi.encode(program, output));
    }

    /// @dev By hand, so that it checks the contract's.
    function attestationDigest(uint256 chainId, address verifier, bytes32 program, bytes32 output, address to)
        internal
        pure
        returns (bytes32)
    {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("ZKPool SGX"),
                keccak256("1"),
                chainId,
                verifier
            )
        );
        bytes32 typeHash = keccak256("Attestation(bytes32 program,bytes32 output,address payee)");
        bytes32 structHash = keccak256(abi.encode(typeHash, program, output, to));
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function signedBy(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function sgxProofBy(uint256 key, bytes32 program, bytes32 output) internal view returns (bytes memory) {
        bytes32 digest = attestationDigest(block.chainid, address(sgx), program, output, payee);
        return abi.encodePacked(program, output, payee, signedBy(key, digest));
    }

    function sgxProof(bytes32 output) internal view returns (bytes memory) {
        return sgxProofBy(instanceKey, PROGRAM, output);
    }
}
