// Clients, the model server and a network between them that delays, cuts and forgets, on a virtual clock.
import type { ClientFrame, ServerFrame } from '../../src/frames.js';
import type { Id } from '../../src/ids.js';
import { reduce, wakeAt } from '../../src/reducer.js';
import { initialState, type Effect, type Identity, type Input, type Saved, type State } from '../../src/state.js';
import { Random } from './random.js';
import { ModelServer, type Account } from './server.js';

type Distribute<T> = T extends unknown ? Omit<T, 'at' | 'random'> : never;
export type Happening = Distribute<Input>;

interface Link {
  readonly client: SimulatedClient;
  readonly socket: number;
  alive: boolean;
  /** Frames of one direction do not overtake each other. */
  upUntil: number;
  downUntil: number;
}

export class SimulatedClient {
  state: State;
  saved: Saved | null = null;
  token: string;
  link: Link | null = null;
  private generation = 0;

  constructor(
    readonly world: World,
    readonly name: string,
    private readonly identity: Identity,
  ) {
    this.token = identity.token;
    this.state = initialState(identity);
  }

  happen(happening: Happening): void {
    const input = { ...happening, at: this.world.now, random: this.world.random.hex(64) } as Input;
    const [state, effects] = reduce(this.state, input);
    this.state = state;
    for (const effect of effects) {
      this.world.perform(this, effect);
    }
    this.schedule();
  }

  /** The page goes and comes back with what was kept. */
  reload(): void {
    if (this.link !== null) {
      this.world.cut(this.link, false);
    }
    this.state = initialState({ ...this.identity, token: this.token });
    if (this.saved !== null) {
      this.happen({ kind: 'restored', saved: JSON.parse(JSON.stringify(this.saved)) as Saved });
    }
    this.happen({ kind: 'start' });
  }

  private schedule(): void {
    const generation = ++this.generation;
    const wake = wakeAt(this.state);
    if (wake !== Infinity) {
      this.world.at(Math.max(wake, this.world.now), () => {
        if (generation === this.generation) {
          this.happen({ kind: 'tick' });
        }
      });
    }
  }
}

export class World {
  now = 1_700_000_000_000;
  /** Faults happen. */
  stormy = true;
  readonly random: Random;
  readonly server: ModelServer;
  readonly clients: SimulatedClient[] = [];
  private readonly links = new Map<number, Link>();
  private nextLink = 1;
  private order = 0;
  private queue: { readonly time: number; readonly order: number; readonly work: () => void }[] = [];

  constructor(seed: number, accounts: readonly Account[]) {
    this.random = new Random(seed);
    this.server = new ModelServer(
      accounts,
      this.random,
      () => this.now,
      (number, frame) => {
        this.down(number, frame);
      },
      () => this.stormy && this.random.chance(0.03),
    );
  }

  add(name: string, identity: Identity): SimulatedClient {
    const client = new SimulatedClient(this, name, identity);
    this.clients.push(client);
    return client;
  }

  at(time: number, work: () => void): void {
    this.queue.push({ time, order: this.order++, work });
  }

  /** Lets virtual time pass. */
  run(milliseconds: number): void {
    const end = this.now + milliseconds;
    for (let steps = 0; steps < 200_000; ++steps) {
      let best = -1;
      for (let index = 0; index < this.queue.length; ++index) {
        const one = this.queue[index];
        const other = this.queue[best];
        if (
          one !== undefined &&
          (other === undefined || one.time < other.time || (one.time === other.time && one.order < other.order))
        ) {
          best = index;
        }
      }
      const next = this.queue[best];
      if (next === undefined || next.time > end) {
        this.now = end;
        return;
      }
      this.queue.splice(best, 1);
      this.now = Math.max(this.now, next.time);
      next.work();
    }
    throw new Error('the world does not come to rest');
  }

  perform(client: SimulatedClient, effect: Effect): void {
    switch (effect.kind) {
      case 'connect':
        return this.connect(client, effect.socket);
      case 'disconnect':
        if (client.link?.socket === effect.socket) {
          this.cut(client.link, false);
        }
        return;
      case 'send':
        if (client.link?.socket === effect.socket) {
          this.up(client.link, effect.frame);
        }
        return;
      case 'save':
        client.saved = effect.saved;
        return;
      case 'keepToken':
        // Tabs of one browser share it.
        for (const other of this.clients) {
          if (other.token === '' && other.state.role === client.state.role) {
            other.token = effect.token;
          }
        }
        return;
    }
  }

  /** The connection is gone with everything that is under way on it. */
  cut(link: Link, tell: boolean): void {
    if (!link.alive) {
      return;
    }
    link.alive = false;
    const number = this.numberOf(link);
    this.at(this.now + this.random.below(500), () => {
      this.server.closed(number);
    });
    if (tell) {
      this.at(this.now + this.random.below(500), () => {
        link.client.happen({ kind: 'closed', socket: link.socket, code: 1006 });
      });
    }
  }

  /** One fault of some kind. */
  misfortune(): void {
    const client = this.random.pick(this.clients);
    const id: Id | undefined = this.random.pick([...this.server.conversations.keys()]);
    switch (this.random.below(4)) {
      case 0:
      case 1:
        if (client?.link != null) {
          this.cut(client.link, true);
        }
        return;
      case 2:
        if (id !== undefined) {
          this.server.freeze(id);
          this.at(this.now + this.random.below(200), () => {
            this.server.thaw(id);
          });
        }
        return;
      case 3:
        if (client?.link != null) {
          this.server.loseSession(this.numberOf(client.link));
        }
        return;
    }
  }

  private connect(client: SimulatedClient, socket: number): void {
    const number = this.nextLink++;
    const link: Link = { client, socket, alive: true, upUntil: 0, downUntil: 0 };
    client.link = link;
    this.links.set(number, link);
    const works = !this.stormy || this.random.chance(0.8);
    this.at(this.now + 1 + this.random.below(100), () => {
      if (!link.alive) {
        return;
      }
      if (works) {
        client.happen({ kind: 'opened', socket });
      } else {
        link.alive = false;
        client.happen({ kind: 'closed', socket, code: 1006 });
      }
    });
  }

  private numberOf(link: Link): number {
    for (const [number, other] of this.links) {
      if (other === link) {
        return number;
      }
    }
    return 0;
  }

  private up(link: Link, frame: ClientFrame): void {
    const number = this.numberOf(link);
    link.upUntil = Math.max(link.upUntil, this.now + this.delay());
    this.at(link.upUntil, () => {
      if (link.alive) {
        this.server.receive(number, frame);
      }
    });
  }

  private down(number: number, frame: ServerFrame): void {
    const link = this.links.get(number);
    if (link === undefined) {
      return;
    }
    link.downUntil = Math.max(link.downUntil, this.now + this.delay());
    this.at(link.downUntil, () => {
      if (link.alive) {
        link.client.happen({ kind: 'received', socket: link.socket, frame });
      }
    });
  }

  private delay(): number {
    return this.random.chance(0.05) ? 1 + this.random.below(300) : 1 + this.random.below(30);
  }
}
