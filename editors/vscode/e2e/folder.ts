// A folder on disk that a test may change: a copy of one of the fixtures, gone with the code-server it belongs to.

import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { places } from "./places";

export class Folder {
  constructor(
    readonly path: string,
    fixture: string,
  ) {
    mkdirSync(path, { recursive: true });
    cpSync(`${places.fixtures}/${fixture}`, path, { recursive: true });
  }

  /** A file as saved. */
  read(file: string): string {
    return readFileSync(path.join(this.path, file), "utf8");
  }

  has(file: string): boolean {
    return existsSync(path.join(this.path, file));
  }

  write(file: string, text: string, mode = 0o644): void {
    const target = path.join(this.path, file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, text, { mode });
  }

  /** Settings of the folder. */
  settings(settings: Readonly<Record<string, unknown>>): void {
    this.write(".vscode/settings.json", `${JSON.stringify(settings, undefined, 2)}\n`);
  }
}
