// Plays the events of a cast on a screen: its own clock, so that speed, skipping and the moment can
// change at any time without the screen being made anew, and a recording may grow while it plays.

import { lengthOf, type CastEvent, type Size } from './cast';
import { countWhile } from './ordered';
import { Timeline } from './timeline';

/** What draws. Texts are fed to a terminal in the order in which they come. */
export interface PlaybackScreen {
  /** Empties the screen and gives it a size. */
  reset(size: Size): void;
  output(texts: string[]): void;
  resize(size: Size): void;
  /** The playback moves by itself, or no longer. */
  moving(moves: boolean): void;
}

export interface PlaybackParts {
  /** Milliseconds of a clock that does not go back. */
  now(): number;
  /** Calls `action` once; the answer takes it back. */
  later(action: () => void, milliseconds: number): () => void;
  /** Something of the playback is different; not called for the time that passes. */
  changed(): void;
}

/** `following`: what happens in a live recording is shown as it comes. */
export type PlaybackMode = 'paused' | 'playing' | 'following';

export const SPEEDS = [0.5, 1, 2, 4, 8] as const;

const FRAME_MILLISECONDS = 16;
const LONGEST_WAIT_MILLISECONDS = 60_000; // a timer that waits for weeks fires at once

/** The playback of one cast, from its first moment on. */
export class Playback {
  private readonly timeline = new Timeline();
  private readonly redraws: number[] = []; // indexes of the `screen` events
  private screen: PlaybackScreen | null = null;
  private cursor = 0; // the event that is drawn next
  private position = 0; // recorded seconds, while it stands still
  private anchor = { shown: 0, at: 0 }; // while it plays
  private stopTimer: () => void = () => undefined;
  private nowMode: PlaybackMode = 'paused';
  private nowSpeed = 1;
  private nowSkips = true;
  private nowLive = false;

  constructor(
    private readonly events: CastEvent[],
    private readonly size: Size,
    private readonly parts: PlaybackParts,
  ) {
    events.forEach((event, index) => this.note(event, index));
  }

  get mode(): PlaybackMode {
    return this.nowMode;
  }

  get speed(): number {
    return this.nowSpeed;
  }

  get skipsIdle(): boolean {
    return this.nowSkips;
  }

  /** Whether more is coming. */
  get isLive(): boolean {
    return this.nowLive;
  }

  /** Recorded seconds. */
  get duration(): number {
    return lengthOf(this.events);
  }

  /** The moment that is on the screen, in recorded seconds. */
  get time(): number {
    if (this.nowMode === 'following') return this.duration;
    if (this.nowMode === 'paused') return this.position;
    return Math.min(this.recorded(this.shownNow()), this.duration);
  }

  /** Where a recorded moment stands on the way from start to end, as the student sees it. */
  shown(recorded: number): number {
    return this.nowSkips ? this.timeline.shown(recorded) : recorded;
  }

  /** The opposite of `shown`. */
  recorded(shown: number): number {
    return this.nowSkips ? this.timeline.recorded(shown) : shown;
  }

  /** Draws on `screen` from now on. */
  attach(screen: PlaybackScreen): void {
    this.screen = screen;
    this.redraw();
    screen.moving(this.nowMode !== 'paused');
  }

  /** Ends every timer; nothing is drawn any more. */
  detach(): void {
    this.stopTimer();
    this.screen = null;
  }

  /** Draws what is on the screen once more. */
  redraw(): void {
    const drawn = this.cursor;
    this.rewind(drawn);
    this.draw(drawn);
  }

  play(): void {
    if (this.nowMode !== 'paused') return;
    const atEnd = this.position >= this.duration && this.cursor === this.events.length;
    if (atEnd && this.nowLive) {
      this.follow();
      return;
    }
    if (atEnd) this.seek(0);
    this.start(this.position);
    this.enter('playing');
    this.tick();
  }

  pause(): void {
    if (this.nowMode === 'paused') return;
    this.position = this.time;
    this.enter('paused');
  }

  toggle(): void {
    if (this.nowMode === 'paused') this.play();
    else this.pause();
  }

  /** Shows a moment, in recorded seconds; goes on playing when it did, and follows no longer. */
  seek(recorded: number): void {
    const time = Math.min(Math.max(recorded, 0), this.duration);
    this.drawAt(time);
    this.position = time;
    if (this.nowMode !== 'playing') {
      this.enter('paused');
      return;
    }
    this.start(time);
    this.tick();
    this.parts.changed();
  }

  setSpeed(speed: number): void {
    const { time } = this;
    this.nowSpeed = speed;
    this.restart(time);
  }

  setSkipsIdle(skips: boolean): void {
    const { time } = this;
    this.nowSkips = skips;
    this.restart(time);
  }

  /** A live recording went on. */
  append(event: CastEvent): void {
    const placed = { ...event, time: Math.max(event.time, this.duration) };
    const wasAtEnd = this.nowMode === 'playing' && this.cursor === this.events.length;
    this.events.push(placed);
    this.note(placed, this.events.length - 1);
    if (this.nowMode === 'following') this.draw(this.events.length);
    else if (wasAtEnd) this.tick();
  }

  /** Whether more is coming; what is followed stops at its last moment when nothing is. */
  setLive(isLive: boolean): void {
    this.nowLive = isLive;
    if (!isLive && this.nowMode === 'following') this.pause();
    this.parts.changed();
  }

  /** Shows a live recording as it goes on. */
  follow(): void {
    if (!this.nowLive) return;
    this.drawAt(this.duration);
    this.enter('following');
  }

  private note(event: CastEvent, index: number): void {
    if (event.kind !== 'marker' && event.kind !== 'entered') this.timeline.add(event.time);
    if (event.kind === 'screen') this.redraws.push(index);
  }

  private start(recorded: number): void {
    this.anchor = { shown: this.shown(recorded), at: this.parts.now() };
  }

  private restart(recorded: number): void {
    if (this.nowMode === 'playing') {
      this.start(recorded);
      this.tick();
    }
    this.parts.changed();
  }

  private shownNow(): number {
    return this.anchor.shown + ((this.parts.now() - this.anchor.at) / 1000) * this.nowSpeed;
  }

  private enter(mode: PlaybackMode): void {
    this.stopTimer();
    this.nowMode = mode;
    this.screen?.moving(mode !== 'paused');
    this.parts.changed();
  }

  /** Draws what is due, and comes back when more is. */
  private tick(): void {
    this.stopTimer();
    const shown = this.shownNow();
    let end = this.cursor;
    let next = this.events[end];
    while (next && this.shown(next.time) <= shown) {
      end += 1;
      next = this.events[end];
    }
    this.draw(end);
    if (next) {
      const wait = ((this.shown(next.time) - shown) / this.nowSpeed) * 1000;
      this.stopTimer = this.parts.later(
        () => this.tick(),
        Math.min(Math.max(wait, FRAME_MILLISECONDS), LONGEST_WAIT_MILLISECONDS),
      );
    } else if (this.nowLive) {
      this.enter('following');
    } else {
      this.position = this.duration;
      this.enter('paused');
    }
  }

  /** Draws the screen as it is at a moment: on from what is drawn, when that comes before. */
  private drawAt(time: number): void {
    const end = countWhile(this.events, (event) => event.time <= time);
    if (end < this.cursor || this.redrawBefore(end) > this.cursor) this.rewind(end);
    this.draw(end);
  }

  /** Begins again where the last redraw before `end` is, or at the start. */
  private rewind(end: number): void {
    this.cursor = this.redrawBefore(end);
    this.screen?.reset(this.size);
  }

  private redrawBefore(end: number): number {
    return this.redraws[countWhile(this.redraws, (index) => index < end) - 1] ?? 0;
  }

  /** Draws the events from the cursor to `end`, output in one go. */
  private draw(end: number): void {
    let texts: string[] = [];
    const flush = () => {
      if (texts.length > 0) this.screen?.output(texts);
      texts = [];
    };
    for (; this.cursor < end; this.cursor += 1) {
      const event = this.events[this.cursor];
      if (event?.kind === 'output') texts.push(event.text);
      else if (event?.kind === 'resize') {
        flush();
        this.screen?.resize({ cols: event.cols, rows: event.rows });
      } else if (event?.kind === 'screen') {
        texts = [event.text];
        this.screen?.reset({ cols: event.cols, rows: event.rows });
      }
    }
    flush();
  }
}
