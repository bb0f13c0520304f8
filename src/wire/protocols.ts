/** What speaks there, told by its first bytes. */

interface Protocol {
  /** Matches what came, one character a byte. */
  match: RegExp;
  /** "… answers there" */
  name: (text: string) => string;
}

const HTTP = /^HTTP\/1\.[01] (\d{3}[ \w]*)/;

const PROTOCOLS: Protocol[] = [
  { match: HTTP, name: (text) => `an HTTP server (${HTTP.exec(text)?.[0].trim() ?? ''})` },
  { match: /^SSH-/, name: () => 'an ssh server' },
  { match: /^220[ -].*SMTP/i, name: () => 'a mail server' },
  { match: /^-(ERR|DENIED|NOAUTH)/, name: () => 'a redis server' },
  // MySQL's greeting: three bytes of length, a number, version 10.
  { match: /^.{3}\0\x0a\d+\.\d+/s, name: () => 'a MySQL server' },
  // An alert of TLS: what was sent was no TLS.
  { match: /^\x15\x03/, name: () => 'a TLS server' },
];

/** Of a word that it says, so much is shown. */
const SHOWN_BYTES = 24;

/** Frame types of HTTP/2 that a server begins with: SETTINGS, or GOAWAY where it takes nothing. */
export function isHttp2(bytes: Buffer): boolean {
  const type = bytes[3];
  return bytes.length >= 9 && (type === 4 || type === 7) && bytes.readUInt32BE(5) === 0;
}

export function isHttp1(bytes: Buffer): boolean {
  return HTTP.test(bytes.toString('latin1'));
}

/** A proxy's answer while what is behind it is away: see PASSING_STATUS in grpcerrors.ts. */
export function isPassing(bytes: Buffer): boolean {
  return /^HTTP\/1\.[01] (429|50[234])\b/.test(bytes.toString('latin1'));
}

/** Metrics of an etcd, as it tells them over HTTP. */
export function isEtcdMetrics(bytes: Buffer): boolean {
  return isHttp1(bytes) && /\n# HELP etcd_/.test(bytes.toString('latin1'));
}

/** "an ssh server", "something that says …". What is shown is a greeting, never an answer to a secret. */
export function nameOf(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  const known = PROTOCOLS.find(({ match }) => match.test(text));
  if (known) return known.name(text);
  const printable = text.slice(0, SHOWN_BYTES).replace(/[^ -~]+/g, '.');
  return `something that says ${JSON.stringify(printable)}`;
}
