// The part of a conversation's log that this client holds: a run of events without holes, with their current parts.
import type { EventPush } from './frames.js';

export interface Log {
  /** Position of the first event held; the run is dense from there. */
  readonly first: number;
  readonly events: readonly EventPush[];
  /** What came before its turn, ascending; joins the run when the hole is filled. */
  readonly ahead: readonly EventPush[];
}

export const emptyLog: Log = { first: 0, events: [], ahead: [] };

/** Ahead of the run at most; beyond, asking again is cheaper than holding. */
const aheadMax = 512;

/** An event's place in its reader's own numbers: `seq` for staff, `visible_seq` for visitors. */
export function positionOf(event: EventPush): number {
  return event.seq === 0 ? event.visibleSeq : event.seq;
}

/** Position of the newest event of the run; 0 with none. */
export function lastOf(log: Log): number {
  return log.events.length === 0 ? 0 : log.first + log.events.length - 1;
}

export function eventAt(log: Log, position: number): EventPush | undefined {
  return log.events[position - log.first];
}

/** Parts only grow newer: a push that was overtaken by a change does not bring the old ones back. */
function newer(held: EventPush, pushed: EventPush): EventPush {
  return pushed.revision >= held.revision ? pushed : { ...pushed, ...partsOf(held) };
}

function partsOf(event: EventPush): Pick<EventPush, 'open' | 'staff' | 'revision'> {
  return { open: event.open, staff: event.staff, revision: event.revision };
}

/** An edit, recall or erase carries its target's current parts. */
function changeTarget(events: EventPush[], first: number, change: EventPush): void {
  if (change.target === 0) {
    return;
  }
  const index = change.target - first;
  const target = events[index];
  const revision = change.revision === 0 ? positionOf(change) : change.revision;
  if (target !== undefined && revision >= target.revision) {
    events[index] = { ...target, open: change.open, staff: change.staff, revision };
  }
}

function insertAhead(ahead: readonly EventPush[], event: EventPush): readonly EventPush[] {
  const position = positionOf(event);
  const rest = ahead.filter((other) => positionOf(other) !== position);
  const place = rest.findIndex((other) => positionOf(other) > position);
  const at = place < 0 ? rest.length : place;
  return [...rest.slice(0, at), event, ...rest.slice(at)].slice(0, aheadMax);
}

/** Adds an event wherever it belongs. An empty run begins with it if `begins`, and always with position 1. */
export function put(log: Log, event: EventPush, begins: boolean): Log {
  const position = positionOf(event);
  const last = lastOf(log);
  if (position === 0) {
    return log;
  }
  if (log.events.length === 0 ? begins || position === 1 : position === last + 1) {
    const first = log.events.length === 0 ? position : log.first;
    const events = [...log.events, event];
    changeTarget(events, first, event);
    let ahead = log.ahead.filter((other) => positionOf(other) > position);
    for (let next = ahead[0]; next !== undefined && positionOf(next) === first + events.length; next = ahead[0]) {
      events.push(next);
      changeTarget(events, first, next);
      ahead = ahead.slice(1);
    }
    return { first, events, ahead };
  }
  if (log.events.length === 0 || position > last) {
    return { ...log, ahead: insertAhead(log.ahead, event) };
  }
  const held = eventAt(log, position);
  if (held === undefined) {
    return log; // before the run: pages bring these
  }
  const events = log.events.slice();
  events[position - log.first] = newer(held, event);
  changeTarget(events, log.first, event);
  return { ...log, events };
}

/** Puts an older page before the run. */
export function prepend(log: Log, page: readonly EventPush[]): Log {
  const older = page.filter((event) => positionOf(event) < log.first);
  const lastOlder = older[older.length - 1];
  if (lastOlder === undefined || positionOf(lastOlder) !== log.first - 1) {
    return log;
  }
  const first = log.first - older.length;
  const events = [...older, ...log.events];
  // Changes that are held name targets that have just arrived; the page was read before or after them.
  for (const event of log.events) {
    changeTarget(events, first, event);
  }
  return { first, events, ahead: log.ahead };
}
