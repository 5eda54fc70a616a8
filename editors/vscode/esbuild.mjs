// Bundles the extension into dist/, its tests into dist-test/ (--tests), or those in a real editor into dist-e2e/ (--e2e).
// --production: minified, no source maps.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const production = process.argv.includes("--production");
const node = { bundle: true, platform: "node", format: "cjs", target: "node20", logLevel: "warning" };

if (process.argv.includes("--tests")) {
  rmSync("dist-test", { recursive: true, force: true });
  const tests = readdirSync("test").filter((name) => name.endsWith(".test.ts"));
  await build({
    ...node,
    entryPoints: tests.map((name) => `test/${name}`),
    outdir: "dist-test",
    external: ["vscode", "vscode-textmate", "vscode-oniguruma"],
    sourcemap: "inline",
  });
} else if (process.argv.includes("--e2e")) {
  rmSync("dist-e2e", { recursive: true, force: true });
  await build({
    ...node,
    entryPoints: ["e2e/suite.ts"],
    outdir: "dist-e2e",
    external: ["playwright-core"],
    sourcemap: "inline",
  });
} else {
  rmSync("dist", { recursive: true, force: true });
  const shared = { minify: production, sourcemap: production ? false : "linked" };
  const { metafile } = await build({
    ...node,
    ...shared,
    metafile: true,
    entryPoints: ["src/extension.ts"],
    outfile: "dist/extension.js",
    external: ["vscode"],
    // Prefer ES modules of the packages: the UMD form of some hides its requires from the bundler.
    mainFields: ["module", "main"],
  });
  await build({
    ...shared,
    bundle: true,
    platform: "browser",
    format: "iife",
    target: "es2022",
    logLevel: "warning",
    entryPoints: ["src/plan/webview.ts"],
    outfile: "dist/plan.js",
  });
  writeFileSync("dist/third-party.txt", licences(metafile.inputs));
}

/** The licences of the packages that are in a bundle, which go wherever it goes. */
function licences(inputs) {
  const roots = Object.keys(inputs).map((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  return [...new Set(roots)]
    .filter(Boolean)
    .sort()
    .map((root) => {
      const { name, version, license } = JSON.parse(readFileSync(`${root}/package.json`, "utf8"));
      const file = readdirSync(root).find((name) => /^licen[cs]e/i.test(name));
      const text = file && existsSync(`${root}/${file}`) ? readFileSync(`${root}/${file}`, "utf8").trim() : "";
      return `${name} ${version} (${license})\n\n${text}\n`;
    })
    .join(`\n${"-".repeat(72)}\n\n`);
}
