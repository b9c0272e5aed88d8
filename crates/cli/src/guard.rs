//! Keeps secrets off the command line, where every user of the machine can read them.
//!
//! Looks at the arguments before anything else does, and never repeats what it finds.

use crate::error::{CliError, CliResult, Exit};
use clap::{Command, CommandFactory};

/// Flags that other programs have for secrets; none of them exists here.
const SECRET_FLAGS: [&str; 13] = [
    "private-key",
    "privatekey",
    "priv-key",
    "secret-key",
    "secret",
    "raw-key",
    "pk",
    "sk",
    "mnemonic",
    "seed",
    "seed-phrase",
    "password",
    "passphrase",
];

/// Refuses arguments that hold, or look like, a private key, a mnemonic or a password.
pub fn check<C: CommandFactory>(args: &[String]) -> CliResult {
    let mut command = C::command();
    command.build();
    scan(&command, args.get(1..).unwrap_or_default())
}

fn scan(root: &Command, args: &[String]) -> CliResult {
    let mut command = root;
    // The hash-valued positional arguments of a subcommand, which alone may hold 64 hex digits.
    let mut awaiting: Option<&clap::Arg> = None;
    for (at, text) in args.iter().enumerate() {
        if let Some(argument) = awaiting.take() {
            check_value(argument.get_long().unwrap_or_default(), takes_hash(argument), text)?;
            continue;
        }
        if let Some(flag) = text.strip_prefix("--") {
            let (name, value) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
            if SECRET_FLAGS.contains(&name.to_ascii_lowercase().replace('_', "-").as_str()) {
                return Err(refused(name));
            }
            let argument = command.get_arguments().find(|arg| arg.get_long() == Some(name));
            match (argument, value) {
                (_, Some(value)) => check_value(name, argument.is_some_and(takes_hash), value)?,
                (Some(argument), None) if argument.get_action().takes_values() => awaiting = Some(argument),
                // A flag that is not known: what follows may be its value.
                (None, None) => check_value(name, false, args.get(at + 1).map_or("", String::as_str))?,
                _ => {}
            }
        } else if let Some(next) = command.find_subcommand(text) {
            command = next;
        } else {
            let hash = command.get_positionals().any(takes_hash);
            check_value("argument", hash, text)?;
        }
    }
    Ok(())
}

/// Arguments that may hold 32 bytes of public data say so in their value's name.
fn takes_hash(argument: &clap::Arg) -> bool {
    argument.get_value_names().is_some_and(|names| {
        names.iter().any(|name| ["HASH", "TASK", "PROGRAM", "BYTES", "ARGUMENT"].contains(&name.as_str()))
    })
}

fn check_value(name: &str, hash_allowed: bool, value: &str) -> CliResult {
    if (looks_like_a_key(value) && !hash_allowed) || looks_like_a_mnemonic(value) { Err(refused(name)) } else { Ok(()) }
}

fn looks_like_a_key(value: &str) -> bool {
    // With a scheme before it, as in env:KEY, too.
    let value = value.rsplit(':').next().unwrap_or_default();
    let hex = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")).unwrap_or(value);
    hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

fn looks_like_a_mnemonic(value: &str) -> bool {
    let words: Vec<_> = value.split_whitespace().collect();
    words.len() >= 12
        && words.iter().all(|word| (3..=8).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase()))
}

fn refused(name: &str) -> CliError {
    CliError::new(
        "take a secret from the command line",
        format!(
            "`{name}` looks like a private key, a mnemonic or a password; a command line can be read by every user of \
             this machine and stays in the shell's history"
        ),
        "key_on_command_line",
        Exit::Usage,
    )
    .advise(
        "put it into an environment variable and write --key env:NAME, or use a keystore (--key keystore:FILE); if it was \
         a real key, consider it known",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;

    const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    const WORDS: &str = "test test test test test test test test test test test junk";

    fn root() -> Command {
        let mut root = Cli::command();
        root.build();
        root
    }

    fn refuses(args: &[&str]) -> bool {
        refused_by(&root(), args)
    }

    fn refused_by(root: &Command, args: &[&str]) -> bool {
        let args: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
        match scan(root, &args) {
            Ok(()) => false,
            Err(error) => {
                assert!(!error.to_string().contains(KEY) && !error.to_string().contains("junk"), "{error}");
                error.code() == "key_on_command_line"
            }
        }
    }

    /// Every command, as the words that lead to it.
    fn commands(command: &Command, path: &[String]) -> Vec<(Vec<String>, Command)> {
        let mut found = vec![(path.to_vec(), command.clone())];
        for next in command.get_subcommands() {
            let path: Vec<_> = path.iter().cloned().chain([next.get_name().to_owned()]).collect();
            found.extend(commands(next, &path));
        }
        found
    }

    #[test]
    fn no_subcommand_accepts_a_raw_key_on_the_command_line() {
        let root = root();
        let (mut tried, with_0x) = (0, format!("0x{KEY}"));
        for (path, command) in commands(&root, &[]) {
            let path: Vec<_> = path.iter().map(String::as_str).collect();
            for argument in command.get_arguments().filter(|arg| arg.get_action().takes_values() && !takes_hash(arg)) {
                let Some(long) = argument.get_long() else { continue };
                let flag = format!("--{long}");
                for value in [KEY, &with_0x, WORDS] {
                    assert!(refused_by(&root, &[&path[..], &[&flag, value]].concat()), "{path:?} {flag}");
                    assert!(
                        refused_by(&root, &[&path[..], &[&format!("{flag}={value}")]].concat()),
                        "{path:?} {flag}="
                    );
                    tried += 1;
                }
            }
            for flag in SECRET_FLAGS {
                assert!(refused_by(&root, &[&path[..], &[&format!("--{flag}"), "x"]].concat()));
            }
        }
        assert!(tried > 100, "the walk found the flags");
    }

    #[test]
    fn a_key_by_its_place_is_no_secret_but_one_in_its_place_is() {
        assert!(!refuses(&["prover", "run", "--key", "env:MY_KEY"]));
        assert!(!refuses(&["prover", "run", "--key", "keystore:/home/a/key.json"]));
        assert!(refuses(&["prover", "run", "--key", &format!("env:{KEY}")]));
        assert!(refuses(&["prover", "run", KEY]));
        assert!(refuses(&["prover", "run", "--unknown", KEY]));
    }

    #[test]
    fn a_task_is_no_key() {
        assert!(!refuses(&["request", "watch", &format!("0x{KEY}")]));
        assert!(!refuses(&["request", "run", "--statement", &format!("0x{KEY}")]));
        // One word of calldata, or of a constructor's arguments.
        assert!(!refuses(&["request", "run", "--call-suffix", &format!("0x{KEY}")]));
        assert!(!refuses(&["deploy", "contract", "Name", &format!("0x{KEY}")]));
        assert!(refuses(&["request", "run", "--call-suffix", WORDS]));
    }
}
