import { join } from "node:path";
import { fromBase64, toBase64 } from "@spur/verifier/bytes";
import { readIfThere, writeDurable } from "../storage/durable-file.ts";
import { SpurError } from "../errors.ts";

/** How far the log had grown when a signature or a receipt last left: kept beside the data folder, so that an older copy of it is noticed. */
export interface Seen {
  readonly size: number;
  readonly root: Uint8Array;
}

/** Durable when it returns. */
export function writeSeen(folder: string, { size, root }: Seen): void {
  writeDurable(join(folder, "seen"), Buffer.from(`spur-seen/v1\n${size}\n${toBase64(root)}\n`), 0o600);
}

/** Undefined if nothing ever left; throws `keys/damaged` rather than take a damaged memory for none. */
export function readSeen(folder: string): Seen | undefined {
  const text = readIfThere(join(folder, "seen"))?.toString("latin1");
  if (text === undefined) return undefined;
  const match = /^spur-seen\/v1\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/=]{44})\n$/.exec(text);
  if (match === null) throw new SpurError("keys/damaged", "the file `seen` is damaged", { status: 503 });
  return { size: Number(match[1]), root: fromBase64(match[2] as string) };
}
