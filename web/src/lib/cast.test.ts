import { describe, expect, it } from 'vitest';
import { CastError, CastReader, lengthOf, type Cast } from './cast';

const HEADER = '{"version":2,"width":100,"height":30,"timestamp":1700000000,"title":"main"}\n';

function read(...pieces: string[]): Cast {
  const reader = new CastReader();
  for (const piece of pieces) reader.feed(piece);
  return reader.end();
}

describe('a cast', () => {
  it('has a header and events', () => {
    const cast = read(HEADER, '[0.1,"o","hi"]\n[1,"i","x"]\n[2,"r","80x24"]\n[3.5,"m","$ ls"]\n');
    expect(cast.header).toEqual({ cols: 100, rows: 30, started: 1700000000, title: 'main' });
    expect(cast.events).toEqual([
      { time: 0.1, kind: 'output', text: 'hi' },
      { time: 1, kind: 'input', text: 'x' },
      { time: 2, kind: 'resize', cols: 80, rows: 24 },
      { time: 3.5, kind: 'marker', text: '$ ls' },
    ]);
    expect(lengthOf(cast.events)).toBe(3.5);
    expect(cast.skipped).toBe(0);
  });

  it('is the same in pieces of every length', () => {
    const text = `${HEADER}[0.1,"o","über"]\n[1.25,"m","step a"]\n`;
    const whole = read(text);
    for (let size = 1; size < text.length; size += 1) {
      const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
      expect(read(...pieces)).toEqual(whole);
    }
  });

  it('of version 3 counts from event to event', () => {
    const cast = read(
      '{"version":3,"term":{"cols":90,"rows":20,"type":"xterm"},"timestamp":5}\n',
      '# a comment\n[0.5,"o","a"]\n[0.25,"r","91x21"]\n[1,"x","0"]\n[2,"o","b"]\n',
    );
    expect(cast.header).toMatchObject({ cols: 90, rows: 20, started: 5 });
    expect(cast.events.map((event) => event.time)).toEqual([0.5, 0.75, 3.75]);
    expect(cast.skipped).toBe(0);
  });

  it('ends before a torn last line', () => {
    const cast = read(HEADER, '[1,"o","whole"]\n[2,"o","ha');
    expect(cast.events).toHaveLength(1);
    expect(cast.skipped).toBe(0);
  });

  it('takes a last line that only lacks its end', () => {
    expect(read(HEADER, '[1,"o","whole"]').events).toHaveLength(1);
  });

  it.each([
    'no JSON',
    '{"a":1}',
    '[]',
    '[1]',
    '["1","o","x"]',
    '[1,2,"x"]',
    '[1,"o",{}]',
    '[-1,"o","x"]',
    '[1e300,"o","x"]',
    '[null,"o","x"]',
    '[1,"r","0x5"]',
    '[1,"r","80x24x3"]',
    '[1,"r","-1x5"]',
    '['.repeat(200_000),
    `"${'x'.repeat(5 << 20)}"`,
  ])('leaves out and counts a line that is no event %#', (line) => {
    const cast = read(HEADER, line, '\n[7,"o","after"]\n');
    expect(cast.events).toEqual([{ time: 7, kind: 'output', text: 'after' }]);
    expect(cast.skipped).toBe(1);
  });

  it('draws no terminal larger than a page can', () => {
    const cast = read('{"version":2,"width":99999,"height":9}\n[1,"r","9x99999"]\n');
    expect(cast.header).toMatchObject({ cols: 1000, rows: 9 });
    expect(cast.events).toEqual([{ time: 1, kind: 'resize', cols: 9, rows: 1000 }]);
  });

  it.each(['{"version":2}', '{"version":2,"width":0,"height":-4}', '{"version":3,"term":[]}'])(
    'without a usable size has the usual one: %s',
    (header) => {
      expect(read(`${header}\n`).header).toEqual({
        cols: 80,
        rows: 24,
        started: null,
        title: null,
      });
    },
  );

  it('never goes back in time', () => {
    const cast = read(HEADER, '[2,"o","a"]\n[1,"o","b"]\n[3,"o","c"]\n');
    expect(cast.events.map((event) => event.time)).toEqual([2, 2, 3]);
  });

  it('has no events a newer version may have', () => {
    const cast = read(HEADER, '[1,"z","?"]\n\n[2,"o","a"]\n');
    expect(cast.events).toHaveLength(1);
    expect(cast.skipped).toBe(0);
  });

  it.each(['', 'Hello\n', '[1,"o","x"]\n', '{"version":"2"}\n', 'null\n'])(
    'is refused with a sentence when it is none: %j',
    (text) => {
      expect(() => read(text)).toThrow(CastError);
    },
  );

  it('of version 1 is refused with what to do', () => {
    expect(() => read('{"version":1,"stdout":[]}')).toThrow(/convert/);
  });
});
