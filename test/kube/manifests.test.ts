import { expect } from 'chai';
import { parseOptions } from '../../src/config/parse.js';
import { LockstepError } from '../../src/errors.js';
import { freezeObjects, KINDS, type FreezeWay } from '../../src/kube/manifests.js';
import { parseResource, PODS, resourceName } from '../../src/kube/resource.js';
import { toYaml } from '../../src/kube/yaml.js';

const LEASES = { group: 'coordination.k8s.io', resource: 'leases' };

interface Rule {
  apiGroups: string[];
  operations: string[];
  resources: string[];
}

function rulesOf(way: FreezeWay, resources = [PODS]): Rule[] {
  const [object] = freezeObjects(resources, way) as unknown as [
    { webhooks: { rules: Rule[] }[]; spec: { matchConstraints: { resourceRules: Rule[] } } },
  ];
  return way === 'webhook'
    ? object.webhooks.flatMap(({ rules }) => rules)
    : object.spec.matchConstraints.resourceRules;
}

describe('kube: manifests', () => {
  for (const way of ['policy', 'webhook'] as const) {
    it(`${way}: all writes to pods by all their paths, and no CONNECT`, () => {
      const rules = rulesOf(way);
      expect(rules).to.have.length(1);
      expect(rules[0]).to.deep.include({
        apiGroups: [''],
        operations: ['CREATE', 'UPDATE', 'DELETE'],
        resources: ['pods', 'pods/*', 'bindings'],
      });
    });

    it(`${way}: each resource in its own group, bindings with pods alone`, () => {
      const rules = rulesOf(way, [LEASES, { group: '', resource: 'configmaps' }]);
      expect(rules.map(({ apiGroups, resources }) => [apiGroups, resources])).to.deep.equal([
        [['coordination.k8s.io'], ['leases', 'leases/*']],
        [[''], ['configmaps', 'configmaps/*']],
      ]);
    });

    it(`${way}: one object of each kind, none with a selector, none that fails open`, () => {
      const objects = freezeObjects([PODS], way);
      expect(objects).to.have.length(KINDS[way].length);
      const text = JSON.stringify(objects);
      expect(text).not.to.match(/[sS]elector|Ignore/);
      expect(text).to.contain('"failurePolicy":"Fail"');
      for (const { metadata } of objects) expect(metadata.name).to.equal('etcd-lockstep-freeze');
    });

    it(`${way}: YAML is the same as JSON`, async () => {
      const { loadAllYaml } = await import('@kubernetes/client-node');
      const objects = freezeObjects([PODS, LEASES], way);
      const read = loadAllYaml(toYaml(objects)) as unknown[];
      expect(JSON.parse(JSON.stringify(read))).to.deep.equal(objects);
    });
  }
});

describe('kube: names of resources', () => {
  it('are as kubectl has them', () => {
    for (const name of ['pods', 'leases.coordination.k8s.io', 'deployments.apps'])
      expect(resourceName(parseResource(name)!)).to.equal(name);
    for (const name of ['', 'Pods', 'pods/status', '/registry/pods/', 'pods.', 'a b'])
      expect(parseResource(name), name).to.equal(undefined);
  });

  it('and addresses of apiservers, are checked', () => {
    const parse = (name: 'resource' | 'apiservers', ...given: string[]) =>
      parseOptions({ [name]: given }, {}, [], [name])[name];
    expect(parse('resource', 'pods,leases.coordination.k8s.io')).to.deep.equal([PODS, LEASES]);
    expect(parse('apiservers', '10.0.0.1:6443,https://[fd00::1]:6443/path/')).to.deep.equal([
      'https://10.0.0.1:6443',
      'https://[fd00::1]:6443/path',
    ]);
    for (const [name, value] of [
      ['resource', 'pods,pods/status'],
      ['apiservers', 'https://a:1,https://a:1/'],
      ['apiservers', 'https://u:secret@a:1'],
      ['apiservers', 'ftp://a'],
    ] as const) {
      expect(() => parse(name, value))
        .to.throw(LockstepError)
        .with.property('code', 'BAD_ARGUMENT');
      expect(() => parse(name, value)).not.to.throw(/secret/);
    }
  });
});
