/** What comes first: the state in one sentence, what troubles, how far it has come, what is to be done. */
import type { Mood, View } from '../view.js';
import { bar, byId, make, place, prose, setText, type Content } from './elements.js';
import { running, timeElement } from './times.js';

/** Moods are told by a sign as well as by a color. */
export const SIGNS: Record<Mood, string> = { well: '✓', working: '→', trouble: '!' };

const chips = place('chips', ({ state, mood, ready, startedAt }: Chips) => [
  make('span', 'chip state', `${SIGNS[mood]} ${state}`),
  make('span', 'chip', ready ? 'ready' : 'not ready'),
  make('span', 'chip', 'running for ', running(startedAt)),
]);
type Chips = Pick<View, 'state' | 'mood' | 'ready' | 'startedAt'>;

const progress = place('progress', ({ share, text }: NonNullable<View['progress']>) => [
  ...(share === null ? [] : [bar(share, text)]),
  make('span', 'number', share === null ? text : `${(share * 100).toFixed(1)} %: ${text}`),
]);

const trouble = place('trouble', (it: NonNullable<View['trouble']>) => [
  make(
    'h2',
    '',
    'Trouble ',
    make('code', '', it.code),
    ' for ',
    running(it.since),
    ', since ',
    timeElement(it.since),
  ),
  make('p', 'message', it.message),
  it.hint === null ? null : make('p', 'hint', make('strong', '', 'Try: '), ...prose(it.hint)),
]);

const next = place('next', ({ text, command }: View['next']) => [
  make('h2', '', 'Next'),
  make('p', '', ...prose(text)),
  command === null ? null : copyable(command),
]);

export function showHeadline(view: View): void {
  document.body.dataset.mood = view.mood;
  setText(byId('command'), view.command);
  setText(byId('prefixes'), view.prefixes.join(' '));
  setText(byId('sentence'), view.sentence);
  chips(view);
  progress(view.progress);
  trouble(view.trouble);
  next(view.next);
}

/**
 * A command with a button that copies it. Browsers give the clipboard only to pages of https and of
 * this machine; on others the text is selected, and the user copies.
 */
function copyable(command: string): Content {
  const code = make('code', '', command);
  const button = make('button', '', 'Copy');
  button.type = 'button';
  button.addEventListener('click', () => {
    copy(code, command).then(
      (done) => {
        button.textContent = done;
        setTimeout(() => (button.textContent = 'Copy'), 3000);
      },
      () => (button.textContent = 'Not copied'),
    );
  });
  return make('div', 'command', make('pre', '', code), button);
}

/** @returns what the button says then */
async function copy(element: Element, text: string): Promise<string> {
  if (isSecureContext) {
    await navigator.clipboard.writeText(text);
    return 'Copied';
  }
  getSelection()?.selectAllChildren(element);
  return 'Selected';
}
