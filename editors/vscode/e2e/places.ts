// Where things are; all from the environment, as `cargo xtask vscode-test` sets it.

import path from "node:path";

export const places = {
  /** The program to test. */
  imgc: needed("IMGC"),
  /** What `install.mjs` made. */
  codeServer: needed("CODE_SERVER"),
  /** The browser. */
  chromium: needed("CHROMIUM"),
  /** The extension, packaged. */
  vsix: path.resolve("dist/imgc.vsix"),
  /** Folders for the tests to copy. */
  fixtures: path.resolve("e2e/workspace"),
  /** For logs and pictures. */
  output: needed("OUTPUT"),
};

function needed(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; run this with \`cargo xtask vscode-test\``);
  return path.resolve(value);
}
