import { Terminal } from '@xterm/xterm';
import { describe, expect, it } from 'vitest';
import { TerminalText } from './terminal-text';

const WORDS = '… 👩\u200d👩\u200d👧 é 漢字 \u{10ffff}\u0080 \ufeffend';

function taken(bytes: Uint8Array, size: number): string[] {
  const text = new TerminalText();
  const pieces = [];
  for (let at = 0; at < bytes.length; at += size)
    pieces.push(text.take(bytes.subarray(at, at + size)));
  return pieces;
}

function drawn(pieces: string[]): Promise<string> {
  const terminal = new Terminal({ cols: 80, rows: 2 });
  pieces.forEach((each) => terminal.write(each));
  return new Promise((done) => {
    terminal.write('', () => {
      done(terminal.buffer.active.getLine(0)?.translateToString(true) ?? '');
      terminal.dispose();
    });
  });
}

describe('the text of a terminal', () => {
  it.each([1, 2, 3, 5, 7])('is whole when it comes in pieces of %i bytes', (size) => {
    expect(taken(new TextEncoder().encode(WORDS), size).join('')).toBe(WORDS);
  });

  it('is on the screen whole when a character comes in two pieces', async () => {
    const words = 'a … b \u200d c';
    for (const size of [1, 2, 3, 4])
      expect(await drawn(taken(new TextEncoder().encode(words), size))).toBe(words);
  });

  it('shows bytes that are no text, and goes on behind them', () => {
    const bytes = Uint8Array.of(0x61, 0xff, 0x62, 0xe6, 0xbc, 0x63, 0x80, 0x64);
    for (const size of [1, 2, 8])
      expect(taken(bytes, size).join('')).toBe('a\ufffdb\ufffdc\ufffdd');
  });

  it('does not end a character of one stream with bytes of another', () => {
    const text = new TerminalText();
    expect(text.take(Uint8Array.of(0xe2, 0x80))).toBe('');
    text.restart();
    expect(text.take(Uint8Array.of(0x61))).toBe('a');
  });
});
