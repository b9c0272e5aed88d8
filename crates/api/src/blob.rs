//! `PUT /v1/blobs/{id}`: bytes under their SHA-256.

use crate::schema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zkpool_protocol::BlobId;

/// A blob is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlobReply {
    /// Its id.
    #[schema(value_type = schema::BlobId)]
    pub id: BlobId,
    /// Its size in bytes.
    pub size: u64,
}
