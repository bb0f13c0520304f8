/** `cutover --rehearse`: what a night on this cluster will be like, what would stop it, and its runbook. */
import { within } from '../async/within.js';
import { peersOf, type PEERS } from '../config/access.js';
import type { OptionName } from '../config/options.js';
import type { Given } from '../config/parse.js';
import type { Moving } from '../cutover/nightevents.js';
import type { RehearsalReport } from '../cutover/rehearse.js';
import type { HookRun } from '../cutover/rehearsedhooks.js';
import { runbookOf, type RunbookAbout } from '../cutover/runbook.js';
import { overrides } from '../cutover/switch.js';
import { badArgument } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import { parseResource } from '../kube/resource.js';
import type { Migration } from '../migration.js';
import { checkNewFile, writeWhole } from '../newfile.js';
import type { RehearsalFacts } from '../report/rehearsalfacts.js';
import { runbookText } from '../report/runbooktext.js';
import { EXIT_DIFFERENT, exitCodeOf, type Context } from './command.js';
import type { Apiservers } from './night.js';
import { nightCommands } from './nightcommands.js';
import { rehearseHook, REHEARSE } from './rehearsedhook.js';
import { findingText, rehearsalText } from './rehearsaltext.js';
import { Reports } from './reports.js';
import { showEvent } from './shownsteps.js';

/** What a cutover takes that a rehearsal has a use for. */
type RehearsalFlags = Given<
  'endpoints' | 'destEndpoints',
  | ('kubeconfig' | 'apiservers' | 'oldApiservers' | 'without' | 'resource')
  | ('margin' | 'quiet' | 'maxFreeze' | 'switchHook' | 'flipHook' | 'listen')
  | ('sample' | 'runbook' | 'report' | 'postponeUntil')
  | (typeof PEERS)[number]
>;

/** Does not go with it: there is no night to be shown, or to be waited for. */
const NOT_WITH = ['listen', 'postponeUntil'] as const satisfies OptionName[];
/** An etcd that has not answered by then is left out of the report. */
const CLUSTERS_WITHIN_MS = 5000;

/** @throws LockstepError BAD_ARGUMENT, FILE_EXISTS, BAD_PATH before anything is asked */
export function refuseMisfits(options: RehearsalFlags): void {
  const wrong = NOT_WITH.find((name) => options[name] !== undefined);
  if (wrong === 'listen')
    throw badArgument('--listen does not go with --rehearse', 'Leave it out: it is for the night.');
  if (wrong)
    throw badArgument(
      '--postpone-until does not go with --rehearse',
      'Rehearse now, and give it to the cutover.',
    );
}

/** @returns the exit code */
export async function rehearse(
  options: RehearsalFlags,
  context: Context,
  migration: Migration,
  { apiservers, without, oldApiservers }: Apiservers & { oldApiservers: readonly ApiServer[] },
): Promise<number> {
  refuseMisfits(options);
  const { runbook, report: files, fromFile } = options;
  if (runbook !== undefined) checkNewFile(runbook, '--runbook');
  const reports = new Reports('cutover', files, undefined, fromFile);
  const triedHooks = await tryEventHooks(context);
  const report = await migration.rehearse({
    ...{ apiservers, without, oldApiservers, resources: options.resource },
    ...{ margin: options.margin, quietMs: options.quiet * 1000 },
    ...{ maxFreezeSeconds: options.maxFreeze, sampleSeconds: options.sample },
    ...{ peers: peersOf(options), signal: context.signal },
    ...hooksOf(options, migration.targetEndpoints, context),
    onEvent: showEvent(context, () => []),
    onFinding: (finding) => {
      context.log.warn(findingText(finding).trim());
    },
  });
  report.findings.push(...triedHooks);
  const facts = await factsOf(options, context, migration, reports, report);
  reports.write(facts);
  const lines = [...reports.lines];
  if (runbook !== undefined) {
    writeWhole(runbook, runbookText(facts));
    lines.push(`runbook: ${runbook}`);
  }
  context.print({ rehearsal: report, ...reports.listed }, () =>
    [rehearsalText(report), ...lines].join('\n'),
  );
  return reports.end(exitCode(report), context);
}

function exitCode({ findings, goesThrough }: RehearsalReport): number {
  if (findings.some(({ code }) => code === 'HOOK_MOVED')) return exitCodeOf('HOOK_MOVED');
  return goesThrough ? 0 : EXIT_DIFFERENT;
}

/** Whether those that are told of events can be told: a night would not fail by it. */
async function tryEventHooks({ hooks }: Context): Promise<RehearsalReport['findings']> {
  const failed = (await hooks?.rehearse()) ?? [];
  return failed.map(({ name, why }) => ({
    ...{ weight: 'warning', about: name, code: null, hint: null },
    message: `could not be told: ${why}`,
  }));
}

function hooksOf(options: RehearsalFlags, targetEndpoints: readonly string[], { log }: Context) {
  const { switchHook, flipHook } = options;
  if (switchHook !== undefined || flipHook !== undefined)
    log.warn(
      `WARNING: hooks are run with ${REHEARSE}=1 and must move nothing. One that names ${REHEARSE} and does not heed it moves an apiserver for real; it is looked at after each`,
    );
  const env = ({ resources, epoch }: Moving) => ({
    OVERRIDES: overrides(resources, targetEndpoints),
    EPOCH: String(epoch),
  });
  const run = async (
    name: 'switchHook' | 'flipHook',
    command: string,
    given: Record<string, string>,
    signal: AbortSignal,
  ): Promise<HookRun> => rehearseHook(name, command, given, signal);
  return {
    ...(switchHook === undefined
      ? {}
      : {
          switchHook: ({ url }: ApiServer, moving: Moving, signal: AbortSignal) =>
            run('switchHook', switchHook, { ...env(moving), APISERVER: url }, signal),
        }),
    ...(flipHook === undefined
      ? {}
      : {
          flipHook: (moving: Moving, signal: AbortSignal) =>
            run('flipHook', flipHook, env(moving), signal),
        }),
  };
}

async function factsOf(
  options: RehearsalFlags,
  { signal }: Context,
  migration: Migration,
  reports: Reports,
  rehearsal: RehearsalReport,
): Promise<RehearsalFacts> {
  const { source, target } = await within(CLUSTERS_WITHIN_MS, signal, (over) =>
    migration.clustersNow(over),
  );
  const resources = rehearsal.resources.map(parseResource).filter((one) => one !== undefined);
  const about: RunbookAbout = {
    config: options.fromFile?.path ?? null,
    ...{ source: options.endpoints, target: options.destEndpoints },
    apiservers: rehearsedUrls(options, rehearsal),
    oldApiservers: options.oldApiservers ?? [],
    overrides: overrides(resources, options.destEndpoints),
    switchHook: options.switchHook !== undefined,
    flipHook: options.flipHook !== undefined,
    commands: nightCommands(options, rehearsal.margin.needed),
  };
  const { config, apiservers, oldApiservers } = about;
  return {
    format: 'etcd-lockstep/rehearsal-report/1',
    ...{ made: reports.made, source, target },
    about: {
      ...{ config, source: [...about.source], target: [...about.target] },
      ...{ apiservers: [...apiservers], oldApiservers: [...oldApiservers] },
      overrides: about.overrides,
    },
    rehearsal,
    runbook: runbookOf(about, rehearsal),
  };
}

/** As they were given; of none, the one that the kubeconfig has. */
function rehearsedUrls(
  { apiservers }: RehearsalFlags,
  { apiservers: seen }: RehearsalReport,
): readonly string[] {
  return apiservers ?? seen.filter(({ old }) => !old).map(({ apiserver }) => apiserver);
}
