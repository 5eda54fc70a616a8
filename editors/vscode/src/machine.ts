// This machine, as `binary` asks for it.

import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import os from "node:os";
import { promisify } from "node:util";

import type { Machine } from "./binary";

const run = promisify(execFile);

export const thisMachine: Machine = {
  platform: process.platform,
  home: os.homedir(),
  environment: process.env,
  async isProgram(path) {
    try {
      await access(path, constants.X_OK);
      return (await stat(path)).isFile();
    } catch {
      return false;
    }
  },
  async output(program, args) {
    const { stdout } = await run(program, [...args], { timeout: 10_000, windowsHide: true });
    return stdout;
  },
};
