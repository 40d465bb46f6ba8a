import { describe, expect, it } from 'vitest';
import { commandsOf, parseFenceInfo } from './fences';

describe('an info string', () => {
  it.each([
    ['bash', { language: 'bash', terminal: 'main' }],
    ['bash terminal=build', { language: 'bash', terminal: 'build' }],
    ['sh terminal="web-2"', { language: 'sh', terminal: 'web-2' }],
    ['bash terminal=../x', { language: 'bash', terminal: 'main' }],
    ['bash run=no', { language: 'bash', terminal: null }],
    ['python', { language: 'python', terminal: null }],
    ['', { language: '', terminal: null }],
  ])('%s', (info, expected) => {
    expect(parseFenceInfo(info)).toEqual(expected);
  });
});

describe('the commands of a block', () => {
  it('are the whole of a script', () => {
    expect(commandsOf('cd /tmp\nls # all\n', 'bash')).toBe('cd /tmp\nls # all');
  });

  it('are what stands behind the prompts of a transcript', () => {
    expect(commandsOf('$ ls\na b\n$ cat \\\n  a\nhello\n', 'console')).toBe('ls\ncat \\\n  a');
  });

  it('know a root prompt only in a transcript', () => {
    expect(commandsOf('# id\nroot', 'console')).toBe('id');
    expect(commandsOf('# a comment\nid', 'bash')).toBe('# a comment\nid');
  });

  it('of output alone are kept as they are, for copying', () => {
    expect(commandsOf('one\ntwo\n', 'console')).toBe('one\ntwo');
  });
});
