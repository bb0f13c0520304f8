/** An apiserver as one process sees it. */
import { pause } from '../../src/async/again.js';
import { LockstepError } from '../../src/errors.js';
import type { Answer } from '../../src/kube/answer.js';
import { ApiServer, type HttpMethod, type Query } from '../../src/kube/api.js';
import { touchesFreeze, type KubeRequest, type KubeServer } from './kube.js';
import type { Planted } from './machine.js';
import type { Process } from './process.js';

/** Told of each request that has changed something. */
export type OnKube = (request: KubeRequest) => void;

export class SimulatedApiServer extends ApiServer {
  constructor(
    private readonly process: Process,
    readonly server: KubeServer,
    private readonly planted: Planted,
    private readonly onKube: OnKube,
  ) {
    super(server.url, () => Promise.reject(new Error('nothing is sent')));
  }

  override get(path: string, query: Query = {}): Promise<Answer> {
    return this.#request({ method: 'GET', path, body: undefined, query });
  }

  override send(
    method: Exclude<HttpMethod, 'GET'>,
    path: string,
    body?: unknown,
    query: Query = {},
  ): Promise<Answer> {
    return this.#request({ method, path, body, query });
  }

  override close(): void {
    // There is no connection.
  }

  async #request(meant: KubeRequest): Promise<Answer> {
    const { kube, refusesProbes = false, answeredForDead = false } = this.planted;
    const request = kube?.(meant) ?? meant;
    const { method, path } = request;
    const asked = `${method} ${this.url}${path}`;
    const matters = touchesFreeze(request);
    const label = `${this.server.name}: ${method} ${matters ? 'freeze' : path}`;
    const answer = await this.process.call('kube', label, matters, () => {
      const server = answeredForDead ? this.server.orAnother : this.server;
      if (server.down !== undefined) throw unavailable(asked, server.down);
      const { status, body } = server.answer(request, refusesProbes);
      if (matters && method !== 'GET' && status < 300) this.onKube(request);
      return { status, body, asked };
    });
    if (this.server.answersMs > 0) await pause(this.server.answersMs);
    return answer;
  }
}

function unavailable(asked: string, why: string): LockstepError {
  return new LockstepError('KUBE_UNAVAILABLE', `${asked}: ${why}`);
}
