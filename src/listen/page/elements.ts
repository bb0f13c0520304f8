/**
 * Elements out of text. Nothing that a view says ever becomes markup: a key may be called `<script>`.
 */

/** What goes into an element; null is left out. */
export type Content = Node | string | null;

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...contents: Content[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  fill(element, contents);
  return element;
}

export function fill(element: Element, contents: readonly Content[]): void {
  element.replaceChildren(...contents.filter((content) => content !== null));
}

/** @throws Error where page.html has no such element: a mistake of ours */
export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/** Text in which commands stand between backticks. */
export function prose(text: string): Content[] {
  return text.split('`').map((part, i) => (i % 2 === 1 ? make('code', '', part) : part));
}

/** Writes only what has changed: whoever has selected a text keeps it. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** @param share 0 to 1 @param label for who does not see it */
export function bar(share: number, label: string): HTMLElement {
  const element = make('progress', '');
  element.value = share;
  element.ariaLabel = label;
  return element;
}

/**
 * Where a part of the view is shown: hidden while it is null, and made anew only when it has changed, so
 * that what somebody selects there, or has tabbed to, stays.
 */
export function place<T>(id: string, contents: (part: T) => Content[]): (part: T | null) => void {
  const element = byId(id);
  let shown: string | undefined;
  return (part) => {
    const now = JSON.stringify(part);
    if (now === shown) return;
    shown = now;
    element.hidden = part === null;
    fill(element, part === null ? [] : contents(part));
  };
}
