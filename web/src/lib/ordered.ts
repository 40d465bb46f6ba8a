// Searching in what is in order.

/** How many at the start of `all` hold, when those that do come before those that do not. */
export function countWhile<T>(all: readonly T[], holds: (each: T) => boolean): number {
  let low = 0;
  let high = all.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(all[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low;
}
