import { describe, expect, it } from 'vitest';
import {
  exchanged,
  MAX_PANES,
  only,
  parseLayout,
  placed,
  shownIn,
  splitAt,
  WHOLE,
  without,
  withShare,
  type Layout,
} from './layout';
import { PANES } from './split';

const beside: Layout = { direction: 'row', share: 40, parts: ['main', 'build'] };
const three: Layout = splitAt(beside, 'build', 'column', 'logs');

describe('a layout', () => {
  it('of one terminal fills the room', () => {
    expect([...placed('main').panes]).toEqual([['main', WHOLE]]);
    expect(placed('main').seams).toEqual([]);
  });

  it('of two divides it by their share', () => {
    const { panes, seams } = placed(beside);
    expect(panes.get('main')).toEqual({ left: 0, top: 0, width: 40, height: 100 });
    expect(panes.get('build')).toEqual({ left: 40, top: 0, width: 60, height: 100 });
    expect(seams).toEqual([
      { path: '', direction: 'row', share: 40, box: WHOLE, between: ['main', 'build'] },
    ]);
  });

  it('divides a part again', () => {
    expect(shownIn(three)).toEqual(['main', 'build', 'logs']);
    const { panes, seams } = placed(three);
    expect(panes.get('logs')).toEqual({ left: 40, top: 50, width: 60, height: 50 });
    expect(seams[1]).toMatchObject({ path: '1', direction: 'column', between: ['build', 'logs'] });
    expect(seams[1]?.box).toEqual({ left: 40, top: 0, width: 60, height: 100 });
  });

  it('covers the whole room and nothing twice, whatever is done to it', () => {
    let layout: Layout = 'a';
    for (const [at, direction, added] of [
      ['a', 'row', 'b'],
      ['b', 'column', 'c'],
      ['a', 'column', 'd'],
      ['d', 'row', 'c'], // moves
    ] as const) {
      layout = withShare(splitAt(layout, at, direction, added), '', 30);
      const boxes = [...placed(layout).panes.values()];
      const area = boxes.reduce((sum, { width, height }) => sum + width * height, 0);
      expect(area).toBeCloseTo(100 * 100);
      expect(new Set(shownIn(layout)).size).toBe(boxes.length);
    }
    expect(shownIn(layout).sort()).toEqual(['a', 'b', 'c', 'd']);
  });

  it('moves a terminal rather than showing it twice', () => {
    expect(shownIn(splitAt(three, 'main', 'column', 'logs'))).toEqual(['main', 'logs', 'build']);
    expect(splitAt(three, 'main', 'row', 'main')).toBe(three);
    expect(splitAt('main', 'main', 'row', 'main')).toBe('main');
  });

  it('shows another terminal in the place of one', () => {
    expect(shownIn(exchanged(three, 'build', 'editor'))).toEqual(['main', 'editor', 'logs']);
  });

  it('gives the room of what is gone to what was beside it', () => {
    expect(without(beside, 'main')).toBe('build');
    expect(without(three, 'main')).toEqual({
      direction: 'column',
      share: PANES.start,
      parts: ['build', 'logs'],
    });
    expect(without('main', 'main')).toBeNull();
    expect(without(three, 'other')).toEqual(three);
    expect(only(three, () => false)).toBeNull();
  });

  it('changes the share of the split that a path names, within bounds', () => {
    expect(withShare(three, '', 70)).toMatchObject({ share: 70 });
    expect(withShare(three, '1', 99)).toMatchObject({ share: 40 });
    expect(placed(withShare(three, '1', 99)).seams[1]?.share).toBe(PANES.most);
    expect(withShare(three, '0', 70)).toEqual(three);
    expect(withShare(three, '0101', 70)).toEqual(three);
  });
});

describe('a layout from memory', () => {
  it('is the one that was put there', () => {
    for (const layout of ['main', beside, three])
      expect(parseLayout(JSON.parse(JSON.stringify(layout)))).toEqual(layout);
  });

  it('survives anything else', () => {
    const deep = JSON.parse(
      '{"direction":"row","share":50,"parts":["a",'.repeat(50) + '"b"' + ']}'.repeat(50),
    );
    const wide = { ...beside, parts: [three, { ...beside, parts: ['x', 'y'] }] };
    for (const value of [
      null,
      undefined,
      4,
      '',
      'A name',
      '../x',
      [],
      {},
      { direction: 'row', share: 50 },
      { direction: 'row', share: 50, parts: [] },
      { direction: 'row', share: 50, parts: ['a', 'b', 'c'] },
      { direction: 'diagonal', share: 50, parts: ['a', 'b'] },
      { direction: 'row', share: 50, parts: ['a', 'a'] },
      { direction: 'row', share: 50, parts: ['a', null] },
      { direction: 'row', share: 50, parts: { length: 2, 0: 'a', 1: 'b' } },
      deep,
      wide,
    ])
      expect(parseLayout(value)).toBeNull();
  });

  it('keeps shares that leave both sides usable', () => {
    for (const [share, kept] of [
      [-1e9, PANES.least],
      [1e9, PANES.most],
      ['60', PANES.start],
      [null, PANES.start],
      [NaN, PANES.start],
      [undefined, PANES.start],
    ] as const)
      expect(parseLayout({ direction: 'row', share, parts: ['a', 'b'] })).toMatchObject({
        share: kept,
      });
  });

  it('has at most as many panes as there is room for', () => {
    let layout: Layout = 'a';
    for (const name of ['b', 'c', 'd']) layout = splitAt(layout, 'a', 'row', name);
    expect(shownIn(layout)).toHaveLength(MAX_PANES);
    expect(parseLayout(layout)).toEqual(layout);
    expect(parseLayout(splitAt(layout, 'a', 'row', 'e'))).toBeNull();
  });
});
