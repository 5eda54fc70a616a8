// A workspace's problems in one sentence.

/** The answer to `workspace/diagnostic`, as far as it is counted. */
export interface WorkspaceReport {
  readonly items: readonly { readonly kind: string; readonly items?: readonly { readonly severity?: number }[] }[];
}

/** Counts errors and warnings. */
export function summarise(report: WorkspaceReport): { message: string; isClean: boolean } {
  const problems = report.items.flatMap((file) => file.items ?? []);
  const errors = problems.filter((problem) => (problem.severity ?? 1) === 1).length;
  const warnings = problems.filter((problem) => problem.severity === 2).length;
  const files = report.items.filter((file) =>
    (file.items ?? []).some((problem) => (problem.severity ?? 1) <= 2),
  ).length;
  if (errors + warnings === 0) return { message: "No problems in the templates of this workspace.", isClean: true };
  const parts = [errors > 0 ? count(errors, "error") : "", warnings > 0 ? count(warnings, "warning") : ""];
  return { message: `${parts.filter(Boolean).join(" and ")} in ${count(files, "file")}.`, isClean: false };
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}
