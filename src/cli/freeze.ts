/** etcd-lockstep freeze */
import type { Command } from 'commander';
import type { Options } from '../config/options.js';
import { badArgument } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import { withKube } from '../kube/config.js';
import { applyFreeze, freezeWay, frozenSince, removeFreeze } from '../kube/freeze.js';
import { freezeObjects } from '../kube/manifests.js';
import { probe, type Check, type Expected, type ProbeReport } from '../kube/probe.js';
import { resourceName } from '../kube/resource.js';
import { toYaml } from '../kube/yaml.js';
import { table } from '../status/format.js';
import { EXIT_DIFFERENT, register, type Context } from './command.js';

type FreezeOptions = Pick<Options, 'resource'> &
  Partial<Pick<Options, 'kubeconfig' | 'apiservers' | 'way' | 'open'>>;

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
    required: ['resource'],
    optional: ['kubeconfig', 'apiservers', 'way', 'open'],
    example:
      'etcd-lockstep freeze probe --kubeconfig admin.conf --apiservers https://10.0.0.1:6443,https://10.0.0.2:6443',
    run: async (options, context, name) => {
      const action = ACTIONS[name];
      if (!action && name !== 'print')
        throw badArgument(
          `freeze ${name}: no such action`,
          'It is one of print, apply, remove and probe.',
        );
      if (options.open && name !== 'probe')
        throw badArgument('--open goes with freeze probe alone', 'Leave it out.');
      if (!action && options.way) return printObjects(options, options.way, context);
      return withKube(options.kubeconfig, options.apiservers, async (apis) =>
        action
          ? action(apis, options, context)
          : printObjects(options, await freezeWay(apis), context),
      );
    },
  });
}

async function printObjects(
  { resource }: FreezeOptions,
  way: NonNullable<FreezeOptions['way']>,
  { print }: Context,
): Promise<number> {
  const objects = freezeObjects(resource, way);
  const yaml = await toYaml(objects);
  print({ apiVersion: 'v1', kind: 'List', items: objects }, () => yaml.trimEnd());
  return 0;
}

async function apply(
  apis: readonly ApiServer[],
  options: FreezeOptions,
  context: Context,
): Promise<number> {
  const way = options.way ?? (await freezeWay(apis));
  const since = await applyFreeze(apis, options.resource, way, waiting(context));
  const result = {
    frozen: true,
    since: since?.toISOString() ?? null,
    way,
    ...resultFor(apis, options),
  };
  context.print(result, () => {
    return `FROZEN since ${result.since ?? '?'} by a ${way}: ${result.resources.join(', ')}\n${servers(apis)}`;
  });
  return 0;
}

async function remove(
  apis: readonly ApiServer[],
  options: FreezeOptions,
  context: Context,
): Promise<number> {
  await removeFreeze(apis, options.resource, waiting(context));
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

function waiting({ signal, log }: Context): Parameters<typeof removeFreeze>[2] {
  return {
    signal,
    onWait: (apiserver, checks) => {
      log.info(
        `waiting for ${apiserver}: ${checks.map(({ what, got }) => `${what} ${got}`).join(', ')}`,
      );
    },
  };
}

async function probeAll(
  apis: readonly ApiServer[],
  { resource, open }: FreezeOptions,
  { print }: Context,
): Promise<number> {
  const expected: Expected = open ? 'open' : 'frozen';
  const reports = await Promise.all(apis.map((api) => probe(api, resource, expected)));
  const since = apis[0] && (await frozenSince(apis[0]));
  const ok = reports.every((report) => report.ok);
  const result = { ok, expected, since: since?.toISOString() ?? null, apiservers: reports };
  print({ probe: result }, () => {
    const verdict = ok ? `AS EXPECTED (${expected})` : `NOT AS EXPECTED (${expected})`;
    return [...reports.map(reportText), verdict].join('\n');
  });
  return ok ? 0 : EXIT_DIFFERENT;
}

function reportText({ apiserver, on, checks }: ProbeReport): string {
  return [
    apiserver,
    ...on.map(({ resource, object }) =>
      object === null
        ? `  no ${resource} there to ask on: only what needs none was asked`
        : `  asked on ${resource} ${object}, without effect`,
    ),
    table([['', 'expected', 'answer', ''], ...checks.map(row)]),
    '',
  ].join('\n');
}

function row({ what, expected, got, ok }: Check): string[] {
  return [what, expected, got, ok ? '' : 'NOT OK'];
}
