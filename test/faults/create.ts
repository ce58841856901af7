import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { startChild, type Place } from "./child.ts";
import { straceFor } from "./inject.ts";
import { operatorKey } from "./kill.ts";
import type { Upstream } from "./upstream.ts";

export interface CreateRun {
  readonly starts: number;
  readonly faults: string[];
}

/**
 * Kills the very first start at each of its syncs (`every`: only each n-th), until one start gets through. The next start must make the
 * ledger whole, with an operator's key that opens it.
 */
export async function createRun(
  base: string,
  upstream: Upstream,
  every = 1,
  progress: (name: string) => void = () => undefined,
): Promise<CreateRun> {
  const faults: string[] = [];
  for (let n = 1, starts = 1; ; n += every, starts++) {
    const folder = join(base, `create-${n}`);
    const place: Place = { data: join(folder, "data"), keys: join(folder, "data-keys") };
    mkdirSync(folder, { recursive: true });
    progress(`signal=KILL at fsync ${n}`);
    const first = startChild(place, upstream.url, {
      before: straceFor({ call: "fsync", what: "signal=KILL", when: String(n) }),
    });
    const through = (await first.ready)?.url !== undefined;
    await first.kill();
    const second = startChild(place, upstream.url);
    const ready = await second.ready;
    if (ready?.url === undefined)
      faults.push(`killed at fsync ${n} of its first start, it does not start: ${JSON.stringify(ready)}`);
    else {
      const { status } = await fetch(`${ready.url}/spur/v1/keys`, {
        headers: { authorization: `Bearer ${keyOr(place)}` },
      });
      if (status !== 200) faults.push(`killed at fsync ${n} of its first start, the operator has no key: ${status}`);
      const [purposes] = await ownKeys(ready.url);
      if (purposes !== "log receipts")
        faults.push(`killed at fsync ${n} of its first start, the log begins with ${String(purposes)}`);
    }
    await second.kill();
    rmSync(folder, { recursive: true, force: true });
    if (through) return { starts, faults };
    if (n > 500) throw new Error("no start gets through");
  }
}

function keyOr(place: Place): string {
  try {
    return operatorKey(place);
  } catch {
    return "none";
  }
}

/** What the log's first two entries say: each key stands there before its first use. */
async function ownKeys(url: string): Promise<string[]> {
  for (let i = 0; i < 100; i++) {
    const { records } = (await (await fetch(`${url}/spur/v1/records?limit=500`)).json()) as {
      records: { index: number; rec: string; type: string }[];
    };
    const first = records.filter(({ index }) => index < 2).sort((a, b) => a.index - b.index);
    if (first.length === 2) {
      const purposes = await Promise.all(
        first.map(async ({ rec }) => {
          const { entry } = (await (await fetch(`${url}/spur/v1/records/${rec}`)).json()) as {
            entry: { statement: { predicate: { purpose?: string } } };
          };
          return entry.statement.predicate.purpose;
        }),
      );
      return [purposes.join(" ")];
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return [];
}
