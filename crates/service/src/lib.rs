//! The operator's service: HTTP routes and reconcilers.
