/** watch and status --listener: what a running follower tells, and what is told where nobody or somebody else answers. */
import { expect } from 'chai';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { View } from '../../src/listen/view.js';
import { parseView } from '../../src/listen/viewschema.js';
import { freePorts } from '../rig/ports.js';
import type { Etcd } from '../rig/etcd.js';
import * as contract from './contract.js';
import { OnTerminal, run, Running, whole } from './run.js';
import { PODS, Stage, type Seeded } from './stage.js';

function views({ stdout }: { stdout: string }): View[] {
  return whole(stdout).map((one) => {
    const view = parseView(JSON.stringify(one));
    if (!view) throw new Error(`no view: ${JSON.stringify(one)}`);
    return view;
  });
}

async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

const inLockstep = ({ state }: View) => state === 'in lockstep';

describe('watch, and status --listener', () => {
  let stage: Stage;
  let seeded: Seeded;
  let target: Etcd;
  const servers: Server[] = [];

  before(async () => {
    stage = await Stage.start();
    await stage.put(`${PODS}a`);
    seeded = await stage.seed();
    target = await stage.etcd(seeded.base);
  });
  after(async () => {
    for (const server of servers) server.close().closeAllConnections();
    await stage.end();
  });

  function follow(port: number): Running {
    return new Running([
      ...stage.followArgs(seeded.journal, target.endpoint),
      ...['--listen', String(port)],
    ]);
  }

  async function served(listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return String((server.address() as AddressInfo).port);
  }

  function status(of: Etcd, listener: string, ...more: string[]) {
    const ends = ['--endpoints', stage.source.endpoint, '--dest-endpoints', of.endpoint];
    return run(['status', ...ends, '--listener', listener, ...more]);
  }

  async function runningOf(of: Etcd, listener: string) {
    const { code, stdout, stderr } = await status(of, listener, '-w', 'json');
    expect(code, stderr).to.equal(0);
    return contract.status.parse(whole(stdout)[0]).running;
  }

  it('waits for one that is not there yet, goes on when it comes back, and ends with 0', async () => {
    const port = await freePort();
    const watch = new Running(['watch', String(port), '-w', 'json']);
    await watch.until(({ stderr }) => stderr.includes('nothing to be heard'));
    let follower = follow(port);
    await watch.until((self) => views(self).some(inLockstep));
    const [first] = views(watch);
    follower.signal('SIGKILL');
    await follower.ended;
    await watch.until(({ stderr }) => stderr.split('trying again').length > 2);
    follower = follow(port);
    await watch.until((self) => views(self).at(-1)?.startedAt !== first?.startedAt);
    watch.signal('SIGINT');
    expect((await watch.ended).code).to.equal(0);
    follower.signal('SIGTERM');
    await follower.ended;
  });

  it('on a terminal: a picture, which goes with the second screen and is left on the first', async () => {
    const port = await freePort();
    const follower = follow(port);
    const terminal = new OnTerminal(['watch', String(port)], stage.dir);
    await terminal.until('IN LOCKSTEP');
    expect(terminal.output).to.contain('\x1b[?1049h');
    terminal.type('\x03');
    expect(await terminal.code()).to.equal(0);
    await terminal.until('\x1b[?1049l');
    const left = terminal.output.split('\x1b[?1049l').at(-1) ?? '';
    expect(left).to.contain('IN LOCKSTEP').and.to.contain('lag');
    expect(terminal.output.split('\x1b[?25h')).to.have.length(2);
    follower.signal('SIGTERM');
    await follower.ended;
  });

  it('status tells what the follower knows, and does not believe one of another target', async () => {
    const port = await freePort();
    const follower = follow(port);
    await follower.line(contract.follow, ({ state }) => state === 'in lockstep');
    const running = await runningOf(target, String(port));
    expect(running?.trouble).to.equal(null);
    expect(running?.view?.state).to.equal('in lockstep');
    const text = await status(target, `http://127.0.0.1:${port}/`);
    expect(text.stdout).to.match(/running +follow, in lockstep: /);

    const other = await stage.etcd((await stage.seed()).base);
    const foreign = await runningOf(other, String(port));
    expect(foreign?.view).to.equal(null);
    expect(foreign?.trouble?.code).to.equal('ENDPOINTS_DIFFER');
    expect(foreign?.trouble?.message).to.match(/has target cluster \w+, and this one is \w+/);
    follower.signal('SIGTERM');
    await follower.ended;
  });

  it('nobody there: status says so, and as a check it fails', async () => {
    const port = String(await freePort());
    const running = await runningOf(target, port);
    expect(running?.trouble?.code).to.equal('UNAVAILABLE');
    const check = await status(target, port, '--max-lag', '500ms');
    expect(check.code).to.equal(1);
    expect(check.stdout).to.match(/running +NOT KNOWN: nothing to be heard at/);
  });

  it('something else, or nothing that makes sense: an error that says what it was', async () => {
    const page = await served((_, response) => response.end('<html>'));
    const missing = await served((_, response) => response.writeHead(404).end('no such page'));
    const nonsense = await served((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('event: view\ndata: {"state":1}\n\n');
    });
    const endless = await served((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const more = setInterval(() => response.write('x'.repeat(1024 * 1024)), 10);
      response.once('close', () => {
        clearInterval(more);
      });
    });
    const said: [string, RegExp][] = [
      [page, /it answers with something else/],
      [missing, /it answered with 404/],
      [nonsense, /is no view/],
      [endless, /an event without an end/],
      ['http://user:secret@127.0.0.1:1/', /is no address of a listener/],
    ];
    for (const [address, what] of said) {
      const { code, stderr } = await run(['watch', address]);
      expect(code, stderr).to.equal(2);
      expect(stderr).to.match(what).and.not.contain('secret');
    }
    expect((await runningOf(target, page))?.trouble?.code).to.equal('BAD_ARGUMENT');
  });

  it('one that accepts and is silent, or stops in the middle, is told and tried again', async () => {
    let asked = 0;
    const silent = await served((_, response) => {
      asked++;
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    });
    const watch = new Running(['watch', silent, '-w', 'json']);
    await watch.until(({ stderr }) => stderr.includes('nothing came for 5 s'));
    await watch.until(() => asked > 1);
    watch.signal('SIGTERM');
    expect((await watch.ended).code).to.equal(0);
  });
});
