/** Commands that are printed can be pasted: a shell, and our own parser, read them as they were meant. */
import { expect } from 'chai';
import fc from 'fast-check';
import { execFileSync } from 'node:child_process';
import { arrange } from '../../src/cli/arrange.js';
import { restoreCommands } from '../../src/cli/restore.js';
import {
  commandAgain,
  flagAgain,
  nameFor,
  prefixFlags,
  quoted,
  sideFlags,
  writerFlags,
} from '../../src/cli/typed.js';
import { PEERS } from '../../src/config/access.js';
import { parseOptions } from '../../src/config/parse.js';

/** The words that a shell makes of a line. */
function words(line: string): string[] {
  const out = execFileSync('sh', ['-c', `printf '%s\\0' ${line}`]).toString();
  return out.split('\0').slice(0, -1);
}

describe('printed commands', () => {
  it('whatever a word is, the shell gets it', () => {
    const word = fc.string({
      unit: fc.constantFrom(' ', "'", '"', '$', '\\', '#', ';', '/', 'a', '*'),
    });
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 5 }), (list) => {
        expect(words(list.map(quoted).join(' '))).to.deep.equal(list);
      }),
      { numRuns: 50 },
    );
  });

  it('what is not odd is not quoted', () => {
    for (const word of ['http://10.0.0.1:2379,http://10.0.0.2:2379', '/registry/pods/', 'a.db'])
      expect(quoted(word)).to.equal(word);
  });

  it('a side as it was given, and no secret', () => {
    const options = {
      endpoints: ['https://a:1', 'https://b:2'],
      cacert: 'my ca.pem',
      user: 'root:hunter2',
      destEndpoints: ['https://c:3'],
      destUser: 'system:master',
      destPassword: 'hunter2',
    };
    expect(sideFlags('source', options)).to.equal(
      "--endpoints https://a:1,https://b:2 --cacert 'my ca.pem' --user root",
    );
    expect(sideFlags('target', options)).to.equal(
      '--dest-endpoints https://c:3 --dest-user system:master',
    );
  });

  it('peer ports as they were given', () => {
    const at = { destEndpoints: ['http://a:1'] };
    expect(writerFlags(at)).to.equal('--dest-endpoints http://a:1');
    const given = {
      ...at,
      destPeers: ['https://a:2380', 'https://b:2380'],
      ...{ destPeerCert: 'my peer.pem', destPeerKey: 'peer.key' },
    };
    const { typed } = arrange(words(`follow ${writerFlags(given)}`), ['follow']);
    expect(parseOptions(typed, {}, ['destEndpoints'], PEERS)).to.deep.equal(given);
  });

  it('with a config file only what it does not give, and no blank too much', () => {
    const options = {
      ...{ endpoints: ['http://a:1'], destEndpoints: ['http://b:2'], destUser: 'root' },
      fromFile: { path: 'my pods.yaml', names: new Set(['endpoints', 'journal'] as const) },
    };
    const sides = [sideFlags('source', options), sideFlags('target', options)];
    const journal = flagAgain(options, 'journal', 'j');
    const command = commandAgain('follow', options, ...sides, journal, '--repair');
    expect(command).to.equal(
      "etcd-lockstep follow -f 'my pods.yaml' --dest-endpoints http://b:2 --dest-user root --repair",
    );
    expect(words(command).slice(2, 4)).to.deep.equal(['-f', 'my pods.yaml']);
  });

  it('prefixes are read as they were', () => {
    const list = ['/registry/a,b/', String.raw`/registry/c\d/`, "/registry/it's/"];
    const { typed } = arrange(words(`seed ${prefixFlags(list)}`), ['seed']);
    const { prefix } = parseOptions(typed, {}, ['prefix'], []);
    expect([...prefix.list].sort()).to.deep.equal([...list].sort());
  });

  for (const [prefixes, name] of [
    [['/registry/pods/'], 'pods'],
    [['/registry/leases/'], 'leases'],
    [['/registry/apps/deployments/', '/registry/pods/'], 'deployments'],
    [['/odd name/'], 'odd-name'],
    [['/'], 'target'],
  ] as const)
    it(`members of ${prefixes.join(' and ')} are called ${name}`, () => {
      expect(nameFor(prefixes)).to.equal(name);
    });

  it('as many members are restored as there are endpoints, with a base that has a blank', () => {
    const at = ['http://10.0.0.1:2379', '10.0.0.2:2379', 'https://etcd-3:2379'];
    const commands = restoreCommands('my base.db', ['/registry/leases/'], at);
    expect(commands).to.have.lengthOf(6);
    const [restore, start] = [words(commands[2]!), words(commands[5]!)];
    expect(restore.slice(0, 4)).to.deep.equal(['etcdutl', 'snapshot', 'restore', 'my base.db']);
    expect(restore).to.include('leases-1.etcd');
    expect(restore).to.include(
      'leases-0=http://10.0.0.1:2380,leases-1=http://10.0.0.2:2380,leases-2=http://etcd-3:2380',
    );
    expect(start).to.include.members(['leases-2', 'https://0.0.0.0:2379', 'https://etcd-3:2379']);
  });
});
