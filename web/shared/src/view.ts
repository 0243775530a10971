// What a screen shows of the state. Pure and cheap enough to call on every change.
import type { ErrorReason, EventPush, ListKind, OpenRow, Profile, PublicBody } from './frames.js';
import type { Id } from './ids.js';
import { lastOf, positionOf } from './log.js';
import { conversationOf, isLive, laneOfItem, type Item } from './outbox.js';
import { isOwn, isWords } from './feed.js';
import type { Conversation, State } from './state.js';

/** How far an own message has come. */
export type Delivery =
  | { readonly kind: 'sending' }
  | { readonly kind: 'sent' }
  | { readonly kind: 'delivered' }
  | { readonly kind: 'seen' }
  | { readonly kind: 'failed'; readonly reason: ErrorReason; readonly local: number }
  /** Perhaps stored, perhaps not: ask whether to send it again. */
  | { readonly kind: 'unconfirmed'; readonly local: number };

interface Shown {
  /** The same for a message while it is sent and after it is stored. */
  readonly key: string;
  /** In the reader's own numbers; 0: not stored yet. */
  readonly position: number;
  readonly time: number;
  readonly author: Profile;
}

export type Line =
  | (Shown & {
      readonly kind: 'text';
      readonly note: boolean;
      readonly own: boolean;
      /** null: recalled or erased. */
      readonly text: string | null;
      readonly edited: boolean;
      /** An own edit or recall of it is on its way. */
      readonly changing: boolean;
      readonly quoted: { readonly author: Profile; readonly text: string | null } | null;
      /** null for what others wrote. */
      readonly delivery: Delivery | null;
    })
  | (Shown & { readonly kind: 'event'; readonly body: PublicBody });

function reached(state: State, conversation: Conversation, position: number): Delivery {
  let delivered = false;
  for (const pointer of conversation.pointers) {
    const other = state.role === 'visitor' ? pointer.who.kind !== 'visitor' : pointer.who.kind === 'visitor';
    if (other && pointer.read >= position) {
      return { kind: 'seen' };
    }
    delivered ||= other && pointer.delivered >= position;
  }
  return { kind: delivered ? 'delivered' : 'sent' };
}

function textOf(event: EventPush): { readonly text: string | null; readonly quote: number } {
  const body = event.event === 'note' ? event.staff : event.open?.body;
  return body?.kind === 'text' ? { text: body.text, quote: body.quote } : { text: null, quote: 0 };
}

function authorOf(state: State, event: EventPush): Profile {
  if (event.open !== null) {
    return event.open.author;
  }
  // A note has no public part; its author is told by id, and only the own name is known by it.
  const name = isOwn(state, event) ? state.name : '';
  return { kind: event.author?.kind ?? 'unknown', name };
}

function quotedOf(state: State, conversation: Conversation, event: EventPush, quote: number) {
  if (quote === 0) {
    return null;
  }
  // A public part names visible_seq; a staff part, and what is not yet stored, the reader's own numbers.
  const inPublic = event.event !== 'note';
  const target = conversation.log.events.find((other) =>
    inPublic ? !other.hidden && other.visibleSeq === quote : positionOf(other) === quote,
  );
  return target === undefined ? null : { author: authorOf(state, target), text: textOf(target).text };
}

/** The lines of a conversation from the oldest held to what is still being sent. */
export function linesOf(state: State, id: Id): readonly Line[] {
  const conversation = state.conversations[id];
  const lines: Line[] = [];
  const items = state.outbox.items.filter((item) => {
    const at = conversationOf(state.outbox, item);
    return at === id || (at === '' && id === state.focus);
  });
  const changing = new Set<number>();
  for (const { body, phase } of items) {
    if ((body.kind === 'edit' || body.kind === 'recall') && phase.kind !== 'refused') {
      changing.add(body.target);
    }
  }
  for (const event of conversation === undefined ? [] : [...conversation.log.events, ...conversation.log.ahead]) {
    const position = positionOf(event);
    const shown: Shown = {
      key: event.client === '' ? `p${String(position)}` : `${event.client}:${String(event.clientSeq)}:${event.event}`,
      position,
      time: event.time,
      author: authorOf(state, event),
    };
    if (conversation !== undefined && isWords(event)) {
      const own = isOwn(state, event);
      const { text, quote } = textOf(event);
      lines.push({
        ...shown,
        kind: 'text',
        note: event.event === 'note',
        own,
        text,
        edited: event.revision !== 0 && text !== null,
        changing: changing.has(position),
        quoted: quotedOf(state, conversation, event, quote),
        delivery: own ? (event.event === 'note' ? { kind: 'sent' } : reached(state, conversation, position)) : null,
      });
    } else if (event.event === 'status' || event.event === 'assignment') {
      lines.push({ ...shown, kind: 'event', body: event.open?.body ?? { kind: 'none' } });
    }
  }
  for (const item of items) {
    const line = lineOfItem(state, conversation, item);
    if (line !== null) {
      lines.push(line);
    }
  }
  return lines;
}

function lineOfItem(state: State, conversation: Conversation | undefined, item: Item): Line | null {
  const { body, phase } = item;
  if (body.kind !== 'message' && body.kind !== 'note') {
    return null;
  }
  const lane = laneOfItem(state.outbox, item);
  const quoted = conversation?.log.events.find((other) => positionOf(other) === body.quote);
  return {
    kind: 'text',
    key: `${lane?.client ?? ''}:${String(item.number)}:${body.kind}`,
    position: 0,
    time: item.at,
    author: { kind: state.role === 'visitor' ? 'visitor' : 'account', name: state.name },
    note: body.kind === 'note',
    own: true,
    text: body.text,
    edited: false,
    changing: false,
    quoted: quoted === undefined ? null : { author: authorOf(state, quoted), text: textOf(quoted).text },
    delivery:
      phase.kind === 'refused'
        ? { kind: 'failed', reason: phase.reason, local: item.local }
        : phase.kind === 'unconfirmed'
          ? { kind: 'unconfirmed', local: item.local }
          : { kind: 'sending' },
  };
}

/** Position up to which everything here has been read once the newest line is on the screen. */
export function newestOf(state: State, id: Id): number {
  const conversation = state.conversations[id];
  return conversation === undefined ? 0 : lastOf(conversation.log);
}

/** The rows of a list: who has waited longest first, or what is assigned by age. */
export function rowsOf(state: State, list: ListKind): readonly OpenRow[] {
  const since = (row: OpenRow) => (row.waitingSince === 0 ? row.created : row.waitingSince);
  return Object.values(state.lists[list]?.rows ?? {}).sort(
    (left, right) => since(left) - since(right) || (left.conversation < right.conversation ? -1 : 1),
  );
}

/** How many own texts wait to be sent: what an offline line counts. */
export function unsentOf(state: State): number {
  return state.outbox.items.filter((item) => isLive(item) && 'text' in item.body).length;
}
