// How two parts share their room, in percent of its width or height.

/** Beside each other (`row`) or one above the other (`column`). */
export type Direction = 'row' | 'column';

/** Where a divider starts, and how far it goes. */
export interface Bounds {
  start: number;
  least: number;
  most: number;
}

export const SPLIT: Bounds = { start: 46, least: 26, most: 74 }; // text and terminal
export const PANES: Bounds = { start: 50, least: 15, most: 85 }; // two terminals
const STEP = 2;
const LARGE_STEP = 10;

/** Keeps a share inside what is usable. */
export function clampShare(share: number, bounds = SPLIT): number {
  if (!Number.isFinite(share)) return bounds.start;
  return Math.min(bounds.most, Math.max(bounds.least, share));
}

/** The share after a key on the divider, or null when the key means nothing there. */
export function shareAfterKey(
  share: number,
  key: string,
  shift: boolean,
  bounds = SPLIT,
  direction: Direction = 'row',
): number | null {
  const step = shift ? LARGE_STEP : STEP;
  switch (key) {
    case direction === 'row' ? 'ArrowLeft' : 'ArrowUp':
      return clampShare(share - step, bounds);
    case direction === 'row' ? 'ArrowRight' : 'ArrowDown':
      return clampShare(share + step, bounds);
    case 'Home':
      return bounds.least;
    case 'End':
      return bounds.most;
    case 'Enter':
      return bounds.start;
    default:
      return null;
  }
}

/** The share when the divider is dragged to `at` in a room from `from`, `length` long. */
export function shareAtPointer(at: number, from: number, length: number, bounds = SPLIT): number {
  return clampShare(length > 0 ? (100 * (at - from)) / length : bounds.start, bounds);
}
