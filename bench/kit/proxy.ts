/**
 * A delaying network in a process of its own, so that it does not share a thread with what is
 * measured.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { FaultProxy } from '../../test/rig/proxy.js';

export class Network {
  private constructor(
    readonly endpoint: string,
    private readonly child?: ChildProcess,
  ) {}

  /** Nothing in between. */
  static direct(endpoint: string): Network {
    return new Network(endpoint);
  }

  /** In front of an etcd on this port; without a delay at first. */
  static async to(port: number): Promise<Network> {
    const child = fork(import.meta.filename, [String(port)], { execArgv: ['--import=tsx'] });
    const [endpoint] = (await once(child, 'message')) as [string];
    return new Network(endpoint, child);
  }

  /** Delays each way by so much from now on. */
  async delay(ms: number): Promise<void> {
    if (!this.child) return;
    this.child.send(ms);
    await once(this.child, 'message');
  }

  end(): void {
    this.child?.disconnect();
  }
}

if (process.send !== undefined && process.argv[1] === import.meta.filename) {
  const proxy = await FaultProxy.start({ host: '127.0.0.1', port: Number(process.argv[2]) });
  process.send(proxy.endpoint);
  process.on('message', (ms: number) => {
    proxy.delay(ms);
    process.send?.('done');
  });
  // Also when the bench dies.
  process.on('disconnect', () => process.exit());
}
