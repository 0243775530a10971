// Conversations as they are followed: events in their order, what is missing, pointers, typing.
import type { EventPush, Pointer, Subscribed } from './frames.js';
import type { Id, U64 } from './ids.js';
import { emptyLog, lastOf, positionOf, prepend, put } from './log.js';
import * as outbox from './outbox.js';
import { newConversation, type Conversation, type State } from './state.js';
import { change, never, send, set, setOutbox, times, type Turn } from './turn.js';

/** Events in a page of history. */
const pageEvents = 50;

export function open(turn: Turn, id: Id): void {
  if (turn.state.conversations[id] === undefined) {
    set(turn, { conversations: { ...turn.state.conversations, [id]: newConversation(id) } });
  }
  if (turn.state.link.kind === 'ready' && turn.state.conversations[id]?.feed.kind === 'none') {
    ask(turn, id);
  }
}

export function leave(turn: Turn, id: Id): void {
  const conversations = { ...turn.state.conversations };
  delete conversations[id];
  set(turn, { conversations });
  if (turn.state.link.kind === 'ready') {
    send(turn, { kind: 'unsubscribe', conversation: id });
  }
}

function askTime(conversation: Conversation): number {
  return Math.min(times.askMost, times.ask * 2 ** Math.min(conversation.asks, 10));
}

/** A replay may be slow; what comes live comes at once. */
function missingTime(conversation: Conversation): number {
  return conversation.catchingUp
    ? askTime(conversation)
    : Math.min(times.askMost, times.missing * 2 ** Math.min(conversation.asks, 10));
}

/** Asks for a conversation's events after what is held, or for the newest page. */
export function ask(turn: Turn, id: Id): void {
  const held = turn.state.conversations[id];
  if (held === undefined) {
    return;
  }
  const after = held.log.events.length === 0 ? null : lastOf(held.log);
  change(turn, id, {
    feed: { kind: 'asked', since: turn.at },
    missingSince: null,
    begins: after === null,
    log: { ...held.log, ahead: [] },
  });
  send(turn, { kind: 'subscribe', conversation: id, after });
}

export function subscribed(turn: Turn, frame: Subscribed): void {
  const id = frame.conversation;
  const { role, own, self } = turn.state;
  if (role === 'visitor' && turn.state.conversations[id] === undefined) {
    // The server lets every tab follow what one of them opens.
    set(turn, { conversations: { ...turn.state.conversations, [id]: newConversation(id) } });
    if (turn.state.focus === '') {
      set(turn, { focus: id });
    }
  }
  if (role === 'visitor' && !own.includes(id)) {
    set(turn, { own: [id, ...own] });
  }
  const held = turn.state.conversations[id];
  if (held === undefined) {
    return; // left meanwhile, or followed only because it is assigned: `open` asks for what is to be shown
  }
  const log = frame.reset ? emptyLog : held.log;
  const newest = role === 'staff' ? frame.seq : frame.visibleSeq;
  const mine = frame.pointers.find(({ who }) =>
    role === 'visitor' ? who.kind === 'visitor' : who.id === self?.id,
  );
  const marked = { delivered: mine?.delivered ?? 0, read: mine?.read ?? 0 };
  const wanted = frame.reset ? marked : held.wanted;
  change(turn, id, {
    log,
    feed: { kind: 'live' },
    begins: log.events.length === 0,
    missingSince: lastOf(log) < newest ? turn.at : null,
    catchingUp: lastOf(log) < newest,
    newest,
    more: log.events.length > 0 && log.first > 1,
    status: frame.status,
    number: frame.number,
    assigneeName: frame.assigneeName,
    visitorName: frame.visitorName,
    pointers: frame.pointers,
    queue: frame.status === 'waiting' ? held.queue : 0,
    marked: { ...marked, at: held.marked.at },
    wanted: {
      delivered: Math.max(wanted.delivered, marked.delivered),
      read: Math.max(wanted.read, marked.read),
    },
  });
}

export function event(turn: Turn, frame: EventPush): void {
  const [next] = outbox.seen(turn.state.outbox, frame.conversation, frame.client, frame.clientSeq);
  setOutbox(turn, next);
  if (turn.state.conversations[frame.conversation] === undefined && turn.state.role === 'visitor') {
    return open(turn, frame.conversation); // begun elsewhere by the same visitor
  }
  store(turn, frame, true);
}

export function store(turn: Turn, pushed: EventPush, mayBegin: boolean): void {
  const id = pushed.conversation;
  const held = turn.state.conversations[id];
  if (held === undefined) {
    return;
  }
  const before = lastOf(held.log);
  // Until the answer to a subscription without a cursor is there, a log must not begin in the middle of its page.
  const log = put(held.log, pushed, mayBegin && held.begins && held.feed.kind === 'live');
  const last = lastOf(log);
  const typists =
    pushed.event === 'message' || pushed.event === 'note'
      ? held.typists.filter(
          ({ who }) => who.kind !== pushed.open?.author.kind || who.name !== pushed.open.author.name,
        )
      : held.typists;
  change(turn, id, {
    log,
    begins: log.events.length === 0 && held.begins,
    more: log.events.length > 0 ? log.first > 1 : held.more,
    newest: Math.max(held.newest, positionOf(pushed)),
    typists,
  });
  for (const added of log.events.slice(Math.max(0, before - log.first + 1))) {
    follow(turn, id, added);
  }
  if (last > before) {
    change(turn, id, { asks: 0, missingSince: null });
    deliver(turn, id);
  }
  watch(turn, id);
}

/** Status and assignee follow the log. */
function follow(turn: Turn, id: Id, added: EventPush): void {
  const body = added.open?.body;
  if (body?.kind === 'status') {
    change(turn, id, body.status === 'waiting' ? { status: body.status, assigneeName: '' } : { status: body.status });
  } else if (body?.kind === 'assigned') {
    change(turn, id, {
      status: body.to.name === '' ? 'waiting' : 'active',
      assigneeName: body.to.name,
    });
  }
  if (turn.state.conversations[id]?.status !== 'waiting') {
    change(turn, id, { queue: 0 });
  }
}

/** Starts or stops the time after which missing events are asked for. */
export function watch(turn: Turn, id: Id): void {
  const held = turn.state.conversations[id];
  if (held?.feed.kind !== 'live') {
    return;
  }
  const complete = lastOf(held.log) >= held.newest && held.log.ahead.length === 0;
  if (complete !== (held.missingSince === null)) {
    change(turn, id, { missingSince: complete ? null : turn.at });
  }
  if (complete && held.catchingUp) {
    change(turn, id, { catchingUp: false });
  }
}

export function isWords(candidate: EventPush): boolean {
  return candidate.event === 'message' || candidate.event === 'note';
}

export function isOwn(state: State, candidate: EventPush): boolean {
  return state.role === 'visitor'
    ? candidate.open?.author.kind === 'visitor'
    : candidate.author !== null && candidate.author.id === state.self?.id;
}

/** What somebody else wrote has arrived here. */
function deliver(turn: Turn, id: Id): void {
  const held = turn.state.conversations[id];
  if (held === undefined) {
    return;
  }
  const { events, first } = held.log;
  for (let index = events.length - 1; index >= 0; --index) {
    const candidate = events[index];
    if (candidate === undefined || first + index <= held.wanted.delivered) {
      return;
    }
    if (isWords(candidate) && !isOwn(turn.state, candidate)) {
      return want(turn, id, first + index, held.wanted.read);
    }
  }
}

export function older(turn: Turn, id: Id): void {
  const held = turn.state.conversations[id];
  if (turn.state.link.kind !== 'ready' || held?.paging !== null || !held.more || held.log.events.length === 0) {
    return;
  }
  const request = turn.state.nextRequest;
  set(turn, { nextRequest: request + 1 });
  change(turn, id, { paging: { request, since: turn.at } });
  send(turn, {
    kind: 'history',
    request,
    conversation: id,
    from: held.log.first,
    newer: false,
    limit: pageEvents,
  });
}

export function page(turn: Turn, id: Id, request: U64, events: readonly EventPush[], more: boolean): void {
  const held = turn.state.conversations[id];
  if (held?.paging?.request !== request) {
    return;
  }
  const log = prepend(held.log, events);
  change(turn, id, { log, paging: null, more: more && log.first > 1 });
  for (const { client, clientSeq } of events) {
    setOutbox(turn, outbox.seen(turn.state.outbox, id, client, clientSeq)[0]);
  }
}

function want(turn: Turn, id: Id, delivered: number, readTo: number): void {
  change(turn, id, { wanted: { delivered, read: readTo } });
  mark(turn, id);
}

function markIsDue({ wanted, marked }: Conversation): boolean {
  return wanted.delivered > marked.delivered || wanted.read > marked.read;
}

function mark(turn: Turn, id: Id): void {
  const held = turn.state.conversations[id];
  if (
    held === undefined ||
    turn.state.link.kind !== 'ready' ||
    !markIsDue(held) ||
    turn.at < held.marked.at + times.mark
  ) {
    return;
  }
  change(turn, id, { marked: { ...held.wanted, at: turn.at } });
  send(turn, { kind: 'mark', conversation: id, ...held.wanted });
}

export function read(turn: Turn, id: Id, position: number): void {
  const held = turn.state.conversations[id];
  if (held !== undefined && position > held.wanted.read) {
    const to = Math.min(position, lastOf(held.log));
    want(turn, id, Math.max(held.wanted.delivered, to), Math.max(held.wanted.read, to));
  }
}

export function pointer(turn: Turn, id: Id, moved: Pointer): void {
  const held = turn.state.conversations[id];
  if (held === undefined) {
    return;
  }
  const others = held.pointers.filter(({ who }) => who.kind !== moved.who.kind || who.id !== moved.who.id);
  const old = held.pointers.find(({ who }) => who.kind === moved.who.kind && who.id === moved.who.id);
  // Visitors see all accounts as one, and pointers of one person come from several sockets: they only advance.
  const value: Pointer = {
    who: moved.who,
    delivered: Math.max(moved.delivered, old?.delivered ?? 0),
    read: Math.max(moved.read, old?.read ?? 0),
  };
  change(turn, id, { pointers: [...others, value] });
}

export function typed(turn: Turn, id: Id): void {
  const held = turn.state.conversations[id];
  if (held === undefined || turn.state.link.kind !== 'ready') {
    return;
  }
  const { typed: before } = held;
  if (before !== null && turn.at < before.saidAt + times.typingAgain) {
    return change(turn, id, { typed: { ...before, lastKey: turn.at } });
  }
  send(turn, { kind: 'typing', conversation: id, on: true });
  change(turn, id, { typed: { saidAt: turn.at, lastKey: turn.at } });
}

export function stopTyping(turn: Turn, id: Id): void {
  const held = turn.state.conversations[id];
  if (held !== undefined && held.typed !== null) {
    change(turn, id, { typed: null });
    if (turn.state.link.kind === 'ready') {
      send(turn, { kind: 'typing', conversation: id, on: false });
    }
  }
}

export function wakeOfConversation(conversation: Conversation): number {
  let wake = never;
  if (conversation.feed.kind === 'asked') {
    wake = conversation.feed.since + askTime(conversation);
  } else if (conversation.missingSince !== null) {
    wake = conversation.missingSince + missingTime(conversation);
  }
  if (conversation.typed !== null) {
    wake = Math.min(wake, conversation.typed.lastKey + times.typingOver);
  }
  if (conversation.paging !== null) {
    wake = Math.min(wake, conversation.paging.since + times.page);
  }
  return markIsDue(conversation) ? Math.min(wake, conversation.marked.at + times.mark) : wake;
}

export function tickConversation(turn: Turn, id: Id): void {
  const held = turn.state.conversations[id];
  if (held === undefined) {
    return;
  }
  if (held.typists.some(({ until }) => turn.at >= until)) {
    change(turn, id, { typists: held.typists.filter(({ until }) => turn.at < until) });
  }
  if (turn.state.link.kind !== 'ready') {
    return;
  }
  if (held.feed.kind === 'asked' && turn.at >= held.feed.since + askTime(held)) {
    change(turn, id, { asks: held.asks + 1 });
    ask(turn, id);
  } else if (held.missingSince !== null && turn.at >= held.missingSince + missingTime(held)) {
    change(turn, id, { asks: held.asks + 1 });
    set(turn, { heals: turn.state.heals + 1 });
    ask(turn, id);
  }
  if (held.paging !== null && turn.at >= held.paging.since + times.page) {
    change(turn, id, { paging: null });
  }
  if (held.typed !== null && turn.at >= held.typed.lastKey + times.typingOver) {
    stopTyping(turn, id);
  }
  mark(turn, id);
}
