import { describe, expect, it } from 'vitest';
import { itemAfterKey } from './menu';

describe('a menu', () => {
  it('is walked in a circle', () => {
    expect(itemAfterKey(3, 0, 'ArrowDown')).toBe(1);
    expect(itemAfterKey(3, 2, 'ArrowDown')).toBe(0);
    expect(itemAfterKey(3, 0, 'ArrowUp')).toBe(2);
    expect(itemAfterKey(3, 1, 'Home')).toBe(0);
    expect(itemAfterKey(3, 1, 'End')).toBe(2);
  });

  it('begins at an end when the focus is at none', () => {
    expect(itemAfterKey(3, -1, 'ArrowDown')).toBe(0);
    expect(itemAfterKey(3, -1, 'ArrowUp')).toBe(2);
  });

  it('leaves other keys alone', () => {
    expect(itemAfterKey(3, 1, 'x')).toBeNull();
    expect(itemAfterKey(0, -1, 'ArrowDown')).toBeNull();
  });
});
