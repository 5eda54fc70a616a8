//! Functions of files and of their names.
//!
//! Relative paths start at the template's directory, as in Packer; where nothing is there, at the working directory, so
//! that `"${path.root}/motd.txt"` is found wherever the command runs. (`filebase64`, as in Packer, looks there first.) `~`
//! is the home directory.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use base64::Engine as _;

use super::{CallCx, Function, FunctionError, FunctionResult, Param, Purity, Returns, Shape, text};
use crate::source::EntryKind;
use crate::types::Type;
use crate::value::Value;

const PATH: Param = Param::new("path", Shape::String);
const STRING: Returns = Returns::Is(Shape::String);

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "abspath",
        &[PATH],
        STRING,
        "The path from the root of the file system; a relative one starts at the working directory.",
        ("abspath(\"/a/../b\")", "\"/b\""),
        |args, cx| {
            let path = cx.world.working_directory().join(text(args, 0));
            Ok(path_value(&clean(&path)))
        },
    )
    .reads(Purity::File),
    Function::new(
        "basename",
        &[PATH],
        STRING,
        "The last part of a path.",
        ("basename(\"/etc/nginx/nginx.conf\")", "\"nginx.conf\""),
        |args, _| Ok(Value::string(basename(text(args, 0)))),
    ),
    Function::new(
        "dirname",
        &[PATH],
        STRING,
        "The path without its last part.",
        ("dirname(\"/etc/nginx/nginx.conf\")", "\"/etc/nginx\""),
        |args, _| {
            let path = text(args, 0);
            let directory = path.rfind('/').map_or("", |at| &path[..=at]);
            Ok(path_value(&clean(Path::new(directory))))
        },
    ),
    Function::new(
        "env",
        &[Param::new("key", Shape::String)],
        STRING,
        "An environment variable, empty where it is not set; only for the default of a variable.",
        ("env(\"HOME\")", "\"/home/user\""),
        |args, cx| {
            Ok(Value::string(
                cx.world.env(text(args, 0)).unwrap_or_default(),
            ))
        },
    )
    .reads(Purity::Env),
    Function::new(
        "file",
        &[PATH],
        STRING,
        "The text of a file.",
        ("file(\"motd.txt\")", "\"Welcome\\n\""),
        |args, cx| read_text(args, cx).map(Value::string),
    )
    .reads(Purity::File),
    Function::new(
        "filebase64",
        &[PATH],
        STRING,
        "The bytes of a file in Base64; unlike elsewhere, the working directory is looked at first.",
        ("filebase64(\"motd.txt\")", "\"V2VsY29tZQo=\""),
        |args, cx| {
            let bytes = read(args, cx, Base::WorkingDirectory)?;
            Ok(Value::string(
                base64::engine::general_purpose::STANDARD.encode(bytes),
            ))
        },
    )
    .reads(Purity::File),
    Function::new(
        "fileexists",
        &[PATH],
        Returns::Is(Shape::Bool),
        "Whether there is a file of that path.",
        ("fileexists(\"motd.txt\")", "true"),
        file_exists,
    )
    .reads(Purity::File),
    Function::new(
        "fileset",
        &[PATH, Param::new("pattern", Shape::String)],
        Returns::Is(Shape::Set(&Shape::String)),
        "The files below a directory whose path matches a pattern such as `**/*.sh`.",
        ("fileset(\"scripts\", \"*.sh\")", "[\"a.sh\", \"b.sh\"]"),
        file_set,
    )
    .reads(Purity::File),
    Function::new(
        "pathexpand",
        &[PATH],
        STRING,
        "The path with `~` at its start replaced by the home directory.",
        ("pathexpand(\"~/.ssh\")", "\"/home/user/.ssh\""),
        |args, cx| Ok(path_value(&expand(args, cx)?)),
    )
    .reads(Purity::File),
];

fn path_value(path: &Path) -> Value {
    Value::string(path.to_string_lossy())
}

fn basename(path: &str) -> String {
    match path.trim_end_matches('/').rsplit('/').next() {
        _ if path.is_empty() => ".".to_owned(),
        None | Some("") => "/".to_owned(),
        Some(name) => name.to_owned(),
    }
}

/// `.` and `..` resolved by words alone; `.` for nothing.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match cleaned.components().next_back() {
                Some(Component::Normal(_)) => {
                    cleaned.pop();
                }
                Some(Component::RootDir) => {}
                _ => cleaned.push(".."),
            },
            other => cleaned.push(other),
        }
    }
    match cleaned.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => cleaned,
    }
}

fn expand(args: &[Value], cx: &CallCx<'_>) -> Result<PathBuf, FunctionError> {
    let path = text(args, 0);
    let rest = match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        Some(_) => {
            let message = "only one's own home directory `~` can be expanded, not that of others";
            return Err(FunctionError::at(0, message));
        }
        None => return Ok(PathBuf::from(path)),
    };
    let home = cx.world.home();
    let home = home.ok_or_else(|| FunctionError::at(0, "the home directory is not known"))?;
    Ok(match rest.trim_start_matches('/') {
        "" => home,
        rest => home.join(rest),
    })
}

/// Where a relative path starts.
#[derive(Clone, Copy, PartialEq)]
enum Base {
    Template,
    WorkingDirectory,
}

/// The path to hand to the world: expanded and cleaned, from the first of the two bases where something is.
fn resolve(args: &[Value], cx: &CallCx<'_>, first: Base) -> Result<PathBuf, FunctionError> {
    let path = expand(args, cx)?;
    let mut places = [clean(&cx.root.join(&path)), clean(&path)];
    if first == Base::WorkingDirectory {
        places.reverse();
    }
    let [first, second] = places;
    let found = first == second || cx.world.kind(&first).is_ok() || cx.world.kind(&second).is_err();
    Ok(if found { first } else { second })
}

/// The text of the file that the first argument names.
pub(crate) fn read_text(args: &[Value], cx: &CallCx<'_>) -> Result<String, FunctionError> {
    String::from_utf8(read(args, cx, Base::Template)?).map_err(|_| {
        let shown = cx.quote(text(args, 0));
        let message = format!("{shown} is not text in UTF-8; `filebase64` reads any file");
        FunctionError::at(0, message)
    })
}

/// The bytes of the file that the first argument names.
fn read(args: &[Value], cx: &CallCx<'_>, base: Base) -> Result<Vec<u8>, FunctionError> {
    let path = resolve(args, cx, base)?;
    let shown = cx.quote(text(args, 0));
    cx.world.read(&path).map_err(|error| {
        let reason = match error.kind() {
            ErrorKind::NotFound => format!("there is no file {shown}"),
            ErrorKind::PermissionDenied => format!("the file {shown} may not be read"),
            ErrorKind::IsADirectory => format!("{shown} is a directory, not a file"),
            _ => format!("the file {shown} cannot be read: {error}"),
        };
        let place = match expand(args, cx) {
            Ok(given) if given.is_relative() && !cx.sensitive => {
                let start = cx.world.working_directory().join(cx.root);
                format!(" (relative paths start at {})", clean(&start).display())
            }
            _ => String::new(),
        };
        FunctionError::at(0, reason + &place)
    })
}

fn file_exists(args: &[Value], cx: &mut CallCx<'_>) -> FunctionResult {
    let path = resolve(args, cx, Base::Template)?;
    match cx.world.kind(&path) {
        Ok(EntryKind::File) => Ok(Value::bool(true)),
        Ok(EntryKind::Directory | EntryKind::Other) => {
            let message = format!("{} is not a regular file", cx.quote(text(args, 0)));
            Err(FunctionError::at(0, message))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Value::bool(false)),
        Err(error) => Err(FunctionError::at(0, error.to_string())),
    }
}

fn file_set(args: &[Value], cx: &mut CallCx<'_>) -> FunctionResult {
    let mut root = resolve(args, cx, Base::Template)?;
    let mut pattern = clean(Path::new(text(args, 1)));
    let mut above = PathBuf::new();
    while let Ok(rest) = pattern.strip_prefix("..").map(Path::to_owned) {
        root = clean(&root.join(".."));
        above.push("..");
        pattern = rest;
    }
    let glob = globset::GlobBuilder::new(&pattern.to_string_lossy())
        .literal_separator(true)
        .build();
    let glob = glob.map_err(|error| {
        FunctionError::quoting(1, format!("the pattern is not one: {}", error.kind()))
    })?;
    let matcher = glob.compile_matcher();
    let mut found = Vec::new();
    // Directories still to be listed, relative to the root, with how deep they are.
    let mut open = vec![(PathBuf::new(), 0_usize)];
    const DEEPEST: usize = 64;
    const MOST: usize = 200_000;
    while let Some((directory, depth)) = open.pop() {
        let entries = match cx.world.list(&root.join(&directory)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                let message = format!(
                    "{} cannot be listed: {error}",
                    cx.quote(&directory.to_string_lossy())
                );
                return Err(FunctionError::at(0, message));
            }
        };
        for entry in entries {
            let Some(name) = entry.file_name() else {
                continue;
            };
            let relative = directory.join(name);
            match cx.world.kind(&root.join(&relative)) {
                Ok(EntryKind::File) if matcher.is_match(&relative) => {
                    found.push(path_value(&above.join(&relative)))
                }
                Ok(EntryKind::Directory) if depth < DEEPEST => open.push((relative, depth + 1)),
                _ => {}
            }
        }
        if found.len() + open.len() > MOST {
            return Err(FunctionError::at(
                0,
                format!("there are more than {MOST} files"),
            ));
        }
    }
    Ok(Value::set(Type::String, found))
}
