/** The figures of the moment: both heads, lag, what was written, journal, leases, what was tried again. */
import type { View } from '../view.js';
import { bytes, count, duration } from '../../text.js';
import { make, place, type Content } from './elements.js';
import { rough } from './times.js';

interface Figure {
  name: string;
  value: string;
  /** What else is to be said of it. */
  notes: (string | null)[];
  /** A revision: digits alone, as they can be pasted back. */
  revision?: boolean;
  mood?: 'trouble';
}

const show = place('figures', (figures: Figure[]) => figures.map(tile));

export function showFigures(view: View): void {
  const all = [
    ...heads(view),
    lag(view),
    wrote(view),
    otherWay(view),
    throttle(view),
    ...wayBack(view),
    journal(view),
    leases(view),
    retries(view),
  ];
  const known = all.filter((figure) => figure !== null);
  show(known.length === 0 ? null : known);
}

function tile({ name, value, notes, revision, mood }: Figure): Content {
  return make(
    'div',
    `figure ${mood ?? ''}`,
    make('dt', '', name),
    make('dd', revision ? 'value revision' : 'value number', value),
    ...notes.filter((note) => note !== null).map((note) => make('dd', 'note number', note)),
  );
}

function heads({ heads, clusters }: View): (Figure | null)[] {
  const one = (name: string, side: 'source' | 'target'): Figure | null => {
    const cluster = clusters[side];
    const notes = [cluster === null ? null : `cluster ${cluster}`];
    return heads[side] === null
      ? null
      : { name, value: String(heads[side]), notes, revision: true };
  };
  return [one('Source head', 'source'), one('Target head', 'target')];
}

function lag({ lag }: View): Figure | null {
  if (!lag) return null;
  const { revisions, seconds } = lag;
  return {
    name: 'Lag',
    value: duration(seconds),
    notes: [`${count(revisions)} revision${revisions === 1 ? '' : 's'}`],
  };
}

function wrote({ wrote, way, command }: View): Figure | null {
  if (!wrote) return null;
  const { revisions, fillers, puts, deletions, bytes: size } = wrote;
  return {
    name: 'Written',
    value: bytes(size),
    notes: [
      `${count(revisions)} ${command === 'mirror' ? 'transactions' : 'revisions'}`,
      fillers === 0 ? null : `${count(fillers)} fillers`,
      puts === null && deletions === null
        ? null
        : `${count(puts ?? 0)} puts, ${count(deletions ?? 0)} deletions`,
      way?.by === 'proposals' ? 'by proposals' : null,
    ],
  };
}

/** Told only where somebody has asked for proposals, and it goes without. */
function otherWay({ way }: View): Figure | null {
  if (!way?.why) return null;
  const { by, why } = way;
  const told = [`! ${why.message} (${why.code})`, why.hint];
  return { name: 'Written by', value: by, notes: told, mood: 'trouble' };
}

/** Told only where something bounds how fast it is written. */
function throttle({ throttle }: View): Figure | null {
  if (!throttle || throttle.nowRate === null) return null;
  const { nowRate, because, holds } = throttle;
  return {
    name: 'Written at most',
    value: `${count(nowRate)}/s`,
    notes: [because, holds ? 'writes wait for it' : null],
  };
}

function wayBack({ wayBack }: View): (Figure | null)[] {
  if (!wayBack) return [];
  const { position, margin, lateWrites, lateSeenSeconds } = wayBack;
  const { count: found, replaced, open } = lateWrites;
  const seen = lateSeenSeconds === null ? null : `known up to ${rough(lateSeenSeconds)} ago`;
  return [
    position === null
      ? null
      : {
          ...{ name: 'Source has', value: String(position), revision: true },
          notes: [margin === null ? null : `its head is ${count(margin)} above the target's`],
        },
    {
      ...{ name: 'Late writes', value: count(found) },
      notes: [
        found === 0 ? 'none on the source' : `${count(replaced)} replaced, ${count(open)} open`,
        seen,
      ],
      ...(open > 0 ? { mood: 'trouble' as const } : {}),
    },
  ];
}

function journal({ journal }: View): Figure | null {
  if (!journal) return null;
  return {
    name: 'Journal',
    value: bytes(journal.bytes),
    notes: [
      `written down up to ${journal.revision}`,
      journal.freeBytes === null ? null : `${bytes(journal.freeBytes)} free on its disk`,
    ],
  };
}

function leases({ leases }: View): Figure | null {
  if (!leases) return null;
  const { kept, missed, endsInSeconds } = leases;
  if (missed === 0) return { name: 'Leases kept', value: count(kept), notes: ['none is missed'] };
  return {
    name: 'Leases kept',
    value: count(kept),
    notes: [
      `! ${count(missed)} missed`,
      endsInSeconds === null ? null : `the first ends in ${rough(endsInSeconds)}`,
    ],
    mood: 'trouble',
  };
}

/** As many as fit into a tile; /metrics has all. */
const RETRIES_SHOWN = 3;

function retries({ retries }: View): Figure | null {
  if (retries.length === 0) return null;
  const all = retries.reduce((sum, { count }) => sum + count, 0);
  const lines = retries
    .slice(0, RETRIES_SHOWN)
    .map(({ code, side, count: times }) => `${count(times)} × ${code}${side ? `, ${side}` : ''}`);
  return { name: 'Tried again', value: count(all), notes: lines };
}
