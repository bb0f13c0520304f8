/**
 * Makes etcd-lockstep.json, the dashboard that Grafana imports:
 *
 *     node_modules/.bin/tsx deploy/grafana/dashboard.ts > deploy/grafana/etcd-lockstep.json
 *
 * The panels are said here once, and laid out from left to right. Nothing names a Grafana of ours: the
 * data source is a variable, and there are no ids but the panels' own numbers.
 */
import { fileURLToPath } from 'node:url';

interface Query {
  expr: string;
  legend: string;
}

interface Panel {
  title: string;
  /** What it shows, and what would be wrong. */
  about: string;
  type: 'stat' | 'timeseries' | 'state-timeline';
  unit?: string;
  /** Of 24. */
  width: number;
  queries: readonly Query[];
  /** Colours from a value on: green below the first. Turned around where low is bad. */
  steps?: readonly { color: string; value: number | null }[];
  /** A stat's text; otherwise its value. */
  shows?: 'name' | 'value';
  mappings?: Record<string, string>;
}

interface Row {
  title: string;
  height: number;
  panels: readonly Panel[];
}

const CHOSEN = 'migration=~"$migration", instance=~"$instance"';

/** A metric of what is chosen; `labels` narrows it. */
function of(name: string, labels = ''): string {
  return `etcd_lockstep_${name}{${CHOSEN}${labels === '' ? '' : `, ${labels}`}}`;
}

function perSecond(name: string): string {
  return `rate(${of(name)}[$__rate_interval])`;
}

/** Only of whoever keeps the way back open. */
function ofReverse(expr: string): string {
  return `${expr} and on (job, instance) ${of('reverse_margin_revisions')}`;
}

function query(expr: string, legend: string): Query {
  return { expr, legend: `{{instance}} ${legend}`.trim() };
}

const HIGH_IS_BAD = (warning: number, critical: number) => [
  { color: 'green', value: null },
  { color: 'orange', value: warning },
  { color: 'red', value: critical },
];
const LOW_IS_BAD = (critical: number, warning: number) => [
  { color: 'red', value: null },
  { color: 'orange', value: critical },
  { color: 'green', value: warning },
];
const YES_NO = { '0': 'no', '1': 'yes' };

const ROWS: readonly Row[] = [
  {
    title: 'Now',
    height: 5,
    panels: [
      {
        ...{ title: 'State', type: 'stat', width: 6, shows: 'name' },
        about: 'The state that each command says it is in.',
        queries: [query(`${of('state')} == 1`, '{{state}}')],
      },
      {
        ...{ title: 'Ready', type: 'stat', width: 3, mappings: YES_NO },
        about: 'Whether it does what it is for, within --ready-lag.',
        steps: LOW_IS_BAD(0, 1),
        queries: [query(of('ready'), '')],
      },
      {
        ...{ title: 'Lag', type: 'stat', unit: 's', width: 3 },
        about: 'Since the source was where the target is.',
        steps: HIGH_IS_BAD(30, 300),
        queries: [query(of('lag_seconds'), '')],
      },
      {
        ...{ title: 'Window left', type: 'stat', unit: 'percentunit', width: 3 },
        about: "Of the source's history: what is left until it forgets what the journal lacks.",
        steps: LOW_IS_BAD(0.2, 0.5),
        queries: [
          query(
            `${of('compaction_window_left_seconds')} / ${of('source_history_kept_seconds')}`,
            '',
          ),
        ],
      },
      {
        ...{ title: 'Last audit', type: 'stat', width: 3 },
        about: 'Whether the last audit that was carried through has found both sides equal.',
        mappings: { '0': 'DIFFERENT', '1': 'equal' },
        steps: LOW_IS_BAD(0, 1),
        queries: [query(of('audit_last_equal'), '')],
      },
      {
        ...{ title: 'Audited ago', type: 'stat', unit: 's', width: 3 },
        about: 'How long ago that was.',
        steps: HIGH_IS_BAD(86_400, 172_800),
        queries: [query(`time() - ${of('audit_last_timestamp_seconds')}`, '')],
      },
      {
        ...{ title: 'Trouble', type: 'stat', unit: 's', width: 3, shows: 'name' },
        about: 'What it waits for or tries again; nothing while all is well.',
        steps: [{ color: 'red', value: null }],
        queries: [query(of('trouble'), '{{code}}')],
      },
    ],
  },
  {
    title: 'Following',
    height: 8,
    panels: [
      {
        ...{ title: 'States', type: 'state-timeline', width: 12, mappings: { '1': ' ' } },
        about: 'Which state each command was in.',
        queries: [query(`${of('state')} == 1`, '{{state}}')],
      },
      {
        ...{ title: 'Lag', type: 'timeseries', unit: 's', width: 12 },
        about: 'Seconds since the source was where the target is; usually less than one.',
        queries: [query(of('lag_seconds'), '')],
      },
      {
        ...{ title: 'Heads', type: 'timeseries', unit: 'none', width: 12 },
        about: 'Both heads, and up to where the journal has all. In lockstep they are one line.',
        queries: [
          query(of('source_revision'), 'source'),
          query(of('journal_revision'), 'journal'),
          query(of('target_revision'), 'target'),
          query(of('source_compact_revision'), 'source compacted'),
        ],
      },
      {
        ...{ title: 'Behind', type: 'timeseries', unit: 'none', width: 12 },
        about: 'Revisions that the target lacks.',
        queries: [query(of('lag_revisions'), 'revisions')],
      },
      {
        ...{ title: 'Written', type: 'timeseries', unit: 'wps', width: 8 },
        about: 'What this process writes to the target, per second.',
        queries: [
          query(perSecond('written_revisions_total'), 'revisions'),
          query(of('throttle_revisions_per_second'), 'at most: {{because}}'),
          query(perSecond('written_fillers_total'), 'fillers'),
          query(perSecond('written_puts_total'), 'puts'),
          query(perSecond('written_deletions_total'), 'deletions'),
        ],
      },
      {
        ...{ title: 'Bytes written', type: 'timeseries', unit: 'Bps', width: 8 },
        about: 'Keys and values, without what etcd adds.',
        queries: [query(perSecond('written_bytes_total'), '')],
      },
      {
        ...{ title: 'Progress', type: 'timeseries', unit: 'percentunit', width: 8 },
        about: 'Of long work with an end, such as a seed.',
        queries: [query(of('progress_ratio'), '')],
      },
      {
        ...{ title: 'Journal', type: 'timeseries', unit: 'bytes', width: 8 },
        about: 'What it takes, and what its disk has left. It grows while the target is away.',
        queries: [
          query(of('journal_size_bytes'), 'journal'),
          query(of('journal_free_bytes'), 'free'),
        ],
      },
      {
        ...{ title: 'Compaction window', type: 'timeseries', unit: 's', width: 8 },
        about: 'How long the source keeps its history, and what of that is left to the journal.',
        queries: [
          query(of('source_history_kept_seconds'), 'kept'),
          query(of('compaction_window_left_seconds'), 'left'),
        ],
      },
      {
        ...{ title: 'Leases', type: 'timeseries', unit: 'none', width: 8 },
        about: 'Kept alive on the target; missed: their refreshes are not answered.',
        queries: [
          query(of('leases'), 'kept'),
          query(of('leases_missed'), 'missed'),
          query(of('lease_ends_seconds'), 'seconds until the first ends'),
        ],
      },
      {
        ...{ title: 'Retries', type: 'timeseries', unit: 'ops', width: 8 },
        about: 'What fails and is tried again, by code and side.',
        queries: [query(perSecond('retries_total'), '{{code}} {{side}}')],
      },
      {
        ...{ title: 'Trouble', type: 'state-timeline', width: 8, mappings: { '1': ' ' } },
        about: 'When it was in trouble, by code.',
        queries: [query(of('trouble'), '{{code}}')],
      },
      {
        ...{ title: 'Written by', type: 'state-timeline', width: 8, mappings: { '1': ' ' } },
        about:
          'By transactions or proposals, and why not by proposals where they were asked for; when it was held back; of two followers, when this one wrote.',
        queries: [
          query(`${of('way')} == 1`, '{{by}}'),
          query(of('way_trouble'), 'not by proposals: {{code}}'),
          query(`${of('active')} == 1`, 'active'),
          query(`${of('throttled')} == 1`, 'held back'),
        ],
      },
    ],
  },
  {
    title: 'Audits',
    height: 7,
    panels: [
      {
        ...{ title: 'Audits', type: 'timeseries', unit: 'none', width: 8 },
        about: 'How many have ended in the last hour, by result.',
        queries: [query(`increase(${of('audits_total')}[1h])`, '{{result}}')],
      },
      {
        ...{ title: 'Running', type: 'state-timeline', width: 4, mappings: YES_NO },
        about: 'Whether source and target are being compared.',
        queries: [query(of('audit_running'), '')],
      },
      {
        ...{ title: 'Keys and differences', type: 'timeseries', unit: 'none', width: 6 },
        about: 'Of the last audit that was carried through.',
        queries: [
          query(of('audit_last_keys'), 'keys'),
          query(of('audit_last_differences'), 'differences'),
        ],
      },
      {
        ...{ title: 'How long it took', type: 'timeseries', unit: 's', width: 6 },
        about: 'The last audit that was carried through.',
        queries: [query(of('audit_last_duration_seconds'), '')],
      },
    ],
  },
  {
    title: 'The night',
    height: 7,
    panels: [
      {
        ...{ title: 'Step', type: 'stat', width: 6, shows: 'name' },
        about: 'Of the cutover or the rollback that is under way.',
        queries: [query(`${of('night_step')} == 1`, '{{step}}')],
      },
      {
        ...{ title: 'Steps', type: 'state-timeline', width: 18, mappings: { '1': ' ' } },
        about: 'When each step was under way.',
        queries: [query(`${of('night_step')} == 1`, '{{step}}')],
      },
      {
        ...{ title: 'Frozen', type: 'stat', width: 3, mappings: YES_NO },
        about: 'Whether writes are refused.',
        steps: HIGH_IS_BAD(1, 2),
        queries: [query(of('frozen'), '')],
      },
      {
        ...{ title: 'Frozen for', type: 'stat', unit: 's', width: 3 },
        about: 'Since writes are refused, or in all.',
        steps: HIGH_IS_BAD(300, 900),
        queries: [query(of('frozen_seconds'), '')],
      },
      {
        ...{ title: 'Alarms', type: 'stat', unit: 'none', width: 3 },
        about: 'Of this night.',
        steps: HIGH_IS_BAD(1, 1),
        queries: [query(of('alarms'), '')],
      },
      {
        ...{ title: 'Apiservers', type: 'timeseries', unit: 'none', width: 6 },
        about: 'All, and those that have moved.',
        queries: [query(of('apiservers'), 'all'), query(of('apiservers_moved'), 'moved')],
      },
      {
        ...{ title: 'Fence', type: 'timeseries', unit: 'none', width: 9 },
        about:
          'How far the raised head is ahead, and how far it has to be. It must stay above zero.',
        queries: [
          query(of('fence_ahead_revisions'), 'ahead'),
          query(of('fence_margin_revisions'), 'margin'),
        ],
      },
    ],
  },
  {
    title: 'The way back',
    height: 7,
    panels: [
      {
        ...{ title: 'The source is behind', type: 'timeseries', unit: 's', width: 8 },
        about:
          'Seconds since the target was where the source is, and since all late writes were known; usually less than one.',
        queries: [
          query(ofReverse(of('lag_seconds')), ''),
          query(of('reverse_late_seen_lag_seconds'), 'late writes'),
        ],
      },
      {
        ...{ title: 'Brought', type: 'timeseries', unit: 'wps', width: 8 },
        about: 'Keys that are put and deleted on the source, per second.',
        queries: ['puts', 'deletions'].map((what) =>
          query(ofReverse(perSecond(`written_${what}_total`)), what),
        ),
      },
      {
        ...{ title: 'Margin', type: 'timeseries', unit: 'none', width: 8 },
        about:
          "How far the source's head is above the target's. It is raised before it is used up.",
        queries: [query(of('reverse_margin_revisions'), '')],
      },
      {
        ...{ title: 'Late writes', type: 'stat', unit: 'none', width: 4 },
        about: 'On the source since the cutover; none is as it should be.',
        steps: HIGH_IS_BAD(1, 1),
        queries: [query(`sum by (instance) (${of('reverse_late_writes')})`, '')],
      },
      {
        ...{ title: 'Late writes by what became of them', type: 'timeseries', width: 8 },
        about: 'Open: as somebody has written them, and not as the target has them.',
        queries: [query(of('reverse_late_writes'), '{{state}}')],
      },
      {
        ...{ title: 'Position', type: 'timeseries', unit: 'none', width: 12 },
        about: "The target's head, and up to where the source has all of it: one line.",
        queries: [
          query(ofReverse(of('target_revision')), 'target'),
          query(of('reverse_revision'), 'the source has'),
        ],
      },
    ],
  },
  {
    title: 'The process',
    height: 7,
    panels: [
      {
        ...{ title: 'Version', type: 'stat', width: 6, shows: 'name' },
        about: 'What runs where.',
        queries: [query(of('build_info'), '{{command}} {{version}}')],
      },
      {
        ...{ title: 'Processor', type: 'timeseries', unit: 'percentunit', width: 6 },
        about: 'Of one core.',
        queries: [query(`rate(process_cpu_seconds_total{${CHOSEN}}[$__rate_interval])`, '')],
      },
      {
        ...{ title: 'Memory', type: 'timeseries', unit: 'bytes', width: 6 },
        about: 'Resident. It does not grow with the data.',
        queries: [query(`process_resident_memory_bytes{${CHOSEN}}`, '')],
      },
      {
        ...{ title: 'Event loop', type: 'timeseries', unit: 's', width: 6 },
        about: 'How late what is due is done, 99th percentile.',
        queries: [query(`nodejs_eventloop_lag_p99_seconds{${CHOSEN}}`, '')],
      },
    ],
  },
];

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };
const COLUMNS = 24;

function panelJson(panel: Panel, id: number, gridPos: object): object {
  const { title, about, type, unit = 'none', queries, steps, shows = 'value' } = panel;
  const texts = Object.entries(panel.mappings ?? {}).map(
    ([value, text], index): [string, object] => [value, { index, text }],
  );
  return {
    ...{ id, type, title, description: about, datasource: DATASOURCE, gridPos },
    fieldConfig: {
      defaults: {
        unit,
        mappings: texts.length > 0 ? [{ type: 'value', options: Object.fromEntries(texts) }] : [],
        ...(steps ? { thresholds: { mode: 'absolute', steps } } : {}),
        ...(type === 'timeseries' ? { custom: { fillOpacity: 8, showPoints: 'never' } } : {}),
      },
      overrides: [],
    },
    options: type === 'stat' ? { textMode: shows, reduceOptions: { calcs: ['lastNotNull'] } } : {},
    targets: queries.map(({ expr, legend }, i) => ({
      refId: String.fromCharCode(65 + i),
      ...{ datasource: DATASOURCE, expr, legendFormat: legend },
      // A stat is about now: what has ended is not.
      ...(type === 'stat' ? { instant: true } : { range: true }),
    })),
  };
}

/** From left to right, and on the next line where one is full. */
function layOut(rows: readonly Row[]): object[] {
  const all: object[] = [];
  let y = 0;
  for (const { title, height, panels } of rows) {
    const gridPos = { x: 0, y, w: COLUMNS, h: 1 };
    all.push({ id: all.length + 1, type: 'row', title, collapsed: false, panels: [], gridPos });
    y++;
    let x = 0;
    for (const panel of panels) {
      if (x + panel.width > COLUMNS) [x, y] = [0, y + height];
      all.push(panelJson(panel, all.length + 1, { x, y, w: panel.width, h: height }));
      x += panel.width;
    }
    y += height;
  }
  return all;
}

/** One that is chosen from what Prometheus has. */
function variable(name: string, metric: string): object {
  const asked = `label_values(${metric}, ${name})`;
  return {
    ...{ name, type: 'query', datasource: DATASOURCE, definition: asked },
    query: { query: asked, refId: name },
    ...{ refresh: 2, sort: 1, multi: true, includeAll: true },
    // Who has no such label is all, too.
    ...(name === 'migration' ? { allValue: '.*' } : {}),
    current: { text: 'All', value: '$__all' },
  };
}

export function dashboard(): object {
  return {
    ...{ title: 'etcd-lockstep', uid: 'etcd-lockstep', tags: ['etcd', 'etcd-lockstep'] },
    description: 'Source and target in lockstep, audits, the night of a cutover, and the way back.',
    ...{ schemaVersion: 39, version: 1, editable: true, graphTooltip: 1, refresh: '10s' },
    time: { from: 'now-1h', to: 'now' },
    templating: {
      list: [
        { name: 'datasource', type: 'datasource', query: 'prometheus', label: 'data source' },
        variable('migration', 'etcd_lockstep_build_info'),
        variable('command', 'etcd_lockstep_build_info{migration=~"$migration"}'),
        variable(
          'instance',
          'etcd_lockstep_build_info{migration=~"$migration", command=~"$command"}',
        ),
      ],
    },
    annotations: { list: [] },
    panels: layOut(ROWS),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.stdout.write(`${JSON.stringify(dashboard(), null, 2)}\n`);
