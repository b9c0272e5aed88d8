// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @notice What an SGX quote (DCAP, version 3) says of the enclave, and nothing of whether it is true: the signatures over it
/// are checked off chain.
///
/// | bytes    | 0..2    | 2..4     | 4..8 | 96..104 | 112..144  | 176..208 | 304..306  | 306..308 | 368..432    | 432..436 |
/// | -------- | ------- | -------- | ---- | ------- | --------- | -------- | --------- | -------- | ----------- | -------- |
/// | contents | version | key type | TEE  | flags   | MRENCLAVE | MRSIGNER | ISVPRODID | ISVSVN   | REPORTDATA  | length   |
///
/// Numbers are little-endian. The header has 48 bytes, the report 384; `length` counts the signature data that follows.
/// Source: Intel, "SGX ECDSA Quote Library Reference", appendix A.
library DcapQuote {
    struct Report {
        bytes32 mrenclave;
        bytes32 mrsigner;
        uint16 isvProdId;
        uint16 isvSvn;
        /// REPORTDATA, which the enclave chooses.
        bytes32 dataHigh;
        bytes32 dataLow;
    }

    /// Not a whole quote, or more than one.
    error BadQuoteLength();
    /// Not version 3, not signed with ECDSA on P-256, or not of SGX.
    error UnknownQuoteFormat();
    /// A debug enclave, one with the provisioning or the launch key, one that is not initialised, or not in 64-bit mode.
    error BadAttributes(uint64 flags);

    uint256 private constant SIGNATURE_AT = 436;
    uint256 private constant VERSION = 3;
    uint256 private constant ECDSA_P256 = 2;
    uint256 private constant SGX = 0;
    /// @dev DEBUG, PROVISION_KEY, EINITTOKEN_KEY.
    uint64 private constant FORBIDDEN = 0x32;
    /// @dev INIT, MODE64BIT.
    uint64 private constant REQUIRED = 0x05;

    function parse(bytes calldata quote) internal pure returns (Report memory report) {
        if (quote.length < SIGNATURE_AT || quote.length - SIGNATURE_AT != _number(quote[432:SIGNATURE_AT])) {
            revert BadQuoteLength();
        }
        bool known = _number(quote[:2]) == VERSION && _number(quote[2:4]) == ECDSA_P256 && _number(quote[4:8]) == SGX;
        if (!known) revert UnknownQuoteFormat();
        uint64 flags = uint64(_number(quote[96:104]));
        if (flags & FORBIDDEN != 0 || flags & REQUIRED != REQUIRED) revert BadAttributes(flags);
        report.mrenclave = bytes32(quote[112:144]);
        report.mrsigner = bytes32(quote[176:208]);
        report.isvProdId = uint16(_number(quote[304:306]));
        report.isvSvn = uint16(_number(quote[306:308]));
        report.dataHigh = bytes32(quote[368:400]);
        report.dataLow = bytes32(quote[400:432]);
    }

    /// Least significant byte first.
    function _number(bytes calldata field) private pure returns (uint256 number) {
        for (uint256 i = field.length; i > 0; --i) {
            number = number << 8 | uint8(field[i - 1]);
        }
    }
}
