// What a client knows and what can happen to it. Everything is plain data that survives JSON.stringify.
import type {
  ClientFrame,
  CommandBody,
  ConversationStatus,
  ErrorReason,
  ListKind,
  OpenRow,
  Participant,
  Pointer,
  PresenceState,
  Profile,
  ServerFrame,
  VectorCursor,
} from './frames.js';
import type { Id, Word } from './ids.js';
import { emptyLog, type Log } from './log.js';
import { emptyOutbox, type Outbox } from './outbox.js';

export type Role = 'visitor' | 'staff';

/**
 *   off -> connecting -> greeting -> ready
 *             ^             |          |
 *             +-- waiting <-+----------+     and from any of them: off (stopped), refused (will not try again)
 */
export type Link =
  | { readonly kind: 'off' }
  | { readonly kind: 'connecting'; readonly since: number }
  /** The socket is open and hello is on its way. */
  | { readonly kind: 'greeting'; readonly since: number }
  | {
      readonly kind: 'ready';
      readonly since: number;
      /** When the last frame came, and when the last one went, ms. */
      readonly heard: number;
      readonly spoke: number;
      /** An answer to a ping is due by then; null: none is out. */
      readonly pongBy: number | null;
      /** The node is going away: leave it then. */
      readonly leaveAt: number | null;
    }
  | { readonly kind: 'waiting'; readonly until: number }
  | { readonly kind: 'refused'; readonly reason: ErrorReason };

export interface Typist {
  readonly who: Profile;
  readonly until: number;
}

/**
 * How a conversation's events come. `asked`: a subscription is on its way, since then; `live`: all events up to
 * the newest follow each other.
 */
export type Feed =
  | { readonly kind: 'none' }
  | { readonly kind: 'asked'; readonly since: number }
  | { readonly kind: 'live' };

export interface Conversation {
  readonly id: Id;
  readonly log: Log;
  /** Newest position known to exist. */
  readonly newest: number;
  readonly feed: Feed;
  /** Subscriptions in a row that brought nothing. */
  readonly asks: number;
  /** Since when events have been missing while the feed is live; null: none are. */
  readonly missingSince: number | null;
  /** The events up to the answer of the last subscription are still coming. */
  readonly catchingUp: boolean;
  /** Subscribed without a cursor, or reset: the next event begins the log. */
  readonly begins: boolean;
  /** There is more before the log. */
  readonly more: boolean;
  /** A page is on its way. */
  readonly paging: { readonly request: number; readonly since: number } | null;
  readonly status: ConversationStatus;
  readonly number: number;
  readonly assigneeName: string;
  readonly visitorName: string;
  readonly pointers: readonly Pointer[];
  readonly typists: readonly Typist[];
  /** Place in the queue, 1 = next; 0 = does not wait or not known. */
  readonly queue: number;
  /** How far this client has got, as said to the server, and as it is to be said. */
  readonly marked: { readonly delivered: number; readonly read: number; readonly at: number };
  readonly wanted: { readonly delivered: number; readonly read: number };
  /** What was said about typing here; null: nothing, or that it stopped. */
  readonly typed: { readonly saidAt: number; readonly lastKey: number } | null;
}

export interface List {
  readonly rows: Readonly<Record<Id, OpenRow>>;
  readonly cursor: VectorCursor | null;
  /** The rows are those of the present socket. */
  readonly live: boolean;
}

export interface State {
  readonly role: Role;
  readonly inboxKey: string;
  readonly token: string;
  /** A visitor's name as given by the page; after welcome, the name the server knows. */
  readonly name: string;
  readonly self: Participant | null;
  readonly storeIncarnation: Word;
  readonly heartbeatMs: number;
  readonly textBytesMax: number;
  readonly inFlightMax: number;
  /** A visitor's conversations as of the last welcome and since, newest first. */
  readonly own: readonly Id[];
  /** The conversation a visitor's messages go to; '' opens one. */
  readonly focus: Id;
  readonly link: Link;
  /** Names the present socket; events of older ones are dropped. */
  readonly socket: number;
  /** Connections in a row that did not last. */
  readonly attempts: number;
  readonly conversations: Readonly<Record<Id, Conversation>>;
  readonly lists: Readonly<Partial<Record<ListKind, List>>>;
  readonly presence: {
    /** What the person wants; null: nothing was said. */
    readonly wanted: { readonly state: PresenceState; readonly capacity: number } | null;
    readonly state: PresenceState;
    readonly capacity: number;
    readonly load: number;
  };
  readonly outbox: Outbox;
  readonly nextRequest: number;
  /** The last thing that went wrong outside a command. */
  readonly problem: { readonly reason: ErrorReason; readonly at: number } | null;
  /** Holes in logs that were healed by asking again. Anything but 0 is worth a look at the server. */
  readonly heals: number;
}

/** What outlives the page. */
export interface Saved {
  readonly version: 1;
  readonly self: Participant | null;
  readonly outbox: Outbox;
}

/** What happens. Every input carries the time in ms and 64 random hexadecimal digits. */
export type Input = { readonly at: number; readonly random: string } & (
  | { readonly kind: 'start' }
  | { readonly kind: 'stop' }
  /** The network or the page has come back, or the machine has woken: find out at once. */
  | { readonly kind: 'probe' }
  | { readonly kind: 'tick' }
  | { readonly kind: 'restored'; readonly saved: Saved }
  // socket
  | { readonly kind: 'opened'; readonly socket: number }
  | { readonly kind: 'received'; readonly socket: number; readonly frame: ServerFrame }
  | { readonly kind: 'closed'; readonly socket: number; readonly code: number }
  // person
  | { readonly kind: 'say'; readonly conversation: Id; readonly body: CommandBody }
  | { readonly kind: 'retry'; readonly local: number }
  | { readonly kind: 'discard'; readonly local: number }
  | { readonly kind: 'open'; readonly conversation: Id }
  | { readonly kind: 'leave'; readonly conversation: Id }
  | { readonly kind: 'focus'; readonly conversation: Id }
  | { readonly kind: 'older'; readonly conversation: Id }
  | { readonly kind: 'read'; readonly conversation: Id; readonly position: number }
  | { readonly kind: 'typed'; readonly conversation: Id }
  | { readonly kind: 'list'; readonly list: ListKind; readonly on: boolean }
  | { readonly kind: 'presence'; readonly state: PresenceState; readonly capacity: number }
);

export type Effect =
  | { readonly kind: 'connect'; readonly socket: number }
  | { readonly kind: 'disconnect'; readonly socket: number; readonly code: number }
  | { readonly kind: 'send'; readonly socket: number; readonly frame: ClientFrame }
  /** Keep before the effects that follow are carried out. */
  | { readonly kind: 'save'; readonly saved: Saved }
  /** A new session's token: keep it. */
  | { readonly kind: 'keepToken'; readonly token: string };

export interface Identity {
  readonly role: Role;
  readonly token: string;
  readonly inboxKey: string;
  readonly name: string;
}

export function initialState(identity: Identity): State {
  return {
    ...identity,
    self: null,
    storeIncarnation: '',
    heartbeatMs: 30_000,
    textBytesMax: 32_768,
    inFlightMax: 128,
    own: [],
    focus: '',
    link: { kind: 'off' },
    socket: 0,
    attempts: 0,
    conversations: {},
    lists: {},
    presence: { wanted: null, state: 'offline', capacity: 0, load: 0 },
    outbox: emptyOutbox,
    nextRequest: 1,
    problem: null,
    heals: 0,
  };
}

export function newConversation(id: Id): Conversation {
  return {
    id,
    log: emptyLog,
    newest: 0,
    feed: { kind: 'none' },
    asks: 0,
    missingSince: null,
    catchingUp: false,
    begins: true,
    more: false,
    paging: null,
    status: 'unknown',
    number: 0,
    assigneeName: '',
    visitorName: '',
    pointers: [],
    typists: [],
    queue: 0,
    marked: { delivered: 0, read: 0, at: 0 },
    wanted: { delivered: 0, read: 0 },
    typed: null,
  };
}

export function savedOf(state: State): Saved {
  return { version: 1, self: state.self, outbox: state.outbox };
}
