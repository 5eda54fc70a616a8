//! Places in HCL: by the tree.

use std::collections::BTreeMap;

use imgc_syntax::hcl::ast::{self, AstNode as _};
use imgc_syntax::hcl::{self, SyntaxKind, SyntaxNode, SyntaxToken};
use rowan::NodeOrToken;

use super::{Form, Frame, LONG, MARK, Place, Steps, Value, What, inside, word_around};
use crate::grammar::Inside;
use crate::language::Language;
use crate::text::TextRange;

pub(super) fn place(text: &str, offset: u32, top: Inside) -> Option<Place> {
    let (from, to) = window(text, offset as usize);
    let at = offset as usize - from;
    let part = &text[from..to];
    let mut marked = String::with_capacity(part.len() + MARK.len());
    marked.push_str(&part[..at]);
    marked.push_str(MARK);
    marked.push_str(&part[at..]);
    let root = hcl::parse(&marked).syntax();
    let token = root
        .token_at_offset((at as u32 + 1).into())
        .find(|token| token.text().contains(MARK))?;
    let finder = Finder {
        text,
        offset,
        from: from as u32,
        top,
    };
    finder.token(&token)
}

/// The part of a long text that has the item at the cursor in it: between lines that begin with a closing brace.
fn window(text: &str, offset: usize) -> (usize, usize) {
    if text.len() <= LONG {
        return (0, text.len());
    }
    let from = text[..offset].rfind("\n}\n").map_or(0, |at| at + 3);
    let to = text[offset..]
        .find("\n}")
        .map_or(text.len(), |at| offset + at + 2);
    (from, to)
}

struct Finder<'a> {
    text: &'a str,
    offset: u32,
    from: u32,
    top: Inside,
}

impl Finder<'_> {
    fn token(&self, token: &SyntaxToken) -> Option<Place> {
        match token.kind() {
            SyntaxKind::Ident => self.ident(token),
            SyntaxKind::Text | SyntaxKind::Escape => self.text(token),
            _ => None,
        }
    }

    /// An offset of the marked part as one of the text.
    fn back(&self, offset: u32) -> u32 {
        let offset = offset + self.from;
        match offset > self.offset {
            true => offset.saturating_sub(MARK.len() as u32).max(self.offset),
            false => offset,
        }
    }

    fn ident(&self, token: &SyntaxToken) -> Option<Place> {
        let parent = token.parent()?;
        match parent.kind() {
            SyntaxKind::Attribute => {
                let followed = parent
                    .children_with_tokens()
                    .any(|child| child.kind() == SyntaxKind::Eq || child.as_node().is_some());
                self.key(&parent, followed)
            }
            SyntaxKind::Block => self.key(&parent, true),
            SyntaxKind::Label => {
                let block = parent.parent()?;
                self.label(&block, Some(&parent), false)
            }
            SyntaxKind::Variable => match parent.parent() {
                Some(item) if is_object_key(&item, &parent) => self.value(&parent, Form::ObjectKey),
                _ => self.expression(&parent, Steps::default(), false),
            },
            SyntaxKind::FunctionName => self.expression(&parent, Steps::default(), true),
            SyntaxKind::GetAttr => {
                let steps = steps(&parent);
                self.expression(&parent, steps, false)
            }
            SyntaxKind::ObjectItem => self.value(&parent, Form::ObjectKey),
            SyntaxKind::Body | SyntaxKind::File => self.key(&parent, false),
            SyntaxKind::ForIntro | SyntaxKind::Directive => None,
            _ => {
                let in_attribute = parent
                    .ancestors()
                    .any(|node| node.kind() == SyntaxKind::Attribute);
                match in_attribute {
                    true => self.expression(&parent, Steps::default(), false),
                    false => self.key(&parent, false),
                }
            }
        }
    }

    fn text(&self, token: &SyntaxToken) -> Option<Place> {
        let template = token
            .parent_ancestors()
            .find(|node| matches!(node.kind(), SyntaxKind::Template | SyntaxKind::Heredoc))?;
        let parent = template.parent()?;
        if parent.kind() == SyntaxKind::Label {
            return self.label(&parent.parent()?, Some(&parent), true);
        }
        // `provisioner "sh` without anything behind it looks like an attribute that lacks its `=`.
        let has_eq = |node: &SyntaxNode| {
            node.children_with_tokens()
                .any(|child| child.kind() == SyntaxKind::Eq)
        };
        if parent.kind() == SyntaxKind::Attribute && !has_eq(&parent) {
            return self.label(&parent, None, true);
        }
        let range = template.text_range();
        let start = u32::from(range.start()) + first_token_len(&template);
        let closed = template
            .last_token()
            .filter(|last| matches!(last.kind(), SyntaxKind::QuoteClose | SyntaxKind::HeredocEnd));
        let end = closed.map_or(u32::from(range.end()), |last| {
            last.text_range().start().into()
        });
        let content = TextRange::new(self.back(start), self.back(end));
        let before = TextRange::new(content.start, self.offset)
            .of(self.text)
            .to_owned();
        self.value(&template, Form::Text { before, content })
    }

    fn key(&self, item: &SyntaxNode, followed: bool) -> Option<Place> {
        if !self.begins() {
            return None;
        }
        let body = item
            .ancestors()
            .find(|node| node.kind() == SyntaxKind::Body)?;
        Some(self.at(&body, Some(item), What::Key { followed }))
    }

    /// Whether an item can begin with the word at the cursor: in front of it, its line has nothing but the beginning of a
    /// block. Behind a value that is written out there is nothing to add.
    fn begins(&self) -> bool {
        let word = word_around(self.text, self.offset);
        let before = &self.text[..word.start as usize];
        let line = before.rsplit('\n').next().unwrap_or_default();
        let line = line.trim_start_matches('\u{feff}').trim_end();
        line.is_empty() || line.ends_with('{') || line.ends_with("*/")
    }

    fn label(&self, block: &SyntaxNode, label: Option<&SyntaxNode>, quoted: bool) -> Option<Place> {
        let kind = first_ident(block)?;
        let before: Vec<String> = block
            .children()
            .take_while(|child| Some(child) != label)
            .filter_map(ast::Label::cast)
            .filter_map(|label| label.text())
            .collect();
        let body = block.parent()?;
        let what = What::Label {
            kind,
            before,
            quoted,
        };
        let mut place = self.at(&body, Some(block), what);
        if quoted && let Some(label) = label.cloned().and_then(ast::Label::cast) {
            let (start, end) = label.text_range();
            place.range = TextRange::new(self.back(start), self.back(end));
        } else if quoted {
            place.range = self.rest_of_quoted();
        }
        Some(place)
    }

    /// The characters of the string at the cursor, up to quotes.
    fn rest_of_quoted(&self) -> TextRange {
        let at = self.offset as usize;
        let stop = |c: char| c == '"' || c == '\n';
        let start = self.text[..at].rfind(stop).map_or(0, |found| found + 1);
        let end = self.text[at..]
            .find(stop)
            .map_or(self.text.len(), |found| at + found);
        TextRange::new(start as u32, end as u32)
    }

    fn expression(&self, node: &SyntaxNode, steps: Steps, called: bool) -> Option<Place> {
        let form = Form::Expression {
            steps,
            called,
            in_text: false,
        };
        self.value(node, form)
    }

    fn value(&self, node: &SyntaxNode, form: Form) -> Option<Place> {
        let mut value = Value {
            form,
            whole: true,
            ..Value::default()
        };
        let mut last = node.clone();
        // A part of a traversal is the traversal.
        for around in node.ancestors().skip(1) {
            match around.kind() {
                SyntaxKind::Attribute => {
                    value.option = first_ident(&around)?;
                    value.keys.reverse();
                    let body = around.parent()?;
                    return Some(self.at(&body, Some(&around), What::Value(value)));
                }
                SyntaxKind::ObjectItem => {
                    if !is_object_key(&around, &last) {
                        let key = around.first_child().map(|key| plain(&key));
                        value
                            .keys
                            .push(key.or_else(|| first_ident(&around)).unwrap_or_default());
                    }
                    value.in_list = false;
                }
                SyntaxKind::Tuple => value.in_list = value.keys.is_empty(),
                SyntaxKind::Object | SyntaxKind::Paren | SyntaxKind::Traversal => {}
                SyntaxKind::Conditional => {
                    value.whole &= around.first_child().as_ref() != Some(&last);
                }
                SyntaxKind::ForTuple | SyntaxKind::ForObject | SyntaxKind::TemplateFor => {
                    value.bound.extend(bound(&around));
                }
                SyntaxKind::Body | SyntaxKind::File => return None,
                SyntaxKind::Call => {
                    value.whole = false;
                    let name = around.first_child().and_then(|name| first_ident(&name));
                    value.call = value.call.or(name);
                }
                _ => value.whole = false,
            }
            last = around;
        }
        None
    }

    fn at(&self, body: &SyntaxNode, item: Option<&SyntaxNode>, what: What) -> Place {
        let mut frames: Vec<Frame> = body
            .ancestors()
            .filter_map(ast::Block::cast)
            .filter_map(|block| {
                Some(Frame {
                    kind: block.block_type()?.text().to_owned(),
                    labels: block.labels().filter_map(|label| label.text()).collect(),
                })
            })
            .collect();
        frames.reverse();
        let mut given = BTreeMap::new();
        for other in body.children().filter(|other| Some(other) != item) {
            let Some(name) = first_ident(&other) else {
                continue;
            };
            let text = other.children().find_map(ast::Expr::cast);
            let text = text.and_then(|expr| match expr {
                ast::Expr::Template(template) => template.as_literal(),
                _ => None,
            });
            given.insert(name, text);
        }
        Place {
            inside: inside(self.top, &frames),
            frames,
            given,
            what,
            range: word_around(self.text, self.offset),
            language: Language::Hcl,
        }
    }
}

/// The quotes, or the line that begins a heredoc.
fn first_token_len(template: &SyntaxNode) -> u32 {
    let first = template.first_token();
    let opens = first.filter(|token| {
        matches!(
            token.kind(),
            SyntaxKind::QuoteOpen | SyntaxKind::HeredocOpen
        )
    });
    opens.map_or(0, |token| token.text_range().len().into())
}

fn first_ident(node: &SyntaxNode) -> Option<String> {
    let tokens = node
        .children_with_tokens()
        .filter_map(NodeOrToken::into_token);
    let mut idents = tokens.filter(|token| token.kind() == SyntaxKind::Ident);
    Some(idents.next()?.text().to_owned())
}

/// A key as it is meant: a word, or a string without interpolation.
fn plain(key: &SyntaxNode) -> String {
    let template = ast::Template::cast(key.clone()).and_then(|template| template.as_literal());
    template.unwrap_or_else(|| key.text().to_string())
}

/// Whether `part` is what stands before the `=` of an entry.
fn is_object_key(item: &SyntaxNode, part: &SyntaxNode) -> bool {
    item.kind() == SyntaxKind::ObjectItem
        && item
            .children_with_tokens()
            .take_while(|child| !matches!(child.kind(), SyntaxKind::Eq | SyntaxKind::Colon))
            .any(|child| child.as_node() == Some(part))
}

/// The names before the one that a `.name` adds.
fn steps(get_attr: &SyntaxNode) -> Steps {
    let mut steps = Steps::default();
    let Some(traversal) = get_attr.parent() else {
        return steps;
    };
    for step in traversal.children().take_while(|child| child != get_attr) {
        match step.kind() {
            SyntaxKind::Variable | SyntaxKind::GetAttr | SyntaxKind::LegacyIndex => {
                steps.names.push(first_ident(&step));
            }
            SyntaxKind::Index => {
                let inner = step.first_child();
                let text = inner.and_then(ast::Template::cast);
                steps
                    .names
                    .push(text.and_then(|template| template.as_literal()));
            }
            _ => steps.unknown = true,
        }
    }
    steps
}

/// The names a `for` binds.
fn bound(node: &SyntaxNode) -> Vec<String> {
    let intro = node
        .descendants()
        .find(|child| matches!(child.kind(), SyntaxKind::ForIntro | SyntaxKind::Directive));
    let tokens = intro.into_iter().flat_map(|intro| {
        intro
            .children_with_tokens()
            .filter_map(NodeOrToken::into_token)
            .filter(|token| token.kind() == SyntaxKind::Ident)
            .map(|token| token.text().to_owned())
            .collect::<Vec<_>>()
    });
    let names = tokens.skip_while(|word| word == "for");
    names.take_while(|word| word != "in").collect()
}
