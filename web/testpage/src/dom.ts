// Elements without a framework. Text only ever becomes text nodes, so nothing a person writes is markup.

export type Child = Node | string | null | false;

export interface Attributes {
  readonly class?: string;
  readonly title?: string;
  readonly part?: string;
  readonly data?: Readonly<Record<string, string>>;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly disabled?: boolean;
  readonly on?: Readonly<Partial<Record<keyof HTMLElementEventMap, (event: Event) => void>>>;
}

/** `part` names an element for tests and styles; it never changes with the language. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  if (attributes.class !== undefined) {
    made.className = attributes.class;
  }
  if (attributes.title !== undefined) {
    made.title = attributes.title;
    made.setAttribute('aria-label', attributes.title);
  }
  if (attributes.part !== undefined) {
    made.dataset['part'] = attributes.part;
  }
  Object.assign(made.dataset, attributes.data);
  for (const [key, value] of Object.entries(attributes.attributes ?? {})) {
    made.setAttribute(key, value);
  }
  if (attributes.disabled === true) {
    made.setAttribute('disabled', '');
  }
  for (const [kind, listener] of Object.entries(attributes.on ?? {})) {
    made.addEventListener(kind, listener);
  }
  append(made, children);
  return made;
}

function append(parent: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child !== null && child !== false) {
      parent.append(child);
    }
  }
}

const paths = {
  clock: 'M8 4.5V8l2.2 1.6M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z',
  check: 'm3.5 8.5 3 3 6-7',
  checks: 'm1.5 8.5 3 3 6-7m-2.2 6.3.7.7 6-7',
  lock: 'M4.5 7.5h7v5h-7zM6 7.5V5.6a2 2 0 0 1 4 0v1.9',
  warn: 'M8 2.5 14 13H2L8 2.5ZM8 6.5v3m0 1.7v.1',
} as const;

/** A drawn mark; `label` is its name for people who hear the page. */
export function icon(kind: keyof typeof paths, label: string): SVGSVGElement {
  const namespace = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(namespace, 'svg');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', label);
  const path = document.createElementNS(namespace, 'path');
  path.setAttribute('d', paths[kind]);
  svg.append(path);
  return svg;
}

/** Puts the children there unless they are there already: keeps focus, selection and scrolling. */
export function replace(parent: Element, signature: string, children: () => readonly Child[]): void {
  if (parent instanceof HTMLElement && parent.dataset['signature'] !== signature) {
    parent.dataset['signature'] = signature;
    parent.replaceChildren();
    append(parent, children());
  }
}

export interface Keyed {
  readonly key: string;
  /** Another signature, another element. */
  readonly signature: string;
  readonly make: () => HTMLElement;
}

/** Brings the children in line with the list; what has not changed is not touched. */
export function reconcile(parent: Element, list: readonly Keyed[]): void {
  const held = new Map<string, HTMLElement>();
  for (const child of [...parent.children]) {
    if (child instanceof HTMLElement && child.dataset['key'] !== undefined) {
      held.set(child.dataset['key'], child);
    }
  }
  let before: Element | null = parent.firstElementChild;
  for (const { key, signature, make } of list) {
    const old = held.get(key);
    held.delete(key);
    let current = old;
    if (old === undefined || old.dataset['signature'] !== signature) {
      current = make();
      current.dataset['key'] = key;
      current.dataset['signature'] = signature;
      if (old === undefined) {
        current.classList.add('fresh'); // what only changes does not appear again
      } else {
        if (before === old) {
          before = old.nextElementSibling;
        }
        old.remove();
      }
    }
    if (current !== undefined && current !== before) {
      parent.insertBefore(current, before);
    } else {
      before = before?.nextElementSibling ?? null;
    }
  }
  for (const old of held.values()) {
    old.remove();
  }
}
