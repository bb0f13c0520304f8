/** What a night will be like, as rows: what, how long or how many, and how that is known. 80 columns hold them. */
import type { RehearsalReport } from '../cutover/rehearse.js';
import { count, duration } from '../text.js';

type Measured = Pick<RehearsalReport, 'audit' | 'live' | 'margin' | 'outlook'>;

export type OutlookRow = [what: string, expected: string, from: string];

const NOT_KNOWN = 'not known';

export function outlookRows(r: Measured): OutlookRow[] {
  return [...freezeRows(r), ...sourceRows(r)];
}

function freezeRows({ outlook }: Measured): OutlookRow[] {
  if (!outlook) return [['writes refused for', NOT_KNOWN, 'nothing could be measured']];
  const { own, knownSeconds, freeze, rolling, flipSeconds } = outlook;
  const short = (seconds: number) => `${seconds.toFixed(2)} s`;
  const about = (seconds: number | null) =>
    seconds === null ? NOT_KNOWN : `about ${duration(seconds)}`;
  return [
    ...(freeze.way === 'rolling'
      ? ([
          ['writes refused for', about(freeze.rolling), 'rolling: the sum of what is below'],
          [
            'pre-warmed it would be',
            `about ${duration(own.seconds + knownSeconds)}`,
            'and the flip of the load balancer',
          ],
        ] as OutlookRow[])
      : ([
          ['writes refused for', about(freeze.prewarmed), 'pre-warmed: the sum of what is below'],
        ] as OutlookRow[])),
    ['our share', short(own.seconds), 'drain, compare, takeover, fence'],
    ['  drain', short(own.drain), 'measured: the quiet time, and the watch'],
    ['  compare', short(own.compare), 'measured: until the target had it'],
    ['  takeover', short(own.takeover), "estimated, by the target's round trip"],
    ['  fence', short(own.fence), "estimated, by the target's round trip"],
    ['freeze and unfreeze', short(knownSeconds), 'estimated: until each apiserver knows'],
    freeze.way === 'rolling'
      ? [
          'restarts',
          rolling.seconds === null ? NOT_KNOWN : duration(rolling.seconds),
          `told by the hook, for ${rolling.told} of ${rolling.of}`,
        ]
      : [
          'the flip',
          flipSeconds === null ? NOT_KNOWN : duration(flipSeconds),
          flipSeconds === null ? 'no hook has told' : 'told by the hook',
        ],
  ];
}

function sourceRows({ audit, live, margin }: Measured): OutlookRow[] {
  const rows: OutlookRow[] = [];
  if (audit)
    rows.push([
      'the audit before it',
      duration(audit.seconds),
      `measured: ${count(audit.keys)} keys`,
    ]);
  if (!live) return rows;
  const share = Math.round((live.quiet / live.windows) * 100);
  return [
    ...rows,
    ['quiet now', `${share}%`, `of ${count(live.windows)} looks; in the freeze all of them`],
    ["the source's rate", `${live.revisionsPerSecond.toFixed(1)} a second`, 'measured: revisions'],
    [
      'margin',
      count(margin.given),
      `as given; the rate asks for ${count(margin.needed ?? margin.given)}`,
    ],
  ];
}
