//! Settings: flags over environment over file over defaults.
//!
//! A setting has one name. In the file it is a key of its section (`[prover] jobs = 2`), in the environment
//! `ZKPOOL_<SECTION>__<KEY>` (`ZKPOOL_PROVER__JOBS=2`), on the command line a flag (`--jobs 2`). The keys that all
//! sections share (`rpc`, `chain_id`, `pool`) stand at the top of the file (`ZKPOOL_RPC`, …); a section may have its own.

use crate::error::{CliError, CliResult};
use clap::Args;
use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Env, Format, Serialized, Toml},
    value::{Dict, Map, Tag, Value},
};
use serde::{Serialize, de::DeserializeOwned};
use std::path::{Path, PathBuf};

/// The file that is read if it is there and no other is named.
pub const DEFAULT_FILE: &str = "zkpool.toml";
/// Keys that sections share.
const SHARED: [&str; 3] = ["rpc", "chain_id", "pool"];
/// Sections of the file.
const SECTIONS: [&str; 7] = ["key", "service", "operator", "prover", "verifier", "sgx", "request"];

/// File and environment, read once.
#[derive(Debug, Clone)]
pub struct Settings {
    merged: Figment,
    file: Option<PathBuf>,
}

impl Settings {
    /// Reads `file`, or the default file if there is one, and the environment.
    pub fn load(file: Option<&Path>) -> CliResult<Self> {
        let file = match file {
            Some(path) => Some(path.to_owned()),
            None => Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()),
        };
        let mut merged = Figment::new();
        if let Some(path) = &file {
            let attempt = || format!("read the configuration {}", path.display());
            let text = std::fs::read_to_string(path).map_err(|error| CliError::file(attempt(), error))?;
            let data = Toml::string(&text).data().map_err(|error| CliError::config(attempt(), error))?;
            for key in data.values().flat_map(Map::keys) {
                if !SHARED.contains(&key.as_str()) && !SECTIONS.contains(&key.as_str()) {
                    return Err(unknown(&attempt(), key, SHARED.iter().chain(&SECTIONS).copied()));
                }
            }
            merged = merged.merge(Named { name: format!("the file {}", path.display()), data });
        }
        check_environment()?;
        let environment = Env::prefixed("ZKPOOL_").filter(|key| {
            let key = key.as_str().to_ascii_lowercase();
            match key.split_once("__") {
                Some((section, _)) => SECTIONS.contains(&section),
                None => SHARED.contains(&key.as_str()),
            }
        });
        merged = merged.merge(environment.split("__"));
        Ok(Self { merged, file })
    }

    /// The directory that relative paths of the file start from: that of the file.
    pub fn base(&self) -> PathBuf {
        self.file.as_deref().and_then(Path::parent).map(Path::to_owned).unwrap_or_default()
    }

    /// A section, whose keys must all be flags of `T`.
    pub fn section<T: Args>(&self, name: &'static str) -> CliResult<Section<'_>> {
        let flags = T::augment_args(clap::Command::new("zkpool"));
        let known: Vec<_> = flags.get_arguments().map(|arg| arg.get_id().as_str()).collect();
        if let Ok(Value::Dict(_, dict)) = self.merged.find_value(name)
            && let Some(key) = dict.keys().find(|key| !known.contains(&key.as_str()))
        {
            return Err(unknown(&self.attempt(name), &format!("{name}.{key}"), known.iter().copied()));
        }
        Ok(Section { settings: self, name })
    }

    /// A section as a type that checks its keys itself, with `flags` above it.
    pub fn whole_section<T: DeserializeOwned>(&self, name: &'static str, flags: &impl Serialize) -> CliResult<T> {
        Section { settings: self, name }.with_flags(flags)
    }

    /// A named entry of a section of named entries.
    pub fn entry<T: DeserializeOwned>(&self, section: &str, name: &str) -> CliResult<Option<T>> {
        let path = format!("{section}.{name}");
        if self.merged.find_value(&path).is_err() {
            return Ok(None);
        }
        self.merged.extract_inner(&path).map(Some).map_err(|error| self.explain(section, &error))
    }

    /// Whether the section is there at all.
    pub fn has(&self, section: &str) -> bool {
        self.merged.find_value(section).is_ok()
    }

    fn attempt(&self, section: &str) -> String {
        match &self.file {
            Some(path) => format!("use the configuration {} for `{section}`", path.display()),
            None => format!("use the configuration for `{section}`"),
        }
    }

    /// Names the key, where it was set, and what is wrong with it.
    fn explain(&self, section: &str, error: &figment::Error) -> CliError {
        let key = error.path.join(".");
        let source = error.metadata.as_ref().map(|metadata| metadata.name.as_ref()).unwrap_or_default();
        let place = match source {
            name if name.contains("environment") => format!(" (from {})", variable(section, &error.path)),
            name if name.starts_with("the file") => format!(" (from {name})"),
            _ => String::new(),
        };
        let why = match (&error.kind, key.is_empty()) {
            (figment::error::Kind::MissingField(field), _) => {
                let path = [key.as_str(), field.as_ref()]
                    .iter()
                    .filter(|s| !s.is_empty())
                    .copied()
                    .collect::<Vec<_>>()
                    .join(".");
                format!("`{path}` is not set")
            }
            (kind, true) => kind.to_string(),
            (kind, false) => format!("`{key}`{place}: {kind}"),
        };
        CliError::config(self.attempt(section), why).advise(format!(
            "set it in the file, as ZKPOOL_{}__<KEY> in the environment, or as a flag (--help lists them)",
            section.to_ascii_uppercase()
        ))
    }
}

/// One section of the settings.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    /// All of them.
    pub settings: &'a Settings,
    name: &'static str,
}

impl Section<'_> {
    /// A group of settings, with the flags that were given above them.
    pub fn with<T: Serialize + DeserializeOwned>(&self, flags: &T) -> CliResult<T> {
        self.with_flags(flags)
    }

    fn with_flags<T: DeserializeOwned>(&self, flags: &impl Serialize) -> CliResult<T> {
        let Settings { merged, .. } = self.settings;
        let mut figment = Figment::new();
        for key in SHARED {
            if merged.contains(key) {
                figment = figment.merge(merged.focus_key(key));
            }
        }
        if self.settings.has(self.name) {
            figment = figment.merge(merged.focus(self.name));
        }
        let figment = figment.merge(Serialized::defaults(flags));
        figment.extract().map_err(|error| self.settings.explain(self.name, &error))
    }
}

/// Data with a name that an owner understands.
struct Named {
    name: String,
    data: Map<Profile, Dict>,
}

impl Provider for Named {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(self.data.clone())
    }
}

/// One top-level key of a figment, as a provider.
trait FocusKey {
    fn focus_key(&self, key: &'static str) -> Shared;
}

impl FocusKey for Figment {
    fn focus_key(&self, key: &'static str) -> Shared {
        let name = self.find_metadata(key).map_or_else(|| "defaults".to_owned(), |metadata| metadata.name.to_string());
        let value = self.find_value(key).unwrap_or(Value::from(""));
        Shared { name, key, value }
    }
}

struct Shared {
    name: String,
    key: &'static str,
    value: Value,
}

impl Provider for Shared {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let value = match self.value.clone() {
            Value::String(_, text) => Value::String(Tag::Default, text),
            other => other,
        };
        Ok(Profile::Default.collect(Dict::from([(self.key.to_owned(), value)])))
    }
}

/// A variable with a section that does not exist is a slip of the pen, not something to pass over.
fn check_environment() -> CliResult {
    for (name, _) in std::env::vars_os() {
        let Some(name) = name.to_str().and_then(|name| name.strip_prefix("ZKPOOL_")) else { continue };
        if let Some((section, _)) = name.split_once("__")
            && !SECTIONS.contains(&section.to_ascii_lowercase().as_str())
        {
            return Err(unknown("read the environment", &format!("ZKPOOL_{name}"), SECTIONS.into_iter()));
        }
    }
    Ok(())
}

/// The variable that sets a key.
fn variable(section: &str, path: &[String]) -> String {
    let shared = path.first().is_some_and(|key| SHARED.contains(&key.as_str()));
    let parts = (!shared).then_some(section).into_iter().chain(path.iter().map(String::as_str));
    format!("ZKPOOL_{}", parts.collect::<Vec<_>>().join("__").to_ascii_uppercase())
}

fn unknown<'a>(attempt: &str, key: &str, known: impl Iterator<Item = &'a str>) -> CliError {
    let mut known: Vec<_> = known.map(|key| format!("`{key}`")).collect();
    known.sort();
    CliError::config(attempt, format!("unknown key `{key}`")).advise(format!("known here: {}", known.join(", ")))
}
