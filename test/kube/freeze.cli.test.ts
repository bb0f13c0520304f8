/** etcd-lockstep freeze, against a freeze that somebody has. */
import { expect } from 'chai';
import { Freeze } from '../../src/kube/freeze.js';
import { freezeAll } from '../../src/kube/freezing.js';
import { freezeOwner } from '../../src/kube/owner.js';
import { PODS } from '../../src/kube/resource.js';
import * as contract from '../cli/contract.js';
import { errorLine, run, whole, type CliError } from '../cli/run.js';
import { writeKubeconfig } from './fake.js';
import { Scene, withCerts } from './scene.js';

describe('kube: freeze, the command', () => {
  const { certs } = withCerts();
  let s: Scene;

  beforeEach(async () => {
    s = await Scene.start(certs());
  });
  afterEach(() => {
    s.close();
  });

  async function freeze(
    ...args: string[]
  ): Promise<{ code: number | null; out: unknown[]; error?: CliError }> {
    const urls = s.apis.map(({ url }) => url).join(',');
    const access = ['--kubeconfig', writeKubeconfig(certs(), s.apis[0]!.url), '--apiservers', urls];
    const { code, stdout, stderr } = await run(['freeze', ...args, ...access, '-w', 'json']);
    const last = stderr.trim().split('\n').at(-1) ?? '';
    const failed = last.includes('"error"') ? errorLine.parse(JSON.parse(last)) : undefined;
    return { code, out: whole(stdout), ...failed };
  }

  async function byCutover(held: boolean): Promise<Freeze> {
    const options = { apiservers: s.apis, resources: [PODS], onNote: () => undefined };
    const made = await freezeAll(options, freezeOwner('cutover'), undefined);
    if (held) await made.freeze.hold(s.apis);
    return made.freeze;
  }

  it('applies, again, probes and removes its own', async () => {
    const first = contract.freeze.parse((await freeze('apply')).out[0]);
    expect(first).to.include({ frozen: true, way: 'policy' });
    expect((await freeze('apply')).code).to.equal(0);
    const { code, out } = await freeze('probe');
    expect(code).to.equal(0);
    const { probe } = contract.freezeProbe.parse(out[0]);
    expect(probe.owner).to.match(/^freeze apply on \S+, pid \d+, since 2/);
    expect(probe).to.deep.include({ held: false, since: first.since });
    expect((await freeze('remove')).code).to.equal(0);
    expect(s.cluster.objects.size).to.equal(0);
    expect((await freeze('remove')).code).to.equal(0);
  });

  for (const held of [false, true])
    it(`leaves that of a cutover alone, ${held ? 'held' : 'not held'}, but for --force`, async () => {
      const made = await byCutover(held);
      for (const action of ['apply', 'remove']) {
        const { code, error } = await freeze(action);
        expect(code).to.equal(5);
        expect(error).to.include({ code: 'FREEZE_TAKEN' });
        expect(error?.message).to.contain(made.owner?.text);
        expect(error?.hint).to.contain(held ? 'has been taken over' : 'Ask whoever runs that');
        expect(error?.hint?.includes('one of the two is lost')).to.equal(
          held && action === 'remove',
        );
      }
      await made.prove(s.apis);
      const { probe } = contract.freezeProbe.parse((await freeze('probe')).out[0]);
      expect(probe).to.deep.include({ ok: true, held, owner: made.owner?.text });
      expect((await freeze('remove', '--force')).code).to.equal(0);
      expect(s.cluster.objects.size).to.equal(0);
    });

  it('writes nothing where an apiserver is dead, and names flags that it has', async () => {
    s.fakes[1]!.close();
    const { error } = await freeze('apply');
    expect(error?.code).to.equal('KUBE_UNAVAILABLE');
    expect(error?.hint).to.contain(`leave ${s.apis[1]!.url} out of --apiservers`);
    expect(error?.hint).not.to.contain('--without');
    expect(s.cluster.objects.size).to.equal(0);
  });

  it('takes --force and --open where they mean something, and nowhere else', async () => {
    for (const [action, flag] of [
      ['apply', '--force'],
      ['probe', '--force'],
      ['remove', '--open'],
    ] as const) {
      const { code, stderr } = await run(['freeze', action, flag]);
      expect(code).to.equal(2);
      expect(stderr).to.contain(`${flag} goes with`);
    }
  });
});
