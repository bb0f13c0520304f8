/**
 * deploy/kubernetes: each field is one that Kubernetes' models have, of the right kind, and nothing names
 * what there is not. A real apiserver is asked in test/k8s/deploy.k8s.test.ts. Of the Prometheus operator
 * no schema is at hand: it was written by hand and looked at, and nothing more.
 */
import { loadAllYaml } from '@kubernetes/client-node';
import { expect } from 'chai';
import { complaint } from '../docs/commandline.js';
import { read } from '../docs/pages.js';
import { deployed, type Deployed } from './manifests.js';

const all = deployed().flatMap(({ objects }) => objects);
const ofKind = (kind: string) => all.filter((one) => one.kind === kind);

/** `core pods list`, for each right that the table of docs/access.md gives these commands. */
function rightsOf(commands: readonly string[]): Set<string> {
  const table = read('docs/access.md').split('<!-- kubernetes -->')[1]?.split('\n\n')[1] ?? '';
  const rows = table.split('\n').slice(2);
  const cells = rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.split(',').map((word) => word.replaceAll('`', '').trim())),
  );
  const theirs = cells.filter(([whose]) => whose?.some((one) => commands.includes(one)));
  return new Set(
    theirs.flatMap(([, [group = ''] = [], resources = [], verbs = []]) =>
      resources.flatMap((resource) => verbs.map((verb) => `${group} ${resource} ${verb}`)),
    ),
  );
}

function granted({ rules = [] }: Deployed): string[] {
  return rules.flatMap(({ apiGroups: [group = ''], resources, verbs }) =>
    resources.flatMap((resource) => verbs.map((verb) => `${group || 'core'} ${resource} ${verb}`)),
  );
}

interface PodTemplate {
  spec: {
    template: { spec: { containers: { args: string[]; image: string }[] } };
  };
}

describe('deploy/kubernetes', () => {
  for (const { file, objects } of deployed().filter(({ file }) => !/servicemonitor/.test(file)))
    it(`${file}: Kubernetes knows every field`, () => {
      const known = loadAllYaml(read(`deploy/kubernetes/${file}`)) as unknown[];
      expect(objects.length).to.be.greaterThan(0);
      expect(JSON.parse(JSON.stringify(known))).to.deep.equal(objects);
    });

  it('its command lines are ones', () => {
    const pods = [...ofKind('Deployment'), ...ofKind('Job')] as unknown as PodTemplate[];
    const [{ data }] = ofKind('ConfigMap') as unknown as [{ data: Record<string, string> }];
    const containers = pods.flatMap(({ spec }) => spec.template.spec.containers);
    expect(containers).to.have.length(2);
    for (const { args, image } of containers) {
      expect(complaint(args, { env: data })).to.equal(undefined);
      const { version } = JSON.parse(read('package.json')) as { version: string };
      expect(image).to.equal(`etcd-lockstep:${version}`);
    }
  });

  it('its roles have just the rights that docs/access.md lists', () => {
    const commands: Record<string, string[]> = {
      'etcd-lockstep-cutover': ['cutover', 'rollback', 'retire', 'status'],
      'etcd-lockstep-freeze': ['freeze apply', 'freeze probe', 'freeze remove'],
    };
    const roles = ofKind('ClusterRole');
    expect(roles.map(({ metadata }) => metadata.name)).to.have.members(Object.keys(commands));
    for (const role of roles)
      expect(granted(role)).to.have.members([...rightsOf(commands[role.metadata.name] ?? [])]);
  });
});
