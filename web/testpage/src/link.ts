// The line that says how the connection is.
import { unsentOf, type State } from '@frontdesk/shared';

import { element, replace } from './dom.js';
import type { Words } from './strings.js';

export class LinkLine {
  readonly root = element('div', { class: 'link', part: 'link', attributes: { role: 'status' } });

  constructor(
    private readonly words: Words,
    private readonly anew: () => void,
  ) {}

  draw(state: State | null): void {
    const kind = state?.link.kind ?? 'off';
    this.root.dataset['link'] = kind;
    const unsent = state === null ? 0 : unsentOf(state);
    replace(this.root, `${kind}${String(unsent)}${state?.problem?.reason.code ?? ''}`, () => {
      const count =
        unsent > 0 && kind !== 'ready' && element('span', {}, this.words.say('waitingToBeSent', { n: unsent }));
      const problem =
        state?.problem != null &&
        kind === 'ready' &&
        element(
          'span',
          { class: 'late' },
          this.words.say('problem', { reason: this.words.reason(state.problem.reason) }),
        );
      return [element('span', { class: 'dot' }), element('span', {}, this.text(state)), count, problem, this.again(kind)];
    });
  }

  private text(state: State | null): string {
    const link = state?.link;
    switch (link?.kind) {
      case undefined:
        return this.words.say('signedOut');
      case 'off':
        return this.words.say('offline');
      case 'connecting':
      case 'greeting':
        return this.words.say(state?.self == null ? 'connecting' : 'reconnecting');
      case 'waiting':
        return this.words.say('reconnecting');
      case 'ready':
        return this.words.say('online');
      case 'refused':
        return this.words.say('refused', { reason: this.words.reason(link.reason) });
    }
  }

  private again(kind: string) {
    return (
      kind === 'refused' &&
      element('button', { class: 'link-button', part: 'anew', on: { click: this.anew } }, this.words.say('startAnew'))
    );
  }
}
