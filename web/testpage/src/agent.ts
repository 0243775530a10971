// The agent's side: lists, one conversation, what can be done with it.
import {
  BrowserStorage,
  Client,
  isId,
  rowsOf,
  type CommandBody,
  type Id,
  type OpenRow,
  type State,
  type WireForm,
} from '@frontdesk/shared';

import { element, reconcile, replace, type Child } from './dom.js';
import { LinkLine } from './link.js';
import type { Word, Words } from './strings.js';
import { Thread } from './thread.js';

const storage = new BrowserStorage('staff');

export class AgentPane {
  readonly root: HTMLElement;
  private client: Client | null = null;
  private selected: Id | null = null;
  private readonly link: LinkLine;
  private readonly thread: Thread;
  private readonly head = element('div', { class: 'pane-title' });
  private readonly title = element('div', { class: 'thread-head' });
  private readonly lists = {
    waiting: element('ul', { class: 'rows', part: 'waiting' }),
    mine: element('ul', { class: 'rows', part: 'mine' }),
  };
  private readonly body = element('div', { class: 'desk' });
  private readonly entrance: HTMLElement;

  constructor(
    private readonly words: Words,
    private readonly socketUrl: string,
    private readonly form: WireForm,
    private readonly changed: () => void,
  ) {
    this.link = new LinkLine(words, () => {
      this.signOut();
    });
    this.thread = new Thread(
      words,
      true,
      () => this.client,
      () => this.selected,
    );
    this.entrance = this.signInForm();
    this.body.append(
      element(
        'nav',
        { class: 'lists' },
        element('h3', {}, words.say('listMine')),
        this.lists.mine,
        element('h3', {}, words.say('listWaiting')),
        this.lists.waiting,
      ),
      element('div', { class: 'work' }, this.title, this.thread.root),
    );
    this.root = element(
      'section',
      { class: 'pane agent', part: 'agent', attributes: { 'aria-label': words.say('agent') } },
      element('header', { class: 'pane-head' }, this.head, this.link.root),
      this.entrance,
      this.body,
    );
  }

  /** `token` of the address bar wins over the one that was kept. */
  async start(token: string): Promise<void> {
    if (token !== '') {
      storage.keepToken(token);
    }
    if (storage.token() === '') {
      return;
    }
    this.client = new Client({
      url: this.socketUrl,
      form: this.form,
      role: 'staff',
      inboxKey: '',
      name: '',
      storage,
      changed: this.changed,
    });
    this.client.happen({ kind: 'list', list: 'waiting', on: true });
    this.client.happen({ kind: 'list', list: 'mine', on: true });
    this.client.happen({ kind: 'presence', state: 'online', capacity: 0 });
    await this.client.start();
  }

  draw(): void {
    const state = this.client?.state ?? null;
    this.link.draw(state);
    this.entrance.hidden = state !== null;
    this.body.hidden = state === null;
    this.drawHead(state);
    if (state === null) {
      return;
    }
    const mine = rowsOf(state, 'mine');
    this.drawRows(this.lists.mine, mine, 'nothingMine');
    this.drawRows(this.lists.waiting, rowsOf(state, 'waiting'), 'nobodyWaits');
    const first = mine[0];
    if (this.selected === null && first !== undefined) {
      this.select(first.conversation);
    }
    this.drawTitle(state);
    this.thread.draw(state);
  }

  private signOut(): void {
    storage.keepToken('');
    location.reload();
  }

  private signInForm(): HTMLElement {
    const input = element('input', {
      part: 'token',
      attributes: { type: 'password', autocomplete: 'off', spellcheck: 'false', id: 'token', required: '' },
    });
    return element(
      'form',
      {
        class: 'entrance',
        on: {
          submit: (happened) => {
            happened.preventDefault();
            void this.start(input.value.trim());
          },
        },
      },
      element('label', { attributes: { for: 'token' } }, this.words.say('tokenLabel')),
      input,
      element('button', { class: 'primary', part: 'sign-in' }, this.words.say('signIn')),
      element('p', { class: 'sub' }, this.words.say('tokenHelp')),
    );
  }

  private drawHead(state: State | null): void {
    const presence = state?.presence;
    const name = state?.self == null ? this.words.say('agent') : state.name;
    replace(this.head, JSON.stringify([name, presence ?? null]), () => [
      element(
        'div',
        { class: 'names' },
        element('h2', {}, name),
        presence !== undefined &&
          element(
            'p',
            { class: 'sub' },
            this.words.say(presence.state === 'away' ? 'away' : 'available'),
            presence.capacity > 0 &&
              ` · ${this.words.say('load', { n: presence.load, of: presence.capacity })}`,
          ),
      ),
      presence !== undefined &&
        element(
          'div',
          { class: 'actions' },
          this.button(presence.wanted?.state === 'away' ? 'available' : 'away', 'outline', () => {
            const next = presence.wanted?.state === 'away' ? 'online' : 'away';
            this.client?.happen({ kind: 'presence', state: next, capacity: 0 });
          }),
          this.button('signOut', 'quiet', () => {
            this.signOut();
          }),
        ),
    ]);
  }

  private drawRows(list: HTMLElement, rows: readonly OpenRow[], empty: Word): void {
    const made = rows.map((row) => ({
      key: row.conversation,
      signature: `${String(row.conversation === this.selected)}${JSON.stringify(row)}`,
      make: () => this.row(row),
    }));
    const nothing = { key: '', signature: empty, make: () => element('li', { class: 'none' }, this.words.say(empty)) };
    reconcile(list, rows.length === 0 ? [nothing] : made);
  }

  private row(row: OpenRow): HTMLElement {
    const name = row.visitorName === '' ? this.words.say('anonymous') : row.visitorName;
    const since = row.waitingSince === 0 ? row.created : row.waitingSince;
    return element(
      'li',
      {},
      element(
        'button',
        {
          class: row.conversation === this.selected ? 'row-button chosen' : 'row-button',
          part: 'row',
          data: { conversation: row.conversation },
          on: {
            click: () => {
              this.select(row.conversation);
            },
          },
        },
        element('span', { class: 'line' }, element('b', { class: 'cut' }, name), element('time', {}, this.words.time(since))),
        element('span', { class: 'cut sub', attributes: { dir: 'auto' } }, row.excerpt === '' ? '…' : row.excerpt),
      ),
    );
  }

  private select(conversation: Id): void {
    const before = this.selected;
    this.selected = conversation;
    if (before !== null && before !== conversation) {
      this.client?.happen({ kind: 'leave', conversation: before });
    }
    this.client?.happen({ kind: 'open', conversation });
    this.changed();
  }

  private drawTitle(state: State): void {
    const held = this.selected === null ? undefined : state.conversations[this.selected];
    const own = state.self?.id ?? '';
    const signature = JSON.stringify([held?.id, held?.number, held?.status, held?.assigneeName, held?.visitorName, own]);
    replace(this.title, signature, () => {
      if (held === undefined) {
        return [element('p', { class: 'sub' }, this.words.say('choose'))];
      }
      const word = { waiting: 'waiting', active: 'withAgent', resolved: 'resolvedShort', unknown: 'connecting' } as const;
      return [
        element(
          'div',
          { class: 'names' },
          element('h3', { class: 'cut' }, held.visitorName === '' ? this.words.say('anonymous') : held.visitorName),
          element(
            'p',
            { class: 'sub', part: 'status', data: { status: held.status } },
            `${this.words.say('conversation', { n: held.number })} · `,
            this.words.say(word[held.status], { name: held.assigneeName }),
          ),
        ),
        element('div', { class: 'actions' }, ...this.actions(held.status, own)),
      ];
    });
  }

  private actions(status: string, own: Id): readonly Child[] {
    if (status === 'resolved') {
      return [this.button('reopen', 'outline', () => this.say({ kind: 'reopen' }))];
    }
    return [
      status === 'waiting' && this.button('take', 'outline', () => this.say({ kind: 'assign', account: own, team: '' })),
      this.transfer(),
      this.button('resolve', 'outline', () => this.say({ kind: 'resolve' })),
    ];
  }

  /** Back to the queue, or to an account by its id. */
  private transfer(): HTMLElement {
    const input = element('input', {
      part: 'transfer-to',
      attributes: { 'aria-label': this.words.say('transferTo'), placeholder: this.words.say('transferTo') },
    });
    return element(
      'details',
      { class: 'menu' },
      element('summary', { class: 'outline', part: 'transfer' }, this.words.say('transfer')),
      element(
        'form',
        {
          class: 'popover',
          on: {
            submit: (happened) => {
              happened.preventDefault();
              if (isId(input.value.trim())) {
                this.say({ kind: 'assign', account: input.value.trim(), team: '' });
              }
            },
          },
        },
        this.button('backToQueue', 'quiet', () => this.say({ kind: 'assign', account: '', team: '' })),
        input,
      ),
    );
  }

  private say(body: CommandBody): void {
    if (this.selected !== null) {
      this.client?.happen({ kind: 'say', conversation: this.selected, body });
    }
  }

  private button(word: Word, look: string, pressed: () => void): HTMLButtonElement {
    const made = element('button', { class: look, part: word, on: { click: pressed } }, this.words.say(word));
    made.type = 'button';
    return made;
  }
}
