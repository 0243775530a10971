// The one reducer of widget and desk: (state, input) -> [state, effects]. No clock, no randomness, no I/O.
import { opening, refuse, restore, say, settled } from './commands.js';
import {
  ask,
  event,
  leave,
  older,
  open,
  page,
  pointer,
  read,
  subscribed,
  tickConversation,
  typed,
  wakeOfConversation,
} from './feed.js';
import type { ListKind, ListRows, Problem, ServerFrame, Welcome } from './frames.js';
import type { Id } from './ids.js';
import { connect, dropped, goAway, greet, hangUp, isConnected, lost, probe, tickLink } from './link.js';
import { emptyLog } from './log.js';
import * as outbox from './outbox.js';
import { savedOf, type Effect, type Input, type List, type State } from './state.js';
import {
  change,
  complain,
  flush,
  freshIds,
  never,
  send,
  set,
  setOutbox,
  times,
  type Turn,
} from './turn.js';

/** Refusals of a hello that a later attempt does not change. */
const finalCodes: ReadonlySet<string> = new Set([
  'unauthenticated',
  'forbidden',
  'origin_refused',
  'not_found',
  'bad_request',
  'too_large',
  'unsupported',
]);

export function reduce(state: State, input: Input): readonly [State, readonly Effect[]] {
  const turn: Turn = { state, effects: [], at: input.at, random: input.random };
  apply(turn, input);
  flush(turn);
  const saved = savedOf(turn.state);
  const before = savedOf(state);
  const changed = saved.outbox !== before.outbox || saved.self !== before.self;
  // Kept before anything is sent: a number that was sent must never be given to something else.
  const effects: Effect[] = changed ? [{ kind: 'save', saved }, ...turn.effects] : turn.effects;
  return [turn.state, effects];
}

/** When the next `tick` is due, ms; Infinity: nothing waits for one. */
export function wakeAt(state: State): number {
  let wake = never;
  const at = (time: number) => {
    wake = Math.min(wake, time);
  };
  const { link } = state;
  if (link.kind === 'waiting') {
    at(link.until);
  } else if (link.kind === 'connecting' || link.kind === 'greeting') {
    at(link.since + times.handshake);
  } else if (link.kind === 'ready') {
    at(link.leaveAt ?? never);
    at(link.pongBy ?? Math.min(link.spoke, link.heard) + state.heartbeatMs);
    at(outbox.wakeOf(state.outbox));
  }
  for (const conversation of Object.values(state.conversations)) {
    for (const typist of conversation.typists) {
      at(typist.until);
    }
    if (link.kind === 'ready') {
      at(wakeOfConversation(conversation));
    }
  }
  return wake;
}

function apply(turn: Turn, input: Input): void {
  const { state } = turn;
  switch (input.kind) {
    case 'start':
      if (state.link.kind === 'off' || state.link.kind === 'refused') {
        set(turn, { attempts: 0 });
        connect(turn);
      }
      return;
    case 'stop':
      hangUp(turn, 1000);
      dropped(turn, { kind: 'off' });
      return;
    case 'probe':
      return probe(turn);
    case 'tick':
      return tick(turn);
    case 'restored':
      return restore(turn, input.saved.self?.id ?? null, input.saved.outbox);
    case 'opened':
      if (input.socket === state.socket && state.link.kind === 'connecting') {
        greet(turn);
      }
      return;
    case 'received':
      if (input.socket === state.socket && (state.link.kind === 'ready' || state.link.kind === 'greeting')) {
        receive(turn, input.frame);
      }
      return;
    case 'closed':
      if (input.socket === state.socket && isConnected(state.link)) {
        lost(turn);
      }
      return;
    case 'say':
      return say(turn, input.conversation, input.body);
    case 'retry':
      return setOutbox(
        turn,
        outbox.retried(state.outbox, input.local, state.focus, turn.at, freshIds(turn)),
      );
    case 'discard':
      return setOutbox(turn, outbox.discarded(state.outbox, input.local));
    case 'open':
      return open(turn, input.conversation);
    case 'leave':
      return leave(turn, input.conversation);
    case 'focus':
      set(turn, { focus: input.conversation });
      if (input.conversation !== '') {
        open(turn, input.conversation);
      }
      return;
    case 'older':
      return older(turn, input.conversation);
    case 'read':
      return read(turn, input.conversation, input.position);
    case 'typed':
      return typed(turn, input.conversation);
    case 'list':
      return input.on ? openList(turn, input.list) : closeList(turn, input.list);
    case 'presence':
      set(turn, {
        presence: {
          ...state.presence,
          wanted: { state: input.state, capacity: input.capacity },
        },
      });
      if (state.link.kind === 'ready') {
        send(turn, { kind: 'setPresence', state: input.state, capacity: input.capacity });
      }
      return;
  }
}

function tick(turn: Turn): void {
  tickLink(turn);
  for (const id of Object.keys(turn.state.conversations)) {
    tickConversation(turn, id);
  }
}

function openList(turn: Turn, kind: ListKind): void {
  if (turn.state.lists[kind] === undefined) {
    set(turn, { lists: { ...turn.state.lists, [kind]: { rows: {}, cursor: null, live: false } } });
  }
  if (turn.state.link.kind === 'ready') {
    send(turn, { kind: 'subscribeList', list: kind, after: turn.state.lists[kind]?.cursor ?? null });
  }
}

function closeList(turn: Turn, kind: ListKind): void {
  const lists = { ...turn.state.lists };
  delete lists[kind];
  set(turn, { lists });
  if (turn.state.link.kind === 'ready') {
    send(turn, { kind: 'unsubscribeList', list: kind });
  }
}

function receive(turn: Turn, frame: ServerFrame): void {
  const { link } = turn.state;
  if (link.kind === 'ready') {
    set(turn, { link: { ...link, heard: turn.at, pongBy: null } });
  }
  switch (frame.kind) {
    case 'welcome':
      return welcome(turn, frame);
    case 'acknowledge': {
      const [next, item] = outbox.acknowledged(turn.state.outbox, frame);
      setOutbox(turn, next);
      return settled(turn, frame.conversation, frame.opening, item, frame);
    }
    case 'refuse':
      return refuse(turn, frame.client, frame.clientSeq, () =>
        outbox.refused(turn.state.outbox, frame, turn.at, freshIds(turn)[0]),
      );
    case 'gap':
      return setOutbox(turn, outbox.gapped(turn.state.outbox, frame, turn.at, freshIds(turn)[0]));
    case 'event':
      return event(turn, frame);
    case 'subscribed':
      return subscribed(turn, frame);
    case 'history':
      return page(turn, frame.conversation, frame.request, frame.events, frame.more);
    case 'pointerMoved':
      return pointer(turn, frame.conversation, frame.value);
    case 'typingShown': {
      const held = turn.state.conversations[frame.conversation];
      const others = (held?.typists ?? []).filter(
        ({ who }) => who.kind !== frame.who.kind || who.name !== frame.who.name,
      );
      const until = turn.at + times.typingShown;
      return change(turn, frame.conversation, {
        typists: frame.on ? [...others, { who: frame.who, until }] : others,
      });
    }
    case 'listRows':
      return listRows(turn, frame);
    case 'queuePosition':
      return change(turn, frame.conversation, { queue: frame.position });
    case 'presenceChanged':
      return set(turn, {
        presence: {
          ...turn.state.presence,
          state: frame.state,
          capacity: frame.capacity,
          load: frame.load,
        },
      });
    case 'problem':
      return problem(turn, frame);
    case 'resync':
      return resync(turn, frame.conversation);
    case 'goAway':
      return goAway(turn, frame.reconnectAfterMs);
    case 'pong':
      return;
  }
}

function welcome(turn: Turn, frame: Welcome): void {
  const { state } = turn;
  if (state.self !== null && state.self.id !== frame.self.id) {
    // Another participant than the one this state is about: nothing of the old one may be sent or shown.
    set(turn, { conversations: {}, lists: {}, outbox: outbox.emptyOutbox, focus: '' });
  }
  if (state.storeIncarnation !== '' && state.storeIncarnation !== frame.storeIncarnation) {
    for (const id of Object.keys(turn.state.conversations)) {
      change(turn, id, { log: emptyLog, begins: true, newest: 0, pointers: [] });
    }
  }
  if (frame.token !== '') {
    turn.effects.push({ kind: 'keepToken', token: frame.token });
  }
  set(turn, {
    link: {
      kind: 'ready',
      since: turn.at,
      heard: turn.at,
      spoke: turn.at,
      pongBy: null,
      leaveAt: null,
    },
    problem: null,
    self: frame.self,
    name: frame.name === '' ? state.name : frame.name,
    token: frame.token === '' ? state.token : frame.token,
    storeIncarnation: frame.storeIncarnation,
    heartbeatMs: frame.heartbeatMs === 0 ? state.heartbeatMs : frame.heartbeatMs,
    textBytesMax: frame.textBytesMax === 0 ? state.textBytesMax : frame.textBytesMax,
    inFlightMax: frame.inFlightMax === 0 ? state.inFlightMax : frame.inFlightMax,
    own: frame.conversations,
  });
  const newest = frame.conversations[0];
  if (state.role === 'visitor' && turn.state.focus === '' && newest !== undefined && !opening(turn.state.outbox)) {
    set(turn, { focus: newest });
    open(turn, newest);
  }
  for (const conversation of Object.values(turn.state.conversations)) {
    if (conversation.feed.kind === 'none') {
      ask(turn, conversation.id);
    }
  }
  for (const kind of Object.keys(turn.state.lists) as ListKind[]) {
    openList(turn, kind);
  }
  if (turn.state.presence.wanted !== null) {
    send(turn, { kind: 'setPresence', ...turn.state.presence.wanted });
  }
}

function listRows(turn: Turn, frame: ListRows): void {
  const list = turn.state.lists[frame.list];
  if (list === undefined) {
    return;
  }
  const rows: Record<Id, List['rows'][Id]> = frame.reset ? {} : { ...list.rows };
  for (const id of frame.removed) {
    delete rows[id];
  }
  for (const row of frame.rows) {
    rows[row.conversation] = row;
  }
  // Only the last of several frames carries the place that all of them bring the list to.
  const cursor = frame.cursor.positions.length === 0 && frame.cursor.storeIncarnation === '' ? null : frame.cursor;
  const kept = frame.reset ? cursor : (cursor ?? list.cursor);
  set(turn, { lists: { ...turn.state.lists, [frame.list]: { rows, cursor: kept, live: true } } });
}

function problem(turn: Turn, frame: Problem): void {
  complain(turn, frame.reason);
  if (frame.request !== 0) {
    for (const conversation of Object.values(turn.state.conversations)) {
      if (conversation.paging?.request === frame.request) {
        change(turn, conversation.id, { paging: null });
      }
    }
  }
  if (!frame.fatal) {
    return;
  }
  hangUp(turn, 1000);
  if (finalCodes.has(frame.reason.code)) {
    dropped(turn, { kind: 'refused', reason: frame.reason });
  } else {
    lost(turn, frame.retryAfterMs);
  }
}

function resync(turn: Turn, id: Id): void {
  if (id === '') {
    greet(turn);
    return;
  }
  setOutbox(turn, outbox.interrupted(turn.state.outbox, id));
  if (turn.state.conversations[id] !== undefined) {
    ask(turn, id);
  }
}
