//! The components that can run here, by the name written in a template.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::builder::Builder;
use crate::communicator::Communicator;
use crate::post_processor::PostProcessor;
use crate::provisioner::Provisioner;

/// Builders, communicators, provisioners, post-processors. Adding one is one line where the registry is filled.
#[derive(Clone, Default)]
pub struct Registry {
    /// By type, such as `null`.
    pub builders: BTreeMap<&'static str, Arc<dyn Builder>>,
    /// By type, such as `ssh`.
    pub communicators: BTreeMap<&'static str, Arc<dyn Communicator>>,
    /// By type, such as `shell`.
    pub provisioners: BTreeMap<&'static str, Arc<dyn Provisioner>>,
    /// By type, such as `manifest`.
    pub post_processors: BTreeMap<&'static str, Arc<dyn PostProcessor>>,
}
