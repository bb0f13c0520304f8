/** Where auditing stands: kept over a restart, and nothing that is damaged or of others is gone on from. */
import { expect } from 'chai';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Place } from '../../src/auditing/place.js';
import { atTheBeginning } from '../../src/auditing/progress.js';
import { Tally } from '../../src/mvcc/tally.js';
import { failure } from '../cutover/pair.js';
import { removeFolder } from '../rig/child.js';

const OWNER = { source: 'a1', target: 'b2', watchFrom: 7, prefixes: ['/registry/pods/'] };

describe('the place of an audit', () => {
  let folder: string;
  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'place-')), 'journal.audit');
  });
  afterEach(() => {
    removeFolder(join(folder, '..'));
  });

  async function open(owner = OWNER): Promise<{ place: Place; told: string[] }> {
    const told: string[] = [];
    return { place: await Place.open(folder, owner, (why) => told.push(why)), told };
  }

  async function stored(): Promise<string> {
    const { place } = await open();
    place.running = { ...atTheBeginning(), source: new Tally(7, 9n), next: 'YQ==', bytes: 5 };
    place.begun = place.running.since;
    await place.save();
    return join(folder, 'place.json');
  }

  it('is the same in the next process', async () => {
    await stored();
    const { place, told } = await open();
    expect(told).to.deep.equal([]);
    expect(place.begun).to.equal(place.running?.since);
    expect(place.running).to.include({ next: 'YQ==', bytes: 5 });
    expect(place.running?.source.equals(new Tally(7, 9n))).to.equal(true);
  });

  it('one in which any byte was changed is begun anew', async () => {
    const path = await stored();
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length - 1; at += 17) {
      const changed = Buffer.from(whole);
      changed[at]! ^= 1;
      writeFileSync(path, changed);
      const { place, told } = await open();
      expect(told, `byte ${at}`).to.deep.equal([`${path} is damaged`]);
      expect(place).to.include({ running: null, begun: null });
    }
    for (const text of ['', 'x', whole.toString().slice(0, 80)]) {
      writeFileSync(path, text);
      expect((await open()).told).to.deep.equal([`${path} is damaged`]);
    }
  });

  it('one of another source, target or seed, or of other prefixes, is begun anew', async () => {
    const path = await stored();
    const others = [{ source: 'x' }, { target: 'x' }, { watchFrom: 8 }, { prefixes: ['/x/'] }];
    for (const other of others) {
      const { place, told } = await open({ ...OWNER, ...other });
      expect(told).to.deep.equal([`${path} is of another seed, other etcds or prefixes`]);
      expect(place.running).to.equal(null);
    }
  });

  it('one that cannot be written is an error with a name', async () => {
    const { place } = await open();
    mkdirSync(join(folder, 'place.json.part'));
    expect(await failure(place.save())).to.include({ code: 'IO' });
  });

  it('and nothing is left of it', async () => {
    const { place } = await open();
    mkdirSync(join(folder, 'place.json'));
    expect(await failure(place.save())).to.include({ code: 'IO' });
    expect(readdirSync(folder)).to.deep.equal(['place.json']);
  });

  it('of failures in a row the last one stays', async () => {
    const { place } = await open();
    const outcome = { revision: null, keys: 0, differences: 0, seconds: 0, file: null };
    const add = (at: string, result: 'equal' | 'failed') => {
      place.add({ ...outcome, at, result, message: null });
    };
    add('1', 'failed');
    add('2', 'equal');
    for (const at of ['3', '4', '5']) add(at, 'failed');
    expect(place.outcomes.map(({ at }) => at)).to.deep.equal(['5', '2', '1']);
    for (let i = 0; i < 300; i++) add(String(i), 'equal');
    expect(place.outcomes.length).to.be.at.most(100);
  });
});
