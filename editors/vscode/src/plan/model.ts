// What the language server says about a plan (docs/plan-json.md has all of it), as far as it is drawn.

/** A place in a file, with positions as in the protocol: from 0. */
export interface Place {
  readonly uri: string;
  readonly range: { readonly start: Position; readonly end: Position };
}

interface Position {
  readonly line: number;
  readonly character: number;
}

export interface Need {
  readonly step: string;
  readonly kind: "data" | "order";
}

export interface Step {
  readonly address: string;
  readonly build: string;
  readonly kind: string;
  readonly component: string | null;
  readonly options: Readonly<Record<string, unknown>>;
  readonly needs: readonly Need[];
  readonly undo: string | null;
  readonly limits: {
    readonly pause_before: number | null;
    readonly timeout: number | null;
    readonly max_retries: number;
    readonly continue_on_error: boolean;
  };
}

export interface Build {
  readonly address: string;
  readonly name: string;
  readonly builder: string;
  readonly communicator: string;
  readonly description: string | null;
  readonly options: Readonly<Record<string, unknown>>;
}

export interface Plan {
  readonly builds: readonly Build[];
  readonly steps: readonly Step[];
  readonly totals: { readonly builds: number; readonly steps: number; readonly artifacts: number };
}

/** The answer to the command `imgc.plan`. */
export interface PlanAnswer {
  /** The template: a directory, or a file that is one of its own. */
  readonly path: string;
  /** As `imgc plan` prints it. */
  readonly text: string;
  readonly plan: Plan;
  /** Where builds and steps are written, by address. */
  readonly places?: Readonly<Record<string, Place>>;
}

/** What the webview tells the extension. */
export type FromPage =
  { readonly type: "reveal"; readonly address: string } | { readonly type: "refresh" } | { readonly type: "problems" };
