import { readFile } from "node:fs/promises";
import type { Client } from "./client.ts";
import { CliError } from "./errors.ts";
import { typed } from "./text.ts";

const PLACE = "<!--spur-evidence-->";
const OPEN = `<script type="application/octet-stream" id="spur-evidence">`;
const EMBEDDED = /<script type="application\/octet-stream" id="spur-evidence">([A-Za-z0-9+/=]*)</g;

/** Built beside this file in the published package; beside the sources in the repository. */
const OWN = ["./verify.html", "../../web/dist/verify.html"];

/** The verifier as one page: our own copy, else the ledger's, and from where. Throws `cli/no-page`. */
export async function findVerifierPage(client: Client): Promise<{ html: string; from: string }> {
  for (const path of OWN) {
    try {
      return { html: await readFile(new URL(path, import.meta.url), "utf8"), from: "this program" };
    } catch {
      // not built here: the next place
    }
  }
  const html = new TextDecoder().decode(await client.bytes("/verify.html", 4));
  if (html.split(PLACE).length !== 2) {
    throw new CliError("cli/no-page", "the ledger's verify.html has no place for evidence", {
      hint: "leave out --html, or update the ledger",
    });
  }
  return { html, from: `${client.url}: compare it with the published digests before you rely on it` };
}

/** Evidence inside the verifier's page, as base64 in an element that no browser runs. */
export function embedEvidence(html: string, evidence: Uint8Array): Uint8Array {
  const [before, after, ...more] = html.split(PLACE);
  if (before === undefined || after === undefined || more.length > 0) {
    throw new CliError("cli/no-page", "verify.html has no place for evidence", {
      hint: "build it again: npm run build",
    });
  }
  return new TextEncoder().encode(`${before}${OPEN}${Buffer.from(evidence).toString("base64")}</script>${after}`);
}

/**
 * The evidence inside a page. The page may have been changed to look like a verdict; what counts is the evidence in it, and that there is
 * one only. Throws `cli/no-evidence`.
 */
export function evidenceInHtml(html: string): Uint8Array {
  const found = [...html.matchAll(EMBEDDED)].map((match) => match[1] ?? "");
  const [only] = found;
  const bytes = only === undefined ? undefined : Buffer.from(only, "base64");
  if (found.length !== 1 || bytes === undefined || bytes.length === 0 || bytes.toString("base64") !== only) {
    throw new CliError(
      "cli/no-evidence",
      `the page holds ${found.length === 1 ? "no readable" : String(found.length)} evidence`,
      {
        hint: `a page with evidence is written by: ${typed("evidence", "last", "--html")}`,
      },
    );
  }
  return new Uint8Array(bytes);
}
