/**
 * Every command ends, whatever one of its endpoints is: silent, dripping, or swallowed by a network; on
 * either side, with TLS and without.
 *
 * What it catches. Each of these was put in, found, and taken out again:
 *   sockets in their TLS handshake that are left open, and a command that waits for them; a follower that
 *   waits out its questions to the source after a signal; a signal that ends it with the source's error
 */
import { expect } from 'chai';
import { flagsOf, type Access } from '../access/gate.js';
import { Journey, PODS, succeeded } from '../access/journey.js';
import { together } from '../faults/together.js';
import { makeCerts, type Certs } from '../rig/certs.js';
import { HalfDead, type Kind } from '../rig/halfdead.js';
import { errorOf, run, Running, type Ended } from './run.js';
import { eventually } from './stage.js';

const KINDS: readonly Kind[] = ['silent', 'drips', 'swallows'];
/** After its last line. A process that has nothing to wait for needs less to end on a busy machine. */
const ENDS_WITHIN_MS = 2000;
/** A write that is under way may take its time, a question to the source may not. */
const STOPS_WITHIN_MS = 3000;

/** Commands that ask the source, and what they end with where they are stopped before it has answered. */
const QUESTIONS: [name: string, args: (file: string) => string[], code: number][] = [
  ['seed', (at) => ['seed', '--prefix', PODS, '--journal', at, '--out', `${at}.db`], 130],
  ['audit', () => ['audit', '--prefix', PODS], 130],
  ['status', () => ['status'], 130],
  ['plan', () => ['plan', '--prefix', PODS], 130],
  ['mirror', () => ['mirror', '--prefix', PODS], 0],
  ['mirror with an end', () => ['mirror', '--prefix', PODS, '--until-synced'], 130],
];

/** What there is for each scheme. */
interface Place {
  scheme: 'http' | 'https';
  journey: Journey;
  dead: Record<Kind, HalfDead>;
}

describe('every command ends', () => {
  const places = new Map<string, Place>();
  let certs: Certs;
  let seeds = 0;

  before(async () => {
    certs = await makeCerts();
    for (const scheme of ['http', 'https'] as const) {
      const tls = { ...certs.server, ca: certs.ca.cert };
      const options = scheme === 'https' ? { tls } : {};
      const access: Access = scheme === 'https' ? { cacert: certs.ca.cert } : {};
      const journey = await Journey.start(options);
      journey.ways = { source: { ...journey.ways.source, ...access }, target: access };
      await journey.seed();
      await journey.restore(options);
      const [silent, drips, swallows] = await Promise.all(
        KINDS.map((kind) => HalfDead.start(kind)),
      );
      places.set(scheme, {
        scheme,
        journey,
        dead: { silent: silent!, drips: drips!, swallows: swallows! },
      });
    }
  });
  after(async () => {
    for (const { journey, dead } of places.values()) {
      for (const one of Object.values(dead)) one.end();
      await journey.end();
    }
    certs.remove();
  });

  const url = ({ scheme, dead }: Place, kind: Kind) => `${scheme}://127.0.0.1:${dead[kind].port}`;

  /** The flags of both sides, where one has a half-dead member before its good one. */
  function flags(place: Place, kind: Kind, side: 'source' | 'target'): Record<string, string[]> {
    const ways = place.journey.ways;
    const with_ = { ...ways[side], endpoints: `${url(place, kind)},${ways[side]['endpoints']}` };
    const source = flagsOf('source', side === 'source' ? with_ : ways.source);
    return {
      source,
      both: [...source, ...flagsOf('target', side === 'target' ? with_ : ways.target)],
    };
  }

  function ended({ lingeredMs, stderr }: Ended): void {
    expect(lingeredMs, stderr).to.be.below(ENDS_WITHIN_MS);
  }

  const tests: Record<string, () => Promise<void>> = {};
  for (const scheme of ['http', 'https'] as const)
    for (const kind of KINDS) {
      // Without TLS it is the same to a client as one that is silent.
      if (scheme === 'http' && kind === 'drips') continue;
      const place = () => places.get(scheme)!;

      tests[`${scheme}, ${kind}: seed, a member beside a good one`] = async () => {
        const { dir } = place().journey;
        const name = `${dir}/${scheme}-${seeds++}`;
        const out = ['--prefix', PODS, '--journal', name, '--out', `${name}.db`];
        const { source = [] } = flags(place(), kind, 'source');
        ended(succeeded(await run(['seed', ...source, ...out])));
      };

      for (const side of ['source', 'target'] as const)
        tests[`${scheme}, ${kind}: plan and status, a member of the ${side} beside a good one`] =
          async () => {
            const { both = [] } = flags(place(), kind, side);
            const [plan, status] = await Promise.all([
              run(['plan', ...both, '--prefix', PODS, '--sample', '1']),
              run(['status', ...both]),
            ]);
            ended(plan);
            ended(succeeded(status));
            expect(plan.stdout).to.contain(`${url(place(), kind)} does not answer`);
          };

      tests[`${scheme}, ${kind}: nobody else, so that it is an error`] = async () => {
        const { target, source } = place().journey.ways;
        const only = flagsOf('source', { ...source, endpoints: url(place(), kind) });
        const failed = await run(['status', ...only, ...flagsOf('target', target), '-w', 'json']);
        ended(failed);
        expect([2, 3, 5]).to.include(failed.code);
        expect(errorOf(failed).message).not.to.match(/undefined/);
      };

      for (const signal of ['SIGINT', 'SIGTERM'] as const)
        tests[`${scheme}, ${kind}: follow from it ends by the first ${signal}, with 0`] =
          async () => {
            const { journey } = place();
            const { target, source } = journey.ways;
            const only = flagsOf('source', { ...source, endpoints: url(place(), kind) });
            // A journal of its own, since only one may have it.
            const name = `${journey.dir}/${scheme}-${seeds++}`;
            const out = ['--prefix', PODS, '--journal', name, '--out', `${name}.db`];
            succeeded(await run(['seed', ...flagsOf('source', source), ...out]));
            const follow = ['follow', ...only, ...flagsOf('target', target), '--journal', name];
            const running = new Running([...follow, '-w', 'json']);
            // Its first status comes while the source is asked for the first time.
            await running.until(({ stdout }) => stdout !== '');
            const from = Date.now();
            running.signal(signal);
            const stopped = await running.ended;
            expect(Date.now() - from, stopped.stderr).to.be.below(STOPS_WITHIN_MS);
            ended(succeeded(stopped));
          };
    }
  for (const scheme of ['http', 'https'] as const)
    for (const [name, args, code] of QUESTIONS)
      tests[`${scheme}, silent source: ${name} ends by a signal, with ${code}`] = async () => {
        const { ways, dir } = places.get(scheme)!.journey;
        // Of its own, so that a connection there is this command's.
        const silent = await HalfDead.start('silent');
        const endpoints = `${scheme}://127.0.0.1:${silent.port}`;
        const source = flagsOf('source', { ...ways.source, endpoints });
        const target = name === 'seed' ? [] : flagsOf('target', ways.target);
        const given = args(`${dir}/signal-${seeds++}`);
        const running = new Running([...given, ...source, ...target, '-w', 'json']);
        await eventually(() => Promise.resolve(silent.connections() > 0));
        const from = Date.now();
        running.signal('SIGINT');
        const stopped = await running.ended;
        silent.end();
        expect(Date.now() - from, stopped.stderr).to.be.below(STOPS_WITHIN_MS);
        ended(stopped);
        expect(stopped.code, stopped.stderr).to.equal(code);
      };

  for (const scheme of ['http', 'https'] as const)
    tests[`${scheme}: proxies in the environment are for others`] = async () => {
      const { journey, dead } = places.get(scheme)!;
      const { source, target } = journey.ways;
      const both = [...flagsOf('source', source), ...flagsOf('target', target)];
      const proxy = `http://127.0.0.1:${dead.silent.port}`;
      const env = { http_proxy: proxy, https_proxy: proxy, grpc_proxy: proxy, no_proxy: '' };
      // Its list of members is asked for by another library than the rest.
      const plan = await run(['plan', ...both, '--prefix', PODS, '--sample', '1'], env);
      expect(plan.stdout, plan.stderr).to.contain('The one member answers');
      expect(plan.stdout).not.to.contain('does not answer');
      ended(plan);
    };
  together(tests, 12);
});
