/** `performance.now()` as a test says it is, from a second on, for each test of the block that calls this. */
export function ownClock(): { nowMs: number } {
  const clock = { nowMs: 0 };
  const now = performance.now.bind(performance);
  beforeEach(() => {
    clock.nowMs = 1000;
    performance.now = () => clock.nowMs;
  });
  afterEach(() => {
    performance.now = now;
  });
  return clock;
}
