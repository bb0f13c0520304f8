/** A prefix that no key begins with: seed, crop and mirror refuse it before they have made anything. */
import { expect } from 'chai';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Etcd } from '../rig/etcd.js';
import * as contract from './contract.js';
import { errorOf, run, whole, type Ended } from './run.js';
import { fingerprint, PODS, Stage } from './stage.js';

const POD = '/registry/pod/';

describe('a prefix that matches nothing', () => {
  let stage: Stage;
  let target: Etcd;
  let snapshot: string;
  before(async () => {
    stage = await Stage.start();
    await stage.put(`${PODS}a`);
    await stage.put('/registry/gone/a');
    await stage.source.ctl('del', '/registry/gone/a');
    snapshot = join(stage.dir, 'snapshot.db');
    await stage.source.ctl('snapshot', 'save', snapshot);
    target = await stage.etcd();
  });
  after(() => stage.end());

  const source = () => ['--endpoints', stage.source.endpoint];
  const made = (name: string) => join(stage.dir, name);
  const COMMANDS: Record<string, (name: string) => string[]> = {
    seed: (name) => ['seed', ...source(), '--journal', made(`${name}.j`), '--out', made(name)],
    crop: (name) => ['crop', snapshot, '--out', made(name)],
    mirror: () => ['mirror', ...source(), '--dest-endpoints', target.endpoint, '--until-synced'],
  };

  function refused(ended: Ended, prefix: string): void {
    expect(ended.code, ended.stderr).to.equal(2);
    expect(errorOf(ended).code).to.equal('NO_KEYS');
    expect(errorOf(ended).message).to.contain(JSON.stringify(prefix));
    expect(errorOf(ended).hint).to.contain('--allow-empty');
  }

  for (const [command, args] of Object.entries(COMMANDS)) {
    it(`${command}: refused, and nothing is made`, async () => {
      const before = [readdirSync(stage.dir).sort(), await fingerprint(target)];
      for (const prefix of [POD, '/registry/gone/'])
        refused(await run([...args('never'), '--prefix', prefix, '-w', 'json']), prefix);
      expect([readdirSync(stage.dir).sort(), await fingerprint(target)]).to.deep.equal(before);
    });

    it(`${command} --allow-empty: goes on`, async () => {
      const ended = await run([...args(`${command}.db`), '--prefix', POD, '--allow-empty']);
      expect(ended.code, ended.stderr).to.equal(0);
    });
  }

  it('one of several is named, and the others are not', async () => {
    for (const command of ['seed', 'crop']) {
      const args = [...COMMANDS[command]!('never'), '--prefix', `${PODS},${POD}`, '-w', 'json'];
      const ended = await run(args);
      refused(ended, POD);
      expect(errorOf(ended).message).not.to.contain(PODS);
    }
  });

  it('a seed or a mirror that has begun goes on when its last key is deleted', async () => {
    await stage.put('/registry/last/a');
    const prefix = ['--prefix', '/registry/last/', '-w', 'json'];
    const mirror = [...COMMANDS['mirror']!(''), ...prefix];
    const seed = [...COMMANDS['seed']!('last.db'), ...prefix];
    for (const args of [mirror, seed]) expect((await run(args)).code).to.equal(0);
    await stage.source.ctl('del', '/registry/last/a');
    const again = await run(mirror);
    expect(again.code, again.stderr).to.equal(0);
    expect(contract.mirror.parse(whole(again.stdout).at(-1)).deletions).to.equal(1);
    const sealed = await run(seed.map((arg) => (arg === made('last.db') ? made('again.db') : arg)));
    expect(sealed.code, sealed.stderr).to.equal(0);
  });
});
