// Puts the steps of a plan on a page: a lane for each build, from top to bottom in the order of what waits for what. In: a
// plan. Out: boxes, lanes and lines in pixels. No drawing, so that it can be tested.
//
// Chains of steps are long and the panel beside a text is narrow, so they run downwards; lanes stand side by side as long
// as there is room.

import type { Build, Plan, Step } from "./model";

export interface Box {
  readonly step: Step;
  /** The step's address without its build's. */
  readonly title: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Lane {
  readonly build: Build;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Line {
  readonly from: string;
  readonly to: string;
  readonly kind: "data" | "order";
  /** A path in SVG's words. */
  readonly path: string;
}

export interface Layout {
  readonly lanes: readonly Lane[];
  readonly boxes: readonly Box[];
  readonly lines: readonly Line[];
  readonly width: number;
  readonly height: number;
}

const BOX = { width: 150, height: 44 };
const GAP = { x: 14, y: 20 };
const LANE = { padding: 16, header: 50, gap: 18, narrowest: 200, widestForName: 340 };
const MARGIN = 12;
/** No lane begins right of this, except the first of a band. */
const WIDEST = 900;
/** How far lines that pass boxes bow, and how much more for each box more. */
const BOW = { first: 4, more: 8, most: 44 };
/** About the width of a letter of a build's name. */
const LETTER = 7.5;

/** Lays a plan out. */
export function layOut(plan: Plan): Layout {
  const ranks = ranksOf(plan.steps);
  const boxes: Box[] = [];
  const lanes: Lane[] = [];
  let top = MARGIN;
  for (const band of bandsOf(plan, ranks)) {
    // Steps that wait for those of another lane of the band stand below them.
    const first = Math.min(...band.flatMap(({ steps }) => steps.map((step) => ranks.get(step.address) ?? 0)));
    let [left, bottom] = [MARGIN, top];
    for (const { build, steps, slots, width } of band) {
      let height = LANE.header + LANE.padding;
      for (const step of steps) {
        const row = (ranks.get(step.address) ?? 0) - first;
        const x = left + LANE.padding + (slots.get(step.address) ?? 0) * (BOX.width + GAP.x);
        const y = top + LANE.header + row * (BOX.height + GAP.y);
        boxes.push({ step, title: titleOf(step, build), x, y, ...BOX });
        height = Math.max(height, y - top + BOX.height + LANE.padding);
      }
      lanes.push({ build, x: left, y: top, width, height });
      left += width + LANE.gap;
      bottom = Math.max(bottom, top + height);
    }
    top = bottom + LANE.gap;
  }
  return {
    lanes,
    boxes,
    lines: linesOf(plan.steps, boxes, ranks),
    width: Math.max(0, ...lanes.map((lane) => lane.x + lane.width)) + MARGIN,
    height: Math.max(top - LANE.gap, 0) + MARGIN,
  };
}

/** How many steps stand above each step: one more than above the last it waits for. Steps stand after what they need. */
function ranksOf(steps: readonly Step[]): Map<string, number> {
  const ranks = new Map<string, number>();
  for (const step of steps) {
    const before = step.needs.map((need) => ranks.get(need.step) ?? -1);
    ranks.set(step.address, Math.max(-1, ...before) + 1);
  }
  return ranks;
}

/** A lane before it has a place. */
interface Strip {
  readonly build: Build;
  readonly steps: readonly Step[];
  /** Where each step stands among those of its rank. */
  readonly slots: ReadonlyMap<string, number>;
  readonly width: number;
}

/** The lanes, as many side by side as there is room for. */
function bandsOf(plan: Plan, ranks: ReadonlyMap<string, number>): Strip[][] {
  const byBuild = new Map<string, Step[]>(plan.builds.map((build) => [build.address, []]));
  for (const step of plan.steps) byBuild.get(step.build)?.push(step);
  const bands: Strip[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const build of plan.builds) {
    const steps = byBuild.get(build.address) ?? [];
    const slots = slotsOf(steps, ranks);
    const count = Math.max(1, ...[...slots.values()].map((slot) => slot + 1));
    const content = count * (BOX.width + GAP.x) - GAP.x + bowOf(steps, ranks);
    const name = Math.min(build.name.length * LETTER, LANE.widestForName);
    const width = Math.max(LANE.narrowest, Math.ceil(Math.max(content, name)) + 2 * LANE.padding);
    if (used + width > WIDEST) {
      bands.push([]);
      used = 0;
    }
    bands.at(-1)?.push({ build, steps, slots, width });
    used += width + LANE.gap;
  }
  return bands;
}

/** The slot of each step in its lane: the first that is free at its rank. */
function slotsOf(steps: readonly Step[], ranks: ReadonlyMap<string, number>): Map<string, number> {
  const taken = new Map<number, number>();
  const slots = new Map<string, number>();
  for (const step of steps) {
    const rank = ranks.get(step.address) ?? 0;
    const slot = taken.get(rank) ?? 0;
    slots.set(step.address, slot);
    taken.set(rank, slot + 1);
  }
  return slots;
}

/** The room that lines passing boxes need in a lane. */
function bowOf(steps: readonly Step[], ranks: ReadonlyMap<string, number>): number {
  const own = new Set(steps.map((step) => step.address));
  const spans = steps.flatMap((step) =>
    step.needs.filter((need) => own.has(need.step)).map((need) => spanOf(need.step, step.address, ranks)),
  );
  const widest = Math.max(0, ...spans);
  return widest > 1 ? bow(widest) : 0;
}

function spanOf(from: string, to: string, ranks: ReadonlyMap<string, number>): number {
  return (ranks.get(to) ?? 0) - (ranks.get(from) ?? 0);
}

/** How far beside its boxes a line over so many ranks passes. */
function bow(ranks: number): number {
  return Math.min(BOW.first + BOW.more * ranks, BOW.most);
}

function linesOf(steps: readonly Step[], boxes: readonly Box[], ranks: ReadonlyMap<string, number>): Line[] {
  const byAddress = new Map(boxes.map((box) => [box.step.address, box]));
  return steps.flatMap((step) =>
    step.needs.flatMap((need) => {
      const [from, to] = [byAddress.get(need.step), byAddress.get(step.address)];
      if (!from || !to) return [];
      const path = pathOf(from, to, spanOf(need.step, step.address, ranks));
      return [{ from: need.step, to: step.address, kind: need.kind, path }];
    }),
  );
}

function pathOf(from: Box, to: Box, ranks: number): string {
  if (from.x === to.x && ranks > 1) {
    // Past other boxes of the column: from the right side to the right side.
    const x = from.x + from.width;
    const far = x + bow(ranks);
    const [y1, y2] = [from.y + from.height - 12, to.y + 12];
    return `M ${x} ${y1} C ${far} ${y1 + 4}, ${far} ${y1 + 12}, ${far} ${y1 + 24} L ${far} ${y2 - 24} C ${far} ${y2 - 12}, ${far} ${y2 - 4}, ${x + 1} ${y2}`;
  }
  const [x1, y1] = [from.x + from.width / 2, from.y + from.height];
  const [x2, y2] = [to.x + to.width / 2, to.y];
  const half = Math.max(GAP.y / 2, (y2 - y1) / 2);
  return `M ${x1} ${y1} C ${x1} ${y1 + half}, ${x2} ${y2 - half}, ${x2} ${y2 - 1}`;
}

function titleOf(step: Step, build: Build): string {
  const own = step.address.startsWith(`${build.address}.`);
  return own ? step.address.slice(build.address.length + 1) : step.address;
}
