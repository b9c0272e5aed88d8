// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {DcapQuote} from "../../src/libraries/DcapQuote.sol";
import {SgxFixture} from "./SgxFixture.sol";

contract DcapQuoteTest is SgxFixture {
    function test_ReadsEveryField() public view {
        QuoteSpec memory spec = specOf(outsider);
        spec.flags = 0xa5a5_a5a5_a5a5_a585;
        _assertReads(spec);
    }

    /// A quote that Intel's hardware has made, as anybody can check with any verifier of quotes.
    function test_ReadsARealQuote() public view {
        DcapQuote.Report memory report = this.parse(_realQuote());
        assertEq(report.mrenclave, 0x33d8736db756ed4997e04ba358d27833188f1932ff7b1d156904d3f560452fbb);
        assertEq(report.mrsigner, 0x815f42f11cf64430c30bab7816ba596a1da0130c3b028b673133a66cf9a3e0e6);
        assertEq(report.isvProdId, 0);
        assertEq(report.isvSvn, 0);
        assertEq(report.dataHigh, bytes32("Hello, world!"));
        assertEq(report.dataLow, 0);
    }

    function testFuzz_ReadsEveryField(QuoteSpec memory spec) public view {
        (spec.version, spec.keyType, spec.tee) = (3, 2, 0);
        spec.flags = spec.flags & ~(DEBUG | PROVISION_KEY | EINITTOKEN_KEY) | INIT | MODE64;
        _assertReads(spec);
    }

    /// SECURITY 16: each bit alone, among good ones.
    function test_RevertWhen_AttributesAreBad() public {
        uint64 good = INIT | MODE64;
        uint64[8] memory bad = [
            good | DEBUG,
            good | PROVISION_KEY,
            good | EINITTOKEN_KEY,
            good | DEBUG | PROVISION_KEY | EINITTOKEN_KEY,
            good ^ INIT,
            good ^ MODE64,
            0,
            type(uint64).max
        ];
        for (uint256 i; i < bad.length; ++i) {
            QuoteSpec memory spec = specOf(outsider);
            spec.flags = bad[i];
            vm.expectRevert(abi.encodeWithSelector(DcapQuote.BadAttributes.selector, bad[i]));
            this.parse(quoteOf(spec));
        }
    }

    function test_RevertWhen_FormatIsUnknown() public {
        uint256[3][5] memory formats = [
            [uint256(4), 2, 0],
            [uint256(0x0300), 2, 0],
            [uint256(3), 3, 0],
            [uint256(3), 2, 0x81],
            [uint256(3), 2, 1 << 31]
        ];
        for (uint256 i; i < formats.length; ++i) {
            QuoteSpec memory spec = specOf(outsider);
            (spec.version, spec.keyType, spec.tee) =
            (uint16(formats[i][0]), uint16(formats[i][1]), uint32(formats[i][2]));
            vm.expectRevert(DcapQuote.UnknownQuoteFormat.selector);
            this.parse(quoteOf(spec));
        }
    }

    function test_RevertWhen_LengthIsNotTheQuotes() public {
        bytes memory quote = quoteOf(specOf(outsider));
        _badLength(bytes.concat(quote, hex"00"));
        uint256[6] memory lengths = [uint256(0), 1, 435, 436, quote.length - 1, quote.length - 32];
        for (uint256 i; i < lengths.length; ++i) {
            bytes memory cut = bytes.concat(quote);
            uint256 length = lengths[i];
            assembly ("memory-safe") {
                mstore(cut, length)
            }
            _badLength(cut);
        }
    }

    function testFuzz_RevertWhen_QuoteIsNoise(bytes calldata noise) public {
        vm.expectRevert();
        this.parse(noise);
    }

    function parse(bytes calldata quote) external pure returns (DcapQuote.Report memory) {
        return DcapQuote.parse(quote);
    }

    function _assertReads(QuoteSpec memory spec) private view {
        DcapQuote.Report memory report = this.parse(quoteOf(spec));
        assertEq(report.mrenclave, spec.mrenclave);
        assertEq(report.mrsigner, spec.mrsigner);
        assertEq(report.isvProdId, spec.isvProdId);
        assertEq(report.isvSvn, spec.isvSvn);
        assertEq(report.dataHigh, spec.dataHigh);
        assertEq(report.dataLow, spec.dataLow);
    }

    function _badLength(bytes memory quote) private {
        vm.expectRevert(DcapQuote.BadQuoteLength.selector);
        this.parse(quote);
    }

    function _realQuote() private view returns (bytes memory) {
        string memory json = vm.readFile("test/fixtures/sgx_quote.json");
        return vm.parseJsonBytes(json, ".quote");
    }
}
