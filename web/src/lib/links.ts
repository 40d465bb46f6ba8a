// Where the links and images of a step's text lead.

/** A target as the page may use it. */
export type Target =
  | { kind: 'file'; url: string } // a file of the step's folder
  | { kind: 'anchor'; id: string } // a heading of this text
  | { kind: 'inline'; url: string } // a picture inside the text itself
  | { kind: 'remote'; url: string; host: string } // another site: only ever a link
  | { kind: 'refused' };

const INLINE_IMAGE = /^data:image\/(?:png|gif|jpeg|webp);base64,[a-z0-9+/=\s]+$/i;
const SCHEME = /^[a-z][a-z0-9+.-]*:/i;
const BASE = 'http://files.invalid';

/** Headings carry their id with this in front, so that a text can not name the page's own parts. */
export const SECTION = 'section-';

/** Resolves a link or image target of the text of step `stepId`. */
export function resolveTarget(href: string, stepId: string): Target {
  const target = href.trim();
  if (target.startsWith('#')) return { kind: 'anchor', id: SECTION + decoded(target.slice(1)) };
  if (INLINE_IMAGE.test(target)) return { kind: 'inline', url: target };
  if (target.startsWith('//') || SCHEME.test(target)) return remoteTarget(target);
  return fileTarget(target, stepId);
}

function remoteTarget(target: string): Target {
  const url = parsed(target.startsWith('//') ? `https:${target}` : target);
  if (url?.protocol === 'http:' || url?.protocol === 'https:')
    return { kind: 'remote', url: url.href, host: url.host };
  if (url?.protocol === 'mailto:') return { kind: 'remote', url: url.href, host: url.pathname };
  return { kind: 'refused' };
}

function fileTarget(target: string, stepId: string): Target {
  const folder = `/api/steps/${encodeURIComponent(stepId)}/files/`;
  const url = parsed(target, BASE + folder);
  if (target === '' || target.includes('\\') || url === null) return { kind: 'refused' };
  if (url.origin !== BASE || !url.pathname.startsWith(folder)) return { kind: 'refused' };
  if (/%2f|%5c|%00/i.test(url.pathname)) return { kind: 'refused' };
  return { kind: 'file', url: url.pathname };
}

function parsed(target: string, base?: string): URL | null {
  try {
    return new URL(target, base);
  } catch {
    return null;
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
