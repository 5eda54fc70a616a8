//! The lines of `docs/editors.md`, in the editors they are for.

use std::process::{Command, Stdio};

use crate::harness::Test;

/// The code of a language in the section of an editor.
fn lines(editor: &str, language: &str) -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/editors.md");
    let page = std::fs::read_to_string(page).unwrap();
    let section = page.split(&format!("\n## {editor}\n")).nth(1).unwrap();
    let code = section.split(&format!("```{language}\n")).nth(1).unwrap();
    code.split("```").next().unwrap().to_owned()
}

/// What the test does in the editor: waits for the misspelt name, takes the first correction, and says what it sees.
const SCRIPT: &str = r#"
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

#[test]
fn neovim_shows_a_misspelt_name_and_corrects_it() {
    let test = Test::new(
        "locals {\n  a = var.nmae\n}\n\nvariable \"name\" {\n  default = \"x\"\n}\n\nsource \"null\" \"a\" {\n  communicator = \"none\"\n}\n\nbuild {\n  sources = [\"source.null.a\"]\n  name    = local.a\n}\n",
    );
    test.write("init.lua", lines("Neovim", "lua"));
    test.write("script.lua", SCRIPT);
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_imgc"));
    let path = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let output = Command::new("nvim")
        .args(["--headless", "-u", "init.lua", "-i", "NONE", "-n"])
        .args(["-c", "luafile script.lua"])
        .args(["-c", "cquit"])
        .current_dir(test.path(""))
        .env_clear()
        .env("PATH", path)
        .env("HOME", test.path(""))
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("nvim (Debian package neovim): {error}"));
    let said = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    let more = String::from_utf8_lossy(&output.stderr);
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
}

#[test]
fn the_lines_for_zed_are_json() {
    let parsed: serde_json::Value = serde_json::from_str(&lines("Zed", "json")).unwrap();
    let binary = &parsed["lsp"]["terraform-ls"]["binary"];
    assert_eq!(binary["path"], "imgc");
    assert_eq!(binary["arguments"][0], "lsp");
}
