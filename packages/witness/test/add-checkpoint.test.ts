// Every row of C2SP tlog-witness's add-checkpoint, over HTTP, against a running witness.
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toBase64 } from "@spur/verifier/bytes";
import { formatCheckpoint } from "@spur/verifier/note/checkpoint";
import { formatNote, keyIdOf, parseNote, parseVkey } from "@spur/verifier/note/note";
import { makeSigner } from "../../verifier/test/make-log.ts";
import { createKeys } from "../src/key.ts";
import { originHash } from "../src/store.ts";
import { requestOf, signed, TestLog } from "./log.ts";
import { cleanUp, cosignedAt, startTestWitness, temporaryFolder, type TestWitness } from "./running.ts";

let witness: TestWitness;
let made = 0;
/** A log that the witness knows, at this size already. */
async function logAt(size: number): Promise<TestLog> {
  const log = new TestLog(`logs.test/${made++}`);
  witness.add(log);
  if (size > 0) expect((await witness.post(log.request(0, size))).status).toBe(200);
  return log;
}
/** What the witness has cosigned last, read from outside. */
async function stateOf(log: TestLog): Promise<string | undefined> {
  const response = await witness.get(`/${originHash(log.origin)}/checkpoint`);
  return response.status === 200 ? response.text() : undefined;
}
const HASH = toBase64(new Uint8Array(32).fill(7));

beforeAll(async () => {
  witness = await startTestWitness({ requestMs: 2_000 });
});
afterAll(cleanUp);

describe("200", () => {
  it("grows from nothing, step by step, and at the same size", async () => {
    const log = await logAt(0);
    expect(await stateOf(log)).toBeUndefined();
    let old = 0;
    for (const size of [0, 1, 2, 3, 7, 7, 8, 255, 256, 257, 513]) {
      witness.nowMs += 60_000;
      const answer = await witness.post(log.request(old, size));
      expect([answer.status, answer.text], `${old} to ${size}`).toEqual([
        200,
        expect.stringMatching(/^— witness.test\/w1 /),
      ]);
      const nowS = witness.nowMs / 1000;
      expect(new Set(cosignedAt(witness, log.note(size), answer.text))).toEqual(new Set([nowS]));
      // Nothing but its own lines, and the read side has the log's line and the same.
      expect(answer.text.split("\n")).toHaveLength(witness.vkeys.length + 1);
      expect(await stateOf(log)).toBe(log.note(size) + answer.text);
      old = size;
    }
  });

  it("repeats itself to whoever repeats within five seconds, and stamps anew after that", async () => {
    const log = await logAt(3);
    const first = await witness.post(log.request(3, 3));
    witness.nowMs += 4_000;
    expect((await witness.post(log.request(3, 3))).text).toBe(first.text);
    witness.nowMs += 4_000;
    const later = await witness.post(log.request(3, 3));
    expect(cosignedAt(witness, log.note(3), later.text)[0]).toBe(witness.nowMs / 1000);
    expect(await stateOf(log)).toBe(log.note(3) + later.text);
  });

  it("cosigns extension lines as they are, and those that an Ed25519 key has signed only", async () => {
    const log = await logAt(0);
    const note = log.note(2, { extensions: ["one", "two"] });
    const answer = await witness.post(requestOf(0, [], note));
    expect(answer.status).toBe(200);
    expect(cosignedAt(witness, note, answer.text)).toHaveLength(witness.vkeys.length);
  });

  it("takes any of several keys of one log, and keeps each line that verified", async () => {
    const log = await logAt(0);
    const second = makeSigner("other-name.test/key", "second key");
    witness.add({ vkey: second.vkey, origin: log.origin });
    const both = log.note(4, { signers: [log.signer, second, makeSigner("stranger.test", "s")] });
    expect((await witness.post(requestOf(0, [], log.note(3, { signers: [second] })))).status).toBe(200);
    const answer = await witness.post(requestOf(3, log.proof(3, 4), both));
    expect(answer.status).toBe(200);
    expect(parseNote((await stateOf(log)) ?? "").signatures.map(({ name }) => name)).toEqual([
      log.origin, "other-name.test/key", ...witness.vkeys.map(() => "witness.test/w1"),
    ]); // prettier-ignore
  });

  it("takes a log that signs with ML-DSA-44, but no extension lines that this does not cover", async () => {
    const log = new TestLog("logs.test/ml-dsa");
    const [, key] = createKeys(temporaryFolder(), log.origin);
    if (key === undefined) return; // this Node can't
    witness.add({ vkey: key.vkey, origin: log.origin });
    const noteOf = (text: string, signedText = text): string =>
      formatNote(
        text,
        [key.cosign(signedText, 1)].flatMap((one) => one ?? []),
      );
    const extended = log.text(3, ["a stranger's line"]);
    expect((await witness.post(requestOf(0, [], noteOf(extended)))).status).toBe(400);
    expect((await witness.post(requestOf(0, [], noteOf(log.text(4), log.text(3))))).status).toBe(403);
    expect((await witness.post(requestOf(0, [], noteOf(log.text(3))))).status).toBe(200);
    const nonsense = formatCheckpoint({ origin: log.origin, size: 0, root: new Uint8Array(32) });
    expect((await witness.post(requestOf(0, [], noteOf(nonsense, log.text(0))))).status).toBe(403);
  });

  it("takes a note with sixteen signatures and a proof of 63 lines' room", async () => {
    const log = await logAt(0);
    const strangers = Array.from({ length: 15 }, (_, i) => makeSigner(`s${i}.test`, `s${i}`));
    expect((await witness.post(requestOf(0, [], log.note(1, { signers: [...strangers, log.signer] })))).status).toBe(
      200,
    );
  });
});

describe("404, 403", () => {
  it("does not know the origin", async () => {
    const log = new TestLog("logs.test/unknown");
    expect(await witness.post(log.request(0, 1))).toMatchObject({
      status: 404,
      text: expect.stringContaining("witness/unknown-log"),
    });
  });

  it("finds no signature of a trusted key", async () => {
    const log = await logAt(3);
    const before = await stateOf(log);
    const stranger = makeSigner("stranger.test", "x");
    const sameName = makeSigner(log.origin, "another key of that name");
    for (const signers of [[stranger], [sameName], [stranger, sameName]]) {
      const note = log.note(5, { signers });
      expect(await witness.post(requestOf(3, log.proof(3, 5), note))).toMatchObject({ status: 403 });
    }
    expect(await stateOf(log)).toBe(before);
  });

  it("refuses a note in which a trusted key's line is forged, though another line of it verifies", async () => {
    const log = await logAt(3);
    const text = log.text(5);
    const forged = { ...log.signer.sign(log.text(4)) };
    for (const lines of [[forged], [forged, log.signer.sign(text)], [log.signer.sign(text), forged]]) {
      const answer = await witness.post(requestOf(3, log.proof(3, 5), formatNote(text, lines)));
      expect(answer).toMatchObject({ status: 403 });
    }
    expect((await witness.post(log.request(3, 5))).status).toBe(200);
  });

  it("judges origin and signature before sizes and proofs", async () => {
    const unknown = new TestLog("logs.test/unknown-2");
    const log = await logAt(3);
    const stranger = log.note(2, { signers: [makeSigner("stranger.test", "x")] });
    expect((await witness.post(requestOf(9, [], unknown.note(2)))).status).toBe(404);
    expect((await witness.post(requestOf(9, [], stranger))).status).toBe(403);
    expect((await witness.post(requestOf(0, [], stranger))).status).toBe(403);
  });
});

describe("a line forged in the witness's own name", () => {
  it("is neither stored nor answered, and stops nobody", async () => {
    const log = await logAt(0);
    const key = parseVkey(witness.vkeys[0] ?? "");
    const forged = {
      name: key.name,
      keyId: keyIdOf(key.name, key.type, key.publicKey),
      signature: new Uint8Array(72).fill(1),
    };
    const text = log.text(3);
    const note = formatNote(text, [forged, log.signer.sign(text), forged]);
    const answer = await witness.post(requestOf(0, [], note));
    expect(answer.status).toBe(200);
    cosignedAt(witness, log.note(3), answer.text);
    expect(await stateOf(log)).toBe(log.note(3) + answer.text);
    expect((await witness.post(log.request(3, 9))).status).toBe(200);
  });
});

describe("409", () => {
  it.each([0, 2, 4])("begins from %i where 3 was cosigned", async (old) => {
    const log = await logAt(3);
    const before = await stateOf(log);
    const answer = await witness.post(requestOf(old, log.proof(old, 5), log.note(5)));
    expect(answer).toEqual({ status: 409, type: "text/x.tlog.size", text: "3\n" });
    expect(await stateOf(log)).toBe(before);
  });

  it("begins from 1 where nothing was cosigned", async () => {
    const log = await logAt(0);
    expect(await witness.post(log.request(1, 3))).toEqual({ status: 409, type: "text/x.tlog.size", text: "0\n" });
  });

  it("comes before 422: what the log would have to know is the size", async () => {
    const log = await logAt(3);
    expect((await witness.post(requestOf(2, [HASH], log.note(5)))).status).toBe(409);
    const nonsense = formatCheckpoint({ origin: log.origin, size: 0, root: new Uint8Array(32) });
    expect((await witness.post(requestOf(0, [], signed(nonsense, [log.signer])))).status).toBe(409);
  });
});

describe("422", () => {
  it("is not proved to extend the last one", async () => {
    const log = await logAt(3);
    const before = await stateOf(log);
    const proof = log.proof(3, 5);
    const other = new TestLog(log.origin, { fork: "!" });
    const flipped = proof.map((line, i) => (i === 0 ? toBase64(new Uint8Array(32)) : line));
    for (const wrong of [[], proof.slice(1), proof.slice(0, -1), [...proof, HASH], flipped, [...proof].reverse()]) {
      expect((await witness.post(requestOf(3, wrong, log.note(5)))).status).toBe(422);
    }
    expect((await witness.post(requestOf(3, other.proof(3, 5), other.note(5)))).status).toBe(422);
    expect(await stateOf(log)).toBe(before);
    expect((await witness.post(log.request(3, 5))).status).toBe(200);
  });

  it("has the same size and another root", async () => {
    const log = await logAt(3);
    const other = new TestLog(log.origin, { fork: "!" });
    expect((await witness.post(other.request(3, 3))).status).toBe(422);
    expect((await witness.post(requestOf(3, [HASH], log.note(3)))).status).toBe(422);
    expect((await witness.post(log.request(3, 3))).status).toBe(200);
  });

  it("sends a proof from size 0, before and after an empty tree was cosigned", async () => {
    const log = await logAt(0);
    expect((await witness.post(requestOf(0, [HASH], log.note(3)))).status).toBe(422);
    expect((await witness.post(requestOf(0, [HASH], log.note(0)))).status).toBe(422);
    expect((await witness.post(log.request(0, 0))).status).toBe(200);
    expect((await witness.post(requestOf(0, [HASH], log.note(3)))).status).toBe(422);
    expect((await witness.post(log.request(0, 3))).status).toBe(200);
  });

  it("says size 0 with the root of something, first and after an empty tree", async () => {
    const log = await logAt(0);
    const nonsense = signed(formatCheckpoint({ origin: log.origin, size: 0, root: new Uint8Array(32) }), [log.signer]);
    expect((await witness.post(requestOf(0, [], nonsense))).status).toBe(422);
    expect((await witness.post(log.request(0, 0))).status).toBe(200);
    expect((await witness.post(requestOf(0, [], nonsense))).status).toBe(422);
    expect(await stateOf(log)).toContain("\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
  });
});

describe("400", () => {
  it("begins from more than it shows", async () => {
    const log = await logAt(3);
    expect((await witness.post(requestOf(4, [], log.note(3)))).status).toBe(400);
  });

  const log = new TestLog("logs.test/malformed");
  const note = log.note(3);
  const good = requestOf(0, [], note);
  const wrongUtf8 = Buffer.from(good);
  wrongUtf8[wrongUtf8.length - 3] = 0xff;
  it.each<[string, string | Uint8Array]>([
    ["nothing", ""],
    ["no old line", `\n${note}`],
    ["no empty line", `old 0\n${note.split("\n\n")[0] ?? ""}`],
    ["only the old line", "old 0\n\n"],
    ["old in capitals", good.replace("old", "Old")],
    ["a leading zero", good.replace("old 0", "old 00")],
    ["a sign", good.replace("old 0", "old +0")],
    ["a negative size", good.replace("old 0", "old -1")],
    ["two spaces", good.replace("old 0", "old  0")],
    ["a space behind", good.replace("old 0", "old 0 ")],
    ["an exponent", good.replace("old 0", "old 1e3")],
    ["carriage returns", good.replaceAll("\n", "\r\n")],
    ["an old size of 2^53", good.replace("old 0", "old 9007199254740992")],
    ["an old size beyond 64 bits", good.replace("old 0", "old 99999999999999999999999")],
    [
      "64 proof lines",
      requestOf(
        0,
        Array.from({ length: 64 }, () => HASH),
        note,
      ),
    ],
    ["a short hash", requestOf(0, [toBase64(new Uint8Array(31))], note)],
    ["a long hash", requestOf(0, [toBase64(new Uint8Array(33))], note)],
    ["base64 without padding", requestOf(0, [HASH.replace("=", "")], note)],
    ["a proof line that is no base64", requestOf(0, ["!"], note)],
    ["no final newline", good.slice(0, -1)],
    ["bytes behind the note", `${good}x`],
    ["bytes that are no UTF-8", wrongUtf8],
    ["a control character", good.replace("malformed", "malformed\u0007")],
    ["a note without signatures", requestOf(0, [], log.text(3))],
    ["a size with a leading zero", requestOf(0, [], signed(log.text(3).replace("\n3\n", "\n03\n"), [log.signer]))],
    ["a size of 2^53", requestOf(0, [], signed(log.text(3).replace("\n3\n", "\n9007199254740992\n"), [log.signer]))],
    [
      "a size beyond 64 bits",
      requestOf(0, [], signed(log.text(3).replace("\n3\n", "\n18446744073709551616\n"), [log.signer])),
    ],
    [
      "a root of 31 bytes",
      requestOf(0, [], signed(`${log.origin}\n3\n${toBase64(new Uint8Array(31))}\n`, [log.signer])),
    ],
    ["no root", requestOf(0, [], signed(`${log.origin}\n3\n`, [log.signer]))],
    [
      "65 signatures",
      requestOf(
        0,
        [],
        formatNote(
          log.text(3),
          Array.from({ length: 65 }, () => log.signer.sign(log.text(3))),
        ),
      ),
    ],
  ])("%s", async (_, body) => {
    witness.add(log);
    expect(await witness.post(body)).toMatchObject({ status: 400, text: expect.stringContaining("witness/request") });
    expect(await stateOf(log)).toBeUndefined();
  });

  it("2^53 - 1 is a size like any other", async () => {
    const big = await logAt(0);
    const text = (size: number) => formatCheckpoint({ origin: big.origin, size, root: new Uint8Array(32).fill(9) });
    const last = Number.MAX_SAFE_INTEGER;
    const answer = await witness.post(requestOf(0, [], signed(text(last), [big.signer])));
    expect(answer.status).toBe(200);
    expect(await witness.post(requestOf(0, [], signed(text(5), [big.signer])))).toMatchObject({
      status: 409,
      text: `${last}\n`,
    });
    witness.nowMs += 60_000;
    expect((await witness.post(requestOf(last, [], signed(text(last), [big.signer])))).status).toBe(200);
    expect((await witness.post(requestOf(last - 1, [HASH], signed(text(last), [big.signer])))).status).toBe(409);
  });
});

describe("too much, too slow", () => {
  const announced = (headers: string, body: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(Number(new URL(witness.url).port), "127.0.0.1");
      let text = "";
      socket.on("data", (bytes) => (text += bytes.toString("utf8")));
      socket.on("error", reject);
      socket.on("close", () => resolve(text));
      socket.write(`POST /add-checkpoint HTTP/1.1\r\nhost: x\r\n${headers}\r\n\r\n${body}`);
    });

  it("413 for what is announced as 100 MB, before it comes", async () => {
    expect(await announced("content-length: 100000000", "old 0\n")).toMatch(/^HTTP\/1.1 413 /);
  });

  it("413 for 100 MB that come unannounced; the memory stays, and so does the witness", async () => {
    const log = await logAt(1);
    const before = process.memoryUsage().rss;
    const chunk = Buffer.alloc(1_000_000, 0x61);
    let sent = 0;
    const status = await new Promise<number>((resolve) => {
      const request = httpRequest(`${witness.url}/add-checkpoint`, { method: "POST" }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      request.on("error", () => resolve(0));
      const write = (): void => {
        if (sent >= 100_000_000 || request.destroyed) return;
        sent += chunk.length;
        request.write(chunk, () => write());
      };
      write();
    });
    expect(status).toBe(413);
    expect(sent).toBeLessThan(20_000_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
    expect((await witness.post(log.request(1, 2))).status).toBe(200);
  });

  it("what is no HTTP, and who goes away in the middle", async () => {
    const log = await logAt(1);
    const port = Number(new URL(witness.url).port);
    const raw = (bytes: string) =>
      new Promise<string>((resolve) => {
        const socket = connect(port, "127.0.0.1");
        let text = "";
        socket.on("data", (part) => (text += part.toString("utf8")));
        socket.on("error", () => resolve(text));
        socket.on("close", () => resolve(text));
        socket.end(bytes);
      });
    expect(await raw("\u0016\u0003\u0001 not http\r\n\r\n")).toMatch(/^HTTP\/1.1 400 /);
    await raw("POST /add-checkpoint HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\nold 0\n");
    await raw(`GET /${"a".repeat(30_000)} HTTP/1.1\r\nhost: x\r\n\r\n`);
    expect((await witness.post(log.request(1, 2))).status).toBe(200);
    expect(witness.errors).toEqual([]);
  });

  it("a body that drips is cut off", async () => {
    const begun = performance.now();
    expect(await announced("content-length: 400", "old 0\n")).toMatch(/^HTTP\/1.1 408 /);
    expect(performance.now() - begun).toBeLessThan(6_000);
  });
});
