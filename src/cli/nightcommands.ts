/** The commands of one cluster's night, as they are typed with what this run was given. */
import { optionOf, type OptionName } from '../config/options.js';
import { NIGHT_DEFAULTS } from '../cutover/nightoptions.js';
import type { NightCommands } from '../cutover/runbook.js';
import { resourceName } from '../kube/resource.js';
import {
  commandAgain,
  flag,
  flagAgain,
  quoted,
  sideFlags,
  writerFlags,
  type Again,
} from './typed.js';

const KUBE = ['kubeconfig', 'apiservers'] as const;
/** What cutover and rollback share. */
const SHARED = [...KUBE, 'without', 'resource', 'switchHook'] as const;
type Repeated = (typeof SHARED)[number] | 'oldApiservers' | 'flipHook';

/** @param margin what the source's rate asks for; null: as it was given */
export function nightCommands(options: Again, margin: number | null): NightCommands {
  const ends = [sideFlags('source', options), sideFlags('target', options)];
  const some = (names: readonly Repeated[]) => names.map((name) => repeated(options, name));
  const shared = some(SHARED);
  const asked = [repeated(options, 'kubeconfig'), everyApiserver(options)];
  const of = (name: string, ...parts: string[]) => commandAgain(name, options, ...parts);
  const cutover = (...more: string[]) =>
    of(
      'cutover',
      ...[sideFlags('source', options), writerFlags(options), ...shared],
      ...[...some(['oldApiservers', 'flipHook']), marginFlag(options, margin), ...more],
    );
  return {
    status: of('status', ...ends, ...some(KUBE)),
    audit: of('audit', ...ends),
    probe: of('freeze probe', ...asked),
    probeOpen: of('freeze probe', ...asked, '--open'),
    rehearse: cutover('--rehearse'),
    cutover: cutover('--listen 2390', '--report night.html'),
    rollback: of('rollback', ...ends, ...shared),
    unfreeze: of('freeze remove', ...asked, '--force'),
    watchLate: cutover('--yes', '--watch 24h'),
    retire: of('retire', ...ends, ...some([...KUBE, 'without', 'resource'])),
    saveSource: save(options, 'source'),
    saveTarget: save(options, 'target'),
  };
}

/** What is asked for where the source is too fast for what was given. */
function marginFlag(options: Again, needed: number | null): string {
  const { margin = NIGHT_DEFAULTS.margin } = options;
  if (needed !== null && needed > margin) return flag('margin', String(needed));
  return margin === NIGHT_DEFAULTS.margin ? '' : flagAgain(options, 'margin', String(margin));
}

/** All that are frozen, the old ones as well. */
function everyApiserver(options: Again): string {
  const { apiservers = [], oldApiservers = [] } = options;
  if (oldApiservers.length === 0) return repeated(options, 'apiservers');
  return flag('apiservers', [...apiservers, ...oldApiservers].join(','));
}

/** Empty where it was not given, or the config file has it. */
function repeated(options: Again, name: Repeated): string {
  const value = name === 'resource' ? options.resource?.map(resourceName) : options[name];
  if (value === undefined) return '';
  return flagAgain(options, name, typeof value === 'string' ? value : value.join(','));
}

/** With etcdctl, of one member. */
function save(options: Again, side: 'source' | 'target'): string {
  const names: OptionName[] = ['cacert', 'cert', 'key'].map((name) =>
    optionOf(side, name as 'cacert'),
  );
  const [endpoint = ''] = (side === 'source' ? options.endpoints : options.destEndpoints) ?? [];
  const tls = names.flatMap((name, i) => {
    const value = options[name];
    return typeof value === 'string'
      ? [`--${['cacert', 'cert', 'key'][i] ?? ''} ${quoted(value)}`]
      : [];
  });
  return ['etcdctl', `--endpoints ${quoted(endpoint)}`, ...tls, `snapshot save ${side}.db`].join(
    ' ',
  );
}
