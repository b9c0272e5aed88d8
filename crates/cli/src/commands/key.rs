//! `zkpool key`: keystore files and addresses.

use super::Context;
use crate::{
    error::{CliError, CliResult},
    keys::KeyArgs,
};
use alloy::signers::{k256::elliptic_curve::rand_core::OsRng, local::PrivateKeySigner};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

/// `zkpool key …`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a new key in an encrypted keystore file
    New(NewArgs),
    /// Show the address of a key
    Address(AddressArgs),
}

/// Where to put the key.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The keystore file to write; must not exist
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Environment variable with the password
    #[arg(long, value_name = "NAME", conflicts_with = "password_file")]
    pub password_env: Option<String>,
    /// File whose first line is the password
    #[arg(long, value_name = "PATH")]
    pub password_file: Option<PathBuf>,
}

/// Whose address.
#[derive(Debug, Args)]
pub struct AddressArgs {
    /// Which key.
    #[command(flatten)]
    pub key: KeyArgs,
}

/// Carries the command out.
pub async fn run(command: KeyCommand, context: &Context) -> CliResult {
    let (address, file) = match command {
        KeyCommand::New(args) => (new(&args)?, Some(args.file)),
        KeyCommand::Address(args) => (args.key.load(&context.settings, "owner")?.address(), None),
    };
    if let Some(file) = &file {
        context.output.note(format!("wrote {}; without its password it is worth nothing: keep both", file.display()));
    }
    context.output.result(&serde_json::json!({ "address": address, "keystore": file }), address)
}

fn new(args: &NewArgs) -> CliResult<zkpool_protocol::Address> {
    let attempt = || format!("make the keystore {}", args.file.display());
    if args.file.exists() {
        return Err(
            CliError::file(attempt(), "the file exists").advise("name another file; keys are never overwritten")
        );
    }
    let password = password(args)?;
    if password.chars().count() < 8 {
        return Err(CliError::new(
            attempt(),
            "the password is shorter than 8 characters",
            "key",
            crate::error::Exit::Config,
        ));
    }
    let dir = args.file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = args.file.file_name().and_then(|name| name.to_str());
    let Some(name) = name else { return Err(CliError::file(attempt(), "the name is not usable")) };
    let (signer, _) = PrivateKeySigner::new_keystore(dir, &mut OsRng, password, Some(name))
        .map_err(|error| CliError::file(attempt(), error))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&args.file, std::fs::Permissions::from_mode(0o600))
            .map_err(|error| CliError::file(attempt(), error))?;
    }
    Ok(signer.address())
}

fn password(args: &NewArgs) -> CliResult<String> {
    let failed = |why: String| CliError::new("read the new password", why, "key", crate::error::Exit::Config);
    match (&args.password_env, &args.password_file) {
        (Some(name), _) => {
            std::env::var(name).map_err(|_| failed(format!("the environment variable {name} is not set")))
        }
        (None, Some(file)) => first_line(file).map_err(|error| failed(format!("{}: {error}", file.display()))),
        (None, None) => {
            let ask = |prompt: &str| {
                rpassword::prompt_password(prompt).map_err(|error| {
                    failed(error.to_string()).advise("without a terminal, use --password-env or --password-file")
                })
            };
            let (first, second) = (ask("new password: ")?, ask("once more: ")?);
            if first == second { Ok(first) } else { Err(failed("the two are not the same".into())) }
        }
    }
}

fn first_line(file: &Path) -> std::io::Result<String> {
    Ok(std::fs::read_to_string(file)?.lines().next().unwrap_or_default().to_owned())
}
