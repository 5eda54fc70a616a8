//! Edits of JSON and TOML: members added and removed, declarations made, in the layout of the file.
//!
//! In: a text with the places that its body has. Out: one edit; `None` where the text is written in a way that only its
//! author should change.

use imgc_compiler::hir::Body;
use imgc_compiler::lower::json;
use imgc_compiler::lower::tree::{Member, NodeKind};
use imgc_compiler::{FileId, Span};

use crate::language::Language;
use crate::text::{TextEdit, TextRange};

/// A text in JSON, TOML, or JSON from before HCL.
pub(super) struct Keyed<'a> {
    pub(super) text: &'a str,
    pub(super) language: Language,
    pub(super) newline: &'static str,
}

/// A value to be written.
pub(super) enum Data {
    /// As it is.
    Raw(String),
    /// Members.
    Object(Vec<(String, Data)>),
}

impl Data {
    /// A text.
    pub(super) fn text(text: &str) -> Self {
        // What is written this way has no characters that need escapes.
        Self::Raw(format!("\"{text}\""))
    }
}

type Members = Vec<(String, Data)>;

impl Keyed<'_> {
    /// Adds members to what is inside of a block.
    pub(super) fn add(&self, body: &Body, members: &Members) -> Option<TextEdit> {
        let span = body.span?;
        let written = TextRange::from(span).of(self.text);
        if written.starts_with('{') && written.ends_with('}') {
            return self.add_to_object(span.into(), members);
        }
        if self.language != Language::Toml || !written.starts_with('[') {
            return None;
        }
        // After the last of its own lines: what comes behind belongs to a table inside of it.
        let own = body.attributes.iter();
        let own = own.filter(|attribute| !self.has_header(span.start, attribute.span.start + 1));
        let last = own.map(|attribute| attribute.span.end).max();
        let at = self.line_end(last.unwrap_or(span.start));
        let mut lines = String::new();
        for (key, value) in members {
            let value = self.inline(value);
            lines.push_str(&format!("{}{key} = {value}", self.newline));
        }
        Some(TextEdit::insert(at, lines))
    }

    /// Adds a declaration: `name` in the section of its kind, such as `variable`.
    pub(super) fn declare(
        &self,
        body: &Body,
        section: &[&str],
        name: &str,
        value: Data,
    ) -> Option<TextEdit> {
        match self.language {
            Language::Toml => Some(self.declare_table(body, section, name, value)),
            _ => self.declare_member(section, name, value),
        }
    }

    fn declare_member(&self, section: &[&str], name: &str, value: Data) -> Option<TextEdit> {
        let mut problems = Vec::new();
        let mut node = json::parse(FileId(0), self.text, &mut problems);
        let mut keys: Vec<&str> = section.to_vec();
        keys.push(name);
        let mut around: TextRange = node.span.into();
        while let NodeKind::Object(members) = node.kind {
            around = node.span.into();
            let known = |member: &Member| keys.first().is_some_and(|key| member.key.text == *key);
            match members.into_iter().find(known) {
                // The name itself is there already.
                Some(_) if keys.len() == 1 => return None,
                Some(member) => {
                    node = member.value;
                    keys.remove(0);
                    if !matches!(node.kind, NodeKind::Object(_)) {
                        return None;
                    }
                }
                None => break,
            }
        }
        let first = (*keys.first()?).to_owned();
        let mut value = value;
        for key in keys[1..].iter().rev() {
            value = Data::Object(vec![((*key).to_owned(), value)]);
        }
        self.add_to_object(around, &vec![(first, value)])
    }

    /// In TOML a table at the end of the file; a plain value goes into the table that is there.
    fn declare_table(&self, body: &Body, section: &[&str], name: &str, value: Data) -> TextEdit {
        let members = match value {
            Data::Object(members) => members,
            raw => {
                let entry = vec![(name.to_owned(), raw)];
                let mut blocks = body.blocks.iter();
                let known = blocks.find(|block| section == [block.kind.text.as_str()]);
                if let Some(edit) = known.and_then(|block| self.add(&block.body, &entry)) {
                    return edit;
                }
                return self.table(&section.join("."), &entry);
            }
        };
        self.table(&format!("{}.{name}", section.join(".")), &members)
    }

    fn table(&self, header: &str, members: &Members) -> TextEdit {
        let trimmed = self.text.trim_end();
        let newline = self.newline;
        let before = if trimmed.is_empty() { "" } else { newline };
        let mut lines = format!("{before}{before}[{header}]{newline}");
        for (key, value) in members {
            lines.push_str(&format!("{key} = {}{newline}", self.inline(value)));
        }
        let end = self.text.len() as u32;
        TextEdit::replace((trimmed.len() as u32, end), lines)
    }

    /// Adds members at the end of an object in braces.
    fn add_to_object(&self, object: TextRange, members: &Members) -> Option<TextEdit> {
        let written = object.of(self.text);
        let inner = written.strip_prefix('{')?.strip_suffix('}')?;
        let content = inner.trim_end();
        let at = object.start + 1 + content.len() as u32;
        let outer = self.indent(object.start);
        let is_short = !content.is_empty() && !content.contains('\n') || self.is_toml();
        if is_short {
            let shown: Vec<String> = members
                .iter()
                .map(|(key, value)| format!("{}{}", self.key(key), self.inline(value)))
                .collect();
            let comma = match content.trim().is_empty() || content.ends_with(',') {
                true => " ",
                false => ", ",
            };
            return Some(TextEdit::insert(at, format!("{comma}{}", shown.join(", "))));
        }
        let first = content.len() - content.trim_start().len();
        let indent = match content.is_empty() {
            true => format!("{outer}  "),
            false => self.indent(object.start + 1 + first as u32).to_owned(),
        };
        let shown: Vec<String> = members
            .iter()
            .map(|(key, value)| {
                format!(
                    "{}{indent}{}{}",
                    self.newline,
                    self.key(key),
                    self.shown(value, &indent)
                )
            })
            .collect();
        let comma = match content.is_empty() || content.ends_with(',') {
            true => "",
            false => ",",
        };
        let edit = format!("{comma}{}{}{outer}", shown.join(","), self.newline);
        Some(TextEdit::replace((at, object.end - 1), edit))
    }

    /// Removes a declaration or a value, with the comma that it leaves behind.
    pub(super) fn remove(&self, whole: Span) -> Option<TextRange> {
        let whole = TextRange::from(whole);
        let written = whole.of(self.text);
        if self.is_toml() {
            let header = written.starts_with('[').then(|| written.lines().next());
            let end = match header.flatten() {
                Some(header) => self.table_end(whole.end, header),
                None => whole.end,
            };
            return Some(TextRange::new(whole.start, end));
        }
        let behind = &self.text[whole.end as usize..];
        let before = &self.text[..whole.start as usize];
        let line = before.trim_end_matches([' ', '\t']);
        let is_first_of_line = line.ends_with('\n');
        if let Some(rest) = behind.trim_start().strip_prefix(',') {
            let mut to = self.text.len() - rest.len();
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
            let ends_line = rest[blanks..].starts_with('\n');
            let from = match is_first_of_line && ends_line {
                true => {
                    to += blanks + 1;
                    line.len()
                }
                false => {
                    to += blanks;
                    before.len()
                }
            };
            return Some(TextRange::new(from as u32, to as u32));
        }
        // The last one: the comma before it goes, or the line.
        let trimmed = before.trim_end();
        let from = trimmed.strip_suffix(',').map_or(trimmed.len(), str::len);
        Some(TextRange::new(from as u32, whole.end))
    }

    /// The end of a table with those inside of it, which are headed by longer names.
    fn table_end(&self, end: u32, header: &str) -> u32 {
        let name = header.trim().trim_matches(['[', ']']);
        let mut at = end as usize;
        let mut last = at;
        let mut inside = true;
        for line in self.text[at..].split_inclusive('\n') {
            at += line.len();
            let line = line.trim();
            if line.starts_with('[') {
                let rest = line.trim_start_matches('[').strip_prefix(name);
                inside = rest.is_some_and(|rest| rest.starts_with('.'));
            }
            if !inside {
                break;
            }
            if !line.is_empty() && !line.starts_with('#') {
                last = at - (self.text[..at].len() - self.text[..at].trim_end().len());
            }
        }
        last as u32
    }

    fn is_toml(&self) -> bool {
        self.language == Language::Toml
    }

    fn key(&self, key: &str) -> String {
        match self.is_toml() {
            true => format!("{key} = "),
            false => format!("\"{key}\": "),
        }
    }

    /// A value on lines of its own, for a member at this margin.
    fn shown(&self, value: &Data, indent: &str) -> String {
        let Data::Object(members) = value else {
            return self.inline(value);
        };
        let deeper = format!("{indent}  ");
        let shown: Vec<String> = members
            .iter()
            .map(|(key, value)| {
                let value = self.shown(value, &deeper);
                format!("{}{deeper}{}{value}", self.newline, self.key(key))
            })
            .collect();
        match shown.is_empty() {
            true => "{}".to_owned(),
            false => format!("{{{}{}{indent}}}", shown.join(","), self.newline),
        }
    }

    /// A value on one line.
    fn inline(&self, value: &Data) -> String {
        match value {
            Data::Raw(text) => text.clone(),
            Data::Object(members) => {
                let members = members.iter();
                let shown =
                    members.map(|(key, value)| format!("{}{}", self.key(key), self.inline(value)));
                let shown: Vec<String> = shown.collect();
                match shown.is_empty() {
                    true => "{}".to_owned(),
                    false => format!("{{ {} }}", shown.join(", ")),
                }
            }
        }
    }

    /// Whether a table begins between two places.
    fn has_header(&self, from: u32, to: u32) -> bool {
        let between = self.text.get(from as usize..to as usize);
        let mut lines = between.unwrap_or_default().lines().skip(1);
        lines.any(|line| line.trim_start().starts_with('['))
    }

    fn indent(&self, offset: u32) -> &str {
        let before = &self.text[..offset as usize];
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = &self.text[start..];
        &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
    }

    fn line_end(&self, offset: u32) -> u32 {
        let rest = &self.text[offset as usize..];
        let end = rest.find('\n').unwrap_or(rest.len());
        let line = rest[..end].trim_end_matches('\r');
        offset + line.len() as u32
    }
}
