// Installs what the tests in a real editor need, by package name: code-server, which is VS Code for a browser. Usage: node
// e2e/install.mjs DIRECTORY. Does nothing where the same version is there already.
//
// Packages' own install scripts do not run: they would download from elsewhere and compile. What is missing without them
// (the terminal, the log in a native module) is not needed here.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

const VERSION = "4.139.1";

const directory = path.resolve(process.argv[2] ?? "");
const done = path.join(directory, "installed");
if (existsSync(done) && readFileSync(done, "utf8") === VERSION) process.exit(0);

rmSync(directory, { recursive: true, force: true });
mkdirSync(directory, { recursive: true });
writeFileSync(path.join(directory, "package.json"), '{ "private": true }\n');
npm(directory, `code-server@${VERSION}`);
npm(path.join(directory, "node_modules/code-server/lib/vscode"));
writeFileSync(done, VERSION);

function npm(cwd, ...packages) {
  const flags = ["--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"];
  const result = spawnSync("npm", ["install", ...flags, ...packages], { cwd, stdio: "inherit" });
  if (result.error) throw result.error;
  if (result.status !== 0) process.exit(result.status ?? 1);
}
