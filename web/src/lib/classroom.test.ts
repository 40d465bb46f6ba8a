import { describe, expect, it, vi } from 'vitest';
import {
  arranged,
  cellOf,
  condition,
  counts,
  lostSentence,
  position,
  tileAfterKey,
  workshopName,
  type Condition,
} from './classroom';
import { Classroom } from './classroom.svelte';
import type { ClassView, SeatView, StudentStatus, StudentStep } from './protocol';
import type { Source } from './feed';

const THEN = '2026-01-31T12:00:00.000Z';
const NOW = Date.parse('2026-01-31T12:05:00.000Z');

function step(id: string, more: Partial<StudentStep> = {}): StudentStep {
  return {
    ...{ id, title: id.toUpperCase(), completed: false, onTaskSeconds: 0 },
    ...{ attempts: 0, failed: 0, commands: 0, failedCommands: 0, helps: 0 },
    ...more,
  };
}

function student(more: Partial<StudentStatus> = {}): StudentStatus {
  return {
    ...{ session: 's', ts: THEN, workshop: 'w', title: 'W', activeStep: 'a', viewedStep: 'b' },
    steps: [step('a', { completed: true, onTaskSeconds: 90 }), step('b'), step('c')],
    ...{ completed: 1, total: 3, finished: false, connected: 1, running: true, stuck: [] },
    watching: { mode: 'always' },
    terminals: [],
    ...more,
  };
}

function seat(name: string, more: Partial<SeatView> = {}): SeatView {
  return {
    ...{ id: name, name, place: `${name}.example`, local: false, reach: 'live', tally: {} },
    student: student(),
    ...more,
  };
}

const STUCK = { reason: 'check_fails', step: 'b', since: THEN, message: 'It fails.' };

describe('condition', () => {
  it.each<[Condition, Partial<SeatView>]>([
    ['working', {}],
    ['hand', { student: student({ hand: { since: THEN }, stuck: [STUCK] }) }],
    ['stuck', { student: student({ stuck: [STUCK] }) }],
    ['finished', { student: student({ finished: true }) }],
    ['away', { student: student({ connected: 0, running: false }) }],
    ['quiet', { student: student({ running: false }) }],
    ['lost', { reach: 'unreachable' }],
    ['lost', { reach: 'refused', student: student({ hand: { since: THEN } }) }],
    ['unknown', { reach: 'connecting', student: undefined } as Partial<SeatView>],
  ])('is %s', (expected, more) => {
    expect(condition(seat('ada', more))).toBe(expected);
  });
});

describe('what a tile says', () => {
  it('names the step that is looked at', () => {
    expect(position(student())).toEqual({ number: '2/3', title: 'B' });
  });

  it('says since when a daemon is silent', () => {
    const lost = seat('ada', { reach: 'unreachable', since: THEN, why: 'Nobody answers.' });
    expect(lostSentence(lost, NOW)).toBe('Nobody answers. Last heard 5 min ago.');
  });
});

describe('cellOf', () => {
  it('tells done, here, stuck and begun apart', () => {
    const one = student({
      steps: [step('a', { completed: true, onTaskSeconds: 90, failed: 2 }), step('b'), step('c')],
    });
    expect(cellOf(one, one.steps[0])).toEqual({
      kind: 'done',
      time: '1:30',
      failed: 2,
      sentence: 'completed, 1:30 on task, 2 failed checks',
    });
    expect(cellOf(one, one.steps[1]).kind).toBe('here');
    expect(cellOf(one, one.steps[2]).kind).toBe('none');
    expect(cellOf(student({ stuck: [STUCK] }), step('b')).kind).toBe('stuck');
    expect(cellOf(one, step('c', { attempts: 1 })).kind).toBe('tried');
    expect(cellOf(one, undefined).kind).toBe('none');
  });
});

describe('arranged', () => {
  const seats = [
    seat('Zoe', { student: student({ hand: { since: THEN }, completed: 2 }) }),
    seat('Ada 10'),
    seat('Ada 9', { reach: 'unreachable' }),
  ];
  const names = (found: SeatView[]) => found.map(({ name }) => name);

  it('keeps the order of the roster, or sorts by name or progress', () => {
    expect(names(arranged(seats, 'Everybody', '', 'As in the roster'))).toEqual([
      'Zoe',
      'Ada 10',
      'Ada 9',
    ]);
    expect(names(arranged(seats, 'Everybody', '', 'By name'))).toEqual(['Ada 9', 'Ada 10', 'Zoe']);
    expect(names(arranged(seats, 'Everybody', '', 'Furthest behind first'))[2]).toBe('Zoe');
  });

  it('filters and finds', () => {
    expect(names(arranged(seats, 'Need help', '', 'By name'))).toEqual(['Zoe']);
    expect(names(arranged(seats, 'Everybody', ' ADA', 'By name'))).toEqual(['Ada 9', 'Ada 10']);
    expect(counts(seats)).toEqual({
      Everybody: 3,
      'Need help': 1,
      'Not connected': 1,
      Finished: 0,
    });
  });
});

describe('tileAfterKey', () => {
  it.each([
    [1, 'ArrowRight', 2],
    [1, 'ArrowDown', 4],
    [5, 'ArrowDown', 5],
    [0, 'ArrowLeft', 0],
    [4, 'Home', 0],
    [0, 'End', 6],
    [0, 'Enter', null],
  ])('moves from %i with %s to %s', (at, key, expected) => {
    expect(tileAfterKey(at, 7, 3, key)).toBe(expected);
  });
});

describe('Classroom', () => {
  function open() {
    const listeners = new Map<string, (event: MessageEvent<string>) => void>();
    const source: Source = {
      readyState: 1,
      addEventListener: (type, listener) => listeners.set(type, listener),
      close: vi.fn(),
    };
    const onHand = vi.fn();
    const classroom = new Classroom({
      open: () => source,
      probe: () => Promise.resolve(200),
      later: () => () => undefined,
      onHand,
    });
    classroom.start(true);
    const send = (type: string, data: unknown) =>
      listeners.get(type)?.({ data: JSON.stringify(data) } as MessageEvent<string>);
    return { classroom, send, onHand };
  }
  const view = (queue: string[]): ClassView => ({
    ...{ name: 'monday', seats: ['ada', 'bob'], stuck: [], funnels: [] },
    queue,
  });

  it('keeps the seats in the order of the class', () => {
    const { classroom, send } = open();
    send('seat', seat('bob'));
    send('seat', seat('ada'));
    send('class', view([]));
    expect(classroom.connection).toBe('live');
    expect(classroom.inOrder.map(({ name }) => name)).toEqual(['ada', 'bob']);
  });

  it('rings for a hand that goes up, not for those that were up', () => {
    const { classroom, send, onHand } = open();
    send('seat', seat('ada'));
    send('seat', seat('bob'));
    send('class', view(['ada']));
    expect(onHand).not.toHaveBeenCalled();
    send('class', view(['ada', 'bob']));
    expect(onHand).toHaveBeenCalledOnce();
    expect(classroom.announcement).toBe('bob raised a hand.');
    send('class', view(['bob']));
    expect(onHand).toHaveBeenCalledOnce();
  });
});

describe('workshopName', () => {
  const funnel = (workshop: string, title: string) => ({ workshop, title, students: 1, steps: [] });
  const one = funnel('git', 'Git');
  const first = funnel('linux-a', 'Linux');
  const second = funnel('linux-b', 'Linux');

  it('is the title, with the name where two have the same', () => {
    const all = [one, first, second];
    expect(all.map((each) => workshopName(each, all))).toEqual([
      'Git',
      'Linux · linux-a',
      'Linux · linux-b',
    ]);
  });
});
