/** Pictures of a page, made small: a PNG with a palette takes a third of one without. */
import { crc32, deflateSync, inflateSync } from 'node:zlib';

const SIGNATURE = 8;
const COLORS = 256;

/** @param png as chromium makes it: eight bits a channel, no alpha or a full one, not interlaced */
export function withPalette(png: Buffer): Buffer {
  const { width, height, channels, lines } = decoded(png);
  const pixel = (at: number): number => lines.readUIntBE(at * channels, 3);
  const counts = new Map<number, number>();
  for (let i = 0; i < width * height; i++) counts.set(pixel(i), (counts.get(pixel(i)) ?? 0) + 1);
  const palette = [...counts].sort((a, b) => b[1] - a[1]).slice(0, COLORS);
  const colors = palette.map(([color]) => color);
  const index = new Map([...counts.keys()].map((color) => [color, nearest(colors, color)]));
  const rows = Buffer.alloc((width + 1) * height);
  for (let i = 0; i < width * height; i++)
    rows[i + 1 + Math.floor(i / width)] = index.get(pixel(i)) ?? 0;
  const header = Buffer.from(png.subarray(16, 29));
  header[9] = 3; // color type: palette
  const entries = Buffer.alloc(colors.length * 3);
  colors.forEach((color, i) => entries.writeUIntBE(color, i * 3, 3));
  const data = deflateSync(rows, { level: 9 });
  const chunks = [chunk('IHDR', header), chunk('PLTE', entries), chunk('IDAT', data)];
  return Buffer.concat([png.subarray(0, SIGNATURE), ...chunks, chunk('IEND', Buffer.alloc(0))]);
}

function nearest(colors: readonly number[], color: number): number {
  const away = (other: number): number =>
    [16, 8, 0].reduce((sum, n) => sum + (((other >> n) & 255) - ((color >> n) & 255)) ** 2, 0);
  return colors.reduce((best, one, i) => (away(one) < away(colors[best] ?? 0) ? i : best), 0);
}

/** The pixels, line after line. */
function decoded(png: Buffer): { width: number; height: number; channels: number; lines: Buffer } {
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  const channels = png[25] === 6 ? 4 : 3;
  const data: Buffer[] = [];
  for (let at = SIGNATURE; at < png.length; at += 12 + png.readUInt32BE(at))
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      data.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  const raw = inflateSync(Buffer.concat(data));
  const bytes = width * channels;
  const lines = Buffer.alloc(bytes * height);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (bytes + 1)] ?? 0;
    for (let x = 0; x < bytes; x++) {
      const left = x < channels ? 0 : lines[y * bytes + x - channels]!;
      const up = y === 0 ? 0 : lines[(y - 1) * bytes + x]!;
      const corner = x < channels || y === 0 ? 0 : lines[(y - 1) * bytes + x - channels]!;
      const before = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter] ?? 0;
      lines[y * bytes + x] = raw[y * (bytes + 1) + 1 + x]! + before;
    }
  }
  return { width, height, channels, lines };
}

/** PNG specification, 9.4 */
function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner;
  const [a, b, c] = [left, up, corner].map((one) => Math.abs(guess - one)) as [
    number,
    number,
    number,
  ];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}
