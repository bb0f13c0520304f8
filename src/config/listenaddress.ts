/** Where a command may be looked at: `2390`, `:2390`, `127.0.0.1:2390`, `[::1]:2390`, `0.0.0.0:2390`. */
import { isIPv6 } from 'node:net';

export interface ListenAddress {
  /** A name or an address, without brackets. */
  host: string;
  /** 0: any that is free. */
  port: number;
}

/** Who wants to show it to others has to say so. */
const LOOPBACK = '127.0.0.1';
const SHAPE = /^(?:(?:\[([^\]]*)\]|([^:[\]/@\s]+))?:)?(\d{1,5})$/;

/** @returns undefined for what is none */
export function parseListenAddress(typed: string): ListenAddress | undefined {
  const [found, bracketed, name, digits] = SHAPE.exec(typed) ?? [];
  const port = Number(digits);
  if (found === undefined || port > 65_535) return undefined;
  if (bracketed !== undefined && !isIPv6(bracketed)) return undefined;
  return { host: bracketed ?? name ?? LOOPBACK, port };
}
