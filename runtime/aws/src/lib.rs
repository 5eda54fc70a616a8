//! What is looked up in AWS.
//!
//! A leaf crate: nothing else of the project sees the AWS SDK. Credentials, region and endpoint come from where the SDK
//! finds them: environment, profiles, the metadata of an instance or container.

mod client;
mod secrets;

pub use secrets::{raw_secret, secret};
