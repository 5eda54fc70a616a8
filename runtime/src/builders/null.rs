//! Builder `null`: provisions a machine that exists already, or none.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use imgc_compiler::value::Value;

use crate::artifact::Artifact;
use crate::builder::{Builder, Endpoint, Instance, Problem, Target};
use crate::checkpoint::Capability;
use crate::context::Context;
use crate::error::Result;
use crate::options::Options;

/// The builder `null`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Null;

/// The id of its artifacts, Packer's.
const ARTIFACT_ID: &str = "Null";
const BUILDER_ID: &str = "fnoeding.null";

#[async_trait]
impl Builder for Null {
    fn check(&self, options: &Value) -> Vec<Problem> {
        let options = Options::new("builder `null`", options);
        if options.is_unknown("communicator") {
            return Vec::new();
        }
        let communicator = options.string("communicator").ok().flatten();
        let host = match communicator.as_deref() {
            Some("none") => return Vec::new(),
            None | Some("ssh") => "ssh_host",
            Some("winrm") => "winrm_host",
            Some(_) => return Vec::new(),
        };
        if options.is_given(host) || options.is_unknown(host) {
            return Vec::new();
        }
        vec![
            Problem::new(format!(
                "the builder `null` needs `{host}`: it provisions a machine that exists"
            ))
            .of(host)
            .help(format!(
                "set `{host}`, or write communicator = \"none\" where no machine is wanted"
            )),
        ]
    }

    fn capability(&self, options: &Value) -> Capability {
        let _ = options;
        // The machine is found again at its address; without one it is this machine.
        Capability::Machine
    }

    async fn launch(&self, cx: &Context, options: &Value) -> Result<Arc<dyn Instance>> {
        let _ = cx;
        let options = Options::new("builder `null`", options);
        let communicator = options.string("communicator")?;
        let target = match communicator.as_deref() {
            Some("none") => Target::None,
            other => {
                let prefix = if other == Some("winrm") {
                    "winrm"
                } else {
                    "ssh"
                };
                Target::Address(Endpoint {
                    host: options.string(&format!("{prefix}_host"))?,
                    port: options
                        .integer(&format!("{prefix}_port"))?
                        .and_then(|port| u16::try_from(port).ok())
                        .filter(|port| *port != 0),
                    user: options.string(&format!("{prefix}_username"))?,
                    ..Endpoint::default()
                })
            }
        };
        Ok(Arc::new(Existing { target }))
    }
}

struct Existing {
    target: Target,
}

#[async_trait]
impl Instance for Existing {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn facts(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("ID".to_owned(), ARTIFACT_ID.to_owned())])
    }

    fn stays(&self) -> bool {
        true
    }

    async fn capture(&self, cx: &Context) -> Result<Artifact> {
        let _ = cx;
        Ok(Artifact {
            builder_id: BUILDER_ID.into(),
            id: ARTIFACT_ID.into(),
            description: "Did not export anything. This is the null builder".into(),
            ..Artifact::default()
        })
    }

    async fn release(&self, cx: &Context) -> Result<()> {
        let _ = cx;
        Ok(())
    }
}
