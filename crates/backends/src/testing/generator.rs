//! A witness generator with circom's interface, written by hand, for the circuit [`super::product`]; and hostile ones.
//!
//! Signals: `tag` (any field element, public), `a` and `b[2]` (below 2^21, so that the product fits into 64 bits). An
//! `a` of 666 fails an assertion.

use ark_bn254::Fr;
use ark_ff::PrimeField;

/// How a generator misbehaves when it has all its signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quirk {
    /// It does not.
    None,
    /// Yields a witness that does not satisfy the circuit.
    Lies,
    /// Runs for ever.
    Loops,
    /// Recurses for ever.
    Recurses,
    /// Grows its memory until it is refused.
    Grows,
    /// Executes `unreachable`.
    Traps,
    /// Reads beyond its memory.
    ReadsOutOfBounds,
    /// Yields a value that is not below the modulus.
    NotCanonical,
    /// Says that it is of circom 1.
    Version,
    /// Computes in another field.
    Field,
    /// Is of a circuit with one wire more.
    Wires,
    /// Imports a function that circom's generators do not.
    Imports,
    /// Lacks `getWitness`.
    Exports,
    /// Has more memory than it may from the start.
    Large,
    /// Fails with a message that never ends.
    Chatters,
}

impl Quirk {
    /// Every quirk.
    pub const ALL: [Self; 15] = [
        Self::None,
        Self::Lies,
        Self::Loops,
        Self::Recurses,
        Self::Grows,
        Self::Traps,
        Self::ReadsOutOfBounds,
        Self::NotCanonical,
        Self::Version,
        Self::Field,
        Self::Wires,
        Self::Imports,
        Self::Exports,
        Self::Large,
        Self::Chatters,
    ];
}

/// The generator's module, in binary form.
pub fn generator_wasm(quirk: Quirk) -> Vec<u8> {
    let or =
        |when, special: &str, otherwise: &str| if quirk == when { special.to_owned() } else { otherwise.to_owned() };
    let hash = |name: &str| {
        let fnv = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        name.bytes().fold(0xcbf2_9ce4_8422_2325, fnv) as i64
    };
    let prime: String =
        Fr::MODULUS.0.iter().flat_map(|limb| limb.to_le_bytes()).map(|byte| format!("\\{byte:02x}")).collect();
    let quirk_code = match quirk {
        Quirk::Lies => "(i64.store (call $wire (i32.const 1)) (i64.const 12345))",
        Quirk::Loops => "(loop $again (br $again))",
        Quirk::Recurses => "(call $recurse)",
        Quirk::Grows => "(loop $again (drop (memory.grow (i32.const 16))) (br $again))",
        Quirk::Traps => "unreachable",
        Quirk::ReadsOutOfBounds => "(drop (i64.load (i32.const -16)))",
        Quirk::NotCanonical => "(i64.store offset=24 (call $wire (i32.const 6)) (i64.const -1))",
        Quirk::Chatters => "(call $fail)",
        _ => "",
    };
    let text = format!(
        r#"(module
  (import "runtime" "exceptionHandler" (func $exception (param i32)))
  (import "runtime" "printErrorMessage" (func $message))
  (import "runtime" "writeBufferMessage" (func))
  (import "runtime" "showSharedRWMemory" (func))
  {import}
  (memory (export "memory") {pages})
  (data (i32.const 64) "{prime}")
  (data (i32.const 128) "Error in template Product line: 7\00")
  (global $left (mut i32) (i32.const 4))
  (global $char (mut i32) (i32.const 128))
  ;; Shared memory at 0, wires from 1024, 32 bytes each.
  (func $wire (param i32) (result i32) (i32.add (i32.const 1024) (i32.shl (local.get 0) (i32.const 5))))
  (func $copy (param $to i32) (param $from i32)
    (i64.store (local.get $to) (i64.load (local.get $from)))
    (i64.store offset=8 (local.get $to) (i64.load offset=8 (local.get $from)))
    (i64.store offset=16 (local.get $to) (i64.load offset=16 (local.get $from)))
    (i64.store offset=24 (local.get $to) (i64.load offset=24 (local.get $from))))
  (func $fail (call $message) (call $exception (i32.const 4)))
  (func $recurse (call $recurse) (call $message))
  ;; The wire that a signal's first value has, or 0.
  (func $position (param $high i32) (param $low i32) (result i32)
    (local $hash i64)
    (local.set $hash (i64.or
      (i64.shl (i64.extend_i32_u (local.get $high)) (i64.const 32)) (i64.extend_i32_u (local.get $low))))
    (if (i64.eq (local.get $hash) (i64.const {tag})) (then (return (i32.const 2))))
    (if (i64.eq (local.get $hash) (i64.const {a})) (then (return (i32.const 3))))
    (if (i64.eq (local.get $hash) (i64.const {b})) (then (return (i32.const 4))))
    (i32.const 0))
  (func $compute
    (if (i64.eq (i64.load (call $wire (i32.const 3))) (i64.const 666)) (then (call $fail)))
    (i64.store (call $wire (i32.const 0)) (i64.const 1))
    (i64.store (call $wire (i32.const 6)) (i64.mul
      (i64.load (call $wire (i32.const 3))) (i64.load (call $wire (i32.const 4)))))
    (i64.store (call $wire (i32.const 1)) (i64.mul
      (i64.load (call $wire (i32.const 6))) (i64.load (call $wire (i32.const 5)))))
    {quirk_code})
  (func (export "getVersion") (result i32) (i32.const {version}))
  (func (export "getFieldNumLen32") (result i32) (i32.const 8))
  (func (export "getRawPrime") (call $copy (i32.const 0) (i32.const 64)) {field})
  (func (export "readSharedRWMemory") (param i32) (result i32) (i32.load (i32.shl (local.get 0) (i32.const 2))))
  (func (export "writeSharedRWMemory") (param i32 i32)
    (i32.store (i32.shl (local.get 0) (i32.const 2)) (local.get 1)))
  (func (export "init") (param i32))
  (func (export "getInputSize") (result i32) (i32.const 4))
  (func (export "getInputSignalSize") (param i32 i32) (result i32)
    (local $wire i32)
    (local.set $wire (call $position (local.get 0) (local.get 1)))
    (if (i32.eqz (local.get $wire)) (then (return (i32.const -1))))
    (if (i32.eq (local.get $wire) (i32.const 4)) (then (return (i32.const 2))))
    (i32.const 1))
  (func (export "setInputSignal") (param i32 i32 i32)
    (call $copy (call $wire (i32.add (call $position (local.get 0) (local.get 1)) (local.get 2))) (i32.const 0))
    (global.set $left (i32.sub (global.get $left) (i32.const 1)))
    (if (i32.eqz (global.get $left)) (then (call $compute))))
  (func (export "getWitnessSize") (result i32) (i32.const {wires}))
  (func (export "{get_witness}") (param i32) (call $copy (i32.const 0) (call $wire (local.get 0))))
  (func (export "getMessageChar") (result i32)
    (local $char i32)
    (local.set $char (i32.load8_u (global.get $char)))
    {next}
    (local.get $char)))"#,
        import = or(Quirk::Imports, r#"(import "wasi_snapshot_preview1" "fd_write" (func))"#, ""),
        pages = or(Quirk::Large, "65536", "1"),
        tag = hash("tag"),
        a = hash("a"),
        b = hash("b"),
        version = or(Quirk::Version, "1", "2"),
        field = or(Quirk::Field, "(i32.store (i32.const 0) (i32.const 7))", ""),
        wires = or(Quirk::Wires, "8", "7"),
        get_witness = or(Quirk::Exports, "getWitnesses", "getWitness"),
        next = or(Quirk::Chatters, "", "(global.set $char (i32.add (global.get $char) (i32.const 1)))"),
    );
    wat::parse_str(text).expect("the text above is WebAssembly")
}
