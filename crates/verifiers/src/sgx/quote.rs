//! From a root certificate to what an enclave says of itself.

use super::{Binding, Collateral, Policy, QuoteError, Report, Root, TcbStatus, may_simulate};
use dcap_qvl::{PckCertFlag, QuoteClaims, tcb_info::TcbInfo, verify::QuoteVerifier};
use std::cell::RefCell;

/// Attributes: the enclave has been initialised.
const INIT: u64 = 0x01;
/// Attributes: anyone reads and writes its memory.
const DEBUG: u64 = 0x02;
/// Attributes: 64-bit code.
const MODE64BIT: u64 = 0x04;
/// Attributes: it may make the provisioning key.
const PROVISIONKEY: u64 = 0x10;
/// Attributes: it may make the key of launch tokens.
const EINITTOKENKEY: u64 = 0x20;

/// What a quote that has passed says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attested {
    /// The enclave.
    pub report: Report,
    /// How the platform stands.
    pub status: TcbStatus,
    /// Intel's advisories about it.
    pub advisories: Vec<String>,
    /// The collateral's `tcbEvaluationDataNumber`.
    pub evaluation: u32,
    /// The platform's model and configuration, as Intel names it.
    pub fmspc: [u8; 6],
    /// Until when the collateral holds, in seconds since 1970.
    pub expires: u64,
    /// Whether the platform was a simulated one: then none of this proves anything.
    pub simulated: bool,
}

/// Checks a quote for a registration: that the root vouches, by way of the collateral, for a platform that the policy lets
/// through, that on it runs an enclave that the policy lets through, and that this enclave was asked for what the binding
/// says. A simulated root is refused on every chain but [`super::SIMULATION_CHAINS`].
///
/// `now` is in seconds since 1970: to recheck a registration, the time of its block.
///
/// # Errors
///
/// [`QuoteError`] says what is wrong. The enclave's own faults come first, whether or not the rest holds.
pub fn verify(
    quote: &[u8],
    collateral: &Collateral,
    root: &Root,
    policy: &Policy,
    binding: &Binding,
    now: u64,
) -> Result<Attested, QuoteError> {
    let chain_id = binding.domain.chain_id;
    if matches!(root, Root::Simulated(_)) && !may_simulate(chain_id) {
        return Err(QuoteError::Simulated { chain_id });
    }
    // Before the signatures: whoever is refused for something of their own is told that.
    let report = Report::read(quote)?;
    check_enclave(&report, policy)?;
    check_binding(&report, binding)?;
    inspect(quote, collateral, root, policy, now)
}

/// Checks a quote, whatever it was made for: to look at one, not to register its enclave. [`Attested::simulated`] says
/// whether it means anything.
///
/// # Errors
///
/// As [`verify`].
pub fn inspect(
    quote: &[u8],
    collateral: &Collateral,
    root: &Root,
    policy: &Policy,
    now: u64,
) -> Result<Attested, QuoteError> {
    // Before the signatures: `dcap-qvl` refuses some of this, too, but in its own words.
    let report = Report::read(quote)?;
    check_enclave(&report, policy)?;

    let verifier = match root {
        Root::Intel => QuoteVerifier::new_prod(),
        Root::Simulated(der) => QuoteVerifier::new(der.clone()),
    };
    let watch = Watch { policy, now, refusal: RefCell::new(None) };
    // Never its `verify`, which applies no policy.
    let checked = verifier.verify_with_policy(quote, &collateral.0, now, &watch);
    let claims = checked.map_err(|error| watch.refusal.take().unwrap_or_else(|| refusal(&error)))?;
    let authentic = claims.report.as_sgx().map(Report::of).ok_or(QuoteError::Tee)?;
    if authentic != report {
        return Err(QuoteError::Malformed { reason: "it can be read in two ways".into() });
    }
    check_pce(&claims, collateral)?;
    let revoked = || QuoteError::Revoked { reason: format!("TCB status {}", claims.tcb.status) };
    let status = TcbStatus::of(claims.tcb.status).ok_or_else(revoked)?;
    Ok(Attested {
        report,
        status,
        advisories: claims.tcb.advisory_ids,
        evaluation: claims.tcb.eval_data_number,
        fmspc: claims.platform.pck.fmspc,
        expires: claims.earliest_expiration_date,
        simulated: matches!(root, Root::Simulated(_)),
    })
}

fn check_enclave(report: &Report, policy: &Policy) -> Result<(), QuoteError> {
    let flags = report.flags;
    if flags & DEBUG != 0 {
        return Err(QuoteError::Debug);
    }
    if flags & PROVISIONKEY != 0 {
        return Err(QuoteError::Provisioning);
    }
    if flags & EINITTOKENKEY != 0 {
        return Err(QuoteError::LaunchTokens);
    }
    if flags & INIT == 0 || flags & MODE64BIT == 0 {
        return Err(QuoteError::Attributes { flags });
    }
    if !policy.enclaves.contains(&report.mrenclave) {
        return Err(QuoteError::Enclave { found: report.mrenclave });
    }
    if let Some(expected) = policy.signer
        && expected != report.mrsigner
    {
        return Err(QuoteError::Signer { expected, found: report.mrsigner });
    }
    if report.product != policy.product {
        return Err(QuoteError::Product { expected: policy.product, found: report.product });
    }
    if report.svn < policy.min_svn {
        return Err(QuoteError::Svn { min: policy.min_svn, found: report.svn });
    }
    Ok(())
}

fn check_binding(report: &Report, binding: &Binding) -> Result<(), QuoteError> {
    let expected = binding.report_data();
    if report.report_data[..32] != expected[..32] {
        return Err(QuoteError::Unbound);
    }
    if report.report_data[32..] != expected[32..] {
        return Err(QuoteError::Block { expected: binding.block_hash });
    }
    Ok(())
}

/// The TCB info must be for the platform's provisioning enclave; `dcap-qvl` compares the rest, but not this.
fn check_pce(claims: &QuoteClaims, collateral: &Collateral) -> Result<(), QuoteError> {
    let info: TcbInfo = serde_json::from_str(&collateral.0.tcb_info)
        .map_err(|error| QuoteError::Collateral { reason: error.to_string() })?;
    let expected = hex::encode(&claims.platform.pck.pce_id);
    if !info.pce_id.eq_ignore_ascii_case(&expected) {
        return Err(QuoteError::Pce { expected, found: info.pce_id });
    }
    Ok(())
}

/// The policy, applied twice: by `dcap-qvl`, and before it in our words.
struct Watch<'a> {
    policy: &'a Policy,
    now: u64,
    refusal: RefCell<Option<QuoteError>>,
}

impl Watch<'_> {
    fn check(&self, claims: &QuoteClaims) -> Result<(), QuoteError> {
        let (policy, tcb, pck) = (self.policy, &claims.tcb, &claims.platform.pck);
        let revoked = || QuoteError::Revoked { reason: format!("TCB status {}", tcb.status) };
        let found = TcbStatus::of(tcb.status).ok_or_else(revoked)?;
        if !policy.statuses.contains(&found) {
            return Err(QuoteError::Status { found, advisories: tcb.advisory_ids.clone() });
        }
        let refused = |id: &&String| policy.refused_advisories.iter().any(|refused| refused.eq_ignore_ascii_case(id));
        if let Some(advisory) = tcb.advisory_ids.iter().find(refused) {
            return Err(QuoteError::Advisory { advisory: advisory.clone() });
        }
        if tcb.eval_data_number < policy.min_evaluation {
            return Err(QuoteError::Evaluation { min: policy.min_evaluation, found: tcb.eval_data_number });
        }
        let properties = [
            (pck.dynamic_platform, policy.allow_dynamic_platform, "can have processors added"),
            (pck.cached_keys, policy.allow_cached_keys, "has its root keys kept by Intel's registration service"),
            (pck.smt_enabled, policy.allow_smt, "has hyper-threading enabled"),
        ];
        for (flag, allowed, what) in properties {
            if flag == PckCertFlag::True && !allowed {
                return Err(QuoteError::Platform { what });
            }
        }
        Ok(())
    }
}

impl dcap_qvl::Policy for Watch<'_> {
    fn validate(&self, claims: &QuoteClaims) -> anyhow::Result<()> {
        if let Err(error) = self.check(claims) {
            let reason = error.to_string();
            self.refusal.replace(Some(error));
            return Err(anyhow::Error::msg(reason));
        }
        self.policy.quote_policy(self.now).validate(claims)
    }
}

/// What `dcap-qvl` refuses, by its words: it has no types for it. The release is pinned, and tests hold each of these; what
/// they do not know is refused all the same.
fn refusal(error: &anyhow::Error) -> QuoteError {
    let reason = format!("{error:#}");
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if says(&["TCB too old"]) {
        QuoteError::Grace { reason }
    } else if says(&["Revoked", "revoked"]) {
        QuoteError::Revoked { reason }
    } else if says(&["xpired", "in the future", "NotValidYet"]) {
        QuoteError::Stale { reason }
    } else if says(&["UnknownIssuer", "root CA CRL", "InvalidCrlSignatureForPublicKey"]) {
        QuoteError::Root { reason }
    } else if says(&["ignature", "hash mismatch"]) {
        QuoteError::Signature { reason }
    } else {
        QuoteError::Rejected { reason }
    }
}
