import { describe, expect, it } from 'vitest';
import { clampShare, PANES, shareAfterKey, shareAtPointer, SPLIT } from './split';

describe('a divider', () => {
  it('stays where both sides are usable', () => {
    expect(clampShare(3)).toBe(SPLIT.least);
    expect(clampShare(99)).toBe(SPLIT.most);
    expect(clampShare(NaN)).toBe(SPLIT.start);
    expect(clampShare(3, PANES)).toBe(PANES.least);
    expect(shareAtPointer(500, 0, 1000)).toBe(50);
    expect(shareAtPointer(5, 0, 0)).toBe(SPLIT.start);
    expect(shareAtPointer(5, 0, 0, PANES)).toBe(PANES.start);
  });

  it('is moved by keys', () => {
    expect(shareAfterKey(50, 'ArrowLeft', false)).toBe(48);
    expect(shareAfterKey(50, 'ArrowRight', true)).toBe(60);
    expect(shareAfterKey(50, 'Home', false)).toBe(SPLIT.least);
    expect(shareAfterKey(50, 'Enter', false)).toBe(SPLIT.start);
    expect(shareAfterKey(50, 'a', false)).toBeNull();
  });

  it('between two that are stacked is moved up and down', () => {
    expect(shareAfterKey(50, 'ArrowUp', false, PANES, 'column')).toBe(48);
    expect(shareAfterKey(50, 'ArrowDown', true, PANES, 'column')).toBe(60);
    expect(shareAfterKey(50, 'ArrowLeft', false, PANES, 'column')).toBeNull();
    expect(shareAfterKey(50, 'End', false, PANES, 'column')).toBe(PANES.most);
  });
});
