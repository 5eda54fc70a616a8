// The page of the plan's panel. In: what is known about the plan, and the panel's addresses. Out: HTML under a policy that
// allows our style sheet and our script and nothing else.

import { describeBuild, describeStep, drawGraph, escape } from "./drawing";
import { layOut } from "./layout";
import type { PlanAnswer } from "./model";

/** What the panel has to show. */
export type Shown =
  | { readonly is: "waiting" }
  | { readonly is: "plan"; readonly answer: PlanAnswer; readonly only: readonly string[] }
  | { readonly is: "failure"; readonly message: string };

/** Where the page takes things from. */
export interface Addresses {
  readonly csp: string;
  readonly style: string;
  readonly script: string;
  readonly nonce: string;
}

/** The page. */
export function page(title: string, shown: Shown, addresses: Addresses): string {
  const policy = `default-src 'none'; style-src ${addresses.csp}; script-src 'nonce-${addresses.nonce}'`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escape(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${escape(addresses.style)}">
<title>${escape(title)}</title>
</head>
<body>
${content(title, shown)}
<script nonce="${escape(addresses.nonce)}" src="${escape(addresses.script)}"></script>
</body>
</html>
`;
}

function content(title: string, shown: Shown): string {
  switch (shown.is) {
    case "waiting":
      return `<p class="note" role="status">Making the plan…</p>`;
    case "failure":
      return (
        `<div class="failure" role="alert"><h1>There is no plan of ${escape(title)}</h1><pre>${escape(shown.message)}</pre>` +
        `<p><button data-action="problems">Show problems</button> <button data-action="refresh">Try again</button></p></div>`
      );
    case "plan":
      return plan(title, shown.answer, shown.only);
  }
}

function plan(title: string, answer: PlanAnswer, only: readonly string[]): string {
  const { totals, builds, steps } = answer.plan;
  const counts = [count(totals.builds, "build"), count(totals.steps, "step"), count(totals.artifacts, "artifact")];
  const part = only.length > 0 ? `<span class="only">only ${escape(only.join(", "))}</span>` : "";
  const details = [
    ...builds.map((build) => section(build.address, describeBuild(build))),
    ...steps.map((step) => section(step.address, describeStep(step))),
  ];
  return `<header>
<div class="title"><h1>${escape(title)}</h1><span class="totals">${counts.join(", ")}</span>${part}</div>
<div class="tools" role="toolbar" aria-label="View">
<button data-action="graph" aria-pressed="true">Graph</button><button data-action="text" aria-pressed="false">Text</button>
<button data-action="smaller" title="Smaller" aria-label="Smaller">−</button><button data-action="fit" title="Fit the width">Fit</button><button data-action="larger" title="Larger" aria-label="Larger">+</button>
<button data-action="refresh">Refresh</button>
</div>
</header>
<div class="columns">
<main class="graph-view">
<div class="canvas">${drawGraph(layOut(answer.plan))}</div>
<p class="legend"><span><svg width="44" height="10" aria-hidden="true"><path class="line data" d="M 0 5 L 40 5"/></svg> uses an output</span>
<span><svg width="44" height="10" aria-hidden="true"><path class="line order" d="M 0 5 L 40 5"/></svg> only comes after</span>
<span class="hint">Choose a step to see where it is written.</span></p>
</main>
<pre class="text-view" hidden>${escape(answer.text)}</pre>
<aside class="details" aria-live="polite">${details.join("")}</aside>
</div>`;
}

function section(address: string, html: string): string {
  return `<section data-about="${escape(address)}" hidden>${html}</section>`;
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}
