// The moments at which a line was entered: all of it is on the screen, and nothing of what it did.
//
// When Enter is pressed, the last keys may not be on the screen yet, and what a quick command prints is
// often recorded in one piece with the end of its line. So that piece is parted there.

import type { CastEvent } from './cast';

const ECHO_SECONDS = 0.5; // between Enter and the end of the line on the screen, at most
const APART_SECONDS = 0.0005; // recorders round to more than this

/** Finds them while events come by, in their order. */
export class EnteredFinder {
  private pressed: number | null = null;
  private earliest = 0;

  /** The same event, or what it is parted into with an `entered` in between. */
  take(event: CastEvent): CastEvent[] {
    const placed = event.time < this.earliest ? { ...event, time: this.earliest } : event;
    if (placed.kind === 'input' && /[\r\n]/.test(placed.text)) this.pressed = placed.time;
    if (placed.kind !== 'output' || this.pressed === null) return [placed];
    const { time, text } = placed;
    const end = time - this.pressed <= ECHO_SECONDS ? text.search(/\r?\n/) : -1;
    if (end < 0) return [placed];
    this.pressed = null;
    this.earliest = time + APART_SECONDS;
    return [
      ...(end > 0 ? [{ ...placed, text: text.slice(0, end) }] : []),
      { time, kind: 'entered' },
      { ...placed, time: this.earliest, text: text.slice(end) },
    ];
  }
}
