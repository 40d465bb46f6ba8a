// Text with colours as SGR sequences, cut into runs of one style; nothing else is in it.

/** A piece of a line; colours are a number of the palette, `#rrggbb`, or null for the default. */
export interface Run {
  text: string;
  fg: string | number | null;
  bg: string | number | null;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  inverse: boolean;
}

type Style = Omit<Run, 'text'>;

const PLAIN: Style = {
  fg: null,
  bg: null,
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  inverse: false,
};
// eslint-disable-next-line no-control-regex -- escape sequences are the subject
const SGR = /\u001b\[([0-9;:]*)m/g;

/** The lines of a screen. */
export function parseScreen(text: string): Run[][] {
  const lines: Run[][] = [[]];
  let style = PLAIN;
  let at = 0;
  const add = (piece: string) => {
    piece.split('\n').forEach((part, index) => {
      if (index > 0) lines.push([]);
      if (part !== '') lines[lines.length - 1]?.push({ ...style, text: part });
    });
  };
  for (const found of text.matchAll(SGR)) {
    add(text.slice(at, found.index));
    style = restyled(style, found[1] ?? '');
    at = found.index + found[0].length;
  }
  add(text.slice(at));
  return lines;
}

function restyled(style: Style, parameters: string): Style {
  // `4:3` is a kind of underline; colours may be written with colons, too.
  const numbers = parameters
    .replace(/\b4:(\d)/g, (_, kind: string) => (kind === '0' ? '24' : '4'))
    .split(/[;:]/)
    .map((word) => (word === '' ? 0 : Number(word)));
  let next = style;
  for (let at = 0; at < numbers.length; at += 1) {
    const code = numbers[at] ?? 0;
    if (code === 38 || code === 48) {
      const [colour, used] = mixed(numbers.slice(at + 1));
      next = code === 38 ? { ...next, fg: colour } : { ...next, bg: colour };
      at += used;
    } else next = withCode(next, code);
  }
  return next;
}

function withCode(style: Style, code: number): Style {
  if (code === 0) return PLAIN;
  if (code === 1) return { ...style, bold: true };
  if (code === 2) return { ...style, dim: true };
  if (code === 3) return { ...style, italic: true };
  if (code === 4) return { ...style, underline: true };
  if (code === 7) return { ...style, inverse: true };
  if (code === 22) return { ...style, bold: false, dim: false };
  if (code === 23) return { ...style, italic: false };
  if (code === 24) return { ...style, underline: false };
  if (code === 27) return { ...style, inverse: false };
  if (code >= 30 && code <= 37) return { ...style, fg: code - 30 };
  if (code === 39) return { ...style, fg: null };
  if (code >= 40 && code <= 47) return { ...style, bg: code - 40 };
  if (code === 49) return { ...style, bg: null };
  if (code >= 90 && code <= 97) return { ...style, fg: code - 82 };
  if (code >= 100 && code <= 107) return { ...style, bg: code - 92 };
  return style;
}

/** The colour after a 38 or 48, and how many numbers it took. */
function mixed(numbers: readonly number[]): [string | number | null, number] {
  if (numbers[0] === 5) {
    const index = numbers[1] ?? 0;
    return [index < 16 ? index : cube(index), 2];
  }
  if (numbers[0] === 2) return [hex(numbers[1] ?? 0, numbers[2] ?? 0, numbers[3] ?? 0), 4];
  return [null, 1];
}

/** Colours 16 to 255: a cube of 6 x 6 x 6, then greys. */
function cube(index: number): string {
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return hex(grey, grey, grey);
  }
  const level = (step: number) => (step === 0 ? 0 : 55 + step * 40);
  const at = index - 16;
  return hex(level(Math.floor(at / 36)), level(Math.floor(at / 6) % 6), level(at % 6));
}

function hex(...parts: [number, number, number]): string {
  const two = (value: number) => Math.min(255, value).toString(16).padStart(2, '0');
  return `#${parts.map(two).join('')}`;
}
