// The extension in a real editor, driven as a person would. Run by `cargo xtask vscode-test`; each test has a window and a
// folder of its own, and leaves pictures.

import "./session";
import "./editing";
import "./files";
import "./plan";
import "./running";
