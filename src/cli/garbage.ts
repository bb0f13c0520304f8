/**
 * How a process that follows for weeks, or reads all there is, collects its garbage.
 *
 * What it works with is small (25 MB), and V8 lets a small heap grow by a third before it goes through all of
 * it again: twice a second at 300 revisions a second, 5 to 15 ms each, and whoever comes meanwhile waits. With
 * three times the heap it does so every few seconds, and in between only through what is young: the slowest
 * hundredth of pods is at the target in 7 ms instead of 18, for 40 MB.
 *
 * Who reads 100,000 rows a second makes as much garbage, a little of it in V8's heap and most of it beside: with
 * the usual limit a tenth of a seed's processor time goes into it, with this one half of that.
 *
 * Tried and dropped: a smaller young generation (nothing alone, since it was not what took long), no marking
 * in steps (23 ms in one piece), one thread (as before), four times the heap (another 15 MB, nothing to see).
 */
import { setFlagsFromString } from 'node:v8';

/** For whole processes; how far the heap may grow is found out anew at each collection. */
export function collectLessOften(): void {
  setFlagsFromString('--heap-growing-percent=200');
}
