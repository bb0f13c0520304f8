/** Which keys a mirror moves and what they are called then, from the options of its commands. */
import { badArgument } from '../errors.js';
import { KeyMap } from '../mirror/keymap.js';
import type { Options } from './options.js';

/** @throws LockstepError BAD_ARGUMENT for options that do not go together */
export function keyMap({
  prefix,
  destPrefix,
  noDestPrefix,
}: Partial<Pick<Options, 'prefix' | 'destPrefix' | 'noDestPrefix'>>): KeyMap {
  const [first = '', ...more] = prefix?.list ?? [];
  if (more.length > 0)
    throw badArgument(
      'a mirror takes one --prefix',
      'Run one mirror for each prefix: each has its own cursor on the target.',
    );
  if (destPrefix !== undefined && noDestPrefix)
    throw badArgument('--dest-prefix and --no-dest-prefix exclude each other', 'Give one of them.');
  return new KeyMap(first, noDestPrefix ? '' : destPrefix);
}
