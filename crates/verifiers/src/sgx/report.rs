//! What an enclave's report says.

use super::QuoteError;
use alloy_primitives::{B256, hex};

/// The most that a quote may be, in bytes: with a platform's certificates it is about 4.6 kB.
pub const MAX_QUOTE: usize = 32 << 10;

/// Where a quote's report begins.
const REPORT: usize = 48;
/// Where the length of a quote's signature is.
const AUTH_LEN: usize = REPORT + 384;

/// The fields of an enclave's report that are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The attributes' flags.
    pub flags: u64,
    /// The enclave's measurement: its code and how it was loaded.
    pub mrenclave: B256,
    /// The hash of the key that signed the enclave.
    pub mrsigner: B256,
    /// The signer's number for the product.
    pub product: u16,
    /// The signer's number for the version, as to security.
    pub svn: u16,
    /// What the enclave said of itself.
    pub report_data: [u8; 64],
}

impl Report {
    /// Reads the report of a DCAP quote of version 3. Nothing about it has been checked: anyone can write one.
    ///
    /// # Errors
    ///
    /// [`QuoteError::Malformed`], [`QuoteError::Version`], [`QuoteError::Tee`].
    pub fn read(quote: &[u8]) -> Result<Self, QuoteError> {
        let malformed = |reason: String| QuoteError::Malformed { reason };
        if quote.len() > MAX_QUOTE {
            return Err(malformed(format!("it is {} bytes long, more than {MAX_QUOTE}", quote.len())));
        }
        let short = || malformed(format!("it ends after {} bytes", quote.len()));
        let header = quote.first_chunk::<AUTH_LEN>().ok_or_else(short)?;
        let u16_at = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        if u16_at(0) != 3 {
            return Err(QuoteError::Version { found: u16_at(0) });
        }
        if header[4..8] != [0; 4] {
            return Err(QuoteError::Tee);
        }
        let auth = quote[AUTH_LEN..].first_chunk::<4>().ok_or_else(short)?;
        let end = AUTH_LEN + 4 + u32::from_le_bytes(*auth) as usize;
        if quote.len() != end {
            return Err(malformed(format!("it is {} bytes long, but says that it ends at {end}", quote.len())));
        }
        let mut flags = [0; 8];
        flags.copy_from_slice(&header[96..104]);
        let mut report_data = [0; 64];
        report_data.copy_from_slice(&header[368..432]);
        Ok(Self {
            flags: u64::from_le_bytes(flags),
            mrenclave: B256::from_slice(&header[112..144]),
            mrsigner: B256::from_slice(&header[176..208]),
            product: u16_at(304),
            svn: u16_at(306),
            report_data,
        })
    }

    /// From a report whose signatures were checked.
    pub(super) fn of(report: &dcap_qvl::quote::EnclaveReport) -> Self {
        let mut flags = [0; 8];
        flags.copy_from_slice(&report.attributes[..8]);
        Self {
            flags: u64::from_le_bytes(flags),
            mrenclave: report.mr_enclave.into(),
            mrsigner: report.mr_signer.into(),
            product: report.isv_prod_id,
            svn: report.isv_svn,
            report_data: report.report_data,
        }
    }
}

impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Report")
            .field("flags", &format_args!("{:#x}", self.flags))
            .field("mrenclave", &self.mrenclave)
            .field("mrsigner", &self.mrsigner)
            .field("product", &self.product)
            .field("svn", &self.svn)
            .field("report_data", &hex::encode(self.report_data))
            .finish()
    }
}
