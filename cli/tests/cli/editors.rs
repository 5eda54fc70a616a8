//! The lines of `docs/editors.md`, in the editors they are for.

use std::process::{Command, Stdio};

use crate::harness::Test;

/// A template with a misspelt name in its second line.
const MISSPELT: &str = r#"locals {
  a = var.nmae
}

variable "name" {
  default = "x"
}

source "null" "a" {
  communicator = "none"
}

build {
  sources = ["source.null.a"]
  name    = local.a
}
"#;

/// The code of a language in the section of an editor.
fn lines(editor: &str, language: &str) -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/editors.md");
    let page = std::fs::read_to_string(page).unwrap();
    let section = page.split(&format!("\n## {editor}\n")).nth(1).unwrap();
    let code = section.split(&format!("```{language}\n")).nth(1).unwrap();
    code.split("```").next().unwrap().to_owned()
}

/// Runs an editor where there is nothing but the files of the test, with our program first on the PATH. What it says on
/// standard output, and on standard error.
fn run(test: &Test, editor: &str, package: &str, args: &[&str]) -> (String, String) {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_imgc"));
    let path = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let output = Command::new(editor)
        .args(args)
        .current_dir(test.path(""))
        .env_clear()
        .env("PATH", path)
        .env("HOME", test.path(""))
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{editor} ({package}): {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('\r', "");
    (text(&output.stdout), text(&output.stderr))
}

/// What the test does in Neovim: waits for the misspelt name, takes the first correction, and says what it sees.
const NEOVIM: &str = r#"
local function say(text)
  io.stdout:write(text .. '\n')
end
vim.cmd('edit main.pkr.hcl')
local function find()
  for _, diagnostic in ipairs(vim.diagnostic.get(0)) do
    if diagnostic.code == 'check/unknown-variable' or diagnostic.message:find('nmae') then
      return diagnostic
    end
  end
end
if not vim.wait(20000, find, 20) then
  say('no diagnostic')
  vim.cmd('cquit')
end
local diagnostic = find()
say('line ' .. diagnostic.lnum + 1)
vim.api.nvim_win_set_cursor(0, { diagnostic.lnum + 1, diagnostic.col })
local params = vim.lsp.util.make_range_params()
params.context = { diagnostics = vim.lsp.diagnostic.get_line_diagnostics() }
local client = nil
local answers = vim.lsp.buf_request_sync(0, 'textDocument/codeAction', params, 20000)
for id, answer in pairs(answers or {}) do
  for _, action in ipairs(answer.result or {}) do
    if action.kind == 'quickfix' and action.title:find('name') then
      client = vim.lsp.get_client_by_id(id)
      if not action.edit then
        action = client.request_sync('codeAction/resolve', action, 20000, 0).result
      end
      say(action.title)
      vim.lsp.util.apply_workspace_edit(action.edit, client.offset_encoding)
      break
    end
  end
end
if not vim.wait(20000, function() return not find() end, 20) then
  say('the diagnostic stays')
end
for _, line in ipairs(vim.api.nvim_buf_get_lines(0, 0, -1, false)) do
  say(line)
end
vim.cmd('qall!')
"#;

/// The same in Emacs. There are no commands in batch mode, so what waits for the end of one is called by hand.
const EMACS: &str = r#"
(require 'cl-lib)
(setq make-backup-files nil auto-save-default nil create-lockfiles nil
      eglot-sync-connect 30 eglot-connect-timeout 30)
(defun say (text) (princ text) (princ "\n"))
(defun misspelt ()
  (cl-find-if (lambda (one) (string-match-p "nmae" (flymake-diagnostic-text one))) (flymake-diagnostics)))
(defun wait-until (condition)
  (let ((end (+ (float-time) 20)))
    (while (and (not (funcall condition)) (< (float-time) end))
      (accept-process-output nil 0.02))
    (funcall condition)))
(find-file "main.pkr.hcl")
(run-hooks 'post-command-hook)
(if (not (wait-until #'misspelt))
    (say "no diagnostic")
  (let ((found (misspelt)))
    (say (format "line %d" (line-number-at-pos (flymake-diagnostic-beg found))))
    ;; Of several corrections the one that is proposed; there is nobody to ask.
    (setq last-nonmenu-event ?x)
    (cl-letf (((symbol-function 'completing-read)
               (lambda (_prompt _items &optional _p _r _i _h proposed &rest _) proposed)))
      (eglot-code-actions (flymake-diagnostic-beg found) (flymake-diagnostic-end found) "quickfix" t)))
  ;; Changes are sent when nothing is done for a while, which is never here, and before saving.
  (save-buffer)
  (unless (wait-until (lambda () (not (misspelt))))
    (say "the diagnostic stays"))
  (say (buffer-string)))
(set-buffer-modified-p nil)
(kill-emacs 0)
"#;

/// Stands in for what Neovim 0.7 does not have, and says which files the configuration chooses.
const NEWER_NEOVIM: &str = r#"
local config, enabled = nil, nil
vim.lsp.config = function(name, given)
  config = { name = name, given = given }
end
vim.lsp.enable = function(name)
  enabled = name
end
vim.fs = vim.fs or { dirname = function(path) return vim.fn.fnamemodify(path, ':h') end }
dofile('new.lua')
assert(config.name == 'imgc' and enabled == 'imgc')
assert(table.concat(config.given.cmd, ' ') == 'imgc lsp')
for _, name in ipairs({ 'web.pkr.hcl', 'dev.pkrvars.hcl', 'web.imgc.toml', 'web.pkr.json', 'main.tf', 'package.json', 'Cargo.toml' }) do
  vim.cmd('edit ' .. name)
  local chosen = nil
  config.given.root_dir(vim.api.nvim_get_current_buf(), function(directory)
    chosen = directory
  end)
  io.stdout:write(name .. (chosen == vim.fn.getcwd() and ' yes' or ' no') .. '\n')
end
vim.cmd('qall!')
"#;

#[test]
fn neovim_shows_a_misspelt_name_and_corrects_it() {
    let test = Test::new(MISSPELT);
    test.write("init.lua", lines("Neovim", "lua"));
    test.write("script.lua", NEOVIM);
    let start = ["--headless", "-u", "init.lua", "-i", "NONE", "-n"];
    let then = ["-c", "luafile script.lua", "-c", "cquit"];
    let args = [&start[..], &then].concat();
    let (said, more) = run(&test, "nvim", "Debian's neovim", &args);
    assert!(said.contains("line 2\n"), "{said}{more}");
    assert!(said.contains("  a = var.name\n"), "{said}{more}");
    assert!(!said.contains("the diagnostic stays"), "{said}");
}

#[test]
fn the_lines_for_a_newer_neovim_choose_templates_and_nothing_else() {
    let test = Test::new(MISSPELT);
    test.write("new.lua", lines("Neovim", "lua new"));
    test.write("script.lua", NEWER_NEOVIM);
    let start = ["--headless", "-u", "NONE", "-i", "NONE", "-n"];
    let then = ["-c", "luafile script.lua", "-c", "cquit"];
    let (said, more) = run(
        &test,
        "nvim",
        "Debian's neovim",
        &[&start[..], &then].concat(),
    );
    let chosen = "web.pkr.hcl yes\ndev.pkrvars.hcl yes\nweb.imgc.toml yes\nweb.pkr.json yes\nmain.tf no\npackage.json no\nCargo.toml no\n";
    assert_eq!(said, chosen, "{more}");
}

#[test]
fn emacs_shows_a_misspelt_name_and_corrects_it() {
    let test = Test::new(MISSPELT);
    test.write("init.el", lines("Emacs", "elisp"));
    test.write("script.el", EMACS);
    // Packages are there before `init.el` is read, except in batch mode.
    let start = ["--batch", "--eval", "(package-activate-all)"];
    let then = ["--load", "init.el", "--load", "script.el"];
    let packages = "Debian's emacs-nox, and elpa-eglot before Emacs 29";
    let (said, more) = run(&test, "emacs", packages, &[&start[..], &then].concat());
    assert!(said.contains("line 2\n"), "{said}{more}");
    assert!(said.contains("  a = var.name\n"), "{said}{more}");
    assert!(!said.contains("the diagnostic stays"), "{said}");
}

#[test]
fn the_lines_for_helix_are_toml_and_start_the_server() {
    let parsed: toml::Table = lines("Helix", "toml").parse().unwrap();
    let server = &parsed["language-server"]["imgc"];
    assert_eq!(server["command"].as_str(), Some("imgc"));
    assert_eq!(server["args"][0].as_str(), Some("lsp"));
    let language = &parsed["language"][0];
    assert_eq!(language["language-servers"][0].as_str(), Some("imgc"));
    // Helix does not start with a key it does not know; these are of its documentation.
    let known = [
        "name",
        "scope",
        "grammar",
        "file-types",
        "comment-tokens",
        "block-comment-tokens",
        "indent",
        "language-servers",
        "auto-format",
    ];
    for key in language.as_table().unwrap().keys() {
        assert!(known.contains(&key.as_str()), "{key}");
    }
    for pattern in language["file-types"].as_array().unwrap() {
        assert!(pattern["glob"].as_str().unwrap().ends_with(".hcl"));
    }
}

#[test]
fn the_lines_for_zed_are_json() {
    let parsed: serde_json::Value = serde_json::from_str(&lines("Zed", "json")).unwrap();
    let binary = &parsed["lsp"]["terraform-ls"]["binary"];
    assert_eq!(binary["path"], "imgc");
    assert_eq!(binary["arguments"][0], "lsp");
}
