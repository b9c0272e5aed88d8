// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {DcapQuote} from "../../src/libraries/DcapQuote.sol";
import {Instance, InstanceState, SgxInstances} from "../../src/verifiers/SgxInstances.sol";
import {SgxVerifier} from "../../src/verifiers/SgxVerifier.sol";
import {SgxFixture} from "./SgxFixture.sol";

/// @notice Which enclaves are registered, by whom, and who can end it.
contract SgxInstancesTest is SgxFixture {
    address internal second;

    function setUp() public {
        setUpSgx();
        second = makeAddr("second");
    }

    // ---- registering ----

    function test_RegistersAnInstance() public {
        freshBlock();
        bytes memory quote = quoteOf(specOf(second));
        (uint256 activeAt, uint256 expiresAt) = (block.timestamp + DELAY, block.timestamp + DELAY + LIFETIME);
        vm.expectEmit(address(sgx));
        emit SgxInstances.Registered(PROGRAM, second, MRENCLAVE, activeAt, expiresAt);
        vm.expectEmit(address(sgx));
        emit SgxInstances.QuotePublished(PROGRAM, second, BLOCK, quote, "collateral");
        vm.prank(registrar);
        sgx.register(quote, "collateral", BLOCK, PROGRAM, second);

        assertEq(sgx.programOf(second), PROGRAM);
        assertEq(uint256(sgx.stateOf(PROGRAM, second)), uint256(InstanceState.Pending));
        Instance memory seat = sgx.instancesOf(PROGRAM)[1];
        assertEq(seat.key, second);
        assertEq(seat.activeAt, activeAt);
        assertEq(seat.expiresAt, expiresAt);
        assertEq(seat.isvSvn, ISV_SVN);
        assertEq(seat.mrenclave, MRENCLAVE);
    }

    function test_RevertWhen_CallerIsNotTheRegistrar() public {
        freshBlock();
        bytes memory quote = quoteOf(specOf(second));
        address[3] memory callers = [outsider, sgxOwner, guardian];
        for (uint256 i; i < callers.length; ++i) {
            vm.prank(callers[i]);
            vm.expectRevert(SgxInstances.NotAuthorized.selector);
            sgx.register(quote, "", BLOCK, PROGRAM, second);
        }
    }

    /// SECURITY 15 and 16: debug enclaves and the like, by the way that they would take.
    function test_RevertWhen_AttributesAreBad() public {
        uint64[5] memory flags = [
            INIT | MODE64 | DEBUG,
            INIT | MODE64 | PROVISION_KEY,
            INIT | MODE64 | EINITTOKEN_KEY,
            uint64(MODE64),
            uint64(INIT)
        ];
        for (uint256 i; i < flags.length; ++i) {
            QuoteSpec memory spec = specOf(second);
            spec.flags = flags[i];
            _refused(spec, abi.encodeWithSelector(DcapQuote.BadAttributes.selector, flags[i]));
        }
    }

    function test_RevertWhen_BuildIsNotOnTheList() public {
        QuoteSpec memory spec = specOf(second);
        spec.mrenclave = OTHER_MRENCLAVE;
        bytes memory reason = abi.encodeWithSelector(SgxInstances.MrenclaveNotAllowed.selector, OTHER_MRENCLAVE);
        _refused(spec, reason);
        // Put there, but not yet for long enough.
        vm.prank(sgxOwner);
        sgx.setMrenclave(PROGRAM, OTHER_MRENCLAVE, true);
        vm.warp(block.timestamp + DELAY - 1);
        _refused(spec, reason);
        // Of another program.
        knowProgram(sgx, OTHER_PROGRAM);
        spec.dataHigh = boundTo(block.chainid, address(sgx), OTHER_PROGRAM, second);
        freshBlock();
        vm.prank(registrar);
        vm.expectRevert(reason);
        sgx.register(quoteOf(spec), "", BLOCK, OTHER_PROGRAM, second);
        vm.warp(block.timestamp + 1);
        spec.dataHigh = boundTo(block.chainid, address(sgx), PROGRAM, second);
        registerWith(spec, second);
        assertEq(sgx.programOf(second), PROGRAM);
    }

    /// Anybody can sign the same build, with any ISVSVN.
    function test_RevertWhen_BuildIsSignedByAnother() public {
        QuoteSpec memory spec = specOf(second);
        spec.mrsigner = keccak256("somebody");
        spec.isvSvn = type(uint16).max;
        _refused(spec, abi.encodeWithSelector(SgxInstances.WrongSigner.selector, spec.mrsigner, ISV_PROD_ID));
        spec = specOf(second);
        spec.isvProdId = ISV_PROD_ID + 1;
        _refused(spec, abi.encodeWithSelector(SgxInstances.WrongSigner.selector, MRSIGNER, ISV_PROD_ID + 1));
    }

    function test_RevertWhen_IsvSvnIsTooLow() public {
        QuoteSpec memory spec = specOf(second);
        spec.isvSvn = ISV_SVN - 1;
        _refused(spec, abi.encodeWithSelector(SgxInstances.IsvSvnTooOld.selector, ISV_SVN - 1, ISV_SVN));
    }

    /// SECURITY 16: a quote is for one chain, one contract, one program, one key.
    function test_RevertWhen_QuoteIsBoundToAnother() public {
        bytes32[6] memory others = [
            boundTo(1, address(sgx), PROGRAM, second),
            boundTo(block.chainid, address(this), PROGRAM, second),
            boundTo(block.chainid, address(sgx), OTHER_PROGRAM, second),
            boundTo(block.chainid, address(sgx), PROGRAM, outsider),
            bytes32(uint256(uint160(second))),
            bytes32(0)
        ];
        for (uint256 i; i < others.length; ++i) {
            QuoteSpec memory spec = specOf(second);
            spec.dataHigh = others[i];
            _refused(spec, abi.encodeWithSelector(SgxInstances.QuoteNotBound.selector));
        }
        assertEq(sgx.reportDataOf(PROGRAM, second), boundTo(block.chainid, address(sgx), PROGRAM, second));
    }

    /// SECURITY 16: the quote was made within the last 256 blocks.
    function test_RevertWhen_QuoteIsStale() public {
        QuoteSpec memory spec = specOf(second);
        spec.dataLow = keccak256("another block");
        _refused(spec, abi.encodeWithSelector(SgxInstances.StaleQuote.selector));
        spec.dataLow = BLOCK_HASH;
        freshBlock();
        vm.roll(BLOCK + 257);
        _refusedNow(spec, BLOCK);
        // What no block has is of no block.
        spec.dataLow = 0;
        _refusedNow(spec, BLOCK);
        _refusedNow(spec, uint64(block.number));
        _refusedNow(spec, uint64(block.number + 1));
        _refusedNow(spec, type(uint64).max);
        spec.dataLow = BLOCK_HASH;
        vm.roll(BLOCK + 256);
        vm.setBlockhash(BLOCK, BLOCK_HASH);
        vm.prank(registrar);
        sgx.register(quoteOf(spec), "", BLOCK, PROGRAM, second);
    }

    function test_RevertWhen_RegisteredTwice() public {
        bytes memory reason = abi.encodeWithSelector(SgxInstances.AlreadyRegistered.selector, instance);
        _refusedFor(instance, reason);
        revoke(instance);
        _refusedFor(instance, reason);
        vm.warp(block.timestamp + LIFETIME);
        _refusedFor(instance, reason);
        // Not for another program either.
        knowProgram(sgx, OTHER_PROGRAM);
        allowBuild(OTHER_PROGRAM, MRENCLAVE);
        QuoteSpec memory spec = specOf(instance);
        spec.dataHigh = boundTo(block.chainid, address(sgx), OTHER_PROGRAM, instance);
        freshBlock();
        vm.prank(registrar);
        vm.expectRevert(reason);
        sgx.register(quoteOf(spec), "", BLOCK, OTHER_PROGRAM, instance);
    }

    function test_RevertWhen_ProgramIsUnknown() public {
        freshBlock();
        bytes memory quote = quoteOf(specOf(second));
        vm.prank(registrar);
        vm.expectRevert(abi.encodeWithSelector(SgxInstances.UnknownProgram.selector, OTHER_PROGRAM));
        sgx.register(quote, "", BLOCK, OTHER_PROGRAM, second);
    }

    function test_RevertWhen_InstanceIsNobody() public {
        _refusedFor(address(0), abi.encodeWithSelector(SgxInstances.ZeroAddress.selector));
        assertEq(uint256(sgx.stateOf(PROGRAM, address(0))), uint256(InstanceState.Unknown));
    }

    function test_SeatsAreTakenAgainOnceTheirInstancesHaveEnded() public {
        uint256 seats = sgx.SEATS();
        address[] memory fleet = new address[](seats);
        fleet[0] = instance;
        for (uint256 i = 1; i < seats; ++i) {
            fleet[i] = makeAddr(vm.toString(i));
            vm.warp(block.timestamp + 1 hours);
            register(fleet[i]);
        }
        bytes memory full = abi.encodeWithSelector(SgxInstances.NoFreeSeat.selector);
        _refusedFor(second, full);
        // One that can come back keeps its seat.
        removeBuild(MRENCLAVE);
        allowBuild(PROGRAM, MRENCLAVE);
        _refusedFor(second, full);
        revoke(fleet[5]);
        register(second);
        assertEq(sgx.instancesOf(PROGRAM)[5].key, second);
        assertEq(uint256(sgx.stateOf(PROGRAM, fleet[5])), uint256(InstanceState.Unknown));
        vm.warp(sgx.instancesOf(PROGRAM)[0].expiresAt - 1);
        _refusedFor(outsider, full);
        vm.warp(block.timestamp + 1);
        register(outsider);
        assertEq(sgx.instancesOf(PROGRAM)[0].key, outsider);
        assertEq(uint256(sgx.stateOf(PROGRAM, fleet[7])), uint256(InstanceState.Active));
    }

    // ---- ending it ----

    function test_OwnerAndGuardianRevoke() public {
        vm.expectEmit(address(sgx));
        emit SgxInstances.Revoked(PROGRAM, instance);
        vm.prank(sgxOwner);
        sgx.revoke(instance);
        register(second);
        vm.prank(guardian);
        sgx.revoke(second);
        assertEq(uint256(sgx.stateOf(PROGRAM, instance)), uint256(InstanceState.Unknown));
        assertEq(uint256(sgx.stateOf(PROGRAM, second)), uint256(InstanceState.Revoked));
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(SgxInstances.NotAnInstance.selector, outsider));
        sgx.revoke(outsider);
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(SgxInstances.NotAnInstance.selector, address(0)));
        sgx.revoke(address(0));
    }

    function test_RevertWhen_NarrowedByAnother() public {
        address[2] memory callers = [outsider, registrar];
        for (uint256 i; i < callers.length; ++i) {
            vm.startPrank(callers[i]);
            vm.expectRevert(SgxInstances.NotAuthorized.selector);
            sgx.revoke(instance);
            vm.expectRevert(SgxInstances.NotAuthorized.selector);
            sgx.setMrenclave(PROGRAM, MRENCLAVE, false);
            vm.expectRevert(SgxInstances.NotAuthorized.selector);
            sgx.raiseMinIsvSvn(PROGRAM, ISV_SVN + 1);
            vm.expectRevert(SgxInstances.NotAuthorized.selector);
            sgx.stop();
            vm.stopPrank();
        }
    }

    function test_StoppedForGood() public {
        vm.expectEmit(address(sgx));
        emit SgxInstances.Stopped();
        vm.prank(sgxOwner);
        sgx.stop();
        assertTrue(sgx.stopped());
        assertTrue(sgx.haltedFor(PROGRAM));
    }

    // ---- programs and builds ----

    function test_ProgramsAreAddedOnceByTheOwner() public {
        address[3] memory callers = [outsider, guardian, registrar];
        for (uint256 i; i < callers.length; ++i) {
            vm.prank(callers[i]);
            vm.expectRevert(SgxInstances.NotAuthorized.selector);
            sgx.addProgram(OTHER_PROGRAM, MRSIGNER, 1, 1);
        }
        vm.startPrank(sgxOwner);
        vm.expectEmit(address(sgx));
        emit SgxInstances.ProgramAdded(OTHER_PROGRAM, MRSIGNER, 1, 2);
        sgx.addProgram(OTHER_PROGRAM, MRSIGNER, 1, 2);
        bytes32[2] memory bad = [PROGRAM, bytes32(0)];
        for (uint256 i; i < bad.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(SgxInstances.BadProgram.selector, bad[i]));
            sgx.addProgram(bad[i], MRSIGNER, 1, 1);
        }
        vm.expectRevert(abi.encodeWithSelector(SgxInstances.BadProgram.selector, OUTPUT));
        sgx.addProgram(OUTPUT, 0, 1, 1);
        (bytes32 mrsigner, uint16 isvProdId, uint16 minIsvSvn) = sgx.programs(OTHER_PROGRAM);
        assertEq(abi.encode(mrsigner, isvProdId, minIsvSvn), abi.encode(MRSIGNER, 1, 2));
    }

    function test_BuildsAreAllowedByTheOwnerAlone() public {
        address[3] memory callers = [outsider, guardian, registrar];
        for (uint256 i; i < callers.length; ++i) {
            vm.prank(callers[i]);
            vm.expectRevert(SgxInstances.NotAuthorized.selector);
            sgx.setMrenclave(PROGRAM, OTHER_MRENCLAVE, true);
        }
        vm.startPrank(sgxOwner);
        vm.expectEmit(address(sgx));
        emit SgxInstances.MrenclaveAllowed(PROGRAM, OTHER_MRENCLAVE, block.timestamp + DELAY);
        sgx.setMrenclave(PROGRAM, OTHER_MRENCLAVE, true);
        assertEq(sgx.mrenclaveFrom(PROGRAM, OTHER_MRENCLAVE), block.timestamp + DELAY);
        vm.expectRevert(abi.encodeWithSelector(SgxInstances.UnknownProgram.selector, OTHER_PROGRAM));
        sgx.setMrenclave(OTHER_PROGRAM, MRENCLAVE, true);
    }

    function test_RevertWhen_ABuildIsAllowedOrRemovedTwice() public {
        bytes memory reason = abi.encodeWithSelector(SgxInstances.MrenclaveUnchanged.selector, MRENCLAVE);
        vm.startPrank(sgxOwner);
        vm.expectRevert(reason);
        sgx.setMrenclave(PROGRAM, MRENCLAVE, true);
        sgx.setMrenclave(PROGRAM, MRENCLAVE, false);
        vm.expectRevert(reason);
        sgx.setMrenclave(PROGRAM, MRENCLAVE, false);
    }

    /// Also one that does not count yet: the guardian's veto.
    function test_GuardianRemovesBuilds() public {
        vm.prank(sgxOwner);
        sgx.setMrenclave(PROGRAM, OTHER_MRENCLAVE, true);
        vm.expectEmit(address(sgx));
        emit SgxInstances.MrenclaveRemoved(PROGRAM, OTHER_MRENCLAVE);
        vm.prank(guardian);
        sgx.setMrenclave(PROGRAM, OTHER_MRENCLAVE, false);
        assertEq(sgx.mrenclaveFrom(PROGRAM, OTHER_MRENCLAVE), 0);
    }

    function test_MinimumIsOnlyRaised() public {
        vm.startPrank(guardian);
        vm.expectRevert(abi.encodeWithSelector(SgxInstances.IsvSvnNotRaised.selector, ISV_SVN));
        sgx.raiseMinIsvSvn(PROGRAM, ISV_SVN);
        vm.expectRevert(abi.encodeWithSelector(SgxInstances.IsvSvnNotRaised.selector, ISV_SVN));
        sgx.raiseMinIsvSvn(PROGRAM, 0);
        vm.expectRevert(abi.encodeWithSelector(SgxInstances.UnknownProgram.selector, OTHER_PROGRAM));
        sgx.raiseMinIsvSvn(OTHER_PROGRAM, 1);
        vm.expectEmit(address(sgx));
        emit SgxInstances.MinIsvSvnRaised(PROGRAM, ISV_SVN + 1);
        sgx.raiseMinIsvSvn(PROGRAM, ISV_SVN + 1);
        assertEq(uint256(sgx.stateOf(PROGRAM, instance)), uint256(InstanceState.Outdated));
    }

    // ---- roles and construction ----

    function test_OwnerNamesTheRegistrar() public {
        address[3] memory callers = [outsider, guardian, registrar];
        for (uint256 i; i < callers.length; ++i) {
            vm.prank(callers[i]);
            vm.expectRevert(SgxInstances.NotAuthorized.selector);
            sgx.setRegistrar(outsider);
        }
        vm.expectEmit(address(sgx));
        emit SgxInstances.RegistrarSet(outsider);
        vm.prank(sgxOwner);
        sgx.setRegistrar(outsider);
        _refusedFor(second, abi.encodeWithSelector(SgxInstances.NotAuthorized.selector));
    }

    function test_IsAsItWasMade() public view {
        assertEq(sgx.OWNER(), sgxOwner);
        assertEq(sgx.GUARDIAN(), guardian);
        assertEq(sgx.registrar(), registrar);
        assertEq(sgx.DELAY(), DELAY);
        assertEq(sgx.LIFETIME(), LIFETIME);
        assertFalse(sgx.SIMULATED());
    }

    function test_RevertWhen_MadeWithBadTimesOrWithoutOwner() public {
        vm.expectRevert(SgxInstances.ZeroAddress.selector);
        new SgxVerifier(address(0), guardian, registrar, DELAY, LIFETIME, false);
        uint256[3] memory delays = [uint256(0), 1 days - 1, 90 days + 1];
        for (uint256 i; i < delays.length; ++i) {
            vm.expectRevert(SgxInstances.BadDelay.selector);
            new SgxVerifier(sgxOwner, guardian, registrar, delays[i], LIFETIME, false);
        }
        vm.expectRevert(SgxInstances.BadDelay.selector);
        new SgxVerifier(sgxOwner, guardian, registrar, 90 days + 1, LIFETIME, true);
        uint256[2] memory lifetimes = [uint256(0), 90 days + 1];
        for (uint256 i; i < lifetimes.length; ++i) {
            vm.expectRevert(SgxInstances.BadLifetime.selector);
            new SgxVerifier(sgxOwner, guardian, registrar, DELAY, lifetimes[i], false);
        }
        new SgxVerifier(sgxOwner, address(0), address(0), 1 days, 90 days, false);
    }

    /// Simulated ones live on development chains and test networks, and need not wait.
    function test_SimulatedOnTestNetworksAlone() public {
        uint64[7] memory tests = [uint64(31_337), 1337, 11_155_111, 560_048, 84_532, 11_155_420, 421_614];
        for (uint256 i; i < tests.length; ++i) {
            vm.chainId(tests[i]);
            assertTrue(new SgxVerifier(sgxOwner, guardian, registrar, 0, 1, true).SIMULATED());
        }
        uint64[13] memory production =
            [uint64(1), 10, 56, 100, 137, 324, 8453, 42_161, 43_114, 59_144, 534_352, 167_000, 1_234_567];
        for (uint256 i; i < production.length; ++i) {
            vm.chainId(production[i]);
            vm.expectRevert(abi.encodeWithSelector(SgxInstances.NotATestNetwork.selector, production[i]));
            new SgxVerifier(sgxOwner, guardian, registrar, DELAY, LIFETIME, true);
        }
    }

    function test_ASimulatedOneNeedNotWait() public {
        sgx = new SgxVerifier(sgxOwner, guardian, registrar, 0, LIFETIME, true);
        knowProgram(sgx, PROGRAM);
        vm.prank(sgxOwner);
        sgx.setMrenclave(PROGRAM, MRENCLAVE, true);
        register(instance);
        assertTrue(sgx.verify(statementFor(PROGRAM, OUTPUT), sgxProof(OUTPUT)));
    }

    // ---- helpers ----

    function _refusedFor(address who, bytes memory reason) private {
        _expectRefused(specOf(who), who, reason);
    }

    function _refused(QuoteSpec memory spec, bytes memory reason) private {
        _expectRefused(spec, second, reason);
    }

    function _expectRefused(QuoteSpec memory spec, address who, bytes memory reason) private {
        freshBlock();
        vm.prank(registrar);
        vm.expectRevert(reason);
        sgx.register(quoteOf(spec), "", BLOCK, PROGRAM, who);
    }

    function _refusedNow(QuoteSpec memory spec, uint64 blockNumber) private {
        vm.prank(registrar);
        vm.expectRevert(SgxInstances.StaleQuote.selector);
        sgx.register(quoteOf(spec), "", blockNumber, PROGRAM, second);
    }
}
