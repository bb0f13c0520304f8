import { createServer } from 'node:net';

/*
 * Below the range from which the system takes ports for outgoing connections
 * (from 32768 on Linux, 49152 elsewhere). A port out of that range may be taken
 * by any client while its etcd is down between two starts; and a client that
 * keeps dialling a dead local port of that range may in the end reach itself.
 */
const LOWEST = 15_000;
const HIGHEST = 32_000;

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
    if (tries > 1000 + n) throw new Error(`no ${n} free ports in ${LOWEST}..${HIGHEST}`);
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}
