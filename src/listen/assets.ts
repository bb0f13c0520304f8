/** The files of the page, by the path under which they are served. */
import { readFile } from 'node:fs/promises';

interface Asset {
  /** For `Content-Type`. */
  type: string;
  body: Buffer;
}

const ASSETS = new Map<string, { file: URL; type: string }>();

/** @returns undefined where there is no such file */
export async function readAsset(path: string): Promise<Asset | undefined> {
  const asset = ASSETS.get(path);
  return asset && { type: asset.type, body: await readFile(asset.file) };
}
