/**
 * Whether a request was meant for us, by its Host header.
 *
 * A page on the internet can have its name resolve to 127.0.0.1, and a browser then lets it read what is
 * served there as its own (DNS rebinding). Such a request bears the page's name. So only names are served
 * that nobody else can have: the one that was given to --listen, localhost, and the address that the
 * connection was made to. The port is not looked at: a forwarded one is another.
 */
import { isIP } from 'node:net';

/**
 * @param header as it came
 * @param given what --listen named
 * @param dialled the connection's own address here
 */
export function isOurHost(
  header: string | undefined,
  given: string,
  dialled: string | undefined,
): boolean {
  const host = hostOf(header);
  if (host === undefined) return false;
  if (isIP(host) === 0) return host === 'localhost' || host === given.toLowerCase();
  const own = [given, unmapped(dialled ?? '')].filter((address) => isIP(address) !== 0);
  return isLoopback(host) || own.some((address) => canonical(address) === host);
}

/** Without port, brackets and closing dot, as URLs write it. */
function hostOf(header = ''): string | undefined {
  const url = `http://${header}`;
  if (/[/?#@\\]/.test(header) || !URL.canParse(url)) return undefined;
  return canonical(new URL(url).hostname);
}

function canonical(host: string): string {
  const bare = host.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (isIP(bare) !== 6) return bare.toLowerCase();
  return new URL(`http://[${bare.split('%')[0] ?? ''}]`).hostname.replace(/^\[|\]$/g, '');
}

/** An IPv4 address that has come in by an IPv6 socket. */
function unmapped(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
