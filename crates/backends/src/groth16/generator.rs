//! circom's witness generators: WebAssembly, run by an interpreter.
//!
//! A generator is foreign code, chosen by a requester. It sees nothing but its signals: it has no imports but the four
//! that circom's calculators have, which report errors. It cannot outlast its fuel (instructions), the control's
//! deadline or its memory. It may well lie: a witness is only worth the proof that it yields.
//!
//! An interpreter rather than a compiler: for one run, which is what a task is, compiling a generator (0.3 to 0.5 CPU
//! seconds for Semaphore's with Cranelift) costs more than interpreting it (0.16), and its trusted code is far smaller.
//!
//! Interface: circom `code_producers/src/wasm_elements`, as circom_runtime's `witness_calculator.js` uses it.

use super::{
    LOADED, WITNESSED,
    inputs::{self, InputError, Signal},
    msm::Scalar,
    witness::Witness,
};
use crate::{BackendError, Control, Limits, Stage, program::reserved};
use ark_bn254::Fr;
use ark_ff::PrimeField;
use serde_json::{Map, Value};
use wasmi::{
    Caller, CompilationMode, Config, Engine, ExternType, Instance, Linker, Module, Store, StoreLimits,
    StoreLimitsBuilder, TrapCode, TypedFunc, TypedResumableCall, Val, WasmParams, WasmResults,
    errors::{ErrorKind, InstantiationError},
};
use zkpool_protocol::ErrorCode;

/// Fuel between two looks at the control: well below a millisecond.
///
/// It bounds the native stack, too. wasmi's instructions call each other in tail position, and that these calls become
/// jumps is what makes it two and a half times faster than its loop; but no compiler promises it, and without link-time
/// optimisation rustc leaves enough of them to take 58 bytes of stack for a unit of fuel. At the end of a slice the stack
/// is empty again, so a slice, or the longest stretch of code without a branch, is all that it ever has to hold.
const SLICE: u64 = 100_000;
/// The longest stretch of code without a branch that is run, in fuel.
const MAX_STRETCH: u64 = 1_000_000;
/// Bytes of native stack that a run has, a multiple of what the longest stretch can take. Pages that are not used cost
/// nothing.
const STACK: usize = 256 << 20;
/// Fuel that a message of circom's may cost to read.
const MESSAGE_FUEL: u64 = 100_000;
/// Slices between two reports.
const REPORT: u64 = 128;
/// Bytes of messages that are kept.
const MAX_MESSAGE: usize = 400;
/// 32-bit words of a field element.
const WORDS: i32 = 8;
/// Elements of a generator's tables.
const MAX_TABLE: usize = 1 << 20;

/// Why a generator did not yield a witness.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GeneratorError {
    /// It is not WebAssembly that the interpreter takes.
    #[error("cannot load the witness generator: {0}")]
    Module(String),
    /// It wants something that circom's generators do not.
    #[error("the witness generator imports {module}.{name}: compile the circuit with circom 2 (`circom --wasm`)")]
    Import {
        /// The import's module.
        module: String,
        /// The import's name.
        name: String,
    },
    /// It lacks something that circom's generators have.
    #[error("the witness generator does not export {name} as circom 2 does: compile the circuit with `circom --wasm`")]
    Export {
        /// What is missing.
        name: &'static str,
    },
    /// It is of another version of circom.
    #[error("the witness generator is of circom {found}, not 2: compile the circuit with circom 2")]
    Version {
        /// Its major version.
        found: i32,
    },
    /// It computes in another field.
    #[error(
        "the witness generator is over another field than BN254's: compile the circuit with circom's default prime"
    )]
    Field,
    /// It is of another circuit than the proving key.
    #[error(
        "the witness generator has {found} wires, but the proving key's circuit has {expected}: they do not belong together"
    )]
    Wires {
        /// The proving key's.
        expected: usize,
        /// The generator's.
        found: i32,
    },
    /// A constraint or an assertion of the circuit failed.
    #[error("the input does not satisfy the circuit: {message}")]
    Assertion {
        /// Where, in circom's words; template and line, no values.
        message: String,
    },
    /// It reported another error.
    #[error("the witness generator failed with circom's error {code} ({}): {message}", exception(*code))]
    Exception {
        /// circom's code.
        code: i32,
        /// circom's words.
        message: String,
    },
    /// It misbehaved.
    #[error("the witness generator misbehaves: {0}")]
    Trap(String),
    /// It has too long a stretch of code without a branch.
    #[error("the witness generator has more than {max} instructions without a branch between them")]
    Stretch {
        /// The bound.
        max: u64,
    },
    /// It takes too much memory.
    #[error("the witness generator takes more than {max} bytes of memory")]
    Memory {
        /// The bound.
        max: u64,
    },
    /// It takes too long.
    #[error("the witness generator runs more than {max} instructions")]
    Fuel {
        /// The bound.
        max: u64,
    },
}

impl GeneratorError {
    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Assertion { .. } => ErrorCode::WitnessUnsatisfied,
            Self::Memory { .. } | Self::Fuel { .. } => ErrorCode::PreflightExceeded,
            _ => ErrorCode::BadWitnessGenerator,
        }
    }

    /// Whether a machine with larger bounds may succeed.
    pub(crate) const fn is_bound(&self) -> bool {
        matches!(self, Self::Memory { .. } | Self::Fuel { .. })
    }
}

fn exception(code: i32) -> &'static str {
    match code {
        1 => "signal not found",
        2 => "too many signals set",
        3 => "signal already set",
        4 => "assertion failed",
        5 => "not enough memory",
        6 => "signal array access exceeds its size",
        _ => "unknown",
    }
}

/// A generator, loaded and ready to run any number of times.
pub(super) struct Generator {
    engine: Engine,
    module: Module,
}

/// What the interpreter keeps for a run.
struct Host {
    limits: StoreLimits,
    /// What circom said before it gave up.
    message: String,
    /// The code with which it gave up.
    exception: Option<i32>,
}

impl Generator {
    /// Loads a generator. Its functions are translated now: one that is translated while it runs takes more fuel than a slice has.
    pub(super) fn load(wasm: &[u8]) -> Result<Self, GeneratorError> {
        let mut config = Config::default();
        config
            .compilation_mode(CompilationMode::Eager)
            .consume_fuel(true)
            // Nothing runs but what is called, under its fuel.
            .allow_start_fn(false)
            .ignore_custom_sections(true)
            .wasm_multi_memory(false);
        let engine = Engine::new(&config);
        // Only the binary form: `Module::new` may take text, too.
        if !wasm.starts_with(b"\0asm") {
            return Err(GeneratorError::Module("it is not a WebAssembly module (.wasm)".into()));
        }
        let module = Module::new(&engine, wasm).map_err(|error| GeneratorError::Module(clean(&error.to_string())))?;
        for import in module.imports() {
            let known =
                import.module() == "runtime" && matches!(import.ty(), ExternType::Func(ty) if ty.results().is_empty());
            if !known {
                return Err(GeneratorError::Import { module: clean(import.module()), name: clean(import.name()) });
            }
        }
        Ok(Self { engine, module })
    }

    /// Whether it belongs to a circuit of `wires` wires, as far as can be seen without running it.
    pub(super) fn check(&self, wires: usize, limits: &Limits, control: &Control) -> Result<(), BackendError> {
        on_large_stack(|| Run::start(self, wires, limits, control).map(drop))
    }

    /// Runs it on signals.
    pub(super) fn witness(
        &self,
        signals: &Map<String, Value>,
        wires: usize,
        limits: &Limits,
        control: &Control,
    ) -> Result<Witness, BackendError> {
        let signals = inputs::parse(signals)?;
        on_large_stack(|| {
            let mut run = Run::start(self, wires, limits, control)?;
            run.set_signals(&signals)?;
            run.read_witness(wires)
        })
    }
}

/// Runs something on a thread with [`STACK`].
fn on_large_stack<T: Send>(run: impl FnOnce() -> Result<T, BackendError> + Send) -> Result<T, BackendError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("witness".into()).stack_size(STACK);
        let thread = thread.spawn_scoped(scope, run).map_err(|_| BackendError::OutOfMemory { bytes: STACK as u64 })?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// One run of a generator.
struct Run<'a> {
    store: Store<Host>,
    instance: Instance,
    limits: &'a Limits,
    control: &'a Control,
    /// Fuel of slices that are over.
    spent: u64,
}

impl<'a> Run<'a> {
    fn start(
        generator: &Generator,
        wires: usize,
        limits: &'a Limits,
        control: &'a Control,
    ) -> Result<Self, BackendError> {
        let bounds = StoreLimitsBuilder::new()
            .memory_size(usize::try_from(limits.generator_memory).unwrap_or(usize::MAX))
            .table_elements(MAX_TABLE)
            .instances(1)
            .memories(1)
            .tables(4)
            .trap_on_grow_failure(true);
        let host = Host { limits: bounds.build(), message: String::new(), exception: None };
        let mut store = Store::new(&generator.engine, host);
        store.limiter(|host| &mut host.limits);
        let mut linker = Linker::new(&generator.engine);
        for import in generator.module.imports() {
            let ExternType::Func(ty) = import.ty() else { continue };
            let name = import.name();
            let defined = match name {
                "exceptionHandler" | "error" => linker.func_new("runtime", name, ty.clone(), raise),
                "printErrorMessage" => linker.func_new("runtime", name, ty.clone(), collect_message),
                // What circuits log may be secret.
                _ => linker.func_new("runtime", name, ty.clone(), |_, _, _| Ok(())),
            };
            // Twice the same import is the same function.
            let _ = defined;
        }
        let error_of = |error: wasmi::Error, store: &Store<Host>| classify(&error, store, limits);
        store.set_fuel(SLICE).map_err(|error| error_of(error, &store))?;
        let instance =
            linker.instantiate_and_start(&mut store, &generator.module).map_err(|error| error_of(error, &store))?;
        let mut run = Self { store, instance, limits, control, spent: 0 };
        run.check_circuit(wires)?;
        Ok(run)
    }

    /// Version, field and size.
    fn check_circuit(&mut self, wires: usize) -> Result<(), BackendError> {
        let version = self.call::<(), i32>("getVersion", ())?;
        if version != 2 {
            return Err(GeneratorError::Version { found: version }.into());
        }
        if self.call::<(), i32>("getFieldNumLen32", ())? != WORDS {
            return Err(GeneratorError::Field.into());
        }
        self.call::<(), ()>("getRawPrime", ())?;
        let read = self.function::<i32, i32>("readSharedRWMemory")?;
        if self.shared(read)? != Fr::MODULUS {
            return Err(GeneratorError::Field.into());
        }
        let found = self.call::<(), i32>("getWitnessSize", ())?;
        if usize::try_from(found) != Ok(wires) {
            return Err(GeneratorError::Wires { expected: wires, found }.into());
        }
        Ok(())
    }

    /// Gives it the signals. With the last one it runs.
    fn set_signals(&mut self, signals: &[Signal<'_>]) -> Result<(), BackendError> {
        self.call::<i32, ()>("init", 0)?;
        let expected = usize::try_from(self.call::<(), i32>("getInputSize", ())?).unwrap_or(0);
        let size = self.function::<(i32, i32), i32>("getInputSignalSize")?;
        let write = self.function::<(i32, i32), ()>("writeSharedRWMemory")?;
        let set = self.function::<(i32, i32, i32), ()>("setInputSignal")?;

        // All sizes first: with one value too many the circuit would run before the rest is looked at.
        for signal in signals {
            let (high, low) = halves(signal.hash());
            let name = || inputs::shown(signal.name);
            match usize::try_from(self.invoke(size, (high, low))?) {
                Err(_) => return Err(InputError::Unknown { signal: name() }.into()),
                // Some versions of circom answer so for a name that they do not know.
                Ok(0) if !signal.values.is_empty() => return Err(InputError::Unknown { signal: name() }.into()),
                Ok(size) if size != signal.values.len() => {
                    let found = signal.values.len();
                    return Err(InputError::Size { signal: name(), expected: size, found }.into());
                }
                Ok(_) => {}
            }
        }
        let found = signals.iter().map(|signal| signal.values.len()).sum();
        if found != expected {
            let names: Vec<_> = signals.iter().take(16).map(|signal| inputs::shown(signal.name)).collect();
            return Err(InputError::Missing { given: names.join(", "), expected, found }.into());
        }

        for signal in signals {
            let (high, low) = halves(signal.hash());
            for (index, value) in (0..).zip(&signal.values) {
                for (word, position) in words(value).zip(0..) {
                    self.invoke(write, (position, word))?;
                }
                self.invoke(set, (high, low, index))?;
            }
        }
        Ok(())
    }

    /// Takes the witness out of it.
    fn read_witness(&mut self, wires: usize) -> Result<Witness, BackendError> {
        let get = self.function::<i32, ()>("getWitness")?;
        let read = self.function::<i32, i32>("readSharedRWMemory")?;
        let mut values = reserved(wires)?;
        for wire in 0..wires as i32 {
            self.invoke(get, wire)?;
            values.push(self.shared(read)?);
        }
        Witness::new(values, wires)
            .map_err(|error| GeneratorError::Trap(format!("it yields an unsound witness: {error}")).into())
    }

    /// The field element in the memory that it shares with its caller.
    fn shared(&mut self, read: TypedFunc<i32, i32>) -> Result<Scalar, BackendError> {
        let mut value = Scalar::default();
        for word in 0..WORDS {
            let bits = u64::from(self.invoke(read, word)? as u32);
            value.0[word as usize / 2] |= bits << (32 * (word % 2));
        }
        Ok(value)
    }

    fn function<P: WasmParams, R: WasmResults>(&self, name: &'static str) -> Result<TypedFunc<P, R>, BackendError> {
        Ok(self.instance.get_typed_func(&self.store, name).map_err(|_| GeneratorError::Export { name })?)
    }

    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &'static str, params: P) -> Result<R, BackendError> {
        let function = self.function(name)?;
        self.invoke(function, params)
    }

    /// Calls a function, slice by slice.
    fn invoke<P: WasmParams, R: WasmResults>(
        &mut self,
        function: TypedFunc<P, R>,
        params: P,
    ) -> Result<R, BackendError> {
        let mut call = function.call_resumable(&mut self.store, params);
        loop {
            match call {
                Ok(TypedResumableCall::Finished(results)) => return Ok(results),
                Ok(TypedResumableCall::OutOfFuel(stopped)) => {
                    self.refuel(stopped.required_fuel())?;
                    call = stopped.resume(&mut self.store);
                }
                Ok(TypedResumableCall::HostTrap(stopped)) => {
                    return Err(classify(stopped.host_error(), &self.store, self.limits).into());
                }
                Err(error) => return Err(classify(&error, &self.store, self.limits).into()),
            }
        }
    }

    fn refuel(&mut self, required: u64) -> Result<(), BackendError> {
        self.control.check()?;
        if required > MAX_STRETCH {
            return Err(GeneratorError::Stretch { max: MAX_STRETCH }.into());
        }
        let fuel = SLICE.max(required);
        self.spent = self.spent.saturating_add(fuel);
        if self.spent > self.limits.generator_fuel {
            return Err(GeneratorError::Fuel { max: self.limits.generator_fuel }.into());
        }
        // Nobody knows how much is left: creep.
        let slices = self.spent / SLICE;
        if slices.is_multiple_of(REPORT) {
            let share = slices as f64 / (slices as f64 + 20_000.0);
            self.control.report(Stage::Witness, LOADED + (WITNESSED - LOADED) * share);
        }
        self.store.set_fuel(fuel).map_err(|error| classify(&error, &self.store, self.limits).into())
    }
}

/// What an error of the interpreter means.
fn classify(error: &wasmi::Error, store: &Store<Host>, limits: &Limits) -> GeneratorError {
    let host = store.data();
    if let Some(code) = host.exception {
        let message = host.message.clone();
        return match code {
            4 => GeneratorError::Assertion { message },
            code => GeneratorError::Exception { code, message },
        };
    }
    let too_large =
        matches!(error.as_trap_code(), Some(TrapCode::GrowthOperationLimited | TrapCode::OutOfSystemMemory))
            || matches!(
                error.kind(),
                ErrorKind::Memory(_)
                    | ErrorKind::Table(_)
                    | ErrorKind::Instantiation(
                        InstantiationError::FailedToInstantiateMemory(_)
                            | InstantiationError::FailedToInstantiateTable(_)
                    )
            );
    if too_large {
        return GeneratorError::Memory { max: limits.generator_memory };
    }
    GeneratorError::Trap(clean(&error.to_string()))
}

/// circom gives up.
fn raise(mut caller: Caller<'_, Host>, params: &[Val], _: &mut [Val]) -> Result<(), wasmi::Error> {
    let code = params.first().and_then(Val::i32).unwrap_or(0);
    caller.data_mut().exception = Some(code);
    Err(wasmi::Error::new("circom's exception handler was called"))
}

/// circom has a line of a message ready.
fn collect_message(mut caller: Caller<'_, Host>, _: &[Val], _: &mut [Val]) -> Result<(), wasmi::Error> {
    let next = caller.get_export("getMessageChar").and_then(wasmi::Extern::into_func);
    let Some(Ok(next)) = next.map(|next| next.typed::<(), i32>(&caller)) else { return Ok(()) };
    // A call within a call cannot be resumed: it gets fuel of its own, and what it used is not given back.
    let fuel = caller.get_fuel()?;
    caller.set_fuel(fuel.saturating_add(MESSAGE_FUEL))?;
    let mut line = String::new();
    while line.len() < MAX_MESSAGE {
        match next.call(&mut caller, ())? {
            0 => break,
            code => line.extend(u32::try_from(code).ok().and_then(char::from_u32)),
        }
    }
    let left = caller.get_fuel()?;
    caller.set_fuel(left.min(fuel))?;
    let message = &mut caller.data_mut().message;
    if message.len() < MAX_MESSAGE {
        *message = clean(&format!("{message} {}", line.trim()));
    }
    Ok(())
}

/// Foreign words, fit for a message.
fn clean(text: &str) -> String {
    let printable = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { ' ' };
    let text: String = text.trim().chars().take(MAX_MESSAGE).map(printable).collect();
    text.trim_end().to_owned()
}

/// A hash as circom takes it.
const fn halves(hash: u64) -> (i32, i32) {
    ((hash >> 32) as i32, hash as i32)
}

/// A field element's 32-bit words, the lowest first.
fn words(value: &Scalar) -> impl Iterator<Item = i32> {
    value.0.into_iter().flat_map(|limb| [limb as i32, (limb >> 32) as i32])
}
