/**
 * Reads `count` things in order, a few at the same time: a network's delay is paid once for several. At most `ahead` are held.
 * The first error ends it; what was still under way is left to end by itself.
 */
export async function* readAhead<T>(count: number, ahead: number, read: (i: number) => Promise<T>): AsyncGenerator<T> {
  const waiting: Promise<T>[] = [];
  let next = 0;
  while (next < count || waiting.length > 0) {
    while (next < count && waiting.length < ahead) {
      const started = read(next++);
      started.catch(() => {}); // told when its turn comes, not as an unhandled rejection before that
      waiting.push(started);
    }
    const first = waiting.shift();
    if (first !== undefined) yield await first;
  }
}
