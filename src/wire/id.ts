/** 64-bit ids as etcdctl prints them: hexadecimal, without a sign. */
export function hexId(id: bigint): string {
  return BigInt.asUintN(64, id).toString(16);
}
