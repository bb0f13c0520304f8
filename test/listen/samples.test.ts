/** Samples: what is kept, for how long, and in what detail. */
import { expect } from 'chai';
import { Samples, type SampleTable } from '../../src/listen/samples.js';
import { followed } from './fixtures.js';

const START = Date.parse('2026-03-01T20:00:00.000Z');

function filled(seconds: number, lagAt: (second: number) => number | null): SampleTable {
  const samples = new Samples();
  const view = followed();
  for (let second = 0; second < seconds; second++) {
    const lag = lagAt(second);
    const at = new Date(START + second * 1000).toISOString();
    samples.add({ ...view, at, lag: lag === null ? null : { revisions: lag, seconds: lag } });
  }
  return samples.table;
}

describe('samples', () => {
  it('one a second, and of each ten the highest: a lag that came and went is seen', () => {
    const { columns, fine, coarse } = filled(30, (second) => (second === 14 ? 99 : null));
    const lag = columns.indexOf('lagSeconds');
    expect(fine).to.have.lengthOf(30);
    expect(fine.map((row) => row[lag]).filter((value) => value !== null)).to.deep.equal([99]);
    expect(coarse.map((row) => row[lag])).to.deep.equal([null, 99, null]);
    expect(coarse.map((row) => row[0])).to.deep.equal([9, 19, 29].map((s) => START + s * 1000));
  });

  it('ten minutes of one, six hours of the other, oldest first, and no more', () => {
    const seconds = 6 * 3600 + 1200;
    const { fine, coarse } = filled(seconds, (second) => second);
    expect(fine).to.have.lengthOf(600);
    expect(coarse).to.have.lengthOf(2160);
    expect(fine.at(-1)?.[0]).to.equal(START + (seconds - 1) * 1000);
    expect(fine[0]?.[0]).to.equal(START + (seconds - 600) * 1000);
    expect(coarse.at(-1)?.[0]).to.equal(START + (seconds - 1) * 1000);
    const times = coarse.map((row) => row[0] ?? 0);
    expect(times).to.deep.equal([...times].sort((a, b) => a - b));
  });
});
