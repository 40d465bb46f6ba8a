// Markdown from the artifact to HTML that is safe to put into the page.
//
// Three walls: markdown-it without raw HTML, DOMPurify with a short list of what may be there, and
// the content security policy. No picture of another site is ever loaded.

import DOMPurify from 'dompurify';
import createMarkdown, {
  type Env,
  type MarkdownIt,
  type RendererRule,
  type Token,
} from 'markdown-it';
import { commandsOf, hasCommands, packed, parseFenceInfo } from './fences';
import { highlighted } from './highlight';
import { resolveTarget, SECTION } from './links';
import { admonitions, headingAnchors, taskLists } from './markdown-rules';

/** A rendered text and whether it needs the diagram library. */
export interface Rendered {
  /** The heading the text begins with, as plain words; the page draws it itself. */
  title: string | null;
  html: string;
  hasDiagrams: boolean;
}

/** Renders the text of step `stepId`. */
export function renderMarkdown(source: string, stepId: string): Rendered {
  const env = { stepId, diagrams: 0 };
  const tokens = markdown.parse(source, env);
  const title = takeTitle(tokens);
  const html = sanitised(markdown.renderer.render(tokens, markdown.options, env));
  return { title, html, hasDiagrams: env.diagrams > 0 };
}

/** Takes a heading of the first level off the front. */
function takeTitle(tokens: Token[]): string | null {
  const [open, inline] = tokens;
  if (open?.type !== 'heading_open' || open.tag !== 'h1' || !inline?.children) return null;
  tokens.splice(0, 3);
  return inline.children.map((token) => token.content).join('') || null;
}

/**
 * Renders what a model wrote. It is a stranger's text: no pictures, no links, nothing to run, and
 * none of the characters that change the direction of a line or mean something to a terminal.
 */
export function renderAnswer(source: string): Rendered {
  const html = sanitised(answers.render(source.replace(UNPRINTABLE, ''), { stepId: '' }));
  return { title: null, html, hasDiagrams: false };
}

const UNPRINTABLE = /(?![\t\n])[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Renders one short line, such as a check's hint: no blocks, no pictures. */
export function renderInline(source: string): string {
  return sanitised(plain.renderInline(source, { stepId: '' }));
}

const ALLOWED_TAGS = [
  ...['p', 'br', 'hr', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'strong', 'em', 's', 'a', 'img'],
  ...['ul', 'ol', 'li', 'blockquote', 'pre', 'code', 'span', 'div', 'button', 'label', 'input'],
  ...['table', 'thead', 'tbody', 'tr', 'th', 'td'],
];
const ALLOWED_ATTR = [
  ...['href', 'src', 'alt', 'title', 'target', 'rel', 'class', 'id', 'type', 'start', 'role'],
  ...['tabindex', 'aria-label', 'loading', 'style', 'data-task', 'data-command', 'data-terminal'],
  ...['data-copy', 'data-diagram', 'checked'],
];

const ALIGNMENT = /^text-align:(?:left|right|center)$/;

function sanitised(html: string): string {
  return purifier.sanitize(html, {
    ALLOWED_TAGS,
    ALLOWED_ATTR,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
  });
}

const purifier = DOMPurify(window);
purifier.addHook('uponSanitizeAttribute', (node, attribute) => {
  const { attrName: name, attrValue: value } = attribute;
  // Only a table's alignment, and only our own kinds of form parts.
  if (name === 'style' && !ALIGNMENT.test(value)) attribute.keepAttr = false;
  if (name === 'src' && !/^(?:\/api\/steps\/|data:image\/)/.test(value)) attribute.keepAttr = false;
  if (name === 'type' && node.nodeName === 'INPUT' && value !== 'checkbox')
    attribute.keepAttr = false;
});

const plain = base();
plain.disable('image');
const answers = base();
answers.disable('linkify');
answers.renderer.rules.link_open = () => '';
answers.renderer.rules.link_close = () => '';
answers.renderer.rules.image = (tokens, index) =>
  answers.utils.escapeHtml(tokens[index]?.content ?? '');
answers.renderer.rules.fence = (tokens, index) => {
  const token = tokens[index];
  if (!token) return '';
  const { language } = parseFenceInfo(token.info);
  return codeBlock(token.content, language, null, answers.utils.escapeHtml);
};
const markdown = base().use(admonitions).use(taskLists).use(headingAnchors, SECTION);

function base(): MarkdownIt {
  const md = createMarkdown({ html: false, linkify: true });
  md.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
  md.renderer.rules.link_open = link(md.renderer.renderToken.bind(md.renderer));
  md.renderer.rules.image = image(md.utils.escapeHtml);
  md.renderer.rules.fence = fence(md.utils.escapeHtml);
  md.renderer.rules.table_open = () => '<div class="table" tabindex="0"><table>\n';
  md.renderer.rules.table_close = () => '</table></div>\n';
  return md;
}

function stepOf(env: Env | undefined): string {
  return String(env?.['stepId'] ?? '');
}

function link(renderToken: MarkdownIt['renderer']['renderToken']): RendererRule {
  return (tokens, index, options, env) => {
    const token = tokens[index];
    if (!token) return '';
    const target = resolveTarget(String(token.attrGet('href') ?? ''), stepOf(env));
    switch (target.kind) {
      case 'anchor':
        token.attrSet('href', `#${target.id}`);
        break;
      case 'file':
      case 'remote':
        token.attrSet('href', target.url);
        token.attrSet('target', '_blank');
        token.attrSet('rel', 'noopener noreferrer');
        break;
      case 'inline':
      case 'refused':
        token.attrs = [];
        break;
      default:
        return target satisfies never;
    }
    return renderToken(tokens, index, options);
  };
}

function image(escape: (text: string) => string): RendererRule {
  return (tokens, index, _options, env) => {
    const token = tokens[index];
    if (!token) return '';
    const target = resolveTarget(String(token.attrGet('src') ?? ''), stepOf(env));
    const alt = escape(token.content);
    const title = token.attrGet('title');
    switch (target.kind) {
      case 'file':
      case 'inline': {
        const caption = title ? ` title="${escape(String(title))}"` : '';
        return `<img src="${escape(target.url)}" alt="${alt}"${caption} loading="lazy">`;
      }
      case 'remote':
        return (
          `<a class="remote-image" href="${escape(target.url)}" target="_blank" ` +
          `rel="noopener noreferrer">${alt || 'Picture'} (on ${escape(target.host)})</a>`
        );
      case 'anchor':
      case 'refused':
        return `<span class="remote-image">${alt || 'Picture'} (not available)</span>`;
      default:
        return target satisfies never;
    }
  };
}

function fence(escape: (text: string) => string): RendererRule {
  return (tokens, index, _options, env) => {
    const token = tokens[index];
    if (!token) return '';
    const { language, terminal } = parseFenceInfo(token.info);
    if (language === 'mermaid' && env && 'diagrams' in env) {
      env['diagrams'] = Number(env['diagrams']) + 1;
      const source = `<pre><code>${escape(token.content)}</code></pre>`;
      return `<div class="diagram" data-diagram="1" tabindex="0" role="group" aria-label="Diagram">${source}</div>\n`;
    }
    return codeBlock(token.content, language, terminal, escape);
  };
}

const PLAIN = /^(?:text|txt|plain|plaintext|)$/; // output: it needs no name

/** A code block with its bar; the buttons carry what they copy and run. */
function codeBlock(
  code: string,
  language: string,
  terminal: string | null,
  escape: (text: string) => string,
): string {
  const commands = terminal === null ? code.replace(/\n$/, '') : commandsOf(code, language);
  const copy = `<button type="button" class="copy" data-copy="${packed(commands)}">Copy</button>`;
  const run =
    terminal === null || !hasCommands(code, language)
      ? ''
      : `<button type="button" class="run" data-command="${packed(commands)}" ` +
        `data-terminal="${terminal}">${runLabel(terminal)}</button>`;
  const label = language ? `${escape(language)} code` : 'Code';
  const body = highlighted(code, language) ?? escape(code);
  const isBare = run === '' && PLAIN.test(language);
  const name = isBare ? '' : `<span class="code-language">${escape(language)}</span>`;
  return (
    `<div class="code${isBare ? ' bare' : ''}"><div class="code-bar">${name}${copy}${run}</div>` +
    `<pre tabindex="0" role="group" aria-label="${label}"><code>${body}</code></pre></div>\n`
  );
}

function runLabel(terminal: string): string {
  return terminal === 'main' ? 'Run in terminal' : `Run in terminal “${terminal}”`;
}
