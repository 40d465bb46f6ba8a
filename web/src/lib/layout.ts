// Which terminals are shown at once, and how they share the room: a terminal, or a room divided
// into two layouts. Everything is a plain value; what memory holds is parsed as if it were hostile.

import { clampShare, PANES, type Direction } from './split';
import { isTerminalName } from './tabs';

export const MAX_PANES = 4;

/** Two layouts in one room; the first one has `share` percent of it. */
export interface Split {
  direction: Direction;
  share: number;
  parts: readonly [Layout, Layout];
}

/** A terminal by its name, each at most once, or a divided room. */
export type Layout = string | Split;

/** A rectangle in percent of the whole room. */
export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Where two parts meet; `path` names the split by the parts that lead to it, as `0` and `1`. */
export interface Seam {
  path: string;
  direction: Direction;
  share: number;
  /** The room that is divided. */
  box: Box;
  /** What is on either side, to name the divider. */
  between: readonly [string, string];
}

/** Where everything of a layout is. */
export interface Placing {
  panes: ReadonlyMap<string, Box>;
  seams: readonly Seam[];
}

export const WHOLE: Box = { left: 0, top: 0, width: 100, height: 100 };

/** The terminals of a layout, from left to right and from top to bottom. */
export function shownIn(layout: Layout): string[] {
  return typeof layout === 'string' ? [layout] : layout.parts.flatMap(shownIn);
}

/** `added` beside or below `at`, in half of its room; from wherever else it was, it moves. */
export function splitAt(layout: Layout, at: string, direction: Direction, added: string): Layout {
  const rest = added === at ? layout : without(layout, added);
  if (rest === null || added === at) return layout;
  return mapped(rest, (name) =>
    name === at ? { direction, share: PANES.start, parts: [name, added] } : name,
  );
}

/** `shown` where `hidden` was. */
export function exchanged(layout: Layout, hidden: string, shown: string): Layout {
  return mapped(layout, (name) => (name === hidden ? shown : name));
}

/** The layout with nothing but what `keeps` keeps, the rest having its room; null: nothing. */
export function only(layout: Layout, keeps: (name: string) => boolean): Layout | null {
  if (typeof layout === 'string') return keeps(layout) ? layout : null;
  const first = only(layout.parts[0], keeps);
  const second = only(layout.parts[1], keeps);
  if (first === null || second === null) return first ?? second;
  return { ...layout, parts: [first, second] };
}

/** The layout without one terminal. */
export function without(layout: Layout, gone: string): Layout | null {
  return only(layout, (name) => name !== gone);
}

/** The layout with another share at the split of that path. */
export function withShare(layout: Layout, path: string, share: number): Layout {
  if (typeof layout === 'string') return layout;
  if (path === '') return { ...layout, share: clampShare(share, PANES) };
  const [first, second] = layout.parts;
  const parts: Split['parts'] =
    path[0] === '0'
      ? [withShare(first, path.slice(1), share), second]
      : [first, withShare(second, path.slice(1), share)];
  return { ...layout, parts };
}

/** Where each terminal and each divider is. */
export function placed(layout: Layout): Placing {
  const panes = new Map<string, Box>();
  const seams: Seam[] = [];
  place(layout, WHOLE, '', panes, seams);
  return { panes, seams };
}

/** A layout from a value of any kind; null when it is none. */
export function parseLayout(value: unknown): Layout | null {
  const names = new Set<string>();
  const layout = parsed(value, names, MAX_PANES);
  return layout !== null && names.size <= MAX_PANES ? layout : null;
}

function mapped(layout: Layout, change: (name: string) => Layout): Layout {
  if (typeof layout === 'string') return change(layout);
  const [first, second] = layout.parts;
  return { ...layout, parts: [mapped(first, change), mapped(second, change)] };
}

function place(
  layout: Layout,
  box: Box,
  path: string,
  panes: Map<string, Box>,
  seams: Seam[],
): void {
  if (typeof layout === 'string') {
    panes.set(layout, box);
    return;
  }
  const { direction, share, parts } = layout;
  const [first, second] = parts;
  const [before, after] = divided(box, direction, share);
  const between = [shownIn(first).at(-1) ?? '', shownIn(second)[0] ?? ''] as const;
  seams.push({ path, direction, share, box, between });
  place(first, before, `${path}0`, panes, seams);
  place(second, after, `${path}1`, panes, seams);
}

function divided(box: Box, direction: Direction, share: number): [Box, Box] {
  if (direction === 'row') {
    const width = (box.width * share) / 100;
    return [
      { ...box, width },
      { ...box, left: box.left + width, width: box.width - width },
    ];
  }
  const height = (box.height * share) / 100;
  return [
    { ...box, height },
    { ...box, top: box.top + height, height: box.height - height },
  ];
}

function parsed(value: unknown, names: Set<string>, depth: number): Layout | null {
  if (isTerminalName(value) && !names.has(value)) {
    names.add(value);
    return value;
  }
  if (depth === 0 || typeof value !== 'object' || value === null) return null;
  const { direction, share, parts } = value as Partial<Record<keyof Split, unknown>>;
  if (direction !== 'row' && direction !== 'column') return null;
  if (!Array.isArray(parts) || parts.length !== 2) return null;
  const first = parsed(parts[0], names, depth - 1);
  const second = parsed(parts[1], names, depth - 1);
  if (first === null || second === null) return null;
  const percent = typeof share === 'number' ? share : PANES.start;
  return { direction, share: clampShare(percent, PANES), parts: [first, second] };
}
