/**
 * The one table of options: what each is called, means and takes.
 *
 * A flag is called as etcdctl calls it. Flag and variable follow from the name here: `untilRevision` is
 * `--until-revision` and `LOCKSTEP_UNTIL_REVISION`. (Not ETCD_…: each etcd that is started in the same
 * shell logs such variables with what they hold, passwords too.) What says how to reach a side is
 * declared once, and is there twice: for the source, and with `dest` in front for the target.
 *
 * What belongs to a migration has one place in its config file, too (`inFile`). What belongs to one run
 * has none: where it ends, a consent, what it is forced to.
 *
 * A help text is true for every command that takes the option; where there is more to say, a command
 * has its own (`help` in its CommandSpec).
 */
import { z } from 'zod';
import { WAYS } from '../kube/manifests.js';
import type { Side } from '../wire/side.js';
import {
  asTyped,
  choice,
  duration,
  file,
  folder,
  inFile,
  list,
  listenAddress,
  listenerAddress,
  onOff,
  revision,
  secret,
  size,
  text,
  whole,
  withDefault,
  wordOrFile,
  type OptionSpec,
} from './kinds.js';
import { postponed } from './postponed.js';
import { isMisread, quotePrefix, splitPrefixes } from './prefixlist.js';
import {
  apiservers,
  endpoints,
  MISREAD,
  peers,
  prefixes,
  reportFiles,
  resources,
  shellCommands,
  webhooks,
} from './shapes.js';

/** How to reach a side, and how to be let in. */
function sideOptions(side: Side, userFlag: string) {
  return {
    endpoints: inFile(
      `${side}.endpoints`,
      list('urls', `${side} etcd: every member, e.g. http://10.0.0.1:2379`, endpoints(userFlag)),
    ),
    cacert: inFile(`${side}.cacert`, file(`CA that the ${side}'s certificates are checked with`)),
    cert: inFile(`${side}.cert`, file(`client certificate for the ${side}`)),
    key: inFile(`${side}.key`, file(`key of the client certificate for the ${side}`)),
    user: inFile(
      `${side}.user`,
      secret(
        text(
          'name[:password]',
          `user on the ${side}; asks for the password if it is given nowhere`,
        ),
      ),
    ),
    password: inFile(
      `${side}.password`,
      secret(
        text('password', 'its password; better in the variable or a file, out of the process list'),
      ),
    ),
    passwordFile: inFile(`${side}.passwordFile`, file('file with its password')),
  };
}

const SOURCE = sideOptions('source', '--user');
const TARGET = forTarget(sideOptions('target', '--dest-user'));

export type SideOption = keyof typeof SOURCE;
type TargetName<K extends string> = `dest${Capitalize<K>}`;

function forTarget<T extends object>(
  options: T,
): { [K in keyof T & string as TargetName<K>]: T[K] } {
  const renamed = Object.entries(options).map(([name, spec]) => [onTarget(name), spec as unknown]);
  return Object.fromEntries(renamed) as ReturnType<typeof forTarget<T>>;
}

function onTarget<K extends string>(name: K): TargetName<K> {
  return `dest${name.charAt(0).toUpperCase()}${name.slice(1)}` as TargetName<K>;
}

export const OPTIONS = {
  ...SOURCE,
  ...TARGET,
  prefix: inFile(
    'prefixes',
    list(
      'prefixes',
      String.raw`keys to move, e.g. /registry/pods/; typed, a comma in a prefix is \,`,
      prefixes,
      splitPrefixes,
      quotePrefix,
    ),
  ),
  allowEmpty: onOff('go on where no key begins with a prefix'),
  journal: inFile('journal', folder('directory of the journal')),
  out: inFile(
    'base',
    file('base to write: a snapshot file for `etcdutl snapshot restore`; must not exist'),
  ),
  from: inFile(
    'seed.from',
    withDefault(
      'range',
      wordOrFile(
        'way',
        ['range', 'snapshot'],
        'how to read the base: range (pages of the prefixes), snapshot (the whole store, cropped), or a snapshot file: a backup of last night, say',
      ),
    ),
  ),
  untilRevision: revision('end when the target stands at this revision'),
  untilSynced: onOff('end when the target has all that the source had when it was asked last'),
  destPeers: inFile(
    'target.peers',
    list(
      'urls',
      'write by proposals, many revisions at once, through these peer URLs of the target, or `members`: those that it names itself (default: by transactions)',
      peers,
    ),
  ),
  destPeerCacert: inFile(
    'target.peerCacert',
    file("CA that the certificates of the target's peer port are checked with"),
  ),
  destPeerCert: inFile('target.peerCert', file("client certificate for the target's peer port")),
  destPeerKey: inFile(
    'target.peerKey',
    file("key of the client certificate for the target's peer port"),
  ),
  reverse: onOff(
    'after a cutover: keep the source current with what is written on the target, so that a rollback is short; writes to the source',
  ),
  noReverse: inFile(
    'cutover.noReverse',
    onOff('end when it is done, and leave the source as it is: a rollback then brings all at once'),
  ),
  repair: onOff(
    'go on where history is lost: over a gap in the source, with a journal made anew from the target',
  ),
  again: onOff(
    'take a target that was rolled back from into lockstep again, where every key can be made exact',
  ),
  maxRate: inFile(
    'follow.maxRate',
    whole(
      'n',
      1,
      1_000_000,
      'revisions written to the target in a second, at most, while it catches up, too (default: as many as go)',
    ),
  ),
  destPrefix: inFile(
    'mirror.destPrefix',
    text(
      'prefix',
      'what keys begin with on the target in place of --prefix',
      z
        .string()
        .min(1, 'must not be empty')
        .refine((prefix) => !isMisread(prefix), MISREAD),
    ),
  ),
  noDestPrefix: inFile(
    'mirror.noDestPrefix',
    onOff('keys stand on the target without --prefix, and nothing in its place'),
  ),
  rev: revision('mirror what happens from this revision on, not what was there before'),
  maxTxnOps: inFile(
    'mirror.maxTxnOps',
    withDefault(
      '128',
      whole(
        'n',
        8,
        65_536,
        "operations in one transaction, at most the target's own --max-txn-ops",
      ),
    ),
  ),
  prune: onOff("remove keys of the target's prefix that the source does not have"),
  values: inFile(
    'audit.values',
    onOff('what a mirror has brought: compare values and leases; revisions are others there'),
  ),
  revision: revision("revision to compare at (default: the target's head)"),
  standby: inFile(
    'follow.standby',
    onOff(
      'be one of two: write only while the other follower of this target does not; each with a journal of its own',
    ),
  ),
  standbyAfter: inFile(
    'follow.standbyAfter',
    withDefault(
      '15s',
      duration(
        '2s',
        '1h',
        'take the target over when it has not moved for so long, although the source has',
      ),
    ),
  ),
  history: inFile('audit.history', onOff('compare every event that both sides still hold, too')),
  auditEvery: inFile(
    'audit.every',
    duration('1s', '720h', 'compare both sides so often while following (default: not)'),
  ),
  auditRate: inFile(
    'audit.rate',
    withDefault(
      '4MiB',
      size('64KiB', '1GiB', 'bytes that such an audit reads of each side in a second, at most'),
    ),
  ),
  report: list(
    'files',
    'write a report to sign: FILE.html, FILE.json or both; must not exist',
    reportFiles,
  ),
  maxLag: duration(
    '100ms',
    '24h',
    'a check: exit code 1 unless the target has by then what the source has now',
  ),
  split: list(
    'names',
    'resources that get an etcd each, as kubectl names them: pods,leases,events',
    resources,
  ),
  sample: withDefault(
    '10s',
    duration('1ms', '24h', 'how long the source is watched to see what it writes'),
  ),
  kubeconfig: inFile(
    'kubernetes.kubeconfig',
    file('kubeconfig of an administrator (default: as kubectl finds it)'),
  ),
  apiservers: inFile(
    'kubernetes.apiservers',
    list(
      'urls',
      "every apiserver at its own address (default: the kubeconfig's server alone)",
      apiservers,
    ),
  ),
  oldApiservers: inFile(
    'kubernetes.oldApiservers',
    list(
      'urls',
      'apiservers that serve now and will be gone, where those of --apiservers were pre-warmed on the target',
      apiservers,
    ),
  ),
  without: list(
    'urls',
    'apiservers that are dead and stay so: they are left out, and must not answer until the end',
    apiservers,
  ),
  resource: inFile(
    'kubernetes.resources',
    list(
      'names',
      'resources that are moved, as kubectl names them (default: what the target holds)',
      resources,
    ),
  ),
  way: inFile(
    'kubernetes.freezeWay',
    choice(
      'way',
      WAYS,
      'how to freeze: policy (Kubernetes 1.30 and later) or webhook (default: what the apiservers have)',
    ),
  ),
  open: onOff('probe: nothing should be refused'),
  force: onOff(
    'remove: also the freeze of a cutover or rollback; once the target is taken over, what is written then may be lost',
  ),
  margin: inFile(
    'cutover.margin',
    withDefault(
      '1000',
      whole(
        'n',
        1,
        10_000_000,
        "revisions that the target's head is kept above the source's, at least",
      ),
    ),
  ),
  quiet: inFile(
    'cutover.quiet',
    withDefault(
      '300ms',
      duration('0s', '10m', 'so long without a write a side counts as quiet, once it is frozen'),
    ),
  ),
  maxFreeze: inFile(
    'cutover.maxFreeze',
    withDefault(
      '30s',
      duration('1ms', '24h', 'let writes in again if the target is not found equal by then'),
    ),
  ),
  watch: inFile(
    'cutover.watch',
    withDefault(
      '60s',
      duration('0s', '24h', 'watch so long for writes that go to the side that was left'),
    ),
  ),
  switchHook: inFile(
    'kubernetes.switchHook',
    text(
      'command',
      'shell command that moves one apiserver; finds it in $APISERVER, what to set in $OVERRIDES, and in $EPOCH a number that is higher in each later run',
    ),
  ),
  flipHook: inFile(
    'kubernetes.flipHook',
    text(
      'command',
      'shell command that takes clients to the pre-warmed apiservers and stops the old ones',
    ),
  ),
  rehearse: onOff(
    'all but the freeze and the switch: what the night will be like, and all that would stop it; hooks get REHEARSE=1',
  ),
  runbook: file(
    'with --rehearse: write a runbook with the commands of this cluster, Markdown; must not exist',
  ),
  postponeUntil: postponed(
    'begin with the freeze when this file is gone, or at this time (02:30, 2026-12-01T02:30:00Z); until then all is checked over and over',
  ),
  rate: inFile(
    'retire.rate',
    withDefault('1000', whole('keys', 1, 1_000_000, 'keys to remove in a second, at most')),
  ),
  listen: inFile(
    'listen',
    listenAddress(
      'show how it goes over HTTP: a page, metrics, health; on loopback unless a host is given (default: nowhere)',
    ),
  ),
  onEvent: inFile(
    'hooks.onEvent',
    secret(
      list(
        'command',
        'shell command that is run for each event: finds it as JSON on stdin, its name in $LOCKSTEP_EVENT; again: one more',
        shellCommands,
        asTyped,
      ),
    ),
  ),
  webhook: inFile(
    'hooks.webhook',
    secret(
      list(
        'url',
        'where each event is sent to as JSON, by POST; again: one more',
        webhooks,
        asTyped,
      ),
    ),
  ),
  readyLag: inFile(
    'readyLag',
    withDefault(
      '10s',
      duration('1s', '24h', 'how far behind it may be and still call itself ready'),
    ),
  ),
  listener: inFile(
    'status.listener',
    listenerAddress(
      'where the command that runs for this target was told to listen: what it knows is told, too',
    ),
  ),
  once: onOff('end when the margin is there, instead of keeping it'),
  yes: onOff('go without being asked'),
  config: {
    ...file('config file of the migration, YAML; flags and variables win over what it says'),
    short: 'f',
  },
  migration: text(
    'name',
    'which of the migrations that the config file has; none needed where it has one',
  ),
  writeConfig: file('write a config file for all that comes after: no secrets; must not exist'),
  writeOut: {
    ...inFile(
      'output.format',
      withDefault('text', choice('format', ['text', 'json'], 'text or json, on stdout')),
    ),
    short: 'w',
  },
  logLevel: inFile(
    'output.logLevel',
    withDefault(
      'info',
      choice('level', ['info', 'warn', 'error'], 'what is logged, at least: info, warn or error'),
    ),
  ),
  logFormat: inFile(
    'output.logFormat',
    choice('format', ['text', 'json'], 'text or json, on stderr (default: that of -w)'),
  ),
  statusInterval: inFile(
    'output.statusInterval',
    duration(
      '100ms',
      '24h',
      'how often work that goes on says how it is, where there is no terminal (default: 5s; 1s with -w json)',
    ),
  ),
};

export type OptionName = keyof typeof OPTIONS;
export type Options = { [K in OptionName]: z.output<(typeof OPTIONS)[K]['schema']> };

/** What a side's option is called: `cacert` of the target is `destCacert`. */
export function optionOf(side: Side, name: SideOption): OptionName {
  return side === 'source' ? name : onTarget(name);
}

/** `--until-revision` */
export function flagOf(name: OptionName): string {
  return `--${words(name).join('-')}`;
}

/** `LOCKSTEP_UNTIL_REVISION` */
export function variableOf(name: OptionName): string {
  return `LOCKSTEP_${words(name).join('_').toUpperCase()}`;
}

/** `source.endpoints`; undefined for what belongs to one run */
export function placeOf(name: OptionName): string | undefined {
  const { place }: OptionSpec<unknown> = OPTIONS[name];
  return place;
}

function words(name: OptionName): string[] {
  return name.split(/(?=[A-Z])/).map((word) => word.toLowerCase());
}
