// The visitor's side.
import { BrowserStorage, Client, type State, type WireForm } from '@frontdesk/shared';

import { element, replace } from './dom.js';
import { LinkLine } from './link.js';
import type { Words } from './strings.js';
import { Thread } from './thread.js';

const storage = new BrowserStorage('visitor');

/** The public key of the inbox that this page belongs to. */
async function inboxKey(): Promise<string> {
  const answer = await fetch('/v1/inbox');
  const body: unknown = await answer.json();
  return typeof body === 'object' && body !== null && 'key' in body && typeof body.key === 'string' ? body.key : '';
}

export class VisitorPane {
  readonly root: HTMLElement;
  private client: Client | null = null;
  private readonly head = element('div', { class: 'pane-title' });
  private readonly link: LinkLine;
  private readonly thread: Thread;

  constructor(
    private readonly words: Words,
    private readonly socketUrl: string,
    private readonly form: WireForm,
    private readonly changed: () => void,
  ) {
    this.link = new LinkLine(words, () => {
      storage.keepToken('');
      location.reload();
    });
    this.thread = new Thread(
      words,
      false,
      () => this.client,
      () => this.client?.state.focus ?? null,
    );
    this.root = element(
      'section',
      { class: 'pane visitor', part: 'visitor', attributes: { 'aria-label': words.say('visitor') } },
      element('header', { class: 'pane-head' }, this.head, this.link.root),
      this.thread.root,
    );
  }

  async start(): Promise<void> {
    this.client = new Client({
      url: this.socketUrl,
      form: this.form,
      role: 'visitor',
      inboxKey: await inboxKey(),
      name: '',
      storage,
      changed: this.changed,
    });
    await this.client.start();
  }

  draw(): void {
    const state = this.client?.state ?? null;
    this.link.draw(state);
    if (state !== null) {
      this.drawHead(state);
      this.thread.draw(state);
    }
  }

  private drawHead(state: State): void {
    const held = state.conversations[state.focus];
    const title =
      held === undefined ? this.words.say('visitor') : this.words.say('conversation', { n: held.number });
    let line = this.words.say('sayHello');
    if (held?.status === 'waiting') {
      line = held.queue > 0 ? this.words.say('queue', { n: held.queue }) : this.words.say('waiting');
    } else if (held?.status === 'active') {
      line = this.words.say('withAgent', { name: held.assigneeName });
    } else if (held?.status === 'resolved') {
      line = this.words.say('resolved');
    }
    replace(this.head, JSON.stringify([title, line, state.focus]), () => [
      element(
        'div',
        { class: 'names' },
        element('h2', {}, title),
        element('p', { class: 'sub', part: 'status', data: { status: held?.status ?? 'none' } }, line),
      ),
      state.focus !== '' &&
        element(
          'button',
          {
            class: 'outline',
            part: 'new',
            on: { click: () => this.client?.happen({ kind: 'focus', conversation: '' }) },
          },
          this.words.say('newConversation'),
        ),
    ]);
  }
}
