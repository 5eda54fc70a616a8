//! The safe defaults of a build: which of them hold, and which option has turned one off.
//!
//! In: what the template says, the image to start from and who may reach the instance where that is known. Out: a [`Guard`] for each
//! default that the builder has. What decides is what the run goes by; there is no second opinion here.

use aws_sdk_ec2::types::Image;
use imgc_runtime::duration::short;
use imgc_runtime::error::{Error, Result};
use imgc_runtime::preview::{Guard, Hold, Preview};

use super::Written;
use crate::builders::{Disk, Trust, user_data};
use crate::instance::{LogIn, Room, session};
use crate::options::{
    CLEAR_KEYS, Chroot, Encryption, Metadata, Network, guards_metadata, leaves_key, list,
};
use crate::rights::Family;

/// Nothing but the default has decided it.
const DEFAULT: &str = "default";
/// Behind what holds only where the image to start from is none of Windows, and which one that is nobody knows yet.
const UNLESS_WINDOWS: &str = ", unless the image is one of Windows";

/// What is found of a default; `None` where the builder has nothing of the kind.
type Found = Result<Option<Said>>;

/// What is done, whether the default holds then, and what has decided it.
struct Said {
    state: Hold,
    value: String,
    by: &'static str,
}

impl Said {
    fn new(state: Hold, value: impl Into<String>) -> Self {
        Self {
            state,
            value: value.into(),
            by: DEFAULT,
        }
    }

    fn on(value: impl Into<String>) -> Self {
        Self::new(Hold::On, value)
    }

    fn idle(value: impl Into<String>) -> Self {
        Self::new(Hold::Idle, value)
    }

    fn off(value: impl Into<String>, by: &'static str) -> Self {
        Self::new(Hold::Off, value).by(by)
    }

    fn by(self, by: &'static str) -> Self {
        Self { by, ..self }
    }
}

/// What is known of an instance before it is there.
struct Foreseen {
    trust: Trust,
    room: Room,
    /// For what is not so with Windows: see [`UNLESS_WINDOWS`].
    but: &'static str,
}

impl Written<'_> {
    /// Adds the defaults. `callers`: who may reach the temporary group, where that is known.
    pub(super) fn guards(
        &self,
        shown: &mut Preview,
        source: Option<&Image>,
        callers: Option<&[String]>,
    ) {
        let windows = source.map(|source| source.platform.is_some());
        let mut add = |what: &str, found: Found| shown.guards.extend(guard(what, found));
        if self.family != Family::Chroot {
            add("inbound access", self.inbound(callers));
            add("metadata of the instance", self.metadata());
        }
        if self.family.makes_images() && !self.options.is_given("skip_create_ami") {
            add("metadata of the image", self.image_metadata());
        }
        if self.family != Family::Chroot {
            add("host key", self.host_key(windows));
            add("our key", self.key(windows));
        }
        add("encryption", self.encryption());
        add(
            "tags",
            Ok(Some(Said::on(
                "the run and when it expires, in the call that makes a thing",
            ))),
        );
        if self.family != Family::Chroot {
            add("shutdown timer", self.timer(windows));
        }
    }

    /// Who may reach the instance.
    fn inbound(&self, callers: Option<&[String]>) -> Found {
        if let Some(by) = self.groups_by() {
            return Ok(Some(Said::off(
                "what the groups of the template let in",
                by,
            )));
        }
        if LogIn::read(&self.options)? == LogIn::None {
            return Ok(Some(Said::idle("no port is opened: nobody logs in")));
        }
        if session::is_wanted(&self.options) {
            return Ok(Some(Said::on("no port is open").by("ssh_interface")));
        }
        let port = self.port();
        let asked = Network::read(&self.options)?.cidrs;
        Ok(Some(match (asked.is_empty(), callers) {
            (false, _) => Said::off(
                format!("port {port} open to {}", asked.join(", ")),
                "temporary_security_group_source_cidrs",
            ),
            (true, Some(callers)) => {
                Said::on(format!("port {port} open to {} only", callers.join(", ")))
            }
            (true, None) => Said::on(format!("port {port} open to this machine's address only")),
        }))
    }

    /// The metadata service as the instance has it.
    fn metadata(&self) -> Found {
        const BY: &str = "metadata_options";
        let metadata = Metadata::read(&self.options)?;
        Ok(Some(match (metadata.is_off(), metadata.is_guarded()) {
            (true, _) => Said::on("there is none").by(BY),
            (false, true) => Said::on("version 2 only"),
            (false, false) => Said::off("version 1 as well", BY),
        }))
    }

    /// The same of instances that are started from the image.
    fn image_metadata(&self) -> Found {
        let imds = self.options.string("imds_support")?;
        Ok(Some(match guards_metadata(imds.as_deref()) {
            true => Said::on("version 2 only"),
            false => Said::off("version 1 as well", "imds_support"),
        }))
    }

    /// How the machine is known to be the one that was started.
    fn host_key(&self, windows: Option<bool>) -> Found {
        let log_in = LogIn::read(&self.options)?;
        let communicator = self.options.string("communicator")?;
        if log_in == LogIn::None || communicator.as_deref() == Some("winrm") {
            return Ok(None);
        }
        let Foreseen { trust, room, but } = self.foreseen(windows)?;
        if trust.insecure {
            return Ok(Some(Said::off("whoever answers is believed", "host_key")));
        }
        if !trust.console {
            let strict = self.options.string("host_key")?.as_deref() == Some("strict");
            return Ok(Some(match strict {
                true => Said::on("the one of known_hosts and no other").by("host_key"),
                false => Said::off(
                    "the one of known_hosts, or else the first that is seen",
                    "ssh_host",
                ),
            }));
        }
        const TOLD: &str = "the one that its console tells, and no other";
        Ok(Some(match (trust.ours, room.for_key) {
            (true, true) => Said::on(format!("made here, and no other is accepted{but}")),
            (true, false) => Said::on(TOLD).by(self.data_by()),
            (false, _) => Said::on(format!("{TOLD}: it is Windows")),
        }))
    }

    /// What becomes of the key that is made for the build.
    fn key(&self, windows: Option<bool>) -> Found {
        let log_in = LogIn::read(&self.options)?;
        let is_ours = matches!(log_in, LogIn::Temporary { .. });
        if self.disk == Disk::Other || !is_ours {
            return Ok(None);
        }
        let Foreseen { trust, but, .. } = self.foreseen(windows)?;
        if trust.windows {
            return Ok(None);
        }
        Ok(Some(match leaves_key(&self.options)? {
            true => Said::off("stays in the image", CLEAR_KEYS),
            false => Said::on(format!("goes from the image, of all users{but}")),
        }))
    }

    /// Whether what was asked to be encrypted is never anything else.
    fn encryption(&self) -> Found {
        const NOT_ASKED_FOR: &str = "not asked for with `encrypt_boot`";
        const THROUGHOUT: &str = "from the first byte on, volumes, snapshots and copies";
        let encryption = Encryption::read(&self.options)?;
        let by = match self.options.is_given("encrypt_boot") {
            true => "encrypt_boot",
            false => "kms_key_id",
        };
        match self.family {
            // Each volume says it of itself, and an image in S3 cannot be.
            Family::Volumes => {
                let blocks = list(&self.options, self.family.disks()).len();
                let text = format!("as each of the {blocks} volumes says");
                return Ok(Some(Said::idle(text).by("ebs_volumes")));
            }
            Family::Store => return Ok(None),
            Family::Chroot if !encryption.image => {
                let read = Chroot::read(&self.options)?;
                if read.root_encryption(&self.region).is_some() {
                    return Ok(Some(Said::on(THROUGHOUT).by("root_volume_encrypt_boot")));
                }
            }
            Family::Chroot | Family::Ebs | Family::Surrogate => {}
        }
        let copies = self.options.is_given("region_kms_key_ids");
        Ok(Some(match (encryption.image, copies) {
            (true, _) => Said::on(THROUGHOUT).by(by),
            (false, true) => Said::idle("copies only, as they are made").by("region_kms_key_ids"),
            (false, false) => Said::idle(NOT_ASKED_FOR),
        }))
    }

    /// When an instance that nobody lets go shuts itself down.
    fn timer(&self, windows: Option<bool>) -> Found {
        const BY: &str = "shutdown_after";
        let Foreseen { trust, room, but } = self.foreseen(windows)?;
        if trust.windows {
            return Ok(Some(Said::idle("none: it is Windows")));
        }
        let wanted = self.options.duration(BY)?;
        let Some(after) = trust.switch(wanted, self.cx.limit) else {
            return Ok(Some(Said::off("none", BY)));
        };
        if !room.for_parts {
            let why = "none: cloud-init takes no more beside the user data";
            return Ok(Some(Said::off(why, self.data_by())));
        }
        let said = Said::on(format!("after {}{but}", short(after)));
        Ok(Some(match wanted {
            Some(_) => said.by(BY),
            None => said,
        }))
    }

    fn foreseen(&self, windows: Option<bool>) -> Result<Foreseen> {
        let options = &self.options;
        let file = options.string("user_data_file")?;
        let file = file.as_ref().map(std::path::Path::new);
        let own = user_data(self.cx, options.string("user_data")?.as_deref(), file)?;
        let log_in = LogIn::read(options)?;
        Ok(Foreseen {
            trust: Trust::read(options, &log_in, windows.unwrap_or(false))?,
            room: Room::of(own.as_deref()),
            but: match windows {
                Some(_) => "",
                None => UNLESS_WINDOWS,
            },
        })
    }

    /// The option with the user data.
    fn data_by(&self) -> &'static str {
        match self.options.is_given("user_data") {
            true => "user_data",
            false => "user_data_file",
        }
    }
}

fn guard(what: &str, found: Found) -> Option<Guard> {
    let Said { state, value, by } = found.unwrap_or_else(|error| Some(unknown(&error)))?;
    Some(Guard {
        what: what.to_owned(),
        state,
        value,
        by: by.to_owned(),
    })
}

/// What cannot be read is said of it; that a run fails of it stands elsewhere.
fn unknown(error: &Error) -> Said {
    let why = match error.id {
        "run/unknown-option" => "only the run knows: an option is unknown".to_owned(),
        _ => error.chain(),
    };
    Said::new(Hold::Unknown, why)
}
