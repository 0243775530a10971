// What has been said and is not yet known to be stored. Pure values; the clock and everything random are given.
//
// Commands travel in lanes. A lane is one client id in one conversation (or in one that is being opened), and
// numbers its commands from 1. A number is never used for other content. Each transmission names the newest number
// below its own that was not refused, and the server stores a command only right after that one, so a lane is
// stored in order and every command once, however often it is sent. Every lane has a client id of its own: a
// number can then never meet another conversation's numbers, not even when an opening joins an open conversation.
import type { Acknowledge, Command, CommandBody, CommandKey, ErrorReason, Gap, Refuse } from './frames.js';
import type { Id, U64 } from './ids.js';

export interface Lane {
  readonly id: number;
  readonly client: Id;
  /** '' until the server has said which conversation the opening became. */
  readonly conversation: Id;
  /** Names the opening; '' in a lane that began in a known conversation. */
  readonly opening: Id;
  /** The number that the next command gets. */
  readonly next: number;
  /** The newest number known to be stored. */
  readonly base: number;
  /** Nothing is sent before this time, ms; 0: no pause. */
  readonly pausedUntil: number;
  /** The server does not know the client id any more: nothing new goes here. */
  readonly ended: boolean;
  /** The lane that takes what the server did not take here. */
  readonly successor: number | null;
}

export interface Item {
  /** Names the item on this client, for its whole life and through changes of lane. */
  readonly local: number;
  readonly lane: number;
  readonly number: number;
  readonly body: CommandBody;
  /** When the person sent it, ms. */
  readonly at: number;
  readonly phase: Phase;
  /** `previous` of the last transmission, and its time. */
  readonly previous: number;
  readonly sentAt: number;
  /** Transmissions on the present socket that have no answer yet. */
  readonly unanswered: number;
  /** A transmission's answer was lost with its socket: the server may have stored it. */
  readonly doubt: boolean;
}

export type Phase =
  /** To be sent as soon as lane and window allow. */
  | { readonly kind: 'due' }
  | { readonly kind: 'inFlight' }
  /** For good. Stays until the person sends it again (under a new number) or discards it. */
  | { readonly kind: 'refused'; readonly reason: ErrorReason }
  /** The server has forgotten the client that sent it: only the person can say whether to send it again. */
  | { readonly kind: 'unconfirmed' };

export interface Outbox {
  readonly lanes: readonly Lane[];
  /** In the order in which they were said. */
  readonly items: readonly Item[];
  readonly nextLane: number;
  readonly nextLocal: number;
}

export const emptyOutbox: Outbox = { lanes: [], items: [], nextLane: 1, nextLocal: 1 };

/** Lanes kept for conversations that have nothing to send: an old one begins anew with another client id. */
const idleLanesMax = 64;
/** What the codes of the group "not now" wait for when the server does not say, ms. */
const pauseMs = 1000;
/** A socket that answers pings answers commands within this time, ms; a commit may have to wait for the disk. */
const answerMs = 20_000;
/** An opening key is remembered for 7 days; with a day in hand for clocks that differ. */
const openingKeyMs = 6 * 24 * 3600 * 1000;

/** The codes that say "not now" of a command rather than "no". */
const notNow: ReadonlySet<string> = new Set([
  'rate_limited',
  'too_many_in_flight',
  'overloaded',
  'storage_full',
  'storage_failed',
  'draining',
  'unavailable',
  'timeout',
]);

/** Still to be delivered, without the person. */
export function isLive(item: Item): boolean {
  return item.phase.kind === 'due' || item.phase.kind === 'inFlight';
}

/** A number that may be this client's; 0 for one that never is. */
function ownNumber(value: U64): number {
  return typeof value === 'number' ? value : 0;
}

function changeLane(outbox: Outbox, id: number, change: Partial<Lane>): Outbox {
  const lanes = outbox.lanes.map((lane) => (lane.id === id ? { ...lane, ...change } : lane));
  return { ...outbox, lanes };
}

function changeItems(outbox: Outbox, change: (item: Item) => Item | null): Outbox {
  const items: Item[] = [];
  let same = true;
  for (const item of outbox.items) {
    const changed = change(item);
    same &&= changed === item;
    if (changed !== null) {
      items.push(changed);
    }
  }
  return same ? outbox : { ...outbox, items };
}

function laneOf(outbox: Outbox, key: CommandKey): Lane | undefined {
  return outbox.lanes.find(
    (lane) =>
      lane.client === key.client &&
      (lane.conversation === '' || key.conversation === '' || lane.conversation === key.conversation),
  );
}

/** The item with this client id and number. */
export function itemOf(outbox: Outbox, client: Id, number: U64): Item | undefined {
  const lane = outbox.lanes.find((candidate) => candidate.client === client);
  return outbox.items.find((item) => item.lane === lane?.id && item.number === number);
}

export function laneOfItem(outbox: Outbox, item: Item): Lane | undefined {
  return outbox.lanes.find((lane) => lane.id === item.lane);
}

/** Where an item belongs: '' while its conversation is being opened. */
export function conversationOf(outbox: Outbox, item: Item): Id {
  return laneOfItem(outbox, item)?.conversation ?? '';
}

function withoutIdleLanes(outbox: Outbox): Outbox {
  const busy = new Set(outbox.items.map((item) => item.lane));
  const idle = outbox.lanes.filter((lane) => !busy.has(lane.id));
  const dropped = new Set(idle.slice(0, Math.max(0, idle.length - idleLanesMax)).map(({ id }) => id));
  return dropped.size === 0
    ? outbox
    : { ...outbox, lanes: outbox.lanes.filter((lane) => !dropped.has(lane.id)) };
}

/**
 * Puts a command behind the others of its conversation; '' opens one, or goes after what is opening one already.
 * `fresh` are two ids never used before.
 */
export function add(
  outbox: Outbox,
  conversation: Id,
  body: CommandBody,
  at: number,
  fresh: readonly [Id, Id],
): [Outbox, Item] {
  const candidates = outbox.lanes.filter((lane) => lane.conversation === conversation);
  const waiting = new Set(outbox.items.filter(isLive).map((item) => item.lane));
  // A conversation has several lanes after an opening joined it or a client id was given up. What still waits in an
  // older one keeps its place before what is said now.
  let lane = candidates.find(({ id }) => waiting.has(id)) ?? candidates.filter(({ ended }) => !ended).pop();
  let lanes = outbox.lanes;
  let { nextLane } = outbox;
  if (lane === undefined) {
    lane = {
      id: nextLane++,
      client: fresh[0],
      conversation,
      opening: conversation === '' ? (candidates.pop()?.opening ?? fresh[1]) : '',
      next: 1,
      base: 0,
      pausedUntil: 0,
      ended: false,
      successor: null,
    };
    lanes = [...lanes, lane];
  }
  const item: Item = {
    local: outbox.nextLocal,
    lane: lane.id,
    number: lane.next,
    body,
    at,
    phase: { kind: 'due' },
    previous: 0,
    sentAt: 0,
    unanswered: 0,
    doubt: false,
  };
  const grown: Outbox = {
    lanes,
    items: [...outbox.items, item],
    nextLane,
    nextLocal: outbox.nextLocal + 1,
  };
  return [withoutIdleLanes(changeLane(grown, lane.id, { next: lane.next + 1 })), item];
}

function previousOf(outbox: Outbox, lane: Lane, item: Item): number {
  let previous = lane.base < item.number ? lane.base : 0;
  for (const other of outbox.items) {
    if (other.lane === lane.id && isLive(other) && other.number < item.number && other.number > previous) {
      previous = other.number;
    }
  }
  return previous;
}

/** What may be sent now, in order, at most `window` unacknowledged commands per client id. */
export function flush(outbox: Outbox, now: number, window: number): [Outbox, Command[]] {
  const commands: Command[] = [];
  if (outbox.lanes.some(({ pausedUntil }) => pausedUntil !== 0 && pausedUntil <= now)) {
    const lanes = outbox.lanes.map((lane) => (lane.pausedUntil <= now ? { ...lane, pausedUntil: 0 } : lane));
    outbox = { ...outbox, lanes };
  }
  const blocked = new Set<number>();
  const inFlight = new Map<number, number>();
  for (const item of outbox.items) {
    if (item.phase.kind === 'inFlight') {
      inFlight.set(item.lane, (inFlight.get(item.lane) ?? 0) + 1);
    }
  }
  const next = changeItems(outbox, (item) => {
    const lane = laneOfItem(outbox, item);
    if (item.phase.kind !== 'due' || lane === undefined || blocked.has(lane.id)) {
      return item;
    }
    const flying = inFlight.get(lane.id) ?? 0;
    if (flying >= window || lane.pausedUntil !== 0) {
      blocked.add(lane.id);
      return item;
    }
    inFlight.set(lane.id, flying + 1);
    const previous = previousOf(outbox, lane, item);
    commands.push({
      kind: 'command',
      conversation: lane.conversation,
      opening: lane.conversation === '' ? lane.opening : '',
      client: lane.client,
      clientSeq: item.number,
      previous,
      body: item.body,
    });
    const unanswered = item.unanswered + 1;
    return { ...item, phase: { kind: 'inFlight' }, previous, sentAt: now, unanswered };
  });
  return commands.length === 0 ? [outbox, commands] : [next, commands];
}

/**
 * The server does not take this item under its client id: it gets a number in the lane that follows, whose client
 * id is `fresh` if there is none yet. If its fate is in doubt, the person is asked instead. Each item waits for its
 * own answer, so that one which was stored after all is not sent twice.
 */
function moved(outbox: Outbox, lane: Lane, item: Item, fresh: Id, doubtful: boolean): Outbox {
  if (doubtful) {
    return changeItems(outbox, (candidate) =>
      candidate === item ? { ...item, phase: { kind: 'unconfirmed' }, unanswered: 0 } : candidate,
    );
  }
  const known = outbox.lanes.find(({ id }) => id === lane.successor);
  const drained = !outbox.items.some((other) => other.lane === known?.id && isLive(other));
  if (known?.successor != null && drained) {
    return moved(outbox, known, item, fresh, doubtful); // else it keeps its place behind what is still there
  }
  const made: Lane = {
    ...lane,
    id: outbox.nextLane,
    client: fresh,
    next: 1,
    base: 0,
    pausedUntil: 0,
    ended: false,
    successor: null,
  };
  const target = known ?? made;
  const grown: Outbox =
    known !== undefined
      ? outbox
      : {
          ...changeLane(outbox, lane.id, { successor: made.id }),
          nextLane: outbox.nextLane + 1,
        };
  const lanes = known !== undefined ? grown.lanes : [...grown.lanes, made];
  const number = target.next;
  const counted = changeLane({ ...grown, lanes }, target.id, { next: number + 1 });
  return changeItems(counted, (candidate) =>
    candidate === item
      ? {
          ...item,
          lane: target.id,
          number,
          phase: { kind: 'due' },
          previous: 0,
          unanswered: 0,
          doubt: false,
        }
      : candidate,
  );
}

/** Everything behind `number` in the lane, and `number` itself, goes out again. */
function rewind(outbox: Outbox, lane: Lane, number: number): Outbox {
  return changeItems(outbox, (item) =>
    item.lane === lane.id && item.phase.kind === 'inFlight' && item.number >= number
      ? { ...item, phase: { kind: 'due' } }
      : item,
  );
}

/** The command is stored: it leaves. Says which item it was, unless that was known before. */
export function acknowledged(outbox: Outbox, key: Acknowledge): [Outbox, Item | null] {
  const lane = laneOf(outbox, key);
  if (lane === undefined) {
    return [outbox, null];
  }
  const item = itemOf(outbox, lane.client, key.clientSeq);
  if (item?.phase.kind === 'refused' && key.seq === 0 && key.visibleSeq === 0) {
    return [outbox, null]; // answer to an older copy: says only that the number is used up
  }
  const known = changeLane(outbox, lane.id, {
    conversation: lane.conversation === '' ? key.conversation : lane.conversation,
    base: Math.max(lane.base, ownNumber(key.clientSeq)),
  });
  return taken(known, lane, ownNumber(key.clientSeq));
}

/** An event with this key was seen in the log: as good as an acknowledgement. */
export function seen(outbox: Outbox, conversation: Id, client: Id, seq: U64): [Outbox, Item | null] {
  const number = ownNumber(seq);
  const lane = outbox.lanes.find((candidate) => candidate.client === client);
  if (lane === undefined || client === '') {
    return [outbox, null];
  }
  const item = outbox.items.find((candidate) => candidate.lane === lane.id && candidate.number === number);
  const grown = lane.base >= number && lane.conversation !== '';
  const known = grown
    ? outbox
    : changeLane(outbox, lane.id, {
        conversation: lane.conversation === '' ? conversation : lane.conversation,
        base: Math.max(lane.base, number),
      });
  return item === undefined ? [known, null] : taken(known, lane, number);
}

function taken(outbox: Outbox, lane: Lane, number: number): [Outbox, Item | null] {
  const item = outbox.items.find((candidate) => candidate.lane === lane.id && candidate.number === number);
  if (item === undefined) {
    return [outbox, null];
  }
  // A command that was thought refused is stored after all: what follows it must name it.
  const left = changeItems(outbox, (candidate) => (candidate === item ? null : candidate));
  return [isLive(item) ? left : rewind(left, lane, number), item];
}

/** `fresh` is a client id never used before. */
export function refused(outbox: Outbox, key: Refuse, now: number, fresh: Id): Outbox {
  const lane = laneOf(outbox, key);
  const item = lane === undefined ? undefined : itemOf(outbox, lane.client, key.clientSeq);
  if (lane === undefined || item === undefined || !isLive(item)) {
    return outbox;
  }
  if (key.reason.code === 'client_unknown' && (item.unanswered > 1 || item.phase.kind === 'due')) {
    return answered(outbox, item); // it goes out again, or went, with a `previous` that may do
  }
  if (key.reason.code === 'client_unknown') {
    return moved(changeLane(outbox, lane.id, { ended: true }), lane, item, fresh, item.doubt);
  }
  const unanswered = Math.max(0, item.unanswered - 1);
  const change = (phase: Phase) =>
    changeItems(outbox, (candidate) => (candidate === item ? { ...candidate, phase, unanswered } : candidate));
  if (key.retryAfterMs > 0 || notNow.has(key.reason.code)) {
    const later = now + (key.retryAfterMs > 0 ? key.retryAfterMs : pauseMs);
    const waiting = change(unanswered === 0 ? { kind: 'due' } : item.phase);
    const paused = changeLane(waiting, lane.id, { pausedUntil: Math.max(lane.pausedUntil, later) });
    // What is in flight behind it cannot be stored before it.
    return unanswered === 0 ? rewind(paused, lane, item.number) : paused;
  }
  // What follows names another `previous` from now on.
  return rewind(change({ kind: 'refused', reason: key.reason }), lane, item.number);
}

/** The server has stored this lane up to `last`: go on from there. `fresh` is a client id never used before. */
export function gapped(outbox: Outbox, key: Gap, now: number, fresh: Id): Outbox {
  const lane = laneOf(outbox, key);
  const item = lane === undefined ? undefined : itemOf(outbox, lane.client, key.clientSeq);
  if (lane === undefined || item?.phase.kind !== 'inFlight') {
    return lane === undefined || item === undefined ? outbox : answered(outbox, item);
  }
  const next = answered(outbox, item);
  const last = ownNumber(key.last);
  if (item.unanswered > 1) {
    return next; // it went out again since, with another `previous`; that answer counts
  }
  if (key.last >= lane.next) {
    // Somebody else numbers under this client id, such as a copy of the same browser profile.
    return moved(changeLane(outbox, lane.id, { ended: true }), lane, item, fresh, item.doubt);
  }
  if (last < lane.base) {
    // The server has forgotten numbers that it acknowledged: an older backup was restored. It says that it does
    // not have this one, so nothing is in doubt.
    return moved(changeLane(outbox, lane.id, { ended: true }), lane, item, fresh, false);
  }
  if (item.previous === last) {
    // It does follow: an answer from before. Once more, but not in a tight loop.
    return changeLane(rewind(next, lane, item.number), lane.id, { pausedUntil: now + pauseMs });
  }
  const behind = outbox.items.find(
    (other) => other.lane === lane.id && isLive(other) && other.number > last && other.unanswered === 0,
  );
  const known = outbox.items.some((other) => other.lane === lane.id && isLive(other) && other.number === last);
  const based = known ? next : changeLane(next, lane.id, { base: Math.max(lane.base, last) });
  return rewind(based, lane, Math.min(item.number, behind?.number ?? item.number));
}

function answered(outbox: Outbox, item: Item): Outbox {
  return changeItems(outbox, (candidate) =>
    candidate === item ? { ...item, unanswered: Math.max(0, item.unanswered - 1) } : candidate,
  );
}

/** No more answers come to what is in flight: all of it, or one conversation's. */
export function interrupted(outbox: Outbox, conversation: Id | null): Outbox {
  const lanes = outbox.lanes.filter((lane) => conversation === null || lane.conversation === conversation);
  return interruptedLanes(outbox, new Set(lanes.map(({ id }) => id)));
}

function interruptedLanes(outbox: Outbox, lanes: ReadonlySet<number>): Outbox {
  return changeItems(outbox, (item) => {
    if (!lanes.has(item.lane) || item.unanswered === 0) {
      return item;
    }
    const phase: Phase = item.phase.kind === 'inFlight' ? { kind: 'due' } : item.phase;
    return { ...item, phase, unanswered: 0, doubt: true };
  });
}

/**
 * The person wants a refused or unconfirmed command sent again: it goes last, under a new number, and to
 * `otherwise` if it has no conversation yet.
 */
export function retried(
  outbox: Outbox,
  local: number,
  otherwise: Id,
  now: number,
  fresh: readonly [Id, Id],
): Outbox {
  const item = outbox.items.find((candidate) => candidate.local === local);
  if (item === undefined || isLive(item)) {
    return outbox;
  }
  const conversation = conversationOf(outbox, item) || otherwise;
  return add(discarded(outbox, local), conversation, item.body, now, fresh)[0];
}

/** Forgets a refused or unconfirmed command. */
export function discarded(outbox: Outbox, local: number): Outbox {
  return changeItems(outbox, (item) => (item.local === local && !isLive(item) ? null : item));
}

/** Sends again, once `flush` runs, what has had no answer for too long. */
export function overdue(outbox: Outbox, now: number): Outbox {
  const late = outbox.items.filter((item) => item.phase.kind === 'inFlight' && now >= item.sentAt + answerMs);
  return late.length === 0 ? outbox : interruptedLanes(outbox, new Set(late.map(({ lane }) => lane)));
}

/** When there is something to do although nothing happens: a pause ends, or an answer is overdue. */
export function wakeOf(outbox: Outbox): number {
  let wake = Infinity;
  for (const item of outbox.items) {
    if (item.phase.kind === 'inFlight') {
      wake = Math.min(wake, item.sentAt + answerMs);
    } else if (item.phase.kind === 'due') {
      const pausedUntil = laneOfItem(outbox, item)?.pausedUntil ?? 0;
      wake = Math.min(wake, pausedUntil === 0 ? Infinity : pausedUntil);
    }
  }
  return wake;
}

/** An outbox as it was stored: nothing is in flight, and what was is in doubt. */
export function restored(outbox: Outbox, now: number): Outbox {
  const calm = interrupted(outbox, null);
  const forgotten = new Set(
    calm.lanes.filter((lane) => lane.conversation === '').map(({ id }) => id),
  );
  return changeItems(
    { ...calm, lanes: calm.lanes.map((lane) => ({ ...lane, pausedUntil: 0 })) },
    (item) =>
      // The key of this opening may be forgotten by now: a repeat would open a second conversation.
      forgotten.has(item.lane) && item.doubt && isLive(item) && now - item.at > openingKeyMs
        ? { ...item, phase: { kind: 'unconfirmed' } }
        : item,
  );
}

/** Takes over what another tab of the same participant left behind. */
export function adopted(outbox: Outbox, other: Outbox): Outbox {
  const busy = new Set(other.items.map((item) => item.lane));
  const lanes = other.lanes
    .filter((lane) => busy.has(lane.id))
    .map((lane) => ({ ...lane, id: lane.id + outbox.nextLane, successor: null }));
  const items = other.items.map((item) => ({
    ...item,
    lane: item.lane + outbox.nextLane,
    local: item.local + outbox.nextLocal,
  }));
  return {
    // First, so that new commands of the same conversation go into the lane that this tab has had before.
    lanes: [...lanes, ...outbox.lanes],
    items: [...items, ...outbox.items],
    nextLane: outbox.nextLane + other.nextLane,
    nextLocal: outbox.nextLocal + other.nextLocal,
  };
}
