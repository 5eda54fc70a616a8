//! Places in JSON and TOML: by the keys around the cursor.

use std::collections::BTreeMap;

use imgc_compiler::FileId;
use imgc_compiler::components::ComponentKind;
use imgc_compiler::lower::tree::{Member, Node, NodeKind};
use imgc_compiler::lower::{json, toml};

use super::around::Around;
use super::word::{open_expression, steps_before};
use super::{Form, Frame, MARK, Place, Value, What, inside, word_around};
use crate::grammar::{Inside, legacy_top};
use crate::language::Language;
use crate::text::TextRange;

pub(super) fn place(text: &str, offset: u32, top: Inside, language: Language) -> Option<Place> {
    let at = offset as usize;
    let around = Around::find(text, offset, language);
    let finder = Finder {
        text,
        offset,
        in_string: around.in_string,
        language,
    };
    around.insertions().iter().find_map(|(before, behind)| {
        let marked = [
            &text[..around.from],
            before,
            MARK,
            behind,
            &text[around.to.max(at)..],
        ]
        .concat();
        let root = parse(&marked, language);
        let mut steps = Vec::new();
        let hit = find(&root, &mut steps)?;
        match language {
            Language::Legacy if !matches!(top, Inside::Values) => finder.legacy(&steps, &hit),
            _ => finder.structure(&steps, &hit, top),
        }
    })
}

fn parse(text: &str, language: Language) -> Node {
    #[cfg(test)]
    PARSES.with(|parses| parses.set(parses.get() + 1));
    let mut problems = Vec::new();
    match language {
        Language::Toml => toml::parse(FileId(0), text, &mut problems),
        _ => json::parse(FileId(0), text, &mut problems),
    }
}

#[cfg(test)]
thread_local! {
    /// How many times a text was parsed to find places.
    pub(crate) static PARSES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// A step on the way to the mark.
enum Step<'n> {
    /// Into a member of an object.
    Key(&'n Member, &'n [Member]),
    /// Into an element of a list.
    Index,
}

/// Where the mark is.
enum Hit<'n> {
    /// It is in a key of an object.
    Key(&'n Member, &'n [Member]),
    /// It is in a text.
    Text,
}

fn find<'n>(node: &'n Node, steps: &mut Vec<Step<'n>>) -> Option<Hit<'n>> {
    match &node.kind {
        NodeKind::Text(text) => text.text.contains(MARK).then_some(Hit::Text),
        NodeKind::Array(elements) => {
            steps.push(Step::Index);
            let hit = elements.iter().find_map(|element| find(element, steps));
            if hit.is_none() {
                steps.pop();
            }
            hit
        }
        NodeKind::Object(members) => {
            for member in members {
                if member.key.text.contains(MARK) {
                    return Some(Hit::Key(member, members));
                }
                steps.push(Step::Key(member, members));
                if let Some(hit) = find(&member.value, steps) {
                    return Some(hit);
                }
                steps.pop();
            }
            None
        }
        _ => None,
    }
}

struct Finder<'a> {
    text: &'a str,
    offset: u32,
    in_string: bool,
    language: Language,
}

impl Finder<'_> {
    /// A place in HCL's JSON form or in TOML.
    fn structure(&self, steps: &[Step<'_>], hit: &Hit<'_>, top: Inside) -> Option<Place> {
        let mut frames: Vec<Frame> = Vec::new();
        let mut steps = steps.iter();
        let mut current = top;
        while let Some(step) = steps.next() {
            let Step::Key(member, members) = step else {
                continue;
            };
            let kind = member.key.text.as_str();
            let Some(block) = current
                .block(kind)
                .filter(|_| !matches!(current, Inside::Values))
            else {
                return self.value(frames, current, members, member, steps, hit);
            };
            let mut labels: Vec<String> = Vec::new();
            let mut rest = steps.clone();
            while labels.len() < block.labels().len() {
                match rest.next() {
                    Some(Step::Index) => {}
                    Some(Step::Key(label, around)) => {
                        if let Some(inner) = labels_inside(block.labels(), around) {
                            // TOML: the labels are keys among the options.
                            labels = inner;
                            let of = around.iter().any(|member| std::ptr::eq(member, *label));
                            if of && block.labels().contains(&label.key.text.as_str()) {
                                return Some(self.label(frames, current, kind, &[]));
                            }
                            break;
                        }
                        labels.push(label.key.text.to_string());
                        steps = rest.clone();
                    }
                    None => {
                        let around = match hit {
                            Hit::Key(_, around) => *around,
                            Hit::Text => &[],
                        };
                        if let Some(inner) = labels_inside(block.labels(), around) {
                            labels = inner;
                            break;
                        }
                        return Some(self.label(frames, current, kind, &labels));
                    }
                }
            }
            frames.push(Frame {
                kind: kind.to_owned(),
                labels,
            });
            current = inside(top, &frames);
        }
        let Hit::Key(member, members) = hit else {
            return None;
        };
        Some(self.key(frames, current, member, members))
    }

    /// A place in a template from before HCL, as one of the HCL that says the same.
    fn legacy(&self, steps: &[Step<'_>], hit: &Hit<'_>) -> Option<Place> {
        let mut steps = steps.iter();
        let Some(Step::Key(section, members)) = steps.next() else {
            let Hit::Key(member, members) = hit else {
                return None;
            };
            return Some(self.key(Vec::new(), legacy_top(), member, members));
        };
        let (outer, kind, of): (&[&str], _, _) = match section.key.text.as_str() {
            "builders" => (&[], "source", ComponentKind::Builder),
            "provisioners" => (&["build"], "provisioner", ComponentKind::Provisioner),
            "post-processors" => (&["build"], "post-processor", ComponentKind::PostProcessor),
            "variables" => {
                return match hit {
                    Hit::Key(..) => None,
                    Hit::Text => {
                        self.value(Vec::new(), Inside::Values, members, section, steps, hit)
                    }
                };
            }
            _ => return self.value(Vec::new(), legacy_top(), members, section, steps, hit),
        };
        let mut frames: Vec<Frame> = outer
            .iter()
            .map(|kind| Frame {
                kind: (*kind).to_owned(),
                labels: Vec::new(),
            })
            .collect();
        let around = inside(Inside::top(), &frames);
        let first = loop {
            match steps.next() {
                Some(Step::Index) => {}
                other => break other,
            }
        };
        let members = match (first, hit) {
            (Some(Step::Key(_, members)), _) | (None, Hit::Key(_, members)) => *members,
            // `"post-processors": ["manifest"]`
            (None, Hit::Text) => return Some(self.label(frames, around, kind, &[])),
            (Some(Step::Index), _) => return None,
        };
        if matches!(first, Some(Step::Key(member, _)) if member.key.text == "type") {
            return Some(self.label(frames, around, kind, &[]));
        }
        let text = |key: &str| text_of(members, key).unwrap_or_default();
        let mut labels = vec![text("type")];
        if of == ComponentKind::Builder {
            labels.push(text("name"));
        }
        frames.push(Frame {
            kind: kind.to_owned(),
            labels,
        });
        let mut next = first;
        loop {
            let current = inside(Inside::top(), &frames);
            match next {
                None => {
                    let Hit::Key(member, members) = hit else {
                        return None;
                    };
                    return Some(self.key(frames, current, member, members));
                }
                Some(Step::Index) => {}
                Some(Step::Key(member, members)) => {
                    let key = member.key.text.as_str();
                    let is_block = current.block(key).is_some() && key != "dynamic";
                    if !is_block {
                        return self.value(frames, current, members, member, steps, hit);
                    }
                    frames.push(Frame {
                        kind: key.to_owned(),
                        labels: Vec::new(),
                    });
                }
            }
            next = steps.next();
        }
    }

    fn key(
        &self,
        frames: Vec<Frame>,
        inside: Inside,
        member: &Member,
        members: &[Member],
    ) -> Place {
        let after = self.text[self.offset as usize..]
            .trim_start_matches(|c: char| c.is_alphanumeric() || "_-\"'".contains(c))
            .trim_start();
        let followed = after.starts_with([':', '=']);
        let mut place = self.at(frames, inside, What::Key { followed });
        place.given = given(members, member);
        place
    }

    fn label(&self, frames: Vec<Frame>, inside: Inside, kind: &str, before: &[String]) -> Place {
        let what = What::Label {
            kind: kind.to_owned(),
            before: before.to_vec(),
            quoted: self.in_string,
        };
        let mut place = self.at(frames, inside, what);
        if self.in_string {
            place.range = self.string();
        }
        place
    }

    fn value<'n>(
        &self,
        frames: Vec<Frame>,
        inside: Inside,
        members: &[Member],
        member: &Member,
        steps: impl Iterator<Item = &'n Step<'n>>,
        hit: &Hit<'n>,
    ) -> Option<Place> {
        let mut value = Value {
            option: member.key.text.to_string(),
            whole: true,
            ..Value::default()
        };
        for step in steps {
            match step {
                Step::Key(member, _) => {
                    value.keys.push(member.key.text.to_string());
                    value.in_list = false;
                }
                Step::Index => value.in_list = value.keys.is_empty(),
            }
        }
        if let Hit::Text = hit {
            value.form = self.form(&mut value.whole);
        }
        let mut place = self.at(frames, inside, What::Value(value));
        place.given = given(members, member);
        Some(place)
    }

    fn form(&self, whole: &mut bool) -> Form {
        let content = match self.in_string {
            true => self.string(),
            false => word_around(self.text, self.offset),
        };
        let before = TextRange::new(content.start, self.offset).of(self.text);
        match open_expression(before) {
            Some(expression) => {
                *whole = false;
                let (steps, _) = steps_before(expression);
                Form::Expression {
                    steps,
                    called: self.text[self.offset as usize..].starts_with('('),
                    in_text: true,
                }
            }
            None => Form::Text {
                before: before.to_owned(),
                content,
            },
        }
    }

    /// The string around the cursor, on its line.
    fn string(&self) -> TextRange {
        let at = self.offset as usize;
        let quotes: &[char] = match self.language {
            Language::Toml => &['"', '\'', '\n'],
            _ => &['"', '\n'],
        };
        let is_escaped = |at: usize| self.text[..at].ends_with('\\');
        let before = self.text[..at].rmatch_indices(quotes);
        let start = before
            .map(|(found, _)| found)
            .find(|found| !is_escaped(*found));
        let behind = self.text[at..].match_indices(quotes);
        let end = behind
            .map(|(found, _)| at + found)
            .find(|found| !is_escaped(*found));
        TextRange::new(
            start.map_or(0, |start| start + 1) as u32,
            end.unwrap_or(self.text.len()) as u32,
        )
    }

    fn at(&self, frames: Vec<Frame>, inside: Inside, what: What) -> Place {
        Place {
            frames,
            inside,
            given: BTreeMap::new(),
            what,
            range: word_around(self.text, self.offset),
            language: self.language,
        }
    }
}

/// The texts of labels that are keys of a table: all of them, or `None`.
fn labels_inside(labels: &[&str], members: &[Member]) -> Option<Vec<String>> {
    labels
        .iter()
        .map(|label| text_of(members, label))
        .collect::<Option<Vec<_>>>()
        .filter(|found| !found.is_empty())
}

fn text_of(members: &[Member], key: &str) -> Option<String> {
    let member = members.iter().find(|member| member.key.text == key)?;
    Some(member.value.text()?.replace(MARK, ""))
}

fn given(members: &[Member], but: &Member) -> BTreeMap<String, Option<String>> {
    let others = members.iter().filter(|member| !std::ptr::eq(*member, but));
    others
        .map(|member| {
            let text = member.value.text().map(str::to_owned);
            (member.key.text.to_string(), text)
        })
        .collect()
}
