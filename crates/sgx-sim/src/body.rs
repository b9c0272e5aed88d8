//! What the simulated processor says of an enclave.

use crate::LABEL;
use sha2::{Digest, Sha256};
use std::io;

/// The security version of the simulated processor, component by component.
pub(crate) const CPU_SVN: [u8; 16] = [11, 11, 2, 2, 255, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// What a report says of an enclave, its report data apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body {
    /// The measurement.
    pub mrenclave: [u8; 32],
    /// The hash of the signer's key.
    pub mrsigner: [u8; 32],
    /// ISVPRODID.
    pub product: u16,
    /// ISVSVN.
    pub svn: u16,
    /// The attributes' flags: 0x5 for every ordinary enclave.
    pub flags: u64,
}

impl Body {
    /// An ordinary enclave with this measurement.
    pub fn new(mrenclave: [u8; 32]) -> Self {
        let mrsigner = Sha256::new().chain_update(LABEL).chain_update("signer").finalize().into();
        Self { mrenclave, mrsigner, product: 0, svn: 0, flags: 0x5 }
    }

    /// Measures the running program's file: another build is another enclave, as with a real one.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn of_this_program() -> io::Result<Self> {
        let mut hash = Sha256::new_with_prefix(LABEL);
        io::copy(&mut std::fs::File::open(std::env::current_exe()?)?, &mut hash)?;
        Ok(Self::new(hash.finalize().into()))
    }

    /// The report, 384 bytes.
    pub(crate) fn report(&self, report_data: &[u8; 64]) -> [u8; 384] {
        let mut report = [0; 384];
        report[..16].copy_from_slice(&CPU_SVN);
        report[48..56].copy_from_slice(&self.flags.to_le_bytes());
        report[56..64].copy_from_slice(&0xE7u64.to_le_bytes());
        report[64..96].copy_from_slice(&self.mrenclave);
        report[128..160].copy_from_slice(&self.mrsigner);
        report[256..258].copy_from_slice(&self.product.to_le_bytes());
        report[258..260].copy_from_slice(&self.svn.to_le_bytes());
        report[320..].copy_from_slice(report_data);
        report
    }
}
