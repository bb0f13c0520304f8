/** The least rights in Kubernetes: with what docs/access.md lists everything goes, without any of it nothing. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { Running, type Ended } from '../cli/run.js';
import { Bare } from './bare.js';
import { describeKube } from './binaries.js';
import { KubeClient } from './client.js';
import { frozen, phaseOf } from './night.js';
import { writeKubeconfig, type Pki } from './pki.js';
import { until } from './until.js';

const RBAC = '/apis/rbac.authorization.k8s.io/v1';
const REVIEWS = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
const USER = 'operator';

/** As a ClusterRole has it. */
interface Rule {
  readonly apiGroups: string[];
  readonly resources: string[];
  readonly verbs: string[];
}

interface Row {
  readonly commands: string[];
  readonly rule: Rule;
}

/** The table behind the mark in the document. */
function rows(): Row[] {
  const text = readFileSync(new URL('../../docs/access.md', import.meta.url), 'utf8');
  const table = text.split('<!-- kubernetes -->')[1]?.split('\n\n')[1] ?? '';
  const listed = (cell = '') => cell.split(',').map((word) => word.replaceAll('`', '').trim());
  return table
    .split('\n')
    .slice(2)
    .map((line) => line.split('|').slice(1, -1))
    .map(([commands, group, resources, verbs]) => ({
      commands: listed(commands),
      rule: {
        apiGroups: listed(group).map((name) => (name === 'core' ? '' : name)),
        resources: listed(resources),
        verbs: listed(verbs),
      },
    }));
}

function rulesFor(command: string): Rule[] {
  return rows().flatMap(({ commands, rule }) => (commands.includes(command) ? [rule] : []));
}

/** All that can be taken away, one verb of one row at a time, and what is left. */
function lesser(rules: readonly Rule[]): { missing: string; from: Rule; left: Rule[] }[] {
  return rules.flatMap((from) =>
    from.verbs.map((verb) => ({
      missing: `${verb} ${from.resources.join(', ')}`,
      from: { ...from, verbs: [verb] },
      left: rules.map((one) =>
        one === from ? { ...one, verbs: one.verbs.filter((other) => other !== verb) } : one,
      ),
    })),
  );
}

describeKube('the least rights in Kubernetes', () => {
  let bare: Bare;
  let kubeconfig: string;
  let user: KubeClient;

  before(async () => {
    bare = await Bare.start({ apiservers: 1 });
    const { client, pki, balancer } = bare.cluster;
    const pair = await pki.ca.client(USER);
    const own: Pki = { ...pki, admin: pair };
    kubeconfig = writeKubeconfig(pki, USER, balancer.url, pair);
    user = new KubeClient(own, bare.first().url);
    await client.create(`${RBAC}/clusterroles`, { metadata: { name: USER }, rules: [] });
    await client.create(`${RBAC}/clusterrolebindings`, {
      metadata: { name: USER },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: USER },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: USER }],
    });
    await client.create('/api/v1/nodes', { metadata: { name: 'node-0' } });
    await client.create('/apis/coordination.k8s.io/v1/namespaces/default/leases', {
      metadata: { name: 'lease' },
    });
  });
  after(async () => {
    user.close();
    await bare.end();
  });

  async function may({ apiGroups: [group], resources: [name = ''], verbs: [verb] }: Rule) {
    const [resource, subresource] = name.split('/');
    const asked = { resource, verb, ...(group === '' ? {} : { group }) };
    const resourceAttributes = { ...asked, ...(subresource === undefined ? {} : { subresource }) };
    const { status } = await user.create(REVIEWS, {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes },
    });
    return status?.['allowed'] === true;
  }

  /** Returns when the apiserver goes by them. */
  async function grant(rules: readonly Rule[], without?: Rule): Promise<void> {
    const given = rules.filter(({ verbs }) => verbs.length > 0);
    await bare.cluster.client.patch(`${RBAC}/clusterroles/${USER}`, { rules: given });
    const singly = given.flatMap((rule) => rule.verbs.map((verb) => ({ ...rule, verbs: [verb] })));
    await until('the rights', async () => {
      for (const rule of singly) if (!(await may(rule))) return false;
      return without === undefined || !(await may(without));
    });
  }

  async function freeze(...args: string[]): Promise<Ended> {
    const at = ['--kubeconfig', kubeconfig, '--apiservers', bare.first().url];
    return new Running(['freeze', ...args, ...at]).ended;
  }

  /** Each as somebody would use it; all of it has to go. */
  const uses: Record<string, () => Promise<Ended[]>> = {
    'freeze probe': async () => [await freeze('probe', '--open')],
    'freeze apply': async () => [await freeze('apply'), await freeze('apply')],
    'freeze remove': async () => [await freeze('remove')],
    cutover: async () => [await bare.run('cutover', { kubeconfig })],
  };

  function went(all: readonly Ended[]): boolean {
    return all.every(({ code }) => code === 0);
  }

  async function asAdministrator(action: 'apply' | 'remove'): Promise<void> {
    const at = ['--kubeconfig', bare.cluster.kubeconfig, '--apiservers', bare.first().url];
    const { code, stderr } = await new Running(['freeze', action, ...at]).ended;
    expect(code, stderr).to.equal(0);
  }

  for (const [command, use] of Object.entries(uses))
    it(`${command}: each of them is needed, and together they are enough`, async () => {
      const rules = rulesFor(command);
      expect(rules).not.to.deep.equal([]);
      for (const { missing, from, left } of lesser(rules)) {
        await grant(left, from);
        if (command === 'freeze remove') await asAdministrator('apply');
        const ended = await use();
        expect(went(ended), `${command} without ${missing}`).to.equal(false);
        const said = ended.map(({ stdout, stderr }) => stdout + stderr).join('');
        expect(said, `${command} without ${missing}`).to.match(/cannot/);
        if (command === 'cutover') {
          expect(await frozen(bare.cluster), missing).to.equal(false);
          expect(await phaseOf(bare.lockstep.target), missing).to.equal(undefined);
        } else await asAdministrator('remove');
      }
      await grant(rules);
      if (command === 'freeze remove') await asAdministrator('apply');
      const ended = await use();
      expect(went(ended), ended.map(({ stderr }) => stderr).join('')).to.equal(true);
      if (command.startsWith('freeze')) await asAdministrator('remove');
    });

  it('rollback and retire go with theirs', async () => {
    for (const command of ['retire', 'rollback'] as const) {
      await grant(rulesFor(command));
      const ended = await (command === 'retire'
        ? new Running(bare.flags('retire', { kubeconfig })).ended
        : bare.run(command, { kubeconfig }));
      expect(ended.code, ended.stderr).to.equal(0);
    }
    expect(await phaseOf(bare.lockstep.target)).to.equal('rolled back');
  });
});
