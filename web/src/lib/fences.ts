// A fenced code block's info string and what its buttons copy and run.

import { isTerminalName } from './tabs';

/** What an author wrote behind the opening fence: ```bash terminal=build */
export interface FenceInfo {
  language: string;
  /** The terminal "run" types into; null when the block is not for running. */
  terminal: string | null;
}

const RUNNABLE = new Set(['bash', 'sh', 'shell', 'console']);

/** Reads an info string; `run=no` keeps the run button away, a bad terminal name means `main`. */
export function parseFenceInfo(info: string): FenceInfo {
  const [language = '', ...words] = info.trim().toLowerCase().split(/\s+/);
  const options = new Map(
    words.map((word) => {
      const [name = '', value = ''] = word.split('=', 2);
      return [name, value.replace(/^["']|["']$/g, '')] as const;
    }),
  );
  if (!RUNNABLE.has(language) || options.get('run') === 'no') return { language, terminal: null };
  const named = options.get('terminal') ?? '';
  return { language, terminal: isTerminalName(named) ? named : 'main' };
}

/**
 * Text for an attribute of a button. The sanitiser takes attributes away that look like an address of
 * an unknown kind (`git clone https://…`) or close an element (`</title>`); packed text never does.
 */
export function packed(text: string): string {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\ufffd')); // a lone one has no code
}

/** The text that was packed. */
export function unpacked(value: string): string {
  return decodeURIComponent(value);
}

const PROMPT = /^\s*[$#] (?=\S)/;
const CONTINUED = /\\\s*$/;

/**
 * The commands of a block. In a transcript, where lines start with `$ `, these are the lines behind
 * the prompts and the lines that continue them; `# ` is a prompt only in a `console` block.
 */
export function commandsOf(code: string, language: string): string {
  const text = code.replace(/\s+$/, '');
  const lines = text.split('\n');
  if (!lines.some((line) => isPrompt(line, language))) return text;
  const commands: string[] = [];
  let continued = false;
  for (const line of lines) {
    const prompted = isPrompt(line, language);
    if (prompted || continued) commands.push(prompted ? line.replace(PROMPT, '') : line);
    continued = (prompted || continued) && CONTINUED.test(line);
  }
  return commands.join('\n');
}

/** Whether a block holds something to run: a transcript without prompts is output only. */
export function hasCommands(code: string, language: string): boolean {
  if (language !== 'console') return code.trim() !== '';
  return code.split('\n').some((line) => isPrompt(line, language));
}

function isPrompt(line: string, language: string): boolean {
  const match = PROMPT.exec(line);
  return match !== null && (match[0].includes('$') || language === 'console');
}
