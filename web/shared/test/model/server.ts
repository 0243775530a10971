// A server in memory that keeps the promises of docs/PROTOCOL.md and nothing else: no limits, no disk.
import type {
  ClientFrame,
  Command,
  CommandBody,
  ConversationStatus,
  EventPush,
  ListKind,
  OpenRow,
  Participant,
  Pointer,
  Profile,
  PublicPart,
  ServerFrame,
  StaffPart,
} from '../../src/frames.js';
import type { Id } from '../../src/ids.js';
import type { Random } from './random.js';

interface Stored {
  readonly seq: number;
  readonly visibleSeq: number;
  readonly hidden: boolean;
  readonly kind: EventPush['event'];
  readonly time: number;
  readonly author: Participant;
  readonly client: Id;
  readonly clientSeq: number;
  readonly target: number;
  open: PublicPart | null;
  staff: StaffPart | null;
  revision: number;
}

interface ClientRecord {
  last: number;
}

export interface ModelConversation {
  readonly id: Id;
  readonly number: number;
  readonly visitor: Id;
  readonly events: Stored[];
  /** By participant and client id. */
  readonly clients: Map<string, ClientRecord>;
  /** In seq. */
  readonly pointers: Map<string, Pointer>;
  status: ConversationStatus;
  assignee: Participant | null;
  assigneeName: string;
}

interface Socket {
  readonly number: number;
  readonly who: Participant | null;
  readonly name: string;
  readonly staff: boolean;
  readonly follows: Set<Id>;
  readonly lists: Set<ListKind>;
}

export interface Account {
  readonly token: string;
  readonly id: Id;
  readonly name: string;
}

const pageEvents = 8;

export class ModelServer {
  readonly conversations = new Map<Id, ModelConversation>();
  /** Every text as it was when it was stored, in order. */
  readonly texts: string[] = [];
  private readonly openings = new Map<string, Id>();
  private readonly visitors = new Map<string, { readonly id: Id; readonly name: string }>();
  private readonly sockets = new Map<number, Socket>();
  private readonly frozen = new Map<Id, Set<number>>();
  private incarnation = '00000000000000a1';
  private position = 0;

  constructor(
    private readonly accounts: readonly Account[],
    private readonly random: Random,
    private readonly now: () => number,
    private readonly send: (socket: number, frame: ServerFrame) => void,
    /** Says whether to refuse for now. */
    private readonly busy: () => boolean,
  ) {}

  closed(number: number): void {
    this.sockets.delete(number);
  }

  /** Forgets a sending client of every conversation, as when too many others have come since. */
  forgetClients(): void {
    for (const conversation of this.conversations.values()) {
      conversation.clients.clear();
    }
  }

  /** As after `restore` from a backup taken just now: all cursors are of another store. */
  newIncarnation(): void {
    this.incarnation = this.random.hex(16);
  }

  /** The conversation's actor dies: what reaches it from now on is lost. */
  freeze(id: Id): void {
    if (this.frozen.has(id)) {
      return;
    }
    const affected = new Set<number>();
    for (const socket of this.sockets.values()) {
      if (socket.follows.delete(id)) {
        affected.add(socket.number);
      }
    }
    this.frozen.set(id, affected);
  }

  /** It is back, and everybody who followed it or lost something in it has to ask again. */
  thaw(id: Id): void {
    for (const number of this.frozen.get(id) ?? []) {
      this.send(number, { kind: 'resync', conversation: id });
    }
    this.frozen.delete(id);
  }

  /** A session is gone: its sockets have to say hello again. */
  loseSession(number: number): void {
    if (this.sockets.delete(number)) {
      this.send(number, { kind: 'resync', conversation: '' });
    }
  }

  receive(number: number, frame: ClientFrame): void {
    if (frame.kind === 'hello') {
      this.hello(number, frame.token, frame.inboxKey, frame.name);
      for (const { conversation, after } of frame.cursors) {
        this.subscribe(number, conversation, after, frame.storeIncarnation !== this.incarnation);
      }
      return;
    }
    const socket = this.sockets.get(number);
    if (socket === undefined) {
      if (frame.kind === 'ping') {
        this.send(number, { kind: 'pong', nonce: frame.nonce });
      }
      return;
    }
    if ('conversation' in frame && this.frozen.has(frame.conversation)) {
      this.frozen.get(frame.conversation)?.add(number);
      return;
    }
    switch (frame.kind) {
      case 'command':
        return this.command(socket, frame);
      case 'subscribe':
        return this.subscribe(number, frame.conversation, frame.after, false);
      case 'unsubscribe':
        socket.follows.delete(frame.conversation);
        return;
      case 'history': {
        const conversation = this.conversations.get(frame.conversation);
        const events = (conversation?.events ?? [])
          .filter((event) => socket.staff || !event.hidden)
          .map((event) => this.push(conversation?.id ?? '', event, socket.staff))
          .filter((event) => (frame.from === 0 ? true : this.placeOf(event) < frame.from));
        const page = events.slice(-Math.min(frame.limit, pageEvents));
        return this.send(number, {
          kind: 'history',
          request: frame.request,
          conversation: frame.conversation,
          events: page,
          more: page.length < events.length,
        });
      }
      case 'mark':
        return this.mark(socket, frame.conversation, frame.delivered, frame.read);
      case 'typing': {
        for (const other of this.sockets.values()) {
          if (other !== socket && other.follows.has(frame.conversation)) {
            const who = { kind: socket.staff ? 'account' : 'visitor', name: socket.name } as const;
            this.send(other.number, {
              kind: 'typingShown',
              conversation: frame.conversation,
              who,
              on: frame.on,
            });
          }
        }
        return;
      }
      case 'setPresence':
        return this.send(number, {
          kind: 'presenceChanged',
          state: frame.state,
          capacity: frame.capacity,
          load: 0,
        });
      case 'subscribeList':
        socket.lists.add(frame.list);
        return this.send(number, {
          kind: 'listRows',
          list: frame.list,
          reset: true,
          rows: this.rows(frame.list, socket),
          removed: [],
          cursor: this.cursor(),
        });
      case 'unsubscribeList':
        socket.lists.delete(frame.list);
        return;
      case 'ping':
        return this.send(number, { kind: 'pong', nonce: frame.nonce });
    }
  }

  /** The log as this kind of reader may see it. */
  log(id: Id, staff: boolean): readonly EventPush[] {
    const conversation = this.conversations.get(id);
    return (conversation?.events ?? [])
      .filter((event) => staff || !event.hidden)
      .map((event) => this.push(id, event, staff));
  }

  rows(list: ListKind, reader: { readonly who: Participant | null }): OpenRow[] {
    const rows: OpenRow[] = [];
    for (const conversation of this.conversations.values()) {
      const row = this.row(conversation);
      if (row !== null && this.belongs(row, list, reader)) {
        rows.push(row);
      }
    }
    return rows;
  }

  private hello(number: number, token: string, inboxKey: string, name: string): void {
    const account = this.accounts.find((candidate) => candidate.token === token);
    if (account !== undefined) {
      const who = { kind: 'account', id: account.id } as const;
      this.welcome(number, who, account.name, '', true);
      return;
    }
    let visitor = this.visitors.get(token);
    let made = '';
    if (visitor === undefined) {
      if (token !== '' || inboxKey === '') {
        const reason = { code: 'unauthenticated', message: 'no', field: 'token' };
        return this.send(number, { kind: 'problem', reason, request: 0, fatal: true, retryAfterMs: 0 });
      }
      made = this.random.hex(32);
      visitor = { id: this.random.hex(32), name };
      this.visitors.set(made, visitor);
    }
    this.welcome(number, { kind: 'visitor', id: visitor.id }, visitor.name, made, false);
  }

  private welcome(number: number, who: Participant, name: string, token: string, staff: boolean): void {
    this.sockets.set(number, { number, who, name, staff, follows: new Set(), lists: new Set() });
    const own = [...this.conversations.values()].filter(({ visitor }) => visitor === who.id);
    this.send(number, {
      kind: 'welcome',
      self: who,
      name,
      token,
      storeIncarnation: this.incarnation,
      serverTime: this.now(),
      heartbeatMs: 30_000,
      textBytesMax: 1_000,
      inFlightMax: 5,
      conversations: own.map(({ id }) => id).reverse(),
    });
  }

  private subscribe(number: number, id: Id, after: number | null, foreign: boolean): void {
    const socket = this.sockets.get(number);
    const conversation = this.conversations.get(id);
    if (this.frozen.has(id)) {
      this.frozen.get(id)?.add(number);
      return;
    }
    if (socket?.who == null || conversation === undefined) {
      const reason = { code: 'not_found', message: 'no', field: '' };
      return this.send(number, { kind: 'problem', reason, request: 0, fatal: false, retryAfterMs: 0 });
    }
    socket.follows.add(id);
    const log = this.log(id, socket.staff);
    const last = conversation.events[conversation.events.length - 1];
    const newest = log[log.length - 1];
    const reset = foreign || (after !== null && after > (newest === undefined ? 0 : this.placeOf(newest)));
    const key = socket.who.kind + socket.who.id;
    this.send(number, {
      kind: 'subscribed',
      conversation: id,
      reset,
      seq: socket.staff ? (last?.seq ?? 0) : 0,
      visibleSeq: last?.visibleSeq ?? 0,
      status: conversation.status,
      number: conversation.number,
      assigneeName: conversation.assigneeName,
      visitorName: '',
      pointers: this.pointers(conversation, socket.staff),
      ownClients: [...conversation.clients.entries()]
        .filter(([who]) => who.startsWith(key))
        .map(([who, { last: clientSeq }]) => ({ client: who.slice(key.length), clientSeq })),
    });
    const events =
      reset || after === null ? log.slice(-pageEvents) : log.filter((event) => this.placeOf(event) > after);
    for (const event of events) {
      this.send(number, event);
    }
  }

  private pointers(conversation: ModelConversation, staff: boolean): Pointer[] {
    return [...conversation.pointers.values()].map((pointer) => this.shownPointer(conversation, pointer, staff));
  }

  private shownPointer(conversation: ModelConversation, pointer: Pointer, staff: boolean): Pointer {
    if (staff) {
      return pointer;
    }
    const visible = (seq: number) => conversation.events[seq - 1]?.visibleSeq ?? 0;
    return {
      who: { kind: pointer.who.kind, id: '' },
      delivered: visible(pointer.delivered),
      read: visible(pointer.read),
    };
  }

  private mark(socket: Socket, id: Id, delivered: number, read: number): void {
    const conversation = this.conversations.get(id);
    if (conversation === undefined || socket.who === null) {
      return;
    }
    const seqOf = (place: number) =>
      socket.staff
        ? Math.min(place, conversation.events.length)
        : (conversation.events.find((event) => !event.hidden && event.visibleSeq === place)?.seq ?? 0);
    const key = socket.who.kind + socket.who.id;
    const old = conversation.pointers.get(key);
    const next: Pointer = {
      who: socket.who,
      delivered: Math.max(old?.delivered ?? 0, seqOf(delivered), seqOf(read)),
      read: Math.max(old?.read ?? 0, seqOf(read)),
    };
    conversation.pointers.set(key, next);
    for (const other of this.sockets.values()) {
      if (other !== socket && other.follows.has(id)) {
        this.send(other.number, {
          kind: 'pointerMoved',
          conversation: id,
          value: this.shownPointer(conversation, next, other.staff),
        });
      }
    }
  }

  private command(socket: Socket, frame: Command): void {
    const { client, clientSeq: asked, previous, opening } = frame;
    const who = socket.who;
    if (who === null || typeof asked !== 'number') {
      return;
    }
    let conversation = this.conversations.get(frame.conversation);
    const key = { conversation: frame.conversation, opening, client, clientSeq: asked };
    const refuse = (code: string, retryAfterMs = 0) => {
      this.send(socket.number, {
        kind: 'refuse',
        ...key,
        reason: { code, message: code, field: '' },
        retryAfterMs,
      });
    };
    if (this.busy()) {
      return refuse('rate_limited', 50);
    }
    if (frame.conversation === '') {
      if (socket.staff || opening === '') {
        return refuse('bad_request');
      }
      const known = this.openings.get(who.id + opening);
      const open = [...this.conversations.values()].find(
        (candidate) => candidate.visitor === who.id && candidate.status !== 'resolved',
      );
      conversation = known === undefined ? open : this.conversations.get(known);
      if (conversation === undefined) {
        if (this.wrong(frame.body) !== null) {
          return refuse(this.wrong(frame.body) ?? '');
        }
        conversation = {
          id: this.random.hex(32),
          number: (this.conversations.size + 1) * 64 + 3,
          visitor: who.id,
          events: [],
          clients: new Map(),
          pointers: new Map(),
          status: 'waiting',
          assignee: null,
          assigneeName: '',
        };
        this.conversations.set(conversation.id, conversation);
      }
      this.openings.set(who.id + opening, conversation.id);
      // Every tab follows what one of them opens.
      for (const other of this.sockets.values()) {
        if (other.who?.id === who.id && !other.follows.has(conversation.id)) {
          this.subscribe(other.number, conversation.id, 0, false);
        }
      }
    }
    if (conversation === undefined || (!socket.staff && conversation.visitor !== who.id)) {
      return refuse('not_found');
    }
    key.conversation = conversation.id;
    const name = who.kind + who.id + client;
    const record = conversation.clients.get(name);
    if (record !== undefined && asked <= record.last) {
      const held = conversation.events.find((event) => event.client === client && event.clientSeq === asked);
      return this.acknowledge(socket, conversation, key, held ?? null);
    }
    if (record === undefined && previous !== 0) {
      return refuse('client_unknown');
    }
    // A forgotten client's first command may have been stored: the server reads back before it takes it.
    const forgotten = conversation.events.find((event) => event.client === client && event.clientSeq === asked);
    if (record === undefined && forgotten !== undefined) {
      return this.acknowledge(socket, conversation, key, forgotten);
    }
    if (record !== undefined && previous !== record.last) {
      return this.send(socket.number, { kind: 'gap', ...key, last: record.last });
    }
    const wrong = this.wrong(frame.body) ?? this.impossible(conversation, who, socket.staff, frame.body);
    if (wrong !== null) {
      return refuse(wrong);
    }
    conversation.clients.set(name, { last: asked });
    const profile: Profile = { kind: who.kind, name: socket.name };
    const from = { who, client, clientSeq: asked, profile };
    const made = this.perform(conversation, from, socket.staff, frame.body);
    for (const event of made) {
      this.show(conversation, event, event === made[made.length - 1] ? socket : null);
    }
    this.acknowledge(socket, conversation, key, made[made.length - 1] ?? null);
    this.changed(conversation);
  }

  private wrong(body: CommandBody): string | null {
    return 'text' in body && body.text.startsWith('refuse') ? 'bad_text' : null;
  }

  private impossible(
    conversation: ModelConversation,
    who: Participant,
    staff: boolean,
    body: CommandBody,
  ): string | null {
    switch (body.kind) {
      case 'message':
        return null;
      case 'edit':
      case 'recall': {
        const target = conversation.events.find((event) =>
          staff ? event.seq === body.target : !event.hidden && event.visibleSeq === body.target,
        );
        if (target === undefined) {
          return 'not_found';
        }
        if (target.kind !== 'message' && target.kind !== 'note') {
          return 'bad_request';
        }
        if (target.author.id !== who.id) {
          return 'forbidden';
        }
        const content = target.kind === 'note' ? target.staff : target.open?.body;
        return content?.kind === 'recalled' ? 'invalid_state' : null;
      }
      case 'resolve':
      case 'assign':
        return !staff ? 'forbidden' : conversation.status === 'resolved' ? 'invalid_state' : null;
      case 'reopen':
        return !staff ? 'forbidden' : conversation.status !== 'resolved' ? 'invalid_state' : null;
      case 'note':
        return staff ? null : 'forbidden';
    }
  }

  private perform(
    conversation: ModelConversation,
    from: { who: Participant; client: Id; clientSeq: number; profile: Profile },
    staff: boolean,
    body: CommandBody,
  ): Stored[] {
    const made: Stored[] = [];
    const add = (part: Partial<Stored> & Pick<Stored, 'kind'>, own: boolean): Stored => {
      const last = conversation.events[conversation.events.length - 1];
      const hidden = part.hidden ?? false;
      const event: Stored = {
        seq: conversation.events.length + 1,
        visibleSeq: (last?.visibleSeq ?? 0) + (hidden ? 0 : 1),
        hidden,
        time: this.now(),
        author: from.who,
        client: own ? from.client : '',
        clientSeq: own ? from.clientSeq : 0,
        target: 0,
        open: null,
        staff: null,
        revision: 0,
        ...part,
      };
      conversation.events.push(event);
      made.push(event);
      const words = event.kind === 'note' ? event.staff : event.open?.body;
      if ((event.kind === 'message' || event.kind === 'note') && words?.kind === 'text') {
        this.texts.push(words.text);
      }
      return event;
    };
    const author = from.profile;
    const assign = (to: Participant | null, name: string, own: boolean) => {
      conversation.assignee = to;
      conversation.assigneeName = name;
      conversation.status = to === null ? 'waiting' : 'active';
      const profile: Profile = to === null ? { kind: 'unknown', name: '' } : { kind: to.kind, name };
      const open: PublicPart = { author, body: { kind: 'assigned', to: profile } };
      const staffPart: StaffPart = { kind: 'assigned', account: to?.id ?? '', team: '', fence: '' };
      add({ kind: 'assignment', open, staff: staffPart }, own);
    };
    const status = (to: ConversationStatus, own: boolean) => {
      conversation.status = to;
      if (to === 'waiting') {
        conversation.assignee = null;
        conversation.assigneeName = '';
      }
      add({ kind: 'status', open: { author, body: { kind: 'status', status: to } } }, own);
    };
    switch (body.kind) {
      case 'message': {
        if (!staff && conversation.status === 'resolved') {
          status('waiting', false);
        }
        if (staff && conversation.status === 'waiting') {
          assign(from.who, from.profile.name, false);
        }
        const quoted = staff ? (conversation.events[body.quote - 1]?.visibleSeq ?? 0) : body.quote;
        add({ kind: 'message', open: { author, body: { kind: 'text', text: body.text, quote: quoted } } }, true);
        break;
      }
      case 'note':
        add(
          { kind: 'note', hidden: true, staff: { kind: 'text', text: body.text, quote: body.quote } },
          true,
        );
        break;
      case 'edit':
      case 'recall': {
        const target = conversation.events.find((event) =>
          staff ? event.seq === body.target : !event.hidden && event.visibleSeq === body.target,
        );
        if (target === undefined) {
          break;
        }
        const change = add({ kind: body.kind, hidden: target.hidden, target: target.seq }, true);
        const text = (quote: number) =>
          body.kind === 'edit' ? ({ kind: 'text', text: body.text, quote } as const) : ({ kind: 'recalled' } as const);
        if (target.kind === 'note') {
          target.staff = text(target.staff?.kind === 'text' ? target.staff.quote : 0);
        } else if (target.open !== null) {
          const quote = target.open.body.kind === 'text' ? target.open.body.quote : 0;
          target.open = { author: target.open.author, body: text(quote) };
        }
        target.revision = change.seq;
        break;
      }
      case 'assign': {
        const account = this.accounts.find(({ id }) => id === body.account);
        assign(account === undefined ? null : { kind: 'account', id: account.id }, account?.name ?? '', true);
        break;
      }
      case 'resolve':
        status('resolved', true);
        break;
      case 'reopen':
        status('waiting', true);
        break;
    }
    return made;
  }

  private acknowledge(
    socket: Socket,
    conversation: ModelConversation,
    key: { conversation: Id; opening: Id; client: Id; clientSeq: number },
    event: Stored | null,
  ): void {
    this.send(socket.number, {
      kind: 'acknowledge',
      ...key,
      seq: socket.staff ? (event?.seq ?? 0) : 0,
      visibleSeq: event?.visibleSeq ?? 0,
      time: event?.time ?? 0,
      number: conversation.number,
    });
  }

  private show(conversation: ModelConversation, event: Stored, except: Socket | null): void {
    for (const socket of this.sockets.values()) {
      if (socket !== except && socket.follows.has(conversation.id) && (socket.staff || !event.hidden)) {
        this.send(socket.number, this.push(conversation.id, event, socket.staff));
      }
    }
  }

  private push(id: Id, event: Stored, staff: boolean): EventPush {
    const log = this.conversations.get(id)?.events ?? [];
    const target = log[event.target - 1];
    const content = target ?? event;
    const visible = (seq: number) => log[seq - 1]?.visibleSeq ?? 0;
    return {
      kind: 'event',
      conversation: id,
      seq: staff ? event.seq : 0,
      visibleSeq: event.visibleSeq,
      event: event.kind,
      time: event.time,
      author: staff ? event.author : null,
      client: event.client,
      clientSeq: event.clientSeq,
      target: staff ? event.target : visible(event.target),
      revision: staff ? content.revision : visible(content.revision),
      hidden: staff && event.hidden,
      open: content.open,
      staff: staff ? content.staff : null,
    };
  }

  private placeOf(event: EventPush): number {
    return event.seq === 0 ? event.visibleSeq : event.seq;
  }

  private row(conversation: ModelConversation): OpenRow | null {
    if (conversation.status === 'resolved') {
      return null;
    }
    return {
      conversation: conversation.id,
      number: conversation.number,
      status: conversation.status,
      visitor: conversation.visitor,
      visitorName: '',
      inbox: '',
      team: '',
      assignee: conversation.assignee?.id ?? '',
      assigneeName: conversation.assigneeName,
      created: 0,
      waitingSince: 0,
      seq: 0,
      excerpt: '',
    };
  }

  private belongs(row: OpenRow, list: ListKind, reader: { readonly who: Participant | null }): boolean {
    return list === 'waiting' ? row.status === 'waiting' : row.assignee === reader.who?.id;
  }

  private cursor() {
    const position = this.position.toString(16).padStart(16, '0');
    return { storeIncarnation: this.incarnation, positions: [{ shard: 3, position }] };
  }

  private changed(conversation: ModelConversation): void {
    ++this.position;
    const row = this.row(conversation);
    for (const socket of this.sockets.values()) {
      for (const list of socket.lists) {
        const inside = row !== null && this.belongs(row, list, socket);
        this.send(socket.number, {
          kind: 'listRows',
          list,
          reset: false,
          rows: inside ? [row] : [],
          removed: inside ? [] : [conversation.id],
          cursor: this.cursor(),
        });
      }
    }
  }
}
