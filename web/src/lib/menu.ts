// The keys of a menu, as ARIA's authoring practices have them.

/** The item after a key, of `count` from 0, or null when the key means nothing there. */
export function itemAfterKey(count: number, at: number, key: string): number | null {
  if (count === 0) return null;
  switch (key) {
    case 'ArrowDown':
      return (at + 1) % count;
    case 'ArrowUp':
      return (Math.max(at, 0) - 1 + count) % count;
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return null;
  }
}
