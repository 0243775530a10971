// The messages of one conversation and the composer under them, for both sides.
import {
  linesOf,
  newestOf,
  unsentOf,
  type Client,
  type CommandBody,
  type Id,
  type Line,
  type Profile,
  type State,
} from '@frontdesk/shared';

import { element, icon, reconcile, replace, type Child, type Keyed } from './dom.js';
import type { Words } from './strings.js';

type TextLine = Extract<Line, { kind: 'text' }>;

/** What the composer does: writes, answers to a message, or changes one. */
type Task =
  | { readonly kind: 'write' }
  | { readonly kind: 'quote'; readonly position: number; readonly text: string }
  | { readonly kind: 'edit'; readonly position: number };

/** A message stays in its author's group for five minutes. */
const groupMs = 5 * 60_000;
const nearBottom = 60;

export class Thread {
  readonly root: HTMLElement;
  private readonly scroller = element('div', { class: 'scroller', attributes: { tabindex: '0' } });
  private readonly lines = element('ol', {
    class: 'lines',
    part: 'lines',
    attributes: { role: 'log', 'aria-live': 'polite' },
  });
  private readonly older: HTMLButtonElement;
  private readonly typing = element('p', { class: 'typing', part: 'typing' });
  private readonly bar = element('div', { class: 'bar' });
  private readonly tabs = element('div', { class: 'tabs' });
  private readonly input: HTMLTextAreaElement;
  private readonly send: HTMLButtonElement;
  private readonly composer: HTMLFormElement;
  private task: Task = { kind: 'write' };
  private note = false;
  private shown: { readonly conversation: Id; readonly first: string } | null = null;

  constructor(
    private readonly words: Words,
    private readonly staff: boolean,
    private readonly client: () => Client | null,
    private readonly conversation: () => Id | null,
  ) {
    this.older = element(
      'button',
      { class: 'quiet', part: 'older', on: { click: () => this.happen('older') } },
      words.say('earlier'),
    );
    this.older.type = 'button';
    this.input = element('textarea', {
      part: 'input',
      attributes: { rows: '2', dir: 'auto', 'aria-label': words.say('placeholder') },
      on: {
        input: () => {
          if (this.input.value !== '' && !this.note) {
            this.happen('typed');
          }
        },
        keydown: (happened) => {
          const key = happened as KeyboardEvent;
          // Enter also ends a word in an input method; that one is not ours.
          if (key.key === 'Enter' && !key.shiftKey && !key.isComposing) {
            key.preventDefault();
            this.submit();
          } else if (key.key === 'Escape') {
            this.begin({ kind: 'write' });
          }
        },
      },
    });
    this.send = element('button', { class: 'primary', part: 'send' }, words.say('send'));
    this.composer = element(
      'form',
      {
        class: 'composer',
        on: {
          submit: (happened) => {
            happened.preventDefault();
            this.submit();
          },
        },
      },
      this.tabs,
      this.bar,
      element('div', { class: 'entry' }, this.input, this.send),
    );
    this.scroller.append(this.older, this.lines);
    this.root = element('div', { class: 'thread' }, this.scroller, this.typing, this.composer);
    this.drawTabs();
  }

  draw(state: State): void {
    const conversation = this.conversation();
    this.composer.hidden = conversation === null;
    const lines = conversation === null ? [] : linesOf(state, conversation);
    const held = state.conversations[conversation ?? ''];
    const first = lines[0]?.key ?? '';
    const stays = this.shown?.conversation === conversation;
    const fromBottom = this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight;
    const atBottom = !stays || fromBottom < nearBottom;
    const cameBefore = stays && this.shown?.first !== first;
    this.older.hidden = held?.more !== true;
    this.older.disabled = held?.paging !== null;
    reconcile(
      this.lines,
      lines.map((line, index) => this.keyed(line, lines[index - 1])),
    );
    if (atBottom) {
      this.scroller.scrollTop = this.scroller.scrollHeight;
    } else if (cameBefore) {
      this.scroller.scrollTop = this.scroller.scrollHeight - this.scroller.clientHeight - fromBottom;
    }
    this.shown = conversation === null ? null : { conversation, first };
    const typists = (held?.typists ?? []).map(({ who }) => this.nameOf(who)).join(', ');
    this.typing.textContent = typists === '' ? '' : this.words.say('typing', { name: typists });
    this.root.dataset['unsent'] = String(unsentOf(state));
    if (conversation !== null && atBottom && document.visibilityState === 'visible' && this.root.offsetParent !== null) {
      this.read(state, conversation);
    }
  }

  private read(state: State, conversation: Id): void {
    const position = newestOf(state, conversation);
    if (position > (state.conversations[conversation]?.wanted.read ?? 0)) {
      this.client()?.happen({ kind: 'read', conversation, position });
    }
  }

  private happen(kind: 'older' | 'typed'): void {
    const conversation = this.conversation();
    if (conversation !== null && conversation !== '') {
      this.client()?.happen({ kind, conversation });
    }
  }

  private say(body: CommandBody): void {
    const conversation = this.conversation();
    if (conversation !== null) {
      this.client()?.happen({ kind: 'say', conversation, body });
    }
  }

  private submit(): void {
    const text = this.input.value.trim();
    if (text === '') {
      return;
    }
    if (this.task.kind === 'edit') {
      this.say({ kind: 'edit', target: this.task.position, text });
    } else {
      const quote = this.task.kind === 'quote' ? this.task.position : 0;
      this.say({ kind: this.note ? 'note' : 'message', text, quote });
    }
    this.input.value = '';
    this.begin({ kind: 'write' });
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  private begin(task: Task, text = ''): void {
    if (this.task.kind === 'edit' || task.kind === 'edit') {
      this.input.value = text;
    }
    this.task = task;
    this.send.textContent = this.words.say(task.kind === 'edit' ? 'save' : 'send');
    replace(this.bar, JSON.stringify(task), () =>
      task.kind === 'write'
        ? []
        : [
            element(
              'span',
              { class: 'cut' },
              task.kind === 'quote' ? task.text : this.words.say('edit'),
            ),
            this.button('cancel', 'quiet', () => {
              this.begin({ kind: 'write' });
            }),
          ],
    );
    this.input.focus();
  }

  private drawTabs(): void {
    this.composer.dataset['note'] = String(this.note);
    this.input.placeholder = this.words.say(
      this.staff ? (this.note ? 'placeholderNote' : 'placeholderReply') : 'placeholder',
    );
    if (!this.staff) {
      return;
    }
    replace(this.tabs, String(this.note), () => [
      this.tab('reply', !this.note),
      this.tab('note', this.note),
      this.note && element('span', { class: 'hint' }, icon('lock', ''), this.words.say('noteOnly')),
    ]);
  }

  private tab(word: 'reply' | 'note', chosen: boolean): HTMLButtonElement {
    const made = this.button(word, chosen ? 'tab chosen' : 'tab', () => {
      this.note = word === 'note';
      this.drawTabs();
      this.input.focus();
    });
    made.setAttribute('aria-pressed', String(chosen));
    return made;
  }

  private button(
    word: 'cancel' | 'reply' | 'note' | 'quote' | 'edit' | 'recall' | 'retry' | 'discard',
    look: string,
    pressed: () => void,
  ): HTMLButtonElement {
    const made = element('button', { class: look, part: word, on: { click: pressed } }, this.words.say(word));
    made.type = 'button';
    return made;
  }

  private nameOf(who: Profile): string {
    if (who.name !== '') {
      return who.name;
    }
    return who.kind === 'visitor'
      ? this.words.say('anonymous')
      : this.words.say(this.staff ? 'colleague' : 'somebody');
  }

  private keyed(line: Line, before: Line | undefined): Keyed {
    const opens =
      before === undefined ||
      before.kind !== line.kind ||
      before.author.name !== line.author.name ||
      before.author.kind !== line.author.kind ||
      line.time - before.time > groupMs;
    return {
      key: line.key,
      signature: `${String(opens)}${JSON.stringify(line)}`,
      make: () => (line.kind === 'text' ? this.text(line, opens) : this.event(line)),
    };
  }

  private event(line: Extract<Line, { kind: 'event' }>): HTMLElement {
    const { body } = line;
    const by = this.nameOf(line.author);
    let text = '';
    if (body.kind === 'status') {
      text = this.words.say(body.status === 'resolved' ? 'eventResolved' : 'eventReopened', { name: by });
    } else if (body.kind === 'assigned') {
      const own = body.to.name === line.author.name && body.to.kind === line.author.kind;
      text =
        body.to.name === ''
          ? this.words.say('eventQueue')
          : this.words.say(own ? 'eventTaken' : 'eventAssigned', { name: body.to.name });
    }
    return element('li', { class: 'event', part: 'event' }, text);
  }

  private text(line: TextLine, opens: boolean): HTMLElement {
    const head =
      opens &&
      element(
        'p',
        { class: 'head' },
        element('b', {}, line.own ? this.words.say('you') : this.nameOf(line.author)),
        ' ',
        element('time', {}, this.words.time(line.time)),
      );
    const bubble = element(
      'div',
      { class: 'bubble', attributes: { dir: 'auto' } },
      line.note && element('span', { class: 'lock' }, icon('lock', this.words.say('noteOnly'))),
      line.quoted !== null &&
        element('blockquote', { class: 'cut' }, line.quoted.text ?? this.words.say('recalled')),
      element('span', { part: 'text', class: line.text === null ? 'gone' : '' }, line.text ?? this.words.say('recalled')),
      line.edited && element('span', { class: 'meta' }, ` (${this.words.say('edited')})`),
    );
    const look = `message ${line.own ? 'own' : 'other'}${line.note ? ' note' : ''}${opens ? ' opens' : ''}`;
    const delivery = line.delivery?.kind ?? 'none';
    return element(
      'li',
      { class: look, part: 'message', data: { delivery } },
      head,
      element('div', { class: 'row' }, bubble, this.mark(line), this.tools(line)),
      this.question(line),
    );
  }

  private mark(line: TextLine): Child {
    if (line.changing) {
      return element('span', { class: 'mark' }, icon('clock', this.words.say('changing')));
    }
    const kind = line.delivery?.kind;
    if (kind === undefined) {
      return null;
    }
    const title = kind === 'failed' || kind === 'unconfirmed' ? '' : this.words.say(kind);
    const drawn =
      kind === 'sending'
        ? icon('clock', title)
        : kind === 'sent'
          ? icon('check', title)
          : kind === 'failed' || kind === 'unconfirmed'
            ? icon('warn', '')
            : icon('checks', title);
    return element('span', { class: `mark ${kind}`, attributes: { title } }, drawn);
  }

  private tools(line: TextLine): Child {
    if (line.position === 0 || line.text === null) {
      return null;
    }
    const { position, text } = line;
    return element(
      'span',
      { class: 'tools' },
      !line.note &&
        this.button('quote', 'quiet', () => {
          this.begin({ kind: 'quote', position, text });
        }),
      line.own &&
        this.button('edit', 'quiet', () => {
          this.begin({ kind: 'edit', position }, text);
        }),
      line.own &&
        this.button('recall', 'quiet', () => {
          this.say({ kind: 'recall', target: position });
        }),
    );
  }

  private question(line: TextLine): Child {
    const { delivery } = line;
    if (delivery?.kind !== 'failed' && delivery?.kind !== 'unconfirmed') {
      return null;
    }
    const { local } = delivery;
    return element(
      'p',
      { class: 'question', part: 'question' },
      delivery.kind === 'failed'
        ? this.words.say('failed', { reason: this.words.reason(delivery.reason) })
        : this.words.say('unconfirmed'),
      ' ',
      this.button('retry', 'link', () => {
        this.client()?.happen({ kind: 'retry', local });
      }),
      ' ',
      this.button('discard', 'link', () => {
        this.client()?.happen({ kind: 'discard', local });
      }),
    );
  }
}
