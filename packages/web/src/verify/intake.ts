import { evidenceInHtml } from "../embedded.ts";

/** Longest evidence (formats §3), in bytes; a page with evidence inside may be a third longer. */
const MOST_BYTES = 64 * 1024 * 1024;

export interface Taken {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Why a file is not taken: a key of the page's words. */
export type Refusal = "file.toolong" | "file.unreadable" | "file.nothing";

/** Reads a file that the reader gave: evidence or receipt as it is, or the evidence inside a page. */
export async function takeFile(file: File): Promise<Taken | Refusal> {
  if (file.size > MOST_BYTES * 1.5) return "file.toolong";
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(await file.arrayBuffer());
  } catch {
    return "file.unreadable";
  }
  if (!looksLikeHtml(bytes)) return bytes.length > MOST_BYTES ? "file.toolong" : { name: file.name, bytes };
  const inside = evidenceInHtml(new TextDecoder().decode(bytes));
  return inside === undefined ? "file.nothing" : { name: file.name, bytes: inside };
}

/** JSON cannot begin with "<". */
function looksLikeHtml(bytes: Uint8Array): boolean {
  const at = bytes[0] === 0xef ? 3 : 0;
  return bytes[at] === 0x3c;
}
