// The connection: when to connect, what to say first, when to give it up and when to try again.
import type { ListKind } from './frames.js';
import { lastOf } from './log.js';
import * as outbox from './outbox.js';
import type { Link, List } from './state.js';
import { chance, change, send, set, setOutbox, times, type Turn } from './turn.js';

/** As many cursors as a hello carries; what is beyond is subscribed one by one. */
const cursorsMax = 64;

export function isConnected(link: Link): boolean {
  return link.kind === 'connecting' || link.kind === 'greeting' || link.kind === 'ready';
}

export function connect(turn: Turn): void {
  const socket = turn.state.socket + 1;
  set(turn, { socket, link: { kind: 'connecting', since: turn.at } });
  turn.effects.push({ kind: 'connect', socket });
}

export function hangUp(turn: Turn, code: number): void {
  if (isConnected(turn.state.link)) {
    turn.effects.push({ kind: 'disconnect', socket: turn.state.socket, code });
  }
}

/** Says hello on the open socket, with what is held; answers to what was on the way will not come any more. */
export function greet(turn: Turn): void {
  const { state } = turn;
  setOutbox(turn, outbox.interrupted(state.outbox, null));
  set(turn, { link: { kind: 'greeting', since: turn.at } });
  const resumed = Object.values(state.conversations)
    .filter(({ log }) => log.events.length > 0)
    .slice(-cursorsMax);
  for (const conversation of Object.values(state.conversations)) {
    change(turn, conversation.id, { feed: { kind: 'none' }, missingSince: null, paging: null });
  }
  for (const { id } of resumed) {
    change(turn, id, { feed: { kind: 'asked', since: turn.at } });
  }
  send(turn, {
    kind: 'hello',
    token: state.token,
    inboxKey: state.inboxKey,
    name: state.role === 'visitor' ? state.name : '',
    storeIncarnation: resumed.length === 0 ? '' : state.storeIncarnation,
    cursors: resumed.map(({ id, log }) => ({ conversation: id, after: lastOf(log) })),
  });
}

/** The socket is gone or given up; what was under way on it is forgotten. */
export function dropped(turn: Turn, link: Link): void {
  setOutbox(turn, outbox.interrupted(turn.state.outbox, null));
  for (const conversation of Object.values(turn.state.conversations)) {
    change(turn, conversation.id, {
      feed: { kind: 'none' },
      missingSince: null,
      paging: null,
      typists: [],
      typed: null,
    });
  }
  const lists: Partial<Record<ListKind, List>> = {};
  for (const [kind, list] of Object.entries(turn.state.lists) as [ListKind, List][]) {
    lists[kind] = { ...list, live: false };
  }
  set(turn, { link, lists });
}

/** Tries again after 0.2 s, doubling to 5 s, each between half and all of it so that not all come at once. */
export function lost(turn: Turn, atLeast = 0): void {
  const { link } = turn.state;
  const steady = link.kind === 'ready' && turn.at >= link.since + times.backoffMost;
  const attempts = steady ? 0 : turn.state.attempts;
  const leaving = link.kind === 'ready' && link.leaveAt !== null ? link.leaveAt - turn.at : 0;
  const most = Math.min(times.backoffMost, times.backoffFirst * 2 ** Math.min(attempts, 10));
  const delay = Math.max(most * (0.5 + chance(turn) / 2), atLeast, leaving);
  set(turn, { attempts: attempts + 1 });
  dropped(turn, { kind: 'waiting', until: turn.at + delay });
}

export function probe(turn: Turn): void {
  const { link } = turn.state;
  if (link.kind === 'waiting') {
    connect(turn);
  } else if (link.kind === 'ready') {
    ping(turn, times.probe);
  }
}

function ping(turn: Turn, patience: number): void {
  send(turn, { kind: 'ping', nonce: turn.at });
  const { link } = turn.state;
  if (link.kind === 'ready') {
    const by = turn.at + patience;
    set(turn, { link: { ...link, pongBy: Math.min(link.pongBy ?? by, by) } });
  }
}

export function goAway(turn: Turn, afterMs: number): void {
  const { link } = turn.state;
  if (link.kind === 'ready') {
    set(turn, { link: { ...link, leaveAt: turn.at + afterMs } });
  }
}


export function tickLink(turn: Turn): void {
  const { link } = turn.state;
  switch (link.kind) {
    case 'waiting':
      if (turn.at >= link.until) {
        connect(turn);
      }
      break;
    case 'connecting':
    case 'greeting':
      if (turn.at >= link.since + times.handshake) {
        hangUp(turn, 1000);
        lost(turn);
      }
      break;
    case 'ready':
      if ((link.pongBy !== null && turn.at >= link.pongBy) || (link.leaveAt !== null && turn.at >= link.leaveAt)) {
        hangUp(turn, 1000);
        lost(turn);
        break;
      }
      if (link.pongBy === null && turn.at >= Math.min(link.spoke, link.heard) + turn.state.heartbeatMs) {
        ping(turn, times.pong);
      }
      setOutbox(turn, outbox.overdue(turn.state.outbox, turn.at));
      break;
    case 'off':
    case 'refused':
      break;
  }
}
