// What the student is told and asked about being watched, as sentences.

import type { Permission, Watching } from './protocol';

/** What an instructor asks for, and waits for an answer. */
export function openRequest(watching: Watching | undefined): Permission | null {
  return watching?.permissions.find((each) => each.status === 'requested') ?? null;
}

/** What is allowed now and can be ended: typing goes before looking. */
export function allowed(watching: Watching | undefined): Permission | null {
  const given = watching?.permissions.filter((each) => each.status === 'allowed') ?? [];
  return given.find((each) => each.kind === 'assist') ?? given[0] ?? null;
}

/** Terminals as words: `“main”`, `“main” and “two”`. */
export function terminalsNamed(names: readonly string[]): string {
  const quoted = names.map((name) => `“${name}”`);
  const last = quoted.at(-1) ?? '';
  return quoted.length > 1 ? `${quoted.slice(0, -1).join(', ')} and ${last}` : last;
}

/** The question of a request. */
export function requestSentence(request: Permission): string {
  return request.kind === 'assist'
    ? `An instructor asks to type in your terminal “${request.terminal}”.`
    : `An instructor asks to watch your terminal “${request.terminal}”.`;
}

/** Who looks on or types now; null when nobody does. */
export function watchedSentence(watching: Watching | undefined): string | null {
  if (!watching) return null;
  const given = allowed(watching);
  if (given?.kind === 'assist')
    return `An instructor may type in your terminal “${given.terminal}”. You see every key.`;
  if (watching.watched.length > 0)
    return `An instructor is watching ${terminalsNamed(watching.watched)}.`;
  if (given) return `An instructor may watch your terminal “${given.terminal}”.`;
  return null;
}

/** The choices a student has, from what the workshop allows down. */
export function choices(setting: Watching['setting']): Watching['mode'][] {
  const all: Watching['mode'][] = ['always', 'ask', 'off'];
  return all.slice(all.indexOf(setting));
}

/** A choice for a person. */
export function choiceWords(mode: Watching['mode']): string {
  switch (mode) {
    case 'always':
      return 'Instructors may watch';
    case 'ask':
      return 'Ask me each time';
    case 'off':
      return 'Nobody may watch';
    default:
      return mode satisfies never;
  }
}
