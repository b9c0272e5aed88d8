//! Blobs: in under their hash, out to those who may see them.

use crate::{Context, OpError, OpResult};
use bytes::Bytes;
use futures::stream::BoxStream;
use zkpool_api::BlobReply;
use zkpool_protocol::{Address, BlobId, ErrorCode};

/// A blob on its way out.
pub struct BlobOut {
    /// Its length.
    pub length: u64,
    /// Its bytes.
    pub bytes: BoxStream<'static, std::io::Result<Bytes>>,
}

/// Stores what `bytes` yields if it has the hash `id` and fits the limits of a blob and of what `who` may have stored;
/// otherwise nothing is stored. `length`, if it is known, refuses early. What is there already is read to its end and
/// compared, so that whoever names a hash without having the bytes gains nothing by it.
/// Fails with `HashMismatch`, `TooLarge`, `Storage`.
pub async fn put_blob(
    ctx: &Context,
    who: Address,
    id: BlobId,
    length: Option<u64>,
    bytes: BoxStream<'_, std::io::Result<Bytes>>,
) -> OpResult<BlobReply> {
    let limits = &ctx.config.limits;
    let mine = if ctx.store.has_uploaded(who, id).await? { ctx.blobs.length(id).await? } else { None };
    let others = ctx.store.uploaded_bytes(who).await?.saturating_sub(mine.unwrap_or_default());
    let left = limits.stored_per_address.saturating_sub(others);
    let limit = limits.blob.min(left);
    if length.is_some_and(|length| length > limit) {
        return Err(too_large(ctx, left));
    }
    let size = match ctx.blobs.put(id, limit, bytes).await {
        Err(zkpool_store::StoreError::TooLarge { .. }) => return Err(too_large(ctx, left)),
        other => other?,
    };
    ctx.store.note_upload(who, id, size, limits.stored_per_address, ctx.clock.now()).await?;
    Ok(BlobReply { id, size })
}

/// Opens a blob for `who`: a registered program's parts for anyone signed in; what one uploaded oneself; inputs and
/// witnesses for provers that hold a lease on their task. Fails with `NotFound`, `Forbidden`.
pub async fn get_blob(ctx: &Context, who: Address, id: BlobId) -> OpResult<BlobOut> {
    let store = &ctx.store;
    let entitled =
        store.is_program_part(id).await? || store.has_uploaded(who, id).await? || store.holds_input(who, id).await?;
    if !entitled {
        return Err(OpError::new(ErrorCode::Forbidden, format!("blob {id} is not for you")));
    }
    let reader = ctx.blobs.open(id).await?;
    let reader = reader.ok_or_else(|| OpError::new(ErrorCode::NotFound, format!("there is no blob {id}")))?;
    Ok(BlobOut { length: reader.length, bytes: reader.bytes })
}

fn too_large(ctx: &Context, left: u64) -> OpError {
    let limits = &ctx.config.limits;
    let message = if left < limits.blob {
        format!("one address may store {} bytes in all, and {left} are left", limits.stored_per_address)
    } else {
        format!("a blob has at most {} bytes", limits.blob)
    };
    OpError::new(ErrorCode::TooLarge, message)
}
