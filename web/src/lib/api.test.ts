import { describe, expect, it } from 'vitest';
import { Api, ApiError, type Fetch } from './api';

function answering(body: BodyInit | null, init: ResponseInit = {}): [Api, string[]] {
  const calls: string[] = [];
  const fetch: Fetch = (url, options) => {
    calls.push(`${options?.method} ${url} ${String(options?.body ?? '')}`.trim());
    return Promise.resolve(new Response(body, init));
  };
  return [new Api(fetch), calls];
}

async function failure(action: Promise<unknown>): Promise<ApiError> {
  const reason = await action.then(
    () => null,
    (error: unknown) => error,
  );
  expect(reason).toBeInstanceOf(ApiError);
  return reason as ApiError;
}

describe('the API', () => {
  it('asks by method, address and body', async () => {
    const [api, calls] = answering('{}');
    await api.view('a b');
    await api.transition('a', 'solve');
    await api.openTerminal('build');
    await api.cancelTransition('t/1');
    expect(calls).toEqual([
      'POST /api/steps/a%20b/view',
      'POST /api/steps/a/transition {"kind":"solve"}',
      'POST /api/terminals {"name":"build"}',
      'DELETE /api/transitions/t%2F1',
    ]);
  });

  it('gives the daemon’s own sentence on', async () => {
    const body = '{"error": {"code": "step_locked", "message": "Complete “A” first."}}';
    const [api] = answering(body, { status: 403 });
    const error = await failure(api.text('b'));
    expect([error.status, error.code, error.message]).toEqual([
      403,
      'step_locked',
      'Complete “A” first.',
    ]);
  });

  it.each([['<html>gateway</html>'], ['{}'], ['']])(
    'has a sentence for any other answer: %s',
    async (body) => {
      const [api] = answering(body, { status: 502 });
      expect((await failure(api.steps())).message).toBe('The workshop answered with status 502.');
    },
  );

  it('has a sentence for a broken connection and for a torn answer', async () => {
    const broken = new Api(() => Promise.reject(new TypeError('fetch failed')));
    expect((await failure(broken.state())).code).toBe('unreachable');
    const [torn] = answering('{"session": "s');
    expect((await failure(torn.state())).code).toBe('unreachable');
  });

  it('gives up on an answer that does not come', async () => {
    const silent = new Api(() => Promise.reject(new DOMException('slow', 'TimeoutError')));
    expect((await failure(silent.state())).code).toBe('timeout');
  });
});
