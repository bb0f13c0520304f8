/** An address that is typed wrongly is told what is wrong with it, and what it should look like. */
import { expect } from 'chai';
import { sideFlags } from '../../src/cli/typed.js';
import { sourceConnection } from '../../src/config/access.js';
import { endpointFault } from '../../src/config/endpoint.js';
import { parseOptions } from '../../src/config/parse.js';
import { connectionTo } from '../../src/wire/connection.js';

const WRONG: Record<string, RegExp> = {
  '': /one of them is empty/,
  'http://10.0.0.1': /has no port: .*2379 as a rule, http:\/\/10\.0\.0\.1:2379$/,
  'etcd.example.com': /has no port: .*http:\/\/etcd\.example\.com:2379$/,
  'https://[::1]': /has no port: .*https:\/\/\[::1\]:2379$/,
  '::1:2379': /IPv6 address, which needs brackets: http:\/\/\[2001:db8::1\]:2379/,
  'https://2001:db8::7:2379': /needs brackets: https:/,
  'fe80::1%eth0': /needs brackets/,
  'http://http://10.0.0.1:2379': /two schemes/,
  'htpp://10.0.0.1:2379': /must begin with http:\/\/, https:\/\/ or unix:\/\//,
  'dns:///etcd:2379': /must begin with/,
  'unix://': /must name a socket/,
  'http://10.0.0.1:2379/v3': /nothing may follow the port/,
  'http://10.0.0.1:2379?x=1': /nothing may follow the port/,
  'http://10.0.0.1:99999': /must look like/,
  'http://a b:1': /must look like/,
  'http://root:hunter2@10.0.0.1:2379': /must not hold a user/,
};
const RIGHT = [
  ...['10.0.0.1:2379', 'http://10.0.0.1:2379/', 'https://[2001:db8::1]:2379', '[::1]:2379'],
  ...['http://my_host:80', 'unix:///run/etcd.sock', 'unixs:///run/etcd.sock', 'unix:etcd.sock'],
];

describe('endpoints', () => {
  for (const [text, says] of Object.entries(WRONG))
    it(`${JSON.stringify(text)} is wrong`, () => {
      expect(endpointFault(text, '--user')).to.match(says).and.not.to.contain('hunter2');
    });

  it('what etcdctl takes is taken', () => {
    for (const text of RIGHT) expect(endpointFault(text, '--user'), text).to.equal(undefined);
    const { endpoints } = parseOptions({ endpoints: RIGHT }, {}, ['endpoints'], []);
    expect(endpoints).to.deep.equal(RIGHT);
  });

  it('sockets with TLS and without do not go together; a path is no bare address', async () => {
    const both = { endpoints: ['unix:///a', 'unixs:///b'] };
    const error: unknown = await sourceConnection(both).catch((e: unknown) => e);
    expect(error).to.include({ code: 'BAD_ARGUMENT' });
    const plain = { endpoints: ['unix:/a'], cacert: 'ca.pem' };
    const certs: unknown = await sourceConnection(plain).catch((e: unknown) => e);
    expect((certs as Error).message).to.equal(
      'certificates are given, but --endpoints says unix://',
    );
    const { endpoints } = await sourceConnection({ endpoints: ['unix:/a', 'b:1'] });
    expect(endpoints).to.deep.equal(['unix:/a', 'http://b:1']);
  });

  it('what the command line takes, a migration takes as well', async () => {
    for (const endpoints of [
      ['unix:///a', 'unix:a', 'b:1'],
      ['unixs:///a', 'https://b:1'],
    ]) {
      const connection = await sourceConnection({ endpoints });
      expect(connectionTo(connection)).to.equal(connection);
    }
    for (const endpoints of [['unixs:///a', 'unix:///b'], ['b:1'], []])
      expect(() => connectionTo({ endpoints }))
        .to.throw()
        .with.property('code', 'BAD_ARGUMENT');
  });
});

describe('users', () => {
  const endpoints = ['http://127.0.0.1:1'];
  for (const [given, name, password] of [
    [{ user: 'root:a:b' }, 'root', 'a:b'],
    [{ user: 'system:master', password: 'a:b' }, 'system:master', 'a:b'],
    [{ user: 'system:', password: 'p' }, 'system:', 'p'],
  ] as const)
    it(`${JSON.stringify(given)} is ${name}, as for etcdctl; and so it is printed`, async () => {
      const options = { endpoints, ...given };
      expect((await sourceConnection(options)).user).to.deep.equal({ name, password });
      expect(sideFlags('source', options)).to.match(new RegExp(` --user ${name}$`));
    });
});
