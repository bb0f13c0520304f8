/** What a report collects of an audit, in bounded memory. */
import { expect } from 'chai';
import fc from 'fast-check';
import { encodeKeyValue } from '../../src/mvcc/keyvalue.js';
import { Collector } from '../../src/report/collect.js';
import { Groups } from '../../src/report/groups.js';
import { Histogram } from '../../src/report/histogram.js';

function groupsOf(keys: readonly string[], sizeOf = (_key: string) => 1): Groups {
  const groups = new Groups();
  const sorted = keys.map((key) => Buffer.from(key)).sort((a, b) => a.compare(b));
  for (const key of sorted) groups.add(key, sizeOf(key.toString()), undefined);
  return groups;
}

describe('groups', () => {
  it('resource and namespace, as Kubernetes has them, and folders of others', () => {
    const { told, others } = groupsOf([
      '/registry/pods/default/a',
      '/registry/pods/default/b',
      '/registry/pods/default/b/deeper',
      '/registry/minions/node-1',
      '/registry/services/specs/default/x',
      '/registry/example.io/things/team/x',
      '/app/config/x',
      '/app/x',
      'alone',
      '/registry/pods/',
    ]);
    expect(others).to.equal(null);
    expect(
      told.map(({ folder, namespace, keys }) => [folder, namespace, keys.source]),
    ).to.deep.equal([
      [null, null, 1],
      ['/app/', null, 1],
      ['/app/', 'config', 1],
      ['/registry/example.io/things/', 'team', 1],
      ['/registry/minions/', null, 1],
      ['/registry/pods/', null, 1],
      ['/registry/pods/', 'default', 3],
      ['/registry/services/specs/', 'default', 1],
    ]);
  });

  it('thousands: the largest are told, exactly, and all others are in the sum', () => {
    const namespaces = Array.from({ length: 3000 }, (_, i) => String(i).padStart(4, '0'));
    const size = (key: string) => (Number(key.split('/')[3]) * 7919) % 3000;
    // Keys right in the folder stand between the namespaces.
    const keys = namespaces.flatMap((ns) => [`/registry/pods/${ns}/a`, `/registry/pods/${ns}/b`]);
    const loose = namespaces.map((ns) => `/registry/pods/${ns}x`);
    const { told, others } = groupsOf([...keys, ...loose], (key) =>
      key.endsWith('x') ? 10 : size(key),
    );
    const largest = namespaces
      .filter((ns) => size(`/registry/pods/${ns}`) >= 2701)
      .map((ns) => ({ ns, bytes: 2 * size(`/registry/pods/${ns}`) }));
    const named = new Map(told.map(({ namespace, bytes }) => [namespace, bytes.source]));
    expect(told.length).to.equal(300);
    for (const { ns, bytes } of largest) expect(named.get(ns), ns).to.equal(bytes);
    expect(named.get(null)).to.equal(30_000);
    const sum = told.reduce((n, { keys }) => n + keys.source, others?.keys.source ?? 0);
    expect(sum).to.equal(9000);
    expect((others?.groups ?? 0) + told.length).to.equal(3001);
  });

  it('those with differences come before those that are large', () => {
    const groups = new Groups();
    for (let i = 0; i < 2000; i++) {
      groups.add(Buffer.from(`/registry/pods/${String(i).padStart(4, '0')}/a`), 100 + i, 100);
      if (i === 3) groups.addDifference();
    }
    expect(groups.told.find(({ namespace }) => namespace === '0003')).to.include({
      differences: 1,
    });
  });

  it('nothing is lost, whatever keys there are', () => {
    const key = fc
      .array(fc.constantFrom('/', 'a', 'b', 'registry', '.io', 'pods', '\u00e9'), { maxLength: 9 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.uniqueArray(key), (keys) => {
        const { told } = groupsOf(keys);
        expect(told.reduce((n, one) => n + one.keys.source, 0)).to.equal(keys.length);
        expect(
          new Set(told.map(({ folder, namespace }) => JSON.stringify([folder, namespace]))).size,
        ).to.equal(told.length);
      }),
      { numRuns: 300 },
    );
  });

  it('names that are longer than any resource are in the sum', () => {
    const { told, others } = groupsOf([`/registry/pods/${'n'.repeat(9999)}/a`]);
    expect(told).to.deep.equal([]);
    expect(others).to.deep.include({ groups: 1, keys: { source: 1, target: 0 } });
  });
});

describe('histograms', () => {
  it('each number is in its bucket, up to the largest', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (n) => {
        const histogram = new Histogram();
        histogram.add(n);
        const [{ from, to, keys } = { from: -1, to: -1, keys: 0 }] = histogram.buckets;
        expect(from <= n && n <= to && keys === 1, `${from} ${n} ${to}`).to.equal(true);
      }),
    );
  });
});

describe('a collector', () => {
  const row = (key: string, value: string, modRevision = 3) =>
    encodeKeyValue({
      key: Buffer.from(key),
      value: Buffer.from(value),
      modRevision,
      createRevision: 3,
      version: 1,
      lease: -1n,
    });

  it('begins anew with the audit', () => {
    const collector = new Collector();
    const [key, source] = [Buffer.from('/registry/pods/a/b'), row('/registry/pods/a/b', 'v')];
    for (const revision of [5, 10]) {
      collector.begin(revision);
      collector.key(key, { source, target: source });
    }
    const { contents, differences } = collector.facts;
    expect(contents.groups.map(({ keys }) => keys)).to.deep.equal([{ source: 1, target: 1 }]);
    expect(contents.revisionsAgo).to.deep.equal([{ from: 4, to: 7, keys: 1 }]);
    expect(differences.found).to.equal(0);
  });

  it('lists so many differences, and counts all; no value is in it', () => {
    const collector = new Collector();
    collector.begin(5);
    const rows = { source: row('k', 'secret-a'), target: row('k', 'secret-bb', 4) };
    const one = { key: 'k', kind: 'different', fields: ['value', 'mod_revision'] } as const;
    collector.key(Buffer.from('k'), rows);
    for (let i = 0; i < 12_000; i++)
      collector.difference({ ...one, fields: [...one.fields] }, rows);
    const { found, listed } = collector.facts.differences;
    expect([found, listed.length]).to.deep.equal([12_000, 10_000]);
    const side = { createRevision: 3, version: 1, lease: 'ffffffffffffffff' };
    expect(listed[0]).to.deep.equal({
      ...{ ...one, keyBase64: null, revision: null },
      source: { ...side, modRevision: 3, valueBytes: 8 },
      target: { ...side, modRevision: 4, valueBytes: 9 },
    });
    expect(JSON.stringify(collector.facts)).not.to.contain('secret');
  });

  it('keys of megabytes are counted, and listed only as far as there is room', () => {
    const collector = new Collector();
    collector.begin(5);
    const key = 'k'.repeat(1024 * 1024);
    for (let i = 0; i < 20; i++)
      collector.difference(
        { key, kind: 'missing on target', fields: [] },
        { source: row('k', '') },
      );
    const { found, listed } = collector.facts.differences;
    expect([found, listed.length]).to.deep.equal([20, 4]);
  });
});
