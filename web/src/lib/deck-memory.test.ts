import { describe, expect, it } from 'vitest';
import { encodeDeck, parseDeck, type KeptDeck } from './deck-memory';

const NOTHING: KeptDeck = { boot: null, tabs: [], layout: 'main', active: 'main' };

describe('what is remembered of terminals', () => {
  it('comes back as it was', () => {
    const deck: KeptDeck = {
      boot: 'b-1',
      tabs: [
        { name: 'main', title: null },
        { name: 'build', title: 'the server' },
      ],
      layout: { direction: 'column', share: 30, parts: ['main', 'build'] },
      active: 'build',
    };
    expect(parseDeck(encodeDeck(deck))).toEqual(deck);
  });

  it('is nothing when memory holds nothing or nonsense', () => {
    for (const text of [null, '', 'null', '4', '"x"', '[]', '{', '{}', '{"tabs":4,"layout":{}}'])
      expect(parseDeck(text)).toEqual(NOTHING);
    expect(parseDeck('['.repeat(100_000))).toEqual(NOTHING);
  });

  it('keeps what makes sense of it', () => {
    const kept = parseDeck(
      JSON.stringify({
        boot: 4,
        tabs: [
          null,
          4,
          { name: '../x' },
          { name: 'a', title: 4 },
          { name: 'a', title: 'again' },
          { name: 'b', title: 'x'.repeat(1000) },
        ],
        layout: { direction: 'row', share: 50, parts: ['a', 'a'] },
        active: ['a'],
        more: {},
      }),
    );
    expect(kept).toEqual({
      ...NOTHING,
      tabs: [
        { name: 'a', title: 'again' },
        { name: 'b', title: null },
      ],
    });
  });

  it('has no more terminals than a machine opens', () => {
    const tabs = Array.from({ length: 100 }, (_, number) => ({ name: `t-${number}` }));
    expect(parseDeck(JSON.stringify({ tabs })).tabs).toHaveLength(8);
  });
});
