//! What the service must not forget: the store trait, SQLite, blobs.
