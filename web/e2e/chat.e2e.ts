// The test page in a real browser against the real server.
import { chromium, type Browser, type Locator, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { FrontdeskNode } from './node.js';

let browser: Browser;
let node: FrontdeskNode;
let problems: string[];

beforeAll(async () => {
  browser = await chromium.launch({
    executablePath: process.env['FRONTDESK_CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
});

afterAll(async () => {
  await browser.close();
});

beforeEach(async () => {
  problems = [];
  node = await FrontdeskNode.make();
  await node.start();
});

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') {
    console.log(node.log);
  }
  await Promise.all(browser.contexts().map((context) => context.close()));
  await node.end();
});

/** One side of a page in a browser profile of its own. */
class Side {
  constructor(
    readonly page: Page,
    readonly root: Locator,
  ) {}

  part(name: string): Locator {
    return this.root.locator(`[data-part="${name}"]`);
  }

  message(text: string): Locator {
    return this.part('message').filter({ hasText: text });
  }

  async say(text: string): Promise<void> {
    await this.part('input').fill(text);
    await this.part('send').click();
  }

  /** The texts on the screen in their order. */
  texts(): Promise<string[]> {
    return this.part('lines').locator('[data-part="text"]').allInnerTexts();
  }

  async connected(): Promise<void> {
    await this.root.locator('[data-part="link"][data-link="ready"]').waitFor();
  }

  /** Everything that was said is stored. */
  async settled(): Promise<void> {
    await this.connected();
    await expect.poll(() => this.part('message').and(this.root.locator('[data-delivery="sending"]')).count()).toBe(0);
  }
}

async function open(side: 'visitor' | 'agent', token = '', form: 'proto' | 'json' = 'proto'): Promise<Side> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-GB' });
  const page = await context.newPage();
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (line) => {
    // What the browser itself says when a server is not there is no fault of the page.
    if (line.type() === 'error' && !/WebSocket|ERR_CONNECTION/.test(line.text())) {
      problems.push(line.text());
    }
  });
  await page.addInitScript((chosen) => {
    localStorage.setItem('frontdesk.testpage.form', chosen);
  }, form);
  await page.goto(`${node.url}/${token === '' ? '' : `#token=${token}`}`);
  const made = new Side(page, page.locator(`section[data-part="${side}"]`));
  await made.connected();
  return made;
}

async function meet(form: 'proto' | 'json' = 'proto'): Promise<{ visitor: Side; agent: Side }> {
  const agent = await open('agent', node.createAccount('Bob'), form);
  const visitor = await open('visitor', '', form);
  await visitor.say('Hello');
  await agent.message('Hello').waitFor();
  await agent.say('Good morning');
  await visitor.message('Good morning').waitFor();
  return { visitor, agent };
}

describe('the test page', () => {
  it('takes the token out of the address bar at once', async () => {
    const agent = await open('agent', node.createAccount('Bob'));
    expect(agent.page.url()).toBe(`${node.url}/`);
  });

  it.each(['proto', 'json'] as const)('chats both ways in the %s form and shows what was seen', async (form) => {
    const { visitor, agent } = await meet(form);
    await visitor.root.locator('[data-delivery="seen"]').filter({ hasText: 'Hello' }).waitFor();
    await agent.root.locator('[data-delivery="seen"]').filter({ hasText: 'Good morning' }).waitFor();
    await visitor.part('input').pressSequentially('abc');
    await agent.root.locator('[data-part="typing"]', { hasText: 'typing' }).waitFor();
    expect(problems).toEqual([]);
  });

  it('never shows a note to the visitor', async () => {
    const { visitor, agent } = await meet();
    await agent.root.locator('button.tab[data-part="note"]').click();
    await agent.say('A secret');
    await agent.message('A secret').waitFor();
    await agent.root.locator('button.tab[data-part="reply"]').click();
    await agent.say('After the note');
    await visitor.message('After the note').waitFor();
    expect(await visitor.texts()).toEqual(['Hello', 'Good morning', 'After the note']);
  });

  it('edits, recalls, resolves and opens again', async () => {
    const { visitor, agent } = await meet();
    await visitor.message('Hello').hover();
    await visitor.message('Hello').locator('[data-part="edit"]').click();
    await visitor.say('Hello there');
    await agent.message('Hello there').waitFor();
    await agent.message('Good morning').hover();
    await agent.message('Good morning').locator('[data-part="recall"]').click();
    await visitor.message('Recalled').waitFor();
    await agent.part('resolve').click();
    await visitor.root.locator('[data-part="status"][data-status="resolved"]').waitFor();
    await visitor.say('One more thing');
    await agent.message('One more thing').waitFor();
    await visitor.settled();
    expect(await visitor.texts()).toEqual(['Hello there', 'Recalled', 'One more thing']);
  });

  it('shows the same after a reload', async () => {
    const { visitor, agent } = await meet();
    for (const side of [visitor, agent]) {
      const before = await side.texts();
      await side.page.reload();
      await side.message('Good morning').waitFor();
      expect(await side.texts()).toEqual(before);
    }
  });

  it('loses and doubles nothing when the server is killed in the middle of a chat', async () => {
    const { visitor, agent } = await meet();
    const said = ['Hello', 'Good morning'];
    const chat = async (round: number, part: string) => {
      for (const [side, name] of [
        [visitor, 'visitor'],
        [agent, 'agent'],
      ] as const) {
        const text = `${name} ${String(round)} ${part}`;
        said.push(text);
        await side.say(text);
      }
    };
    for (let round = 0; round < 3; ++round) {
      await chat(round, 'before');
      await node.kill();
      await visitor.root.locator('[data-part="link"][data-link="waiting"], [data-link="connecting"]').first().waitFor();
      await chat(round, 'during');
      await node.start();
      await visitor.settled();
      await agent.settled();
      await chat(round, 'after');
    }
    await visitor.settled();
    await agent.settled();
    const last = said[said.length - 1] ?? '';
    await visitor.message(last).waitFor();
    await agent.message('visitor 2 after').waitFor();
    const seen = await visitor.texts();
    expect(await agent.texts()).toEqual(seen);
    expect([...seen].sort()).toEqual([...said].sort());
    for (const name of ['visitor', 'agent']) {
      expect(seen.filter((text) => text.startsWith(name))).toEqual(said.filter((text) => text.startsWith(name)));
    }
    // A page opened now shows the same: it comes from the server's disk, not from what the pages remember.
    await visitor.page.reload();
    await visitor.message(last).waitFor();
    expect(await visitor.texts()).toEqual(seen);
    expect(problems).toEqual([]);
  });

  it('keeps what was written without a connection over a reload', async () => {
    const { visitor, agent } = await meet();
    await visitor.page.context().setOffline(true);
    await node.kill();
    await visitor.say('Written in the tunnel');
    await visitor.root.locator('[data-delivery="sending"]').waitFor();
    await visitor.page.context().setOffline(false);
    await node.start();
    await visitor.page.reload();
    await agent.message('Written in the tunnel').waitFor();
    await visitor.settled();
    const seen = await visitor.texts();
    expect(seen).toEqual(['Hello', 'Good morning', 'Written in the tunnel']);
    expect(await agent.texts()).toEqual(seen);
  });

  it('moves on by itself when the server leaves in order', async () => {
    const { visitor, agent } = await meet();
    await node.kill('SIGTERM');
    await node.start();
    await visitor.settled();
    await visitor.say('Still here');
    await agent.message('Still here').waitFor();
    expect(await agent.texts()).toEqual(['Hello', 'Good morning', 'Still here']);
  });

  it('makes one visitor and one conversation of two tabs', async () => {
    const { visitor, agent } = await meet();
    const page = await visitor.page.context().newPage();
    await page.goto(node.url);
    const tab = new Side(page, page.locator('section[data-part="visitor"]'));
    await tab.message('Good morning').waitFor();
    await tab.say('From the second tab');
    await visitor.message('From the second tab').waitFor();
    await visitor.say('From the first tab');
    await agent.message('From the first tab').waitFor();
    await tab.message('From the first tab').waitFor();
    expect(await tab.texts()).toEqual(await visitor.texts());
    expect(await agent.texts()).toEqual(await visitor.texts());
    expect(await agent.part('row').count()).toBe(1);
  });
});
