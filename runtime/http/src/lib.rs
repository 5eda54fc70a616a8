//! What is looked up over HTTP: the data source `http`, and [`secrets`] in Vault and Consul.
//!
//! A leaf crate: nothing else of the project needs an HTTP client with TLS. Certificates are checked against the
//! system's trust store, and `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` are honoured.

mod client;
mod data;
pub mod secrets;

pub use data::Http;
