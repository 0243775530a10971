// @vitest-environment jsdom
// What outlives a page, and that no two tabs ever number under one client id.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { add, emptyOutbox } from '../src/outbox.js';
import type { Saved } from '../src/state.js';
import { BrowserStorage, mergeSaved, parseSaved } from '../src/storage.js';
import { id } from './model/bench.js';

type Work = (lock: object | null) => unknown;

/** The browser's locks as all tabs of a profile share them; a tab that ends lets its locks go. */
class Locks {
  private readonly taken = new Map<string, Tab>();

  request(tab: Tab, name: string, work: Work): Promise<unknown> {
    if (this.taken.has(name)) {
      return Promise.resolve(work(null));
    }
    this.taken.set(name, tab);
    const held = work({ name });
    const free = () => this.taken.delete(name);
    if (held instanceof Promise) {
      void held.then(free);
    } else {
      free();
    }
    return Promise.resolve(held);
  }

  end(tab: Tab): void {
    for (const [name, owner] of this.taken) {
      if (owner === tab) {
        this.taken.delete(name);
      }
    }
  }
}

class Tab {
  readonly storage = new BrowserStorage('test');

  /** Runs what the tab does with the browser's locks as this tab sees them. */
  async load(): Promise<Saved | null> {
    vi.stubGlobal('navigator', {
      locks: { request: (name: string, _: object, work: Work) => locks.request(this, name, work) },
    });
    return this.storage.load();
  }
}

let locks: Locks;

function saved(name: string, owner = 'ann'): Saved {
  const [outbox] = add(emptyOutbox, id('conversation'), { kind: 'message', text: name, quote: 0 }, 1, [id(name), '']);
  return { version: 1, self: { kind: 'visitor', id: id(owner) }, outbox };
}

function texts(value: Saved | null): readonly string[] {
  return (value?.outbox.items ?? []).flatMap(({ body }) => ('text' in body ? [body.text] : []));
}

beforeEach(() => {
  locks = new Locks();
  localStorage.clear();
  sessionStorage.clear();
});

afterEach(() => {
  vi.unstubAllGlobals();
});

describe('the browser storage', () => {
  it('gives a page back what it kept, after a reload', async () => {
    const tab = new Tab();
    expect(await tab.load()).toBeNull();
    tab.storage.save(saved('a'));
    locks.end(tab);
    expect(await new Tab().load()).toEqual(saved('a'));
  });

  it('gives a second tab a slot of its own', async () => {
    const first = new Tab();
    await first.load();
    first.storage.save(saved('a'));
    const second = new Tab();
    expect(await second.load()).toBeNull();
    second.storage.save(saved('b'));
    locks.end(first);
    expect(texts(await new Tab().load())).toEqual(['a']);
  });

  it('finds what tabs that are gone left behind, once', async () => {
    const first = new Tab();
    await first.load();
    first.storage.save(saved('a'));
    const second = new Tab();
    await second.load();
    second.storage.save(saved('b'));
    locks.end(first);
    locks.end(second);
    const third = new Tab();
    expect([...texts(await third.load())].sort()).toEqual(['a', 'b']);
    const fourth = new Tab();
    expect(await fourth.load()).toBeNull();
    locks.end(third);
    expect([...texts(await new Tab().load())].sort()).toEqual(['a', 'b']);
  });

  it('keeps the token for all tabs', () => {
    new BrowserStorage('test').keepToken('secret');
    expect(new BrowserStorage('test').token()).toBe('secret');
    expect(new BrowserStorage('other').token()).toBe('');
  });

  it('without locks holds its slot only while no page does', async () => {
    vi.stubGlobal('navigator', {});
    const first = new BrowserStorage('test');
    expect(await first.load()).toBeNull();
    first.save(saved('a'));
    // a copied tab gets a copy of the session storage, in which nothing is
    expect(await new BrowserStorage('test').load()).toBeNull();
    dispatchEvent(new Event('pagehide'));
    expect(texts(await new BrowserStorage('test').load())).toEqual(['a']);
  });
});

describe('what was kept', () => {
  it.each([null, '', '{', 'null', '[]', '{"version":2}', '{"version":1,"outbox":{"lanes":[{"client":"x"}],"items":[]}}'])(
    'is nothing when the text is %s',
    (text) => {
      expect(parseSaved(text)).toBeNull();
    },
  );

  it('of two tabs is put together with their client ids unchanged', () => {
    const merged = mergeSaved(saved('a'), saved('b'));
    expect(merged?.outbox.lanes.map(({ client }) => client).sort()).toEqual([id('a'), id('b')]);
    expect(new Set(merged?.outbox.items.map(({ local }) => local)).size).toBe(2);
  });

  it('by two people is not mixed', () => {
    expect(texts(mergeSaved(saved('a'), saved('b', 'eve')))).toEqual(['a']);
  });
});
