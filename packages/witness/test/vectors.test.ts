// Requests that another witness was tested with, and the statuses that it gave. Where the specification has changed since, that is said.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { fromHex, toHex } from "@spur/verifier/bytes";
import { sha256 } from "@spur/verifier/hash";
import { formatVkey, TYPE_ED25519 } from "@spur/verifier/note/note";
import { describeVectors } from "../../verifier/test/vectors-dir.ts";
import { cleanUp, cosignedAt, startTestWitness, temporaryFolder } from "./running.ts";
import { addLogs, listLogs } from "../src/manage.ts";
import { listedLog } from "../src/log-list.ts";

interface Vector {
  readonly body: string;
  readonly status: number;
  readonly exactly?: string;
}

/** The requests of a hurl script: a body between back quotes, the status, and what the body must be. */
function vectorsOf(text: string): Vector[] {
  const found = text.matchAll(/^POST \S+\n```\n([\s\S]*?)```\nHTTP ([0-9]+)\n\[Asserts\]\n(.*)$/gm);
  return [...found].map(([, body = "", status, assert = ""]) => {
    const [, exactly] = /^body == (".*")$/.exec(assert) ?? [];
    return {
      body,
      status: Number(status),
      ...(exactly === undefined ? {} : { exactly: JSON.parse(exactly) as string }),
    };
  });
}

/** litewitness of 2025 answered 403 to an unknown log; C2SP tlog-witness says 404. */
const NOW_404 = "0309e563\n3\n";

afterAll(cleanUp);

describeVectors("witness-requests", (dir) => {
  it.each([
    { file: "litewitness.txt", vkeyOf: sigsumKey, requests: 9, size: 5 },
    { file: "sumdb.txt", vkeyOf: sumdbKey, requests: 1, size: 35_225_469 },
  ])("$file", async ({ file, vkeyOf, requests, size }) => {
    const text = readFileSync(join(dir, file), "utf8");
    const data = join(temporaryFolder(), "data");
    const { vkey, origin } = vkeyOf(text);
    addLogs(data, [listedLog(vkey, { origin })]);
    const witness = await startTestWitness({ data, keys: `${data}-keys`, name: "example.com/witness" });
    const vectors = vectorsOf(text);
    expect(vectors).toHaveLength(requests);
    for (const { body, status, exactly } of vectors) {
      const answer = await witness.post(body);
      expect(answer.status, body).toBe(body.includes(NOW_404) ? 404 : status);
      if (exactly !== undefined) expect(answer.text).toBe(exactly);
      if (answer.status === 200) cosignedAt(witness, body.slice(body.indexOf("\n\n") + 2), answer.text);
    }
    expect(listLogs(data).logs).toMatchObject([{ origin, size }]);
  });
});

/** A sigsum log is named by the hash of its key. */
function sigsumKey(text: string): { vkey: string; origin: string } {
  const [, hex = ""] = /add-sigsum-log -key=([0-9a-f]{64})/.exec(text) ?? [];
  const publicKey = fromHex(hex);
  const origin = `sigsum.org/v1/tree/${toHex(sha256(publicKey))}`;
  return { origin, vkey: formatVkey({ name: origin, type: TYPE_ED25519, publicKey }) };
}

function sumdbKey(text: string): { vkey: string; origin: string } {
  const [, origin = "", vkey = ""] = /add-key -origin '([^']+)' -key (\S+)/.exec(text) ?? [];
  return { origin, vkey };
}
