//! One file on its way from one language to another.
//!
//! In: a path and its text. Out: the same in the target language, or the place of what cannot be said there. The name of
//! a file says its language; of a JSON file without HCL's keys, whether it has values for variables or is a template, what
//! is in it.

use std::path::Path;
use std::sync::Arc;

use imgc_syntax::{FileId, Span};

use super::{Comments, Note, hcl, json, scan, tidy, toml, upgrade};
use crate::diagnostic::Diagnostic;
use crate::hir::Body;
use crate::lower;
use crate::lower::structure::{self, Form};
use crate::lower::tree::{Node, NodeKind};

/// The languages of templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// HCL's native syntax.
    Hcl,
    /// HCL's JSON form.
    Json,
    /// imgc's TOML form.
    Toml,
    /// Packer's JSON templates from before HCL; only read.
    Legacy,
}

/// A file that was read.
#[derive(Debug)]
pub struct Document {
    /// Its language.
    pub language: Language,
    /// It gives values to variables and is no template.
    pub is_variables: bool,
    /// What it says.
    pub body: Body,
    /// Its comments.
    pub comments: Comments,
    /// What its reader should know about the conversion.
    pub notes: Vec<Note>,
}

impl Document {
    /// Reads a text; problems of its form go to `out`.
    pub fn read(path: &Path, file: FileId, text: &Arc<str>, out: &mut Vec<Diagnostic>) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let extension = path.extension().unwrap_or_default();
        let given = |suffix: &str| name.ends_with(&format!(".pkrvars.{suffix}"));
        match extension.to_str() {
            Some("json") => {
                let node = lower::json::parse(file, text, out);
                of_json(&name, given("json"), file, text, &node, out)
            }
            Some("toml") => {
                let node = lower::toml::parse(file, text, out);
                let is_template = name.ends_with(".imgc.toml");
                let is_variables = given("toml") || !is_template && !structure::is_template(&node);
                let body = match is_variables {
                    true => structure::variables(&node, text, Form::Toml, out),
                    false => structure::template(&node, text, Form::Toml, out),
                };
                Self {
                    comments: Comments::place(file, text, &body, &scan::toml(text)),
                    notes: Vec::new(),
                    language: Language::Toml,
                    is_variables,
                    body,
                }
            }
            _ => {
                let body = lower::hcl::file(file, text, out);
                let comments = Comments::place(file, text, &body, &scan::hcl(text));
                let is_template = name.ends_with(".pkr.hcl") || name.ends_with(".imgc.hcl");
                Self {
                    notes: Vec::new(),
                    language: Language::Hcl,
                    is_variables: given("hcl") || !is_template && is_only_values(&body),
                    body,
                    comments,
                }
            }
        }
    }

    /// Prints it in a language; the error is the place of what that language cannot say.
    pub fn print(&mut self, language: Language) -> Result<String, Span> {
        if self.language != Language::Hcl && !self.is_variables {
            tidy::body(&mut self.body);
        }
        let (body, comments) = (&self.body, &mut self.comments);
        match (language, self.is_variables) {
            (Language::Hcl, _) => Ok(hcl::body(body, comments)),
            (Language::Toml, false) => Ok(toml::body(body, comments)),
            (Language::Toml, true) => toml::variables(body, comments),
            (Language::Json | Language::Legacy, false) => Ok(json::body(body, comments)),
            (Language::Json | Language::Legacy, true) => json::variables(body, comments),
        }
    }

    /// The attributes and blocks that only imgc knows, with their names.
    pub fn beyond_packer(&self) -> Vec<(Span, String)> {
        let mut found = Vec::new();
        for block in &self.body.blocks {
            if matches!(
                block.kind.text.as_str(),
                "module" | "output" | "provisioners"
            ) {
                found.push((block.header, block.kind.text.to_string()));
            }
            repetition(&block.kind.text, &block.body, &mut found);
        }
        found
    }
}

/// Options of imgc's own in a block and the blocks in it.
fn repetition(kind: &str, body: &Body, out: &mut Vec<(Span, String)>) {
    let names: &[&str] = match kind {
        "source" => &["for_each", "count", "enabled", "extends"],
        "build" => &["for_each", "count", "enabled", "timeout"],
        "provisioner" | "error-cleanup-provisioner" | "post-processor" => {
            &["for_each", "count", "enabled"]
        }
        _ => return,
    };
    let attributes = body.attributes.iter();
    out.extend(
        attributes
            .filter(|attribute| names.contains(&attribute.name.text.as_str()))
            .map(|attribute| (attribute.name.span, attribute.name.text.to_string())),
    );
    for block in &body.blocks {
        if kind == "build" && block.kind.text == "provisioners" {
            out.push((block.header, block.kind.text.to_string()));
        }
        repetition(&block.kind.text, &block.body, out);
    }
}

fn of_json(
    name: &str,
    is_variables: bool,
    file: FileId,
    text: &Arc<str>,
    node: &Node,
    out: &mut Vec<Diagnostic>,
) -> Document {
    let is_template = name.ends_with(".pkr.json") || structure::is_template(node);
    let (language, is_variables) = match (is_variables, is_template) {
        (true, _) => (Language::Json, true),
        (false, true) => (Language::Json, false),
        (false, false) if has_only_values(node) => (Language::Legacy, true),
        (false, false) => (Language::Legacy, false),
    };
    let whole = Span::new(file, 0, text.len() as u32);
    let body = match (language, is_variables) {
        (Language::Legacy, false) => lower::legacy::template(node, whole, out),
        (Language::Legacy, true) => lower::legacy::variables_file(file, text, &mut Vec::new()),
        (_, true) => structure::variables(node, text, Form::Json, out),
        _ => structure::template(node, text, Form::Json, out),
    };
    let mut found = scan::json(text);
    let is_legacy = language == Language::Legacy && !is_variables;
    let remarks = match is_legacy {
        true => scan::remarks(node, is_legacy_remark),
        false => scan::remarks(node, |_, key| key == "//"),
    };
    // What stands in the template's own object is about all of it.
    let (first, inner) = remarks
        .into_iter()
        .partition(|remark| remark.start == node.span.start);
    let first: Vec<super::Comment> = first;
    found.extend::<Vec<_>>(inner);
    found.sort_by_key(|comment| comment.start);
    let mut document = Document {
        comments: Comments::place(file, text, &body, &found),
        notes: Vec::new(),
        language,
        is_variables,
        body,
    };
    let first = first.into_iter().flat_map(|remark| remark.lines);
    document.comments.put_first(first.collect());
    if is_legacy {
        document.notes = upgrade::upgrade(&mut document.body);
    }
    document
}

/// Attributes and no blocks: a template has none at its top.
fn is_only_values(body: &Body) -> bool {
    body.blocks.is_empty() && !body.attributes.is_empty()
}

/// Whether a JSON file gives values to variables: none of the sections of a legacy template.
fn has_only_values(node: &Node) -> bool {
    let section = |name: &str| {
        matches!(
            name,
            "builders" | "provisioners" | "post-processors" | "variables" | "sensitive-variables"
        )
    };
    match &node.kind {
        NodeKind::Object(members) => {
            !members.is_empty() && !members.iter().any(|member| section(&member.key.text))
        }
        _ => false,
    }
}

/// Packer passes over members of the template whose names begin with `_`, and over `comments`.
fn is_legacy_remark(depth: usize, key: &str) -> bool {
    match depth {
        0 => key.starts_with('_') || key.eq_ignore_ascii_case("comments"),
        _ => is_comment_name(key),
    }
}

/// What people call members that are comments.
pub(super) fn is_comment_name(key: &str) -> bool {
    key.starts_with("_comment") || key == "//"
}
