import { createServer } from 'node:net';

/*
 * Below the range from which the system takes ports for outgoing connections
 * (from 32768 on Linux, 49152 elsewhere). A port out of that range may be taken
 * by any client while its etcd is down between two starts; and a client that
 * keeps dialling a dead local port of that range may in the end reach itself.
 */
const LOWEST = 15_000;
const HIGHEST = 32_000;

/** Workers of one test run: each has a part of the range, so that none takes what another has probed. */
const WORKERS = 4;
const PORTS_EACH = Math.floor((HIGHEST - LOWEST) / WORKERS);
const FIRST = LOWEST + (Number(process.env['MOCHA_WORKER_ID'] ?? 0) % WORKERS) * PORTS_EACH;

const given = new Set<number>();

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => {
      resolve(false);
    });
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      probe.close(() => {
        resolve(true);
      });
    });
  });
}

/**
 * Ports that nobody listens on, none given twice by this process. They are
 * known before anything listens there, so that a target's endpoint can be
 * named before the target exists.
 */
export async function freePorts(n: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < n; tries++) {
    if (tries > 1000 + n) throw new Error(`no ${n} free ports above ${FIRST}`);
    const port = FIRST + Math.floor(Math.random() * PORTS_EACH);
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}
