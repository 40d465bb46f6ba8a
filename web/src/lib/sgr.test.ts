import { describe, expect, it } from 'vitest';
import { parseScreen } from './sgr';

const ESC = '\u001b';

describe('parseScreen', () => {
  it('cuts lines into runs of one style', () => {
    const [first, second] = parseScreen(`${ESC}[31mred${ESC}[0m plain\nnext`);
    expect(first?.map(({ text, fg }) => [text, fg])).toEqual([
      ['red', 1],
      [' plain', null],
    ]);
    expect(second?.map(({ text }) => text)).toEqual(['next']);
  });

  it('carries a style over the end of a line', () => {
    const lines = parseScreen(`${ESC}[1;44ma\nb${ESC}[22;49mc`);
    expect(lines[1]?.map(({ text, bold, bg }) => [text, bold, bg])).toEqual([
      ['b', true, 4],
      ['c', false, null],
    ]);
  });

  it.each([
    ['38;5;9', 9],
    ['38;5;208', '#ff8700'],
    ['38;5;244', '#808080'],
    ['38;2;10;200;30', '#0ac81e'],
    ['91', 9],
    ['97', 15],
  ])('reads the colour %s', (code, colour) => {
    expect(parseScreen(`${ESC}[${code}mx`)[0]?.[0]?.fg).toBe(colour);
  });

  it('takes a curly underline for an underline', () => {
    expect(parseScreen(`${ESC}[4:3mx${ESC}[4:0my`)[0]?.map(({ underline }) => underline)).toEqual([
      true,
      false,
    ]);
  });

  it('keeps an empty screen empty', () => {
    expect(parseScreen('')).toEqual([[]]);
  });
});
