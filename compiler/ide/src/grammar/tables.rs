//! The language's own blocks and options.

use imgc_compiler::components::ComponentKind;

/// A block of the language, from inside.
#[derive(Debug)]
pub(crate) struct Core {
    /// What it is called here: the kind of the block, or a word for it.
    pub(crate) name: &'static str,
    pub(crate) options: &'static [CoreOption],
    pub(crate) blocks: &'static [CoreBlock],
}

/// An option of a block of the language.
#[derive(Debug)]
pub(crate) struct CoreOption {
    pub(crate) name: &'static str,
    /// Its type, for people.
    pub(crate) ty: &'static str,
    pub(crate) required: bool,
    /// One sentence.
    pub(crate) doc: &'static str,
    /// What is written after `name = `, as a snippet.
    pub(crate) value: &'static str,
    /// The words or texts it takes, where there is a list.
    pub(crate) values: &'static [&'static str],
}

/// A block of the language, from outside.
#[derive(Debug)]
pub(crate) struct CoreBlock {
    pub(crate) kind: &'static str,
    /// What its labels are.
    pub(crate) labels: &'static [&'static str],
    /// One sentence.
    pub(crate) doc: &'static str,
    /// What is written after the kind, as a snippet.
    pub(crate) snippet: &'static str,
    /// There may be more than one.
    pub(crate) repeated: bool,
}

const fn option(
    name: &'static str,
    ty: &'static str,
    value: &'static str,
    doc: &'static str,
) -> CoreOption {
    CoreOption {
        name,
        ty,
        required: false,
        doc,
        value,
        values: &[],
    }
}

const fn required(option: CoreOption) -> CoreOption {
    CoreOption {
        required: true,
        ..option
    }
}

const fn one_of(option: CoreOption, values: &'static [&'static str]) -> CoreOption {
    CoreOption { values, ..option }
}

const fn block(
    kind: &'static str,
    labels: &'static [&'static str],
    snippet: &'static str,
    doc: &'static str,
) -> CoreBlock {
    CoreBlock {
        kind,
        labels,
        doc,
        snippet,
        repeated: true,
    }
}

const fn once(block: CoreBlock) -> CoreBlock {
    CoreBlock {
        repeated: false,
        ..block
    }
}

const TRUE_FALSE: &[&str] = &["true", "false"];

const FOR_EACH: CoreOption = option(
    "for_each",
    "map or set of string",
    "${1:{}}",
    "One of this block for each element; `each.key` and `each.value` are the element.",
);
const COUNT: CoreOption = option(
    "count",
    "number",
    "${1:1}",
    "So many of this block; `count.index` is the position, from 0.",
);
const ENABLED: CoreOption = one_of(
    option(
        "enabled",
        "bool",
        "${1:true}",
        "Whether the block is there at all.",
    ),
    TRUE_FALSE,
);
const SENSITIVE: CoreOption = one_of(
    option(
        "sensitive",
        "bool",
        "${1:true}",
        "The value is a secret: it is shown nowhere.",
    ),
    TRUE_FALSE,
);
const DESCRIPTION: CoreOption = option("description", "string", "\"$1\"", "What it is for.");
const NAME: CoreOption = option("name", "string", "\"$1\"", "The name it goes by.");
const ONLY: CoreOption = option(
    "only",
    "list(string)",
    "[\"$1\"]",
    "Only for these builds: `TYPE.NAME`.",
);
const EXCEPT: CoreOption = option(
    "except",
    "list(string)",
    "[\"$1\"]",
    "Not for these builds: `TYPE.NAME`.",
);

const DYNAMIC_BLOCK: CoreBlock = block(
    "dynamic",
    &["block"],
    "\"${1:block}\" {\n  for_each = ${2:[]}\n  content {\n    $0\n  }\n}",
    "Makes one block for each element.",
);

const REGISTRY_BLOCK: CoreBlock = once(block(
    "hcp_packer_registry",
    &[],
    "{\n  $0\n}",
    "For HashiCorp's hosted registry; it has no effect here.",
));

/// The top of a template.
pub(crate) static TOP: Core = Core {
    name: "",
    options: &[],
    blocks: &[
        block(
            "packer",
            &[],
            "{\n  required_plugins {\n    $0\n  }\n}",
            "What the template needs of Packer and of plugins.",
        ),
        block(
            "variable",
            &["name"],
            "\"${1:name}\" {\n  type    = ${2:string}\n  default = ${3:\"\"}$0\n}",
            "A value that can be given from outside: `var.NAME`.",
        ),
        block(
            "locals",
            &[],
            "{\n  ${1:name} = ${2:value}$0\n}",
            "Values with names: `local.NAME`.",
        ),
        block(
            "local",
            &["name"],
            "\"${1:name}\" {\n  expression = ${2:value}$0\n}",
            "One value with a name, perhaps a secret: `local.NAME`.",
        ),
        block(
            "data",
            &["type", "name"],
            "\"${1:type}\" \"${2:name}\" {\n  $0\n}",
            "Something that is looked up before anything is built: `data.TYPE.NAME`.",
        ),
        block(
            "source",
            &["type", "name"],
            "\"${1:type}\" \"${2:name}\" {\n  $0\n}",
            "A builder with its options: `source.TYPE.NAME`.",
        ),
        block(
            "build",
            &[],
            "{\n  sources = [\"source.${1:type}.${2:name}\"]\n\n  $0\n}",
            "Builds sources and runs provisioners and post-processors on them.",
        ),
        block(
            "provisioners",
            &["name"],
            "\"${1:name}\" {\n  $0\n}",
            "Provisioners that several builds share.",
        ),
        block(
            "output",
            &["name"],
            "\"${1:name}\" {\n  value = ${2:value}$0\n}",
            "A value for those who use this template.",
        ),
        block(
            "module",
            &["name"],
            "\"${1:name}\" {\n  source = \"${2:./module}\"$0\n}",
            "Another template, used: `module.NAME.OUTPUT`.",
        ),
        REGISTRY_BLOCK,
    ],
};

static PACKER: Core = Core {
    name: "packer",
    options: &[option(
        "required_version",
        "string",
        "\"${1:>= 1.7.0}\"",
        "The versions of Packer whose language the template is written in.",
    )],
    blocks: &[once(block(
        "required_plugins",
        &[],
        "{\n  ${1:name} = {\n    source  = \"github.com/${2:hashicorp}/${1:name}\"\n    version = \"${3:>= 1.0.0}\"\n  }$0\n}",
        "The plugins the template was written for.",
    ))],
};

static PLUGINS: Core = Core {
    name: "required_plugins",
    options: &[],
    blocks: &[],
};

static VARIABLE: Core = Core {
    name: "variable",
    options: &[
        one_of(
            option("type", "type", "${1:string}", "The type of its values."),
            TYPES,
        ),
        option(
            "default",
            "any",
            "${1:\"\"}",
            "The value when none is given; without it, one has to be.",
        ),
        DESCRIPTION,
        SENSITIVE,
        one_of(
            option(
                "nullable",
                "bool",
                "${1:false}",
                "Whether null may be given.",
            ),
            TRUE_FALSE,
        ),
    ],
    blocks: &[block(
        "validation",
        &[],
        "{\n  condition     = ${1:true}\n  error_message = \"${2:The value is wrong.}\"$0\n}",
        "A rule for its value.",
    )],
};

/// The words of type constraints.
pub(crate) const TYPES: &[&str] = &[
    "string", "number", "bool", "any", "list", "set", "map", "object", "tuple",
];

static VALIDATION: Core = Core {
    name: "validation",
    options: &[
        required(option(
            "condition",
            "bool",
            "${1:true}",
            "Must be true of the variable's value.",
        )),
        required(option(
            "error_message",
            "string",
            "\"$1\"",
            "What is said when it is not.",
        )),
    ],
    blocks: &[],
};

static LOCALS: Core = Core {
    name: "locals",
    options: &[],
    blocks: &[],
};

static LOCAL: Core = Core {
    name: "local",
    options: &[
        required(option("expression", "any", "$1", "The value.")),
        SENSITIVE,
    ],
    blocks: &[],
};

static OUTPUT: Core = Core {
    name: "output",
    options: &[
        required(option("value", "any", "$1", "The value.")),
        DESCRIPTION,
        SENSITIVE,
    ],
    blocks: &[],
};

static MODULE: Core = Core {
    name: "module",
    options: &[
        required(option(
            "source",
            "string",
            "\"${1:./}\"",
            "Where the other template is: a path that begins with `./` or `../`, or a git repository.",
        )),
        FOR_EACH,
        COUNT,
        ENABLED,
    ],
    blocks: &[],
};

static REGISTRY: Core = Core {
    name: "hcp_packer_registry",
    options: &[
        option("bucket_name", "string", "\"$1\"", "Of no effect here."),
        option("description", "string", "\"$1\"", "Of no effect here."),
        option("bucket_labels", "map(string)", "{$1}", "Of no effect here."),
        option("build_labels", "map(string)", "{$1}", "Of no effect here."),
        option("channels", "list(string)", "[$1]", "Of no effect here."),
    ],
    blocks: &[],
};

const PROVISIONER_BLOCK: CoreBlock = block(
    "provisioner",
    &["type"],
    "\"${1:shell}\" {\n  $0\n}",
    "Acts on the machine.",
);
const POST_PROCESSOR_BLOCK: CoreBlock = block(
    "post-processor",
    &["type"],
    "\"${1:manifest}\" {\n  $0\n}",
    "Does something with the artifact.",
);

static BUILD: Core = Core {
    name: "build",
    options: &[
        option(
            "sources",
            "list(string)",
            "[\"source.$1\"]",
            "The sources that are built.",
        ),
        NAME,
        DESCRIPTION,
        FOR_EACH,
        COUNT,
        ENABLED,
    ],
    blocks: &[
        block(
            "source",
            &["source"],
            "\"source.${1:type}.${2:name}\" {\n  $0\n}",
            "A source that is built, with further options.",
        ),
        PROVISIONER_BLOCK,
        block(
            "provisioners",
            &["group"],
            "\"${1:group}\" {}",
            "The provisioners of a group, here.",
        ),
        POST_PROCESSOR_BLOCK,
        block(
            "post-processors",
            &[],
            "{\n  post-processor \"${1:manifest}\" {\n    $0\n  }\n}",
            "Post-processors that work on each other's artifacts, in order.",
        ),
        once(block(
            "error-cleanup-provisioner",
            &["type"],
            "\"${1:shell}\" {\n  $0\n}",
            "Acts on the machine when a provisioner has failed.",
        )),
        DYNAMIC_BLOCK,
        REGISTRY_BLOCK,
    ],
};

static CHAIN: Core = Core {
    name: "chain",
    options: &[FOR_EACH, COUNT, ENABLED],
    blocks: &[POST_PROCESSOR_BLOCK, DYNAMIC_BLOCK],
};

static GROUP: Core = Core {
    name: "group",
    options: &[],
    blocks: &[
        PROVISIONER_BLOCK,
        block(
            "provisioners",
            &["group"],
            "\"${1:group}\" {}",
            "The provisioners of another group, here.",
        ),
        DYNAMIC_BLOCK,
    ],
};

static GROUP_USE: Core = Core {
    name: "group-use",
    options: &[ONLY, EXCEPT, FOR_EACH, COUNT, ENABLED],
    blocks: &[],
};

/// `dynamic`.
pub(crate) static DYNAMIC: Core = Core {
    name: "dynamic",
    options: &[
        required(option(
            "for_each",
            "list, set or map",
            "${1:[]}",
            "One block for each element.",
        )),
        option(
            "iterator",
            "name",
            "${1:item}",
            "What the element is called inside; the block's kind where it does not say.",
        ),
        option(
            "labels",
            "list(string)",
            "[\"$1\"]",
            "The labels of the blocks that are made.",
        ),
    ],
    blocks: &[once(block(
        "content",
        &[],
        "{\n  $0\n}",
        "What stands in each block.",
    ))],
};

/// Blocks that may stand among the options of components.
pub(crate) const IN_OPTIONS: &[CoreBlock] = &[DYNAMIC_BLOCK];

/// The blocks of the language inside of others that are no components.
pub(crate) fn child(around: &str, kind: &str) -> Option<&'static Core> {
    Some(match (around, kind) {
        ("", "packer") => &PACKER,
        ("packer", "required_plugins") => &PLUGINS,
        ("", "variable") => &VARIABLE,
        ("variable", "validation") => &VALIDATION,
        ("", "variables" | "locals") => &LOCALS,
        ("", "local") => &LOCAL,
        ("", "output") => &OUTPUT,
        ("", "module") => &MODULE,
        ("", "build") => &BUILD,
        ("", "provisioners") => &GROUP,
        ("build", "post-processors") => &CHAIN,
        ("build" | "group", "provisioners") => &GROUP_USE,
        ("" | "build", "hcp_packer_registry") => &REGISTRY,
        _ => return None,
    })
}

/// The options of every component of a kind.
pub(crate) fn meta(kind: ComponentKind) -> &'static [CoreOption] {
    match kind {
        ComponentKind::Builder => BUILDER,
        ComponentKind::Provisioner => PROVISIONER,
        ComponentKind::PostProcessor => POST_PROCESSOR,
        ComponentKind::DataSource | ComponentKind::Communicator => &[],
    }
}

const BUILDER: &[CoreOption] = &[
    option(
        "extends",
        "source",
        "source.${1:type}.${2:name}",
        "The source whose options this one takes over.",
    ),
    FOR_EACH,
    COUNT,
    ENABLED,
];

const PROVISIONER: &[CoreOption] = &[
    NAME,
    ONLY,
    EXCEPT,
    option(
        "override",
        "object",
        "{\n  \"${1:type.name}\" = {\n    $2\n  }\n}",
        "Options that are different for some builds.",
    ),
    option(
        "pause_before",
        "duration",
        "\"${1:10s}\"",
        "Waits so long before it starts.",
    ),
    option(
        "max_retries",
        "number",
        "${1:1}",
        "Attempts after the first that failed.",
    ),
    option(
        "timeout",
        "duration",
        "\"${1:5m}\"",
        "Gives an attempt up after so long.",
    ),
    one_of(
        option(
            "continue_on_error",
            "bool",
            "${1:true}",
            "The build goes on when it has failed.",
        ),
        TRUE_FALSE,
    ),
    one_of(
        option(
            "on",
            "string",
            "\"${1:image}\"",
            "What it acts on: the machine, or, to check it, one that is started from the finished image.",
        ),
        &["image", "machine"],
    ),
    one_of(
        option(
            "checkpoint",
            "bool",
            "${1:true}",
            "Keeps the machine as it is behind it, so that a later run can begin there.",
        ),
        TRUE_FALSE,
    ),
    FOR_EACH,
    COUNT,
    ENABLED,
];

const POST_PROCESSOR: &[CoreOption] = &[
    NAME,
    ONLY,
    EXCEPT,
    one_of(
        option(
            "keep_input_artifact",
            "bool",
            "${1:true}",
            "Keeps the artifact it works on.",
        ),
        TRUE_FALSE,
    ),
    FOR_EACH,
    COUNT,
    ENABLED,
];

/// The top of a template from before HCL.
pub(crate) static LEGACY: Core = Core {
    name: "legacy",
    options: &[
        option("builders", "list of builders", "[$1]", "What is built."),
        option(
            "provisioners",
            "list of provisioners",
            "[$1]",
            "What acts on the machines.",
        ),
        option(
            "post-processors",
            "list of post-processors",
            "[$1]",
            "What is done with the artifacts.",
        ),
        option(
            "variables",
            "object",
            "{$1}",
            "Values that can be given from outside.",
        ),
        option(
            "sensitive-variables",
            "list(string)",
            "[$1]",
            "The variables whose values are secrets.",
        ),
        DESCRIPTION,
        option(
            "min_packer_version",
            "string",
            "\"$1\"",
            "The oldest Packer the template works with.",
        ),
    ],
    blocks: &[],
};
