// Two tabs of one visitor and an agent talk through a model server over a bad network. Afterwards every screen
// shows what the server has stored, and everything that was said is stored once.
import { describe, expect, it } from 'vitest';

import type { EventPush } from '../src/frames.js';
import { lastOf, positionOf } from '../src/log.js';
import { isLive } from '../src/outbox.js';
import { isOwn, isWords } from '../src/feed.js';
import { linesOf, newestOf, rowsOf } from '../src/view.js';
import { World, type SimulatedClient } from './model/world.js';

const agentAccount = { token: 'agent-token', id: 'aa'.repeat(16), name: 'Bob' };

interface Story {
  readonly world: World;
  readonly visitors: readonly SimulatedClient[];
  readonly agent: SimulatedClient;
  /** Texts by who said them and where, in order. */
  readonly said: Map<string, string[]>;
  /** Texts that the person gave up, or sent again without knowing whether they had been stored. */
  readonly uncertain: Set<string>;
  count: number;
}

interface Weather {
  readonly forgetsClients: boolean;
  readonly restores: boolean;
}

function begin(seed: number): Story {
  const world = new World(seed, [agentAccount]);
  const visitor = { role: 'visitor', token: '', inboxKey: 'inbox', name: 'Ann' } as const;
  const first = world.add('tab 1', visitor);
  const second = world.add('tab 2', visitor);
  const agent = world.add('agent', {
    role: 'staff',
    token: agentAccount.token,
    inboxKey: '',
    name: '',
  });
  first.happen({ kind: 'start' });
  // The second tab is opened when the first has a session: the browser client waits for it.
  const secondWhenReady = () => {
    if (second.token === '') {
      world.at(world.now + 50, secondWhenReady);
    } else {
      second.reload();
    }
  };
  secondWhenReady();
  prepareDesk(agent);
  agent.happen({ kind: 'start' });
  return { world, visitors: [first, second], agent, said: new Map(), uncertain: new Set(), count: 0 };
}

function prepareDesk(agent: SimulatedClient): void {
  agent.happen({ kind: 'list', list: 'waiting', on: true });
  agent.happen({ kind: 'list', list: 'mine', on: true });
  agent.happen({ kind: 'presence', state: 'online', capacity: 5 });
}

function speak(story: Story, client: SimulatedClient, conversation: string, kind: 'message' | 'note'): void {
  const refuse = story.world.random.chance(0.05);
  const text = `${refuse ? 'refuse ' : ''}${client.name} ${String(++story.count)}`;
  const before = client.state.outbox.items.length;
  const position = newestOf(client.state, conversation);
  const quote = story.world.random.chance(0.2) && kind === 'message' ? position : 0;
  const quoted = client.state.conversations[conversation]?.log.events.find((event) => positionOf(event) === quote);
  const visible = quoted !== undefined && !quoted.hidden;
  client.happen({ kind: 'say', conversation, body: { kind, text, quote: visible ? quote : 0 } });
  if (client.state.outbox.items.length > before || client.state.problem === null) {
    const { items, lanes } = client.state.outbox;
    const lane = lanes.find(({ id }) => id === items[items.length - 1]?.lane);
    // What two openings say has no order among them, though they may become one conversation.
    const where = `${client.name} in ${conversation === '' ? (lane?.opening ?? '') : conversation}`;
    story.said.set(where, [...(story.said.get(where) ?? []), text]);
  }
}

function answerQuestions(story: Story, client: SimulatedClient, again: boolean): void {
  for (const item of client.state.outbox.items) {
    if (item.phase.kind === 'unconfirmed' && 'text' in item.body) {
      story.uncertain.add(item.body.text);
      client.happen({ kind: again ? 'retry' : 'discard', local: item.local });
    } else if (item.phase.kind === 'unconfirmed' || item.phase.kind === 'refused') {
      client.happen({ kind: 'discard', local: item.local });
    }
  }
}

function changeSomething(story: Story, client: SimulatedClient, conversation: string): void {
  const { random } = story.world;
  const own = (client.state.conversations[conversation]?.log.events ?? []).filter(
    (event) => isWords(event) && isOwn(client.state, event),
  );
  const target = random.pick(own);
  if (target !== undefined) {
    const at = positionOf(target);
    const text = `edit ${client.name} ${String(++story.count)}`;
    client.happen({
      kind: 'say',
      conversation,
      body: random.chance(0.7) ? { kind: 'edit', target: at, text } : { kind: 'recall', target: at },
    });
  }
}

function act(story: Story): void {
  const { world, agent, visitors } = story;
  const { random } = world;
  const client = random.pick(world.clients) ?? agent;
  const roll = random.below(100);
  if (client !== agent && client.token === '' && client !== visitors[0]) {
    return;
  }
  if (client === agent) {
    for (const row of [...rowsOf(agent.state, 'waiting'), ...rowsOf(agent.state, 'mine')]) {
      if (agent.state.conversations[row.conversation] === undefined) {
        agent.happen({ kind: 'open', conversation: row.conversation });
      }
    }
  }
  const conversation =
    client === agent ? (random.pick(Object.keys(agent.state.conversations)) ?? '') : client.state.focus;
  if (roll < 45) {
    if (client !== agent || conversation !== '') {
      speak(story, client, conversation, client === agent && random.chance(0.3) ? 'note' : 'message');
    }
  } else if (roll < 55) {
    changeSomething(story, client, conversation);
  } else if (roll < 65) {
    client.happen({ kind: 'read', conversation, position: newestOf(client.state, conversation) });
  } else if (roll < 70) {
    client.happen({ kind: 'older', conversation });
  } else if (roll < 75) {
    client.happen({ kind: 'typed', conversation });
  } else if (roll < 80) {
    answerQuestions(story, client, random.chance(0.5));
  } else if (roll < 83) {
    client.reload();
    if (client === agent) {
      prepareDesk(agent);
    }
  } else if (roll < 86 && client !== agent) {
    client.happen({ kind: 'focus', conversation: '' });
  } else if (roll < 90 && client === agent && conversation !== '') {
    const account = random.chance(0.7) ? agentAccount.id : '';
    client.happen({ kind: 'say', conversation, body: { kind: 'assign', account, team: '' } });
  } else if (roll < 94 && client === agent && conversation !== '') {
    client.happen({ kind: 'say', conversation, body: { kind: random.chance(0.7) ? 'resolve' : 'reopen' } });
  } else if (roll < 97) {
    client.happen({ kind: 'probe' });
  }
}

function live(story: Story, steps: number, weather: Weather): void {
  const { world } = story;
  for (let step = 0; step < steps; ++step) {
    act(story);
    if (world.random.chance(0.06)) {
      world.misfortune();
    }
    if (weather.forgetsClients && world.random.chance(0.01)) {
      world.server.forgetClients();
    }
    if (weather.restores && world.random.chance(0.01)) {
      world.server.newIncarnation();
    }
    world.run(world.random.below(150));
  }
}

function calmDown(story: Story): void {
  story.world.stormy = false;
  for (let round = 0; round < 4; ++round) {
    story.world.run(60_000);
    for (const client of story.world.clients) {
      answerQuestions(story, client, false);
      for (const id of Object.keys(client.state.conversations)) {
        client.happen({ kind: 'older', conversation: id });
      }
    }
  }
}

/** An edit's event carries the target's parts of whenever it was pushed: only its place is the same for all. */
function settledForm(event: EventPush): EventPush {
  return event.event === 'edit' || event.event === 'recall' ? { ...event, open: null, staff: null, revision: 0 } : event;
}

function check(story: Story): void {
  const { server } = story.world;
  for (const client of story.world.clients) {
    const { state } = client;
    expect(state.link.kind).toBe('ready');
    expect(state.outbox.items.filter(isLive)).toEqual([]);
    for (const conversation of Object.values(state.conversations)) {
      const truth = server.log(conversation.id, state.role === 'staff');
      const { log } = conversation;
      expect(lastOf(log)).toBe(truth.length);
      expect(log.ahead).toEqual([]);
      expect(log.events.map(settledForm)).toEqual(truth.slice(log.first - 1).map(settledForm));
      expect(conversation.status).toBe(server.conversations.get(conversation.id)?.status);
      expect(conversation.assigneeName).toBe(server.conversations.get(conversation.id)?.assigneeName);
      const keys = linesOf(state, conversation.id).map(({ key }) => key);
      expect(new Set(keys).size).toBe(keys.length);
    }
  }
  for (const list of ['waiting', 'mine'] as const) {
    const ids = (rows: readonly { readonly conversation: string }[]) => rows.map((row) => row.conversation).sort();
    expect(ids(rowsOf(story.agent.state, list))).toEqual(ids(server.rows(list, { who: story.agent.state.self })));
  }
}

function storedTexts(story: Story): string[] {
  const texts: string[] = [];
  for (const conversation of story.world.server.conversations.values()) {
    for (const event of conversation.events) {
      texts.push(`${event.client}:${String(event.clientSeq)}`);
    }
  }
  return texts.filter((key) => key !== ':0');
}

function tell(seed: number, steps: number, weather: Weather): void {
  const story = begin(seed);
  live(story, steps, weather);
  calmDown(story);
  check(story);
  const keys = storedTexts(story);
  expect(new Set(keys).size).toBe(keys.length);
  const stored = story.world.server.texts;
  const refusedOrAsked = (text: string) => text.startsWith('refuse') || story.uncertain.has(text);
  for (const [where, texts] of story.said) {
    const kept = texts.filter((text) => !refusedOrAsked(text));
    // Once each, none lost, and in the order in which they were said.
    expect([where, stored.filter((text) => kept.includes(text))]).toEqual([where, kept]);
  }
}

const first = Number(process.env['FRONTDESK_SEED'] ?? 1);
const seeds = process.env['FRONTDESK_SEED'] === undefined ? Number(process.env['FRONTDESK_SEEDS'] ?? 60) : 1;

describe('two tabs and an agent over a bad network', () => {
  for (let seed = first; seed < first + seeds; ++seed) {
    it(`end with one truth (seed ${String(seed)})`, () => {
      tell(seed, 250, { forgetsClients: false, restores: false });
    });
    it(`end with one truth although clients are forgotten and the store is another (seed ${String(seed)})`, () => {
      tell(seed + 1_000_000, 250, { forgetsClients: true, restores: true });
    });
  }
});
