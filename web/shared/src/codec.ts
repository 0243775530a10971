// Frames as values <-> frames as bytes (binary protobuf) or text (canonical proto3 JSON).
import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf';

import type {
  ClientFrame,
  Command,
  CommandBody,
  CommandKey,
  ConversationStatus,
  ErrorReason,
  EventKind,
  EventPush,
  ListKind,
  OpenRow,
  Participant,
  ParticipantKind,
  Pointer,
  PresenceState,
  Profile,
  PublicBody,
  PublicPart,
  ServerFrame,
  StaffPart,
  TextBody,
  VectorCursor,
} from './frames.js';
import type * as wire from './gen/frames_pb.js';
import { schema } from './gen/schema.js';
import { bigintOf, bytesOf, hexOf, u64Of, wordOf, type Id } from './ids.js';
import { fromBinary, fromJson, toBinary, toJson, WireError, type Message } from './wire.js';

/** Which of the two forms of the frames a socket speaks. */
export type WireForm = 'proto' | 'json';

export const subprotocols: Readonly<Record<WireForm, string>> = {
  proto: 'frontdesk.v1.proto',
  json: 'frontdesk.v1.json',
};

/** Bytes or text that are no frame, or a frame whose fields cannot be. */
export class FrameError extends Error {
  constructor(
    readonly code: 'bad_frame' | 'bad_request',
    detail: string,
  ) {
    super(detail);
    this.name = 'FrameError';
  }
}

// -- scalars -------------------------------------------------------------------------------------------------

function idFrom(bytes: Uint8Array): Id {
  if (bytes.length === 0 || (bytes.length === 16 && bytes.every((byte) => byte === 0))) {
    return '';
  }
  if (bytes.length !== 16) {
    throw new FrameError('bad_request', `an id of ${String(bytes.length)} bytes`);
  }
  return hexOf(bytes);
}

function idTo(id: Id): Uint8Array {
  const bytes = bytesOf(id);
  if (bytes === null || (bytes.length !== 0 && bytes.length !== 16)) {
    throw new FrameError('bad_request', `not an id: ${id}`);
  }
  return bytes;
}

function numberFrom(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER)) {
    throw new FrameError('bad_request', `${value.toString()} cannot be held exactly`);
  }
  return Number(value);
}

/** Both directions of an enumeration; a value of a newer server reads as `unknown`. */
function names<Name extends string>(known: readonly Name[], unknown: Name) {
  return {
    from: (value: number): Name => known[value] ?? unknown,
    to: (name: Name): number => Math.max(0, known.indexOf(name)),
  };
}

const eventKinds = names<EventKind>(
  ['unknown', 'message', 'note', 'assignment', 'status', 'edit', 'recall', 'erase'],
  'unknown',
);
const statuses = names<ConversationStatus>(['unknown', 'waiting', 'active', 'resolved'], 'unknown');
const participantKinds = names<ParticipantKind>(
  ['unknown', 'visitor', 'account', 'assistant', 'system'],
  'unknown',
);
const listKinds = names<ListKind>(['unknown', 'waiting', 'mine'], 'unknown');
const presenceStates = names<PresenceState>(['offline', 'online', 'away'], 'offline');

// -- common messages -----------------------------------------------------------------------------------------

type Init<Desc extends DescMessage> = MessageInitShape<Desc>;

function participantFrom(value: wire.Participant | undefined): Participant {
  return value === undefined
    ? { kind: 'unknown', id: '' }
    : { kind: participantKinds.from(value.kind), id: idFrom(value.id) };
}
function participantTo(value: Participant): Init<typeof wire.ParticipantSchema> {
  return { kind: participantKinds.to(value.kind), id: idTo(value.id) };
}

function profileFrom(value: wire.Profile | undefined): Profile {
  return { kind: participantKinds.from(value?.kind ?? 0), name: value?.name ?? '' };
}
function profileTo(value: Profile): Init<typeof wire.ProfileSchema> {
  return { kind: participantKinds.to(value.kind), name: value.name };
}

function textFrom(value: wire.Text): TextBody {
  return { kind: 'text', text: value.text, quote: numberFrom(value.quote) };
}
function textTo(value: { text: string; quote: number }): Init<typeof wire.TextSchema> {
  return { text: value.text, quote: BigInt(value.quote) };
}

function publicBodyFrom(body: wire.PublicPart['body']): PublicBody {
  switch (body.case) {
    case 'text':
      return textFrom(body.value);
    case 'assigned':
      return { kind: 'assigned', to: profileFrom(body.value) };
    case 'status':
      return { kind: 'status', status: statuses.from(body.value) };
    case 'recalled':
      return { kind: 'recalled' };
    case undefined:
      return { kind: 'none' };
  }
}
function publicPartFrom(value: wire.PublicPart): PublicPart {
  return { author: profileFrom(value.author), body: publicBodyFrom(value.body) };
}
function publicPartTo(value: PublicPart): Init<typeof wire.PublicPartSchema> {
  const author = profileTo(value.author);
  const { body } = value;
  switch (body.kind) {
    case 'none':
      return { author };
    case 'text':
      return { author, body: { case: 'text', value: textTo(body) } };
    case 'assigned':
      return { author, body: { case: 'assigned', value: profileTo(body.to) } };
    case 'status':
      return { author, body: { case: 'status', value: statuses.to(body.status) } };
    case 'recalled':
      return { author, body: { case: 'recalled', value: {} } };
  }
}

function staffPartFrom(value: wire.StaffPart): StaffPart {
  const { body } = value;
  switch (body.case) {
    case 'text':
      return textFrom(body.value);
    case 'assigned':
      return {
        kind: 'assigned',
        account: idFrom(body.value.account),
        team: idFrom(body.value.team),
        fence: wordOf(body.value.fence),
      };
    case 'recalled':
      return { kind: 'recalled' };
    case undefined:
      return { kind: 'none' };
  }
}
function staffPartTo(value: StaffPart): Init<typeof wire.StaffPartSchema> {
  switch (value.kind) {
    case 'none':
      return {};
    case 'text':
      return { body: { case: 'text', value: textTo(value) } };
    case 'assigned':
      return {
        body: {
          case: 'assigned',
          value: {
            account: idTo(value.account),
            team: idTo(value.team),
            fence: bigintOf(value.fence),
          },
        },
      };
    case 'recalled':
      return { body: { case: 'recalled', value: {} } };
  }
}

function cursorFrom(value: wire.VectorCursor | undefined): VectorCursor {
  return {
    storeIncarnation: wordOf(value?.storeIncarnation ?? 0n),
    positions: (value?.positions ?? []).map(({ shard, position }) => ({
      shard,
      position: wordOf(position),
    })),
  };
}
function cursorTo(value: VectorCursor): Init<typeof wire.VectorCursorSchema> {
  return {
    storeIncarnation: bigintOf(value.storeIncarnation),
    positions: value.positions.map(({ shard, position }) => ({ shard, position: bigintOf(position) })),
  };
}

function reasonFrom(value: wire.Error | undefined): ErrorReason {
  return { code: value?.code ?? '', message: value?.message ?? '', field: value?.field ?? '' };
}

function commandKeyFrom(value: {
  conversation: Uint8Array;
  opening: Uint8Array;
  client: Uint8Array;
  clientSeq: bigint;
}): CommandKey {
  return {
    conversation: idFrom(value.conversation),
    opening: idFrom(value.opening),
    client: idFrom(value.client),
    clientSeq: u64Of(value.clientSeq),
  };
}
function commandKeyTo(value: CommandKey) {
  return {
    conversation: idTo(value.conversation),
    opening: idTo(value.opening),
    client: idTo(value.client),
    clientSeq: BigInt(value.clientSeq),
  };
}

// -- client frames -------------------------------------------------------------------------------------------

function commandBodyFrom(body: wire.Command['body']): CommandBody {
  switch (body.case) {
    case 'message':
    case 'note':
      return { ...textFrom(body.value), kind: body.case };
    case 'edit':
      return { kind: 'edit', target: numberFrom(body.value.target), text: body.value.text };
    case 'recall':
      return { kind: 'recall', target: numberFrom(body.value.target) };
    case 'assign':
      return { kind: 'assign', account: idFrom(body.value.account), team: idFrom(body.value.team) };
    case 'resolve':
    case 'reopen':
      return { kind: body.case };
    case undefined:
      throw new FrameError('bad_request', 'a command without a body');
  }
}
function commandTo(value: Command): Init<typeof wire.CommandSchema> {
  const common = { ...commandKeyTo(value), previous: BigInt(value.previous) };
  const { body } = value;
  switch (body.kind) {
    case 'message':
    case 'note':
      return { ...common, body: { case: body.kind, value: textTo(body) } };
    case 'edit':
      return {
        ...common,
        body: { case: 'edit', value: { target: BigInt(body.target), text: body.text } },
      };
    case 'recall':
      return { ...common, body: { case: 'recall', value: { target: BigInt(body.target) } } };
    case 'assign':
      return {
        ...common,
        body: { case: 'assign', value: { account: idTo(body.account), team: idTo(body.team) } },
      };
    case 'resolve':
    case 'reopen':
      return { ...common, body: { case: body.kind, value: {} } };
  }
}

function clientFrom({ frame }: wire.ClientFrame): ClientFrame | null {
  switch (frame.case) {
    case 'hello':
      return {
        kind: 'hello',
        token: frame.value.token,
        inboxKey: frame.value.inboxKey,
        name: frame.value.name,
        storeIncarnation: wordOf(frame.value.storeIncarnation),
        cursors: frame.value.cursors.map(({ conversation, after }) => ({
          conversation: idFrom(conversation),
          after: numberFrom(after),
        })),
      };
    case 'command':
      return {
        kind: 'command',
        ...commandKeyFrom(frame.value),
        previous: u64Of(frame.value.previous),
        body: commandBodyFrom(frame.value.body),
      };
    case 'subscribe':
      return {
        kind: 'subscribe',
        conversation: idFrom(frame.value.conversation),
        after: frame.value.after === undefined ? null : numberFrom(frame.value.after),
      };
    case 'unsubscribe':
      return { kind: 'unsubscribe', conversation: idFrom(frame.value.conversation) };
    case 'history':
      return {
        kind: 'history',
        request: u64Of(frame.value.request),
        conversation: idFrom(frame.value.conversation),
        from: numberFrom(frame.value.from),
        newer: frame.value.newer,
        limit: frame.value.limit,
      };
    case 'mark':
      return {
        kind: 'mark',
        conversation: idFrom(frame.value.conversation),
        delivered: numberFrom(frame.value.delivered),
        read: numberFrom(frame.value.read),
      };
    case 'typing':
      return { kind: 'typing', conversation: idFrom(frame.value.conversation), on: frame.value.on };
    case 'setPresence':
      return {
        kind: 'setPresence',
        state: presenceStates.from(frame.value.state),
        capacity: frame.value.capacity,
      };
    case 'subscribeList':
      return {
        kind: 'subscribeList',
        list: listKinds.from(frame.value.list),
        after: frame.value.after === undefined ? null : cursorFrom(frame.value.after),
      };
    case 'unsubscribeList':
      return { kind: 'unsubscribeList', list: listKinds.from(frame.value.list) };
    case 'ping':
      return { kind: 'ping', nonce: u64Of(frame.value.nonce) };
    case undefined:
      return null;
  }
}

function clientTo(value: ClientFrame): NonNullable<Init<typeof wire.ClientFrameSchema>['frame']> {
  switch (value.kind) {
    case 'hello':
      return {
        case: 'hello',
        value: {
          token: value.token,
          inboxKey: value.inboxKey,
          name: value.name,
          storeIncarnation: bigintOf(value.storeIncarnation),
          cursors: value.cursors.map(({ conversation, after }) => ({
            conversation: idTo(conversation),
            after: BigInt(after),
          })),
        },
      };
    case 'command':
      return { case: 'command', value: commandTo(value) };
    case 'subscribe':
      return {
        case: 'subscribe',
        value: {
          conversation: idTo(value.conversation),
          ...(value.after === null ? {} : { after: BigInt(value.after) }),
        },
      };
    case 'unsubscribe':
      return { case: 'unsubscribe', value: { conversation: idTo(value.conversation) } };
    case 'history':
      return {
        case: 'history',
        value: {
          request: BigInt(value.request),
          conversation: idTo(value.conversation),
          from: BigInt(value.from),
          newer: value.newer,
          limit: value.limit,
        },
      };
    case 'mark':
      return {
        case: 'mark',
        value: {
          conversation: idTo(value.conversation),
          delivered: BigInt(value.delivered),
          read: BigInt(value.read),
        },
      };
    case 'typing':
      return { case: 'typing', value: { conversation: idTo(value.conversation), on: value.on } };
    case 'setPresence':
      return {
        case: 'setPresence',
        value: { state: presenceStates.to(value.state), capacity: value.capacity },
      };
    case 'subscribeList':
      return {
        case: 'subscribeList',
        value: {
          list: listKinds.to(value.list),
          ...(value.after === null ? {} : { after: cursorTo(value.after) }),
        },
      };
    case 'unsubscribeList':
      return { case: 'unsubscribeList', value: { list: listKinds.to(value.list) } };
    case 'ping':
      return { case: 'ping', value: { nonce: BigInt(value.nonce) } };
  }
}

// -- server frames -------------------------------------------------------------------------------------------

function eventFrom(value: wire.Event): EventPush {
  return {
    kind: 'event',
    conversation: idFrom(value.conversation),
    seq: numberFrom(value.seq),
    visibleSeq: numberFrom(value.visibleSeq),
    event: eventKinds.from(value.kind),
    time: numberFrom(value.time),
    author: value.author === undefined ? null : participantFrom(value.author),
    client: idFrom(value.client),
    clientSeq: u64Of(value.clientSeq),
    target: numberFrom(value.target),
    revision: numberFrom(value.revision),
    hidden: value.hidden,
    open: value.public === undefined ? null : publicPartFrom(value.public),
    staff: value.staff === undefined ? null : staffPartFrom(value.staff),
  };
}
function eventTo(value: EventPush): Init<typeof wire.EventSchema> {
  return {
    conversation: idTo(value.conversation),
    seq: BigInt(value.seq),
    visibleSeq: BigInt(value.visibleSeq),
    kind: eventKinds.to(value.event),
    time: BigInt(value.time),
    ...(value.author === null ? {} : { author: participantTo(value.author) }),
    client: idTo(value.client),
    clientSeq: BigInt(value.clientSeq),
    target: BigInt(value.target),
    revision: BigInt(value.revision),
    hidden: value.hidden,
    ...(value.open === null ? {} : { public: publicPartTo(value.open) }),
    ...(value.staff === null ? {} : { staff: staffPartTo(value.staff) }),
  };
}

function pointerFrom(value: wire.Pointer | undefined): Pointer {
  return {
    who: participantFrom(value?.who),
    delivered: numberFrom(value?.delivered ?? 0n),
    read: numberFrom(value?.read ?? 0n),
  };
}
function pointerTo(value: Pointer): Init<typeof wire.PointerSchema> {
  return {
    who: participantTo(value.who),
    delivered: BigInt(value.delivered),
    read: BigInt(value.read),
  };
}

function rowFrom(value: wire.OpenRow): OpenRow {
  return {
    conversation: idFrom(value.conversation),
    number: numberFrom(value.number),
    status: statuses.from(value.status),
    visitor: idFrom(value.visitor),
    visitorName: value.visitorName,
    inbox: idFrom(value.inbox),
    team: idFrom(value.team),
    assignee: idFrom(value.assignee),
    assigneeName: value.assigneeName,
    created: numberFrom(value.created),
    waitingSince: numberFrom(value.waitingSince),
    seq: numberFrom(value.seq),
    excerpt: value.excerpt,
  };
}
function rowTo(value: OpenRow): Init<typeof wire.OpenRowSchema> {
  return {
    conversation: idTo(value.conversation),
    number: BigInt(value.number),
    status: statuses.to(value.status),
    visitor: idTo(value.visitor),
    visitorName: value.visitorName,
    inbox: idTo(value.inbox),
    team: idTo(value.team),
    assignee: idTo(value.assignee),
    assigneeName: value.assigneeName,
    created: BigInt(value.created),
    waitingSince: BigInt(value.waitingSince),
    seq: BigInt(value.seq),
    excerpt: value.excerpt,
  };
}

function serverFrom({ frame }: wire.ServerFrame): ServerFrame | null {
  switch (frame.case) {
    case 'welcome':
      return {
        kind: 'welcome',
        self: participantFrom(frame.value.self),
        name: frame.value.name,
        token: frame.value.token,
        storeIncarnation: wordOf(frame.value.storeIncarnation),
        serverTime: numberFrom(frame.value.serverTime),
        heartbeatMs: frame.value.heartbeatMs,
        textBytesMax: frame.value.textBytesMax,
        inFlightMax: frame.value.inFlightMax,
        conversations: frame.value.conversations.map(idFrom),
      };
    case 'acknowledge':
      return {
        kind: 'acknowledge',
        ...commandKeyFrom(frame.value),
        seq: numberFrom(frame.value.seq),
        visibleSeq: numberFrom(frame.value.visibleSeq),
        time: numberFrom(frame.value.time),
        number: numberFrom(frame.value.number),
      };
    case 'refuse':
      return {
        kind: 'refuse',
        ...commandKeyFrom(frame.value),
        reason: reasonFrom(frame.value.reason),
        retryAfterMs: frame.value.retryAfterMs,
      };
    case 'gap':
      return { kind: 'gap', ...commandKeyFrom(frame.value), last: u64Of(frame.value.last) };
    case 'event':
      return eventFrom(frame.value);
    case 'subscribed':
      return {
        kind: 'subscribed',
        conversation: idFrom(frame.value.conversation),
        reset: frame.value.reset,
        seq: numberFrom(frame.value.seq),
        visibleSeq: numberFrom(frame.value.visibleSeq),
        status: statuses.from(frame.value.status),
        number: numberFrom(frame.value.number),
        assigneeName: frame.value.assigneeName,
        visitorName: frame.value.visitorName,
        pointers: frame.value.pointers.map(pointerFrom),
        ownClients: frame.value.ownClients.map(({ client, clientSeq }) => ({
          client: idFrom(client),
          clientSeq: u64Of(clientSeq),
        })),
      };
    case 'history':
      return {
        kind: 'history',
        request: u64Of(frame.value.request),
        conversation: idFrom(frame.value.conversation),
        events: frame.value.events.map(eventFrom),
        more: frame.value.more,
      };
    case 'pointerMoved':
      return {
        kind: 'pointerMoved',
        conversation: idFrom(frame.value.conversation),
        value: pointerFrom(frame.value.value),
      };
    case 'typingShown':
      return {
        kind: 'typingShown',
        conversation: idFrom(frame.value.conversation),
        who: profileFrom(frame.value.who),
        on: frame.value.on,
      };
    case 'listRows':
      return {
        kind: 'listRows',
        list: listKinds.from(frame.value.list),
        reset: frame.value.reset,
        rows: frame.value.rows.map(rowFrom),
        removed: frame.value.removed.map(idFrom),
        cursor: cursorFrom(frame.value.cursor),
      };
    case 'queuePosition':
      return {
        kind: 'queuePosition',
        conversation: idFrom(frame.value.conversation),
        position: frame.value.position,
      };
    case 'presenceChanged':
      return {
        kind: 'presenceChanged',
        state: presenceStates.from(frame.value.state),
        capacity: frame.value.capacity,
        load: frame.value.load,
      };
    case 'problem':
      return {
        kind: 'problem',
        reason: reasonFrom(frame.value.reason),
        request: u64Of(frame.value.request),
        fatal: frame.value.fatal,
        retryAfterMs: frame.value.retryAfterMs,
      };
    case 'resync':
      return { kind: 'resync', conversation: idFrom(frame.value.conversation) };
    case 'goAway':
      return { kind: 'goAway', reconnectAfterMs: frame.value.reconnectAfterMs };
    case 'pong':
      return { kind: 'pong', nonce: u64Of(frame.value.nonce) };
    case undefined:
      return null;
  }
}

function serverTo(value: ServerFrame): NonNullable<Init<typeof wire.ServerFrameSchema>['frame']> {
  switch (value.kind) {
    case 'welcome':
      return {
        case: 'welcome',
        value: {
          self: participantTo(value.self),
          name: value.name,
          token: value.token,
          storeIncarnation: bigintOf(value.storeIncarnation),
          serverTime: BigInt(value.serverTime),
          heartbeatMs: value.heartbeatMs,
          textBytesMax: value.textBytesMax,
          inFlightMax: value.inFlightMax,
          conversations: value.conversations.map(idTo),
        },
      };
    case 'acknowledge':
      return {
        case: 'acknowledge',
        value: {
          ...commandKeyTo(value),
          seq: BigInt(value.seq),
          visibleSeq: BigInt(value.visibleSeq),
          time: BigInt(value.time),
          number: BigInt(value.number),
        },
      };
    case 'refuse':
      return {
        case: 'refuse',
        value: { ...commandKeyTo(value), reason: value.reason, retryAfterMs: value.retryAfterMs },
      };
    case 'gap':
      return { case: 'gap', value: { ...commandKeyTo(value), last: BigInt(value.last) } };
    case 'event':
      return { case: 'event', value: eventTo(value) };
    case 'subscribed':
      return {
        case: 'subscribed',
        value: {
          conversation: idTo(value.conversation),
          reset: value.reset,
          seq: BigInt(value.seq),
          visibleSeq: BigInt(value.visibleSeq),
          status: statuses.to(value.status),
          number: BigInt(value.number),
          assigneeName: value.assigneeName,
          visitorName: value.visitorName,
          pointers: value.pointers.map(pointerTo),
          ownClients: value.ownClients.map(({ client, clientSeq }) => ({
            client: idTo(client),
            clientSeq: BigInt(clientSeq),
          })),
        },
      };
    case 'history':
      return {
        case: 'history',
        value: {
          request: BigInt(value.request),
          conversation: idTo(value.conversation),
          events: value.events.map(eventTo),
          more: value.more,
        },
      };
    case 'pointerMoved':
      return {
        case: 'pointerMoved',
        value: { conversation: idTo(value.conversation), value: pointerTo(value.value) },
      };
    case 'typingShown':
      return {
        case: 'typingShown',
        value: {
          conversation: idTo(value.conversation),
          who: profileTo(value.who),
          on: value.on,
        },
      };
    case 'listRows':
      return {
        case: 'listRows',
        value: {
          list: listKinds.to(value.list),
          reset: value.reset,
          rows: value.rows.map(rowTo),
          removed: value.removed.map(idTo),
          cursor: cursorTo(value.cursor),
        },
      };
    case 'queuePosition':
      return {
        case: 'queuePosition',
        value: { conversation: idTo(value.conversation), position: value.position },
      };
    case 'presenceChanged':
      return {
        case: 'presenceChanged',
        value: {
          state: presenceStates.to(value.state),
          capacity: value.capacity,
          load: value.load,
        },
      };
    case 'problem':
      return {
        case: 'problem',
        value: {
          reason: value.reason,
          request: BigInt(value.request),
          fatal: value.fatal,
          retryAfterMs: value.retryAfterMs,
        },
      };
    case 'resync':
      return { case: 'resync', value: { conversation: idTo(value.conversation) } };
    case 'goAway':
      return { case: 'goAway', value: { reconnectAfterMs: value.reconnectAfterMs } };
    case 'pong':
      return { case: 'pong', value: { nonce: BigInt(value.nonce) } };
  }
}

// -- bytes and text ------------------------------------------------------------------------------------------

type Direction = 'ClientFrame' | 'ServerFrame';

function read(type: Direction, input: Uint8Array | string): Message {
  try {
    return typeof input === 'string'
      ? fromJson(schema, type, JSON.parse(input) as unknown)
      : fromBinary(schema, type, input);
  } catch (error) {
    if (error instanceof WireError || error instanceof SyntaxError) {
      throw new FrameError('bad_frame', error.message);
    }
    throw error;
  }
}

function write(type: Direction, frame: object, form: WireForm): Uint8Array | string {
  const message: Message = { frame };
  return form === 'json' ? JSON.stringify(toJson(schema, type, message)) : toBinary(schema, type, message);
}

/** What goes into a WebSocket message: bytes in the `proto` form, text in the `json` form. */
export function encodeClient(frame: ClientFrame, form: WireForm): Uint8Array | string {
  return write('ClientFrame', clientTo(frame), form);
}

export function encodeServer(frame: ServerFrame, form: WireForm): Uint8Array | string {
  return write('ServerFrame', serverTo(frame), form);
}

/** The frame in the bytes (proto form) or the text (json form); null for a kind this build does not know. */
export function decodeClient(input: Uint8Array | string): ClientFrame | null {
  return clientFrom(read('ClientFrame', input) as unknown as wire.ClientFrame);
}

/**
 * The frame in the bytes (proto form) or the text (json form); null for a kind this build does not know, which
 * a client leaves alone. Throws `FrameError` for anything that is no frame.
 */
export function decodeServer(input: Uint8Array | string): ServerFrame | null {
  return serverFrom(read('ServerFrame', input) as unknown as wire.ServerFrame);
}
