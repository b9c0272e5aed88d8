//! The platform's certificates: a root, a CA for platforms, the platform's own, and the signer of TCB info.

use crate::{LABEL, SimError, Traits, body::CPU_SVN, der};
use p256::{
    ecdsa::{Signature, SigningKey, signature::Signer},
    pkcs8::EncodePrivateKey,
};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SerialNumber,
};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

/// The platform's model, in no list of Intel's.
pub(crate) const FMSPC: [u8; 6] = [0x51, 0x4D, 0, 0, 0, 1];
/// The version of its provisioning enclave.
pub(crate) const PCE_SVN: u16 = 13;
/// The certificates' numbers.
pub(crate) const ROOT: u64 = 1;
pub(crate) const PLATFORM_CA: u64 = 2;
pub(crate) const PCK: u64 = 3;
pub(crate) const TCB_SIGNER: u64 = 4;

/// A key, made of the platform's seed.
pub(crate) fn key(seed: &[u8; 32], purpose: &str) -> Result<SigningKey, SimError> {
    let secret = Sha256::new_with_prefix(LABEL).chain_update(seed).chain_update(purpose).finalize();
    SigningKey::from_slice(&secret).map_err(|_| SimError::Key)
}

/// `r ‖ s` of a message.
pub(crate) fn sign(key: &SigningKey, message: &[u8]) -> [u8; 64] {
    let signature: Signature = key.sign(message);
    signature.to_bytes().into()
}

/// Four keys, and what is said of them.
pub(crate) struct Authority<'a> {
    pub(crate) seed: &'a [u8; 32],
    /// When the platform was made, in seconds since 1970.
    pub(crate) created: u64,
    pub(crate) traits: Traits,
}

/// Certificates in PEM, and the root in DER.
pub(crate) struct Certificates {
    pub(crate) root_der: Vec<u8>,
    pub(crate) root: String,
    pub(crate) platform_ca: String,
    pub(crate) pck: String,
    pub(crate) tcb_signer: String,
}

impl Authority<'_> {
    pub(crate) fn certificates(&self) -> Result<Certificates, SimError> {
        let root = self.ca_params("Root CA", ROOT)?.self_signed(&self.pair("root")?)?;
        let (by_root, by_platform_ca) = (self.root()?, self.platform_ca()?);
        let platform_ca =
            self.ca_params("PCK Platform CA", PLATFORM_CA)?.signed_by(&self.pair("platform-ca")?, &by_root)?;
        let mut pck = self.leaf_params("PCK Certificate", PCK)?;
        let intel = [1, 2, 840, 113_741, 1, 13, 1];
        pck.custom_extensions.push(CustomExtension::from_oid_content(&intel, extension(&self.traits)));
        let pck = pck.signed_by(&self.pair("pck")?, &by_platform_ca)?;
        let tcb_signer = self.leaf_params("TCB Signing", TCB_SIGNER)?.signed_by(&self.pair("tcb")?, &by_root)?;
        Ok(Certificates {
            root_der: root.der().to_vec(),
            root: root.pem(),
            platform_ca: platform_ca.pem(),
            pck: pck.pem(),
            tcb_signer: tcb_signer.pem(),
        })
    }

    /// Who signs for platform CAs and TCB signers.
    pub(crate) fn root(&self) -> Result<Issuer<'static, KeyPair>, SimError> {
        Ok(Issuer::new(self.ca_params("Root CA", ROOT)?, self.pair("root")?))
    }

    /// Who signs for platforms.
    pub(crate) fn platform_ca(&self) -> Result<Issuer<'static, KeyPair>, SimError> {
        Ok(Issuer::new(self.ca_params("PCK Platform CA", PLATFORM_CA)?, self.pair("platform-ca")?))
    }

    fn pair(&self, purpose: &str) -> Result<KeyPair, SimError> {
        let der = key(self.seed, purpose)?.to_pkcs8_der().map_err(|_| SimError::Key)?;
        Ok(KeyPair::try_from(der.as_bytes())?)
    }

    fn params(&self, name: &str, number: u64) -> Result<CertificateParams, SimError> {
        let created = at(self.created)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("Simulated SGX {name}"));
        params.distinguished_name.push(DnType::OrganizationName, LABEL);
        params.not_before = created - Duration::days(1);
        params.not_after = created + Duration::days(3650);
        params.serial_number = Some(SerialNumber::from(number));
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }

    fn ca_params(&self, name: &str, number: u64) -> Result<CertificateParams, SimError> {
        let mut params = self.params(name, number)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(params)
    }

    fn leaf_params(&self, name: &str, number: u64) -> Result<CertificateParams, SimError> {
        let mut params = self.params(name, number)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
        Ok(params)
    }
}

/// A time, as certificates have it.
pub(crate) fn at(seconds: u64) -> Result<OffsetDateTime, SimError> {
    let signed = i64::try_from(seconds).map_err(|_| SimError::Time(seconds))?;
    // Far from both ends, so that days can be added and taken away.
    let time = OffsetDateTime::from_unix_timestamp(signed).ok().filter(|time| (1971..9000).contains(&time.year()));
    time.ok_or(SimError::Time(seconds))
}

/// What Intel's extension says of the platform: its version in 18 parts, its provisioning enclave, its model, its
/// configuration.
fn extension(traits: &Traits) -> Vec<u8> {
    let components = CPU_SVN.iter().zip(1..).map(|(svn, number)| der::entry(&[2, number], der::integer((*svn).into())));
    let mut tcb: Vec<_> = components.collect();
    tcb.push(der::entry(&[2, 17], der::integer(PCE_SVN)));
    tcb.push(der::entry(&[2, 18], der::octets(&CPU_SVN)));
    let configuration = [
        der::entry(&[7, 1], der::boolean(traits.dynamic_platform)),
        der::entry(&[7, 2], der::boolean(traits.cached_keys)),
        der::entry(&[7, 3], der::boolean(traits.smt)),
    ];
    der::sequence(&[
        der::entry(&[1], der::octets(&[0x51; 16])),
        der::entry(&[2], der::sequence(&tcb)),
        der::entry(&[3], der::octets(&[0, 0])),
        der::entry(&[4], der::octets(&FMSPC)),
        der::entry(&[5], der::enumerated(0)),
        der::entry(&[6], der::octets(&[0x4D; 16])),
        der::entry(&[7], der::sequence(&configuration)),
    ])
}
