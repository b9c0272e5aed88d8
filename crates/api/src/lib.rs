//! The HTTP API: wire types, OpenAPI, typed client.
