// Everything a client sends and receives, as values. proto/frames.proto is the schema of their bytes and
// docs/PROTOCOL.md says what they mean; codec.ts is the only place that knows both.
//
// Positions, numbers for people and times are plain numbers: all stay below 2^53. Ids are `Id`; opaque 64-bit values
// are `Word`; numbers that a client chooses are `U64`.
import type { Id, U64, Word } from './ids.js';

export type ParticipantKind = 'unknown' | 'visitor' | 'account' | 'assistant' | 'system';
export type EventKind =
  | 'unknown'
  | 'message'
  | 'note'
  | 'assignment'
  | 'status'
  | 'edit'
  | 'recall'
  | 'erase';
export type ConversationStatus = 'unknown' | 'waiting' | 'active' | 'resolved';
export type ListKind = 'unknown' | 'waiting' | 'mine';
export type PresenceState = 'offline' | 'online' | 'away';

export interface Participant {
  readonly kind: ParticipantKind;
  readonly id: Id;
}

/** What a visitor may know of somebody. */
export interface Profile {
  readonly kind: ParticipantKind;
  readonly name: string;
}

/** `quote`: the event answered to, in the numbers of the part it stands in; 0 = none. */
export interface TextBody {
  readonly kind: 'text';
  readonly text: string;
  readonly quote: number;
}

export type PublicBody =
  | { readonly kind: 'none' }
  | TextBody
  | { readonly kind: 'assigned'; readonly to: Profile }
  | { readonly kind: 'status'; readonly status: ConversationStatus }
  | { readonly kind: 'recalled' };

/** The part that everybody in the conversation sees. */
export interface PublicPart {
  readonly author: Profile;
  readonly body: PublicBody;
}

/** The part that only staff sees. */
export type StaffPart =
  | { readonly kind: 'none' }
  | TextBody
  | { readonly kind: 'assigned'; readonly account: Id; readonly team: Id; readonly fence: Word }
  | { readonly kind: 'recalled' };

/** A place in a conversation: `seq` for staff, `visible_seq` for visitors. */
export interface ConversationCursor {
  readonly conversation: Id;
  readonly after: number;
}

/** A place in a list. */
export interface VectorCursor {
  readonly storeIncarnation: Word;
  readonly positions: readonly { readonly shard: number; readonly position: Word }[];
}

export interface ErrorReason {
  readonly code: string;
  readonly message: string;
  readonly field: string;
}

// -- client frames -------------------------------------------------------------------------------------------

export interface Hello {
  readonly kind: 'hello';
  readonly token: string;
  readonly inboxKey: string;
  readonly name: string;
  readonly storeIncarnation: Word;
  readonly cursors: readonly ConversationCursor[];
}

export type CommandBody =
  | { readonly kind: 'message'; readonly text: string; readonly quote: number }
  | { readonly kind: 'note'; readonly text: string; readonly quote: number }
  | { readonly kind: 'edit'; readonly target: number; readonly text: string }
  | { readonly kind: 'recall'; readonly target: number }
  | { readonly kind: 'assign'; readonly account: Id; readonly team: Id }
  | { readonly kind: 'resolve' }
  | { readonly kind: 'reopen' };

export interface Command {
  readonly kind: 'command';
  readonly conversation: Id;
  readonly opening: Id;
  readonly client: Id;
  readonly clientSeq: U64;
  readonly previous: U64;
  readonly body: CommandBody;
}

export interface Subscribe {
  readonly kind: 'subscribe';
  readonly conversation: Id;
  /** null: the newest page. */
  readonly after: number | null;
}
export interface Unsubscribe {
  readonly kind: 'unsubscribe';
  readonly conversation: Id;
}
export interface HistoryRequest {
  readonly kind: 'history';
  readonly request: U64;
  readonly conversation: Id;
  readonly from: number;
  readonly newer: boolean;
  readonly limit: number;
}
export interface Mark {
  readonly kind: 'mark';
  readonly conversation: Id;
  readonly delivered: number;
  readonly read: number;
}
export interface Typing {
  readonly kind: 'typing';
  readonly conversation: Id;
  readonly on: boolean;
}
export interface SetPresence {
  readonly kind: 'setPresence';
  readonly state: PresenceState;
  readonly capacity: number;
}
export interface SubscribeList {
  readonly kind: 'subscribeList';
  readonly list: ListKind;
  readonly after: VectorCursor | null;
}
export interface UnsubscribeList {
  readonly kind: 'unsubscribeList';
  readonly list: ListKind;
}
export interface Ping {
  readonly kind: 'ping';
  readonly nonce: U64;
}

export type ClientFrame =
  | Hello
  | Command
  | Subscribe
  | Unsubscribe
  | HistoryRequest
  | Mark
  | Typing
  | SetPresence
  | SubscribeList
  | UnsubscribeList
  | Ping;

// -- server frames -------------------------------------------------------------------------------------------

export interface Welcome {
  readonly kind: 'welcome';
  readonly self: Participant;
  readonly name: string;
  readonly token: string;
  readonly storeIncarnation: Word;
  readonly serverTime: number;
  readonly heartbeatMs: number;
  readonly textBytesMax: number;
  readonly inFlightMax: number;
  readonly conversations: readonly Id[];
}

/** Which command an answer is about. */
export interface CommandKey {
  readonly conversation: Id;
  readonly opening: Id;
  readonly client: Id;
  readonly clientSeq: U64;
}

export interface Acknowledge extends CommandKey {
  readonly kind: 'acknowledge';
  readonly seq: number;
  readonly visibleSeq: number;
  readonly time: number;
  readonly number: number;
}
export interface Refuse extends CommandKey {
  readonly kind: 'refuse';
  readonly reason: ErrorReason;
  readonly retryAfterMs: number;
}
export interface Gap extends CommandKey {
  readonly kind: 'gap';
  readonly last: U64;
}

export interface EventPush {
  readonly kind: 'event';
  readonly conversation: Id;
  readonly seq: number;
  readonly visibleSeq: number;
  readonly event: EventKind;
  readonly time: number;
  readonly author: Participant | null;
  readonly client: Id;
  readonly clientSeq: U64;
  readonly target: number;
  readonly revision: number;
  readonly hidden: boolean;
  readonly open: PublicPart | null;
  readonly staff: StaffPart | null;
}

export interface Pointer {
  readonly who: Participant;
  readonly delivered: number;
  readonly read: number;
}
export interface ClientPosition {
  readonly client: Id;
  readonly clientSeq: U64;
}
export interface Subscribed {
  readonly kind: 'subscribed';
  readonly conversation: Id;
  readonly reset: boolean;
  readonly seq: number;
  readonly visibleSeq: number;
  readonly status: ConversationStatus;
  readonly number: number;
  readonly assigneeName: string;
  readonly visitorName: string;
  readonly pointers: readonly Pointer[];
  readonly ownClients: readonly ClientPosition[];
}
export interface HistoryPage {
  readonly kind: 'history';
  readonly request: U64;
  readonly conversation: Id;
  readonly events: readonly EventPush[];
  readonly more: boolean;
}
export interface PointerMoved {
  readonly kind: 'pointerMoved';
  readonly conversation: Id;
  readonly value: Pointer;
}
export interface TypingShown {
  readonly kind: 'typingShown';
  readonly conversation: Id;
  readonly who: Profile;
  readonly on: boolean;
}
export interface OpenRow {
  readonly conversation: Id;
  readonly number: number;
  readonly status: ConversationStatus;
  readonly visitor: Id;
  readonly visitorName: string;
  readonly inbox: Id;
  readonly team: Id;
  readonly assignee: Id;
  readonly assigneeName: string;
  readonly created: number;
  readonly waitingSince: number;
  readonly seq: number;
  readonly excerpt: string;
}
export interface ListRows {
  readonly kind: 'listRows';
  readonly list: ListKind;
  readonly reset: boolean;
  readonly rows: readonly OpenRow[];
  readonly removed: readonly Id[];
  readonly cursor: VectorCursor;
}
export interface QueuePosition {
  readonly kind: 'queuePosition';
  readonly conversation: Id;
  readonly position: number;
}
export interface PresenceChanged {
  readonly kind: 'presenceChanged';
  readonly state: PresenceState;
  readonly capacity: number;
  readonly load: number;
}
export interface Problem {
  readonly kind: 'problem';
  readonly reason: ErrorReason;
  readonly request: U64;
  readonly fatal: boolean;
  readonly retryAfterMs: number;
}
export interface Resync {
  readonly kind: 'resync';
  readonly conversation: Id;
}
export interface GoAway {
  readonly kind: 'goAway';
  readonly reconnectAfterMs: number;
}
export interface Pong {
  readonly kind: 'pong';
  readonly nonce: U64;
}

export type ServerFrame =
  | Welcome
  | Acknowledge
  | Refuse
  | Gap
  | EventPush
  | Subscribed
  | HistoryPage
  | PointerMoved
  | TypingShown
  | ListRows
  | QueuePosition
  | PresenceChanged
  | Problem
  | Resync
  | GoAway
  | Pong;
