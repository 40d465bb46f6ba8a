import { describe, expect, it } from 'vitest';
import { Timeline } from './timeline';

function timeline(...times: number[]): Timeline {
  const made = new Timeline();
  for (const time of times) made.add(time);
  return made;
}

describe('a timeline', () => {
  it('leaves short pauses as they are', () => {
    const line = timeline(0, 1, 3, 4.5);
    expect([0, 1.5, 3, 4.5].map((time) => line.shown(time))).toEqual([0, 1.5, 3, 4.5]);
    expect(line.recorded(3.7)).toBe(3.7);
  });

  it('shows two seconds of a longer pause', () => {
    const line = timeline(0, 1, 101, 102, 302);
    expect(line.shown(1)).toBe(1);
    expect(line.shown(2.5)).toBe(2.5);
    expect(line.shown(50)).toBe(3);
    expect(line.shown(101)).toBe(3);
    expect(line.shown(102)).toBe(4);
    expect(line.shown(302)).toBe(6);
  });

  it('is behind a skipped pause as soon as it is over', () => {
    const line = timeline(0, 1, 101, 102);
    expect(line.recorded(2.9)).toBeCloseTo(2.9);
    expect(line.recorded(3)).toBe(101);
    expect(line.recorded(4)).toBe(102);
  });

  it('skips what comes before the first event, too', () => {
    expect(timeline(60).shown(60)).toBe(2);
  });

  it('translates back and forth for whatever happened', () => {
    let seed = 7;
    const chance = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
    const times: number[] = [];
    for (let time = 0; times.length < 500; time += chance() ** 6 * 60) times.push(time);
    const line = timeline(...times);
    let last = -1;
    for (const time of times) {
      const shown = line.shown(time);
      expect(shown).toBeGreaterThanOrEqual(last);
      expect(line.recorded(shown)).toBeCloseTo(time, 6);
      last = shown;
    }
  });
});
