import { describe, expect, it } from 'vitest';
import { resolveTarget } from './links';

describe('a target', () => {
  it.each([
    ['plan.svg', '/api/steps/s%20x/files/plan.svg'],
    ['./a/../plan.svg', '/api/steps/s%20x/files/plan.svg'],
    ['a b.png', '/api/steps/s%20x/files/a%20b.png'],
  ])('inside the folder is a file: %s', (href, url) => {
    expect(resolveTarget(href, 's x')).toEqual({ kind: 'file', url });
  });

  it.each([
    ['../x.png'],
    ['a/../../x.png'],
    ['/etc/passwd'],
    ['/api/state'],
    ['..\\x.png'],
    ['%2e%2e/x.png'],
    ['a%2f..%2f..%2fx'],
    ['x%00.png'],
    [''],
    ['javascript:x()'],
    ['file:///etc/passwd'],
    ['data:text/html,x'],
    ['blob:x'],
  ])('anywhere else is refused: %s', (href) => {
    expect(resolveTarget(href, 'step-1').kind).toBe('refused');
  });

  it.each([
    ['https://a.example/x', 'a.example'],
    ['//a.example/x', 'a.example'],
    ['mailto:a@b.example', 'a@b.example'],
  ])('of another site is remote: %s', (href, host) => {
    expect(resolveTarget(href, 's')).toMatchObject({ kind: 'remote', host });
  });

  it('with a hash is a heading of the text', () => {
    expect(resolveTarget('#the%20end', 's')).toEqual({ kind: 'anchor', id: 'section-the end' });
  });
});
