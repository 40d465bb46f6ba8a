// Three additions to markdown-it: GitHub's admonitions, task lists that can be ticked, heading ids.

import type { MarkdownIt, StateCore, Token } from 'markdown-it';

const ADMONITIONS: Record<string, string> = {
  NOTE: 'Note',
  TIP: 'Tip',
  IMPORTANT: 'Important',
  WARNING: 'Warning',
  CAUTION: 'Caution',
};
const ADMONITION = /^\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\][ \t]*(?:\n|$)/i;

/** `> [!NOTE]` as the first line of a quotation makes it a box with that title. */
export function admonitions(md: MarkdownIt): void {
  md.core.ruler.before('inline', 'admonition', (state: StateCore) => {
    state.tokens.forEach((token, index) => {
      const inline = state.tokens[index + 2];
      if (token.type !== 'blockquote_open' || inline?.type !== 'inline') return;
      const match = ADMONITION.exec(inline.content);
      if (!match) return;
      const kind = (match[1] ?? '').toUpperCase();
      inline.content = inline.content.slice(match[0].length);
      if (inline.content === '') hideParagraph(state.tokens, index + 1);
      token.meta = { admonition: kind };
      const close = closing(state.tokens, index);
      if (close) close.meta = { admonition: kind };
    });
  });
  md.renderer.rules['blockquote_open'] = (tokens, index) => {
    const kind = String(tokens[index]?.meta?.['admonition'] ?? '');
    const title = ADMONITIONS[kind];
    if (!title) return '<blockquote>\n';
    const name = kind.toLowerCase();
    return `<div class="admonition ${name}"><p class="admonition-title">${title}</p>\n`;
  };
  md.renderer.rules['blockquote_close'] = (tokens, index) =>
    tokens[index]?.meta?.['admonition'] ? '</div>\n' : '</blockquote>\n';
}

/** The paragraph that held nothing but the marker. */
function hideParagraph(tokens: Token[], open: number): void {
  for (const token of tokens.slice(open, open + 3))
    if (token.type !== 'inline') token.hidden = true;
}

function closing(tokens: Token[], open: number): Token | undefined {
  const level = tokens[open]?.level;
  return tokens.slice(open + 1).find((t) => t.type === 'blockquote_close' && t.level === level);
}

const TASK = /^\[([ xX])\][ \t]+/;

/** `- [ ] text` gets a box; boxes are numbered from 0 through the whole text. */
export function taskLists(md: MarkdownIt): void {
  md.core.ruler.after('inline', 'task-list', (state: StateCore) => {
    let number = 0;
    state.tokens.forEach((token, index) => {
      const inList = state.tokens[index - 2]?.type === 'list_item_open';
      const first = token.children?.[0];
      if (token.type !== 'inline' || !inList || first?.type !== 'text' || !token.children) return;
      const match = TASK.exec(first.content);
      if (!match) return;
      first.content = first.content.replace(TASK, '');
      const open = new state.Token('task_open', '', 0);
      open.meta = { task: number++, done: match[1] !== ' ' };
      token.children = [open, ...token.children, new state.Token('task_close', '', 0)];
      state.tokens[index - 2]?.attrJoin('class', 'task');
    });
  });
  md.renderer.rules['task_open'] = (tokens, index) => {
    const meta = tokens[index]?.meta;
    const checked = meta?.['done'] ? ' checked' : '';
    return `<label><input type="checkbox" data-task="${Number(meta?.['task'])}"${checked}> <span>`;
  };
  md.renderer.rules['task_close'] = () => '</span></label>';
}

/** Every heading gets an id made of its words, with `prefix` in front. */
export function headingAnchors(md: MarkdownIt, prefix: string): void {
  md.core.ruler.push('heading-anchor', (state: StateCore) => {
    const seen = new Map<string, number>();
    state.tokens.forEach((token, index) => {
      if (token.type !== 'heading_open') return;
      const slug = slugOf(state.tokens[index + 1]?.content ?? '');
      const count = seen.get(slug) ?? 0;
      seen.set(slug, count + 1);
      token.attrSet('id', prefix + slug + (count ? `-${count}` : ''));
    });
  });
}

/** As GitHub makes it: lower case, letters and digits, dashes for spaces. */
function slugOf(text: string): string {
  const kept = text
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '');
  return kept.replace(/\s/g, '-') || 'part';
}
