//! The templates that are measured. Both programs read the same file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;

/// `count` sources of type `null` without a communicator, and one build of all of them with one local command.
pub(crate) fn null_builds(directory: &Path, count: usize) -> Result<PathBuf> {
    write(directory, &format!("null-{count}"), |file| {
        for number in 0..count {
            writeln!(
                file,
                "source \"null\" \"b{number}\" {{\n  communicator = \"none\"\n}}\n"
            )?;
        }
        writeln!(file, "build {{\n  sources = [")?;
        for number in 0..count {
            writeln!(file, "    \"source.null.b{number}\",")?;
        }
        writeln!(
            file,
            "  ]\n\n  provisioner \"shell-local\" {{\n    inline = [\"true\"]\n  }}\n}}"
        )
    })
}

/// An image on the directory `base` with ten provisioners that write half a megabyte each; `number` is in the last one alone.
pub(crate) fn ten_provisioners(directory: &Path, base: &Path, number: usize) -> Result<PathBuf> {
    write(directory, "ten", |file| {
        writeln!(
            file,
            "source \"rootfs\" \"small\" {{\n  from    = \"dir:{}\"\n  network = \"none\"\n}}\n\nbuild {{\n  \
            sources = [\"source.rootfs.small\"]\n",
            base.display()
        )?;
        for step in 0..10 {
            let number = if step == 9 { number } else { 0 };
            writeln!(
                file,
                "  provisioner \"shell\" {{\n    inline = [\"echo {number}\", \"head -c 500000 /dev/urandom > /step{step}\"]\n  }}\n"
            )?;
        }
        writeln!(file, "}}")
    })
}

/// How to reach a machine.
pub(crate) struct Machine {
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) key: PathBuf,
}

/// A build over SSH; `provisioner` is its one block.
pub(crate) fn over_ssh(
    directory: &Path,
    name: &str,
    machine: &Machine,
    provisioner: &str,
) -> Result<PathBuf> {
    let Machine { port, user, key } = machine;
    write(directory, name, |file| {
        writeln!(
            file,
            "source \"null\" \"machine\" {{\n  communicator         = \"ssh\"\n  ssh_host             = \"127.0.0.1\"\n  \
            ssh_port             = {port}\n  ssh_username         = \"{user}\"\n  ssh_private_key_file = \"{}\"\n  \
            ssh_timeout          = \"60s\"\n}}\n\nbuild {{\n  sources = [\"source.null.machine\"]\n\n{provisioner}\n}}",
            key.display()
        )
    })
}

/// `count` variables, as many sources and as many builds, each using the ones before it.
pub(crate) fn large(directory: &Path, count: usize) -> Result<PathBuf> {
    write(directory, &format!("large-{count}"), |file| {
        for number in 0..count {
            write!(
                file,
                "variable \"name_{number:05}\" {{\n  type    = string\n  default = \"machine {number:05} of the park\"\n}}\n\n\
                source \"null\" \"s{number:05}\" {{\n  communicator = \"none\"\n}}\n\n\
                build {{\n  name    = \"b{number:05}\"\n  sources = [\"source.null.s{number:05}\"]\n\n  \
                provisioner \"shell-local\" {{\n    inline = [\"echo ${{upper(var.name_{number:05})}} is there\"]\n  }}\n}}\n\n"
            )?;
        }
        Ok(())
    })
}

/// A directory of about `lines` lines in files of a thousand: variables, sources with options and builds that use them.
/// Gives the first file.
pub(crate) fn park(directory: &Path, lines: usize) -> Result<PathBuf> {
    let mut paths = Vec::new();
    for file in 0..lines.div_ceil(1000) {
        paths.push(machines(directory, file, 50)?);
    }
    Ok(paths.swap_remove(0))
}

/// Directories with a small template each, of about 60 lines. Gives the first template.
pub(crate) fn hamlets(directory: &Path, number: usize) -> Result<PathBuf> {
    let mut paths = Vec::new();
    for at in 0..number {
        let one = directory.join(format!("image-{at:04}"));
        std::fs::create_dir_all(&one)?;
        paths.push(machines(&one, at, 3)?);
    }
    Ok(paths.swap_remove(0))
}

/// A file with so many machines, 20 lines each.
fn machines(directory: &Path, file: usize, count: usize) -> Result<PathBuf> {
    write(directory, &format!("part-{file:02}"), |out| {
        for number in file * count..(file + 1) * count {
            write!(
                out,
                "variable \"name_{number:04}\" {{\n  type    = string\n  default = \"machine {number:04}\"\n}}\n\n\
                    source \"null\" \"s{number:04}\" {{\n  ssh_host       = \"192.0.2.1\"\n  ssh_agent_auth = true\n  \
                    ssh_username   = var.name_{number:04}\n}}\n\n\
                    build {{\n  name    = \"b{number:04}\"\n  sources = [\"source.null.s{number:04}\"]\n\n  \
                    provisioner \"shell\" {{\n    inline = [\"echo ${{upper(var.name_{number:04})}} is there\"]\n  }}\n}}\n\n"
            )?;
        }
        Ok(())
    })
}

/// Written as it is made: a big text in memory would count as memory of what is started next.
fn write(
    directory: &Path,
    name: &str,
    content: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<PathBuf> {
    let path = directory.join(format!("{name}.pkr.hcl"));
    let mut file = BufWriter::new(File::create(&path)?);
    content(&mut file)?;
    file.flush()?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_template_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let machine = Machine {
            port: 22,
            user: "root".to_owned(),
            key: "/dev/null".into(),
        };
        let shell = "  provisioner \"shell\" {\n    inline = [\"true\"]\n  }";
        for path in [
            null_builds(directory.path(), 2).unwrap(),
            over_ssh(directory.path(), "ssh", &machine, shell).unwrap(),
            large(directory.path(), 3).unwrap(),
            ten_provisioners(directory.path(), Path::new("/base"), 1).unwrap(),
        ] {
            let text = std::fs::read_to_string(path).unwrap();
            assert!(imgc_syntax::hcl::parse(&text).errors().is_empty(), "{text}");
        }
    }

    #[test]
    fn the_park_has_as_many_lines_as_it_should() {
        let directory = tempfile::tempdir().unwrap();
        park(directory.path(), 2000).unwrap();
        let mut lines = 0;
        for entry in std::fs::read_dir(directory.path()).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            assert!(imgc_syntax::hcl::parse(&text).errors().is_empty(), "{text}");
            lines += text.lines().count();
        }
        assert!((1900..=2100).contains(&lines), "{lines}");
    }

    #[test]
    fn the_large_template_has_300_bytes_for_each_triple() {
        let directory = tempfile::tempdir().unwrap();
        let path = large(directory.path(), 100).unwrap();
        let each = std::fs::metadata(path).unwrap().len() / 100;
        assert!((295..=305).contains(&each), "{each}");
    }
}
