// @vitest-environment node
import { describe, expect, it } from 'vitest';
import { commandInput, lineCount, pasteInput, runsByItself, typeable } from './terminal-paste';

describe('typeable', () => {
  it('keeps text, tabs and lines of every kind', () => {
    expect(typeable('a\tb\r\nc\rd\né€😀')).toBe('a\tb\nc\nd\né€😀');
  });

  it('takes out what could end a bracketed paste or press a key', () => {
    expect(typeable('a\x1b[201~\rrm -r .\x03\x04\x7f\x9b201~b')).toBe('a[201~\nrm -r .201~b');
  });
});

describe('a paste', () => {
  it('is bracketed when the program asks for that, with Enter for line ends', () => {
    expect(pasteInput('a\nb', true)).toBe('\x1b[200~a\rb\x1b[201~');
    expect(pasteInput('a\nb', false)).toBe('a\rb');
  });

  it('is only dangerous with a line end and without brackets', () => {
    expect(runsByItself('ls', false)).toBe(false);
    expect(runsByItself('ls\n', false)).toBe(true);
    expect(runsByItself('ls\npwd', true)).toBe(false);
  });

  it.each([
    ['a', 1],
    ['a\n', 1],
    ['a\nb', 2],
    ['a\n\nb\n', 3],
  ])('%j has %i lines', (text, lines) => expect(lineCount(text)).toBe(lines));
});

describe('a command of the page', () => {
  it('is one entry at a prompt, whatever was typed there before', () => {
    expect(commandInput('cat <<E\na\nE\n', true)).toBe('\x15\x1b[200~cat <<E\ra\rE\x1b[201~\r');
  });

  it('is typed line by line where there are no brackets', () => {
    expect(commandInput('cd /tmp\nls', false)).toBe('cd /tmp\rls\r');
  });

  it('keeps its indentation and loses the lines around it', () => {
    expect(commandInput('\n  ls\n\n', false)).toBe('  ls\r');
  });

  it('that is empty is none', () => {
    expect(commandInput(' \n\x1b', true)).toBeNull();
  });
});
