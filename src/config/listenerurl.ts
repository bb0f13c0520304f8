/** Where a listener is, as it is typed to who looks: `2390`, `10.0.0.5:2390`, or the URL that was logged. */

/** @returns its folder, with a slash at the end; undefined for what is none */
export function listenerUrl(typed: string): URL | undefined {
  const local = /^:?(\d{1,5})$/.exec(typed);
  const address = local ? `127.0.0.1:${local[1] ?? ''}` : typed;
  const text = address.includes('://') ? address : `http://${address}`;
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const { protocol, username, password, search, hash } = url;
  if (!/^https?:$/.test(protocol) || username || password || search || hash) return undefined;
  url.pathname = url.pathname.replace(/\/*$/, '/');
  return url;
}
