//! What can be wrong with the text of a template, as plain data.

/// Every id of a syntax error with a one-line summary, sorted by id.
pub const ERROR_IDS: &[(&str, &str)] = &[
    (
        "syntax/brace-on-next-line",
        "the `{` of a block stands on the line after its header",
    ),
    ("syntax/colon-for-equals", "an attribute is set with `:`"),
    ("syntax/double-equals", "an attribute is set with `==`"),
    (
        "syntax/else-if",
        "a template directive `else if`, which the language does not have",
    ),
    (
        "syntax/expected-colon",
        "a conditional has no `:` and no second value",
    ),
    (
        "syntax/expected-equals",
        "a name is followed by neither `=` nor `{`",
    ),
    ("syntax/expected-expression", "a value is missing"),
    (
        "syntax/expected-item",
        "something that is neither an attribute nor a block",
    ),
    (
        "syntax/expected-name",
        "a name is missing after `.` or `::`",
    ),
    (
        "syntax/expected-value",
        "an item of an object has no `=` and no value",
    ),
    (
        "syntax/for-expression",
        "a `for` expression or directive is incomplete",
    ),
    (
        "syntax/heredoc-marker",
        "the first line of a heredoc is malformed",
    ),
    (
        "syntax/invalid-character",
        "a character that the language does not use",
    ),
    (
        "syntax/invalid-escape",
        "an escape that strings do not have",
    ),
    (
        "syntax/invalid-name",
        "something that cannot be the name of an attribute",
    ),
    (
        "syntax/invalid-number",
        "a number that is written in a way the language does not have",
    ),
    (
        "syntax/label-template",
        "an interpolation in the label of a block",
    ),
    (
        "syntax/merge-conflict",
        "lines that a merge left where two sides changed the same",
    ),
    (
        "syntax/mismatched-bracket",
        "a bracket is closed by one of another kind",
    ),
    (
        "syntax/missing-comma",
        "two elements without a comma between them",
    ),
    ("syntax/missing-newline", "two items on one line"),
    (
        "syntax/one-line-block",
        "a block on one line that holds more than one attribute",
    ),
    (
        "syntax/stray-comma",
        "a comma after an attribute or a block",
    ),
    ("syntax/too-deep", "expressions or blocks nested too deeply"),
    ("syntax/too-large", "a file larger than the compiler reads"),
    ("syntax/unclosed-block", "a block without its `}`"),
    (
        "syntax/unclosed-bracket",
        "a `(`, `[` or `{` of an expression is not closed",
    ),
    ("syntax/unclosed-comment", "a `/*` without `*/`"),
    (
        "syntax/unclosed-directive",
        "a `%{ if }` or `%{ for }` without its end",
    ),
    (
        "syntax/unclosed-heredoc",
        "a heredoc whose end marker is missing",
    ),
    (
        "syntax/unclosed-interpolation",
        "a `${` or `%{` without its `}`",
    ),
    (
        "syntax/unclosed-string",
        "a string without its closing quote",
    ),
    (
        "syntax/unexpected-closing",
        "a closing bracket that nothing opened",
    ),
    (
        "syntax/unexpected-directive",
        "a template directive that is unknown or out of place",
    ),
    (
        "syntax/unexpected-token",
        "something that cannot stand here",
    ),
    ("syntax/unknown-operator", "an operator of another language"),
    ("syntax/wrong-quotes", "a string in single or curly quotes"),
];

/// One problem in the text; offsets are bytes from its start.
///
/// An error about something missing stands at the end of the last token that was understood, as an empty range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Which problem it is, one of [`ERROR_IDS`].
    pub id: &'static str,
    /// What is wrong: lower case, no full stop, names in backticks.
    pub message: String,
    /// Offset of the first byte concerned.
    pub start: u32,
    /// Offset after the last byte concerned; equal to `start` where something is missing.
    pub end: u32,
    /// What to type instead.
    pub help: Option<String>,
    /// Why here; shown at the place itself.
    pub label: Option<String>,
    /// Another place that explains it, such as the opening bracket: start, end, text.
    pub related: Option<(u32, u32, String)>,
}

impl SyntaxError {
    /// A problem `id` at `start..end` described by `message`.
    pub fn new(id: &'static str, (start, end): (u32, u32), message: impl Into<String>) -> Self {
        debug_assert!(
            ERROR_IDS.iter().any(|(known, _)| *known == id),
            "undeclared error id {id}"
        );
        Self {
            id,
            message: message.into(),
            start,
            end,
            help: None,
            label: None,
            related: None,
        }
    }

    /// The same with what to type instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with a text for the place itself.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The same with a second place.
    #[must_use]
    pub fn related(mut self, (start, end): (u32, u32), text: impl Into<String>) -> Self {
        self.related = Some((start, end, text.into()));
        self
    }
}
