//! Keys, named on the command line and kept elsewhere.

use crate::{
    config::Settings,
    error::{CliError, CliResult},
};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use zkpool_chain::{Key, KeySource, Secret};

/// How `--key` is explained wherever it stands.
pub const KEY_HELP: &str = "The key that signs: where it is kept, never the key itself.\n\n\
    env:NAME              environment variable NAME holds the private key (64 hex digits)\n\
    file:PATH             the first line of PATH is the private key\n\
    keystore:PATH         encrypted keystore file; its password: --password-env, --password-file, or asked for\n\
    mnemonic:NAME[/I]     environment variable NAME holds a BIP-39 mnemonic; account I (0)\n\
    NAME                  the entry [key.NAME] of the configuration";

/// The key of a role.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct KeyArgs {
    /// The key that signs: env:NAME, file:PATH, keystore:PATH, mnemonic:NAME[/I] or the name of a [key.NAME] entry
    #[arg(long, value_name = "WHERE", long_help = KEY_HELP, help_heading = "Key")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Environment variable with the keystore's password
    #[arg(long, value_name = "NAME", help_heading = "Key", conflicts_with = "password_file")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// File whose first line is the keystore's password
    #[arg(long, value_name = "PATH", help_heading = "Key")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

/// An entry `[key.NAME]` of the configuration: exactly one of `env`, `file`, `keystore`, `mnemonic_env`, `mnemonic_file`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    env: Option<String>,
    file: Option<PathBuf>,
    keystore: Option<PathBuf>,
    mnemonic_env: Option<String>,
    mnemonic_file: Option<PathBuf>,
    index: Option<u32>,
    password_env: Option<String>,
    password_file: Option<PathBuf>,
}

impl KeyArgs {
    /// Loads the key; `role` says whose it is.
    pub fn load(&self, settings: &Settings, role: &str) -> CliResult<Key> {
        let Some(text) = &self.key else {
            return Err(CliError::config(format!("find the {role}'s key"), "no key is named")
                .advise("name one with --key, for example --key env:MY_KEY or --key keystore:key.json"));
        };
        let source = source(text, settings, self.password_env.as_deref(), self.password_file.as_deref())?;
        load(&source, role)
    }
}

/// Loads a key by what a configuration calls it.
pub fn load_named(text: &str, settings: &Settings, role: &str) -> CliResult<Key> {
    load(&source(text, settings, None, None)?, role)
}

fn load(source: &KeySource, role: &str) -> CliResult<Key> {
    source.load().map_err(|error| {
        CliError::new(format!("load the {role}'s key"), error, "key", crate::error::Exit::Config)
            .advise("check where the key is kept; the key itself never belongs on the command line")
    })
}

fn source(
    text: &str,
    settings: &Settings,
    password_env: Option<&str>,
    password_file: Option<&Path>,
) -> CliResult<KeySource> {
    let password = |path: &Path| match (password_env, password_file) {
        (Some(name), _) => Secret::Env(name.to_owned()),
        (None, Some(file)) => Secret::File(file.to_owned()),
        (None, None) => Secret::Prompt(format!("password of {}: ", path.display())),
    };
    let Some((kind, place)) = text.split_once(':') else { return named(text, settings) };
    Ok(match kind {
        "env" => KeySource::Raw(Secret::Env(place.to_owned())),
        "file" => KeySource::Raw(Secret::File(place.into())),
        "keystore" => KeySource::Keystore { path: place.into(), password: password(Path::new(place)) },
        "mnemonic" => {
            let (name, index) = match place.split_once('/') {
                Some((name, index)) => (name, index.parse().map_err(|_| malformed())?),
                None => (place, 0),
            };
            KeySource::Mnemonic { phrase: Secret::Env(name.to_owned()), index }
        }
        _ => return Err(malformed()),
    })
}

fn named(name: &str, settings: &Settings) -> CliResult<KeySource> {
    // Not shown: what stands here by mistake may be the key.
    if name.is_empty() || name.len() > 32 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    {
        return Err(malformed());
    }
    let attempt = || format!("find the key `{name}`");
    let Some(entry) = settings.entry::<KeyEntry>("key", name)? else {
        return Err(CliError::config(attempt(), format!("there is no [key.{name}] in the configuration"))
            .advise("add it, or say where the key is: env:NAME, file:PATH, keystore:PATH, mnemonic:NAME"));
    };
    let base = settings.base();
    let path = |path: &PathBuf| base.join(path);
    let index = entry.index.unwrap_or(0);
    match (&entry.env, &entry.file, &entry.keystore, &entry.mnemonic_env, &entry.mnemonic_file) {
        (Some(env), None, None, None, None) => Ok(KeySource::Raw(Secret::Env(env.clone()))),
        (None, Some(file), None, None, None) => Ok(KeySource::Raw(Secret::File(path(file)))),
        (None, None, Some(keystore), None, None) => {
            let password = match (&entry.password_env, &entry.password_file) {
                (Some(env), _) => Secret::Env(env.clone()),
                (None, Some(file)) => Secret::File(path(file)),
                (None, None) => Secret::Prompt(format!("password of {}: ", keystore.display())),
            };
            Ok(KeySource::Keystore { path: path(keystore), password })
        }
        (None, None, None, Some(env), None) => Ok(KeySource::Mnemonic { phrase: Secret::Env(env.clone()), index }),
        (None, None, None, None, Some(file)) => Ok(KeySource::Mnemonic { phrase: Secret::File(path(file)), index }),
        _ => Err(CliError::config(
            attempt(),
            format!("[key.{name}] must have exactly one of env, file, keystore, mnemonic_env, mnemonic_file"),
        )),
    }
}

/// Never repeats what was given: it may be the key itself.
fn malformed() -> CliError {
    CliError::new("find the key", "what was given does not say where a key is kept", "key", crate::error::Exit::Config)
        .advise("write env:NAME, file:PATH, keystore:PATH, mnemonic:NAME[/I] or the name of a [key.NAME] entry")
}
