// The test page: a visitor and an agent side by side, over the real protocol.
import type { WireForm } from '@frontdesk/shared';

import { AgentPane } from './agent.js';
import { element } from './dom.js';
import { preferredLanguage, Words, type Language } from './strings.js';
import { VisitorPane } from './visitor.js';

const settings = {
  language: 'frontdesk.testpage.language',
  form: 'frontdesk.testpage.form',
} as const;

/** The token of `#token=...`, which leaves the address bar and the history at once. */
function takeToken(): string {
  const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
  if (token !== '') {
    history.replaceState(null, '', location.pathname);
  }
  return token;
}

function choice(label: string, part: string, values: Readonly<Record<string, string>>, now: string, key: string) {
  const select = element('select', {
    part,
    attributes: { 'aria-label': label },
    on: {
      change: () => {
        localStorage.setItem(key, select.value);
        location.reload();
      },
    },
  });
  for (const [value, text] of Object.entries(values)) {
    select.append(element('option', { attributes: { value } }, text));
  }
  select.value = now;
  return select;
}

function start(): void {
  const token = takeToken();
  const language: Language = preferredLanguage(localStorage.getItem(settings.language), navigator.languages);
  const form: WireForm = localStorage.getItem(settings.form) === 'json' ? 'json' : 'proto';
  const words = new Words(language);
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  document.title = `${words.say('title')} · ${words.say('subtitle')}`;
  const url = `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}/v1/socket`;

  let drawing = false;
  const changed = () => {
    if (!drawing) {
      drawing = true;
      requestAnimationFrame(() => {
        drawing = false;
        visitor.draw();
        agent.draw();
      });
    }
  };
  const visitor = new VisitorPane(words, url, form, changed);
  const agent = new AgentPane(words, url, form, changed);
  const panes = element('main', { class: 'panes' });
  const side = (name: 'visitor' | 'agent') =>
    element(
      'button',
      {
        class: 'side',
        part: `side-${name}`,
        on: {
          click: () => {
            choose(name);
          },
        },
      },
      words.say(name),
    );
  const sides = { visitor: side('visitor'), agent: side('agent') };
  // Where the page is narrow, one side is shown.
  const choose = (name: 'visitor' | 'agent') => {
    panes.dataset['side'] = name;
    for (const [other, button] of Object.entries(sides)) {
      button.setAttribute('aria-pressed', String(other === name));
    }
    changed();
  };
  panes.append(visitor.root, agent.root);
  document.body.replaceChildren(
    element(
      'header',
      { class: 'top' },
      element('h1', {}, words.say('title')),
      element('span', { class: 'sub' }, words.say('subtitle')),
      element('span', { class: 'sides' }, sides.visitor, sides.agent),
      element(
        'span',
        { class: 'choices' },
        choice(words.say('form'), 'form', { proto: 'protobuf', json: 'JSON' }, form, settings.form),
        choice(words.say('language'), 'language', { en: 'English', zh: '中文' }, language, settings.language),
      ),
    ),
    panes,
  );
  document.addEventListener('visibilitychange', changed);
  choose(token === '' ? 'visitor' : 'agent');
  void visitor.start();
  void agent.start(token);
}

start();
