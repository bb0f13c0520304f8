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

/** Below it stand the names of migrations, and below each what a file has (migrations.ts). */
export const MIGRATIONS = 'migrations';

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
  const ranked = [...PLACES.keys(), ...SECTIONS, MIGRATIONS].map((place) => {
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
  return best.far <= mostFar(key) + 0.5 ? best.place : undefined;
}

/** The same of a few names. */
export function nearestOf(typed: string, names: readonly string[]): string | undefined {
  const ranked = names.map((name) => ({ name, far: distance(plain(typed), plain(name)) }));
  const near = ranked.filter(({ far }) => far <= mostFar(typed)).sort((a, b) => a.far - b.far);
  return near[0]?.name;
}

function mostFar(typed: string): number {
  return Math.min(Math.max(1, typed.length / 3), MAX_FAR);
}

/** Without what is easily typed otherwise. */
function plain(text: string): string {
  return text.toLowerCase().replaceAll(/[-_]/g, '');
}
