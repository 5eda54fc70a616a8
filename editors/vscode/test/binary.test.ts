import assert from "node:assert/strict";
import { test } from "node:test";

import { compareVersions, expand, find, type Machine } from "../src/binary";

/** A machine with these programs, by path, and what each prints as its version. */
function machine(programs: Record<string, string>, more: Partial<Machine> = {}): Machine {
  return {
    platform: "linux",
    home: "/home/somebody",
    environment: { PATH: "/usr/bin:/bin", TOOLS: "/opt/tools" },
    isProgram: async (path) => path in programs,
    output: async (path, args) => {
      assert.deepEqual(args, ["version"]);
      const printed = programs[path] ?? "";
      if (printed.startsWith("throw ")) throw new Error(printed.slice(6));
      return printed;
    },
    ...more,
  };
}

const NEW = "imgc v0.1.0\n";

test("the program on the PATH is found", async () => {
  const found = await find(
    "",
    undefined,
    machine({ "/bin/imgc": NEW, "/home/somebody/.cargo/bin/imgc": "imgc v9.9.9\n" }),
  );
  assert.deepEqual(found, { ok: true, program: "/bin/imgc", version: "0.1.0" });
});

test("a program that is not on the PATH is found in a usual place", async () => {
  const found = await find("", undefined, machine({ "/home/somebody/.cargo/bin/imgc": NEW }));
  assert.equal(found.ok && found.program, "/home/somebody/.cargo/bin/imgc");
});

test("a missing program is said to be missing", async () => {
  const found = await find("", undefined, machine({}));
  assert.ok(!found.ok);
  assert.equal(found.problem, "missing");
  assert.match(found.message, /no program "imgc" on the PATH.*Install imgc/);
});

test("a setting that leads nowhere is an error, even where there is another imgc", async () => {
  const found = await find("/nowhere/imgc", undefined, machine({ "/bin/imgc": NEW }));
  assert.ok(!found.ok);
  assert.equal(found.message, `The setting "imgc.path" is "/nowhere/imgc", but there is no such program.`);
});

test("a setting may be a name on the PATH", async () => {
  const found = await find("imgc-next", undefined, machine({ "/usr/bin/imgc-next": NEW }));
  assert.equal(found.ok && found.program, "/usr/bin/imgc-next");
});

test("what stands for something else in a setting is replaced", () => {
  const here = machine({});
  assert.equal(expand("~/bin/imgc", "/w", here), "/home/somebody/bin/imgc");
  assert.equal(expand("${workspaceFolder}/target/imgc", "/w", here), "/w/target/imgc");
  assert.equal(expand("${env:TOOLS}/imgc${env:NONE}", "/w", here), "/opt/tools/imgc");
  assert.equal(expand("/a~b/imgc", "/w", here), "/a~b/imgc");
  assert.equal(expand("${workspaceFolder}", "/w$&", here), "/w$&");
});

test("an old imgc is too old", async () => {
  const found = await find("", undefined, machine({ "/bin/imgc": "imgc v0.0.9\n" }));
  assert.ok(!found.ok);
  assert.equal(found.problem, "too-old");
  assert.equal(found.message, `"/bin/imgc" is imgc 0.0.9, which is too old: this extension needs 0.1.0 or newer.`);
});

test("another program of the name is not taken for imgc", async () => {
  const found = await find("", undefined, machine({ "/bin/imgc": "Image Corrector 5\n" }));
  assert.ok(!found.ok);
  assert.equal(found.problem, "strange");
  assert.match(found.message, /printed "Image Corrector 5"/);
});

test("a program that cannot be started says why", async () => {
  const found = await find("", undefined, machine({ "/bin/imgc": "throw spawn EACCES\nmore" }));
  assert.ok(!found.ok);
  assert.equal(found.message, `"/bin/imgc" could not be started: spawn EACCES`);
});

test("on Windows programs end in .exe and paths are Windows paths", async () => {
  const windows = machine(
    { "C:\\Tools\\imgc.exe": NEW },
    { platform: "win32", home: "C:\\Users\\somebody", environment: { Path: "C:\\Windows;C:\\Tools" } },
  );
  const found = await find("", undefined, windows);
  assert.equal(found.ok && found.program, "C:\\Tools\\imgc.exe");
});

test("versions are compared as numbers, and a pre-release is older than its release", () => {
  assert.ok(compareVersions("0.10.0", "0.9.9") > 0);
  assert.ok(compareVersions("1.0.0-rc.1", "1.0.0") < 0);
  assert.ok(compareVersions("1.0.1-rc.1", "1.0.0") > 0);
  assert.equal(compareVersions("1.2.3+build", "1.2.3"), 0);
});
