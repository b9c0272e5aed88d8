//! The guides for owners of zkVM programs and for members of a committee: their commands are ones that the program takes,
//! their codes exist, and the rest of what they name is in the repository.

use clap::Parser;
use std::{fs, path::Path};
use zkpool_cli::args::Cli;
use zkpool_protocol::ErrorCode;

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)).unwrap()
}

fn guide() -> String {
    document("bring-your-own-program.md")
}

#[test]
fn their_commands_are_taken() {
    let address = format!("0x{}", "11".repeat(20));
    let values = [
        ("\"$RPC\"", "http://127.0.0.1:8545"),
        ("\"$CALL\"", "0x12345678"),
        ("\"$POOL\"", &address),
        ("\"$TARGET\"", &address),
        ("\"$VERIFIER\"", &address),
        ("\"$RISC_ZERO_VERIFIER\"", &address),
        ("\"$ENCODER\"", &address),
        ("\"$TOKEN\"", &address),
        ("0x…", &address),
        ("https://…", "https://rpc.example"),
    ];
    let text = guide() + &document("verifier.md");
    let blocks = text.split("```bash\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = blocks.flat_map(|block| block.replace("\\\n", " ").lines().map(str::to_owned).collect::<Vec<_>>());
    let commands: Vec<_> = lines.filter(|line| line.starts_with("zkpool ")).collect();
    assert_eq!(commands.len(), 8);
    for command in commands {
        let filled = values.iter().fold(command, |line, (variable, value)| line.replace(variable, value));
        assert!(!filled.contains('$'), "{filled}");
        if let Err(error) = Cli::try_parse_from(filled.split_whitespace()) {
            panic!("{filled}\n{error}");
        }
    }
}

#[test]
fn its_codes_exist() {
    let text = guide();
    let rows = text.split("## When it is refused").nth(1).unwrap().lines();
    let codes: Vec<_> = rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
    assert!(codes.len() >= 10, "{codes:?}");
    for code in codes {
        assert!(ErrorCode::from_name(code).is_some(), "{code}");
    }
}

#[test]
fn what_it_points_to_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for link in guide().split("](").skip(1).filter_map(|rest| rest.split(')').next().map(str::to_owned)) {
        assert!(root.join("docs").join(&link).exists(), "{link}");
    }
    for path in ["examples/zkml", "ci/guests/build.sh", "contracts/src/encoders/RiscZeroEncoder.sol"] {
        assert!(root.join(path).exists(), "{path}");
    }
}
