// Recorded time and shown time. When idle time is skipped, what comes after a pause in which nothing
// happened moves up: no pause is shown for longer than IDLE_SECONDS.

import { countWhile } from './ordered';

export const IDLE_SECONDS = 2;

/** A pause: from `from` on, recorded time does not count until something happens at `to`. */
interface Cut {
  from: number;
  to: number;
  removed: number; // seconds that are not shown, this pause and those before together
}

/** Translates between the two; times are seconds since the start. */
export class Timeline {
  private readonly cuts: Cut[] = [];
  private last = 0;

  /** Something happened at `time`, not before what was added earlier. */
  add(time: number): void {
    const from = this.last + IDLE_SECONDS;
    if (time > from) {
      const before = this.cuts.at(-1)?.removed ?? 0;
      this.cuts.push({ from, to: time, removed: before + time - from });
    }
    this.last = Math.max(this.last, time);
  }

  /** When the recorded moment is shown; within a skipped pause nothing moves. */
  shown(recorded: number): number {
    const index = countWhile(this.cuts, (each) => each.from < recorded) - 1;
    const cut = this.cuts[index];
    if (!cut) return recorded;
    if (recorded >= cut.to) return recorded - cut.removed;
    return cut.from - (this.cuts[index - 1]?.removed ?? 0);
  }

  /** The moment that is shown then; behind a skipped pause, not in front of it. */
  recorded(shown: number): number {
    const cut = this.cuts[countWhile(this.cuts, (each) => each.to - each.removed <= shown) - 1];
    return cut ? shown + cut.removed : shown;
  }
}
