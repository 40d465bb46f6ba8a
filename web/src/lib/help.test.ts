import { describe, expect, it } from 'vitest';
import type { AnswerMessage } from './answer-stream';
import { Api, ApiError } from './api';
import { StepHelp, waitSentence } from './help.svelte';
import type { HelpInteraction, HelpLadder } from './protocol';

const LADDER: HelpLadder = {
  model: true,
  modes: ['hints'],
  written: ['hints'],
  defaultMode: 'hints',
  hints: 2,
  uncovered: [{ text: 'First' }],
  usedTokens: 0,
  sessionTokens: 1000,
};

function given(more: Partial<HelpInteraction> = {}): HelpInteraction {
  return {
    id: 'i-1',
    ts: '2026-01-31T14:22:01.123Z',
    step: 'a',
    mode: 'hints',
    question: 'How?',
    response: 'Look.',
    source: 'model',
    outcome: 'answered',
    ...more,
  };
}

class Fake extends Api {
  messages: (AnswerMessage | Error)[] = [];
  history: HelpInteraction[] = [];

  override ladder(): Promise<HelpLadder> {
    return Promise.resolve(LADDER);
  }

  override helpHistory() {
    return Promise.resolve({ interactions: this.history });
  }

  override uncover() {
    return Promise.resolve({ mode: 'hints' as const, text: 'Second', hint: 2, hints: 2 });
  }

  override async *ask(): AsyncGenerator<AnswerMessage> {
    for (const message of this.messages) {
      if (message instanceof Error) throw message;
      yield message;
    }
  }
}

async function opened(more: Partial<Fake> = {}): Promise<StepHelp> {
  const help = new StepHelp(Object.assign(new Fake(), more), 'a');
  await help.load();
  return help;
}

describe('the help with a step', () => {
  it('shows what was uncovered and asked before', async () => {
    const help = await opened({ history: [given(), given({ question: '', source: 'author' })] });
    expect(help.hints).toHaveLength(1);
    expect(help.exchanges.map(({ question }) => question)).toEqual(['How?']);
  });

  it('uncovers the next hint', async () => {
    const help = await opened();
    expect(help.hintsLeft).toBe(true);
    await help.nextHint();
    expect(help.hints[1]?.rendered.html).toContain('Second');
    expect(help.hintsLeft).toBe(false);
  });

  it('keeps the answer as the daemon recorded it', async () => {
    const help = await opened({
      messages: [
        { event: 'token', data: { text: 'Lo' } },
        { event: 'done', data: { source: 'model', interaction: given() } },
      ],
    });
    expect(await help.ask('How?', 'hints')).toBe(true);
    expect(help.writing).toBeNull();
    expect(help.exchanges[0]?.rendered.html).toContain('Look.');
  });

  it('marks an answer that broke off and offers a hint', async () => {
    const failed = { code: 'help_cut', message: 'It broke off.' };
    const interaction = given({ outcome: 'partial' });
    const help = await opened({
      messages: [
        { event: 'token', data: { text: 'Lo' } },
        { event: 'error', data: { ...failed, interaction } },
      ],
    });
    await help.ask('How?', 'hints');
    expect(help.exchanges[0]?.note).toBe('It broke off. What you see is not complete.');
    expect(help.offersHint).toBe(true);
  });

  it('marks an answer whose connection broke', async () => {
    const help = await opened({ messages: [{ event: 'token', data: { text: 'Lo' } }] });
    await help.ask('How?', 'hints');
    expect(help.exchanges[0]?.note).toContain('connection broke');
  });

  it('says when to ask again, and keeps the question', async () => {
    const refusal = new ApiError(429, 'help_limited', 'Ask again in 20 seconds.', {
      retryAfter: 20,
      limit: 'per minute',
    });
    const help = await opened({ messages: [refusal] });
    expect(await help.ask('How?', 'hints')).toBe(false);
    const until = help.refusal?.until ?? 0;
    expect(help.refusal && waitSentence(help.refusal, until - 20_000)).toContain('in 20 seconds');
    expect(help.refusal && waitSentence(help.refusal, until - 500)).toContain('in 1 second.');
    expect(help.refusal && waitSentence(help.refusal, until)).toBe('');
    expect(help.exchanges).toEqual([]);
  });

  it('says a limit that does not pass in its own words', async () => {
    const refusal = new ApiError(429, 'help_limited', 'It is used up.', {
      retryAfter: 3600,
      limit: 'tokens',
    });
    const help = await opened({ messages: [refusal] });
    await help.ask('How?', 'hints');
    expect(help.refusal).toEqual({ message: 'It is used up.', until: null });
  });

  it('shows what another tab was given', async () => {
    const fake = new Fake();
    const help = new StepHelp(fake, 'a');
    fake.history = [given()];
    await help.refresh();
    expect(help.exchanges).toEqual([]); // the panel was never open
    await help.load();
    const shown = help.exchanges[0];
    fake.history = [given(), given({ id: 'i-2', question: 'And now?' })];
    await help.refresh();
    expect(help.exchanges.map(({ id }) => id)).toEqual(['i-1', 'i-2']);
    expect(help.exchanges[0]).toBe(shown);
  });

  it('waits with that for the end of its own answer, and says it once', async () => {
    const fake = new Fake();
    const help = new StepHelp(fake, 'a');
    await help.load();
    fake.messages = [{ event: 'token', data: { text: 'Lo' } }];
    const asked = help.ask('How?', 'hints');
    fake.history = [given({ outcome: 'stopped', response: 'Lo' }), given({ id: 'i-2' })];
    await help.refresh();
    expect(help.exchanges).toEqual([]);
    await asked;
    await expect.poll(() => help.exchanges.map(({ id }) => id)).toEqual(['i-1', 'i-2']);
  });

  it("keeps what it knows better than the daemon's history", async () => {
    const fake = new Fake();
    const help = new StepHelp(fake, 'a');
    await help.load();
    const interaction = given({ outcome: 'partial' });
    fake.messages = [
      { event: 'error', data: { code: 'c', message: 'It broke off.', interaction } },
    ];
    await help.ask('How?', 'hints');
    const { exchanges } = help;
    await help.refresh(); // an answer of the daemon that is older than the question
    expect(help.exchanges).toEqual(exchanges);
    fake.history = [interaction];
    await help.refresh();
    expect(help.exchanges).toEqual(exchanges);
  });

  it('takes no empty question', async () => {
    const help = await opened();
    expect(await help.ask('  ', 'hints')).toBe(false);
  });
});
