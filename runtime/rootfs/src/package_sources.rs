//! The package sources of this machine, for bootstrapping a distribution: what `/etc/apt` says about it, or what the
//! option `mirror` says.
//!
//! Both forms of sources.list(5) are read. When the machine has sources for another release of the same distribution,
//! their addresses serve the wanted release too: an archive holds all of its releases.

use std::fmt::Write;
use std::path::Path;

use crate::error::{PACKAGE_SOURCE, fail};

/// Releases and aliases by distribution, to tell whose archive an address is.
const RELEASES: &[(&str, &[&str])] = &[
    (
        "debian",
        &[
            "stretch",
            "buster",
            "bullseye",
            "bookworm",
            "trixie",
            "forky",
            "duke",
            "sid",
            "stable",
            "testing",
            "unstable",
            "oldstable",
        ],
    ),
    (
        "ubuntu",
        &[
            "trusty", "xenial", "bionic", "focal", "jammy", "mantic", "noble", "oracular",
            "plucky", "questing", "resolute",
        ],
    ),
];

/// Pockets that belong to a release.
const POCKETS: [&str; 4] = ["", "-updates", "-security", "/updates"];

/// One source: addresses, suites, components, and fields to be kept as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    addresses: String,
    suites: Vec<String>,
    components: String,
    /// `Signed-By` and others, with their continuation lines.
    fields: Vec<(String, String)>,
}

/// The configured sources' texts, in the order apt reads them.
pub(crate) fn read_configured(apt: &Path) -> Vec<(String, String)> {
    let mut paths = vec![apt.join("sources.list")];
    let mut further: Vec<_> = std::fs::read_dir(apt.join("sources.list.d"))
        .map(|entries| {
            entries
                .filter_map(|entry| entry.ok().map(|entry| entry.path()))
                .collect()
        })
        .unwrap_or_default();
    further.sort();
    paths.extend(further);
    paths
        .into_iter()
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "list" || extension == "sources")
        })
        .filter_map(|path| {
            let text = std::fs::read_to_string(&path).ok()?;
            Some((path.file_name()?.to_string_lossy().into_owned(), text))
        })
        .collect()
}

/// A deb822 text for bootstrapping `suite` of `distribution`.
///
/// `mirrors` (addresses, or whole lines of sources.list) come first; else `configured` is asked.
pub(crate) fn sources_for(
    distribution: &str,
    suite: &str,
    components: &[String],
    mirrors: &[String],
    configured: &[(String, String)],
) -> imgc_runtime::Result<String> {
    if !mirrors.is_empty() {
        return Ok(from_mirrors(suite, components, mirrors));
    }
    let sources: Vec<Source> = configured
        .iter()
        .flat_map(|(name, text)| {
            if name.ends_with(".list") {
                parse_list(text)
            } else {
                parse_deb822(text)
            }
        })
        .collect();
    let wanted = wanted(&sources, distribution, suite);
    if wanted.is_empty() {
        return Err(fail(PACKAGE_SOURCE, format!("this machine's package sources have no {distribution}:{suite}")).help(
            format!("add a source for it below /etc/apt/sources.list.d, or name an archive: mirror = [\"http://ADDRESS/{distribution}\"]"),
        ));
    }
    Ok(write(&wanted, components))
}

fn from_mirrors(suite: &str, components: &[String], mirrors: &[String]) -> String {
    let sources: Vec<Source> = mirrors
        .iter()
        .flat_map(|mirror| match mirror.trim().starts_with("deb ") {
            true => parse_list(mirror),
            false => vec![Source {
                addresses: mirror.trim().to_owned(),
                suites: vec![suite.to_owned()],
                components: "main".to_owned(),
                fields: Vec::new(),
            }],
        })
        .collect();
    write(&sources, components)
}

/// The indices of the sources in a deb822 text that [`sources_for`] has made: for each archive and suite a name without
/// the address, and the addresses at which its signed index may be, the best first.
pub(crate) fn indices(sources: &str) -> Vec<(String, Vec<String>)> {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    for source in parse_deb822(sources) {
        for (address, suite) in source.addresses.split_whitespace().flat_map(|address| {
            let suites = source.suites.iter();
            suites.map(move |suite| (address.trim_end_matches('/'), suite))
        }) {
            // A suite that ends with a slash is a directory of its own.
            let place = match suite.strip_suffix('/') {
                Some(directory) => format!("{address}/{directory}"),
                None => format!("{address}/dists/{suite}"),
            };
            let place = place.trim_end_matches('/').to_owned();
            let addresses = vec![format!("{place}/InRelease"), format!("{place}/Release")];
            if !all.iter().any(|(_, known)| *known == addresses) {
                all.push((suite.clone(), addresses));
            }
        }
    }
    all
}

/// The sources with the suites of one release only, else those of another release, carried over.
fn wanted(sources: &[Source], distribution: &str, suite: &str) -> Vec<Source> {
    let of_release = |release: &str| -> Vec<Source> {
        let keep = |name: &String| {
            POCKETS
                .iter()
                .any(|pocket| *name == format!("{release}{pocket}"))
        };
        let with_suites = |source: &Source| Source {
            suites: source
                .suites
                .iter()
                .filter(|name| keep(name))
                .cloned()
                .collect(),
            ..source.clone()
        };
        sources
            .iter()
            .map(with_suites)
            .filter(|source| !source.suites.is_empty())
            .collect()
    };
    let exact = of_release(suite);
    if !exact.is_empty() {
        return exact;
    }
    let releases = RELEASES
        .iter()
        .find(|(name, _)| *name == distribution)
        .map_or(&[][..], |(_, releases)| releases);
    let Some((release, mut others)) = releases
        .iter()
        .map(|release| (*release, of_release(release)))
        .find(|(_, found)| !found.is_empty())
    else {
        return Vec::new();
    };
    let rolling = matches!(suite, "sid" | "unstable");
    for source in &mut others {
        source.suites = source
            .suites
            .iter()
            .map(|name| name.replacen(release, suite, 1))
            .collect();
        source.suites.retain(|name| !rolling || name == suite);
    }
    others.retain(|source| !source.suites.is_empty());
    others
}

fn write(sources: &[Source], components: &[String]) -> String {
    let mut text = String::new();
    for source in sources {
        let components = if components.is_empty() {
            source.components.clone()
        } else {
            components.join(" ")
        };
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "Types: deb\nURIs: {}\nSuites: {}\nComponents: {components}\n",
            source.addresses,
            source.suites.join(" "),
        );
        for (name, value) in &source.fields {
            let space = if value.starts_with('\n') { "" } else { " " };
            let _ = writeln!(text, "{name}:{space}{value}");
        }
        text.push('\n');
    }
    text
}

/// `deb [options] ADDRESS SUITE COMPONENT…`, one a line.
fn parse_list(text: &str) -> Vec<Source> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?.trim();
    let mut rest = line
        .strip_prefix("deb")?
        .strip_prefix([' ', '\t'])?
        .trim_start();
    let mut fields = Vec::new();
    if let Some(options) = rest.strip_prefix('[') {
        let (options, after) = options.split_once(']')?;
        rest = after;
        for option in options.split_whitespace() {
            let (name, value) = option.split_once('=')?;
            match name {
                "signed-by" => fields.push(("Signed-By".to_owned(), value.to_owned())),
                "trusted" => fields.push(("Trusted".to_owned(), value.to_owned())),
                "check-valid-until" => {
                    fields.push(("Check-Valid-Until".to_owned(), value.to_owned()))
                }
                _ => {}
            }
        }
    }
    let mut words = rest.split_whitespace();
    let (addresses, suite) = (words.next()?.to_owned(), words.next()?.to_owned());
    let components = words.collect::<Vec<_>>().join(" ");
    Some(Source {
        addresses,
        suites: vec![suite],
        components,
        fields,
    })
}

/// Stanzas of `Name: value` with continuation lines.
fn parse_deb822(text: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines().chain([""]) {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            sources.extend(source_of(std::mem::take(&mut fields)));
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push('\n');
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    sources
}

fn source_of(fields: Vec<(String, String)>) -> Option<Source> {
    let get = |wanted: &str| {
        let mut fields = fields.iter();
        fields
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.as_str())
    };
    let off = get("Enabled")
        .is_some_and(|value| matches!(value.to_lowercase().as_str(), "no" | "false" | "0"));
    if off || !get("Types")?.split_whitespace().any(|kind| kind == "deb") {
        return None;
    }
    let words = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (addresses, suites) = (words(get("URIs")?).join(" "), words(get("Suites")?));
    let components = words(get("Components").unwrap_or_default()).join(" ");
    const OURS: [&str; 6] = [
        "types",
        "uris",
        "suites",
        "components",
        "enabled",
        "architectures",
    ];
    let fields = fields
        .into_iter()
        .filter(|(name, _)| !OURS.contains(&name.to_lowercase().as_str()))
        .collect();
    Some(Source {
        addresses,
        suites,
        components,
        fields,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DEB822: &str = "# comment\nTypes: deb deb-src\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates bookworm-backports\n\
        Components: main contrib\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
        Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\nComponents: main\nSigned-By:\n -----BEGIN-----\n .\n abc\n\n\
        Types: deb\nEnabled: no\nURIs: http://off.example\nSuites: bookworm\nComponents: main\n";

    fn answer(distribution: &str, suite: &str, mirrors: &[&str], file: &str, text: &str) -> String {
        let mirrors: Vec<String> = mirrors.iter().map(|mirror| (*mirror).to_owned()).collect();
        match sources_for(
            distribution,
            suite,
            &[],
            &mirrors,
            &[(file.to_owned(), text.to_owned())],
        ) {
            Ok(text) => text,
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn the_release_and_its_updates_are_taken() {
        insta::assert_snapshot!(answer("debian", "bookworm", &[], "debian.sources", DEB822), @r#"
        Types: deb
        URIs: http://mirror.example/debian
        Suites: bookworm bookworm-updates
        Components: main contrib
        Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

        Types: deb
        URIs: http://mirror.example/debian-security
        Suites: bookworm-security
        Components: main
        Signed-By:
         -----BEGIN-----
         .
         abc
        "#);
    }

    #[test]
    fn another_release_of_the_same_archive_serves() {
        insta::assert_snapshot!(answer("debian", "trixie", &[], "debian.sources", DEB822), @r#"
        Types: deb
        URIs: http://mirror.example/debian
        Suites: trixie trixie-updates
        Components: main contrib
        Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

        Types: deb
        URIs: http://mirror.example/debian-security
        Suites: trixie-security
        Components: main
        Signed-By:
         -----BEGIN-----
         .
         abc
        "#);
        insta::assert_snapshot!(answer("debian", "sid", &[], "debian.sources", DEB822), @r#"
        Types: deb
        URIs: http://mirror.example/debian
        Suites: sid
        Components: main contrib
        Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
        "#);
    }

    #[test]
    fn the_old_form_is_read() {
        let text = "deb [arch=amd64 signed-by=/k.gpg] http://a.example/ubuntu noble main universe # c\n#deb http://b.example noble main\ndeb-src http://c.example noble main\n";
        insta::assert_snapshot!(answer("ubuntu", "noble", &[], "sources.list", text), @r#"
        Types: deb
        URIs: http://a.example/ubuntu
        Suites: noble
        Components: main universe
        Signed-By: /k.gpg
        "#);
    }

    #[test]
    fn a_mirror_comes_first() {
        insta::assert_snapshot!(answer(
            "debian",
            "bookworm",
            &["http://own.example/debian", "deb http://x.example y z"],
            "debian.sources",
            DEB822
        ), @r#"
        Types: deb
        URIs: http://own.example/debian
        Suites: bookworm
        Components: main

        Types: deb
        URIs: http://x.example
        Suites: y
        Components: z
        "#);
    }

    #[test]
    fn every_suite_of_every_archive_has_an_index() {
        let sources = answer("debian", "bookworm", &[], "debian.sources", DEB822);
        let indices: Vec<String> = indices(&sources)
            .into_iter()
            .map(|(suite, addresses)| format!("{suite} {}", addresses[0]))
            .collect();
        insta::assert_snapshot!(indices.join("\n"), @r"
        bookworm http://mirror.example/debian/dists/bookworm/InRelease
        bookworm-updates http://mirror.example/debian/dists/bookworm-updates/InRelease
        bookworm-security http://mirror.example/debian-security/dists/bookworm-security/InRelease
        ");
    }

    #[test]
    fn an_unknown_distribution_is_an_error() {
        insta::assert_snapshot!(answer("ubuntu", "noble", &[], "debian.sources", DEB822), @r#"
        error: this machine's package sources have no ubuntu:noble
        "#);
    }
}
