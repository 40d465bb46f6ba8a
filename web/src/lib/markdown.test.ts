import { describe, expect, it } from 'vitest';
import { unpacked } from './fences';
import { renderAnswer, renderInline, renderMarkdown } from './markdown';

function draw(source: string): HTMLElement {
  const root = document.createElement('div');
  root.innerHTML = renderMarkdown(source, 'step-1').html;
  return root;
}

function command(button: HTMLElement | null): string {
  return unpacked(button?.dataset['command'] ?? '');
}

function copied(root: HTMLElement): string {
  return unpacked(root.querySelector<HTMLElement>('button.copy')?.dataset['copy'] ?? '');
}

// Fault 19: whatever an author, a check or a model writes is inert.
const PAYLOADS = [
  '<script>steal()</script>',
  '<img src=x onerror=steal()>',
  '<svg onload=steal()><script>steal()</script></svg>',
  '<math><mi xlink:href="javascript:steal()">x</mi></math>',
  '<style>@import url(https://evil.example/x.css)</style>',
  '<iframe src="https://evil.example"></iframe>',
  '<form action="https://evil.example"><button>go</button></form>',
  '<a href="javascript:steal()">x</a>',
  '<div style="background:url(https://evil.example)">x</div>',
  '[x](javascript:steal())',
  '[x](JaVaScRiPt:steal())',
  '[x](java&#115;cript:steal())',
  '[x](vbscript:steal())',
  '[x](data:text/html;base64,PHNjcmlwdD5zdGVhbCgpPC9zY3JpcHQ+)',
  '![x](data:text/html,<script>steal()</script>)',
  '![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9InN0ZWFsKCkiLz4=)',
  '![x](javascript:steal())',
  '![x](x "onerror=steal()")',
  '![" onerror="steal()](x.png)',
  '[x](https://a.example "\\" onmouseover=\\"steal()")',
  '```"><script>steal()</script>\ncode\n```',
  '```bash terminal="><img src=x onerror=steal()>\nls\n```',
  '```bash\n"><img src=x onerror=steal()>\n```',
  '```html\n<img src=x onerror=steal()>\n```',
  '```mermaid\ngraph TD\nA["<img src=x onerror=steal()>"]\nclick A "javascript:steal()"\n```',
  '| a |\n| --- |\n| <img src=x onerror=steal()> |',
  '> [!NOTE]\n> <img src=x onerror=steal()>',
  '- [ ] <img src=x onerror=steal()>',
  '# <img src=x onerror=steal()>\n\ntext',
  '## <img src=x onerror=steal()>',
];

function dangers(root: Element): string[] {
  const found: string[] = [];
  for (const element of root.querySelectorAll('*')) {
    const tag = element.localName;
    if (/^(script|style|svg|math|iframe|form|object|embed|base|link|meta)$/.test(tag))
      found.push(tag);
    for (const { name, value } of element.attributes) {
      const isAddress = name === 'src' || name === 'href';
      if (name.startsWith('on')) found.push(name);
      if (isAddress && /^\s*(javascript|vbscript|data:text|data:image\/svg)/i.test(value))
        found.push(value);
      if (tag === 'img' && name === 'src' && !/^(\/api\/steps\/|data:image\/png)/.test(value))
        found.push(value);
      if (name === 'style') found.push(value);
    }
  }
  return found;
}

describe('hostile Markdown', () => {
  it.each(PAYLOADS)('is inert: %s', (payload) => {
    expect(dangers(draw(payload))).toEqual([]);
    const line = document.createElement('div');
    line.innerHTML = renderInline(payload);
    expect(dangers(line)).toEqual([]);
  });

  it('cannot name parts of the page', () => {
    const ids = [...draw('## checks\n\n## terminal').querySelectorAll('[id]')].map(({ id }) => id);
    expect(ids).toEqual(['section-checks', 'section-terminal']);
  });
});

describe('pictures', () => {
  it('come from the folder of the step', () => {
    const image = draw('![A plan](files/plan.svg)').querySelector('img');
    expect(image?.getAttribute('src')).toBe('/api/steps/step-1/files/files/plan.svg');
    expect(image?.alt).toBe('A plan');
  });

  it('of another site are a link and are never loaded', () => {
    const root = draw('![Logo](https://other.example/logo.png)');
    expect(root.querySelector('img')).toBeNull();
    const link = root.querySelector('a');
    expect(link?.href).toBe('https://other.example/logo.png');
    expect(link?.textContent).toBe('Logo (on other.example)');
    expect(link?.rel).toBe('noopener noreferrer');
  });

  it('that leave the folder are not available', () => {
    expect(draw('![x](../../secret.png)').textContent.trim()).toBe('x (not available)');
  });

  it('may be inside the text', () => {
    const root = draw('![dot](data:image/png;base64,iVBORw0KGgo=)');
    expect(root.querySelector('img')?.src).toMatch(/^data:image\/png/);
  });
});

describe('code', () => {
  it('of a shell has a button that runs it in the main terminal', () => {
    const run = draw('```bash\ncd /tmp\nls\n```').querySelector<HTMLElement>('button.run');
    expect(command(run)).toBe('cd /tmp\nls');
    expect(run?.dataset['terminal']).toBe('main');
    expect(run?.textContent).toBe('Run in terminal');
  });

  it('names another terminal', () => {
    const run = draw('```sh terminal=build\nmake\n```').querySelector<HTMLElement>('button.run');
    expect(run?.dataset['terminal']).toBe('build');
    expect(run?.textContent).toContain('build');
  });

  it('of another language is coloured and can only be copied', () => {
    const root = draw('```python\nprint("hi")\n```');
    expect(root.querySelector('button.run')).toBeNull();
    expect(copied(root)).toBe('print("hi")');
    expect(root.querySelector('.hljs-string')).not.toBeNull();
  });

  it('that only shows output has nothing to run', () => {
    const root = draw('```console\n-rw-r--r-- 1 student\n```');
    expect(root.querySelector('button.run')).toBeNull();
  });

  it.each([
    'echo "a <b> & \'c\'" \\\n  d',
    'curl -s http://127.0.0.1:8080/',
    'git clone https://example.org/a.git',
    'ssh me@host:22',
    'make: all',
    'javascript:alert(1)',
    'cat > index.html <<END\n<title>Hi</title>\n<!-- a --> <script>x</script>\nEND',
    '[[ -f a ]]>b; echo 100% "%41" é 漢 😀',
    '  indented: first',
  ])('is run and copied to the letter: %s', (text) => {
    const root = draw('```bash\n' + text + '\n```');
    expect(command(root.querySelector<HTMLElement>('button.run'))).toBe(text);
    expect(copied(root)).toBe(text);
    expect(root.querySelectorAll('script, title')).toHaveLength(0);
  });

  it('of a model may hold half a character', () => {
    const root = document.createElement('div');
    root.innerHTML = renderAnswer('```bash\necho \ud83d\n```').html;
    expect(copied(root)).toBe('echo \ufffd');
  });
});

describe('GitHub’s additions', () => {
  it('draws admonitions', () => {
    const box = draw('> [!WARNING]\n> Hot.').querySelector('.admonition.warning');
    expect(box?.querySelector('.admonition-title')?.textContent).toBe('Warning');
    expect(box?.textContent).toContain('Hot.');
    expect(box?.querySelectorAll('p')).toHaveLength(2);
  });

  it('leaves no empty paragraph when the marker stands alone', () => {
    expect(draw('> [!TIP]\n>\n> Later.').querySelectorAll('p')).toHaveLength(2);
  });

  it('keeps a plain quotation, also inside an admonition', () => {
    const root = draw('> [!NOTE]\n> First.\n>\n> > quoted\n\n> plain');
    expect(root.querySelectorAll('blockquote')).toHaveLength(2);
    expect(root.querySelectorAll('.admonition blockquote')).toHaveLength(1);
  });

  it('numbers the boxes of task lists and keeps what the author ticked', () => {
    const boxes = draw('- [ ] one\n- [x] two\n  - [ ] three').querySelectorAll('input');
    expect([...boxes].map((box) => [box.dataset['task'], box.checked])).toEqual([
      ['0', false],
      ['1', true],
      ['2', false],
    ]);
  });

  it('aligns table columns', () => {
    const cell = draw('| a |\n| ---: |\n| 1 |').querySelector('td');
    expect(cell?.style.textAlign).toBe('right');
  });
});

describe('the text as a whole', () => {
  it('gives its first heading to the page', () => {
    const { title, html } = renderMarkdown('# Who may *do* what\n\nText.', 's');
    expect(title).toBe('Who may do what');
    expect(html).not.toContain('<h1');
  });

  it('says whether it has diagrams', () => {
    expect(renderMarkdown('```mermaid\ngraph TD\n```', 's').hasDiagrams).toBe(true);
    expect(renderMarkdown('```bash\nls\n```', 's').hasDiagrams).toBe(false);
  });

  it('leads anchors to its own headings and other links to a new tab', () => {
    const [here, there] = draw(
      '[a](#the-end) [b](https://b.example/) \n\n## The end',
    ).querySelectorAll('a');
    expect(here?.getAttribute('href')).toBe('#section-the-end');
    expect(there?.target).toBe('_blank');
  });
});

describe('what a model wrote', () => {
  it('has no pictures, no links and nothing to run', () => {
    const { html } = renderAnswer(
      '![p](https://a.example/p.png) [x](https://a.example) https://b.example ' +
        '<img src=x onerror=alert(1)>\n\n```bash\nls\n```\n\n```mermaid\ngraph\n```',
    );
    const root = document.createElement('div');
    root.innerHTML = html;
    expect(root.querySelectorAll('a, img, .run, [data-command], [data-diagram]')).toHaveLength(0);
    expect(root.textContent).toContain('x');
    expect(root.textContent).toContain('<img src=x onerror=alert(1)>');
    expect(root.querySelector('.copy')?.getAttribute('data-copy')).toBe('ls');
  });

  it('has no characters that turn a line around or speak to a terminal', () => {
    const { html } = renderAnswer('a\u202eb\u001b]52;c;aGk=\u0007c\td');
    expect(html).toContain('ab]52;c;aGk=c\td');
  });
});
