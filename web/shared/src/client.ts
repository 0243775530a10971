// Reducer, socket, storage and clock together: what a screen holds.
import type { WireForm } from './codec.js';
import { hexOf } from './ids.js';
import { reduce, wakeAt } from './reducer.js';
import { Socket } from './socket.js';
import { initialState, type Effect, type Identity, type Input, type State } from './state.js';
import type { Storage } from './storage.js';

type Distribute<T> = T extends unknown ? Omit<T, 'at' | 'random'> : never;

/** What a screen may say: an input without its time and randomness. */
export type Happening = Distribute<Input>;

export interface ClientOptions extends Omit<Identity, 'token'> {
  /** Such as wss://chat.example/v1/socket. */
  readonly url: string;
  readonly form: WireForm;
  readonly storage: Storage;
  /** After every change; draw in a later frame. */
  readonly changed: (state: State) => void;
}

/** Longest time of a timer; beyond, browsers fire at once. */
const timerMax = 2 ** 31 - 1;

export class Client {
  private held: State;
  private socket: Socket | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private welcomed: (() => void) | null = null;
  private readonly ear = new AbortController();

  constructor(private readonly options: ClientOptions) {
    this.held = initialState({ ...options, token: options.storage.token() });
  }

  get state(): State {
    return this.held;
  }

  /** Loads what was kept and connects. */
  async start(): Promise<void> {
    const saved = await this.options.storage.load();
    if (saved !== null) {
      this.happen({ kind: 'restored', saved });
    }
    const { signal } = this.ear;
    const probe = () => {
      if (document.visibilityState === 'visible') {
        this.happen({ kind: 'probe' });
      }
    };
    addEventListener('online', probe, { signal });
    addEventListener('pageshow', probe, { signal });
    document.addEventListener('visibilitychange', probe, { signal });
    if (this.held.token !== '' || this.held.role === 'staff') {
      this.happen({ kind: 'start' });
      return;
    }
    void this.options.storage.alone(async () => {
      // Another tab may have got the session meanwhile.
      this.held = { ...this.held, token: this.options.storage.token() };
      const done = new Promise<void>((resolve) => {
        this.welcomed = resolve;
      });
      this.happen({ kind: 'start' });
      await done;
    });
  }

  /** Ends the connection; the client is of no use afterwards. */
  stop(): void {
    this.ear.abort();
    this.happen({ kind: 'stop' });
    clearTimeout(this.timer);
    this.welcomed?.();
  }

  happen(happening: Happening): void {
    const random = hexOf(crypto.getRandomValues(new Uint8Array(32)));
    const [state, effects] = reduce(this.held, { ...happening, at: Date.now(), random } as Input);
    this.held = state;
    for (const effect of effects) {
      this.perform(effect);
    }
    if (state.link.kind === 'ready' || state.link.kind === 'refused') {
      this.welcomed?.();
      this.welcomed = null;
    }
    this.setTimer();
    this.options.changed(state);
  }

  private perform(effect: Effect): void {
    switch (effect.kind) {
      case 'connect': {
        const { socket } = effect;
        this.socket = new Socket(this.options.url, this.options.form, {
          opened: () => {
            this.happen({ kind: 'opened', socket });
          },
          received: (frame) => {
            this.happen({ kind: 'received', socket, frame });
          },
          closed: (code) => {
            this.happen({ kind: 'closed', socket, code });
          },
        });
        return;
      }
      case 'disconnect':
        this.socket?.close(effect.code);
        return;
      case 'send':
        this.socket?.send(effect.frame);
        return;
      case 'save':
        this.options.storage.save(effect.saved);
        return;
      case 'keepToken':
        this.options.storage.keepToken(effect.token);
        return;
    }
  }

  private setTimer(): void {
    clearTimeout(this.timer);
    const wake = wakeAt(this.held);
    if (wake !== Infinity) {
      const delay = Math.min(timerMax, Math.max(0, wake - Date.now()));
      this.timer = setTimeout(() => {
        this.happen({ kind: 'tick' });
      }, delay);
    }
  }
}
