/** Which folder is which resource, and what kube-apiserver's flag calls it. */
import { expect } from 'chai';
import { folderOf, lookUp } from '../../src/kube/resourcefolders.js';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import { overrides, resources, split } from '../../src/plan/split.js';

const ROOT = '/registry/';

const FOLDERS: Record<string, string> = {
  '/registry/pods/default/a': '/registry/pods/',
  '/registry/services/specs/default/a': '/registry/services/specs/',
  '/registry/services/endpoints/default/a': '/registry/services/endpoints/',
  '/registry/example.io/things/default/a': '/registry/example.io/things/',
  '/registry/minions/node.example.io': '/registry/minions/',
  '/registry/odd': '/registry/odd',
  '/registry/example.io/odd': '/registry/example.io/',
  '/other/a/b': '/other/',
  compact_rev_key: 'compact_rev_key',
  'etcd-lockstep/cursor': 'etcd-lockstep/',
};

const RESOURCES: Record<string, string> = {
  pods: '/pods',
  minions: '/nodes',
  controllers: '/replicationcontrollers',
  'services/specs': '/services',
  'services/endpoints': '/endpoints',
  ingress: 'networking.k8s.io/ingresses',
  leases: 'coordination.k8s.io/leases',
  deployments: 'apps/deployments',
  endpointslices: 'discovery.k8s.io/endpointslices',
};

describe('plan: names', () => {
  for (const [key, folder] of Object.entries(FOLDERS))
    it(`${key} is in ${folder}`, () => {
      expect(folderOf(key, ROOT)).to.equal(folder);
    });

  for (const [folder, resource] of Object.entries(RESOURCES))
    it(`${folder} is ${resource}, under whatever --etcd-prefix`, () => {
      for (const root of [ROOT, '/a/b/'])
        expect(lookUp(`${root}${folder}/`, root)).to.deep.equal({ kind: 'resource', resource });
    });

  it('tells custom resources and what is no resource apart', () => {
    expect(lookUp('/registry/example.io/things/', ROOT).kind).to.equal('custom');
    expect(lookUp('/registry/apiregistration.k8s.io/apiservices/', ROOT).kind).to.equal('custom');
    expect(lookUp('/registry/masterleases/', ROOT).kind).to.equal('internal');
    expect(lookUp('/registry/things/', ROOT).kind).to.equal('unknown');
  });

  it('one flag: commas between resources, semicolons between servers', () => {
    const names = ['pods', 'events', 'leases', 'secrets', 'example.io/things'];
    const folders = names.map((name) => ({
      ...{ folder: `${ROOT}${name}/`, keys: 1, bytes: 1, exact: true },
    }));
    const splits = split(folders, PrefixSet.of([`${ROOT}pods/`]), ROOT);
    const servers = {
      lockstep: ['https://a:1', 'https://b:1'],
      configuration: ['e'],
      mirror: ['l'],
    };
    expect(overrides(splits, ({ way }) => (way === 'stays' ? [] : servers[way]))).to.equal(
      '/pods#https://a:1;https://b:1,/events#e,coordination.k8s.io/leases#l',
    );
    expect(splits.map(({ way }) => way)).to.deep.equal([
      'lockstep',
      'configuration',
      'mirror',
      'stays',
      'stays',
    ]);
  });

  const verdict = (...prefixes: string[]) =>
    resources(
      prefixes.map((name) => ({ prefix: `${ROOT}${name}`, keys: name === 'jobs/' ? 0 : 5 })),
      ROOT,
    ).verdict;

  it('only whole resources that are compiled in can be moved', () => {
    expect(verdict('pods/')).to.equal('ok');
    expect(verdict('pods/', 'secrets/')).to.equal('ok');
    expect(verdict('pods')).to.equal('stop');
    expect(verdict('pods/kube-system/')).to.equal('stop');
    expect(verdict('pods/', 'example.io/things/')).to.equal('stop');
    expect(verdict('jobs/')).to.equal('stop');
    expect(verdict('things/')).to.equal('warn');
    expect(verdict('pods/', 'masterleases/')).to.equal('stop');
  });

  it('services move together with their ranges, or not at all', () => {
    expect(verdict('services/specs/')).to.equal('stop');
    expect(verdict('ranges/')).to.equal('stop');
    expect(verdict('services/specs/', 'ranges/')).to.equal('ok');
  });
});
