/** mirror and audit --values as a user runs them: how they start, end, and what they print. */
import { expect } from 'chai';
import { del, Pair, put } from '../mirror/pair.js';
import * as contract from './contract.js';
import { errorOf, run, Running, whole } from './run.js';

describe('mirror, as a command', () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.start();
    await pair.write(put('/a/1'), put('/a/2'));
    await pair.to.txn({ success: [put('/b/theirs')] });
  });
  after(() => pair.end());

  function args(command: string): string[] {
    const ends = ['--endpoints', pair.source.endpoint, '--dest-endpoints', pair.target.endpoint];
    return [command, ...ends, '--prefix', '/a/', '--dest-prefix', '/b/'];
  }

  it('one object a second and a last one; SIGTERM ends it with 0; audit --values agrees', async () => {
    const running = new Running([...args('mirror'), '-w', 'json']);
    await running.until(({ stdout }) => stdout.includes('"mirroring"'));
    const last = await pair.write(put('/a/3', 'later'));
    await running.until(({ stdout }) => stdout.includes(`"position":${last},`));
    const audited = run([...args('audit'), '--values', '-w', 'json']);
    const { report } = contract.valuesReport.parse(whole((await audited).stdout).at(-1));
    expect(report).to.include({ equal: true, foreign: 1 });
    running.signal('SIGTERM');
    const { code, stdout, stderr } = await running.ended;
    expect(code, stderr).to.equal(0);
    const [first, ...lines] = whole(stdout);
    expect(contract.mirrorForeignKey.parse(first).foreignKey.key).to.equal('/b/theirs');
    const end = lines.map((line) => contract.mirror.parse(line)).at(-1);
    expect(end).to.include({ state: 'mirroring', position: last, puts: 3, foreign: 1 });
    for (const line of stderr.trimEnd().split('\n'))
      expect(JSON.parse(line)).to.have.keys(['level', 'time', 'msg']);
    const key = `etcd-lockstep/mirror/${report.source.cluster}:/a/:/b/`;
    const value = await pair.target.ctl('get', key, '--print-value-only');
    expect(contract.mirrorCursor.parse(JSON.parse(value)).revision).to.equal(last);
  });

  it('as text: what it did, and how to go on; a planted difference ends the audit with 1', async () => {
    await pair.write(del('/a/1'));
    const mirrored = await run([...args('mirror'), '--until-synced']);
    expect(mirrored.code, mirrored.stderr).to.equal(0);
    expect(mirrored.stdout).to.match(
      /^Stopped at revision \d+ of the source, 0 behind its \d+\.$/m,
    );
    expect(mirrored.stdout).to.match(/^Put 0 keys .*, deleted 1, /m);
    expect(mirrored.stdout).to.contain('The same command goes on from there.');
    await pair.to.txn({ success: [put('/b/2', 'planted')] });
    const { code, stdout } = await run([...args('audit'), '--values']);
    expect(code).to.equal(1);
    expect(stdout).to.match(
      /^different \(value\): "\/b\/2"\nextra on target: "\/b\/theirs"\nDIFFERENT in value and lease/,
    );
    expect(stdout).to.contain('does not keep revisions');
    expect(stdout).not.to.contain('planted');
  });

  it('ended before it was synced: exit 130', async () => {
    const running = new Running([...args('mirror'), '--until-synced', '-w', 'json']);
    pair.target.pause();
    try {
      await running.until(({ stdout }) => stdout.includes('"waiting for the target"'));
      running.signal('SIGTERM');
    } finally {
      pair.target.resume();
    }
    expect((await running.ended).code).to.equal(130);
  });

  it('a target in lockstep: exit 5, and why', async () => {
    await pair.to.txn({ success: [put('etcd-lockstep/cursor', '{}')] });
    const ended = await run([...args('mirror'), '-w', 'json']);
    expect(ended.code).to.equal(5);
    expect(errorOf(ended).code).to.equal('TARGET_IN_LOCKSTEP');
  });
});
