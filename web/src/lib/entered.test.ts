import { describe, expect, it } from 'vitest';
import type { CastEvent } from './cast';
import { EnteredFinder } from './entered';

const key = (time: number, text: string): CastEvent => ({ time, kind: 'input', text });
const said = (time: number, text: string): CastEvent => ({ time, kind: 'output', text });

/** What is on the screen at every `entered`, with what was printed in all. */
function found(...events: CastEvent[]): { at: string[]; text: string; times: number[] } {
  const finder = new EnteredFinder();
  const taken = events.flatMap((event) => finder.take(event));
  const shownAt = (time: number) =>
    taken
      .map((event) => (event.kind === 'output' && event.time <= time ? event.text : ''))
      .join('');
  return {
    at: taken.filter((event) => event.kind === 'entered').map((event) => shownAt(event.time)),
    text: shownAt(Infinity),
    times: taken.map((event) => event.time),
  };
}

describe('a line that was entered', () => {
  it('is on the screen without what it did', () => {
    const typed = found(
      said(0, '$ '),
      key(1, 'l'),
      said(1.001, 'l'),
      key(1.1, 's'),
      said(1.101, 's'),
      key(1.5, '\r'),
      said(1.501, '\r\nfiles\r\n$ '),
    );
    expect(typed).toMatchObject({ at: ['$ ls'], text: '$ ls\r\nfiles\r\n$ ' });
  });

  it('is whole also when it was typed faster than it was shown', () => {
    const { at } = found(key(1, 'l'), key(1, 's'), key(1, '\r'), said(1, 'l'), said(1, 's\nfiles'));
    expect(at).toEqual(['ls']);
  });

  it('is whole also when it came in one piece, like a command of the text', () => {
    expect(found(key(1, 'make all\r'), said(1.02, 'make all\r\ngcc …')).at).toEqual(['make all']);
  });

  it('is one of several', () => {
    const { at, text } = found(
      key(1, 'a\r'),
      said(1, 'a\n1\n'),
      key(1, 'b\r'),
      said(1, 'b\n2\n'),
      said(1, 'end'),
    );
    expect(at).toEqual(['a', 'a\n1\nb']);
    expect(text).toBe('a\n1\nb\n2\nend');
  });

  it('needs no line on the screen, as for a password', () => {
    expect(found(key(1, '*'), key(1, '\r'), said(3, 'later\n')).at).toEqual([]);
  });

  it('leaves times in their order', () => {
    const { times } = found(key(1, '\r'), said(1, '\na'), said(1, 'b'), said(1.0002, 'c'));
    expect([...times].sort((one, other) => one - other)).toEqual(times);
  });
});
