// A client without a network: inputs in, effects out.
import type { ClientFrame, Command, EventPush, ServerFrame, Subscribed, Welcome } from '../../src/frames.js';
import type { Id } from '../../src/ids.js';
import { reduce, wakeAt } from '../../src/reducer.js';
import { initialState, type Effect, type Input, type Role, type State } from '../../src/state.js';

type Distribute<T> = T extends unknown ? Omit<T, 'at' | 'random'> : never;

/** An id that is easy to read in a failure. */
export function id(name: string): Id {
  return Buffer.from(name.padEnd(16, '.')).toString('hex').slice(0, 32);
}

export const self = { visitor: id('visitor-ann'), staff: id('account-bob') } as const;

export class Bench {
  state: State;
  now = 1_000_000;
  /** Of the last input. */
  effects: readonly Effect[] = [];
  private drawn = 0;

  constructor(readonly role: Role) {
    this.state = initialState({
      role,
      token: role === 'staff' ? 'token' : '',
      inboxKey: role === 'visitor' ? 'inbox' : '',
      name: role === 'visitor' ? 'Ann' : '',
    });
  }

  do(input: Distribute<Input>): readonly ClientFrame[] {
    // Every draw is another, and half of the largest: jitter is a quarter off.
    const random = `80000000${(++this.drawn).toString(16).padStart(24, '0')}${(++this.drawn).toString(16).padStart(32, '0')}`;
    const [state, effects] = reduce(this.state, { ...input, at: this.now, random } as Input);
    this.state = state;
    this.effects = effects;
    return this.sent;
  }

  /** Frames among the last effects. */
  get sent(): readonly ClientFrame[] {
    return this.effects.flatMap((effect) => (effect.kind === 'send' ? [effect.frame] : []));
  }

  get commands(): readonly Command[] {
    return this.sent.filter((frame) => frame.kind === 'command');
  }

  get kinds(): readonly string[] {
    return this.effects.map((effect) => (effect.kind === 'send' ? effect.frame.kind : effect.kind));
  }

  receive(frame: ServerFrame): readonly ClientFrame[] {
    return this.do({ kind: 'received', socket: this.state.socket, frame });
  }

  wait(milliseconds: number): readonly ClientFrame[] {
    this.now += milliseconds;
    return this.do({ kind: 'tick' });
  }

  /** Lets time pass to the next thing that waits for it. */
  wake(): readonly ClientFrame[] {
    this.now = Math.max(this.now, wakeAt(this.state));
    return this.do({ kind: 'tick' });
  }

  lose(): void {
    this.do({ kind: 'closed', socket: this.state.socket, code: 1006 });
  }

  connect(welcome: Partial<Welcome> = {}): readonly ClientFrame[] {
    if (this.state.link.kind === 'off') {
      this.do({ kind: 'start' });
    } else if (this.state.link.kind === 'waiting') {
      this.wake();
    }
    this.do({ kind: 'opened', socket: this.state.socket });
    return this.receive({
      kind: 'welcome',
      self: { kind: this.role === 'staff' ? 'account' : 'visitor', id: self[this.role] },
      name: this.role === 'staff' ? 'Bob' : 'Ann',
      token: '',
      storeIncarnation: '0000000000000001',
      serverTime: this.now,
      heartbeatMs: 30_000,
      textBytesMax: 100,
      inFlightMax: 3,
      conversations: [],
      ...welcome,
    });
  }

  /** Opens a conversation and gets its newest events. */
  follow(conversation: Id, events: readonly EventPush[], subscribed: Partial<Subscribed> = {}): void {
    this.do({ kind: 'open', conversation });
    const last = events[events.length - 1];
    this.receive({
      kind: 'subscribed',
      conversation,
      reset: false,
      seq: this.role === 'staff' ? (last?.seq ?? 0) : 0,
      visibleSeq: last?.visibleSeq ?? 0,
      status: 'active',
      number: 67,
      assigneeName: 'Bob',
      visitorName: 'Ann',
      pointers: [],
      ownClients: [],
      ...subscribed,
    });
    for (const event of events) {
      this.receive(event);
    }
  }

  /** A message by somebody at this position, as this side sees it. */
  message(conversation: Id, position: number, text: string, by: Role, rest: Partial<EventPush> = {}): EventPush {
    const kind = by === 'staff' ? 'account' : 'visitor';
    return {
      kind: 'event',
      conversation,
      seq: this.role === 'staff' ? position : 0,
      visibleSeq: position,
      event: 'message',
      time: position,
      author: this.role === 'staff' ? { kind, id: self[by] } : null,
      client: '',
      clientSeq: 0,
      target: 0,
      revision: 0,
      hidden: false,
      open: { author: { kind, name: by === 'staff' ? 'Bob' : 'Ann' }, body: { kind: 'text', text, quote: 0 } },
      staff: null,
      ...rest,
    };
  }

  say(conversation: Id, text: string): readonly Command[] {
    this.do({ kind: 'say', conversation, body: { kind: 'message', text, quote: 0 } });
    return this.commands;
  }

  /** The answer to a command; `position` in this side's numbers. */
  acknowledge(command: Command, conversation: Id, position: number): readonly ClientFrame[] {
    return this.receive({
      kind: 'acknowledge',
      conversation,
      opening: command.opening,
      client: command.client,
      clientSeq: command.clientSeq,
      seq: this.role === 'staff' ? position : 0,
      visibleSeq: position,
      time: this.now,
      number: 67,
    });
  }

  refuse(command: Command, code: string, retryAfterMs = 0): readonly Command[] {
    const { conversation, opening, client, clientSeq } = command;
    const reason = { code, message: code, field: '' };
    this.receive({ kind: 'refuse', conversation, opening, client, clientSeq, reason, retryAfterMs });
    return this.commands;
  }

  gap(command: Command, last: number): readonly Command[] {
    const { conversation, opening, client, clientSeq } = command;
    this.receive({ kind: 'gap', conversation, opening, client, clientSeq, last });
    return this.commands;
  }
}
