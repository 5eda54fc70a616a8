//! `imgc console`: expressions, a line each, with a template's variables and locals.
//!
//! In: lines of a pipe, or of a person with line editing and a history that is forgotten at the end, since what is typed
//! may be a secret. Out: a value for each, or what is wrong with it; the next line is a new chance.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgc_compiler::compile::Compilation;
use imgc_compiler::diagnostic::Diagnostic;
use imgc_compiler::eval::{self, Context};
use imgc_compiler::lower;
use imgc_compiler::scope::{Names, Place};
use imgc_compiler::source::World as _;
use imgc_compiler::value::Value;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;

use crate::args::ConsoleArgs;
use crate::diagnostics::{render, render_all};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::terminal::{Terminal, complain, print};
use crate::value_text;
use crate::world::RealWorld;

use super::{compile, exit_of, note_ignored};

/// What a line is called in messages.
const LINE: &str = "<console>";
const PROMPT: &str = "> ";

const HELP: &str = "\
Type an expression and press enter to see its value:

  upper(var.name)       functions, variables, locals
  [for x in [1, 2] : x * 2]

  variables             all variables and locals with their values
  help                  this text
  exit                  the end, as is Ctrl-D

The language is HCL: `var.name` and `timestamp()` stand for JSON's {{user `name`}} and {{timestamp}}.
";

pub(super) fn run(args: &ConsoleArgs, terminal: Terminal) -> Outcome {
    note_ignored(&args.ignored);
    let person = terminal.interactive && io::stdin().is_terminal();
    let mut console = match Console::new(args, terminal, person)? {
        Ok(console) => console,
        Err(exit) => return Ok(exit),
    };
    match person {
        true => console.talk(),
        false => console.pipe(),
    }
}

struct Console {
    compilation: ManuallyDrop<Compilation>,
    world: Arc<RealWorld>,
    names: Names,
    root: PathBuf,
    terminal: Terminal,
}

/// What became of a line.
enum Answer {
    /// A value, or nothing to say.
    Good,
    /// A mistake, which has been shown.
    Bad,
    /// The wish to stop.
    End,
}

impl Console {
    /// The names of the template. One that cannot be used ends the command, unless a person may want to look into it.
    fn new(
        args: &ConsoleArgs,
        terminal: Terminal,
        person: bool,
    ) -> Result<Result<Self, Exit>, Failure> {
        let Some(template) = args.template() else {
            return Ok(Ok(Self::without_template(args, terminal)?));
        };
        let mut request = template.request();
        request.check_only = true;
        request.offline_files = true;
        request.online = args.online;
        // A variable that nobody has set is no reason not to look at the others.
        request.unset_allowed = true;
        let (compilation, world) = compile(&request);
        let names = compilation.names.as_deref().cloned().unwrap_or_default();
        complain(&render(&compilation, terminal.err));
        if compilation.has_errors() && (!person || compilation.names.is_none()) {
            return Ok(Err(exit_of(&compilation)));
        }
        let root = names.path.get("root").and_then(Value::as_str);
        let root = PathBuf::from(root.unwrap_or("."));
        Ok(Ok(Self {
            compilation,
            world,
            names,
            root,
            terminal,
        }))
    }

    fn without_template(args: &ConsoleArgs, terminal: Terminal) -> Result<Self, Failure> {
        if !(args.var.is_empty() && args.var_file.is_empty()) {
            return Err(Failure::usage("`-var` and `-var-file` need a template")
                .help("name it: `imgc console -var NAME=VALUE PATH`"));
        }
        let world = Arc::new(RealWorld::new());
        let names = Names::at(&world.working_directory(), Path::new("."));
        Ok(Self {
            compilation: ManuallyDrop::new(Compilation::default()),
            world,
            names,
            root: PathBuf::from("."),
            terminal,
        })
    }

    /// All lines of a pipe, with all their values; the exit code says whether each had one.
    fn pipe(&mut self) -> Outcome {
        let mut exit = Exit::Done;
        for line in io::stdin().lock().lines() {
            let line =
                line.map_err(|error| Failure::file("read", Path::new("standard input"), &error))?;
            match self.answer(&line)? {
                Answer::Good => {}
                Answer::Bad => exit = Exit::Template,
                Answer::End => break,
            }
        }
        Ok(exit)
    }

    /// Lines of a person, until there are no more.
    fn talk(&mut self) -> Outcome {
        let broken = |error: ReadlineError| {
            Failure::new(
                Exit::Environment,
                format!("the terminal cannot be read: {error}"),
            )
        };
        let config = rustyline::Config::builder().auto_add_history(true).build();
        let mut editor =
            rustyline::Editor::<(), MemHistory>::with_history(config, MemHistory::new())
                .map_err(broken)?;
        loop {
            match editor.readline(PROMPT) {
                Ok(line) => {
                    if let Answer::End = self.answer(&line)? {
                        return Ok(Exit::Done);
                    }
                }
                // Ctrl-C forgets the line, Ctrl-D ends.
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => return Ok(Exit::Done),
                Err(error) => return Err(broken(error)),
            }
        }
    }

    fn answer(&mut self, line: &str) -> Result<Answer, Failure> {
        match line.trim() {
            "" => {}
            "exit" | "quit" => return Ok(Answer::End),
            "help" => print(HELP)?,
            "variables" => print(&self.variables())?,
            expression => return self.value(expression),
        }
        Ok(Answer::Good)
    }

    fn value(&mut self, text: &str) -> Result<Answer, Failure> {
        let file = self.compilation.sources.add(LINE, text);
        let mut problems: Vec<Diagnostic> = Vec::new();
        let expression = lower::hcl::expression(file, 0, text, &mut problems);
        let mut value = Value::error();
        if !problems.iter().any(Diagnostic::is_error) {
            let mut context = Context::new(self.world.as_ref(), &self.root);
            value = eval::evaluate(&expression, &Place::block(&self.names), &mut context);
            problems.append(&mut context.diagnostics);
        }
        complain(&render_all(
            &problems,
            &self.compilation.sources,
            self.terminal.err,
        ));
        if problems.iter().any(Diagnostic::is_error) {
            return Ok(Answer::Bad);
        }
        print(&format!("{}\n", value_text::value(&value)))?;
        Ok(Answer::Good)
    }

    /// As Packer's console lists them.
    fn variables(&self) -> String {
        let (variables, locals) = (&self.names.variables.0, &self.names.locals.0);
        let variables = variables.iter().map(|(name, value)| (name.as_str(), value));
        let locals = locals.iter().map(|(name, value)| (name.as_str(), value));
        format!(
            "> input-variables:\n\n{}\n> local-variables:\n\n{}",
            value_text::list("var", variables),
            value_text::list("local", locals)
        )
    }
}
