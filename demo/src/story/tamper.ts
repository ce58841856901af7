import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parseCheckpoint } from "@spur/verifier/note/checkpoint";
import { parseNote } from "@spur/verifier/note/note";
import { formatBundlePath, formatTilePath, TILE_WIDTH } from "@spur/verifier/tlog/tile";
import type { Stage } from "./stage.ts";
import type { Spur } from "./spur.ts";

/** Flips one bit in the middle of a file. */
function flip(file: string): void {
  const bytes = readFileSync(file);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(file, bytes);
}

/** Size of the log that a folder's checkpoint speaks of: tiles of smaller sizes lie there too, and say nothing of this one. */
function sizeOf(folder: string): number {
  return parseCheckpoint(parseNote(readFileSync(join(folder, "checkpoint"), "utf8")).text).size;
}

/** Serves a folder on loopback, as a dishonest operator would serve his changed copy. */
async function serving<T>(folder: string, work: (url: string) => Promise<T>): Promise<T> {
  const server = createServer((request, response) => {
    try {
      response.end(
        readFileSync(join(folder, new URL(request.url ?? "/", "http://x").pathname.replace(/^\/log\//, "/"))),
      );
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

/** One byte changed in copies of the evidence, of a tile, of a stored entry and of a stored payload: each must be refused. */
export async function tamperAndBeRefused(
  stage: Stage,
  spur: Spur,
  paths: {
    readonly evidence: string;
    readonly trust: string;
    readonly backup: string;
    readonly keys: string;
    readonly work: string;
    readonly state: string;
  },
): Promise<void> {
  const env = { XDG_STATE_HOME: paths.state };
  const evidence = join(paths.work, "changed.evidence.json");
  cpSync(paths.evidence, evidence);
  flip(evidence);
  const tile = join(paths.work, "changed-tile");
  cpSync(join(paths.backup, "log"), tile, { recursive: true });
  const size = sizeOf(tile);
  const last = { index: Math.floor((size - 1) / TILE_WIDTH), width: ((size - 1) % TILE_WIDTH) + 1 };
  flip(join(tile, formatTilePath({ level: 0, ...last })));
  const entry = join(paths.work, "changed-entry");
  cpSync(join(paths.backup, "log"), entry, { recursive: true });
  flip(join(entry, formatBundlePath(last)));
  const payload = join(paths.work, "changed-payload");
  cpSync(paths.backup, payload, { recursive: true });
  const database = new DatabaseSync(join(payload, "ledger.sqlite"));
  const row = database
    .prepare("select serial, ct from payloads where ct is not null order by serial desc limit 1")
    .get() as { serial: number; ct: Uint8Array };
  row.ct[20] = (row.ct[20] as number) ^ 1;
  database.prepare("update payloads set ct = ? where serial = ?").run(row.ct, row.serial);
  database.close();

  const [verified, ofTile, ofEntry, custody, whole] = await Promise.all([
    spur(["verify", evidence, "--trust", paths.trust]),
    serving(tile, (url) => spur(["audit", url, "--trust", paths.trust], { XDG_STATE_HOME: `${paths.state}-tile` })),
    serving(entry, (url) => spur(["audit", url, "--trust", paths.trust], { XDG_STATE_HOME: `${paths.state}-entry` })),
    spur(["audit", "--custody", "--data", payload, "--keys", paths.keys]),
    serving(join(paths.backup, "log"), (url) => spur(["audit", url, "--trust", paths.trust], env)),
  ]);
  stage.holds("the unchanged copy passes the audit", whole.exit === 0);
  stage.holds("evidence with one byte changed: refused by verify", verified.exit === 1);
  stage.holds("a log with one byte of a tile changed: refused by audit", ofTile.exit === 1);
  stage.holds("a log with one byte of an entry changed: refused by audit", ofEntry.exit === 1);
  stage.holds("a stored payload with one byte changed: refused by audit --custody", custody.exit === 1);
  for (const folder of [tile, entry, payload]) rmSync(folder, { recursive: true });
}
