// Numbers, order and doubts of what is being sent: docs/PROTOCOL.md, "Sending".
import { describe, expect, it } from 'vitest';

import type { Command } from '../src/frames.js';
import { restored, type Outbox } from '../src/outbox.js';
import { linesOf } from '../src/view.js';
import { Bench, id } from './model/bench.js';

const conversation = id('conversation');

function ready(): Bench {
  const bench = new Bench('staff');
  bench.connect();
  bench.follow(conversation, [bench.message(conversation, 1, 'Hello', 'visitor')]);
  return bench;
}

function numbers(commands: readonly Command[]): readonly (readonly [number | bigint, number | bigint])[] {
  return commands.map(({ clientSeq, previous }) => [clientSeq, previous]);
}

function command(commands: readonly Command[]): Command {
  const [first] = commands;
  if (first === undefined) {
    throw new Error('nothing was sent');
  }
  return first;
}

/** Says these texts and returns what was sent of them. */
function say(bench: Bench, ...texts: readonly string[]): readonly Command[] {
  return texts.flatMap((text) => bench.say(conversation, text));
}

describe('the outbox', () => {
  it('numbers commands from 1 and names the one before', () => {
    expect(numbers(say(ready(), 'a', 'b', 'c'))).toEqual([
      [1, 0],
      [2, 1],
      [3, 2],
    ]);
  });

  it('is kept before a command is sent', () => {
    const bench = ready();
    bench.say(conversation, 'a');
    expect(bench.kinds).toEqual(['save', 'command']);
  });

  it('holds back what the window has no room for until an answer comes', () => {
    const bench = ready();
    const sent = say(bench, 'a', 'b', 'c', 'd', 'e');
    expect(sent).toHaveLength(3);
    bench.acknowledge(command(sent), conversation, 2);
    expect(numbers(bench.commands)).toEqual([[4, 3]]);
  });

  it('gives every conversation numbers and a client id of its own', () => {
    const bench = ready();
    const here = command(bench.say(conversation, 'a'));
    const there = command(bench.say(id('other'), 'b'));
    expect([here.clientSeq, there.clientSeq]).toEqual([1, 1]);
    expect(here.client).not.toBe(there.client);
  });

  it('sends everything unanswered again on a new connection, unchanged', () => {
    const bench = ready();
    const sent = say(bench, 'a', 'b');
    bench.lose();
    bench.connect();
    expect(bench.commands).toEqual(sent);
  });

  it('sends what was written without a connection', () => {
    const bench = ready();
    bench.lose();
    expect(say(bench, 'a', 'b')).toEqual([]);
    bench.connect();
    expect(numbers(bench.commands)).toEqual([
      [1, 0],
      [2, 1],
    ]);
  });

  it('sends again what has had no answer for too long', () => {
    const bench = ready();
    const sent = say(bench, 'a');
    bench.wait(19_999);
    expect(bench.commands).toEqual([]);
    bench.wait(1);
    expect(bench.commands).toEqual(sent);
  });

  describe('after a refusal for good', () => {
    it('sends what follows under unchanged numbers with another number before', () => {
      const bench = ready();
      const sent = say(bench, 'a', 'b', 'c');
      bench.acknowledge(command(sent), conversation, 2);
      const [, b] = sent;
      expect(b).toBeDefined();
      expect(numbers(b === undefined ? [] : bench.refuse(b, 'too_large'))).toEqual([[3, 1]]);
    });

    it('goes on with 0 before when the first command was refused', () => {
      const bench = ready();
      expect(numbers(bench.refuse(command(say(bench, 'a', 'b')), 'bad_text'))).toEqual([[2, 0]]);
    });

    it('does not mind the answers to the copies that went out before', () => {
      const bench = ready();
      const [a, b, c] = say(bench, 'a', 'b', 'c');
      if (a === undefined || b === undefined || c === undefined) {
        throw new Error('not sent');
      }
      const again = bench.refuse(a, 'bad_text');
      expect(numbers(again)).toEqual([
        [2, 0],
        [3, 2],
      ]);
      expect(bench.refuse(b, 'client_unknown')).toEqual([]);
      expect(bench.gap(c, 0)).toEqual([]);
      bench.acknowledge(b, conversation, 2);
      bench.acknowledge(c, conversation, 3);
      expect(bench.state.outbox.items.map(({ phase }) => phase.kind)).toEqual(['refused']);
    });

    it('keeps a text for the person, who sends it again under a new number', () => {
      const bench = ready();
      bench.refuse(command(say(bench, 'a')), 'forbidden');
      const [line] = linesOf(bench.state, conversation).slice(-1);
      expect(line).toMatchObject({ kind: 'text', text: 'a', delivery: { kind: 'failed' } });
      const local = bench.state.outbox.items[0]?.local ?? 0;
      bench.do({ kind: 'retry', local });
      expect(numbers(bench.commands)).toEqual([[2, 0]]);
    });

    it('forgets a text that the person discards', () => {
      const bench = ready();
      bench.refuse(command(say(bench, 'a')), 'forbidden');
      bench.do({ kind: 'discard', local: bench.state.outbox.items[0]?.local ?? 0 });
      expect(bench.state.outbox.items).toEqual([]);
    });

    it('only says so of anything but a text', () => {
      const bench = ready();
      bench.do({ kind: 'say', conversation, body: { kind: 'resolve' } });
      bench.refuse(command(bench.commands), 'invalid_state');
      expect(bench.state.outbox.items).toEqual([]);
      expect(bench.state.problem?.reason.code).toBe('invalid_state');
    });

    it('counts a command as stored when an older copy was', () => {
      const bench = ready();
      const a = command(say(bench, 'a'));
      bench.refuse(a, 'invalid_state');
      bench.acknowledge(a, conversation, 2);
      expect(bench.state.outbox.items).toEqual([]);
      expect(numbers(bench.say(conversation, 'b'))).toEqual([[2, 1]]);
    });

    it('does not count an acknowledgement without a position as stored', () => {
      const bench = ready();
      const a = command(say(bench, 'a'));
      bench.refuse(a, 'invalid_state');
      bench.acknowledge(a, conversation, 0);
      expect(bench.state.outbox.items.map(({ phase }) => phase.kind)).toEqual(['refused']);
    });
  });

  describe('after a refusal for now', () => {
    it.each([
      ['rate_limited', 250, 250],
      ['overloaded', 0, 1_000],
      ['storage_full', 5_000, 5_000],
    ])('%s waits and sends the same again, with all that follows', (code, retryAfterMs, wait) => {
      const bench = ready();
      const sent = say(bench, 'a', 'b');
      expect(bench.refuse(command(sent), code, retryAfterMs)).toEqual([]);
      const [, b] = sent;
      if (b !== undefined) {
        expect(bench.refuse(b, 'client_unknown')).toEqual([]);
      }
      bench.wait(wait - 1);
      expect(bench.commands).toEqual([]);
      bench.wait(1);
      expect(bench.commands).toEqual(sent);
    });
  });

  describe('told of a gap', () => {
    it('goes on from the last number that the server has, once', () => {
      const bench = ready();
      const sent = say(bench, 'a', 'b', 'c');
      bench.receive({ kind: 'resync', conversation });
      const [, b, c] = sent;
      if (b === undefined || c === undefined) {
        throw new Error('not sent');
      }
      // a was lost with the one that crashed; the copies sent since are under way
      expect(numbers(bench.gap(b, 0))).toEqual([
        [2, 1],
        [3, 2],
      ]);
      expect(bench.gap(c, 0)).toEqual([]);
    });

    it('takes a new client id when the server has forgotten what it acknowledged', () => {
      const bench = ready();
      const a = command(say(bench, 'a'));
      bench.acknowledge(a, conversation, 2);
      const b = command(say(bench, 'b'));
      const again = command(bench.gap(b, 0));
      expect(numbers([again])).toEqual([[1, 0]]);
      expect(again.client).not.toBe(a.client);
      expect(again.body).toEqual(b.body);
    });

    it('does not send in a tight loop when the server contradicts itself', () => {
      const bench = ready();
      const a = command(say(bench, 'a'));
      expect(bench.gap(a, 0)).toEqual([]);
      bench.wake();
      expect(bench.commands).toEqual([a]);
    });
  });

  describe('unknown to the server', () => {
    it('sends again under a new client id what surely was not stored', () => {
      const bench = ready();
      const a = command(say(bench, 'a'));
      bench.acknowledge(a, conversation, 2);
      const b = command(say(bench, 'b'));
      const again = command(bench.refuse(b, 'client_unknown'));
      expect(again.client).not.toBe(b.client);
      expect(numbers([again])).toEqual([[1, 0]]);
    });

    it('asks the person about what was sent on a connection that was lost', () => {
      const bench = ready();
      const a = command(say(bench, 'a'));
      bench.acknowledge(a, conversation, 2);
      const b = command(say(bench, 'b'));
      bench.lose();
      bench.connect();
      expect(bench.refuse(b, 'client_unknown')).toEqual([]);
      const [line] = linesOf(bench.state, conversation).slice(-1);
      expect(line).toMatchObject({ text: 'b', delivery: { kind: 'unconfirmed' } });
      bench.do({ kind: 'retry', local: bench.state.outbox.items[0]?.local ?? 0 });
      expect(command(bench.commands).client).not.toBe(a.client);
    });

    it('has its question answered when the message shows up in the log', () => {
      const bench = ready();
      const a = command(say(bench, 'a'));
      bench.acknowledge(a, conversation, 2);
      const b = command(say(bench, 'b'));
      bench.lose();
      bench.connect();
      bench.refuse(b, 'client_unknown');
      const { client, clientSeq } = b;
      bench.receive(bench.message(conversation, 3, 'b', 'staff', { client, clientSeq }));
      expect(bench.state.outbox.items).toEqual([]);
    });
  });

  describe('kept over a reload', () => {
    const kept = (bench: Bench): Outbox => JSON.parse(JSON.stringify(bench.state.outbox)) as Outbox;
    const reload = (bench: Bench): Bench => {
      const next = new Bench(bench.role);
      const { self } = bench.state;
      next.do({ kind: 'restored', saved: { version: 1, self, outbox: kept(bench) } });
      return next;
    };

    it('sends the same commands again', () => {
      const bench = ready();
      const sent = say(bench, 'a', 'b');
      const next = reload(bench);
      next.connect();
      expect(next.commands).toEqual(sent);
    });

    it('goes on numbering where it was', () => {
      const bench = ready();
      bench.acknowledge(command(say(bench, 'a')), conversation, 2);
      const next = reload(bench);
      next.connect();
      expect(numbers(next.say(conversation, 'b'))).toEqual([[2, 1]]);
    });

    it('sends nothing of somebody else', () => {
      const bench = ready();
      say(bench, 'a');
      const next = reload(bench);
      next.connect({ self: { kind: 'account', id: id('another') } });
      expect(next.commands).toEqual([]);
      expect(next.state.outbox.items).toEqual([]);
    });

    it('asks about an opening that is so old that its key may be forgotten', () => {
      const bench = new Bench('visitor');
      bench.connect();
      bench.say('', 'a');
      const day = 24 * 3600 * 1000;
      const phases = (after: number) => restored(kept(bench), bench.now + after).items.map(({ phase }) => phase.kind);
      expect(phases(5 * day)).toEqual(['due']);
      expect(phases(7 * day)).toEqual(['unconfirmed']);
    });
  });

  describe('opening a conversation', () => {
    it('puts a burst under one opening key, and goes on in the conversation it became', () => {
      const bench = new Bench('visitor');
      bench.connect();
      const a = command(bench.say('', 'a'));
      const b = command(bench.say('', 'b'));
      expect([a.conversation, b.conversation]).toEqual(['', '']);
      expect(a.opening).not.toBe('');
      expect(b.opening).toBe(a.opening);
      bench.acknowledge(a, conversation, 1);
      expect(bench.state.focus).toBe(conversation);
      const c = command(bench.say(conversation, 'c'));
      expect(c).toMatchObject({ conversation, opening: '', client: a.client, clientSeq: 3, previous: 2 });
    });

    it('uses no number of another conversation, though the server may join the two', () => {
      const bench = new Bench('visitor');
      bench.connect({ conversations: [conversation] });
      const there = command(bench.say(conversation, 'a'));
      bench.do({ kind: 'focus', conversation: '' });
      const opened = command(bench.say('', 'b'));
      expect(opened.client).not.toBe(there.client);
    });
  });
});
