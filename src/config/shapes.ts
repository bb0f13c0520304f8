/** What the values of single options must look like, where that takes more than a line. */
import { parseResource, type Resource } from '../kube/resource.js';
import { PrefixSet } from '../mvcc/prefix.js';
import { endpointFault } from './endpoint.js';
import type { Issue } from './kinds.js';
import { isMisread } from './prefixlist.js';

/** Which scheme a bare address gets is decided with the certificates. */
export function endpoints(userFlag: string): (parts: string[], issue: Issue) => string[] {
  return (parts, issue) => {
    for (const part of parts) {
      const fault = endpointFault(part, userFlag);
      if (fault !== undefined) issue(fault);
    }
    return parts;
  };
}

/** With a scheme, for it says whether there is TLS; and with a port, for 80 and 443 are no etcd's. */
const PEER_URL = /^https?:\/\/[^/?#@]+:\d+\/?$/;

/** `members`, or URLs. */
export function peers(parts: string[], issue: Issue): string[] | 'members' {
  if (parts.length === 1 && parts[0] === 'members') return 'members';
  for (const part of parts) {
    const url = URL.canParse(part) ? new URL(part) : undefined;
    if (url?.username || url?.password)
      issue('must not hold a user or a password: peers have none');
    else if (!url || !PEER_URL.test(part))
      issue(
        'must be `members`, or look like http://10.0.1.1:2380, several with commas between them',
      );
  }
  return parts;
}

/** A bare `10.0.0.1:6443` is https, as with kubectl; a path is kept. */
export function apiservers(parts: string[], issue: Issue): string[] {
  const urls = parts
    .map((part) => part.replace(/\/+$/, ''))
    .map((part) => (part.includes('://') ? part : `https://${part}`));
  for (const url of urls) {
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    if (parsed?.username || parsed?.password)
      issue('must not hold a user or a password: the kubeconfig does');
    else if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.search || parsed.hash)
      issue('must look like https://10.0.0.1:6443, several with commas between them');
  }
  if (new Set(urls).size < urls.length) issue('names one apiserver twice');
  return urls;
}

export function resources(parts: string[], issue: Issue): Resource[] {
  return parts.flatMap((name): Resource[] => {
    const resource = parseResource(name);
    if (resource) return [resource];
    issue('must look like pods or leases.coordination.k8s.io');
    return [];
  });
}

export const MISREAD = 'holds bytes that are not UTF-8, or a U+FFFD that stands for them';

export function prefixes(parts: string[], issue: Issue): PrefixSet | undefined {
  if (!parts.some(isMisread)) return PrefixSet.of(parts);
  issue(MISREAD);
  return undefined;
}

export function reportFiles(parts: string[], issue: Issue): string[] {
  if (!parts.every((path) => /.\.(html|json)$/.test(path)))
    issue('must end in .html (a page) or .json (its facts)');
  if (new Set(parts).size < parts.length) issue('names one file twice');
  return parts;
}

export function shellCommands(parts: string[], issue: Issue): string[] {
  if (parts.some((part) => part.trim() === '')) issue('must not be empty');
  return parts;
}

/** It may hold a token anywhere, so it is never repeated. */
export function webhooks(parts: string[], issue: Issue): URL[] {
  return parts.flatMap((part) => {
    const url = URL.canParse(part) ? new URL(part) : undefined;
    if (!url || !/^https?:$/.test(url.protocol)) issue('must look like https://example.com/path');
    else if (!isDecodable(url)) issue('must have %25 for a % in its user or password');
    else return [url];
    return [];
  });
}

/** Node throws at each request otherwise. */
function isDecodable({ username, password }: URL): boolean {
  try {
    decodeURIComponent(`${username}:${password}`);
    return true;
  } catch {
    return false;
  }
}
