//! `imgc convert`: a template in another language, with the same plan.
//!
//! In: a file or a directory. Out: files beside them, once both sides make the same plan; a difference is an error and
//! nothing is written.

mod check;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use imgc_compiler::compile::{Compilation, Request};
use imgc_compiler::load;
use imgc_compiler::print::{Comments, Document, Language, annotate, names};
use imgc_compiler::source::{EntryKind, SourceMap, Sources as _};

use self::check::{Overlay, Verdict, check};
use crate::args::ConvertArgs;
use crate::diagnostics::{render, unreadable_failure};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::files;
use crate::terminal::{Terminal, complain, harmless, print, shown_path};
use crate::world::Disk;

/// How many differences are shown.
const SHOWN: usize = 20;

/// A converted file.
struct Job {
    input: PathBuf,
    output: PathBuf,
    text: String,
    is_variables: bool,
    /// Variables that are something else now, as was said.
    variables: Vec<String>,
}

pub(super) fn run(args: &ConvertArgs, terminal: Terminal) -> Outcome {
    let is_directory = matches!(Disk.kind(&args.path), Ok(EntryKind::Directory));
    let mut jobs = match is_directory {
        true => directory(args, terminal)?,
        false => vec![convert(args, &args.path, terminal)?],
    };
    let to_stdout = to_stdout(args);
    if args.check {
        // What somebody has worked on since counts, not what would be written.
        for job in jobs
            .iter_mut()
            .filter(|job| !to_stdout && job.output.exists())
        {
            job.text = fs::read_to_string(&job.output)
                .map_err(|error| Failure::file("read", &job.output, &error))?;
        }
    } else if !args.force && !to_stdout {
        refuse_existing(&jobs)?;
    }
    let said = match compared(args, &jobs, is_directory, terminal) {
        Err(failure) if to_stdout && !args.check => {
            for job in &jobs {
                print(&job.text)?;
            }
            return Err(failure);
        }
        said => said?,
    };
    if args.check {
        print(&said)?;
        return Ok(Exit::Done);
    }
    if to_stdout {
        complain(&said);
        for job in &jobs {
            print(&job.text)?;
        }
        return Ok(Exit::Done);
    }
    for job in &jobs {
        write(job)?;
        print(&format!("{} is written\n", shown_path(&job.output)))?;
    }
    if args.remove {
        for job in &jobs {
            fs::remove_file(&job.input)
                .map_err(|error| Failure::file("remove", &job.input, &error))?;
        }
    } else if is_directory {
        complain(
            "note: the converted files are still there, and say the same again; `-remove` removes them\n",
        );
    }
    print(&said)?;
    Ok(Exit::Done)
}

/// All files of a directory that are in another language.
fn directory(args: &ConvertArgs, terminal: Terminal) -> Result<Vec<Job>, Failure> {
    if args.output_file.is_some() {
        return Err(Failure::usage("a directory is not converted into one file")
            .help("leave `-output-file` out, or name the file to convert"));
    }
    let wanted = args.to.map_or(Language::Hcl, |target| target.language());
    let names = Disk
        .list(&args.path)
        .map_err(|error| Failure::file("read", &args.path, &error))?;
    let mut jobs = Vec::new();
    for path in names {
        if names::language(&path).is_some_and(|language| language != wanted) {
            jobs.push(convert(args, &path, terminal)?);
        }
    }
    if jobs.is_empty() {
        let failure = Failure::new(
            Exit::Template,
            format!("nothing in `{}` is to be converted", shown_path(&args.path)),
        );
        return Err(match args.to {
            None => failure.help("say the language: `-to toml` or `-to json`; a legacy template is named by its file"),
            Some(_) => failure.help("a legacy template is named by its file"),
        });
    }
    Ok(jobs)
}

fn convert(args: &ConvertArgs, path: &Path, terminal: Terminal) -> Result<Job, Failure> {
    let mut compilation = Compilation::default();
    let mut map = SourceMap::default();
    let file = load::read(path, &Disk, &mut map).map_err(|problem| unreadable_failure(&problem))?;
    let text = map.file(file).text.clone();
    let mut document = Document::read(path, file, &text, &mut compilation.diagnostics);
    compilation.sources = map;
    if compilation.has_errors() {
        // What is wrong with the file stops the conversion; what is wrong with the template does not.
        complain(&render(&compilation, terminal.err));
        return Err(Failure::said(Exit::Template));
    }
    let asked = args.to.map(|target| target.language());
    let by_name = args.output_file.as_deref().and_then(names::wanted);
    let language = asked.or(by_name).unwrap_or(Language::Hcl);
    if language == document.language {
        return Err(same_language(path, language));
    }
    if args.with_annotations && language != Language::Json {
        annotate(&document.body, &mut document.comments);
    }
    let place = |offset: u32| {
        let (line, column) = compilation.sources.file(file).position(offset);
        format!("{}:{line}:{column}", shown_path(path))
    };
    if language == Language::Json || document.language == Language::Legacy {
        for (span, name) in document.beyond_packer() {
            complain(&format!(
                "note: {}: Packer does not know `{name}`; only imgc reads it\n",
                place(span.start)
            ));
        }
    }
    for note in &document.notes {
        complain(&format!(
            "note: {}: {}\n",
            place(note.span.start),
            harmless(&note.text)
        ));
    }
    let output = match &args.output_file {
        Some(path) if path.as_os_str() != "-" => path.clone(),
        _ => names::output(path, &document, language),
    };
    let text = document.print(language).map_err(|span| {
        Failure::new(
            Exit::Template,
            format!(
                "{}: this is no plain data, and {} has no expressions in a variables file",
                place(span.start),
                called(language)
            ),
        )
        .help("write the value itself")
    })?;
    Ok(Job {
        input: path.to_owned(),
        output,
        text,
        is_variables: document.is_variables,
        variables: document
            .notes
            .into_iter()
            .filter_map(|note| note.variable)
            .collect(),
    })
}

fn same_language(path: &Path, language: Language) -> Failure {
    let failure = Failure::usage(format!(
        "`{}` is in {} already",
        shown_path(path),
        called(language)
    ));
    match language {
        Language::Hcl => {
            failure.help("say the language: `-to toml` or `-to json`; `imgc fmt` lays HCL out")
        }
        _ => failure.help("say another language: `-to hcl`, `-to toml` or `-to json`"),
    }
}

fn called(language: Language) -> &'static str {
    match language {
        Language::Hcl => "HCL",
        Language::Json => "JSON",
        Language::Toml => "TOML",
        Language::Legacy => "legacy JSON",
    }
}

fn refuse_existing(jobs: &[Job]) -> Result<(), Failure> {
    match jobs
        .iter()
        .find(|job| job.output.symlink_metadata().is_ok())
    {
        Some(job) => Err(Failure::new(
            Exit::Environment,
            format!("`{}` is there already", shown_path(&job.output)),
        )
        .help("`-force` replaces it, `-check` compares it, `-output-file` names another file")),
        None => Ok(()),
    }
}

/// Compares both sides; what is to be said about it, or the failure.
fn compared(
    args: &ConvertArgs,
    jobs: &[Job],
    is_directory: bool,
    terminal: Terminal,
) -> Result<String, Failure> {
    if let [job] = jobs
        && job.is_variables
    {
        return values(job);
    }
    let mut overlay = Overlay::default();
    let mut path = args.path.clone();
    for job in jobs {
        let beside = job
            .input
            .with_file_name(job.output.file_name().unwrap_or_default());
        if !is_directory {
            path.clone_from(&beside);
        }
        overlay.hidden.insert(job.input.clone());
        overlay.added.insert(beside, job.text.clone());
    }
    let request = Request {
        path: args.path.clone(),
        vars: args.var.clone(),
        var_files: args.var_file.clone(),
        ..Request::default()
    };
    overlay.variables = jobs.iter().flat_map(|job| job.variables.clone()).collect();
    match check(request, &path, &overlay) {
        Verdict::Same(steps) => Ok(format!(
            "same plan: {steps} {}\n",
            match steps {
                1 => "step",
                _ => "steps",
            }
        )),
        Verdict::Unknown(errors) => {
            let message = format!(
                "the plans are not compared: the template has {errors} {}, see `imgc validate {}`",
                if errors == 1 { "error" } else { "errors" },
                shown_path(&args.path)
            );
            match args.check {
                true => Err(Failure::new(Exit::Template, message)),
                false => {
                    complain(&format!("warning: {message}\n"));
                    Ok(String::new())
                }
            }
        }
        Verdict::Broken(compilation) => {
            complain(&render(&compilation, terminal.err));
            Err(Failure::new(
                Exit::Template,
                "the converted template has errors, and the original has none",
            )
            .help(way_out(args)))
        }
        Verdict::Different(differences) => {
            let mut failure =
                Failure::new(Exit::Template, "the converted template makes another plan");
            let lines = differences.iter().map(|line| harmless(line).into_owned());
            failure.details = lines.take(SHOWN).collect();
            if let Some(more) = differences
                .len()
                .checked_sub(SHOWN)
                .filter(|more| *more > 0)
            {
                failure.details.push(format!("... and {more} more"));
            }
            Err(failure.help(way_out(args)))
        }
    }
}

/// Whether what comes out is printed.
fn to_stdout(args: &ConvertArgs) -> bool {
    let output = args.output_file.as_ref();
    output.is_some_and(|path| path.as_os_str() == "-")
}

fn way_out(args: &ConvertArgs) -> &'static str {
    match args.check {
        false if to_stdout(args) => "`-var` sets what the plans depend on",
        true => "mend one of them, or convert again with `-force`",
        false => {
            "nothing is written; `-output-file -` prints what would be, `-var` sets what the plans depend on"
        }
    }
}

/// A file that gives values to variables makes no plan: the values are compared.
fn values(job: &Job) -> Result<String, Failure> {
    let read = |path: &Path, text: &str| -> Option<(String, usize)> {
        let mut problems = Vec::new();
        let document = Document::read(path, imgc_compiler::FileId(0), &text.into(), &mut problems);
        let text = imgc_compiler::print::json::variables(&document.body, &mut Comments::none());
        text.ok()
            .filter(|_| problems.is_empty())
            .map(|text| (text, document.body.attributes.len()))
    };
    let original = fs::read_to_string(&job.input)
        .map_err(|error| Failure::file("read", &job.input, &error))?;
    // Its own name may say nothing about what is in it.
    let beside = job.output.to_string_lossy();
    let name = match job
        .output
        .extension()
        .and_then(|extension| extension.to_str())
    {
        Some(extension) if !beside.contains(".pkrvars.") => format!("values.pkrvars.{extension}"),
        _ => beside.into_owned(),
    };
    match (
        read(&job.input, &original),
        read(Path::new(&name), &job.text),
    ) {
        (Some((old, count)), Some((new, _))) if old == new => Ok(format!("same values: {count}\n")),
        (None, _) => Ok(String::new()),
        _ => Err(Failure::new(
            Exit::Template,
            "the converted file gives other values",
        )),
    }
}

/// Writes a file beside its place and moves it there, readable for whom the original is.
fn write(job: &Job) -> Result<(), Failure> {
    if job.output.exists() {
        return files::replace(&job.output, job.text.as_bytes());
    }
    let failed = |error: std::io::Error| Failure::file("write", &job.output, &error);
    let directory = match job.output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut temporary = tempfile::Builder::new()
        .prefix(".imgc-convert-")
        .tempfile_in(directory)
        .map_err(failed)?;
    temporary.write_all(job.text.as_bytes()).map_err(failed)?;
    let permissions = fs::metadata(&job.input).map_err(failed)?.permissions();
    temporary
        .as_file()
        .set_permissions(permissions)
        .map_err(failed)?;
    temporary.as_file().sync_all().map_err(failed)?;
    temporary
        .persist(&job.output)
        .map_err(|error| failed(error.error))?;
    Ok(())
}
