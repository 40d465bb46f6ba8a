// @vitest-environment node
import { describe, expect, it } from 'vitest';
import { copiedText } from './terminal-clipboard';
import { keyAction, type Key } from './terminal-keys';
import { openableAddress } from './terminal-links';
import { isReply } from './terminal-replies';
import { letterBoxFont } from './terminal-size';
import { statusAction, statusSentence, type TerminalStatus } from './terminal-status';
import { CONTRAST, findColours, palette } from './terminal-themes';
import type { Theme } from './theme';

function key(key: string, held: string, code = ''): Key {
  return {
    type: 'keydown',
    key,
    code,
    ctrlKey: held.includes('ctrl'),
    shiftKey: held.includes('shift'),
    altKey: held.includes('alt'),
    metaKey: held.includes('meta'),
  };
}

describe('keys', () => {
  it.each([
    ['C', 'ctrl shift', 'copy'],
    ['V', 'ctrl shift', 'paste'],
    ['F', 'ctrl shift', 'find'],
    ['L', 'ctrl shift', 'leave'],
    ['D', 'ctrl shift', 'split-right'],
    ['S', 'ctrl shift', 'split-down'],
    ['O', 'ctrl shift', 'next'],
    ['Insert', 'ctrl', 'copy'],
    ['Insert', 'shift', 'paste'],
    ['c', 'meta', 'copy'],
    ['v', 'meta', 'paste'],
  ])('%s with %s is for the page: %s', (name, held, action) =>
    expect(keyAction(key(name, held))).toBe(action),
  );

  it.each([
    ['c', 'ctrl'],
    ['v', 'ctrl'],
    ['f', 'ctrl'],
    ['l', 'ctrl'],
    ['d', 'ctrl'],
    ['s', 'ctrl'],
    ['o', 'ctrl'],
    ['r', 'ctrl'],
    ['Tab', ''],
    ['Tab', 'shift'],
    ['Escape', ''],
    ['F2', ''],
    ['F6', ''],
    ['C', 'ctrl shift alt'],
    ['Insert', ''],
    ['ArrowLeft', 'ctrl shift'],
  ])('%s with “%s” is the shell’s', (name, held) =>
    expect(keyAction(key(name, held))).toBe('shell'),
  );

  it('a layout without Latin letters has the same keys', () => {
    expect(keyAction(key('С', 'ctrl shift', 'KeyC'))).toBe('copy');
  });
});

describe('a terminal of another size', () => {
  it.each([
    [{ cols: 80, rows: 24 }, { cols: 60, rows: 20 }, 14], // smaller: as it is
    [{ cols: 80, rows: 24 }, { cols: 160, rows: 24 }, 7],
    [{ cols: 80, rows: 24 }, { cols: 80, rows: 30 }, 11],
    [{ cols: 10, rows: 5 }, { cols: 1000, rows: 1000 }, 6], // no smaller than this: it scrolls
  ])('in room for %j, of %j, has letters of %d px', (fits, has, font) =>
    expect(letterBoxFont(fits, has)).toBe(font),
  );
});

describe('replies', () => {
  it.each([
    '\x1b[?1;2c',
    '\x1b[>0;276;0c',
    '\x1b[24;80R',
    '\x1b[0n',
    '\x1b[?2004;2$y',
    '\x1b[8;24;80t',
    '\x1bP1$r0m\x1b\\',
    '\x1b]10;rgb:ffff/ffff/ffff\x1b\\',
    '\x1b[I',
    '\x1b[O',
  ])('%j is the terminal’s own', (input) => expect(isReply(input)).toBe(true));

  it.each(['a', '\r', '\x1b', '\x1b[A', '\x1bOA', '\x1b[1;5C', '\x1b[1;2R', '\x1b[<0;1;1M', 'c'])(
    '%j is the student’s',
    (input) => expect(isReply(input)).toBe(false),
  );
});

describe('OSC 52', () => {
  it('copies text', () => expect(copiedText('c;aMOpbGxv')).toBe('héllo'));
  it.each(['c;?', 'c;', 'c', '?', 'c;%%%', 'c;/w==', `c;${'QUFB'.repeat(60_000)}`])(
    'parameters %# copy nothing',
    (parameters) => expect(copiedText(parameters)).toBeNull(),
  );
});

describe('addresses', () => {
  it('of the web open', () => {
    expect(openableAddress('http://localhost:8000/a?b#c')).toBe('http://localhost:8000/a?b#c');
    expect(openableAddress('https://example.org')).toBe('https://example.org/');
  });

  it.each([
    'javascript:alert(1)',
    'data:text/html,x',
    'file:///etc/passwd',
    'https://bank.example@evil.example/',
    'no address',
    `https://example.org/${'a'.repeat(3000)}`,
  ])('text %# does not', (text) => expect(openableAddress(text)).toBeNull());
});

describe('status', () => {
  const all: TerminalStatus[] = [
    { kind: 'connecting' },
    { kind: 'connected' },
    { kind: 'reconnecting', keptBytes: 0 },
    { kind: 'reconnecting', keptBytes: 1 },
    { kind: 'ended', code: 0 },
    { kind: 'refused' },
    { kind: 'missing' },
    { kind: 'crowded' },
  ];

  it('is said in sentences, except that all is well', () => {
    for (const status of all) {
      const sentence = statusSentence(status, 'main');
      if (status.kind === 'connected') expect(sentence).toBeNull();
      else expect(sentence).toMatch(/^[A-Z].*[.…]$/);
    }
    expect(statusSentence({ kind: 'ended', code: 0 }, 'main')).toBe(
      'The shell ended with code 0. Press Enter for a new one.',
    );
  });

  it('offers Enter exactly when Enter does something', () => {
    for (const status of all)
      expect(statusSentence(status, 'main')?.includes('Enter') ?? false).toBe(
        statusAction(status) !== null,
      );
  });
});

describe('palettes', () => {
  const themes: Theme[] = ['light', 'dark'];

  it.each(themes)('every colour of the %s one reads on its background', (theme) => {
    const { background, ...colours } = palette(theme);
    const text = Object.entries(colours).filter(
      // A black or white that is the background's own is lifted by xterm.
      ([name]) =>
        !/selection|scrollbar|cursorAccent/.test(name) && !(theme === 'dark' && name === 'black'),
    );
    for (const [name, colour] of text)
      expect([name, contrast(colour, background)]).toSatisfy(
        ([, ratio]: [string, number]) => ratio >= CONTRAST,
      );
  });

  it.each(themes)('selected and found text of the %s one still reads', (theme) => {
    const { foreground, selectionBackground, selectionInactiveBackground } = palette(theme);
    const { matchBackground, activeMatchBackground } = findColours(theme);
    for (const ground of [
      selectionBackground,
      selectionInactiveBackground,
      matchBackground,
      activeMatchBackground,
    ])
      expect(contrast(foreground, ground)).toBeGreaterThanOrEqual(CONTRAST);
  });
});

/** WCAG 2 contrast of two `#rrggbb` colours. */
function contrast(one: string, other: string): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
