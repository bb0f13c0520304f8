/**
 * Audited all the time, beside a follower in this process: what is found, told and kept, and that nothing
 * of it ends the follower.
 */
import { expect } from 'chai';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Migration, type FollowStatus } from '../../src/index.js';
import { verify } from '../../src/report/verify.js';
import { ownVersion } from '../../src/ownversion.js';
import { PODS, Stage, type Seeded } from '../cli/stage.js';
import { Pair, until } from '../cutover/pair.js';
import type { Etcd } from '../rig/etcd.js';
import { FaultProxy } from '../rig/proxy.js';

const KEYS = 60;
const SECRET = 'c2VjcmV0-marker';
const value = (i: number) => `${SECRET} ${i} `.padEnd(1000, '.');

/** A follower that audits, and all that it has said. */
class Audited {
  readonly notes: string[] = [];
  readonly alarms: string[] = [];
  status: FollowStatus | undefined;
  readonly #stop = new AbortController();
  readonly done: Promise<void>;

  constructor(source: string, target: string, journal: string, bytesPerSecond = 1024 ** 3) {
    const migration = new Migration({
      ...{ source, target },
      onNote: (note) => {
        this.notes.push(note);
      },
    });
    this.done = (async () => {
      try {
        const request = {
          ...{ journal, everyMs: 50, signal: this.#stop.signal },
          audit: { everySeconds: 1, bytesPerSecond },
          onAlarm: (alarm: string) => {
            this.alarms.push(alarm);
          },
        };
        for await (const status of migration.follow(request)) this.status = status;
      } finally {
        migration.close();
      }
    })();
  }

  get audits(): FollowStatus['audits'] {
    return this.status?.audits ?? [];
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.done;
  }
}

describe('audited while following', () => {
  let stage: Stage;
  let seeded: Seeded;
  let target: Etcd;
  let audited: Audited | undefined;

  before(async () => {
    stage = await Stage.start();
    for (let i = 0; i < KEYS; i++) await stage.put(`${PODS}ns/${i}`, value(i));
    seeded = await stage.seed();
    target = await stage.etcd(seeded.base);
  });
  afterEach(async () => {
    await audited?.end();
    audited = undefined;
  });
  after(() => stage.end());

  const folder = () => `${seeded.journal}.audit`;
  const begin = (bytesPerSecond?: number, source = stage.source.endpoint) => {
    audited = new Audited(source, target.endpoint, seeded.journal, bytesPerSecond);
    return audited;
  };
  const followed = async (it: Audited) => {
    const revision = await stage.put(`${PODS}ns/0`, value(0));
    await until(() => (it.status?.position ?? 0) >= revision);
  };

  it('again and again: equal, with a report that is whole and a page that lists it', async () => {
    const it = begin();
    await until(() => it.audits.length >= 2);
    await followed(it);
    expect(it.alarms).to.deep.equal([]);
    const [
      { result, keys, differences, file } = { result: '', keys: 0, differences: 1, file: '' },
    ] = it.audits;
    expect({ result, keys, differences }).to.deep.equal({
      ...{ result: 'equal', keys: KEYS, differences: 0 },
    });
    const page = readFileSync(join(folder(), file ?? ''));
    expect(verify(page, ownVersion())).to.include({ whole: true });
    const list = () => readFileSync(join(folder(), 'index.html'), 'utf8');
    await until(() => list().includes(`href="${file ?? ''}"`));
    const index = list();
    expect(index).to.contain('EQUAL');
    expect(it.notes.join('\n')).to.match(/audited: EQUAL at revision \d+: 60 keys/);
    expect(page.toString() + index + it.notes.join('\n')).not.to.contain(SECRET);
  });

  it('a restart does not begin one at once, and a damaged place is told and begun anew', async () => {
    const files = () => readdirSync(folder()).filter((name) => name.endsWith('.json'));
    const before = files().length;
    const it = begin();
    await until(() => it.audits.length > 0);
    // Of the process before.
    expect(it.audits.length).to.be.at.least(2);
    expect(files().length).to.be.at.least(before);
    await it.end();
    const place = join(folder(), 'place.json');
    writeFileSync(place, readFileSync(place, 'utf8').replace('"equal"', '"equaL"'));
    const again = begin();
    await until(() => again.audits.length > 0);
    expect(again.notes.join('\n')).to.match(/place\.json is damaged: auditing is begun anew/);
  });

  for (const side of ['source', 'target'] as const)
    it(`a ${side} that dies under it: failed, told, tried again, and follow goes on`, async () => {
      const etcd = side === 'source' ? stage.source : target;
      const it = begin(16 * 1024);
      await until(() => (it.status?.auditing?.share ?? 0) > 0);
      await etcd.kill();
      const since = new Date().toISOString();
      await until(() => it.audits.some(({ at, result }) => result === 'failed' && at > since));
      expect(it.notes.join('\n')).to.contain(`the audit could not go on: ${side} `);
      await etcd.respawn();
      await etcd.ready();
      await until(() => it.audits.some(({ at, result }) => result === 'equal' && at > since));
      await followed(it);
      expect(it.alarms).to.deep.equal([]);
    });

  it('a source that falls silent under it: it waits, and goes on', async () => {
    const { clientPort: port } = stage.source;
    const proxy = await FaultProxy.start({ host: '127.0.0.1', port });
    try {
      const it = begin(16 * 1024, proxy.endpoint);
      await until(() => (it.status?.auditing?.share ?? 0) > 0);
      proxy.stall(true);
      await until(() => it.status?.state === 'waiting for the source');
      const share = it.status?.auditing?.share;
      const since = new Date().toISOString();
      await sleep(1000);
      expect(it.status?.auditing?.share).to.equal(share);
      proxy.stall(false);
      await until(() => it.audits.some(({ at, result }) => result === 'equal' && at > since));
      await followed(it);
    } finally {
      await audited?.end();
      await proxy.close();
    }
  });

  it('a row that is changed behind our back is found and told once, and follow goes on', async () => {
    await target.stop();
    const file = join(target.dataDir, 'member', 'snap', 'db');
    const db = readFileSync(file);
    for (let at = db.indexOf(`${SECRET} 17 `); at >= 0; at = db.indexOf(`${SECRET} 17 `, at + 1))
      db.write('X', at);
    writeFileSync(file, db);
    await target.restart();
    const it = begin();
    await until(() => it.audits.some(({ result }) => result === 'different'));
    await followed(it);
    expect(it.alarms.length).to.be.at.least(1);
    expect(it.alarms[0])
      .to.contain(`"${PODS}ns/17" differs in value, at revision`)
      .and.not.to.contain(SECRET);
    const different = it.audits.filter(({ result }) => result === 'different');
    expect(it.alarms.length).to.be.at.most(different.length + 1);
    const [{ file: report, differences } = { file: null, differences: 0 }] = different;
    expect(differences).to.equal(1);
    expect(report).to.match(/-different\.html$/);
    const page = readFileSync(join(folder(), report ?? ''), 'utf8');
    expect(page).to.contain('DIFFERENT').and.not.to.contain(SECRET);
    expect(verify(Buffer.from(page), ownVersion())).to.include({ whole: true });
  });

  it('where there is nothing to compare, nothing has passed', async () => {
    await stage.source.ctl('del', '--prefix', PODS);
    const since = new Date().toISOString();
    const it = begin();
    await until(() => it.audits.some(({ at, result }) => result === 'failed' && at > since));
    expect(it.audits[0]?.message).to.contain('nothing was compared');
    expect(it.audits.some(({ at, result }) => result === 'equal' && at > since)).to.equal(false);
  });

  it('a target that is taken over is compared no more, and the follower ends well', async () => {
    const pair = await Pair.start();
    const { journal } = pair.seeded;
    const it = new Audited(pair.stage.source.endpoint, pair.target.endpoint, journal);
    try {
      await until(() => it.audits.length > 0);
      await pair.takeOver(await pair.drained());
      await it.done;
      expect(it.status?.state).to.equal('taken over');
      expect(it.alarms).to.deep.equal([]);
      expect(it.audits.every(({ result }) => result === 'equal')).to.equal(true);
    } finally {
      await it.end();
      await pair.end();
    }
  });
});
