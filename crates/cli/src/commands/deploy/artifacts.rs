//! What forge has built: code, the libraries that it is linked with, and what its constructor takes.

use crate::error::{CliError, CliResult};
use alloy::{
    dyn_abi::{DynSolType, DynSolValue},
    json_abi::JsonAbi,
    primitives::Address,
};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
};

/// A contract as forge writes it.
#[derive(Debug, Deserialize)]
pub(super) struct Artifact {
    abi: JsonAbi,
    bytecode: Bytecode,
    #[serde(skip)]
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bytecode {
    /// Hex, with `__$…$__` where a library's address belongs.
    object: String,
    /// Source file, library, places.
    #[serde(default)]
    link_references: HashMap<String, HashMap<String, Vec<Place>>>,
}

#[derive(Debug, Deserialize)]
struct Place {
    /// In bytes.
    start: usize,
}

impl Artifact {
    /// Reads a contract by `Name`, or by `File.sol:Name` where the name is not unique.
    pub(super) fn read(out: &Path, name: &str) -> CliResult<Self> {
        let attempt = || format!("read the artifact of {name}");
        let path = find(out, name).ok_or_else(|| {
            CliError::file(attempt(), format!("there is none in {}", out.display()))
                .advise("build the contracts (`forge build` in contracts/), or name forge's output with --artifacts")
        })?;
        let bytes = fs::read(&path).map_err(|error| CliError::file(attempt(), error))?;
        let artifact: Self = serde_json::from_slice(&bytes).map_err(|error| CliError::file(attempt(), error))?;
        Ok(Self { name: name.to_owned(), ..artifact })
    }

    /// The libraries that the code is to be linked with.
    pub(super) fn libraries(&self) -> Vec<&str> {
        let mut names: Vec<_> =
            self.bytecode.link_references.values().flat_map(HashMap::keys).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The creation code, linked, without constructor arguments.
    pub(super) fn code(&self, libraries: &BTreeMap<String, Address>) -> CliResult<Vec<u8>> {
        let fail = |why: &str| CliError::file(format!("link {}", self.name), why);
        let mut object = self.bytecode.object.trim_start_matches("0x").to_owned();
        for (library, places) in self.bytecode.link_references.values().flatten() {
            let address = libraries.get(library).ok_or_else(|| fail(&format!("library {library} has no address")))?;
            for place in places {
                let digits = place.start * 2..place.start * 2 + 40;
                if object.get(digits.clone()).is_none() {
                    return Err(fail("a library's place is outside the code"));
                }
                object.replace_range(digits, &hex::encode(address));
            }
        }
        let code = hex::decode(&object).map_err(|error| fail(&error.to_string()))?;
        if code.is_empty() {
            return Err(fail("it has no code: it is abstract or an interface"));
        }
        Ok(code)
    }

    /// Constructor arguments that were given as text, ABI-encoded.
    pub(super) fn encode(&self, arguments: &[String]) -> CliResult<Vec<u8>> {
        let attempt = || format!("read the constructor arguments of {}", self.name);
        let inputs = self.abi.constructor.as_ref().map_or(&[][..], |constructor| &constructor.inputs);
        if inputs.len() != arguments.len() {
            let expected: Vec<_> = inputs.iter().map(|input| format!("{} {}", input.ty, input.name)).collect();
            return Err(CliError::usage(
                attempt(),
                format!("it takes {} ({}), {} were given", inputs.len(), expected.join(", "), arguments.len()),
            ));
        }
        let mut values = Vec::new();
        for (input, text) in inputs.iter().zip(arguments) {
            let fail = |error: alloy::dyn_abi::Error| {
                CliError::usage(attempt(), format!("{} {}: {error}", input.ty, input.name))
            };
            // A tuple's members are in its components, not in its type's name.
            let kind = DynSolType::parse(&input.selector_type()).map_err(fail)?;
            values.push(kind.coerce_str(text).map_err(fail)?);
        }
        Ok(DynSolValue::Tuple(values).abi_encode_params())
    }
}

fn find(out: &Path, name: &str) -> Option<PathBuf> {
    if let Some((file, contract)) = name.split_once(':') {
        return Some(out.join(file).join(format!("{contract}.json"))).filter(|path| path.is_file());
    }
    let file = format!("{name}.json");
    let own = out.join(format!("{name}.sol")).join(&file);
    if own.is_file() {
        return Some(own);
    }
    let mut dirs: Vec<_> = fs::read_dir(out).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    dirs.sort();
    dirs.into_iter().map(|dir| dir.join(&file)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(json: &str) -> Artifact {
        let artifact: Artifact = serde_json::from_str(json).unwrap();
        Artifact { name: "C".into(), ..artifact }
    }

    #[test]
    fn code_is_linked_where_the_libraries_belong() {
        let hole = "_".repeat(40);
        let contract = artifact(&format!(
            r#"{{"abi":[],"bytecode":{{"object":"0x6001{hole}02","linkReferences":{{"L.sol":{{"L":[{{"start":2,"length":20}}]}}}}}}}}"#
        ));
        assert_eq!(contract.libraries(), ["L"]);
        assert!(contract.code(&BTreeMap::new()).is_err());
        let code = contract.code(&[("L".to_owned(), Address::repeat_byte(0xab))].into()).unwrap();
        assert_eq!(hex::encode(code), format!("6001{}02", "ab".repeat(20)));
        assert!(artifact(r#"{"abi":[],"bytecode":{"object":"0x"}}"#).code(&BTreeMap::new()).is_err());
    }

    #[test]
    fn arguments_are_encoded_by_the_constructor() {
        let contract = artifact(
            r#"{"abi":[{"type":"constructor","stateMutability":"nonpayable","inputs":[
                {"name":"name","type":"string"},{"name":"n","type":"uint8"},
                {"name":"pair","type":"tuple","components":[{"name":"a","type":"address"},{"name":"b","type":"uint256[]"}]}
            ]}],"bytecode":{"object":"0x00"}}"#,
        );
        let arguments = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let encoded = contract
            .encode(&arguments(&["Token", "18", "(0x0000000000000000000000000000000000000001,[1,2])"]))
            .unwrap();
        use alloy::sol_types::SolValue;
        let mut one = [0u8; 20];
        one[19] = 1;
        let pair = (Address::from(one), vec![alloy::primitives::U256::from(1), alloy::primitives::U256::from(2)]);
        assert_eq!(encoded, ("Token".to_owned(), alloy::primitives::U256::from(18), pair).abi_encode_params());
        assert!(contract.encode(&arguments(&["Token"])).is_err());
        assert!(contract.encode(&arguments(&["Token", "256", "(0x01,[])"])).is_err());
    }
}
