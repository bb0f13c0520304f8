/** Where each option stands in a config file, and what was meant by a key that stands nowhere. */
import { distance } from 'fastest-levenshtein';
import { OPTIONS, placeOf, type OptionName } from './options.js';

const NAMES = Object.keys(OPTIONS) as OptionName[];

/** By its place: `source.endpoints`. */
export const PLACES: ReadonlyMap<string, OptionName> = new Map(
  NAMES.flatMap((name) => {
    const place = placeOf(name);
    return place === undefined ? [] : [[place, name] as const];
  }),
);

/** What has keys below it: `source`. */
export const SECTIONS: ReadonlySet<string> = new Set(
  [...PLACES.keys()].flatMap((place) => place.split('.').slice(0, -1)),
);

/** Letters more, less or others, in what is taken for a slip. */
const MAX_FAR = 3;

/**
 * The place or section that is meant, as far as that can be told: one that is spelt nearly so, one of
 * this key in another section, or that of the flag that is called so (`audit-every`).
 * @param path of the key, with dots
 */
export function nearest(path: string): string | undefined {
  const typed = plain(path);
  const key = plain(path.split('.').at(-1) ?? '');
  const ranked = [...PLACES.keys(), ...SECTIONS].map((place) => {
    const name = PLACES.get(place);
    const ways = [
      distance(typed, plain(place)),
      // In the right section first.
      distance(key, plain(place.split('.').at(-1) ?? '')) + 0.5,
      ...(name === undefined ? [] : [distance(key, plain(name)) + 0.5]),
    ];
    return { place, far: Math.min(...ways) };
  });
  const best = ranked.reduce((a, b) => (b.far < a.far ? b : a));
  return best.far <= Math.min(Math.max(1, key.length / 3), MAX_FAR) + 0.5 ? best.place : undefined;
}

/** Without what is easily typed otherwise. */
function plain(text: string): string {
  return text.toLowerCase().replaceAll(/[-_]/g, '');
}
