// Where a client keeps what outlives its page.
//
// Each tab has a slot of its own: client ids and their numbers must never be used by two tabs at once. Web Locks say
// which slots are taken, so that a slot left behind is found by the next tab, with what was still to be sent. Where
// there are no locks (pages that are not secure), a tab keeps its slot for itself, across reloads only.
import { isId } from './ids.js';
import { adopted } from './outbox.js';
import type { Saved } from './state.js';

export interface Storage {
  /** The session's token; '' with none. */
  token(): string;
  keepToken(token: string): void;
  /** What this tab, and tabs that are gone, left behind; null: nothing. */
  load(): Promise<Saved | null>;
  save(saved: Saved): void;
  /** Runs the work while no other tab of this profile runs its own: two new tabs must not become two visitors. */
  alone(work: () => Promise<void>): Promise<void>;
}

const slotsMax = 16;

/** The saved state in the text; null for text that is none, such as one of a version to come. */
export function parseSaved(text: string | null): Saved | null {
  if (text === null) {
    return null;
  }
  try {
    const value = JSON.parse(text) as Saved | null;
    const sound = value?.version === 1 && value.outbox.lanes.every(({ client }) => isId(client));
    return sound && value.outbox.items.every(({ local }) => local > 0) ? value : null;
  } catch {
    return null;
  }
}

/** What two tabs left behind, as one tab's; the first one's if they were of different participants. */
export function mergeSaved(first: Saved | null, second: Saved | null): Saved | null {
  if (first === null || second === null) {
    return first ?? second;
  }
  const same = first.self === null || second.self === null || first.self.id === second.self.id;
  return same
    ? {
        version: 1,
        self: first.self ?? second.self,
        outbox: adopted(first.outbox, second.outbox),
      }
    : first;
}

/** Keeps nothing. For tests and for tools. */
export class MemoryStorage implements Storage {
  private kept = '';
  private saved: Saved | null = null;

  constructor(token = '') {
    this.kept = token;
  }

  token(): string {
    return this.kept;
  }

  keepToken(token: string): void {
    this.kept = token;
  }

  load(): Promise<Saved | null> {
    return Promise.resolve(this.saved);
  }

  save(saved: Saved): void {
    this.saved = saved;
  }

  alone(work: () => Promise<void>): Promise<void> {
    return work();
  }
}

/** Local storage of the page's origin; `name` separates participants, such as two inboxes on one page. */
export class BrowserStorage implements Storage {
  private slot: string | null = null;
  /** What is kept while there is no slot. */
  private unlocked: Saved | null = null;

  constructor(private readonly name: string) {}

  token(): string {
    return this.read(localStorage, this.key('token')) ?? '';
  }

  keepToken(token: string): void {
    this.write(localStorage, this.key('token'), token);
  }

  async load(): Promise<Saved | null> {
    if (!('locks' in navigator)) {
      return this.loadWithoutLocks();
    }
    if (this.slot !== null) {
      return parseSaved(this.read(localStorage, this.slot));
    }
    let saved: Saved | null = null;
    for (let index = 0; index < slotsMax; ++index) {
      const key = this.key(`outbox.${String(index)}`);
      await this.whileLocked(key, () => {
        const found = parseSaved(this.read(localStorage, key));
        if (this.slot === null) {
          this.slot = key;
          saved = found;
          return 'hold';
        }
        if (found !== null) {
          // A tab that is gone: what it left goes on here. Kept in the own slot before it leaves the other.
          saved = mergeSaved(saved, found);
          this.write(localStorage, this.slot, JSON.stringify(saved));
          localStorage.removeItem(key);
        }
        return 'release';
      });
    }
    return saved;
  }

  save(saved: Saved): void {
    if (this.slot !== null) {
      this.write(localStorage, this.slot, JSON.stringify(saved));
    } else {
      this.unlocked = saved;
    }
  }

  async alone(work: () => Promise<void>): Promise<void> {
    if ('locks' in navigator) {
      await navigator.locks.request(this.key('session'), work);
    } else {
      await work();
    }
  }

  /**
   * A copied tab copies the session storage, so it holds the slot only while no page does: it is taken out when the
   * page comes and put back when it goes.
   */
  private loadWithoutLocks(): Saved | null {
    const key = this.key('outbox');
    const takeOut = () => {
      const saved = parseSaved(this.read(sessionStorage, key));
      sessionStorage.removeItem(key);
      return saved;
    };
    addEventListener('pagehide', () => {
      if (this.unlocked !== null) {
        this.write(sessionStorage, key, JSON.stringify(this.unlocked));
      }
    });
    addEventListener('pageshow', ({ persisted }) => {
      if (persisted) {
        sessionStorage.removeItem(key);
      }
    });
    this.unlocked = takeOut();
    return this.unlocked;
  }

  /** Does the work unless another page has the lock; then lets it go, or holds it for as long as the page lives. */
  private whileLocked(key: string, work: () => 'hold' | 'release'): Promise<void> {
    return new Promise((resolve) => {
      navigator.locks
        .request(key, { ifAvailable: true }, (lock) => {
          const end = lock === null ? 'release' : work();
          resolve();
          return end === 'hold' ? new Promise<never>(() => undefined) : undefined;
        })
        .catch(() => {
          resolve();
        });
    });
  }

  private key(part: string): string {
    return `frontdesk.${this.name}.${part}`;
  }

  private read(storage: globalThis.Storage, key: string): string | null {
    try {
      return storage.getItem(key);
    } catch {
      return null;
    }
  }

  /** A full or forbidden storage costs what a reload would have kept, not the chat. */
  private write(storage: globalThis.Storage, key: string, value: string): void {
    try {
      storage.setItem(key, value);
    } catch {
      return;
    }
  }
}
