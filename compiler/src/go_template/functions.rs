//! The functions of Packer's Go templates: where each may be used, and what takes its place in HCL.

/// Where a text stands, which decides what its templates may use and when they are rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// The value of a variable.
    Variable,
    /// A name or a setting that must be known before anything runs.
    Early,
    /// An option of a builder.
    Builder,
    /// An option of a provisioner or post-processor.
    Build,
}

/// Where a function has a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usable {
    /// Everywhere.
    Anywhere,
    /// In values of variables.
    Variables,
    /// Where there is a build: in options.
    Options,
    /// In options of provisioners and post-processors.
    Builds,
    /// Nowhere any more.
    Removed,
    /// Nowhere by this name; it has another one now.
    Renamed(&'static str),
}

/// A function.
#[derive(Debug)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: &'static str,
    /// The fewest and the most arguments, if they are checked; such a function takes and gives texts.
    pub(crate) arguments: Option<(usize, usize)>,
    /// The argument that is a whole number, counted from 0.
    pub(crate) number: Option<usize>,
    /// Where it has a meaning.
    pub(crate) usable: Usable,
}

const fn function(name: &'static str, least: usize, most: usize, usable: Usable) -> Function {
    Function {
        name,
        arguments: Some((least, most)),
        number: None,
        usable,
    }
}

/// A function of so many arguments, of which one is a whole number.
const fn counting(name: &'static str, arguments: usize, number: usize) -> Function {
    Function {
        number: Some(number),
        ..function(name, arguments, arguments, Usable::Anywhere)
    }
}

/// A function of the template engine itself.
const fn engine(name: &'static str) -> Function {
    Function {
        name,
        arguments: None,
        number: None,
        usable: Usable::Anywhere,
    }
}

const ALL: &[Function] = &[
    engine("and"),
    function("aws_secretsmanager", 1, 2, Usable::Variables),
    function("aws_secretsmanager_raw", 1, 1, Usable::Variables),
    function("build", 1, 1, Usable::Builds),
    function("build_name", 0, 0, Usable::Options),
    function("build_type", 0, 0, Usable::Options),
    engine("call"),
    function(
        "clean_ami_name",
        1,
        1,
        Usable::Renamed("clean_resource_name"),
    ),
    function(
        "clean_image_name",
        1,
        1,
        Usable::Renamed("clean_resource_name"),
    ),
    function("clean_resource_name", 1, 1, Usable::Anywhere),
    function("consul_key", 1, 1, Usable::Variables),
    function("env", 1, 1, Usable::Variables),
    engine("eq"),
    engine("ge"),
    engine("gt"),
    engine("html"),
    engine("index"),
    function("isotime", 0, 1, Usable::Anywhere),
    engine("js"),
    engine("le"),
    engine("len"),
    function("lower", 1, 1, Usable::Anywhere),
    engine("lt"),
    engine("ne"),
    engine("not"),
    engine("or"),
    function("packer_version", 0, 0, Usable::Anywhere),
    engine("print"),
    engine("printf"),
    engine("println"),
    function("pwd", 0, 0, Usable::Anywhere),
    counting("replace", 4, 2),
    function("replace_all", 3, 3, Usable::Anywhere),
    function("sed", 2, 2, Usable::Removed),
    engine("slice"),
    counting("split", 3, 2),
    function("strftime", 1, 1, Usable::Anywhere),
    function("template_dir", 0, 0, Usable::Anywhere),
    function("timestamp", 0, 0, Usable::Anywhere),
    function("upper", 1, 1, Usable::Anywhere),
    engine("urlquery"),
    function("user", 1, 1, Usable::Anywhere),
    function("uuid", 0, 0, Usable::Anywhere),
    function("vault", 2, 2, Usable::Variables),
    function("vm", 1, 1, Usable::Options),
];

/// The function of that name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    let at = ALL.binary_search_by(|function| function.name.cmp(name));
    at.ok().map(|at| &ALL[at])
}

/// The names that may be written.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter()
        .filter(|function| !matches!(function.usable, Usable::Removed | Usable::Renamed(_)))
        .map(|function| function.name)
}

/// What is wrong with a function at a place: the rest of a sentence, and the way out.
pub(crate) fn misplaced(usable: Usable, place: Where) -> Option<(&'static str, &'static str)> {
    match (usable, place) {
        (Usable::Variables, Where::Variable) | (Usable::Options, Where::Builder | Where::Build) => {
            None
        }
        (Usable::Variables, _) => Some((
            "can only be used in values of variables",
            "give its value to a variable under `variables`, and write ``{{ user `name` }}`` here",
        )),
        (Usable::Options, Where::Variable) => Some((
            "cannot be used in a variable: there are as many values as builds",
            "write it in the options that use the variable",
        )),
        (Usable::Options, Where::Early) => Some((
            "cannot be used here: there is no build yet",
            "write the name itself",
        )),
        (Usable::Builds, Where::Variable | Where::Early | Where::Builder) => Some((
            "can only be used in provisioners and post-processors: its values exist while a build runs",
            "use it in a provisioner or a post-processor",
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn functions_are_sorted() {
        assert!(ALL.windows(2).all(|pair| pair[0].name < pair[1].name));
    }
}
