//! The machine behind a mount: commands run in a chroot, files go in and out through it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::event::Output;
use imgc_runtime::files;
use imgc_runtime::machine::{Attributes, Command, Exit, Machine};
use imgc_runtime::mounts::quoted;

use super::shell::{Ended, Input, Prints, Shell};

/// A mounted root.
pub(super) struct ChrootMachine {
    pub(super) shell: Shell,
    /// Where it is mounted.
    pub(super) place: String,
}

impl ChrootMachine {
    /// A line for the shell inside, as one of the shell outside.
    fn inside(&self, line: &str) -> Result<String> {
        let place = quoted(&self.place);
        self.shell
            .wrapped(&format!("chroot {place} /bin/sh -c {}", quoted(line)))
    }

    async fn transfer(&self, line: &str, input: Input<'_>, prints: Prints<'_>) -> Result<()> {
        succeeded(self.shell.run(line, input, prints).await?).map(|_| ())
    }

    async fn put(
        &self,
        input: Input<'_>,
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()> {
        let name = quoted(destination);
        let beside = quoted(&format!("{destination}.imgc-part"));
        let mut line = format!("umask 022 && cat > {beside}");
        if let Some(mode) = attributes.mode {
            line = format!("umask 077 && cat > {beside} && chmod {mode:o} {beside}");
        }
        if let Some(owner) = owner(attributes) {
            line.push_str(&format!(" && chown {owner} {beside}"));
        }
        line.push_str(&format!(" && mv -f {beside} {name}"));
        self.transfer(&self.inside(&line)?, input, Prints::Kept)
            .await
    }
}

/// `owner:group` for `chown`.
fn owner(attributes: &Attributes) -> Option<String> {
    match (&attributes.owner, &attributes.group) {
        (None, None) => None,
        (owner, group) => {
            let owner = owner.as_deref().unwrap_or_default();
            let group = group.as_deref().map(|group| format!(":{group}"));
            Some(quoted(&format!("{owner}{}", group.unwrap_or_default())))
        }
    }
}

fn succeeded(ended: Ended) -> Result<Vec<u8>> {
    match ended.code {
        0 => Ok(ended.stdout),
        code => Err(Error::new(
            Class::Remote,
            "run/aws-chroot",
            format!(
                "a command in the chroot ended with {code}: {}",
                ended.complaint
            ),
        )),
    }
}

async fn open(path: &Path) -> Result<std::fs::File> {
    let path = path.to_owned();
    files::blocking(move || {
        std::fs::File::open(&path)
            .map_err(|error| files::failure("run/missing-file", "read", &path, error))
    })
    .await
}

#[async_trait]
impl Machine for ChrootMachine {
    fn facts(&self) -> BTreeMap<String, String> {
        let facts = [("ConnType", "chroot"), ("Host", self.place.as_str())];
        facts
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    async fn run(&self, command: &Command, output: &Output) -> Result<Exit> {
        let line = self.inside(&command.line)?;
        let input = Input::Bytes(&command.stdin);
        let ended = self.shell.run(&line, input, Prints::Shown(output)).await?;
        Ok(Exit::Code(ended.code))
    }

    async fn query(&self, command: &Command) -> Result<Vec<u8>> {
        let line = self.inside(&command.line)?;
        let input = Input::Bytes(&command.stdin);
        succeeded(self.shell.run(&line, input, Prints::Kept).await?)
    }

    async fn write(
        &self,
        content: &[u8],
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()> {
        self.put(Input::Bytes(content), destination, attributes)
            .await
    }

    async fn upload_file(
        &self,
        source: &Path,
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;

        let file = open(source).await?;
        let mode = file
            .metadata()
            .ok()
            .map(|facts| facts.permissions().mode() & 0o7777);
        let attributes = Attributes {
            mode: attributes.mode.or(mode),
            ..attributes.clone()
        };
        self.put(Input::File(file), destination, &attributes).await
    }

    async fn upload_tree(
        &self,
        source: &Path,
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()> {
        let place = quoted(destination);
        let mut inside = format!("mkdir -p {place} && tar -C {place} --no-same-owner -xf -");
        if let Some(mode) = attributes.mode {
            // Directories are entered by whoever may read them.
            inside.push_str(&format!(
                " && find {place} -type f -exec chmod {mode:o} {{}} + && find {place} -mindepth 1 -type d -exec chmod {:o} {{}} +",
                mode | (mode & 0o444) >> 2
            ));
        }
        if let Some(owner) = owner(attributes) {
            inside.push_str(&format!(" && chown -R {owner} {place}"));
        }
        let from = quoted(&source.to_string_lossy());
        let line = format!("tar -C {from} -cf - . | {}", self.inside(&inside)?);
        self.transfer(&line, Input::None, Prints::Kept).await
    }

    async fn download_file(&self, source: &str, destination: &Path) -> Result<()> {
        let path = destination.to_owned();
        let file = files::blocking(move || {
            std::fs::File::create(&path)
                .map_err(|error| files::failure("run/local-file", "write", &path, error))
        });
        let line = self.inside(&format!("cat {}", quoted(source)))?;
        self.transfer(&line, Input::None, Prints::File(file.await?))
            .await
    }

    async fn download_tree(&self, source: &str, destination: &Path) -> Result<()> {
        let inside = self.inside(&format!("tar -C {} -cf - .", quoted(source)))?;
        let to = quoted(&destination.to_string_lossy());
        let line = format!("mkdir -p {to} && {inside} | tar -C {to} -xf -");
        self.transfer(&line, Input::None, Prints::Kept).await
    }

    async fn reconnect(&self, _limit: Duration) -> Result<()> {
        Err(Error::new(
            Class::Template,
            "run/aws-chroot",
            "a chroot cannot be started again: it is a part of this machine",
        )
        .help("leave `expect_disconnect` out, and do what takes a boot on the first start of the image"))
    }

    async fn disconnect(&self) -> Result<()> {
        Ok(())
    }
}
