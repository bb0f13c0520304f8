/** etcd-lockstep freeze */
import type { Command } from 'commander';
import type { Options } from '../config/options.js';
import { freezeByHand, thawByHand } from '../cutover/byhand.js';
import { badArgument } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import type { FreezeCheck } from '../kube/ask.js';
import { withKube } from '../kube/config.js';
import { Freeze, whoHas } from '../kube/freeze.js';
import type { FreezingOptions } from '../kube/freezing.js';
import { freezeObjects } from '../kube/manifests.js';
import { probe, type Expected, type ProbeReport } from '../kube/probe.js';
import { PODS, resourceName } from '../kube/resource.js';
import { freezeWay } from '../kube/way.js';
import { toYaml } from '../kube/yaml.js';
import { table } from '../text.js';
import { EXIT_DIFFERENT, register, type Context } from './command.js';

type FreezeOptions = Pick<Options, 'resource'> &
  Partial<Pick<Options, 'kubeconfig' | 'apiservers' | 'way' | 'open' | 'force'>>;

/** With the apiservers that are asked. */
type Action = (
  apis: readonly ApiServer[],
  options: FreezeOptions,
  context: Context,
) => Promise<number>;

const ACTIONS: Record<string, Action> = { apply, remove, probe: probeAll };

export function freezeCommand(program: Command): void {
  register(program, {
    name: 'freeze',
    description:
      'Stop every write to a resource in Kubernetes, and nothing else; print, apply or remove that, or probe every apiserver.',
    argument: ['action', 'print, apply, remove or probe'],
    required: [],
    optional: ['resource', 'kubeconfig', 'apiservers', 'way', 'open', 'force'],
    help: { resource: 'resources to freeze, as kubectl names them (default: pods)' },
    example:
      'etcd-lockstep freeze probe --kubeconfig admin.conf --apiservers https://10.0.0.1:6443,https://10.0.0.2:6443',
    run: async ({ resource = [PODS], ...given }, context, name) => {
      const options = { ...given, resource };
      const action = ACTIONS[name];
      if (!action && name !== 'print')
        throw badArgument(
          `freeze ${name}: no such action`,
          'It is one of print, apply, remove and probe.',
        );
      if (options.open && name !== 'probe')
        throw badArgument('--open goes with freeze probe alone', 'Leave it out.');
      if (options.force && name !== 'remove')
        throw badArgument('--force goes with freeze remove alone', 'Leave it out.');
      if (!action && options.way) return printObjects(options, options.way, context);
      return withKube(options.kubeconfig, options.apiservers, async (apis) =>
        action
          ? action(apis, options, context)
          : printObjects(options, await freezeWay(apis), context),
      );
    },
  });
}

function printObjects(
  { resource }: FreezeOptions,
  way: NonNullable<FreezeOptions['way']>,
  { print }: Context,
): number {
  const objects = freezeObjects(resource, way);
  const yaml = toYaml(objects);
  print({ apiVersion: 'v1', kind: 'List', items: objects }, () => yaml.trimEnd());
  return 0;
}

async function apply(
  apis: readonly ApiServer[],
  options: FreezeOptions,
  context: Context,
): Promise<number> {
  const freeze = await freezeByHand(freezingOptions(apis, options, context));
  const result = {
    frozen: true,
    since: freeze.since.toISOString(),
    way: freeze.way,
    ...resultFor(apis, options),
  };
  context.print(result, () => {
    return `FROZEN since ${result.since} by a ${result.way}: ${result.resources.join(', ')}\n${servers(apis)}`;
  });
  return 0;
}

async function remove(
  apis: readonly ApiServer[],
  options: FreezeOptions,
  context: Context,
): Promise<number> {
  await thawByHand(freezingOptions(apis, options, context), options.force);
  const result = { frozen: false, since: null, way: null, ...resultFor(apis, options) };
  context.print(result, () => `OPEN: ${result.resources.join(', ')}\n${servers(apis)}`);
  return 0;
}

function resultFor(
  apis: readonly ApiServer[],
  { resource }: FreezeOptions,
): { resources: string[]; apiservers: string[] } {
  return { resources: resource.map(resourceName), apiservers: apis.map(({ url }) => url) };
}

function servers(apis: readonly ApiServer[]): string {
  return apis.map(({ url }) => `  ${url}`).join('\n');
}

function freezingOptions(
  apiservers: readonly ApiServer[],
  { resource, way }: FreezeOptions,
  { signal, note }: Context,
): FreezingOptions {
  return {
    ...{ apiservers, signal, resources: resource },
    ...(way === undefined ? {} : { way }),
    onNote: note,
    leaveOut: (apiserver) => `leave ${apiserver} out of --apiservers`,
  };
}

async function probeAll(
  apis: readonly ApiServer[],
  { resource, open }: FreezeOptions,
  { print }: Context,
): Promise<number> {
  const expected: Expected = open ? 'open' : 'frozen';
  const reports = await Promise.all(apis.map((api) => probe(api, resource, expected)));
  const found = await Freeze.find(apis);
  const ok = reports.every((report) => report.ok);
  const result = {
    ...{ ok, expected },
    since: found?.since.toISOString() ?? null,
    owner: found?.owner?.text ?? null,
    held: found?.held ?? false,
    apiservers: reports,
  };
  print({ probe: result }, () => {
    const verdict = ok ? `AS EXPECTED (${expected})` : `NOT AS EXPECTED (${expected})`;
    const freeze = found ? [`The freeze: ${whoHas(found)}`] : [];
    return [...reports.map(reportText), ...freeze, verdict].join('\n');
  });
  return ok ? 0 : EXIT_DIFFERENT;
}

function reportText({ apiserver, on, checks }: ProbeReport): string {
  const none = on.filter(({ object }) => object === null);
  return [
    apiserver,
    ...none.map(
      ({ resource }) => `  no ${resource} there to ask on: only what needs none was asked`,
    ),
    table([['', 'expected', 'answer', 'asked on', ''], ...checks.map(row)]),
    ...checks
      .filter(({ why }) => why !== null)
      .map(({ what, why }) => `  ${what} is not asked: ${why}`),
    '',
  ].join('\n');
}

function row({ what, expected, got, on, ok }: FreezeCheck): string[] {
  return [what, expected, got, on ?? '', ok ? '' : 'NOT OK'];
}
