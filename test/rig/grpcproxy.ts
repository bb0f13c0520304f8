/** `etcd grpc-proxy` in front of an etcd: what some have between themselves and their cluster. */
import { setTimeout as sleep } from 'node:timers/promises';
import { binaries } from './binaries.js';
import { Child } from './child.js';
import type { Etcd } from './etcd.js';
import { freePorts } from './ports.js';
import { memberStatus } from './rpc.js';

const HEALTHY_WITHIN_MS = 10_000;

export class GrpcProxy {
  private constructor(
    readonly endpoint: string,
    private readonly child: Child,
  ) {}

  /** Of the etcd's own version. */
  static async start(etcd: Etcd): Promise<GrpcProxy> {
    const [port = 0] = await freePorts(1);
    const child = new Child(
      binaries(etcd.version).etcd,
      [
        ...['grpc-proxy', 'start', `--endpoints=${etcd.endpoint}`],
        ...[`--listen-addr=127.0.0.1:${port}`, `--data-dir=${etcd.dataDir}.proxy-${port}`],
      ],
      `${etcd.dataDir}.proxy-${port}.log`,
    );
    const deadline = Date.now() + HEALTHY_WITHIN_MS;
    while (!(await memberStatus({ port, tls: undefined }))) {
      if (child.ended() !== undefined || Date.now() > deadline)
        throw new Error(`etcd grpc-proxy did not start:\n${child.lastLines(20)}`);
      await sleep(20);
    }
    return new GrpcProxy(`http://127.0.0.1:${port}`, child);
  }

  async stop(): Promise<void> {
    await this.child.stop();
  }
}
