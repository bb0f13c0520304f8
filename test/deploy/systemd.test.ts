/** deploy/systemd: systemd takes the unit, finds little exposed, and starts again what is worth it. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exitCodeOf } from '../../src/cli/command.js';
import { variableOf, OPTIONS, type OptionName } from '../../src/config/options.js';
import { Running } from '../cli/run.js';
import { Stage } from '../cli/stage.js';
import { read } from '../docs/pages.js';
import { removeAtExit } from '../rig/child.js';

const UNIT = 'deploy/systemd/etcd-lockstep-follow@.service';
const text = read(UNIT);
/** As systemd counts: 0 is nothing, 10 is everything. */
const EXPOSED_AT_MOST = 3;

function setting(name: string): string {
  const [, value] = new RegExp(`^${name}=(.*)$`, 'm').exec(text) ?? [];
  if (value === undefined) throw new Error(`the unit has no ${name}`);
  return value;
}

function analyze(...args: string[]): { status: number | null; said: string } | undefined {
  const { status, stdout, stderr, error } = spawnSync('systemd-analyze', args, {
    ...{ encoding: 'utf8', timeout: 60_000 },
  });
  return error ? undefined : { status, said: `${stdout}${stderr}` };
}

describe('deploy/systemd', () => {
  let unit: string;
  before(function () {
    if (!analyze('--version')) {
      console.log('      there is no systemd-analyze here');
      this.skip();
    }
    const folder = mkdtempSync(join(tmpdir(), 'unit-'));
    removeAtExit(folder);
    unit = join(folder, 'etcd-lockstep-follow@pods.service');
    // The program has to be there, and is not installed here; nor is its page.
    writeFileSync(
      unit,
      text.replace('/usr/bin/etcd-lockstep', '/bin/true').replace(/^Documentation=.*\n/m, ''),
    );
  });

  it('systemd takes it, without a warning', () => {
    expect(analyze('verify', unit)).to.deep.equal({ status: 0, said: '' });
  });

  it('little is exposed', () => {
    const { said = '' } = analyze('security', '--offline=true', '--no-pager', unit) ?? {};
    const [, level] = /Overall exposure level for .*: ([\d.]+)/.exec(said) ?? [];
    expect(Number(level), said).to.be.below(EXPOSED_AT_MOST);
  });
});

describe('deploy/systemd: what the unit says', () => {
  it('what another try would not mend is not started again, and nothing else is left down', () => {
    const codes = (['BAD_ARGUMENT', 'HISTORY_GAP', 'TARGET_DIFFERENT'] as const).map((one) =>
      exitCodeOf(one),
    );
    expect(setting('RestartPreventExitStatus').split(' ').map(Number)).to.deep.equal(codes);
    expect(setting('Restart')).to.equal('on-failure');
    expect(codes).not.to.include(exitCodeOf('UNAVAILABLE'));
  });

  it('its file of variables names what there is', () => {
    const names = [...read('deploy/systemd/pods.env').matchAll(/^#?(LOCKSTEP_\w+)=/gm)];
    const known = (Object.keys(OPTIONS) as OptionName[]).map(variableOf);
    expect(names.length).to.be.greaterThan(3);
    for (const [, name = ''] of names) expect([...known, 'LOCKSTEP_CONFIG'], name).to.include(name);
  });

  it('a follower that is started as it says follows, and ends at SIGTERM with 0', async () => {
    const stage = await Stage.start();
    const journal = join(stage.dir, 'journal');
    await stage.put('/registry/pods/default/a');
    const ends = { LOCKSTEP_ENDPOINTS: stage.source.endpoint };
    const seed = new Running(
      ['seed', '--prefix', '/registry/pods/', '--out', join(stage.dir, 'base.db')],
      { ...ends, LOCKSTEP_JOURNAL: journal },
    );
    expect((await seed.ended).code).to.equal(0);
    const args = setting('ExecStart').split(' ').slice(1);
    const follow = new Running(
      args.map((word) => word.replace('%S/etcd-lockstep/%i', stage.dir)),
      { ...ends, LOCKSTEP_DEST_ENDPOINTS: 'http://127.0.0.1:1' },
    );
    await follow.until(({ stderr }) => stderr.includes('target'));
    follow.signal('SIGTERM');
    const { code, stderr } = await follow.ended;
    expect(code, stderr).to.equal(0);
    await stage.end();
  });
});
