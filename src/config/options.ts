/**
 * The one table of options: flag, environment variable, help text and type of each.
 *
 * Flags are named as etcdctl names them. Every option can be given in the environment instead.
 */
import { z } from 'zod';
import { PrefixSet } from '../mvcc/prefix.js';
import { badArgument } from '../errors.js';
import { WAYS } from '../kube/manifests.js';
import { parseResource, type Resource } from '../kube/resource.js';
import { endpointFault } from './endpoint.js';
import { isMisread, splitPrefixes } from './prefixlist.js';

interface OptionSpec<T> {
  flag: string;
  env: string;
  help: string;
  schema: z.ZodType<T>;
  default?: string;
  /** Never printed, not even when it is wrong. */
  secret?: boolean;
}

function option<T>(spec: OptionSpec<T>): OptionSpec<T> {
  return spec;
}

/** `http://a:2379,http://b:2379`; which scheme a bare address gets is decided with the certificates. */
const endpoints = z.string().transform((text, context) => {
  const list = text.split(',').map((part) => part.trim());
  for (const part of list) {
    const fault = endpointFault(part);
    if (fault !== undefined) context.addIssue(fault);
  }
  return list;
});

/** A bare `10.0.0.1:6443` is https, as with kubectl; a path is kept. */
const apiservers = z.string().transform((text, context) => {
  const list = text.split(',').map((part) => part.trim().replace(/\/+$/, ''));
  const urls = list.map((part) => (part.includes('://') ? part : `https://${part}`));
  for (const url of urls) {
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    if (parsed?.username || parsed?.password)
      context.addIssue('must not hold a user or a password: the kubeconfig does');
    else if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.search || parsed.hash)
      context.addIssue('must look like https://10.0.0.1:6443, several with commas between them');
  }
  if (new Set(urls).size < urls.length) context.addIssue('names one apiserver twice');
  return urls;
});

const resources = z.union([z.string(), z.array(z.string())]).transform((given, context) => {
  const names = [given].flat().flatMap((part) => part.split(','));
  return names.flatMap((name): Resource[] => {
    const resource = parseResource(name.trim());
    if (resource) return [resource];
    context.addIssue('must look like pods or leases.coordination.k8s.io');
    return [];
  });
});

const MISREAD = 'holds bytes that are not UTF-8, or a U+FFFD that stands for them';

const prefixes = z.union([z.string(), z.array(z.string())]).transform((given, context) => {
  const list = [given].flat().flatMap(splitPrefixes);
  if (!list.some(isMisread)) return PrefixSet.of(list);
  context.addIssue(MISREAD);
  return z.NEVER;
});

const text = z.string().min(1, 'must not be empty');

const revision = z.coerce
  .number('must be a revision: a whole number above 0')
  .int()
  .positive()
  .max(Number.MAX_SAFE_INTEGER);

/** Up to a day. */
const someSeconds = z.coerce.number('must be a number above 0, up to 86400').positive().max(86_400);

function whole(min: number, max: number) {
  return z.coerce.number(`must be a whole number from ${min} to ${max}`).int().min(min).max(max);
}

export const OPTIONS = {
  endpoints: option({
    flag: '--endpoints <urls>',
    env: 'ETCD_LOCKSTEP_ENDPOINTS',
    help: 'source etcd, e.g. http://10.0.0.1:2379; several members with commas',
    schema: endpoints,
  }),
  destEndpoints: option({
    flag: '--dest-endpoints <urls>',
    env: 'ETCD_LOCKSTEP_DEST_ENDPOINTS',
    help: 'target etcd; several members with commas',
    schema: endpoints,
  }),
  prefix: option({
    flag: '--prefix <prefix...>',
    env: 'ETCD_LOCKSTEP_PREFIX',
    help: String.raw`keys to move, e.g. /registry/pods/; several with commas, or several times (mirror: one); a comma in a prefix is \,`,
    schema: prefixes,
  }),
  allowEmpty: option({
    flag: '--allow-empty',
    env: 'ETCD_LOCKSTEP_ALLOW_EMPTY',
    help: 'go on where no key begins with a prefix, or nothing is there to be compared',
    schema: z.union([z.boolean(), z.stringbool()]),
  }),
  journal: option({
    flag: '--journal <dir>',
    env: 'ETCD_LOCKSTEP_JOURNAL',
    help: 'directory of the journal; needs the room of the prefixes and of their changes',
    schema: text,
  }),
  out: option({
    flag: '--out <file>',
    env: 'ETCD_LOCKSTEP_OUT',
    help: 'base to write: a snapshot file for `etcdutl snapshot restore`',
    schema: text,
  }),
  from: option({
    flag: '--from <way>',
    env: 'ETCD_LOCKSTEP_FROM',
    help: 'how to read the base: range (pages of the prefixes) or snapshot (the whole store, cropped)',
    schema: z.enum(['range', 'snapshot'], 'must be range or snapshot'),
    default: 'range',
  }),
  untilRevision: option({
    flag: '--until-revision <n>',
    env: 'ETCD_LOCKSTEP_UNTIL_REVISION',
    help: 'end when the target stands at this revision',
    schema: revision,
  }),
  destPrefix: option({
    flag: '--dest-prefix <prefix>',
    env: 'ETCD_LOCKSTEP_DEST_PREFIX',
    help: 'what keys begin with on the target in place of --prefix',
    schema: text.refine((prefix) => !isMisread(prefix), MISREAD),
  }),
  noDestPrefix: option({
    flag: '--no-dest-prefix',
    env: 'ETCD_LOCKSTEP_NO_DEST_PREFIX',
    help: 'keys stand on the target without --prefix, and nothing in its place',
    schema: z.union([z.boolean(), z.stringbool()]),
  }),
  rev: option({
    flag: '--rev <n>',
    env: 'ETCD_LOCKSTEP_REV',
    help: 'mirror what happens from this revision on, not what was there before',
    schema: revision,
  }),
  maxTxnOps: option({
    flag: '--max-txn-ops <n>',
    env: 'ETCD_LOCKSTEP_MAX_TXN_OPS',
    help: "operations in one transaction, at most the target's own --max-txn-ops",
    schema: whole(8, 65_536),
    default: '128',
  }),
  prune: option({
    flag: '--prune',
    env: 'ETCD_LOCKSTEP_PRUNE',
    help: "remove keys of the target's prefix that the source does not have",
    schema: z.union([z.boolean(), z.stringbool()]),
  }),
  values: option({
    flag: '--values',
    env: 'ETCD_LOCKSTEP_VALUES',
    help: 'what a mirror has brought: compare values and leases; revisions are others there',
    schema: z.union([z.boolean(), z.stringbool()]),
  }),
  untilSynced: option({
    flag: '--until-synced',
    env: 'ETCD_LOCKSTEP_UNTIL_SYNCED',
    help: 'end when the target has all that the source had when it was asked last',
    schema: z.union([z.boolean(), z.stringbool()]),
  }),
  repair: option({
    flag: '--repair',
    env: 'ETCD_LOCKSTEP_REPAIR',
    help: 'go on where history is lost: over a gap in the source, with a journal made anew from the target',
    schema: z.union([z.boolean(), z.stringbool()]),
  }),
  revision: option({
    flag: '--revision <n>',
    env: 'ETCD_LOCKSTEP_REVISION',
    help: "revision to compare at (default: the target's head)",
    schema: revision,
  }),
  history: option({
    flag: '--history',
    env: 'ETCD_LOCKSTEP_HISTORY',
    help: 'compare every event that both sides still hold, too',
    schema: z.union([z.boolean(), z.stringbool()]),
  }),
  oldApiservers: option({
    flag: '--old-apiservers <urls>',
    env: 'ETCD_LOCKSTEP_OLD_APISERVERS',
    help: 'apiservers that serve now and will be gone, where those of --apiservers were pre-warmed on the target',
    schema: apiservers,
  }),
  without: option({
    flag: '--without <urls>',
    env: 'ETCD_LOCKSTEP_WITHOUT',
    help: 'apiservers that are dead and stay so: they are left out, and must not answer until the end',
    schema: apiservers,
  }),
  margin: option({
    flag: '--margin <n>',
    env: 'ETCD_LOCKSTEP_MARGIN',
    help: "revisions that the target's head is kept above the source's, at least",
    schema: whole(1, 10_000_000),
    default: '1000',
  }),
  quiet: option({
    flag: '--quiet <ms>',
    env: 'ETCD_LOCKSTEP_QUIET',
    help: 'so long without a write the source counts as quiet, once it is frozen',
    schema: whole(0, 600_000),
    default: '300',
  }),
  maxFreeze: option({
    flag: '--max-freeze <seconds>',
    env: 'ETCD_LOCKSTEP_MAX_FREEZE',
    help: 'let writes in again if the target is not found equal by then',
    schema: someSeconds,
    default: '30',
  }),
  watch: option({
    flag: '--watch <seconds>',
    env: 'ETCD_LOCKSTEP_WATCH',
    help: 'watch for late writes on the source for so long at the end',
    schema: z.coerce.number('must be a number from 0 to 86400').min(0).max(86_400),
    default: '60',
  }),
  switchHook: option({
    flag: '--switch-hook <command>',
    env: 'ETCD_LOCKSTEP_SWITCH_HOOK',
    help: 'shell command that moves one apiserver; finds it in $APISERVER, what to set in $OVERRIDES, and in $EPOCH a number that is higher in each later run',
    schema: text,
  }),
  flipHook: option({
    flag: '--flip-hook <command>',
    env: 'ETCD_LOCKSTEP_FLIP_HOOK',
    help: 'shell command that takes clients to the pre-warmed apiservers and stops the old ones',
    schema: text,
  }),
  rate: option({
    flag: '--rate <keys>',
    env: 'ETCD_LOCKSTEP_RATE',
    help: 'keys to remove in a second, at most',
    schema: whole(1, 1_000_000),
    default: '1000',
  }),
  once: option({
    flag: '--once',
    env: 'ETCD_LOCKSTEP_ONCE',
    help: 'end when the margin is there, instead of keeping it',
    schema: z.union([z.boolean(), z.stringbool()]),
  }),
  yes: option({
    flag: '--yes',
    env: 'ETCD_LOCKSTEP_YES',
    help: 'go without being asked',
    schema: z.union([z.boolean(), z.stringbool()]),
  }),
  sample: option({
    flag: '--sample <seconds>',
    env: 'ETCD_LOCKSTEP_SAMPLE',
    help: 'how long the source is watched to see what it writes',
    schema: someSeconds,
    default: '10',
  }),
  cacert: option({
    flag: '--cacert <file>',
    env: 'ETCD_LOCKSTEP_CACERT',
    help: "CA that the source's certificates are checked with",
    schema: text,
  }),
  cert: option({
    flag: '--cert <file>',
    env: 'ETCD_LOCKSTEP_CERT',
    help: 'client certificate for the source',
    schema: text,
  }),
  key: option({
    flag: '--key <file>',
    env: 'ETCD_LOCKSTEP_KEY',
    help: 'key of the client certificate',
    schema: text,
  }),
  user: option({
    flag: '--user <name[:password]>',
    env: 'ETCD_LOCKSTEP_USER',
    help: 'user on the source; asks for the password if it is given nowhere',
    schema: text,
    secret: true,
  }),
  password: option({
    flag: '--password <password>',
    env: 'ETCD_LOCKSTEP_PASSWORD',
    help: 'its password; better in the variable or a file, out of the process list',
    schema: text,
    secret: true,
  }),
  passwordFile: option({
    flag: '--password-file <file>',
    env: 'ETCD_LOCKSTEP_PASSWORD_FILE',
    help: 'file with its password',
    schema: text,
  }),
  destCacert: option({
    flag: '--dest-cacert <file>',
    env: 'ETCD_LOCKSTEP_DEST_CACERT',
    help: 'the same for the target',
    schema: text,
  }),
  destCert: option({
    flag: '--dest-cert <file>',
    env: 'ETCD_LOCKSTEP_DEST_CERT',
    help: 'the same for the target',
    schema: text,
  }),
  destKey: option({
    flag: '--dest-key <file>',
    env: 'ETCD_LOCKSTEP_DEST_KEY',
    help: 'the same for the target',
    schema: text,
  }),
  destUser: option({
    flag: '--dest-user <name[:password]>',
    env: 'ETCD_LOCKSTEP_DEST_USER',
    help: 'the same for the target',
    schema: text,
    secret: true,
  }),
  destPassword: option({
    flag: '--dest-password <password>',
    env: 'ETCD_LOCKSTEP_DEST_PASSWORD',
    help: 'the same for the target',
    schema: text,
    secret: true,
  }),
  destPasswordFile: option({
    flag: '--dest-password-file <file>',
    env: 'ETCD_LOCKSTEP_DEST_PASSWORD_FILE',
    help: 'the same for the target',
    schema: text,
  }),
  kubeconfig: option({
    flag: '--kubeconfig <file>',
    env: 'ETCD_LOCKSTEP_KUBECONFIG',
    help: 'kubeconfig of an administrator (default: as kubectl finds it)',
    schema: text,
  }),
  apiservers: option({
    flag: '--apiservers <urls>',
    env: 'ETCD_LOCKSTEP_APISERVERS',
    help: "every apiserver at its own address, with commas (default: the kubeconfig's server)",
    schema: apiservers,
  }),
  resource: option({
    flag: '--resource <name...>',
    env: 'ETCD_LOCKSTEP_RESOURCE',
    help: 'resource to freeze, as kubectl names it; may be given several times (default: pods; where there is a target, what it holds)',
    schema: resources,
  }),
  way: option({
    flag: '--way <way>',
    env: 'ETCD_LOCKSTEP_WAY',
    help: 'how to freeze: policy (Kubernetes 1.30 and later) or webhook (default: what the apiservers have)',
    schema: z.enum(WAYS, 'must be policy or webhook'),
  }),
  open: option({
    flag: '--open',
    env: 'ETCD_LOCKSTEP_OPEN',
    help: 'probe: nothing should be refused',
    schema: z.union([z.boolean(), z.stringbool()]),
  }),
  force: option({
    flag: '--force',
    env: 'ETCD_LOCKSTEP_FORCE',
    help: 'remove: also the freeze of a cutover or rollback; once the target is taken over, what is written then may be lost',
    schema: z.union([z.boolean(), z.stringbool()]),
  }),
  writeOut: option({
    flag: '-w, --write-out <format>',
    env: 'ETCD_LOCKSTEP_WRITE_OUT',
    help: 'text or json',
    schema: z.enum(['text', 'json'], 'must be text or json'),
    default: 'text',
  }),
};

export type OptionName = keyof typeof OPTIONS;
export type Options = { [K in OptionName]: z.output<(typeof OPTIONS)[K]['schema']> };

/** The long flag without its argument: `--until-revision`. */
export function flagOf(name: OptionName): string {
  return /--[a-z-]+/.exec(OPTIONS[name].flag)?.[0] ?? name;
}

/**
 * Checks what came in from flags and environment.
 * @throws LockstepError BAD_ARGUMENT that names the flag
 */
export function parseOptions<R extends OptionName, O extends OptionName>(
  raw: Record<string, unknown>,
  required: readonly R[],
  optional: readonly O[],
): Pick<Options, R> & Partial<Pick<Options, O>> {
  const parsed: Record<string, unknown> = {};
  for (const name of [...required, ...optional]) {
    const value = raw[name];
    if (value === undefined) continue;
    const result = OPTIONS[name].schema.safeParse(value);
    if (!result.success) {
      const why = result.error.issues.map((issue) => issue.message).join('; ');
      throw badArgument(
        `${flagOf(name)} ${shown(name, value)}: ${why}`,
        'See --help for what it takes.',
      );
    }
    parsed[name] = result.data;
  }
  const missing = required.filter((name) => parsed[name] === undefined).map(flagOf);
  if (missing.length > 0)
    throw badArgument(
      `${missing.join(' and ')} missing`,
      `Add ${missing.map((flag) => `${flag} …`).join(' ')}`,
    );
  return parsed as Pick<Options, R> & Partial<Pick<Options, O>>;
}

function shown(name: OptionName, value: unknown): string {
  const spec: OptionSpec<unknown> = OPTIONS[name];
  if (spec.secret) return '(not shown)';
  // Somebody may have put a password into a URL.
  return JSON.stringify(value).replace(/\/\/[^/@"]*@/g, '//…@');
}
