import { beforeEach, describe, expect, it } from 'vitest';
import type { CastEvent, Size } from './cast';
import { Playback, type PlaybackScreen } from './playback';

/** Time that passes when the test says so. */
class Clock {
  milliseconds = 1000;
  private timers: { due: number; action: () => void }[] = [];

  later(action: () => void, milliseconds: number): () => void {
    const timer = { due: this.milliseconds + milliseconds, action };
    this.timers.push(timer);
    return () => (this.timers = this.timers.filter((each) => each !== timer));
  }

  pass(seconds: number): void {
    const end = this.milliseconds + seconds * 1000;
    for (;;) {
      const next = this.timers.filter((each) => each.due <= end).sort((a, b) => a.due - b.due)[0];
      if (!next) break;
      this.timers = this.timers.filter((each) => each !== next);
      this.milliseconds = Math.max(this.milliseconds, next.due);
      next.action();
    }
    this.milliseconds = end;
  }

  get waiting(): number {
    return this.timers.length;
  }
}

/** Keeps what a terminal would have been fed since it was last emptied. */
class FakeScreen implements PlaybackScreen {
  text = '';
  size: Size = { cols: 0, rows: 0 };
  resets = 0;
  moves = false;

  reset(size: Size): void {
    this.text = '';
    this.size = size;
    this.resets += 1;
  }

  output(texts: string[]): void {
    this.text += texts.join('');
  }

  resize(size: Size): void {
    this.size = size;
  }

  moving(moves: boolean): void {
    this.moves = moves;
  }
}

const SIZE = { cols: 80, rows: 24 };
let clock: Clock;
let screen: FakeScreen;

const said = (time: number, text: string): CastEvent => ({ time, kind: 'output', text });

function make(...events: CastEvent[]): Playback {
  const playback = new Playback(events, SIZE, {
    now: () => clock.milliseconds,
    later: (action, milliseconds) => clock.later(action, milliseconds),
    changed: () => undefined,
  });
  playback.attach(screen);
  return playback;
}

beforeEach(() => {
  clock = new Clock();
  screen = new FakeScreen();
});

describe('a playback', () => {
  it('begins with an empty screen and stands still', () => {
    const playback = make(said(0.5, 'a'));
    clock.pass(5);
    expect(screen.text).toBe('');
    expect(screen.size).toEqual(SIZE);
    expect(playback.time).toBe(0);
    expect(screen.moves).toBe(false);
  });

  it('shows what was recorded when it was recorded, and stops at the end', () => {
    const playback = make(said(0.5, 'a'), said(1, 'b'), said(1.5, 'c'));
    playback.play();
    clock.pass(0.6);
    expect(screen.text).toBe('a');
    expect(playback.time).toBeCloseTo(0.6);
    clock.pass(0.5);
    expect(screen.text).toBe('ab');
    clock.pass(5);
    expect(screen.text).toBe('abc');
    expect(playback.mode).toBe('paused');
    expect(playback.time).toBe(1.5);
    expect(clock.waiting).toBe(0);
  });

  it('begins again from the end', () => {
    const playback = make(said(0.5, 'a'), said(1, 'b'));
    playback.seek(1);
    expect(screen.text).toBe('ab');
    playback.play();
    expect(screen.text).toBe('');
    clock.pass(0.7);
    expect(screen.text).toBe('a');
  });

  it('pauses and goes on where it was', () => {
    const playback = make(said(1, 'a'), said(2, 'b'));
    playback.play();
    clock.pass(1.5);
    playback.toggle();
    clock.pass(60);
    expect(playback.time).toBeCloseTo(1.5);
    expect(screen.text).toBe('a');
    playback.toggle();
    clock.pass(0.4);
    expect(screen.text).toBe('a');
    clock.pass(0.2);
    expect(screen.text).toBe('ab');
  });

  it('shows any moment, forwards without drawing everything again', () => {
    const playback = make(said(1, 'a'), said(2, 'b'), said(3, 'c'));
    const before = screen.resets;
    playback.seek(2.5);
    expect(screen.text).toBe('ab');
    playback.seek(3);
    expect(screen.text).toBe('abc');
    expect(screen.resets).toBe(before);
    playback.seek(1);
    expect(screen.text).toBe('a');
    playback.seek(-5);
    expect([screen.text, playback.time]).toEqual(['', 0]);
    playback.seek(99);
    expect([screen.text, playback.time]).toEqual(['abc', 3]);
  });

  it('goes on playing from a chosen moment', () => {
    const playback = make(said(1, 'a'), said(2, 'b'), said(3, 'c'), said(3.5, 'd'));
    playback.play();
    clock.pass(1.5);
    playback.seek(2.8);
    clock.pass(0.3);
    expect([screen.text, playback.mode]).toEqual(['abc', 'playing']);
  });

  it('has a speed, which may change while it plays', () => {
    const playback = make(said(2, 'a'), said(4, 'b'), said(6, 'c'));
    playback.setSkipsIdle(false);
    playback.setSpeed(4);
    playback.play();
    clock.pass(0.6);
    expect(screen.text).toBe('a');
    playback.setSpeed(0.5);
    expect(playback.time).toBeCloseTo(2.4);
    clock.pass(3);
    expect(screen.text).toBe('a');
    clock.pass(0.3);
    expect(screen.text).toBe('ab');
  });

  it('skips idle time, and does not when it shall not', () => {
    const playback = make(said(1, 'a'), said(601, 'b'), said(602, 'c'));
    expect(playback.shown(602)).toBe(4);
    playback.play();
    clock.pass(2.9);
    expect(screen.text).toBe('a');
    clock.pass(0.2);
    expect(screen.text).toBe('ab');
    expect(playback.time).toBeCloseTo(601.1);
    playback.seek(2);
    playback.setSkipsIdle(false);
    expect(playback.shown(602)).toBe(602);
    clock.pass(590);
    expect(screen.text).toBe('a');
    clock.pass(9.5);
    expect(screen.text).toBe('ab');
  });

  it('asks for no timer longer than a browser keeps', () => {
    const playback = make(said(1e8, 'a'));
    playback.setSkipsIdle(false);
    playback.play();
    clock.pass(3600);
    expect(playback.time).toBeCloseTo(3600, 0);
    expect(clock.waiting).toBe(1);
  });

  it('gives the terminal its sizes in between', () => {
    const playback = make(said(1, 'a'), { time: 2, kind: 'resize', cols: 40, rows: 10 });
    playback.seek(2);
    expect(screen.size).toEqual({ cols: 40, rows: 10 });
    playback.seek(1);
    expect(screen.size).toEqual(SIZE);
  });

  it('draws anew for a screen that changed its looks', () => {
    const playback = make(said(1, 'a'), said(2, 'b'));
    playback.seek(1.5);
    screen.text = 'spoilt';
    playback.redraw();
    expect([screen.text, playback.time]).toEqual(['a', 1.5]);
  });

  it('of a cast without events plays nothing', () => {
    const playback = make();
    playback.play();
    expect([playback.mode, playback.time, playback.duration]).toEqual(['paused', 0, 0]);
  });

  it('asks for nothing after it was let go', () => {
    const playback = make(said(1, 'a'));
    playback.play();
    playback.detach();
    expect(clock.waiting).toBe(0);
  });
});

describe('a live recording', () => {
  const drawn = (time: number, text: string): CastEvent => ({
    time,
    kind: 'screen',
    text,
    cols: 70,
    rows: 20,
  });

  it('is followed: what comes is shown at once', () => {
    const playback = make(said(1, 'a'));
    playback.setLive(true);
    playback.follow();
    expect([screen.text, playback.mode, screen.moves]).toEqual(['a', 'following', true]);
    playback.append(drawn(5, 'all of it'));
    playback.append(said(6, '!'));
    expect([screen.text, screen.size.cols, playback.time]).toEqual(['all of it!', 70, 6]);
  });

  it('can be looked back into while it goes on', () => {
    const playback = make(said(1, 'a'), said(2, 'b'));
    playback.setLive(true);
    playback.follow();
    playback.seek(1);
    expect([screen.text, playback.mode]).toEqual(['a', 'paused']);
    playback.append(drawn(3, 'new'));
    expect([screen.text, playback.duration]).toEqual(['a', 3]);
    playback.seek(2);
    expect(screen.text).toBe('ab');
    playback.follow();
    expect(screen.text).toBe('new');
  });

  it('is followed again when playing has caught up', () => {
    const playback = make(said(1, 'a'), said(2, 'b'));
    playback.setLive(true);
    playback.seek(1.5);
    playback.play();
    clock.pass(1);
    expect([screen.text, playback.mode]).toEqual(['ab', 'following']);
  });

  it('that ends stops at its last moment', () => {
    const playback = make(said(1, 'a'));
    playback.setLive(true);
    playback.follow();
    playback.append(said(9, 'z'));
    playback.setLive(false);
    expect([playback.mode, playback.time, screen.text]).toEqual(['paused', 9, 'az']);
    playback.follow();
    expect(playback.mode).toBe('paused');
  });

  it('starts from the last redraw when something before it was shown', () => {
    const playback = make(said(1, 'a'), drawn(5, 'B'), said(6, 'c'), said(7, 'd'));
    playback.seek(6);
    expect(screen.text).toBe('Bc');
    playback.seek(5.5);
    expect(screen.text).toBe('B');
    playback.seek(7);
    expect(screen.text).toBe('Bcd');
  });
});
