/** The browser's tab tells the state, too: its title in words, its icon by color and sign. */
import type { View } from '../view.js';
import type { ContactState } from './contact.js';
import { byId } from './elements.js';
import { SIGNS } from './headline.js';
import { stepNow } from './nightpart.js';

/** They stand out in a light and in a dark row of tabs. */
const COLORS = { well: '#2b9a66', working: '#3b74e0', trouble: '#d6402b', none: '#8a8a86' };

let shownIcon = '';

/** @param view null before the first */
export function showTab(view: View | null, contact: ContactState): void {
  const lost = view === null || contact === 'lost';
  const sign = lost ? '?' : SIGNS[view.mood];
  const title = view === null ? 'etcd-lockstep' : `${sign} ${words(view, lost)}: ${view.command}`;
  if (document.title !== title) document.title = title;
  const icon = iconOf(lost ? COLORS.none : COLORS[view.mood], sign);
  if (icon === shownIcon) return;
  shownIcon = icon;
  byId('icon').setAttribute('href', `data:image/svg+xml,${encodeURIComponent(icon)}`);
}

function words({ state, night }: View, lost: boolean): string {
  if (lost) return 'no contact';
  return (state === 'running' && night && stepNow(night)) || state;
}

function iconOf(color: string, sign: string): string {
  return (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">' +
    `<rect width="32" height="32" rx="8" fill="${color}"/>` +
    '<text x="16" y="23" font-family="system-ui, sans-serif" font-size="20" font-weight="700" ' +
    `text-anchor="middle" fill="#fff">${sign}</text></svg>`
  );
}
