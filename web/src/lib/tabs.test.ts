import { describe, expect, it } from 'vitest';
import type { TerminalInfo } from './protocol';
import { isTerminalName, nextOf, tabAfterKey, tabsOf, titleFrom } from './tabs';

function terminal(name: string, more: Partial<TerminalInfo> = {}): TerminalInfo {
  return { name, cols: 80, rows: 24, clients: 1, running: true, ...more };
}

describe('tabs', () => {
  it('begin with main, each terminal once', () => {
    const tabs = tabsOf([terminal('build'), terminal('main'), terminal('build')]);
    expect(tabs.map((tab) => tab.name)).toEqual(['main', 'build']);
    expect(tabsOf([]).map((tab) => tab.label)).toEqual(['Terminal']);
  });

  it('say the title, or the name', () => {
    const tabs = tabsOf([
      terminal('main', { title: 'editor' }),
      terminal('build', { running: false }),
    ]);
    expect(tabs).toEqual([
      { name: 'main', title: 'editor', label: 'editor', running: true },
      { name: 'build', title: null, label: 'build', running: false },
    ]);
  });

  it('say the daemon’s own names in words', () => {
    const tabs = tabsOf([terminal('terminal-2'), terminal('terminal-x')]);
    expect(tabs.map((tab) => tab.label)).toEqual(['Terminal', 'Terminal 2', 'terminal-x']);
  });

  it('are walked in a circle', () => {
    expect(tabAfterKey(['main', 'build'], 'build', 'ArrowRight')).toBe('main');
    expect(tabAfterKey(['main', 'build'], 'main', 'ArrowLeft')).toBe('build');
    expect(tabAfterKey(['main', 'build'], 'main', 'End')).toBe('build');
    expect(tabAfterKey(['main', 'build'], 'build', 'Home')).toBe('main');
    expect(tabAfterKey(['main'], 'main', 'x')).toBeNull();
    expect(nextOf(['main'], 'main')).toBe('main');
    expect(nextOf(['main', 'build'], 'gone')).toBe('main');
  });
});

describe('a name', () => {
  it('is what programs can hold', () => {
    expect(['main', 'terminal-2', 'a'.repeat(32)].every(isTerminalName)).toBe(true);
    expect(['', 'A', 'a b', '../x', 'a'.repeat(33), 4, null].some(isTerminalName)).toBe(false);
  });
});

describe('a title that is written into a tab', () => {
  it('is trimmed, and none when it is what the tab says anyway', () => {
    expect(titleFrom('  the  server ', 'build')).toBe('the server');
    expect(titleFrom('build', 'build')).toBe('');
    expect(titleFrom('Terminal', 'main')).toBe('');
    expect(titleFrom('   ', 'main')).toBe('');
  });
});
