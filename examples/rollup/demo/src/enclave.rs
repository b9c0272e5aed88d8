//! Simulated enclaves: started by their provers, registered by a registrar that checks their quotes as it would real ones.

use crate::ground::Ground;
use alloy::{
    primitives::{B256, U256},
    sol,
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use zkpool_demo::{
    actors::{Actor, Scenery, text},
    error::{Attempt, DemoError, Result},
};

sol! {
    function addProgram(bytes32 program, bytes32 mrsigner, uint16 isvProdId, uint16 minIsvSvn) external;
    function setMrenclave(bytes32 program, bytes32 mrenclave, bool allowed) external;
}

/// The program on a simulated platform.
const AGENT: &str = "zkpool-rollup-simulated-enclave";
/// How long a command may take that waits for nothing but blocks.
const SOON: Duration = Duration::from_secs(90);

/// A prover's enclave: a platform in one directory, the key that never leaves it in another.
#[derive(Clone, Debug)]
pub struct Enclave {
    agent: PathBuf,
    platform: PathBuf,
    sealed: PathBuf,
}

/// What the registrar finds an enclave to be.
struct Build {
    mrenclave: B256,
    mrsigner: B256,
    product: u16,
    svn: u16,
}

impl Enclave {
    /// The enclave of a prover. Nothing runs yet.
    pub fn of(scenery: &Scenery, prover: &Actor) -> Result<Self> {
        let dir = scenery.dir.join(format!("{}-enclave", prover.name.replace(' ', "-")));
        let enclave = Self {
            agent: scenery.zkpool.with_file_name(AGENT),
            platform: dir.join("platform"),
            sealed: dir.join("sealed"),
        };
        for dir in [&enclave.platform, &enclave.sealed] {
            fs::create_dir_all(dir).attempt(format!("making {}", dir.display()))?;
        }
        if !enclave.agent.exists() {
            let how = "build it: cargo build -p zkpool-rollup-simulated-enclave";
            return Err(DemoError::new(format!("finding {}", enclave.agent.display()), how));
        }
        Ok(enclave)
    }

    /// The command that starts it.
    pub fn command(&self) -> Result<[&str; 3]> {
        Ok([text(&self.agent)?, text(&self.platform)?, text(&self.sealed)?])
    }

    /// The same as one option of `zkpool prover run --enclave`, which takes the command's words apart at spaces.
    pub fn option(&self, ground: &Ground) -> Result<String> {
        let words = self.command()?;
        if words.iter().any(|word| word.contains(char::is_whitespace)) {
            return Err(DemoError::new("telling a prover of its enclave", "there is a space in a directory's name"));
        }
        Ok(format!("{}={}", ground.enclave, words.join(" ")))
    }

    /// The registrar looks at it, the verifier's owner puts its build on the list, the registrar registers it. Returns what
    /// it was registered with.
    pub async fn register(&self, scenery: &Scenery, ground: &Ground, registrar: &Actor) -> Result<Value> {
        let policy = self.platform.with_file_name("policy.toml");
        let mrenclave = self.measure(scenery).await?;
        // What the registrar lets through: this build, on platforms that nothing is known against.
        let wanted = format!(
            "statuses = [\"UpToDate\"]\nmin_evaluation = 17\nenclaves = [\"{mrenclave}\"]\nproduct = 0\nmin_svn = 0\n"
        );
        fs::write(&policy, wanted).attempt(format!("writing {}", policy.display()))?;
        let build = build(&self.ask(scenery, ground, registrar, &policy, &["--dry-run"]).await?)?;
        let (stage, what) = (&scenery.stage, "making a build known");
        let program = ground.enclave;
        let add = addProgramCall { program, mrsigner: build.mrsigner, isvProdId: build.product, minIsvSvn: build.svn };
        stage.call(ground.sgx, add, U256::ZERO, what).await?;
        let allow = setMrenclaveCall { program, mrenclave: build.mrenclave, allowed: true };
        stage.call(ground.sgx, allow, U256::ZERO, what).await?;
        self.ask(scenery, ground, registrar, &policy, &[]).await
    }

    /// Its measurement, by its own word.
    async fn measure(&self, scenery: &Scenery) -> Result<B256> {
        let what = "asking an enclave for its measurement";
        let mut command = Command::new(&scenery.zkpool);
        command.args(["sgx", "instance", "--json", "--"]).args(self.command()?).current_dir(&scenery.dir);
        let output = tokio::task::spawn_blocking(move || command.output()).await.attempt(what)?.attempt(what)?;
        if !output.status.success() {
            return Err(DemoError::new(what, String::from_utf8_lossy(&output.stderr)));
        }
        let value: Value = serde_json::from_slice(&output.stdout).attempt(what)?;
        word(&value, "mrenclave")
    }

    /// `zkpool sgx register`.
    async fn ask(
        &self,
        scenery: &Scenery,
        ground: &Ground,
        registrar: &Actor,
        policy: &Path,
        options: &[&str],
    ) -> Result<Value> {
        let (root, collateral) = (self.platform.join("root.der"), self.platform.join("collateral.json"));
        let (verifier, program) = (ground.sgx.to_string(), ground.enclave.to_string());
        let mut args = vec!["sgx", "register", "--verifier", &verifier, "--program", &program];
        args.extend(["--policy", text(policy)?, "--simulated-root", text(&root)?]);
        args.extend(["--collateral", text(&collateral)?]);
        args.extend(options);
        args.push("--");
        args.extend(self.command()?);
        Ok(scenery.run(registrar, &args, SOON).await?.value)
    }
}

fn build(registered: &Value) -> Result<Build> {
    let small = |name: &str| {
        let number = registered[name].as_u64().and_then(|number| u16::try_from(number).ok());
        number.attempt(format!("reading an enclave's {name}"))
    };
    Ok(Build {
        mrenclave: word(registered, "mrenclave")?,
        mrsigner: word(registered, "mrsigner")?,
        product: small("product")?,
        svn: small("svn")?,
    })
}

fn word(value: &Value, name: &str) -> Result<B256> {
    let what = format!("reading an enclave's {name}");
    value[name].as_str().attempt(&what)?.parse().attempt(what)
}
