//! Bodies as HCL.
//!
//! In: a body and the comments of its text. Out: HCL with two blanks a level, attributes before blocks, a blank line
//! around blocks, laid out as `imgc fmt` does. Parsing the text gives the body again, but for spans, the
//! order between attributes and blocks, and parentheses that say nothing.

mod expr;
mod text;

use super::Comments;
use super::comments::BLANK;
use crate::hir::{Attribute, Block, Body, Expr, ExprKind, Part};

pub(super) use expr::flat;
pub(super) use text::{Around, parts as template_text};

/// Prints a file.
pub fn body(body: &Body, comments: &mut Comments) -> String {
    let mut printer = Printer {
        out: String::new(),
        comments,
    };
    let first = printer.comments.first();
    printer.remarks(&first, 0);
    if !first.is_empty() {
        printer.out.push('\n');
    }
    printer.body(body, 0);
    let rest = printer.comments.rest();
    if !rest.is_empty() && !printer.out.is_empty() {
        printer.out.push('\n');
    }
    printer.remarks(&rest, 0);
    imgc_syntax::hcl::format(&printer.out)
}

/// Prints an expression on one line.
pub fn expression(expr: &Expr) -> String {
    flat(expr)
}

struct Printer<'a> {
    out: String,
    comments: &'a mut Comments,
}

impl Printer<'_> {
    fn body(&mut self, body: &Body, indent: usize) {
        let mut is_first = true;
        for attribute in &body.attributes {
            if !is_first && self.comments.is_apart(attribute.span) {
                self.out.push('\n');
            }
            is_first = false;
            self.attribute(attribute, indent);
        }
        for block in &body.blocks {
            if !is_first {
                self.out.push('\n');
            }
            is_first = false;
            self.block(block, indent);
        }
    }

    fn attribute(&mut self, attribute: &Attribute, indent: usize) {
        let before = self.comments.before(attribute.span);
        self.remarks(&before, indent);
        let behind = self.comments.behind(attribute.span);
        let heredoc = heredoc(&attribute.value, indent);
        if heredoc.is_some() {
            // Nothing can stand behind a heredoc's marker.
            self.remarks(&behind, indent);
        }
        self.start_line(indent);
        self.out.push_str(&attribute.name.text);
        self.out.push_str(" = ");
        match heredoc {
            Some(text) => self.out.push_str(&text),
            None => {
                let value = expr::Layout::new(self.comments, indent, attribute.name.text.len() + 3)
                    .print(&attribute.value);
                self.out.push_str(&value);
                self.end_remark(&behind);
            }
        }
        self.out.push('\n');
    }

    fn block(&mut self, block: &Block, indent: usize) {
        let before = self.comments.before(block.span);
        self.remarks(&before, indent);
        self.start_line(indent);
        self.out.push_str(&block.kind.text);
        for label in &block.labels {
            self.out.push(' ');
            self.out.push_str(&crate::value::quote(&label.text));
        }
        self.out.push_str(" {");
        let opening = self.comments.opening(block.span);
        self.end_remark(&opening);
        let start = self.out.len();
        self.out.push('\n');
        let inside = self.out.len();
        self.body(&block.body, indent + 1);
        let closing = self.comments.closing(block.span);
        self.remarks(&closing, indent + 1);
        if self.out.len() == inside && opening.is_empty() {
            self.out.truncate(start);
        } else {
            self.start_line(indent);
        }
        self.out.push('}');
        let behind = self.comments.behind(block.span);
        self.end_remark(&behind);
        self.out.push('\n');
    }

    fn start_line(&mut self, indent: usize) {
        self.out.push_str(&blanks(indent));
    }

    fn remarks(&mut self, lines: &[String], indent: usize) {
        for line in lines {
            if line != BLANK {
                self.start_line(indent);
                self.out.push_str(&remark(line));
            }
            self.out.push('\n');
        }
    }

    fn end_remark(&mut self, lines: &[String]) {
        if !lines.is_empty() {
            self.out.push(' ');
            self.out.push_str(&remark(&super::one_line(lines)));
        }
    }
}

fn blanks(indent: usize) -> String {
    "  ".repeat(indent)
}

/// A line as a comment.
fn remark(line: &str) -> String {
    // A comment ends with its line, whatever a text from JSON has in it.
    let line = line.replace(['\n', '\r'], " ");
    match line.trim_end() {
        "" => "#".to_owned(),
        line => format!("# {line}"),
    }
}

/// A text of several lines as a heredoc, where it can be one.
fn heredoc(value: &Expr, indent: usize) -> Option<String> {
    let literal;
    let parts = match &value.kind {
        ExprKind::Template(parts) => parts,
        ExprKind::Literal(value) => {
            let text = value.as_str().filter(|_| !value.is_sensitive())?;
            literal = [Part::Literal(text.into())];
            &literal[..]
        }
        _ => return None,
    };
    text::heredoc(parts, &blanks(indent + 1), &blanks(indent))
}
