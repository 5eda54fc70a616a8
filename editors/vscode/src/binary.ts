// Finds the program `imgc` and asks for its version. In: the setting, the environment, a few doors to the machine. Out:
// the program, or why there is none, in words for people. Knows nothing of the editor.

import path from "node:path";

/** The oldest imgc this extension works with. */
export const OLDEST = "0.1.0";

/** What is asked of the machine. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly home: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Whether a path is a file that can be started. */
  isProgram(path: string): Promise<boolean>;
  /** Starts a program; gives its standard output, or throws. */
  output(program: string, args: readonly string[]): Promise<string>;
}

export type Problem = "missing" | "not-started" | "strange" | "too-old";

/** The program, or why it cannot be used. */
export type Found =
  | { readonly ok: true; readonly program: string; readonly version: string }
  | { readonly ok: false; readonly problem: Problem; readonly message: string };

/** Finds imgc: the one of the setting and no other where there is a setting, else on the PATH or in a usual place. */
export async function find(setting: string, folder: string | undefined, machine: Machine): Promise<Found> {
  const wanted = expand(setting.trim(), folder, machine);
  if (wanted) {
    const isPath = /[\\/]/.test(wanted);
    const program = isPath ? await existing([wanted], machine) : await onPath(wanted, machine);
    if (!program) {
      const where = isPath ? "there is no such program" : "no program of this name is on the PATH";
      return failed("missing", `The setting "imgc.path" is "${setting}", but ${where}.`);
    }
    return version(program, machine);
  }
  const program = (await onPath("imgc", machine)) ?? (await existing(usualPlaces(machine), machine));
  if (!program) {
    const message = `There is no program "imgc" on the PATH. Templates are coloured, but not checked. Install imgc, or say where it is.`;
    return failed("missing", message);
  }
  return version(program, machine);
}

/** Replaces `~`, `${workspaceFolder}`, `${userHome}` and `${env:NAME}`. */
export function expand(setting: string, folder: string | undefined, machine: Machine): string {
  return setting
    .replace(/^~(?=$|[\\/])/, () => machine.home)
    .replace(/\$\{workspaceFolder\}/g, () => folder ?? "")
    .replace(/\$\{userHome\}/g, () => machine.home)
    .replace(/\$\{env:([^}]+)\}/g, (_, name: string) => machine.environment[name] ?? "");
}

/** Compares versions by their three numbers: negative where the first is older. A pre-release is older than its release. */
export function compareVersions(one: string, other: string): number {
  const [left, right] = [numbers(one), numbers(other)];
  for (let index = 0; index < 3; index += 1) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return Number(other.includes("-")) - Number(one.includes("-"));
}

function numbers(version: string): number[] {
  return version
    .replace(/[-+].*$/, "")
    .split(".")
    .map(Number);
}

async function version(program: string, machine: Machine): Promise<Found> {
  let printed: string;
  try {
    printed = await machine.output(program, ["version"]);
  } catch (error) {
    const reason = error instanceof Error ? error.message.trim().split("\n")[0] : String(error);
    return failed("not-started", `"${program}" could not be started: ${reason}`);
  }
  const found = /^imgc v?(\d+\.\d+\.\d+\S*)/m.exec(printed)?.[1];
  if (!found) {
    const line = printed.trim().split("\n")[0]?.slice(0, 80) ?? "";
    return failed("strange", `"${program}" is not imgc: asked for its version, it printed "${line}".`);
  }
  if (compareVersions(found, OLDEST) < 0) {
    const message = `"${program}" is imgc ${found}, which is too old: this extension needs ${OLDEST} or newer.`;
    return failed("too-old", message);
  }
  return { ok: true, program, version: found };
}

function failed(problem: Problem, message: string): Found {
  return { ok: false, problem, message };
}

async function onPath(name: string, machine: Machine): Promise<string | undefined> {
  const isWindows = machine.platform === "win32";
  const paths = (machine.environment.PATH ?? machine.environment.Path ?? "").split(isWindows ? ";" : ":");
  const words = isWindows ? path.win32 : path.posix;
  return existing(
    paths.filter(Boolean).map((directory) => words.join(directory, name)),
    machine,
  );
}

/** Where programs are that a desktop's PATH often does not have. */
function usualPlaces(machine: Machine): string[] {
  if (machine.platform === "win32") return [path.win32.join(machine.home, ".cargo", "bin", "imgc")];
  const local = [".cargo/bin", ".local/bin"].map((directory) => path.posix.join(machine.home, directory));
  return [...local, "/usr/local/bin", "/opt/homebrew/bin"].map((directory) => path.posix.join(directory, "imgc"));
}

async function existing(programs: readonly string[], machine: Machine): Promise<string | undefined> {
  const endings = machine.platform === "win32" ? ["", ".exe", ".cmd"] : [""];
  for (const program of programs) {
    for (const ending of endings) {
      if (await machine.isProgram(program + ending)) return program + ending;
    }
  }
  return undefined;
}
