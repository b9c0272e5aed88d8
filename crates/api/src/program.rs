//! `POST /v1/programs`: programs, registered once.

use crate::schema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zkpool_protocol::{ProgramId, ProgramManifest, WorkUnits};

/// A registered program. The request that registers it is the manifest itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProgramView {
    /// Content address of the manifest.
    #[schema(value_type = schema::BlobId)]
    pub id: ProgramId,
    /// Its parts.
    #[schema(value_type = schema::ProgramManifest)]
    pub manifest: ProgramManifest,
    /// How large one proof is: constraints, for Groth16.
    #[schema(value_type = u64)]
    pub units: WorkUnits,
    /// How many public inputs it has.
    pub public_inputs: u32,
    /// Whether the operator trusts it, so that preflight needs no trial proof.
    pub trusted: bool,
}
