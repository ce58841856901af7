import type { Client } from "./client.ts";
import { CliError } from "./errors.ts";
import { list, number, text, type JsonObject } from "./json.ts";

const PAGE = 200;
/** How far back "last" looks. */
const MAX_PAGES = 25;

export const REF_HELP = `REF is a record id (32 hex digits), a log index, or "last" (the newest answer).`;

/**
 * The record id that a REF names. "last" is the newest record of `newest` (default: an answer). Throws `cli/ref` for what is no REF and
 * `cli/no-record` where there is none.
 */
export async function resolveRef(client: Client, ref: string, newest = "spur:output/v1"): Promise<string> {
  if (/^[0-9a-f]{32}$/i.test(ref)) return ref.toLowerCase();
  if (/^[0-9]{1,15}$/.test(ref)) return byIndex(client, Number(ref));
  if (ref === "last") return last(client, newest);
  throw new CliError("cli/ref", `${JSON.stringify(ref)} names no record`, { hint: REF_HELP });
}

async function byIndex(client: Client, index: number): Promise<string> {
  const [row] = await page(client, 1, index + 1);
  if (row === undefined || number(row, "index") !== index) {
    throw new CliError("cli/no-record", `there is no entry ${index}`, {
      hint: 'the log is shorter than that; "last" names the newest answer',
    });
  }
  return text(row, "rec");
}

async function last(client: Client, type: string): Promise<string> {
  // The list ends at what is published. Whoever may write asks for the answer he has just got: publish it. Whoever may not sees what all see.
  if (await client.hasKey()) await client.post("/spur/v1/publish", {}).catch(() => undefined);
  let before: number | undefined;
  for (let i = 0; i < MAX_PAGES; i++) {
    const rows = await page(client, PAGE, before, type);
    const found = rows.find((row) => row["type"] === type);
    if (found !== undefined) return text(found, "rec");
    const oldest = rows.at(-1);
    if (oldest === undefined) break;
    before = number(oldest, "index");
    if (before === 0) break;
  }
  throw new CliError("cli/no-record", `no record of type ${type} yet`, {
    hint: "name one by its id; the ledger's page lists the newest",
  });
}

/** Newest first, whatever order the server has. */
async function page(client: Client, limit: number, before?: number, type?: string): Promise<readonly JsonObject[]> {
  const query = new URLSearchParams({
    limit: String(limit),
    ...(before === undefined ? {} : { before: String(before) }),
    ...(type === undefined ? {} : { type }),
  });
  const rows = [...list(await client.get(`/spur/v1/records?${query.toString()}`), "records")];
  return rows.sort((a, b) => number(b, "index") - number(a, "index"));
}
