//! Every command that stands in README.md and docs/ works: the blocks are run as they stand, against a real chain, an
//! operator's service and a prover; the rest is at least a command that exists.

use crate::stage::{Process, Stage};
use clap::{Command, CommandFactory};
use std::{
    fs,
    path::{Path, PathBuf},
};
use zkpool_backends::testing::{Quirk, generator_wasm, product, zkey};
use zkpool_chain::alloy::sol_types::SolCall;
use zkpool_chain::testing::contracts_dir;
use zkpool_cli::args::Cli;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The documents with commands, `docs/cli.md` excepted: that one is generated.
fn documents() -> Vec<(String, String)> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = docs.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect();
    paths.retain(|path| !path.ends_with("cli.md"));
    paths.push(root().join("README.md"));
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// The fenced blocks of the documents. Each is taken once, by some words of it.
struct Blocks {
    left: Vec<(String, String)>,
    /// The documents' addresses, and those of this run.
    addresses: Vec<(&'static str, String)>,
}

impl Blocks {
    fn read(kind: &str, addresses: Vec<(&'static str, String)>) -> Self {
        let fence = format!("```{kind}\n");
        let mut left = Vec::new();
        for (name, text) in documents() {
            let blocks = text.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned());
            left.extend(blocks.map(|block| (name.clone(), block)));
        }
        Self { left, addresses }
    }

    fn take(&mut self, document: &str, words: &str) -> String {
        let found = self.left.iter().position(|(name, block)| name == document && block.contains(words));
        let found = found.unwrap_or_else(|| panic!("{document} has no block with {words:?} (any more)"));
        let block = self.left.remove(found).1;
        self.addresses.iter().fold(block, |block, (theirs, ours)| block.replace(theirs, ours))
    }

    fn are_used_up(&self) {
        assert!(self.left.is_empty(), "this test knows nothing of {:?}", self.left);
    }
}

/// Somebody who follows the documents in a directory of their own.
struct Reader {
    dir: PathBuf,
    env: Vec<(&'static str, String)>,
}

impl Reader {
    fn new(stage: &Stage, name: &str, env: Vec<(&'static str, String)>) -> Self {
        let dir = stage.place.path().join(name);
        fs::create_dir(&dir).unwrap();
        Self { dir, env }
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> std::process::Command {
        let binary = assert_cmd::cargo::cargo_bin("zkpool");
        let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut command = std::process::Command::new(program);
        command.current_dir(&self.dir).env_clear().env("PATH", path).envs(self.env.iter().cloned());
        command
    }

    /// Runs a block as a script; what it prints.
    fn run(&self, block: &str) -> String {
        let output = self.command("bash").args(["-euo", "pipefail", "-c", block]).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{block}\n{}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs a block whose last command goes on and on, and leaves that running.
    fn start(&self, block: &str, until: &str) -> Process {
        let (before, last) = block.trim_end().rsplit_once('\n').unwrap();
        self.run(before);
        let mut words = last.split_whitespace();
        assert_eq!(words.next(), Some("zkpool"), "{last}");
        let mut command = self.command(assert_cmd::cargo::cargo_bin("zkpool"));
        command.args(words).env("RUST_LOG", "info");
        let process = Process::spawn(command);
        process.says(until);
        process
    }

    /// Writes a documented configuration, with an address in place of each `0x…`, by section and setting.
    fn configure(&self, block: &str, addresses: &[(&str, &str)]) {
        let (mut section, mut text) = (String::new(), String::new());
        for line in block.lines() {
            if line.starts_with('[') {
                section = format!("{}.", line.split(']').next().unwrap().trim_start_matches('['));
            }
            let setting = format!("{section}{}", line.split(" = ").next().unwrap());
            let address = addresses.iter().find(|(name, _)| *name == setting);
            assert_eq!(line.contains("0x…"), address.is_some(), "{setting}");
            text += &line.replace("0x…", address.map_or("", |(_, address)| address));
            text.push('\n');
        }
        fs::write(self.dir.join("zkpool.toml"), text).unwrap();
    }

    fn address(&self, key: &str) -> String {
        self.run(&format!("zkpool key address --key {key} --password-file password")).trim().to_owned()
    }
}

#[test]
fn what_the_documents_tell_to_run_works() {
    let stage = Stage::set();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let here = vec![
        ("127.0.0.1:8700", listen.clone()),
        ("0.0.0.0:8700", listen),
        ("http://127.0.0.1:8545", stage.anvil.url().to_owned()),
    ];
    let (mut shell, mut toml) = (Blocks::read("sh", here.clone()), Blocks::read("toml", here));

    // What make would do. (This test is part of `make test`, and the demos have tests of their own.)
    for (document, target) in [
        ("README.md", "make demo"),
        ("README.md", "make test"),
        ("zkml.md", "make demo-zkml"),
        ("rollup.md", "make demo-rollup"),
    ] {
        for line in shell.take(document, target).lines() {
            let mut make = std::process::Command::new("bash");
            make.args(["-c", &line.replacen("make ", "make -n ", 1)]).current_dir(root());
            assert!(make.output().unwrap().status.success(), "{line}");
        }
    }

    // docs/zkml.md
    let digits = Reader::new(&stage, "digits", vec![]);
    std::os::unix::fs::symlink(root().join("examples"), digits.dir.join("examples")).unwrap();
    fs::write(digits.dir.join("batch.in"), [&1u32.to_be_bytes()[..], &[3; 64]].concat()).unwrap();
    digits.run(&shell.take("zkml.md", "zkpool program inspect"));

    // docs/rollup.md: a file of legs, which the command's own test reads.
    toml.take("rollup.md", "[[leg]]");

    // docs/economics.md
    let economist = Reader::new(&stage, "economist", vec![]);
    economist.run(&shell.take("economics.md", "zkpool simulate"));

    // docs/operator.md
    let mut operator = Reader::new(&stage, "operator", vec![]);
    operator.run(&shell.take("operator.md", "zkpool key new"));
    let (owner, signer) = (operator.address("keystore:owner.json"), operator.address("keystore:signer.json"));
    stage.fund(&owner, 50);
    stage.fund(&signer, 0);
    let addresses = [
        ("pool", &*stage.pool),
        ("operator.token", &stage.token),
        ("service.operator", &owner),
        ("service.tokens.address", &stage.token),
        ("service.slots.token", &stage.token),
        ("service.verifiers.address", &stage.verifier),
    ];
    operator.configure(&toml.take("operator.md", "[service]"), &addresses);
    // How zkVM programs are run. (The committee beside it is made elsewhere.)
    let zkvm = toml.take("operator.md", "[service.execution]");
    let settings = zkvm.split_once("\n\n").unwrap().1;
    let file = operator.dir.join("zkpool.toml");
    let trusted = toml.take("operator.md", "trusted_payers").replace("0x…", &owner);
    let text = fs::read_to_string(&file).unwrap().replacen("[service]", &trusted, 1);
    fs::write(&file, text + "\n" + settings).unwrap();
    operator.env.push(("SIGNER", signer));
    operator.run(&shell.take("operator.md", "zkpool operator open-slot"));
    let service = operator.start(&shell.take("operator.md", "zkpool service run"), "the service runs");

    // docs/prover.md
    let prover = Reader::new(&stage, "prover", vec![("PROVER_KEY", "22".repeat(32))]);
    let agent = prover.start(&shell.take("prover.md", "zkpool prover run"), "joined");

    // docs/requester.md
    let mut requester = Reader::new(&stage, "requester", vec![("REQUESTER_KEY", "11".repeat(32))]);
    requester.configure(&toml.take("requester.md", "[request]"), &addresses_of_requester(&stage));
    for (name, bytes) in [("circuit.zkey", zkey(product(), 7)), ("circuit.wasm", generator_wasm(Quirk::None))] {
        fs::write(requester.dir.join(name), bytes).unwrap();
    }
    fs::write(requester.dir.join("inputs.json"), r#"{"tag":"1","a":"3","b":["4","5"]}"#).unwrap();
    std::os::unix::fs::symlink(contracts_dir(), requester.dir.join("contracts")).unwrap();
    fs::write(requester.dir.join("password"), "").unwrap();
    stage.fund(&requester.address("env:REQUESTER_KEY"), 20);
    let selector = hex::encode(crate::stage::totalSupplyCall::SELECTOR);
    requester.env.extend([
        ("TARGET", stage.token.clone()),
        ("VERIFIER", stage.verifier.clone()),
        ("PREFIX", format!("0x{selector}")),
    ]);
    requester.run(&shell.take("requester.md", "zkpool deploy"));
    let word = format!("0x{}", "12".repeat(32));
    requester.env.extend([("RPC", stage.anvil.url().to_owned()), ("IMAGE_ID", word.clone()), ("MODEL", word)]);
    requester.env.push(("OWNER", stage.token.clone()));
    requester.run(&shell.take("zkml.md", "zkpool deploy contract DigitOracle"));
    wait_for_slots(&operator);
    requester.run(&shell.take("requester.md", "zkpool request run"));
    requester.run(&shell.take("requester.md", "zkpool request publish"));
    let shown: serde_json::Value = serde_json::from_str(&requester.run("zkpool quote show quote.json --json")).unwrap();
    requester.env.push(("TASK", shown["id"].as_str().unwrap().to_owned()));
    requester.run(&shell.take("requester.md", "zkpool request watch"));

    assert!(agent.stop().success());
    assert!(service.stop().success());
    operator.run(&shell.take("operator.md", "zkpool operator close-slot"));
    shell.are_used_up();
    toml.are_used_up();
}

fn addresses_of_requester(stage: &Stage) -> [(&str, &str); 2] {
    [("pool", &stage.pool), ("request.token", &stage.token)]
}

/// The service has opened the documented slots.
fn wait_for_slots(operator: &Reader) {
    let end = std::time::Instant::now() + crate::stage::PATIENCE;
    let count = || {
        let slots: serde_json::Value = serde_json::from_str(&operator.run("zkpool operator slots --json")).unwrap();
        slots.as_array().unwrap().len()
    };
    while count() < 4 {
        assert!(std::time::Instant::now() < end, "the service opens its slots");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

/// In running text a command need not be complete, but its words and flags must exist.
#[test]
fn what_the_documents_mention_exists() {
    let mut cli = Cli::command();
    cli.build();
    let mut flags = Vec::new();
    collect_flags(&cli, &mut flags);
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let mut seen = 0;
    for (name, text) in documents() {
        let prose: String = text.split("```").step_by(2).collect();
        for code in prose.split('`').skip(1).step_by(2) {
            if let Some(rest) = code.strip_prefix("zkpool ") {
                let mut at = &cli;
                for word in rest.split_whitespace().take_while(|word| !word.starts_with(['-', '"'])) {
                    if !at.has_subcommands() {
                        break;
                    }
                    at = at.find_subcommand(word).unwrap_or_else(|| panic!("{name}: `{code}`: there is no {word}"));
                }
                seen += 1;
            } else if let Some(rest) = code.strip_prefix("make ") {
                let target = rest.split_whitespace().next().unwrap();
                assert!(makefile.contains(&format!("\n{target}:")), "{name}: `{code}`");
                seen += 1;
            }
            // Another program's flags are its own.
            if ["cargo ", "docker "].iter().any(|other| code.contains(other)) {
                continue;
            }
            for flag in code.split_whitespace().filter_map(|word| word.strip_prefix("--")) {
                assert!(flags.iter().any(|known| known == flag), "{name}: `{code}`: there is no --{flag}");
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "the documents are read");
}

fn collect_flags(command: &Command, flags: &mut Vec<String>) {
    flags.extend(command.get_arguments().filter_map(|argument| argument.get_long().map(str::to_owned)));
    command.get_subcommands().for_each(|next| collect_flags(next, flags));
}
