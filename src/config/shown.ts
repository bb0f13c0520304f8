/** What an option was given, as it may be shown. */
import type { OptionSpec } from './kinds.js';
import { OPTIONS, type OptionName } from './options.js';
import { withoutPasswords } from './parse.js';

/** @param value as it was typed */
export function shownValue(name: OptionName, value: string): string {
  const { secret }: OptionSpec<unknown> = OPTIONS[name];
  return secret ? masked(name, value) : withoutPasswords(value);
}

/** Of `name:password` the name is told. */
function masked(name: OptionName, value: string): string {
  if (name !== 'user' && name !== 'destUser') return '…';
  const colon = value.indexOf(':');
  return colon < 0 ? value : `${value.slice(0, colon)}:…`;
}
