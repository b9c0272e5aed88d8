//! The rollup's circuit, in `*.circom` beside this crate, and what is made of it.
//!
//! [`artifacts`] compiles it and draws a development key. All that is too large to be committed (some 700 MB), so it is made at
//! first use and kept; the next call finds it.

use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io::{self, BufWriter},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use zkpool_backends::setup::{Circuit, R1csError, write_development_key};

/// Where the circuit's sources are.
pub const SOURCES: &str = env!("CARGO_MANIFEST_DIR");

/// circom, as `make setup` installs it.
const CIRCOM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../contracts/node_modules/circom2/cli.js");

/// Names the way in which artifacts are made: another way, another place.
const RECIPE: &str = "circom2 0.2.23 --O1, one party's setup, 1";

/// Why there is no circuit, or no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CircuitError {
    /// circom is not there.
    #[error("circom is not at {}: install it with `make setup`", path.display())]
    NoCompiler {
        /// Where it should be.
        path: PathBuf,
    },
    /// circom refuses.
    #[error("circom does not compile {}:\n{output}", main.display())]
    Compile {
        /// The circuit.
        main: PathBuf,
        /// What circom says.
        output: String,
    },
    /// What circom wrote cannot be read.
    #[error("cannot read the compiled circuit")]
    R1cs(#[from] R1csError),
    /// A file cannot be read or written, or node cannot be run.
    #[error("cannot {attempt}")]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// Says what an error of the system was met in.
fn io(attempt: &'static str) -> impl FnOnce(io::Error) -> CircuitError {
    move |source| CircuitError::Io { attempt, source }
}

/// A circuit as circom compiles it.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Its constraints.
    pub r1cs: PathBuf,
    /// Its witness generator.
    pub generator: PathBuf,
}

/// A circuit that can be proven.
#[derive(Clone, Debug)]
pub struct Artifacts {
    /// The circuit.
    pub circuit: Compiled,
    /// A *development* key: one party made it, and could prove anything with what it may have kept. The generator of the
    /// random numbers is the system's, and they are dropped with the process.
    pub development_key: PathBuf,
}

/// Compiles `main`, a circom file with a main component, into a directory that exists.
///
/// # Errors
///
/// [`CircuitError`], if circom is not there or does not take the circuit.
pub fn compile(main: &Path, out: &Path) -> Result<Compiled, CircuitError> {
    let compiler = Path::new(CIRCOM);
    if !compiler.exists() {
        return Err(CircuitError::NoCompiler { path: compiler.into() });
    }
    // circom sees what is below the current directory.
    let (directory, file) = (main.parent().unwrap_or(Path::new(".")), main.file_name().unwrap_or_default());
    let ran = Command::new("node")
        .arg(compiler)
        .arg(file)
        .args(["--r1cs", "--wasm", "--O1", "-o"])
        .arg(out)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .map_err(io("run node, with which circom is run"))?;
    if !ran.status.success() {
        let output = [ran.stdout, ran.stderr].concat();
        return Err(CircuitError::Compile { main: main.into(), output: String::from_utf8_lossy(&output).into_owned() });
    }
    let stem = file.to_string_lossy().trim_end_matches(".circom").to_owned();
    Ok(Compiled {
        r1cs: out.join(format!("{stem}.r1cs")),
        generator: out.join(format!("{stem}_js")).join(format!("{stem}.wasm")),
    })
}

/// The deployed circuit with a development key, kept in a directory of `cache` that is named by the circuit's sources. The
/// first call takes minutes and some GB of memory. Another key comes out of it each time.
///
/// # Errors
///
/// [`CircuitError`], if it cannot be compiled, or the files cannot be written.
pub fn artifacts(cache: &Path) -> Result<Artifacts, CircuitError> {
    let kept = cache.join(fingerprint(Path::new(SOURCES))?);
    if !kept.exists() {
        fs::create_dir_all(cache).map_err(io("make the directory for the circuit's key"))?;
        // Made aside and moved into place, so that what is there is whole, whoever else makes it, too.
        let fresh = tempfile::tempdir_in(cache).map_err(io("make a directory for the circuit's key"))?;
        make(fresh.path())?;
        match fs::rename(fresh.path(), &kept) {
            Ok(()) => drop(fresh.keep()),
            Err(_) if kept.exists() => (),
            Err(source) => return Err(io("move the circuit's key into place")(source)),
        }
    }
    Ok(Artifacts { circuit: compiled(&kept), development_key: kept.join("development.zkey") })
}

fn compiled(directory: &Path) -> Compiled {
    Compiled { r1cs: directory.join("main.r1cs"), generator: directory.join("main_js/main.wasm") }
}

fn make(directory: &Path) -> Result<(), CircuitError> {
    let compiled = compile(&Path::new(SOURCES).join("main.circom"), directory)?;
    let circuit = Circuit::open(&compiled.r1cs)?;
    let key = File::create(directory.join("development.zkey")).map_err(io("create the circuit's key"))?;
    let mut key = BufWriter::with_capacity(1 << 20, key);
    write_development_key(&circuit, &mut OsRng, &mut key).map_err(io("write the circuit's key"))
}

/// What the sources and the recipe hash to.
fn fingerprint(sources: &Path) -> Result<String, CircuitError> {
    let attempt = "read the circuit's sources";
    let mut files = vec![];
    for entry in fs::read_dir(sources).map_err(io(attempt))? {
        let path = entry.map_err(io(attempt))?.path();
        if path.extension().is_some_and(|extension| extension == "circom") {
            files.push(path);
        }
    }
    files.sort();
    let mut hash = Sha256::new_with_prefix(RECIPE);
    for file in files {
        // Each as a hash of its own, so that no text can move from one file to the next.
        hash.update(Sha256::digest(fs::read(file).map_err(io(attempt))?));
    }
    Ok(hex::encode(&hash.finalize()[..8]))
}
