// One run of the reducer, and the small steps that everything is made of.
import type { ClientFrame, ErrorReason } from './frames.js';
import type { Id } from './ids.js';
import * as outbox from './outbox.js';
import type { Outbox } from './outbox.js';
import type { Conversation, Effect, State } from './state.js';

/** Milliseconds. */
export const times = {
  backoffFirst: 200,
  backoffMost: 5_000,
  /** From the attempt to connect to the open socket, and from hello to welcome. */
  handshake: 10_000,
  /** From a ping to its pong; shorter when the page has just come back. */
  pong: 10_000,
  probe: 3_000,
  /** How long an event may be missing before it is asked for: answers and pushes travel side by side. */
  missing: 300,
  /** From a subscription to its answer, doubling with each that brings nothing. */
  ask: 5_000,
  askMost: 60_000,
  page: 10_000,
  /** Read and delivered pointers, at most one a conversation in this time. */
  mark: 1_000,
  /** "typing" is repeated this often, is over this long after the last key, and is shown this long. */
  typingAgain: 3_000,
  typingOver: 4_000,
  typingShown: 6_000,
} as const;

/** For times: no tick is needed. */
export const never = Infinity;

/** One run of the reducer: the state as it grows, and what is to be done. */
export interface Turn {
  state: State;
  readonly effects: Effect[];
  readonly at: number;
  readonly random: string;
}

export function set(turn: Turn, change: Partial<State>): void {
  turn.state = { ...turn.state, ...change };
}

export function change(turn: Turn, id: Id, part: Partial<Conversation>): void {
  const held = turn.state.conversations[id];
  if (held !== undefined) {
    set(turn, { conversations: { ...turn.state.conversations, [id]: { ...held, ...part } } });
  }
}

export function send(turn: Turn, frame: ClientFrame): void {
  const { link, socket } = turn.state;
  turn.effects.push({ kind: 'send', socket, frame });
  if (link.kind === 'ready') {
    set(turn, { link: { ...link, spoke: turn.at } });
  }
}

/** Two ids that nobody else has, from the input's randomness. */
export function freshIds(turn: Turn): readonly [Id, Id] {
  return [turn.random.slice(0, 32), turn.random.slice(32, 64)];
}

/** Between 0 and 1, from the input's randomness. */
export function chance(turn: Turn): number {
  return parseInt(turn.random.slice(0, 8), 16) / 0x1_0000_0000;
}

export function complain(turn: Turn, reason: ErrorReason): void {
  set(turn, { problem: { reason, at: turn.at } });
}

export function setOutbox(turn: Turn, next: Outbox): void {
  if (next !== turn.state.outbox) {
    set(turn, { outbox: next });
  }
}

/** Sends what is due, as far as link and window allow. */
export function flush(turn: Turn): void {
  if (turn.state.link.kind !== 'ready') {
    return;
  }
  const [next, commands] = outbox.flush(turn.state.outbox, turn.at, turn.state.inFlightMax);
  setOutbox(turn, next);
  for (const command of commands) {
    send(turn, command);
  }
}
