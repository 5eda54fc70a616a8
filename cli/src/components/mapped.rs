//! Removal of directories whose files belong to mapped users.

use std::path::PathBuf;

use async_trait::async_trait;
use imgc_runtime::Result;
use imgc_runtime::ledger::Resource;
use imgc_runtime::settings::Remover;

/// Hands mapped directories to a helper inside a user namespace.
#[derive(Debug)]
pub(super) struct Mapped {
    /// The program that becomes the helper.
    pub(super) helper: PathBuf,
}

#[async_trait]
impl Remover for Mapped {
    async fn remove(&self, resource: &Resource) -> Option<Result<()>> {
        match resource {
            Resource::MappedDirectory { path } => {
                Some(imgc_rootfs::remove_mapped(&self.helper, path).await)
            }
            _ => None,
        }
    }
}
