//! Signing keys: where they come from, and a holder that never shows them.

use alloy::{
    consensus::TxEnvelope,
    consensus::{SignableTransaction, TxEip1559},
    primitives::{Address, B256, Bytes},
    signers::{
        SignerSync,
        local::{LocalSigner, MnemonicBuilder, PrivateKeySigner},
    },
};
use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A key that signs for one address. Cloning shares it; its `Debug` shows the address only.
#[derive(Clone)]
pub struct Key {
    signer: Arc<PrivateKeySigner>,
}

/// Where a key is kept. None of these puts it on a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// An encrypted keystore file (the Web3 Secret Storage format of geth, Foundry and others).
    Keystore {
        /// The file.
        path: PathBuf,
        /// Its password.
        password: Secret,
    },
    /// A BIP-39 mnemonic; the key is m/44'/60'/0'/0/`index` (BIP-44).
    Mnemonic {
        /// The words.
        phrase: Secret,
        /// Which key.
        index: u32,
    },
    /// A raw private key: 64 hex digits, with or without 0x. For development.
    Raw(Secret),
}

/// Where a secret text is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// An environment variable, by name.
    Env(String),
    /// The first line of a file.
    File(PathBuf),
    /// The terminal, without echo; the text is the question.
    Prompt(String),
}

/// A key cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The variable is not set, or is not text.
    #[error("the environment variable {0} is not set: it must hold {1}")]
    NoVariable(String, &'static str),
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no terminal to ask on.
    #[error("cannot ask for the password: {0}; name a file or an environment variable instead")]
    Prompt(std::io::Error),
    /// Wrong password, or no keystore.
    #[error("cannot open the keystore {}: wrong password, or not a keystore file", .0.display())]
    Keystore(PathBuf),
    /// Not a mnemonic.
    #[error("the mnemonic is not valid: it needs 12 to 24 English BIP-39 words with their checksum")]
    Mnemonic,
    /// Not a key.
    #[error("the private key is not valid: it needs 64 hex digits")]
    Raw,
    /// The signer refused.
    #[error("cannot sign with the key of {0}")]
    Sign(Address),
}

impl KeySource {
    /// Reads the key.
    ///
    /// Blocks while a keystore is decrypted (about a second by design) or a password is typed: not for async code.
    ///
    /// # Errors
    /// [`KeyError`]; no error ever holds the secret.
    pub fn load(&self) -> Result<Key, KeyError> {
        let signer = match self {
            Self::Keystore { path, password } => {
                if let Err(source) = fs::metadata(path) {
                    return Err(KeyError::File { path: path.clone(), source });
                }
                let password = password.read("the keystore's password")?;
                LocalSigner::decrypt_keystore(path, password).map_err(|_| KeyError::Keystore(path.clone()))?
            }
            Self::Mnemonic { phrase, index } => MnemonicBuilder::english()
                .phrase(phrase.read("a mnemonic")?.split_whitespace().collect::<Vec<_>>().join(" "))
                .index(*index)
                .and_then(|builder| builder.build())
                .map_err(|_| KeyError::Mnemonic)?,
            Self::Raw(secret) => return Key::from_hex(&secret.read("a private key in hex")?),
        };
        Ok(Key::from(signer))
    }
}

impl Secret {
    fn read(&self, kind: &'static str) -> Result<String, KeyError> {
        match self {
            Self::Env(name) => env::var(name).map_err(|_| KeyError::NoVariable(name.clone(), kind)),
            Self::File(path) => first_line(path),
            Self::Prompt(question) => rpassword::prompt_password(question).map_err(KeyError::Prompt),
        }
    }
}

fn first_line(path: &Path) -> Result<String, KeyError> {
    let text = fs::read_to_string(path).map_err(|source| KeyError::File { path: path.to_owned(), source })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

impl Key {
    /// From 64 hex digits, with or without 0x.
    ///
    /// # Errors
    /// [`KeyError::Raw`].
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let word: B256 = text.trim().parse().map_err(|_| KeyError::Raw)?;
        Ok(Self::from(PrivateKeySigner::from_bytes(&word).map_err(|_| KeyError::Raw)?))
    }

    /// A fresh random key, for tests and throw-away parties.
    pub fn random() -> Self {
        Self::from(PrivateKeySigner::random())
    }

    /// The address that it signs for.
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// Signs a 32-byte digest as it is: r ‖ s ‖ v, v 27 or 28, low s. For EIP-712 digests.
    ///
    /// # Errors
    /// [`KeyError::Sign`].
    pub fn sign_digest(&self, digest: &B256) -> Result<Bytes, KeyError> {
        let signature = self.signer.sign_hash_sync(digest).map_err(|_| KeyError::Sign(self.address()))?;
        Ok(signature.as_bytes().to_vec().into())
    }

    /// Signs a text as `personal_sign` does (EIP-191), as sign-in with Ethereum (EIP-4361) takes it.
    ///
    /// # Errors
    /// [`KeyError::Sign`].
    pub fn sign_message(&self, message: &[u8]) -> Result<Bytes, KeyError> {
        let signature = self.signer.sign_message_sync(message).map_err(|_| KeyError::Sign(self.address()))?;
        Ok(signature.as_bytes().to_vec().into())
    }

    /// Signs a transaction.
    pub(crate) fn sign_transaction(&self, transaction: TxEip1559) -> Result<TxEnvelope, KeyError> {
        let digest = transaction.signature_hash();
        let signature = self.signer.sign_hash_sync(&digest).map_err(|_| KeyError::Sign(self.address()))?;
        Ok(transaction.into_signed(signature).into())
    }
}

impl From<PrivateKeySigner> for Key {
    fn from(signer: PrivateKeySigner) -> Self {
        Self { signer: Arc::new(signer) }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("address", &self.address()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // anvil's first account, public knowledge.
    const WORDS: &str = "test test test test test test test test test test test junk";
    const FIRST: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    const SECOND_ADDRESS: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

    fn file(text: &str) -> (tempfile::TempDir, Secret) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, text).unwrap();
        (dir, Secret::File(path))
    }

    #[test]
    fn a_mnemonic_yields_its_keys_by_index() {
        let (_dir, phrase) = file(&format!("  {WORDS} \nmore"));
        let key = KeySource::Mnemonic { phrase: phrase.clone(), index: 1 }.load().unwrap();
        assert_eq!(key.address().to_string(), SECOND_ADDRESS);
        let first = KeySource::Mnemonic { phrase, index: 0 }.load().unwrap();
        assert_eq!(first.address(), Key::from_hex(FIRST).unwrap().address());
    }

    #[test]
    fn a_keystore_opens_with_its_password_only() {
        // Written by hand as geth writes them, with scrypt parameters that suit a test.
        let text = r#"{"address":"f39fd6e51aad88f6f4ce6ab8827279cfffb92266","crypto":{"cipher":"aes-128-ctr",
            "cipherparams":{"iv":"000102030405060708090a0b0c0d0e0f"},
            "ciphertext":"58ceb8f3e15fb5753a9442ef101017ea78248ef7d6f290f27019a8f4115279e0","kdf":"scrypt",
            "kdfparams":{"dklen":32,"n":2,"p":1,"r":8,
            "salt":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"},
            "mac":"ee6df96c0447040487e54936d0990baadf1a71762db1f86d30a78bff268a58f8"},
            "id":"00000000-0000-4000-8000-000000000000","version":3}"#;
        let (_dir, Secret::File(path)) = file(text) else { panic!("not a file") };
        let (_right, password) = file("open\n");
        let opened = KeySource::Keystore { path: path.clone(), password }.load().unwrap();
        assert_eq!(opened.address(), Key::from_hex(FIRST).unwrap().address());
        let (_wrong, password) = file("guess");
        let error = KeySource::Keystore { path, password }.load().unwrap_err();
        assert!(matches!(error, KeyError::Keystore(_)) && !error.to_string().contains("guess"));
    }

    #[test]
    fn a_bad_secret_is_named_by_its_place_and_never_shown() {
        let (_dir, secret) = file("nonsense-secret");
        for source in [KeySource::Raw(secret.clone()), KeySource::Mnemonic { phrase: secret.clone(), index: 0 }] {
            let text = format!("{:?} {}", source, source.load().unwrap_err());
            assert!(!text.contains("nonsense"), "{text}");
        }
        let missing = KeySource::Raw(Secret::Env("ZKPOOL_TEST_NO_SUCH_VARIABLE".into()));
        assert!(missing.load().unwrap_err().to_string().contains("ZKPOOL_TEST_NO_SUCH_VARIABLE"));
        let key = Key::from_hex(FIRST).unwrap();
        assert!(!format!("{key:?}").contains("ac0974"));
    }

    #[test]
    fn a_signed_digest_recovers_to_the_key() {
        let key = Key::random();
        let digest = B256::repeat_byte(7);
        let signature = key.sign_digest(&digest).unwrap();
        assert_eq!(signature.len(), 65);
        assert!(signature[64] == 27 || signature[64] == 28);
        let read = alloy::primitives::Signature::from_raw(&signature).unwrap();
        assert_eq!(read.recover_address_from_prehash(&digest).unwrap(), key.address());
    }
}
