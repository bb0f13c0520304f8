/**
 * What docs/output.md shows, made anew: each command run as its user runs it, against real etcds and, for
 * the night, apiservers that list what lies in them.
 */
import { Running, run, type Ended } from '../cli/run.js';
import { PODS, Stage, type Seeded } from '../cli/stage.js';
import { nightBetween } from '../package/night.js';
import type { Certs } from '../rig/certs.js';
import { freePorts, type Etcd } from '../rig/etcd.js';

/** By the name that its block has: all that was printed. */
export type Outputs = Map<string, string>;

const NAMES = ['default/web-0', 'default/web-1', 'default/web-2', 'kube-system/dns-0'];

/** The acts go on from one another, as a migration does. */
export class Acts {
  readonly outputs: Outputs = new Map();

  private constructor(
    private readonly stage: Stage,
    private readonly seeded: Seeded,
    private readonly ports: { clientPort: number; peerPort: number },
  ) {}

  static async start(): Promise<Acts> {
    const stage = await Stage.start();
    for (const name of NAMES) await stage.put(`${PODS}${name}`, 'v1');
    await stage.foreign(5);
    const seeded = await stage.seed();
    const [clientPort = 0, peerPort = 0] = await freePorts(2);
    return new Acts(stage, seeded, { clientPort, peerPort });
  }

  async end(): Promise<void> {
    await this.stage.end();
  }

  /** A follower that is there before its target, loses it for a while, and is stopped. */
  async follows(): Promise<Etcd> {
    const follower = this.#follow(`http://127.0.0.1:${this.ports.clientPort}`);
    await follower.until(({ stderr }) => stderr.includes('waiting for the target'));
    const target = await this.stage.etcd(this.seeded.base, this.ports);
    await follower.until(({ stderr }) => stderr.includes('in lockstep'));
    await target.kill();
    await follower.until(({ stderr }) => stderr.includes('waiting for the target; lag'));
    await target.restart();
    const changed = await this.#change('web-0');
    await follower.until(({ stderr }) => stderr.includes(`; revision ${changed};`));
    await this.#keep('status', ['status', ...this.#ends(target)]);
    await this.#keep('audit', ['audit', ...this.#ends(target), '--history']);
    follower.signal('SIGTERM');
    this.#note('follow', await follower.ended);
    return target;
  }

  /** Nobody follows, and the source goes on. */
  async fallsBehind(target: Etcd): Promise<void> {
    await this.#change('web-1');
    await this.#keep('status-behind', ['status', ...this.#ends(target)]);
    await this.#keep('audit-behind', ['audit', ...this.#ends(target)]);
  }

  /** Somebody else writes to another target, made of the same base. */
  async isWrittenByOthers(): Promise<void> {
    const target = await this.stage.etcd(this.seeded.base);
    const { journal } = this.seeded;
    await this.stage.follow(journal, target, '--until-synced');
    await target.ctl('put', `${PODS}default/web-1`, 'not by us');
    await target.ctl('put', `${PODS}default/web-9`, 'not by us');
    await this.#change('web-2');
    await this.stage.foreign(4);
    await this.#keep('follow-foreign', ['follow', ...this.#ends(target), '--journal', journal]);
    await this.#keep('status-trouble', ['status', ...this.#ends(target)]);
    await this.#keep('audit-different', ['audit', ...this.#ends(target)]);
  }

  /** The night: without a follower, with one that dies, as it should be, and with a late write. */
  async isCutOver(target: Etcd, certs: Certs): Promise<void> {
    const night = await nightBetween(this.stage, target, certs);
    const kube = ['--kubeconfig', night.kubeconfig, '--apiservers', night.servers.join(',')];
    const hook = ['--switch-hook', `${night.script} "$APISERVER" "$OVERRIDES"`];
    const cutover = ['cutover', ...this.#ends(target), ...kube, ...hook, '--yes', '--watch', '1s'];
    try {
      const rehearsal = ['cutover', '--rehearse', ...this.#ends(target), ...kube];
      await this.#keep('cutover-rehearse', [...rehearsal, '--sample', '1s', '--max-freeze', '3s']);
      await this.#keep('cutover-nobody-follows', cutover);
      const dies = await this.#inLockstep(target);
      night.atFreeze = async () => {
        dies.signal('SIGTERM');
        await dies.ended;
        await this.stage.foreign(1);
      };
      await this.#keep('cutover-not-drained', [...cutover, '--max-freeze', '3s']);
      delete night.atFreeze;
      const follower = await this.#inLockstep(target);
      await this.#keep('cutover', [...cutover, '--margin', '300']);
      this.#note('follow-taken-over', await follower.ended);
      await this.#change('web-1', 'written late');
      await this.#keep('cutover-alarms', cutover);
      await this.#keep('status-done', ['status', ...this.#ends(target), ...kube]);
      await this.#keep('audit-taken-over', ['audit', ...this.#ends(target)]);
      await this.#goesBack(target, [...kube, ...hook]);
    } finally {
      night.close();
    }
  }

  /** The way back is kept open; somebody still writes on the source; and then it goes back. */
  async #goesBack(target: Etcd, night: string[]): Promise<void> {
    const ends = this.#ends(target);
    const reverse = new Running([
      ...['follow', '--reverse', ...ends, '--margin', '300', '--yes'],
      ...['--status-interval', '1s'],
    ]);
    await reverse.until(({ stderr }) => stderr.includes('the way back is open'));
    await this.#change('web-0', 'written late');
    await reverse.until(({ stderr }) => stderr.includes('2 late writes'));
    const changed = await onTarget(target, 'web-2');
    await reverse.until(({ stderr }) => stderr.includes(`revision ${changed} of the target`));
    await this.#keep('status-way-back', ['status', ...ends]);
    for (const name of ['web-0', 'web-1']) await onTarget(target, name);
    await reverse.until(({ stderr }) => stderr.includes('2 late writes, 0 open'));
    reverse.signal('SIGTERM');
    this.#note('follow-reverse', await reverse.ended);
    const rollback = ['rollback', ...ends, ...night, '--margin', '300', '--yes', '--watch', '1s'];
    await this.#keep('rollback', rollback);
  }

  #ends(target: Etcd): string[] {
    return ['--endpoints', this.stage.source.endpoint, '--dest-endpoints', target.endpoint];
  }

  #follow(target: string): Running {
    const ends = ['--endpoints', this.stage.source.endpoint, '--dest-endpoints', target];
    const { journal } = this.seeded;
    return new Running(['follow', ...ends, '--journal', journal, '--status-interval', '1s']);
  }

  async #inLockstep({ endpoint }: Etcd): Promise<Running> {
    const follower = this.#follow(endpoint);
    await follower.until(({ stderr }) => stderr.includes('in lockstep'));
    return follower;
  }

  async #change(name: string, value = 'v2'): Promise<number> {
    return this.stage.put(`${PODS}default/${name}`, value);
  }

  async #keep(name: string, args: string[]): Promise<void> {
    this.#note(name, await run(args));
  }

  #note(name: string, { stderr, stdout }: Ended): void {
    this.outputs.set(name, stderr + stdout);
  }
}

/** A client of the target's, after the cutover. @returns its revision */
async function onTarget(target: Etcd, name: string): Promise<number> {
  const put = await target.ctl('put', `${PODS}default/${name}`, 'v3', '-w', 'json');
  return (JSON.parse(put) as { header: { revision: number } }).header.revision;
}
