import { describe, expect, it } from 'vitest';
import { sized } from './diagrams';
import { Memory, type Store } from './memory';
import { nextChoice, parseChoice, resolveTheme } from './theme';

describe('memory', () => {
  it('forgets rather than fails when storage is refused or holds nonsense', () => {
    const refusing: Store = {
      getItem: () => {
        throw new DOMException('no', 'SecurityError');
      },
      setItem: () => {
        throw new DOMException('full', 'QuotaExceededError');
      },
    };
    const memory = new Memory(refusing);
    memory.write('theme', 'dark');
    expect(memory.read('theme')).toBeNull();
    const nonsense = new Memory({ getItem: () => '{"a":1}', setItem: () => undefined });
    expect(nonsense.readNumbers('ticks')).toEqual([]);
    const mixed = new Memory({ getItem: () => '[1,"2",null,3]', setItem: () => undefined });
    expect(mixed.readNumbers('ticks')).toEqual([1, 3]);
  });
});

describe('theme', () => {
  it('follows the system until a choice is made', () => {
    expect(resolveTheme('auto', true)).toBe('dark');
    expect(resolveTheme('light', true)).toBe('light');
    expect(parseChoice('purple')).toBe('auto');
  });

  it('changes visibly with the first press and comes round', () => {
    expect(nextChoice('auto', true)).toBe('light');
    expect(nextChoice('light', true)).toBe('dark');
    expect(nextChoice('dark', true)).toBe('auto');
    expect(nextChoice('auto', false)).toBe('dark');
  });
});

describe('a diagram', () => {
  it('gets the size of its view box', () => {
    const { svg, width, height } = sized(
      '<svg id="d" width="100%" viewBox="0 0 120.4 60"><rect width="5"/></svg>',
    );
    expect([width, height]).toEqual([121, 60]);
    expect(svg).toBe(
      '<svg width="121" height="60" id="d" viewBox="0 0 120.4 60"><rect width="5"/></svg>',
    );
  });

  it('without a usable view box gets some size', () => {
    expect(sized('<svg viewBox="0 0 x -3"></svg>')).toMatchObject({ width: 600, height: 400 });
  });
});
