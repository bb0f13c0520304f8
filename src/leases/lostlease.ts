/**
 * The TTL that a lease gets on the target where the source does not know it: 95 years.
 *
 * A row may name a lease that its store does not have. Either it has just ended, and the deletions of its
 * keys are on their way. Or it is lost, in a store that was repaired: etcd then keeps the keys for ever.
 * The source answers the same to both, and one key that is still there, or is not, says nothing of the
 * others. So the lease must never be what deletes a key: whatever is on its way comes by the watch, and
 * what lives for ever on the source does so on the target, under the same lease id. What remains of a
 * lease that had ended is its id without keys.
 *
 * Tried and dropped: an hour, which deleted keys after the cutover that the source would have kept. A put
 * without a lease, which is another row than the source's. To revoke what is left without keys: a put that
 * is under way would lose its key with it.
 *
 * etcd takes 9,000,000,000 seconds at the most, which is next to where its clock overflows.
 */
export const LOST_LEASE_TTL_SECONDS = 3_000_000_000;
