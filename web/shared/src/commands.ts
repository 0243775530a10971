// What the person says, and what becomes of it.
import type { EventPush } from './frames.js';
import { utf8Length, type Id, type U64 } from './ids.js';
import { positionOf } from './log.js';
import { open, stopTyping, store, watch } from './feed.js';
import * as outbox from './outbox.js';
import type { Item, Outbox } from './outbox.js';
import type { State } from './state.js';
import { change, complain, freshIds, set, setOutbox, type Turn } from './turn.js';

/** Commands kept at once; nobody types that many, so something is wrong. */
const itemsMax = 1_000;

export function restore(turn: Turn, owner: Id | null, saved: Outbox): void {
  const { self } = turn.state;
  if (owner !== null && self !== null && owner !== self.id) {
    return; // somebody else's
  }
  const calm = outbox.restored(saved, turn.at);
  const first = turn.state.outbox.lanes.length === 0;
  setOutbox(turn, first ? calm : outbox.adopted(turn.state.outbox, calm));
  if (owner !== null && self === null && turn.state.role === 'visitor') {
    set(turn, { self: { kind: 'visitor', id: owner } });
  } else if (owner !== null && self === null) {
    set(turn, { self: { kind: 'account', id: owner } });
  }
}

export function say(turn: Turn, conversation: Id, body: Item['body']): void {
  const { state } = turn;
  if (conversation === '' && (state.role === 'staff' || body.kind !== 'message')) {
    return complain(turn, { code: 'not_found', message: 'there is no conversation yet', field: '' });
  }
  if ('text' in body && (body.text === '' || utf8Length(body.text) > state.textBytesMax)) {
    const code = body.text === '' ? 'bad_text' : 'too_large';
    return complain(turn, { code, message: 'the text is empty or too long', field: 'text' });
  }
  if (state.outbox.items.length >= itemsMax) {
    return complain(turn, { code: 'too_many_in_flight', message: 'too many messages wait to be sent', field: '' });
  }
  setOutbox(turn, outbox.add(state.outbox, conversation, body, turn.at, freshIds(turn))[0]);
  if (conversation !== '' && (body.kind === 'message' || body.kind === 'note')) {
    stopTyping(turn, conversation);
  }
}

/** A conversation is being opened: the person means that one. */
export function opening(box: Outbox): boolean {
  return box.items.some((item) => outbox.isLive(item) && outbox.conversationOf(box, item) === '');
}

interface Place {
  readonly seq: number;
  readonly visibleSeq: number;
  readonly time: number;
  readonly number: number;
}

/** An own command is stored. The sender gets no push of it, so the event is made from what was sent. */
export function settled(turn: Turn, conversation: Id, openingKey: Id, item: Item | null, place: Place): void {
  const { state } = turn;
  if (openingKey !== '' && state.role === 'visitor') {
    const own = state.own.includes(conversation) ? state.own : [conversation, ...state.own];
    set(turn, { own, focus: state.focus === '' ? conversation : state.focus });
    open(turn, conversation);
    change(turn, conversation, { number: place.number });
  }
  const position = state.role === 'staff' ? place.seq : place.visibleSeq;
  if (item === null || position === 0 || turn.state.conversations[conversation] === undefined) {
    return;
  }
  const made = eventOf(turn.state, conversation, item, place);
  if (made !== null) {
    store(turn, made, false); // the page that is on its way begins the log
  } else {
    change(turn, conversation, { newest: Math.max(turn.state.conversations[conversation].newest, position) });
    watch(turn, conversation);
  }
}

/** The event that a stored command became, or null if its sender cannot know all of it. */
function eventOf(state: State, conversation: Id, item: Item, place: Place): EventPush | null {
  const { self } = state;
  const lane = outbox.laneOfItem(state.outbox, item);
  if (self === null || lane === undefined) {
    return null;
  }
  const staff = state.role === 'staff';
  const author = { kind: self.kind, name: state.name };
  const held = state.conversations[conversation];
  const base: EventPush = {
    kind: 'event',
    conversation,
    seq: staff ? place.seq : 0,
    visibleSeq: place.visibleSeq,
    event: 'message',
    time: place.time,
    author: staff ? self : null,
    client: lane.client,
    clientSeq: item.number,
    target: 0,
    revision: 0,
    hidden: false,
    open: null,
    staff: null,
  };
  const { body } = item;
  switch (body.kind) {
    case 'message': {
      // A public part names visible_seq, the command has named the sender's own number.
      const quoted = staff ? held?.log.events.find(({ seq }) => seq === body.quote)?.visibleSeq : body.quote;
      const quote = body.quote === 0 ? 0 : quoted;
      return quote === undefined
        ? null
        : { ...base, open: { author, body: { kind: 'text', text: body.text, quote } } };
    }
    case 'note':
      return {
        ...base,
        event: 'note',
        hidden: true,
        staff: { kind: 'text', text: body.text, quote: body.quote },
      };
    case 'edit':
    case 'recall': {
      const target = held?.log.events.find((other) => positionOf(other) === body.target);
      if (target === undefined) {
        return null;
      }
      const change: EventPush = {
        ...base,
        event: body.kind,
        target: body.target,
        revision: staff ? place.seq : place.visibleSeq,
        hidden: target.hidden,
      };
      const text = (quote: number) =>
        body.kind === 'edit' ? ({ kind: 'text', text: body.text, quote } as const) : ({ kind: 'recalled' } as const);
      if (target.event === 'note') {
        return { ...change, staff: text(target.staff?.kind === 'text' ? target.staff.quote : 0) };
      }
      const quote = target.open?.body.kind === 'text' ? target.open.body.quote : 0;
      return { ...change, open: { author: target.open?.author ?? author, body: text(quote) } };
    }
    case 'resolve':
      return { ...base, event: 'status', open: { author, body: { kind: 'status', status: 'resolved' } } };
    case 'reopen':
      return { ...base, event: 'status', open: { author, body: { kind: 'status', status: 'waiting' } } };
    case 'assign':
      return null;
  }
}

/** Only texts stay with the person when refused; of anything else it is enough to say so. */
export function refuse(turn: Turn, client: Id, number: U64, next: () => Outbox): void {
  const item = outbox.itemOf(turn.state.outbox, client, number);
  setOutbox(turn, next());
  const now = turn.state.outbox.items.find(({ local }) => local === item?.local);
  if (now?.phase.kind === 'refused' && now.body.kind !== 'message' && now.body.kind !== 'note') {
    complain(turn, now.phase.reason);
    setOutbox(turn, outbox.discarded(turn.state.outbox, now.local));
  }
}
