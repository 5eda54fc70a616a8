//! Encryption: `encrypt_boot`, `kms_key_id`, `region_kms_key_ids`.

use std::collections::BTreeMap;

use imgc_runtime::error::Result;
use imgc_runtime::options::Options;

/// What is encrypted, and with which keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encryption {
    /// The image, and with it all its copies.
    pub(crate) image: bool,
    /// `kms_key_id`: of the region the image is made in.
    key: Option<String>,
    /// `region_kms_key_ids`; an empty one stands for the account's default key there.
    keys: BTreeMap<String, String>,
}

impl Encryption {
    pub(crate) fn read(options: &Options<'_>) -> Result<Self> {
        let key = options.string("kms_key_id")?;
        let keys = options.map("region_kms_key_ids")?.into_iter();
        Ok(Self {
            image: match options.value("encrypt_boot") {
                // Who names a key means it.
                None => key.is_some(),
                Some(_) => options.bool("encrypt_boot")?,
            },
            key,
            keys: keys.map(|(region, key)| (region, key.text)).collect(),
        })
    }

    /// Whether the copy in a region is encrypted.
    pub(crate) fn covers(&self, region: &str) -> bool {
        self.image || self.keys.contains_key(region)
    }

    /// The key of the region the image is made in; `None` for the account's default.
    pub(crate) fn home_key(&self, region: Option<&str>) -> Option<&str> {
        let own = region.and_then(|region| self.region_key(region));
        self.key.as_deref().or(own)
    }

    /// The key of a copy; `None` for the account's default.
    pub(crate) fn region_key(&self, region: &str) -> Option<&str> {
        let key = self.keys.get(region).map(String::as_str);
        key.filter(|key| !key.is_empty())
    }
}
