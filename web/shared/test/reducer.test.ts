// Connecting, following conversations, pointers, typing and lists, one behaviour each.
import { describe, expect, it } from 'vitest';

import type { ListRows, OpenRow } from '../src/frames.js';
import { eventAt, lastOf } from '../src/log.js';
import { wakeAt } from '../src/reducer.js';
import { linesOf, rowsOf, type Line } from '../src/view.js';
import { Bench, id, self } from './model/bench.js';

const conversation = id('conversation');

function texts(bench: Bench): readonly (string | null)[] {
  return linesOf(bench.state, conversation).flatMap((line) => (line.kind === 'text' ? [line.text] : []));
}

function lastLine(bench: Bench): Line | undefined {
  return linesOf(bench.state, conversation).slice(-1)[0];
}

/** An agent who follows a conversation of these many messages by the visitor. */
function following(count: number): Bench {
  const bench = new Bench('staff');
  bench.connect();
  const messages = Array.from({ length: count }, (_, index) =>
    bench.message(conversation, index + 1, `m${String(index + 1)}`, 'visitor'),
  );
  bench.follow(conversation, messages);
  return bench;
}

describe('the link', () => {
  it('says hello on the open socket and is ready with the welcome', () => {
    const bench = new Bench('visitor');
    bench.do({ kind: 'start' });
    expect(bench.kinds).toEqual(['connect']);
    const hello = bench.do({ kind: 'opened', socket: bench.state.socket });
    expect(hello).toEqual([
      { kind: 'hello', token: '', inboxKey: 'inbox', name: 'Ann', storeIncarnation: '', cursors: [] },
    ]);
    bench.connect({ token: 'mine' });
    expect(bench.effects).toContainEqual({ kind: 'keepToken', token: 'mine' });
    expect(bench.state.link.kind).toBe('ready');
  });

  it('tries again after 0.2 s, doubling to 5 s, a part of it by chance', () => {
    const bench = new Bench('visitor');
    bench.do({ kind: 'start' });
    const waits: number[] = [];
    for (let attempt = 0; attempt < 8; ++attempt) {
      bench.lose();
      waits.push(wakeAt(bench.state) - bench.now);
      bench.wake();
    }
    expect(waits).toEqual([200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000].map((most) => most * 0.75));
  });

  it('begins with the shortest wait again after a connection that lasted', () => {
    const bench = new Bench('visitor');
    bench.do({ kind: 'start' });
    for (let attempt = 0; attempt < 5; ++attempt) {
      bench.lose();
      bench.wake();
    }
    bench.connect();
    bench.lose();
    expect(wakeAt(bench.state) - bench.now).toBeGreaterThan(1_000);
    bench.wake();
    bench.connect();
    bench.wait(6_000);
    bench.lose();
    expect(wakeAt(bench.state) - bench.now).toBe(150);
  });

  it('gives up a socket that does not open, or does not greet', () => {
    const bench = new Bench('visitor');
    bench.do({ kind: 'start' });
    bench.wait(10_000);
    expect(bench.kinds).toEqual(['disconnect']);
    bench.wake();
    bench.do({ kind: 'opened', socket: bench.state.socket });
    bench.wait(10_000);
    expect(bench.kinds).toEqual(['disconnect']);
  });

  it('drops what an older socket still says', () => {
    const bench = following(1);
    const old = bench.state.socket;
    bench.lose();
    bench.connect();
    bench.do({ kind: 'received', socket: old, frame: bench.message(conversation, 2, 'ghost', 'visitor') });
    bench.do({ kind: 'closed', socket: old, code: 1006 });
    expect(texts(bench)).toEqual(['m1']);
    expect(bench.state.link.kind).toBe('ready');
  });

  it('pings when it has been silent, and gives up without an answer', () => {
    const bench = following(1);
    expect(bench.wait(30_000)).toMatchObject([{ kind: 'ping' }]);
    bench.wait(9_999);
    expect(bench.kinds).toEqual([]);
    bench.wait(1);
    expect(bench.kinds).toEqual(['disconnect']);
    expect(bench.state.link.kind).toBe('waiting');
  });

  it('lives on with any frame as the answer to a ping', () => {
    const bench = following(1);
    bench.wait(30_000);
    bench.receive({ kind: 'pong', nonce: 1 });
    bench.wait(10_000);
    expect(bench.state.link.kind).toBe('ready');
  });

  it('looks at once when the page comes back', () => {
    const bench = following(1);
    expect(bench.do({ kind: 'probe' })).toMatchObject([{ kind: 'ping' }]);
    bench.wait(3_000);
    expect(bench.state.link.kind).toBe('waiting');
    bench.do({ kind: 'probe' });
    expect(bench.kinds).toEqual(['connect']);
  });

  it('leaves a node that is going away when it was told to', () => {
    const bench = following(1);
    bench.receive({ kind: 'goAway', reconnectAfterMs: 700 });
    bench.wait(200);
    bench.lose();
    expect(wakeAt(bench.state) - bench.now).toBe(500);
    const other = following(1);
    other.receive({ kind: 'goAway', reconnectAfterMs: 700 });
    other.wait(700);
    expect(other.kinds).toEqual(['disconnect']);
  });

  it.each(['unauthenticated', 'origin_refused', 'not_found'])('does not try again when refused as %s', (code) => {
    const bench = new Bench('staff');
    bench.do({ kind: 'start' });
    bench.do({ kind: 'opened', socket: bench.state.socket });
    const reason = { code, message: 'no', field: '' };
    bench.receive({ kind: 'problem', reason, request: 0, fatal: true, retryAfterMs: 0 });
    expect(bench.state.link).toEqual({ kind: 'refused', reason });
    expect(wakeAt(bench.state)).toBe(Infinity);
  });

  it('tries again, not before it may, when refused for now', () => {
    const bench = new Bench('visitor');
    bench.do({ kind: 'start' });
    bench.do({ kind: 'opened', socket: bench.state.socket });
    const reason = { code: 'too_many_connections', message: 'full', field: '' };
    bench.receive({ kind: 'problem', reason, request: 0, fatal: true, retryAfterMs: 4_000 });
    expect(wakeAt(bench.state) - bench.now).toBe(4_000);
  });

  it('says hello again on the same socket when told to resynchronise', () => {
    const bench = following(2);
    const frames = bench.receive({ kind: 'resync', conversation: '' });
    expect(frames).toMatchObject([{ kind: 'hello', cursors: [{ conversation, after: 2 }] }]);
  });
});

describe('a conversation', () => {
  it('is resumed by its cursor on a new connection', () => {
    const bench = following(3);
    bench.lose();
    bench.wake();
    const hello = bench.do({ kind: 'opened', socket: bench.state.socket });
    expect(hello).toMatchObject([
      { kind: 'hello', storeIncarnation: '0000000000000001', cursors: [{ conversation, after: 3 }] },
    ]);
  });

  it('is dropped and loaded anew when the server resets the cursor', () => {
    const bench = following(3);
    bench.follow(conversation, [], { reset: true, seq: 9 });
    bench.receive(bench.message(conversation, 9, 'm9', 'visitor'));
    expect(texts(bench)).toEqual(['m9']);
    expect(bench.state.conversations[conversation]?.more).toBe(true);
  });

  it('is dropped when the store is another one', () => {
    const bench = following(3);
    bench.lose();
    bench.connect({ storeIncarnation: '0000000000000002' });
    expect(texts(bench)).toEqual([]);
  });

  it('shows an event once however often it comes', () => {
    const bench = following(2);
    bench.receive(bench.message(conversation, 2, 'm2', 'visitor'));
    bench.receive(bench.message(conversation, 1, 'm1', 'visitor'));
    expect(texts(bench)).toEqual(['m1', 'm2']);
  });

  it('waits a moment for an event that is overtaken', () => {
    const bench = following(1);
    bench.receive(bench.message(conversation, 3, 'm3', 'visitor'));
    bench.wait(299);
    expect(bench.sent).toEqual([]);
    bench.receive(bench.message(conversation, 2, 'm2', 'visitor'));
    expect(texts(bench)).toEqual(['m1', 'm2', 'm3']);
    bench.wait(300);
    expect(bench.sent).not.toContainEqual(expect.objectContaining({ kind: 'subscribe' }));
  });

  it('asks again from its cursor for an event that does not come', () => {
    const bench = following(1);
    bench.receive(bench.message(conversation, 3, 'm3', 'visitor'));
    expect(bench.wait(300)).toContainEqual({ kind: 'subscribe', conversation, after: 1 });
    expect(bench.state.heals).toBe(1);
  });

  it('asks again more and more rarely when that does not help', () => {
    const bench = new Bench('staff');
    bench.connect({ heartbeatMs: 3_600_000 });
    bench.follow(conversation, [bench.message(conversation, 1, 'm1', 'visitor')]);
    const mine = { who: { kind: 'account', id: self.staff }, delivered: 1, read: 0 } as const;
    const waits: number[] = [];
    for (let round = 0; round < 5; ++round) {
      bench.follow(conversation, [], { seq: 3, pointers: [mine] });
      const before = bench.now;
      expect(bench.wake()).toEqual([{ kind: 'subscribe', conversation, after: 1 }]);
      waits.push(bench.now - before);
    }
    expect(waits).toEqual([5_000, 10_000, 20_000, 40_000, 60_000]);
  });

  it('does not begin with an own message while its page is on the way', () => {
    const bench = new Bench('staff');
    bench.connect();
    bench.do({ kind: 'open', conversation });
    const [command] = bench.say(conversation, 'mine');
    bench.follow(conversation, [], { seq: 2 });
    if (command !== undefined) {
      bench.acknowledge(command, conversation, 3);
    }
    bench.receive(bench.message(conversation, 1, 'm1', 'visitor'));
    bench.receive(bench.message(conversation, 2, 'm2', 'visitor'));
    expect(texts(bench)).toEqual(['m1', 'm2', 'mine']);
  });

  it('takes an edit and a recall as the current parts of their target', () => {
    const bench = following(3);
    const edited = bench.message(conversation, 4, 'better', 'visitor', { event: 'edit', target: 2, revision: 4 });
    bench.receive(edited);
    expect(texts(bench)).toEqual(['m1', 'better', 'm3']);
    const recalled = { ...edited, event: 'recall' as const, seq: 5, visibleSeq: 5, revision: 5 };
    const author = { kind: 'visitor', name: 'Ann' } as const;
    bench.receive({ ...recalled, open: { author, body: { kind: 'recalled' } } });
    expect(texts(bench)).toEqual(['m1', null, 'm3']);
    // an older push of the target does not bring its words back
    bench.receive(bench.message(conversation, 2, 'm2', 'visitor'));
    expect(texts(bench)).toEqual(['m1', null, 'm3']);
  });

  it('loads older pages before what it holds', () => {
    const bench = new Bench('staff');
    bench.connect();
    bench.follow(conversation, [bench.message(conversation, 3, 'm3', 'visitor')]);
    const [request] = bench.do({ kind: 'older', conversation });
    expect(request).toMatchObject({ kind: 'history', from: 3, newer: false });
    const events = [1, 2].map((place) => bench.message(conversation, place, `m${String(place)}`, 'visitor'));
    bench.receive({ kind: 'history', request: 1, conversation, events, more: false });
    expect(texts(bench)).toEqual(['m1', 'm2', 'm3']);
    expect(bench.do({ kind: 'older', conversation })).toEqual([]);
  });

  it('follows status and assignee', () => {
    const bench = following(1);
    const author = { kind: 'account', name: 'Bob' } as const;
    const status = (position: number, to: 'resolved' | 'waiting') =>
      bench.message(conversation, position, '', 'staff', {
        event: 'status',
        open: { author, body: { kind: 'status', status: to } },
      });
    bench.receive(status(2, 'resolved'));
    expect(bench.state.conversations[conversation]).toMatchObject({ status: 'resolved', assigneeName: 'Bob' });
    bench.receive(status(3, 'waiting'));
    expect(bench.state.conversations[conversation]).toMatchObject({ status: 'waiting', assigneeName: '' });
    const open = { author, body: { kind: 'assigned', to: { kind: 'account', name: 'Eve' } } } as const;
    bench.receive(bench.message(conversation, 4, '', 'staff', { event: 'assignment', open }));
    expect(bench.state.conversations[conversation]).toMatchObject({ status: 'active', assigneeName: 'Eve' });
  });

  it('begun in another tab is followed and shown', () => {
    const bench = new Bench('visitor');
    bench.connect();
    const message = bench.message(conversation, 1, 'from the other tab', 'visitor');
    bench.receive({
      kind: 'subscribed',
      conversation,
      reset: false,
      seq: 0,
      visibleSeq: 1,
      status: 'waiting',
      number: 67,
      assigneeName: '',
      visitorName: 'Ann',
      pointers: [],
      ownClients: [],
    });
    bench.receive(message);
    expect(bench.state.focus).toBe(conversation);
    expect(texts(bench)).toEqual(['from the other tab']);
  });
});

describe('an own message', () => {
  it('that opens a conversation begins its log, though every tab follows it from before it was stored', () => {
    const bench = new Bench('visitor');
    bench.connect();
    const [command] = bench.say('', 'Hello');
    bench.receive({
      kind: 'subscribed',
      conversation,
      reset: false,
      seq: 0,
      visibleSeq: 0,
      status: 'waiting',
      number: 67,
      assigneeName: '',
      visitorName: 'Ann',
      pointers: [],
      ownClients: [],
    });
    if (command !== undefined) {
      bench.acknowledge(command, conversation, 1);
    }
    bench.receive(bench.message(conversation, 2, 'Good morning', 'staff'));
    expect(texts(bench)).toEqual(['Hello', 'Good morning']);
  });

  it('is one line from the first moment to the last', () => {
    const bench = following(1);
    const [command] = bench.say(conversation, 'hi');
    const sending = lastLine(bench);
    expect(sending).toMatchObject({ text: 'hi', delivery: { kind: 'sending' }, position: 0 });
    if (command === undefined) {
      throw new Error('not sent');
    }
    bench.acknowledge(command, conversation, 2);
    const key = `${sending?.key.split(':').slice(0, 2).join(':') ?? ''}:message`;
    expect(lastLine(bench)).toMatchObject({ key, text: 'hi', delivery: { kind: 'sent' }, position: 2 });
    // the push of it, which another connection's subscription may bring, changes nothing
    const { client, clientSeq } = command;
    bench.receive(bench.message(conversation, 2, 'hi', 'staff', { client, clientSeq }));
    expect(texts(bench)).toEqual(['m1', 'hi']);
  });

  it('goes from sent to delivered to seen with the pointers of the other side', () => {
    const bench = following(1);
    const [command] = bench.say(conversation, 'hi');
    if (command === undefined) {
      throw new Error('not sent');
    }
    bench.acknowledge(command, conversation, 2);
    const states: string[] = [];
    for (const [by, delivered, read] of [
      ['staff', 2, 2],
      ['visitor', 1, 1],
      ['visitor', 2, 1],
      ['visitor', 2, 2],
      ['visitor', 1, 1],
    ] as const) {
      const who = { kind: by === 'staff' ? 'account' : 'visitor', id: self[by] } as const;
      bench.receive({ kind: 'pointerMoved', conversation, value: { who, delivered, read } });
      const line = lastLine(bench);
      states.push(line?.kind === 'text' ? (line.delivery?.kind ?? '') : '');
    }
    expect(states).toEqual(['sent', 'sent', 'delivered', 'seen', 'seen']);
  });

  it('that is too long is not even numbered', () => {
    const bench = following(1);
    expect(bench.say(conversation, '长'.repeat(34))).toEqual([]);
    expect(bench.state.problem?.reason.code).toBe('too_large');
    expect(bench.say(conversation, 'ok')).toMatchObject([{ clientSeq: 1 }]);
  });
});

describe('pointers', () => {
  it('say what has arrived, at most once a second', () => {
    const bench = following(1);
    expect(bench.sent).toEqual([{ kind: 'mark', conversation, delivered: 1, read: 0 }]);
    bench.receive(bench.message(conversation, 2, 'm2', 'visitor'));
    bench.receive(bench.message(conversation, 3, 'm3', 'visitor'));
    expect(bench.sent).toEqual([]);
    expect(bench.wait(1_000)).toEqual([{ kind: 'mark', conversation, delivered: 3, read: 0 }]);
    expect(bench.wait(1_000)).toEqual([]);
  });

  it('say what was read, and are not repeated after a reconnect', () => {
    const bench = following(2);
    bench.wait(1_000);
    bench.wait(1_000);
    expect(bench.do({ kind: 'read', conversation, position: 2 })).toMatchObject([{ kind: 'mark', read: 2 }]);
    bench.lose();
    bench.connect();
    const mine = { who: { kind: 'account', id: self.staff }, delivered: 2, read: 2 } as const;
    bench.follow(conversation, [], { seq: 2, pointers: [mine] });
    bench.wait(5_000);
    expect(bench.sent).toEqual([]);
  });
});

describe('typing', () => {
  it('is said every 3 s while keys are pressed, and ended 4 s after the last', () => {
    const bench = following(1);
    bench.wait(1_000);
    const said = (keys: number, apart: number) => {
      const frames: unknown[] = [];
      for (let key = 0; key < keys; ++key) {
        frames.push(...bench.do({ kind: 'typed', conversation }));
        bench.now += apart;
      }
      return frames;
    };
    expect(said(7, 1_000)).toHaveLength(3);
    bench.now -= 1_000;
    expect(bench.wait(3_999)).toEqual([]);
    expect(bench.wait(1)).toEqual([{ kind: 'typing', conversation, on: false }]);
  });

  it('of somebody else is shown until it ends, their message comes, or it is too old', () => {
    const bench = following(1);
    const who = { kind: 'visitor', name: 'Ann' } as const;
    const shown = () => bench.state.conversations[conversation]?.typists.length;
    const begin = () => {
      bench.receive({ kind: 'typingShown', conversation, who, on: true });
      expect(shown()).toBe(1);
    };
    begin();
    bench.receive({ kind: 'typingShown', conversation, who, on: false });
    expect(shown()).toBe(0);
    begin();
    bench.receive(bench.message(conversation, 2, 'm2', 'visitor'));
    expect(shown()).toBe(0);
    begin();
    bench.wait(6_000);
    expect(shown()).toBe(0);
  });
});

describe('a list', () => {
  const row = (name: string, waitingSince: number): OpenRow => ({
    conversation: id(name),
    number: 1,
    status: 'waiting',
    visitor: '',
    visitorName: name,
    inbox: '',
    team: '',
    assignee: '',
    assigneeName: '',
    created: 0,
    waitingSince,
    seq: 1,
    excerpt: '',
  });
  const frame = (part: Partial<ListRows>): ListRows => ({
    kind: 'listRows',
    list: 'waiting',
    reset: false,
    rows: [],
    removed: [],
    cursor: { storeIncarnation: '', positions: [] },
    ...part,
  });
  const names = (bench: Bench) => rowsOf(bench.state, 'waiting').map(({ visitorName }) => visitorName);

  it('takes rows, changes, removals and a reset, longest wait first', () => {
    const bench = new Bench('staff');
    bench.do({ kind: 'list', list: 'waiting', on: true });
    expect(bench.connect()).toContainEqual({ kind: 'subscribeList', list: 'waiting', after: null });
    bench.receive(frame({ rows: [row('b', 2), row('a', 1)] }));
    expect(names(bench)).toEqual(['a', 'b']);
    bench.receive(frame({ rows: [row('b', 0)], removed: [id('a')] }));
    expect(names(bench)).toEqual(['b']);
    bench.receive(frame({ reset: true, rows: [row('c', 3)] }));
    expect(names(bench)).toEqual(['c']);
  });

  it('is resumed by its cursor, which only the last of several frames carries', () => {
    const bench = new Bench('staff');
    bench.do({ kind: 'list', list: 'waiting', on: true });
    bench.connect();
    const cursor = { storeIncarnation: '0000000000000001', positions: [{ shard: 3, position: '0000000000000009' }] };
    bench.receive(frame({ rows: [row('a', 1)], cursor }));
    bench.receive(frame({ rows: [row('b', 2)] }));
    bench.lose();
    expect(bench.connect()).toContainEqual({ kind: 'subscribeList', list: 'waiting', after: cursor });
    expect(names(bench)).toEqual(['a', 'b']);
  });
});

describe('the state', () => {
  it('survives a trip through JSON', () => {
    const bench = following(2);
    bench.say(conversation, 'a');
    const copy: unknown = JSON.parse(JSON.stringify(bench.state));
    expect(copy).toEqual(bench.state);
  });

  it('is not changed by the reducer', () => {
    const bench = following(2);
    const before = bench.state;
    const frozen = JSON.stringify(before);
    bench.say(conversation, 'a');
    bench.receive(bench.message(conversation, 3, 'm3', 'visitor', { event: 'edit', target: 1 }));
    bench.lose();
    expect(JSON.stringify(before)).toBe(frozen);
    const { log } = bench.state.conversations[conversation] ?? {};
    expect(log === undefined ? 0 : lastOf(log)).toBe(3);
    expect(log === undefined ? null : eventAt(log, 1)?.revision).toBe(3);
  });
});
