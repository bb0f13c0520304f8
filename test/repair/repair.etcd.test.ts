/** follow --repair as a user runs it: what it mends, what it says, and what it refuses to guess. */
import { expect } from 'chai';
import { cpSync, readdirSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { Journal } from '../../src/journal/journal.js';
import * as contract from '../cli/contract.js';
import { errorOf, run, Running, whole, type Ended } from '../cli/run.js';
import { fingerprint, PODS, Stage, type Seeded } from '../cli/stage.js';
import { compareRows, rowsOf } from '../oracle/rows.js';
import { refusal, reseed } from '../refusals/refused.js';
import type { Etcd } from '../rig/etcd.js';
import { freePorts } from '../rig/ports.js';
import { FaultProxy } from '../rig/proxy.js';

describe('follow --repair', () => {
  let stage: Stage;
  let seeded: Seeded;
  let target: Etcd;

  beforeEach(async () => {
    const [clientPort = 0, peerPort = 0] = await freePorts(2);
    stage = await Stage.start({ clientPort, peerPort });
    for (const name of ['a', 'b', 'c', 'a']) await stage.put(`${PODS}${name}`);
    seeded = await stage.seed();
    target = await stage.etcd(seeded.base);
  });
  afterEach(() => stage.end());

  /** Changes pods, and compacts all of it away. */
  async function lose(): Promise<number> {
    await stage.put(`${PODS}a`, 'lost');
    await stage.source.ctl('del', `${PODS}b`);
    await stage.put(`${PODS}d`);
    await stage.foreign(5);
    const head = await stage.put(`${PODS}d`, '2');
    await stage.client.compact(head);
    return head;
  }

  const repair = (...more: string[]) =>
    stage.follow(seeded.journal, target, '--repair', '--until-synced', ...more);

  async function exact(): Promise<void> {
    const [there, here] = await Promise.all([rowsOf(stage.source, [PODS]), rowsOf(target, [PODS])]);
    expect(compareRows(there, here)).to.equal(undefined);
    const audit = await stage.audit(target, '--history');
    expect(audit.code, audit.stdout + audit.stderr).to.equal(0);
  }

  function done(ended: Ended): void {
    expect(ended.code, ended.stderr).to.equal(0);
  }

  it('goes on over a gap, says so, and leaves a mark; without it: HISTORY_GAP, and the way out', async () => {
    const lost = await lose();
    await stage.put(`${PODS}e`);
    const before = await fingerprint(target);
    const refused = refusal(await stage.follow(seeded.journal, target), reseed('HISTORY_GAP'));
    expect(refused.hint).to.contain('--repair');
    expect(await fingerprint(target)).to.deep.equal(before);

    const ended = await repair();
    done(ended);
    const gap = { after: seeded.sealed.head, to: lost };
    expect(ended.stderr).to.contain(`bridged revisions ${gap.after + 1} to ${gap.to}`);
    await exact();
    const { stdout } = await run(['status', '--dest-endpoints', target.endpoint, '-w', 'json']);
    expect(contract.status.parse(whole(stdout)[0]).cursor?.gap).to.deep.equal(gap);
    const audit = contract.auditReport.parse(whole((await stage.audit(target)).stdout).at(-1));
    expect(audit.report.cursor?.gap).to.deep.equal(gap);

    // From here on it is a target like any other.
    await stage.put(`${PODS}a`, 'later');
    done(await stage.follow(seeded.journal, target, '--until-synced'));
    await exact();
  });

  it('where nothing is to be repaired it only follows', async () => {
    await stage.put(`${PODS}e`);
    const ended = await repair();
    done(ended);
    expect(ended.stderr).not.to.match(/bridged|anew/);
    await exact();
  });

  it('compacts what was made up away before it ends, so that nobody can read it', async () => {
    const lost = await lose();
    done(await repair());
    const old = await target.ctl('get', PODS, '--prefix', `--rev=${lost - 1}`).catch(String);
    expect(old).to.contain('required revision has been compacted');
    await exact();
  });

  it('a gap that opens while it follows: the source was away, and compacted', async () => {
    const { clientPort: port } = stage.source;
    const proxy = await FaultProxy.start({ host: '127.0.0.1', port });
    const args = ['--endpoints', proxy.endpoint, '--dest-endpoints', target.endpoint];
    const follower = new Running([
      ...['follow', ...args, '--journal', seeded.journal, '-w', 'json', '--repair'],
    ]);
    await follower.line(contract.follow, (line) => line.state === 'in lockstep');
    proxy.refuse(true);
    proxy.cut();
    await follower.until(({ stderr }) => stderr.includes('trying again'));
    await lose();
    const head = await stage.put(`${PODS}e`);
    proxy.refuse(false);
    await follower.line(contract.follow, (line) => line.position === head);
    follower.signal('SIGTERM');
    done(await follower.ended);
    await proxy.close();
    await exact();
  });

  describe('makes the journal anew from the target', () => {
    const LOST: Record<string, [lose: (journal: string) => void, says: RegExp]> = {
      'a journal that is gone': [
        (journal) => {
          rmSync(journal, { recursive: true });
        },
        /holds no journal; making the journal anew from the target at revision/,
      ],
      'a damaged journal': [
        (journal) => {
          const tables = readdirSync(journal).filter((file) => /^MANIFEST/.test(file));
          truncateSync(join(journal, tables[0]!), 7);
        },
        /is damaged.*; making the journal anew/,
      ],
    };
    for (const [what, [loseIt, says]] of Object.entries(LOST))
      it(what, async () => {
        await stage.put(`${PODS}e`);
        done(await stage.follow(seeded.journal, target, '--until-synced'));
        loseIt(seeded.journal);
        await stage.put(`${PODS}f`);
        const ended = await repair();
        done(ended);
        expect(ended.stderr).to.match(says);
        await exact();
        await stage.put(`${PODS}g`);
        done(await stage.follow(seeded.journal, target, '--until-synced'));
        await exact();
      });

    it('one that lost its end, which the source has no more', async () => {
      const older = join(stage.dir, 'older');
      cpSync(seeded.journal, older, { recursive: true });
      const there = await stage.put(`${PODS}e`);
      done(await stage.follow(seeded.journal, target, '--until-synced'));
      await lose();
      expect(there).to.be.greaterThan(seeded.sealed.head);
      refusal(await stage.follow(older, target), reseed('HISTORY_GAP'));
      const ended = await stage.follow(older, target, '--until-synced', '--repair');
      done(ended);
      expect(ended.stderr).to.match(/the journal ends at revision/);
      await exact();
    });

    it('one that was seeded after the target', async () => {
      await stage.foreign(3);
      await stage.client.compact(await stage.put(`${PODS}e`));
      const { journal } = await stage.seed();
      refusal(await stage.follow(journal, target), reseed('TARGET_BEHIND_JOURNAL'));
      const ended = await stage.follow(journal, target, '--until-synced', '--repair');
      done(ended);
      expect(ended.stderr).to.match(/the journal begins at revision/);
      await exact();
    });

    it('not from a target that does not hold what its cursor says', async () => {
      const value = await target.ctl('get', 'etcd-lockstep/cursor', '--print-value-only');
      const cursor = contract.cursor.parse(JSON.parse(value));
      const forged = { ...cursor, revision: cursor.revision + 1, checksum: 'f'.repeat(16) };
      await target.ctl('put', 'etcd-lockstep/cursor', JSON.stringify(forged));
      await stage.foreign(5);
      rmSync(seeded.journal, { recursive: true });
      const before = await fingerprint(target);
      refusal(await repair(), reseed('TARGET_NOT_EXACT'));
      expect(await fingerprint(target)).to.deep.equal(before);
      expect(readdirSync(stage.dir)).not.to.include(seeded.journal);
    });
  });

  it('does not guess: a source with another past is named, with the key, and nothing is written', async () => {
    const backup = join(stage.dir, 'backup.db');
    await stage.source.ctl('snapshot', 'save', backup);
    await stage.put(`${PODS}a`, 'only here');
    done(await stage.follow(seeded.journal, target, '--until-synced'));
    const { clientPort, peerPort } = stage.source;
    await stage.source.stop();
    await stage.etcd(backup, { clientPort, peerPort });
    // As many writes as it takes to look as if nothing had happened, all of them compacted.
    await stage.put(`${PODS}c`, 'another past');
    await stage.foreign(3);
    await stage.client.compact(await stage.put(`${PODS}d`));
    const before = await fingerprint(target);
    const error = refusal(await repair(), reseed('GAP_NOT_EXACT'));
    expect(error.message).to.match(/\/registry\/pods\/[ac] at revision/);
    expect(await fingerprint(target)).to.deep.equal(before);
  });

  it('a bridge that a power cut took: nothing is watched inside its gap, though the source has it all', async () => {
    const [half, older] = [join(stage.dir, 'half'), join(stage.dir, 'older')];
    for (const copy of [half, older]) cpSync(seeded.journal, copy, { recursive: true });
    await stage.source.ctl('del', `${PODS}b`);
    const to = await stage.put(`${PODS}a`, 'x');
    for (const copy of [half, older]) {
      const journal = await Journal.open(copy);
      await journal.declareGap({ after: journal.position, to });
      await journal.close();
    }
    const before = await fingerprint(target);
    const refused = refusal(await stage.follow(half, target), reseed('HISTORY_GAP'));
    expect(refused.message).to.contain(`inside a gap that was to be bridged up to revision ${to}`);
    expect(refused.hint).to.contain('--repair');
    expect(await fingerprint(target)).to.deep.equal(before);
    const ended = await stage.follow(half, target, '--until-synced', '--repair');
    done(ended);
    expect(ended.stderr).to.contain(`bridged revisions ${seeded.sealed.head + 1} to ${to}`);
    await exact();
    // And where the target has come farther than such a journal, what it has is not made up twice.
    const anew = await stage.follow(older, target, '--until-synced', '--repair');
    done(anew);
    expect(anew.stderr).to.match(/inside a gap, below the target; making the journal anew/);
    await exact();
  });

  it('a target in the middle of another journal’s bridge is refused, and repaired', async () => {
    const other = join(stage.dir, 'other');
    cpSync(seeded.journal, other, { recursive: true });
    for (let i = 0; i < 8; i++) await stage.put(`${PODS}a`, `${i}`);
    const first = await stage.put(`${PODS}b`, 'x');
    await stage.client.compact(first);
    // It has its bridge in the journal, but the target does not come far on it.
    const start = `${seeded.sealed.head + 1}`;
    done(await stage.follow(other, target, '--repair', '--until-revision', start));
    for (let i = 0; i < 4; i++) await stage.put(`${PODS}c`, `${i}`);
    await stage.client.compact(await stage.put(`${PODS}b`, 'y'));
    rmSync(seeded.journal, { recursive: true });
    done(
      await stage.follow(seeded.journal, target, '--repair', '--until-revision', `${first - 2}`),
    );
    const before = await fingerprint(target);
    const ended = await stage.follow(other, target, '--until-synced');
    expect(errorOf(ended).code).to.equal('TARGET_OTHER_GAP');
    expect(await fingerprint(target)).to.deep.equal(before);
    done(await stage.follow(other, target, '--until-synced', '--repair'));
    await exact();
  });
});
