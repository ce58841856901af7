/** At most `most` pieces of work at a time; the others wait for their turn, in the order in which they came. */
export function turns(most: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let under = 0;
  return async (work) => {
    if (under < most) under++;
    else
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
      });
    try {
      return await work();
    } finally {
      // The turn is handed on, not given back and taken again: nobody can push in between.
      const next = waiting.shift();
      if (next === undefined) under--;
      else next();
    }
  };
}

/**
 * Work that many ask for at once is done once. Who asks while it runs waits for the next run, which all share that ask until it begins:
 * the one under way may have begun before what he already knows of.
 */
export function shared<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;
  return () => {
    next ??= running.then(() => {
      next = undefined;
      const run = work();
      running = run.catch(() => undefined);
      return run;
    });
    return next;
  };
}
