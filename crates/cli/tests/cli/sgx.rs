//! Enclaves through the binary: looked at, registered with the contract, rechecked by anyone, revoked.

use crate::kit::{Ended, Place};
use serde_json::{Value, json};
use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};
use zkpool_backends::{
    Control,
    sgx::{Enclave, Patience},
};
use zkpool_bindings::SgxVerifier;
use zkpool_chain::{
    alloy::{
        primitives::{Address, B256, U256},
        sol_types::SolCall,
    },
    testing::{Anvil, AnvilOptions, MNEMONIC, contracts_dir},
};
use zkpool_sgx_sim::{Body, Platform};
use zkpool_verifiers::sgx::{Binding, Domain, output, statement};

const PROGRAM: B256 = B256::repeat_byte(0x77);
// Accounts of anvil's, by their place in the mnemonic.
const OWNER: u32 = 1;
const GUARDIAN: u32 = 2;
const REGISTRAR: u32 = 3;

/// Anvil with a verifier, and an enclave on a simulated platform.
struct Stage {
    place: Place,
    anvil: Anvil,
    runtime: tokio::runtime::Runtime,
    verifier: String,
}

impl Stage {
    /// A verifier of simulated enclaves that knows nothing yet, with a delay of an hour.
    fn set() -> Self {
        Self::with(AnvilOptions::default(), &["3600", "2592000", "true"])
    }

    fn with(options: AnvilOptions, how: &[&str]) -> Self {
        let (place, anvil) = (Place::new(), Anvil::start_with(&options).unwrap());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mut stage = Self { place, anvil, runtime, verifier: String::new() };
        let out = contracts_dir().join("out").to_str().unwrap().to_owned();
        let accounts = [OWNER, GUARDIAN, REGISTRAR].map(|index| stage.anvil.account(index).to_string());
        let accounts = accounts.each_ref().map(String::as_str);
        let after = ["--artifacts", &out, "--key", "mnemonic:WORDS/0"];
        let args = [&["deploy", "contract", "SgxVerifier"][..], &accounts, how, &after].concat();
        stage.verifier = stage.run(&args).json()["contract"].as_str().unwrap().to_owned();
        stage
    }

    /// The enclave's build is the program, from now on, and what it takes to believe it is written down.
    fn knows_the_program(&self) {
        let instance = self.instance();
        let mrenclave: B256 = instance["mrenclave"].as_str().unwrap().parse().unwrap();
        let signer = Body::new(mrenclave.0).mrsigner.into();
        let known = SgxVerifier::addProgramCall { program: PROGRAM, mrsigner: signer, isvProdId: 0, minIsvSvn: 0 };
        self.call(OWNER, &known);
        self.call(OWNER, &SgxVerifier::setMrenclaveCall { program: PROGRAM, mrenclave, allowed: true });
        self.pass(3600);
        let policy = format!(
            "statuses = [\"UpToDate\"]\nmin_evaluation = 1\nenclaves = [\"{mrenclave}\"]\nproduct = 0\nmin_svn = 0\n"
        );
        self.place.write("policy.toml", policy);
    }

    fn call(&self, account: u32, call: &impl SolCall) {
        let (from, to) = (self.anvil.account(account), self.verifier.parse().unwrap());
        self.runtime.block_on(self.anvil.send(from, Some(to), call.abi_encode().into(), U256::ZERO)).unwrap();
    }

    fn pass(&self, seconds: u64) {
        self.runtime.block_on(self.anvil.pass(seconds)).unwrap();
    }

    fn run(&self, args: &[&str]) -> Ended {
        let mut env = vec![("WORDS", MNEMONIC), ("ZKPOOL_RPC", self.anvil.url())];
        if !self.verifier.is_empty() {
            env.push(("ZKPOOL_SGX__VERIFIER", &self.verifier));
        }
        self.place.run_with(args, &env)
    }

    fn command(&self) -> Vec<String> {
        let tests = std::env::current_exe().unwrap();
        let agent = tests.parent().unwrap().with_file_name("examples").join("sgx_echo");
        assert!(agent.exists(), "`cargo build -p zkpool-cli --examples` makes what this test starts");
        let inside = |name| self.place.path().join(name);
        [agent, inside("platform"), inside("sealed")].map(|path| path.to_str().unwrap().to_owned()).to_vec()
    }

    fn on_enclave(&self, args: &[&str]) -> Ended {
        let command = self.command();
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        self.run(&[args, &["--"], &command].concat())
    }

    fn instance(&self) -> Value {
        self.on_enclave(&["sgx", "instance", "--json"]).json()
    }

    fn register(&self, account: u32, more: &[&str]) -> Ended {
        let key = format!("mnemonic:WORDS/{account}");
        let program = PROGRAM.to_string();
        let register = ["sgx", "register", "--program", &program, "--key", &key];
        self.on_enclave(&[&register[..], &["--collateral", "platform/collateral.json"], more].concat())
    }

    fn check(&self, more: &[&str]) -> Ended {
        self.run(&[&["sgx", "check", "--json"][..], SIMULATED, more].concat())
    }
}

const SIMULATED: &[&str] = &["--policy", "policy.toml", "--simulated-root", "platform/root.der"];

fn states(checked: &Ended) -> Vec<(bool, String)> {
    let value: Value = serde_json::from_str(&checked.out).unwrap();
    let registrations = value["registrations"].as_array().unwrap().clone();
    registrations.iter().map(|one| (one["good"].as_bool().unwrap(), one["state"].as_str().unwrap().into())).collect()
}

#[test]
fn an_enclave_is_registered_rechecked_and_revoked() {
    let stage = Stage::set();
    let instance = stage.instance();
    assert_eq!(instance["simulated"], true);
    let shown = stage.on_enclave(&["sgx", "instance"]);
    assert!(shown.out.contains("proves nothing"), "{}", shown.out);
    stage.register(REGISTRAR, &[]).fails(3, "config", &["no policy", "docs/sgx.md"]);
    stage.knows_the_program();
    assert_eq!(states(&stage.check(&[])), []);

    stage.register(OWNER, SIMULATED).fails(5, "forbidden", &["not the registrar"]);
    stage.register(REGISTRAR, &SIMULATED[..2]).fails(5, "forbidden", &["says itself that it is simulated"]);
    let dry = [SIMULATED, &["--dry-run", "--json"]].concat();
    let seen = stage.register(REGISTRAR, &dry).json();
    assert_eq!(seen["instance"], instance["instance"]);
    assert_eq!((&seen["tcb_status"], &seen["simulated"]), (&json!("UpToDate"), &json!(true)));
    assert_eq!(states(&stage.check(&[])), [], "nothing was sent");

    let registered = stage.register(REGISTRAR, SIMULATED);
    assert!(registered.out.contains("proves nothing"), "{}{}", registered.out, registered.err);
    assert_eq!(states(&stage.check(&[])), [(true, "pending".into())]);
    stage.register(REGISTRAR, SIMULATED).fails(5, "transaction_failed", &["AlreadyRegistered"]);
    stage.pass(3600);
    assert_eq!(states(&stage.check(&[])), [(true, "active".into())]);
    let elsewhere = ["--program", &B256::ZERO.to_string()];
    assert_eq!(states(&stage.check(&elsewhere)), []);

    // What it signs now, the contract takes.
    let command = stage.command().into_iter().map(Into::into).collect();
    let enclave = Enclave::start(command, Patience::default(), &Control::new()).unwrap();
    let verifier: Address = stage.verifier.parse().unwrap();
    let domain = Domain { chain_id: stage.anvil.chain_id(), verifier };
    let payee = stage.anvil.account(9);
    let proven = enclave.prove(domain, PROGRAM, payee, b"journal", &Control::new()).unwrap();
    let rpc = stage.anvil.rpc();
    let contract = SgxVerifier::new(verifier, rpc.provider());
    let verify = |journal: &[u8]| {
        let call = contract.verify(statement(PROGRAM, output(journal)), proven.proof.clone().into());
        stage.runtime.block_on(async { call.call().await })
    };
    assert!(verify(b"journal").unwrap());
    assert!(verify(b"another").is_err());

    let address = instance["instance"].as_str().unwrap();
    let revoke = |index: u32| {
        let key = format!("mnemonic:WORDS/{index}");
        stage.run(&["sgx", "revoke", "--instance", address, "--key", &key])
    };
    revoke(REGISTRAR).fails(5, "forbidden", &["neither the owner nor the guardian"]);
    revoke(GUARDIAN).succeeds();
    assert_eq!(states(&stage.check(&[])), [(true, "revoked".into())]);
    assert!(verify(b"journal").is_err());
}

#[test]
fn a_registrar_that_lies_is_found_out() {
    let stage = Stage::set();
    stage.knows_the_program();
    stage.register(REGISTRAR, SIMULATED).succeeds();

    // A quote of the same build, made by whoever has another platform, sent past the checks.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let other = Platform::open(&stage.place.path().join("other"), now).unwrap();
    let mrenclave: B256 = stage.instance()["mrenclave"].as_str().unwrap().parse().unwrap();
    let head = stage.runtime.block_on(async { stage.anvil.rpc().head().await }).unwrap();
    let domain = Domain { chain_id: stage.anvil.chain_id(), verifier: stage.verifier.parse().unwrap() };
    let instance = Address::repeat_byte(0x66);
    let binding = Binding { domain, program: PROGRAM, instance, block_hash: head.hash };
    let collateral = fs::read(stage.place.path().join("other/collateral.json")).unwrap();
    let quote = other.quote(&Body::new(mrenclave.0), &binding.report_data());
    stage.call(
        REGISTRAR,
        &SgxVerifier::registerCall {
            quote: quote.into(),
            collateral: collateral.into(),
            blockNumber: head.number,
            program: PROGRAM,
            instance,
        },
    );

    let checked = stage.check(&[]);
    assert_eq!(checked.code, 5, "{}", checked.err);
    assert!(checked.err.contains("1 of 2 do not hold") && checked.err.contains("revoke"), "{}", checked.err);
    assert_eq!(states(&checked), [(true, "pending".into()), (false, "pending".into())]);
    assert!(checked.out.contains("another root"), "{}", checked.out);
    let table = stage.run(&[&["sgx", "check"][..], SIMULATED].concat());
    assert!(table.out.contains("BAD: ") && table.out.contains("nothing here proves anything"), "{}", table.out);

    // Once it is revoked, it does no harm.
    stage.call(GUARDIAN, &SgxVerifier::revokeCall { instance });
    let checked = stage.check(&[]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    assert_eq!(states(&checked), [(true, "pending".into()), (false, "revoked".into())]);
}

#[test]
fn what_the_policy_or_the_contract_does_not_let_through_is_not_registered() {
    let stage = Stage::set();
    stage.register(REGISTRAR, SIMULATED).fails(3, "file", &["policy.toml"]);
    let enclave = stage.instance()["mrenclave"].as_str().unwrap().to_owned();
    let policy = |text: &str| {
        stage.place.write("policy.toml", text);
        stage.register(REGISTRAR, SIMULATED)
    };
    policy("statuses = [\"Fine\"]").fails(3, "config", &["Fine"]);
    policy("statuses = [\"UpToDate\"]").fails(3, "config", &["min_evaluation"]);
    let rest = "min_evaluation = 1\nproduct = 0\nmin_svn = 0";
    policy(&format!("statuses = [\"UpToDate\"]\nenclaves = []\n{rest}")).fails(5, "proof_invalid", &["MRENCLAVE"]);
    let meant = format!("enclaves = [\"{enclave}\"]\n{rest}");
    policy(&format!("statuses = []\n{meant}")).fails(5, "proof_invalid", &["UpToDate"]);
    policy(&format!("statuses = [\"UpToDate\"]\n{}", meant.replace("evaluation = 1", "evaluation = 99"))).fails(
        5,
        "proof_invalid",
        &["evaluation number is 17"],
    );
    // The contract does not know the program.
    policy(&format!("statuses = [\"UpToDate\"]\n{meant}")).fails(5, "transaction_failed", &["UnknownProgram"]);

    let key = "mnemonic:WORDS/3";
    let program = PROGRAM.to_string();
    let register = ["sgx", "register", "--program", &program, "--key", key, "--collateral", "policy.toml"];
    stage.on_enclave(&[&register[..], SIMULATED].concat()).fails(5, "bad_request", &["collateral"]);
    let missing = [&register[..6], &["--collateral", "platform/collateral.json"], SIMULATED, &["--", "/nowhere/agent"]];
    stage.run(&missing.concat()).fails(1, "internal", &["/nowhere/agent"]);
}

#[test]
fn a_simulation_stays_where_it_belongs() {
    // A verifier of real enclaves.
    let stage = Stage::with(AnvilOptions::default(), &["86400", "2592000", "false"]);
    stage
        .place
        .write("policy.toml", "statuses = [\"UpToDate\"]\nmin_evaluation = 1\nenclaves = []\nproduct = 0\nmin_svn = 0");
    stage.instance();
    stage.register(REGISTRAR, SIMULATED).fails(5, "forbidden", &["real enclaves only"]);

    // A chain with value.
    let stage = Stage::with(AnvilOptions { chain_id: 8453, ..AnvilOptions::default() }, &["86400", "2592000", "false"]);
    stage
        .place
        .write("policy.toml", "statuses = [\"UpToDate\"]\nmin_evaluation = 1\nenclaves = []\nproduct = 0\nmin_svn = 0");
    stage.instance();
    let words = ["8453 is not a development chain"];
    stage.register(REGISTRAR, SIMULATED).fails(5, "forbidden", &words);
    stage.run(&[&["sgx", "check"][..], SIMULATED].concat()).fails(5, "forbidden", &words);
    let checked = stage.run(&["sgx", "check", "--policy", "policy.toml", "--json"]).json();
    assert_eq!((&checked["registrations"], &checked["simulated"]), (&json!([]), &json!(false)));
}
