/**
 * What it costs a follower to be looked at: two of them on one source, each with a target of its own. One
 * is let alone; the other has the listener, is scraped each second, has a page open in a browser, and
 * audits each minute. Both run at the same time, so what disturbs the one disturbs the other.
 *
 *     make bench ONLY=watched MINUTES=60
 *     make bench ONLY=watched MINUTES=5 HASTE=12    an hour's looks in five minutes, for its memory
 */
import { join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';
import { repeat } from '../../src/async/again.js';
import { freePorts } from '../../test/rig/ports.js';
import { Arrivals } from '../kit/arrivals.js';
import { Follow, lockstep } from '../kit/commands.js';
import { PODS } from '../kit/data.js';
import { Store } from '../kit/etcds.js';
import { Load } from '../kit/load.js';
import { inFolder, say } from '../kit/place.js';
import { percentile, type Row } from '../kit/result.js';
import type { Bench } from '../kit/scenario.js';
import { anonymousMiB } from '../kit/usage.js';

const MINUTES = Number(process.env['MINUTES'] ?? 3);
/** So many times more scrapes and audits. */
const HASTE = Number(process.env['HASTE'] ?? 1);
const KEYS = 2000;
/** What three etcds, two followers and a browser can do on two cores, and some room. */
const PER_SECOND = 60;
/** Per cent. */
const SHARE = 25;
/** Lags are asked for so often, so that nothing is kept for an hour. */
const SLICE_SECONDS = 30;
/** Of each follower: caches fill, code is compiled. */
const WARM_SLICES = 2;
const SAMPLE_MS = 1000;
const SCRAPE_MS = 1000 / HASTE;
const AUDIT_SECONDS = 60 / HASTE;

export async function watchedScenario(bench: Bench): Promise<Row[]> {
  return inFolder(async (folder) => {
    const source = await Store.restored(folder, await bench.snapshot(KEYS));
    const [port = 0] = await freePorts(1);
    const watched = await Followed.begin(folder, 'watched', source, [
      ...['--listen', `127.0.0.1:${port}`, '--audit-every', `${AUDIT_SECONDS}s`],
    ]);
    const alone = await Followed.begin(folder, 'alone', source, []);
    const looked = await Looked.begin(`http://127.0.0.1:${port}`);
    const slices = Math.max(WARM_SLICES + 2, Math.round((MINUTES * 60) / SLICE_SECONDS));
    const load = new Load(source.client, bench.values, KEYS);
    for (let slice = 0; slice < slices; slice++) {
      const written = new Map<string, number>();
      const rate = { perSecond: PER_SECOND, seconds: SLICE_SECONDS, share: SHARE };
      await load.steadily(rate, (stamp) => written.set(stamp, performance.now()));
      for (const one of [watched, alone]) await one.slice(written, slice >= WARM_SLICES);
      say(`${slice + 1} of ${slices}: ${watched.text}; alone ${alone.text}; ${looked.text}`);
    }
    await looked.end();
    const rows = rowsOf(watched, alone);
    await Promise.all([watched.end(), alone.end()]);
    await source.remove();
    return rows;
  });
}

function rowsOf(watched: Followed, alone: Followed): Row[] {
  const haste = HASTE === 1 ? '' : ` in haste (${HASTE} ×)`;
  const what = `${MINUTES} min${haste}, ${PER_SECOND} revisions/s, ${SHARE} % ours`;
  const lag = (name: string, at: number, atMost?: number): Row => ({
    ...{ scenario: 'watched', what: `${what}: lag, ${name}`, unit: 'ms', ratio: 'share' },
    ...{ ours: [percentile(watched.lags, at)], against: 'not watched' },
    theirs: [percentile(alone.lags, at)],
    ...(atMost === undefined ? {} : { goal: { atMost } }),
  });
  const [early, late] = [watched.memory(0), watched.memory(1)];
  return [
    lag('median', 0.5, 1.1),
    lag('p99', 0.99),
    {
      ...{ scenario: 'watched', what: `${what}: memory in the last third`, unit: 'MiB' },
      ...{ ours: [late], against: 'in the first', theirs: [early], ratio: 'share' },
      goal: { atMost: 1.1 },
      parts: { 'MiB not watched': [alone.memory(1)] },
    },
  ];
}

/** A follower, its target, and what was seen of both. */
class Followed {
  readonly lags: number[] = [];
  /** Medians of each slice. */
  readonly #memory: number[] = [];
  #samples: number[] = [];
  #slice: number[] = [];
  #arrivals: Arrivals | undefined;
  readonly #timer: NodeJS.Timeout;

  private constructor(
    private readonly target: Store,
    private readonly program: Follow,
  ) {
    this.#timer = setInterval(() => this.#samples.push(anonymousMiB(program.pid)), SAMPLE_MS);
  }

  static async begin(
    folder: string,
    name: string,
    source: Store,
    more: readonly string[],
  ): Promise<Followed> {
    const [base, journal] = [join(folder, `${name}.db`), join(folder, `${name}.journal`)];
    await lockstep(folder, [
      ...['seed', '--endpoints', source.endpoint, '--prefix', PODS],
      ...['--journal', journal, '--out', base],
    ]);
    const target = await Store.restored(folder, base);
    const program = Follow.start(folder, journal, source.endpoint, target.endpoint, more);
    await program.until((status) => status.state === 'in lockstep');
    const followed = new Followed(target, program);
    followed.#arrivals = await Arrivals.on(target);
    return followed;
  }

  async slice(written: ReadonlyMap<string, number>, counts: boolean): Promise<void> {
    this.program.check();
    this.#slice = (await this.#arrivals?.lags([...written])) ?? [];
    if (counts) {
      this.lags.push(...this.#slice);
      this.#memory.push(percentile(this.#samples, 0.5));
    }
    this.#samples = [];
  }

  /** @param third 0 for the first, 1 for the last */
  memory(third: 0 | 1): number {
    const some = Math.ceil(this.#memory.length / 3);
    return percentile(third === 0 ? this.#memory.slice(0, some) : this.#memory.slice(-some), 0.5);
  }

  get text(): string {
    const lag = percentile(this.#slice, 0.5).toFixed(1);
    return `lag ${lag} ms, ${this.#memory.at(-1)?.toFixed(0) ?? '-'} MiB`;
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    await this.program.end('SIGTERM');
    await this.target.remove();
  }
}

/** Who looks: a scraper and a browser. */
class Looked {
  readonly #stop = new AbortController();
  #scrapes = 0;
  #audits = '';
  #scraping: Promise<void> | undefined;

  private constructor(private readonly browser: Browser) {}

  static async begin(url: string): Promise<Looked> {
    const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking'];
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args });
    const page = await browser.newPage();
    await page.goto(url);
    const looked = new Looked(browser);
    looked.#scraping = repeat(SCRAPE_MS, looked.#stop.signal, () => looked.#scrape(url), undefined);
    return looked;
  }

  async #scrape(url: string): Promise<void> {
    const text = await (await fetch(`${url}/metrics`)).text();
    this.#scrapes++;
    const counted = text.matchAll(/^etcd_lockstep_audits_total\{result="(\w+)"\} (\d+)$/gm);
    this.#audits = [...counted].map(([, result, n]) => `${n ?? ''} ${result ?? ''}`).join(', ');
  }

  get text(): string {
    return `${this.#scrapes} scrapes; audits: ${this.#audits || 'none'}`;
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#scraping;
    await this.browser.close();
  }
}
