//! Go templates as trees: texts and `{{ actions }}`, with the place of every word.
//!
//! In: the decoded text of an option. Out: [`Segment`]s, or the first [`Problem`]. White space that `{{-` and `-}}` take
//! away is gone from the texts. Nothing is evaluated here. What is wrong with the functions that an action calls is found
//! in [`faults()`].

use std::ops::Range;

mod faults;
pub(crate) mod functions;
mod lexer;
#[cfg(test)]
mod tests;

pub(crate) use faults::{Fault, FaultKind, faults, is_field, variables};

use lexer::{Lexer, Token, TokenKind};

/// A piece of a template.
#[derive(Debug)]
pub(crate) enum Segment {
    /// What stands outside of actions, as a range of the text.
    Text(Range<usize>),
    /// `{{ … }}`.
    Action(Action),
}

/// An action that is not a comment.
#[derive(Debug)]
pub(crate) struct Action {
    /// What stands between the braces, without markers and blanks.
    pub(crate) inner: Range<usize>,
    /// The word of a control structure (`if`, `end`, …) it begins with.
    pub(crate) keyword: Option<&'static str>,
    /// What it computes; `end` and `else` have none.
    pub(crate) pipeline: Option<Pipeline>,
}

/// Commands, each of which gets what the one before it gives as its last argument.
#[derive(Debug)]
pub(crate) struct Pipeline {
    /// In order.
    pub(crate) commands: Vec<Command>,
    /// It sets variables of the template (`$x := …`).
    pub(crate) declares: bool,
}

/// A function with its arguments, or one value.
#[derive(Debug)]
pub(crate) struct Command {
    /// From the first term to the last.
    pub(crate) range: Range<usize>,
    /// In order; at least one.
    pub(crate) terms: Vec<Term>,
}

/// An operand.
#[derive(Debug)]
pub(crate) struct Term {
    /// Where it stands, quotes and parentheses included.
    pub(crate) range: Range<usize>,
    /// What it is.
    pub(crate) kind: TermKind,
}

/// The kinds of operands.
#[derive(Debug)]
pub(crate) enum TermKind {
    /// The name of a function.
    Function,
    /// A text, decoded.
    Text(String),
    /// A number as it is written.
    Number,
    /// `true` or `false`.
    Bool,
    /// `( … )`.
    Paren(Pipeline),
    /// `( … ).Name`: a field of what stands before it.
    Member(Box<Term>),
    /// `.`, `.Name`, `$x`, `nil`, a character: known to the component only, or to the engine.
    Other,
}

/// What is wrong with a template.
#[derive(Debug)]
pub(crate) struct Problem {
    /// Where.
    pub(crate) range: Range<usize>,
    /// What.
    pub(crate) message: String,
    /// The way out.
    pub(crate) help: &'static str,
}

/// The words that control what is rendered.
const KEYWORDS: [&str; 10] = [
    "if", "else", "end", "range", "with", "define", "block", "template", "break", "continue",
];

/// Parses a template.
pub(crate) fn parse(text: &str) -> Result<Vec<Segment>, Problem> {
    let mut segments = Vec::new();
    let mut open: Vec<(&'static str, Range<usize>)> = Vec::new();
    let mut declared = Vec::new();
    let mut at = 0;
    let mut trim_next = false;
    while at < text.len() {
        let start = text[at..].find("{{").map(|found| at + found);
        let mut piece = at..start.unwrap_or(text.len());
        if trim_next {
            piece.start += leading_blanks(&text[piece.clone()]);
        }
        let Some(start) = start else {
            push_text(&mut segments, piece);
            break;
        };
        let mut lexer = Lexer::new(text, start + 2);
        if lexer.left_trim() {
            piece.end -= trailing_blanks(&text[piece.clone()]);
        }
        push_text(&mut segments, piece);
        if lexer.comment()? {
            (at, trim_next) = (lexer.at(), lexer.trims());
            continue;
        }
        let tokens = lexer.tokens(start)?;
        (at, trim_next) = (lexer.at(), lexer.trims());
        variables_are_set(text, &tokens, &mut declared)?;
        let action = Parser::new(text, &tokens, start..at).action()?;
        nesting(&action, start..at, &mut open)?;
        segments.push(Segment::Action(action));
    }
    match open.pop() {
        Some((word, range)) => Err(Problem {
            range,
            message: format!("this `{word}` is never closed"),
            help: "write `{{ end }}` where it ends",
        }),
        None => Ok(segments),
    }
}

fn push_text(segments: &mut Vec<Segment>, range: Range<usize>) {
    if !range.is_empty() {
        segments.push(Segment::Text(range));
    }
}

fn leading_blanks(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '\t', '\r', '\n']).len()
}

fn trailing_blanks(text: &str) -> usize {
    text.len() - text.trim_end_matches([' ', '\t', '\r', '\n']).len()
}

/// Follows which variables (`$x`) are set, and refuses those that are not. Where a variable ends is not looked at.
fn variables_are_set<'t>(
    text: &'t str,
    tokens: &[Token],
    declared: &mut Vec<&'t str>,
) -> Result<(), Problem> {
    let is_variable = |token: &&Token| matches!(token.kind, TokenKind::Variable);
    let name = |token: &Token| {
        let word = &text[token.range.clone()];
        word.split('.').next().unwrap_or_default()
    };
    // What stands before `:=` is set by it.
    let assign = tokens.iter().rposition(|token| {
        matches!(token.kind, TokenKind::Assign) && text[token.range.clone()].starts_with(':')
    });
    if let Some(assign) = assign {
        declared.extend(tokens[..assign].iter().filter(is_variable).map(name));
    }
    for token in tokens.iter().filter(is_variable) {
        let variable = name(token);
        if variable != "$" && !declared.contains(&variable) {
            return Err(Problem {
                range: token.range.clone(),
                message: format!("there is no variable `{variable}` in this template"),
                help: "set it before, as in `{{ $name := build_name }}`; one of the shell stands outside of the braces",
            });
        }
    }
    Ok(())
}

/// Follows what is opened and closed.
fn nesting(
    action: &Action,
    range: Range<usize>,
    open: &mut Vec<(&'static str, Range<usize>)>,
) -> Result<(), Problem> {
    match action.keyword {
        Some(word @ ("if" | "range" | "with" | "define" | "block")) => open.push((word, range)),
        Some("end") if open.pop().is_none() => {
            return Err(Problem {
                range,
                message: "this `end` closes nothing".to_owned(),
                help: "remove it, or write the `if`, `range` or `with` it belongs to",
            });
        }
        Some("else") if open.is_empty() => {
            return Err(Problem {
                range,
                message: "this `else` belongs to nothing".to_owned(),
                help: "remove it, or write the `if`, `range` or `with` it belongs to",
            });
        }
        _ => {}
    }
    Ok(())
}

/// From the tokens of one action to its tree.
struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    /// The action with its braces.
    whole: Range<usize>,
}

/// Parentheses deeper than this are an error.
const MAX_DEPTH: usize = 50;

impl<'a> Parser<'a> {
    fn new(text: &'a str, tokens: &'a [Token], whole: Range<usize>) -> Self {
        Self {
            text,
            tokens,
            at: 0,
            whole,
        }
    }

    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn word(&self, token: &Token) -> &'a str {
        &self.text[token.range.clone()]
    }

    fn action(mut self) -> Result<Action, Problem> {
        let inner = match (self.tokens.first(), self.tokens.last()) {
            (Some(first), Some(last)) => first.range.start..last.range.end,
            _ => {
                return Err(Problem {
                    range: self.whole,
                    message: "there is nothing between these braces".to_owned(),
                    help: "write a function or a name between them, such as ``{{ user `name` }}``",
                });
            }
        };
        let mut keyword = self
            .peek()
            .filter(|token| matches!(token.kind, TokenKind::Word))
            .and_then(|token| {
                let word = self.word(token);
                KEYWORDS.into_iter().find(|known| *known == word)
            });
        if keyword.is_some() {
            self.at += 1;
        }
        if keyword == Some("else")
            && let Some(next) = self.peek()
            && matches!(self.word(next), "if" | "with")
        {
            // `else if` goes on with the structure it is in.
            self.at += 1;
        }
        if matches!(keyword, Some("define" | "block" | "template")) {
            // The name of a template.
            self.at += 1;
        }
        let pipeline = if self.at < self.tokens.len() {
            Some(self.pipeline(0)?)
        } else {
            None
        };
        if let Some(token) = self.peek() {
            return Err(self.unexpected(token));
        }
        if matches!(keyword, Some("if" | "range" | "with")) && pipeline.is_none() {
            let word = keyword.take().unwrap_or_default();
            return Err(Problem {
                range: self.whole,
                message: format!("this `{word}` has no condition"),
                help: "write what it depends on, such as ``{{ if eq build_name `web` }}``",
            });
        }
        Ok(Action {
            inner,
            keyword,
            pipeline,
        })
    }

    fn unexpected(&self, token: &Token) -> Problem {
        Problem {
            range: token.range.clone(),
            message: format!("`{}` has no place here", self.word(token)),
            help: "separate arguments by blanks, and functions by `|` or parentheses",
        }
    }

    fn pipeline(&mut self, depth: usize) -> Result<Pipeline, Problem> {
        let declaration = self.tokens[self.at..]
            .iter()
            .take_while(|token| {
                matches!(
                    token.kind,
                    TokenKind::Variable | TokenKind::Comma | TokenKind::Assign
                )
            })
            .position(|token| matches!(token.kind, TokenKind::Assign));
        if let Some(assign) = declaration {
            self.at += assign + 1;
        }
        let mut commands = Vec::new();
        loop {
            commands.push(self.command(depth)?);
            match self.peek() {
                Some(token) if matches!(token.kind, TokenKind::Pipe) => self.at += 1,
                _ => break,
            }
        }
        Ok(Pipeline {
            commands,
            declares: declaration.is_some(),
        })
    }

    fn command(&mut self, depth: usize) -> Result<Command, Problem> {
        let mut terms = Vec::new();
        while let Some(token) = self.peek() {
            if matches!(token.kind, TokenKind::Pipe | TokenKind::Close) {
                break;
            }
            terms.push(self.term(depth)?);
        }
        let (Some(first), Some(last)) = (terms.first(), terms.last()) else {
            let range = match self.peek() {
                Some(token) => token.range.clone(),
                None => self.whole.clone(),
            };
            return Err(Problem {
                range,
                message: "a function or a value is missing here".to_owned(),
                help: "write one, such as ``user `name` `` or `isotime`",
            });
        };
        Ok(Command {
            range: first.range.start..last.range.end,
            terms,
        })
    }

    fn term(&mut self, depth: usize) -> Result<Term, Problem> {
        let token = &self.tokens[self.at];
        self.at += 1;
        let mut range = token.range.clone();
        let kind = match &token.kind {
            TokenKind::Word => match self.word(token) {
                "true" | "false" => TermKind::Bool,
                "nil" => TermKind::Other,
                word if KEYWORDS.contains(&word) => return Err(self.unexpected(token)),
                _ => TermKind::Function,
            },
            TokenKind::Text(text) => TermKind::Text(text.clone()),
            TokenKind::Number => TermKind::Number,
            TokenKind::Field | TokenKind::Variable | TokenKind::Character => TermKind::Other,
            TokenKind::Open => {
                if depth > MAX_DEPTH {
                    return Err(Problem {
                        range,
                        message: "these parentheses are nested too deeply".to_owned(),
                        help: "name intermediate values under `variables`",
                    });
                }
                let inner = self.pipeline(depth + 1)?;
                let Some(close) = self
                    .peek()
                    .filter(|token| matches!(token.kind, TokenKind::Close))
                else {
                    return Err(Problem {
                        range,
                        message: "this parenthesis is never closed".to_owned(),
                        help: "write `)` where it ends",
                    });
                };
                self.at += 1;
                range.end = close.range.end;
                TermKind::Paren(inner)
            }
            TokenKind::Close | TokenKind::Pipe | TokenKind::Comma | TokenKind::Assign => {
                return Err(self.unexpected(token));
            }
        };
        let field = self
            .peek()
            .filter(|next| matches!(next.kind, TokenKind::Field) && next.range.start == range.end);
        let Some(field) = field else {
            return Ok(Term { range, kind });
        };
        let has_fields = match &kind {
            TermKind::Paren(_) | TermKind::Function => true,
            TermKind::Other => self.word(token) != "nil",
            _ => false,
        };
        if !has_fields {
            return Err(self.unexpected(field));
        }
        self.at += 1;
        let whole = range.start..field.range.end;
        Ok(Term {
            range: whole,
            kind: TermKind::Member(Box::new(Term { range, kind })),
        })
    }
}
