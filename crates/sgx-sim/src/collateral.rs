//! What the simulated maker says of its platforms: revocation lists, TCB info, the quoting enclave's identity.

use crate::{
    LABEL, SimError,
    body::CPU_SVN,
    certificates::{Authority, Certificates, FMSPC, PCE_SVN, at, key, sign},
    platform::{QE_SIGNER, QE_SVN},
};
use rcgen::{CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

/// For how long collateral holds, in seconds: 30 days, as Intel's.
pub const LIFETIME: u64 = 30 * 24 * 3600;

/// How the maker says that the platform stands. By default all is well; the rest is for tests of what refuses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// Intel's name for the platform's TCB status.
    pub status: String,
    /// Advisories about it.
    pub advisories: Vec<String>,
    /// `tcbEvaluationDataNumber`.
    pub evaluation: u32,
    /// When the platform's TCB level was set, in days before the collateral's beginning.
    pub level_days_ago: u32,
    /// The numbers of certificates that the root has revoked.
    pub revoked_by_root: Vec<u64>,
    /// The numbers of certificates that the platform CA has revoked.
    pub revoked_by_platform_ca: Vec<u64>,
    /// The provisioning enclave that the TCB info is for.
    pub pce_id: String,
    /// The platform model that the TCB info is for.
    pub fmspc: String,
    /// The status of the quoting enclave.
    pub qe_status: String,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            status: "UpToDate".into(),
            advisories: vec![],
            evaluation: 17,
            level_days_ago: 0,
            revoked_by_root: vec![],
            revoked_by_platform_ca: vec![],
            pce_id: "0000".into(),
            fmspc: hex::encode_upper(FMSPC),
            qe_status: "UpToDate".into(),
        }
    }
}

/// Collateral that begins a day before `now` and ends [`LIFETIME`] after it.
pub(crate) fn issue(
    authority: &Authority<'_>,
    certificates: &Certificates,
    now: u64,
    conditions: &Conditions,
) -> Result<Value, SimError> {
    let now = at(now)?;
    let (from, until) = (now - Duration::days(1), now + Duration::seconds(LIFETIME as i64));
    let tcb_key = key(authority.seed, "tcb")?;
    let tcb_info = tcb_info(conditions, from, until);
    let qe_identity = qe_identity(conditions, from, until);
    let Certificates { root, platform_ca, tcb_signer, .. } = certificates;
    let list = |issuer: Issuer<'static, KeyPair>, revoked: &[u64]| -> Result<String, SimError> {
        Ok(hex::encode(revocations(&issuer, revoked, from, until)?))
    };
    Ok(json!({
        "simulated": LABEL,
        "pck_crl_issuer_chain": format!("{platform_ca}{root}"),
        "root_ca_crl": list(authority.root()?, &conditions.revoked_by_root)?,
        "pck_crl": list(authority.platform_ca()?, &conditions.revoked_by_platform_ca)?,
        "tcb_info_issuer_chain": format!("{tcb_signer}{root}"),
        "tcb_info_signature": hex::encode(sign(&tcb_key, tcb_info.as_bytes())),
        "tcb_info": tcb_info,
        "qe_identity_issuer_chain": format!("{tcb_signer}{root}"),
        "qe_identity_signature": hex::encode(sign(&tcb_key, qe_identity.as_bytes())),
        "qe_identity": qe_identity,
    }))
}

fn revocations(
    issuer: &Issuer<'static, KeyPair>,
    revoked: &[u64],
    from: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<Vec<u8>, SimError> {
    let revoked = revoked.iter().map(|number| RevokedCertParams {
        serial_number: SerialNumber::from(*number),
        revocation_time: from,
        reason_code: None,
        invalidity_date: None,
    });
    let params = CertificateRevocationListParams {
        this_update: from,
        next_update: until,
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    Ok(params.signed_by(issuer)?.der().to_vec())
}

fn tcb_info(conditions: &Conditions, from: OffsetDateTime, until: OffsetDateTime) -> String {
    let components: Vec<_> = CPU_SVN.iter().map(|svn| json!({ "svn": svn })).collect();
    let set = from - Duration::days(conditions.level_days_ago.into());
    json!({
        "id": "SGX",
        "version": 3,
        "issueDate": rfc3339(from),
        "nextUpdate": rfc3339(until),
        "fmspc": conditions.fmspc,
        "pceId": conditions.pce_id,
        "tcbType": 0,
        "tcbEvaluationDataNumber": conditions.evaluation,
        "tcbLevels": [{
            "tcb": { "sgxtcbcomponents": components, "pcesvn": PCE_SVN },
            "tcbDate": rfc3339(set),
            "tcbStatus": conditions.status,
            "advisoryIDs": conditions.advisories,
        }],
    })
    .to_string()
}

fn qe_identity(conditions: &Conditions, from: OffsetDateTime, until: OffsetDateTime) -> String {
    json!({
        "id": "QE",
        "version": 2,
        "issueDate": rfc3339(from),
        "nextUpdate": rfc3339(until),
        "tcbEvaluationDataNumber": conditions.evaluation,
        "miscselect": "00000000",
        "miscselectMask": "FFFFFFFF",
        "attributes": "11000000000000000000000000000000",
        "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
        "mrsigner": hex::encode_upper(QE_SIGNER),
        "isvprodid": 1,
        "tcbLevels": [{
            "tcb": { "isvsvn": QE_SVN },
            "tcbDate": rfc3339(from),
            "tcbStatus": conditions.qe_status,
        }],
    })
    .to_string()
}

fn rfc3339(time: OffsetDateTime) -> String {
    let (date, clock) = (time.date(), time.time());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", clock.hour(), clock.minute(), clock.second())
}
