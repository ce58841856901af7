import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { openNote, parseNote, parseVkey } from "@spur/verifier/note/note";
import { earliestCosignature } from "@spur/ledger/witness/candidate";
import { readAnswer } from "@spur/ledger/witness/answer";
import { Trouble } from "@spur/ledger/witness/request";
import type { Gathering, Witnesses } from "@spur/ledger/witness/witnesses";
import { codeOf } from "./log-support.ts";
import {
  answer, clientOf, closePeers, cosigner, cosigns, hangs, MemoryLog, movedClock, QUICK, stands, startPeer, type Behaviour, type Peer,
} from "./witness-support.ts"; // prettier-ignore

afterAll(closePeers);

const LOG = new MemoryLog(300);
const PACKED = gzipSync(Buffer.alloc(100_000_000), { level: 1 });
const [ANNA, BERT, CARL] = [cosigner("anna.example"), cosigner("bert.example"), cosigner("carl.example")];

/** A client of one witness that must cosign, and one round for a candidate of 300. */
async function roundWith(behave: Behaviour, more: Parameters<typeof clientOf>[2] = {}) {
  const peer = await startPeer(behave);
  const client = clientOf(1, [{ vkey: ANNA.vkey, url: peer.url }], more);
  const gathering = client.begin(LOG.candidate(300));
  return { peer, client, gathering, met: await client.gather(gathering) };
}

const reasonOf = (client: Witnesses): string | undefined => client.state().witnesses[0]?.failing?.reason;

/** Where a witness that is honest stands: it takes what extends that, and says where it is otherwise. */
function honest(who = ANNA): Behaviour & { size: number } {
  const behave = ((asked, response, request) => {
    if (asked.old !== behave.size) return stands(behave.size)(asked, response, request);
    behave.size = asked.size;
    return cosigns(who)(asked, response, request);
  }) as Behaviour & { size: number };
  behave.size = 0;
  return behave;
}

const signedBy = (gathering: Gathering): string[] => {
  const note = parseNote(gathering.checkpoint());
  const opened = openNote(note, [parseVkey(LOG.signer.vkey), ANNA.key, BERT.key, CARL.key]);
  expect(opened.invalid).toEqual([]);
  return opened.verified.map(({ key }) => key.name);
};

describe("a witness that works", () => {
  it("is asked as C2SP tlog-witness has it, and its cosignature stands behind the log's", async () => {
    const { peer, gathering, met } = await roundWith(cosigns(ANNA));
    expect(met).toBe(true);
    expect(signedBy(gathering)).toEqual([LOG.signer.name, "anna.example"]);
    expect(peer.asked).toHaveLength(1);
    expect(peer.asked[0]).toMatchObject({ old: 0, proof: [], path: "/add-checkpoint", note: LOG.candidate(300).note });
  });

  it("says where it stands: the proof comes from there, and the next one from where it stands then", async () => {
    const behave = honest();
    behave.size = 123;
    const { peer, client } = await roundWith(behave);
    expect(peer.asked.map(({ old, proof }) => [old, proof.length])).toEqual([
      [0, 0],
      [123, (await LOG.candidate(300).proof(123)).length],
    ]);
    const next = new MemoryLog(301, LOG.signer.name, undefined, LOG.signer);
    expect(await client.gather(client.begin(next.candidate(301)))).toBe(true);
    expect(peer.asked.at(-1)).toMatchObject({ old: 300, size: 301 });
    expect(peer.asked).toHaveLength(3);
  });

  it("that forgot everything is brought up again", async () => {
    const behave = honest();
    const { client } = await roundWith(behave);
    behave.size = 0;
    const next = new MemoryLog(301, LOG.signer.name, undefined, LOG.signer);
    expect(await client.gather(client.begin(next.candidate(301)))).toBe(true);
  });

  it("may sign with several keys at one address, and other lines of its answer are passed over", async () => {
    const both: Behaviour = ({ text }, response) =>
      void response.end(CARL.line(text) + ANNA.line(text) + BERT.line(text));
    const peer = await startPeer(both);
    const client = clientOf(2, [ANNA, BERT].map(({ vkey }) => ({ vkey, url: peer.url }))); // prettier-ignore
    const gathering = client.begin(LOG.candidate(300));
    expect(await client.gather(gathering)).toBe(true);
    expect(signedBy(gathering)).toEqual([LOG.signer.name, "anna.example", "bert.example"]);
    expect(peer.asked).toHaveLength(1);
  });

  it("may have closed a connection that was kept: it is asked once more, at once", async () => {
    let first = true;
    const { client, met } = await roundWith((asked, response, request) => {
      if (!first) return cosigns(ANNA)(asked, response, request);
      first = false;
      response.socket?.destroy();
    });
    expect([met, client.state().witnesses[0]?.failing]).toEqual([true, undefined]);
  });

  it("is sent no cosignature of others", async () => {
    const { peer } = await roundWith(cosigns(ANNA));
    expect(parseNote(peer.asked[0]?.note ?? "").signatures.map(({ name }) => name)).toEqual([LOG.signer.name]);
  });
});

describe("an answer that is no use leaves the witness out and says why", () => {
  const elsewhere = (other: Peer): Behaviour => answer(307, "", { location: `${other.url}/add-checkpoint` });
  const noted = (change: (text: string) => string): Behaviour => ({ text }, response) => void response.end(change(text)); // prettier-ignore
  const other = new MemoryLog(300, "another.example/log");

  it.each<[string, string, Behaviour]>([
    ["404", "unknown-log", answer(404)],
    ["403", "unknown-log", answer(403, "unknown log")],
    ["400", "refused", answer(400, "bad")],
    ["500", "refused", answer(500)],
    ["204", "refused", answer(204)],
    ["429", "busy", answer(429)],
    ["503", "busy", answer(503)],
    ["409 without a size", "conflict", answer(409)],
    ["409 whose size is of another type", "conflict", answer(409, "12\n", { "content-type": "text/plain" })],
    ["409 with no number", "malformed", stands("many")],
    ["409 with a negative number", "malformed", stands("-1")],
    ["409 with another way to write a number", "malformed", stands("0012")],
    ["409 with a size above 2^53", "malformed", stands("18446744073709551615")],
    ["409 with 2^53", "malformed", stands(2 ** 53)],
    ["409 with the size that it was sent", "conflict", stands(0)],
    ["nothing at all", "malformed", answer(200)],
    ["junk", "malformed", answer(200, "<html>welcome</html>")],
    ["bytes that are no text", "malformed", ((_asked, response) => void response.end(Buffer.from([0xe2, 0x80, 0xff, 0x0a])))],
    ["a whole note for lines", "malformed", noted((text) => `${text}\n${ANNA.line(text)}`)],
    ["a good signature under a longer text", "malformed", noted((text) => `more\n\n${ANNA.line(`${text}\nmore\n`)}`)],
    ["a line that is cut", "malformed", noted((text) => ANNA.line(text).slice(0, -1))],
    ["65 lines", "malformed", noted((text) => ANNA.line(text).repeat(65))],
    ["another witness's line", "no-signature", cosigns(BERT)],
    ["the log's own line", "no-signature", noted((text) => LOG.candidate(300).note.slice(text.length + 1))],
    ["a cosignature of another log", "wrong-signature", noted(() => ANNA.line(other.candidate(300).text))],
    ["a cosignature of another size", "wrong-signature", noted(() => ANNA.line(LOG.candidate(299).text))],
    ["a good and a broken line of its key", "wrong-signature", noted((text) => ANNA.line(text) + ANNA.line("x\n"))],
    ["a cosignature without a time", "wrong-signature", cosigns(ANNA, 0)],
    ["100 MB", "too-long", floods],
    ["100 MB, packed", "too-long", (_asked, response) => void response.writeHead(200, { "content-encoding": "gzip" }).end(PACKED)],
    ["nothing, for ever", "timeout", hangs],
    ["one letter at a time", "timeout", drips],
    ["a connection that breaks", "unreachable", ((_asked, response) => void response.socket?.destroy())],
    ["an answer that breaks", "unreachable", ((_asked, response) => { response.writeHead(200, { "content-length": "500" }).write("— "); setTimeout(() => response.destroy(), 10); })],
  ])("%s: %s", async (_name, reason, behave) => {
    const { client, met, gathering } = await roundWith(behave, reason === "timeout" ? { limits: QUICK } : {});
    expect([met, reasonOf(client)]).toEqual([false, reason]);
    expect(signedBy(gathering)).toEqual([LOG.signer.name]);
    expect(JSON.stringify(client.state()).length).toBeLessThan(2_000);
  }); // prettier-ignore

  it("a redirection is not followed, wherever it leads", async () => {
    const other = await startPeer(cosigns(ANNA));
    for (const status of [301, 302, 303, 307, 308]) {
      const { client, met } = await roundWith((asked, response, request) => {
        void elsewhere(other)(asked, response, request);
        response.statusCode = status;
      });
      expect([met, reasonOf(client)]).toEqual([false, "redirect"]);
    }
    expect(other.asked).toEqual([]);
  });

  it("an address where nobody listens: unreachable", async () => {
    const peer = await startPeer(hangs);
    await peer.close();
    const client = clientOf(1, [{ vkey: ANNA.vkey, url: peer.url }]);
    expect(await client.gather(client.begin(LOG.candidate(300)))).toBe(false);
    expect(reasonOf(client)).toBe("unreachable");
  });

  it("a size that changes with every answer ends after three tries", async () => {
    let next = 10;
    const { peer, client, met } = await roundWith((asked, response, request) =>
      stands(next++)(asked, response, request),
    );
    expect([met, reasonOf(client), peer.asked.length]).toEqual([false, "conflict", 3]);
  });

  it("a clock that would contradict the hours in the log: clock", async () => {
    const hour = Date.UTC(2026, 10, 22, 4);
    const peer = await startPeer(cosigns(ANNA, hour / 1000 - 301));
    const client = clientOf(1, [{ vkey: ANNA.vkey, url: peer.url }], { outside: { clock: movedClock() } });
    const candidate = LOG.candidate(300, { notBefore: earliestCosignature(hour) });
    expect(await client.gather(client.begin(candidate))).toBe(false);
    expect(reasonOf(client)).toBe("clock");
    const right = clientOf(1, [{ vkey: ANNA.vkey, url: (await startPeer(cosigns(ANNA, hour / 1000 - 300))).url }]);
    expect(await right.gather(right.begin(candidate))).toBe(true);
  });

  it("a proof that our own tiles cannot give is not sent", async () => {
    const peer = await startPeer(stands(100));
    const client = clientOf(1, [{ vkey: ANNA.vkey, url: peer.url }]);
    // The head is signed, but the tiles are of another log.
    const candidate = { ...LOG.candidate(300), proof: new MemoryLog(300, "x", (i) => `${i}`).candidate(300).proof };
    const good = LOG.candidate(300);
    const mixed = {
      ...good,
      proof: (from: number) => (from === 0 ? good.proof(0) : Promise.reject(new Error("tile 0/0 differs"))),
    };
    expect(candidate.size).toBe(300);
    expect(await client.gather(client.begin(mixed))).toBe(false);
    expect(reasonOf(client)).toBe("proof");
    expect(peer.asked).toHaveLength(1);
  });
});

describe("an answer with one letter changed", () => {
  it("is no cosignature, whichever it is", () => {
    const candidate = LOG.candidate(300);
    const whole = ANNA.line(candidate.text);
    const witnesses = [{ name: "w1", key: ANNA.key, own: false }];
    const read = (body: string): string => {
      try {
        return readAnswer({ status: 200, type: "text/plain", body }, candidate, 0, witnesses).kind;
      } catch (error) {
        if (error instanceof Trouble) return error.reason;
        throw error;
      }
    };
    expect(read(whole)).toBe("cosigned");
    const outcomes = new Set<string>();
    for (let at = 0; at < whole.length; at++) {
      for (const put of ["", "A", "/", " ", "\n", "\u0000", "\ud800", "—"]) {
        const [cut, changed] = [whole.slice(0, at) + put, whole.slice(0, at) + put + whole.slice(at + 1)];
        for (const text of [cut, changed]) if (text !== whole) outcomes.add(read(text));
      }
    }
    expect([...outcomes].sort()).toEqual(["malformed", "no-signature", "wrong-signature"]);
  });
});

describe("what stops the log", () => {
  const stopOf = async (behave: Behaviour, candidate = LOG.candidate(300)) => {
    const peer = await startPeer(behave);
    const client = clientOf(1, [{ vkey: ANNA.vkey, url: peer.url }]);
    let error: unknown;
    await client.gather(client.begin(candidate)).catch((thrown: unknown) => (error = thrown));
    return { code: (error as { code?: string } | undefined)?.code ?? reasonOf(client), message: String(error), peer };
  };

  it("a size that this copy never signed, with the answer as evidence", async () => {
    const { code, message, peer } = await stopOf(stands(301));
    expect(code).toBe("log/rolled-back");
    expect(message).toContain(
      `${peer.url} has cosigned a size that this copy never signed; asked at 300, it answers 409 "301"`,
    );
  });

  it("a smaller size, too, if it was never signed here: a copy that has grown past the other", async () => {
    const candidate = LOG.candidate(300, { known: (size) => size === 0 || size === 100 || size === 300 });
    expect((await stopOf(stands(250), candidate)).code).toBe("log/rolled-back");
    expect((await stopOf(honest(), candidate)).code).toBeUndefined();
  });

  it.each([
    ["422", 422],
    ["409 without a size, as some say it", 409],
  ])("another root of our size: %s", async (_name, status) => {
    const { code, message } = await stopOf((asked, response, request) =>
      (asked.old === 300 ? answer(status) : stands(300))(asked, response, request),
    );
    expect(code).toBe("log/forked");
    expect(message).toContain(`it answers ${status}`);
  });

  it("another root where the witness stands, found by asking for just that when it refuses a valid proof", async () => {
    const forked = await stopOf((asked, response, request) =>
      (asked.old === 120 ? answer(422) : stands(120))(asked, response, request),
    );
    expect(forked.code).toBe("log/forked");
    expect(forked.peer.asked.map(({ old, size }) => [old, size])).toEqual([
      [0, 300],
      [120, 300],
      [120, 120],
    ]);
  });

  it("not a witness that refuses a valid proof and agrees where it stands: that one is broken", async () => {
    const { code } = await stopOf((asked, response, request) => {
      const behave = asked.old !== 120 ? stands(120) : asked.size === 120 ? cosigns(ANNA) : answer(422);
      return behave(asked, response, request);
    });
    expect(code).toBe("proof");
  });

  it("even beside a quorum, and the others are let go at once", async () => {
    const slow = await startPeer(hangs);
    const [a, b, c] = [await startPeer(cosigns(ANNA)), await startPeer(stands(999)), slow];
    const client = clientOf(2, [{ vkey: ANNA.vkey, url: a.url }, { vkey: BERT.vkey, url: b.url }, { vkey: CARL.vkey, url: c.url }]); // prettier-ignore
    const began = performance.now();
    expect(await codeOf(() => client.gather(client.begin(LOG.candidate(300))))).toBe("log/rolled-back");
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});

describe("a quorum", () => {
  const three = async (...behave: [Behaviour, Behaviour, Behaviour]) => {
    const peers = await Promise.all(behave.map((one) => startPeer(one)));
    const vkeys = [ANNA, BERT, CARL].map(({ vkey }, i) => ({ vkey, url: (peers[i] as Peer).url }));
    return { peers, vkeys };
  };

  it("waits a moment for those beyond it, and no longer", async () => {
    const later = (ms: number, behave: Behaviour): Behaviour => (asked, response, request) =>
      void setTimeout(() => void behave(asked, response, request), ms); // prettier-ignore
    const quick = await three(cosigns(ANNA), cosigns(BERT), later(80, cosigns(CARL)));
    const one = clientOf(2, quick.vkeys);
    const all = one.begin(LOG.candidate(300));
    expect(await one.gather(all)).toBe(true);
    expect(signedBy(all)).toHaveLength(4);
    const slow = await three(cosigns(ANNA), cosigns(BERT), hangs);
    const other = clientOf(2, slow.vkeys, { limits: { ...QUICK, requestMs: 10_000, roundMs: 10_000 } });
    const two = other.begin(LOG.candidate(300));
    const began = performance.now();
    expect(await other.gather(two)).toBe(true);
    expect(performance.now() - began).toBeLessThan(QUICK.graceMs + 500);
    expect(signedBy(two)).toHaveLength(3);
    expect(other.state()).toMatchObject({ quorum: "met", witnesses: [{}, {}, { failing: { reason: "timeout" } }] });
  });

  it("is gathered over several rounds: nobody is asked twice for what he has given", async () => {
    const clock = movedClock();
    const { peers, vkeys } = await three(cosigns(ANNA), answer(500), answer(500));
    const client = clientOf(2, vkeys, { outside: { clock } });
    const gathering = client.begin(LOG.candidate(300));
    expect(await client.gather(gathering)).toBe(false);
    expect(client.state()).toMatchObject({ quorum: "not-met", waiting: { size: 300 } });
    expect(client.missing(gathering.names)).toBe("w2: refused, it answers 500; w3: refused, it answers 500");
    (peers[0] as Peer).behave = answer(500); // gone meanwhile, but it has signed
    (peers[2] as Peer).behave = cosigns(CARL);
    clock.by += 2_000;
    expect(await client.gather(gathering)).toBe(true);
    expect(signedBy(gathering)).toEqual([LOG.signer.name, "anna.example", "carl.example"]);
    expect(peers[0]?.asked).toHaveLength(1);
    expect(client.state().waiting).toBeUndefined();
  });

  it("where none is wanted is there at once, with whoever answers in a moment", async () => {
    const { vkeys } = await three(cosigns(ANNA), hangs, answer(500));
    const client = clientOf("none", vkeys);
    const gathering = client.begin(LOG.candidate(300));
    const began = performance.now();
    expect(await client.gather(gathering)).toBe(true);
    expect(performance.now() - began).toBeLessThan(QUICK.graceMs + 200);
    expect(signedBy(gathering)).toEqual([LOG.signer.name, "anna.example"]);
  });

  it("makes the proof from one size once, for all that stand there", async () => {
    const at200 = (who: typeof ANNA): Behaviour => Object.assign(honest(who), { size: 200 });
    const { vkeys } = await three(at200(ANNA), at200(BERT), at200(CARL));
    const client = clientOf(3, vkeys);
    const candidate = LOG.candidate(300);
    const proofs = new Set<unknown>();
    const watched = { ...candidate, proof: (from: number) => { const proof = candidate.proof(from); if (from > 0) proofs.add(proof); return proof; } }; // prettier-ignore
    expect(await client.gather(client.begin(watched))).toBe(true);
    expect(proofs.size).toBe(1);
  });
});

describe("a witness that fails is left alone", () => {
  it("for longer and longer, up to a minute or so, and at once no more when it works", async () => {
    const clock = movedClock();
    const { peer, client, gathering } = await roundWith(answer(500), { outside: { clock } });
    const since = client.state().witnesses[0]?.failing?.sinceMs;
    const pauses: number[] = [];
    for (let i = 0; i < 9; i++) {
      const before = peer.asked.length;
      let waited = 0;
      while (peer.asked.length === before) {
        clock.by += 250;
        waited += 250;
        await client.gather(gathering);
      }
      pauses.push(waited);
    }
    expect(pauses.slice(0, 5)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000]);
    expect(Math.max(...pauses)).toBe(60_000);
    expect(client.state().witnesses[0]?.failing?.sinceMs).toBe(since);
    peer.behave = cosigns(ANNA);
    clock.by += 60_000;
    expect(await client.gather(gathering)).toBe(true);
    expect(client.state().witnesses[0]?.failing).toBeUndefined();
    expect(client.state().witnesses[0]).toMatchObject({ name: "w1", key: "anna.example", size: 300 });
  });

  it("for as long as it asks, but not for a day", async () => {
    for (const [header, waits] of [
      ["30", 30_000],
      ["86400", 300_000],
      ["soon", 1_000],
    ] as const) {
      // prettier-ignore
      const clock = movedClock();
      const { peer, client, gathering } = await roundWith(answer(429, "", { "retry-after": header }), {
        outside: { clock },
      });
      clock.by += waits - 250;
      await client.gather(gathering);
      expect([header, peer.asked.length]).toEqual([header, 1]);
      clock.by += 500;
      await client.gather(gathering);
      expect([header, peer.asked.length]).toEqual([header, 2]);
    }
  });
});

describe("before the first signature", () => {
  it("enough witnesses must have said that they know of nothing more", async () => {
    const clock = movedClock();
    const a = await startPeer(honest());
    const b = await startPeer(answer(500));
    const client = clientOf(2, [{ vkey: ANNA.vkey, url: a.url }, { vkey: BERT.vkey, url: b.url }], { outside: { clock } }); // prettier-ignore
    await client.compare(LOG.candidate(200));
    expect(client.compared).toBe(false);
    b.behave = honest(BERT);
    clock.by += 2_000;
    await client.compare(LOG.candidate(200));
    expect(client.compared).toBe(true);
    expect(a.asked.map(({ size }) => size)).toEqual([200]);
  });

  it("one that knows more than any copy of this log signed stops it, whatever it was asked", async () => {
    const peer = await startPeer(stands(201));
    const client = clientOf(1, [{ vkey: ANNA.vkey, url: peer.url }]);
    expect(await codeOf(() => client.compare(LOG.candidate(200)))).toBe("log/rolled-back");
  });

  it("one that knows what was signed and not published has answered", async () => {
    const peer = await startPeer(stands(220));
    const client = clientOf(1, [{ vkey: ANNA.vkey, url: peer.url }]);
    await client.compare(LOG.candidate(200, { known: (size) => size <= 220 }));
    expect(client.compared).toBe(true);
  });

  it("one that does not know the log has not answered", async () => {
    const peer = await startPeer(answer(404));
    const client = clientOf(1, [{ vkey: ANNA.vkey, url: peer.url }]);
    await client.compare(LOG.candidate(200));
    expect(client.compared).toBe(false);
  });

  it("who cosigned before is read from the published checkpoint", async () => {
    const client = clientOf(2, [{ vkey: ANNA.vkey }, { vkey: BERT.vkey, url: "http://127.0.0.1:1" }, { vkey: CARL.vkey, url: "http://127.0.0.1:1" }]); // prettier-ignore
    const { note, text } = LOG.candidate(300);
    expect(client.recall(note + ANNA.line(text, 1_790_000_000) + CARL.line(text))).toBe(true);
    expect(client.state()).toMatchObject({
      quorum: "met",
      witnesses: [{ size: 300, atMs: 1_790_000_000_000 }, {}, { size: 300 }],
    });
    expect(client.recall(note + ANNA.line(text) + BERT.line("other\n"))).toBe(false);
  });
});

describe("an end", () => {
  it("lets go of all that is asked", async () => {
    const peer = await startPeer(hangs);
    const client = clientOf(1, [{ vkey: ANNA.vkey, url: peer.url }], {
      limits: { ...QUICK, requestMs: 60_000, roundMs: 60_000 },
    });
    const round = client.gather(client.begin(LOG.candidate(300)));
    setTimeout(() => client.close(), 50);
    const began = performance.now();
    expect(await round).toBe(false);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});

function floods(...[, response]: Parameters<Behaviour>): void {
  const chunk = Buffer.alloc(1_000_000, 0x41);
  let left = 100;
  const write = (): void => {
    while (left-- > 0) if (!response.write(chunk)) return void response.once("drain", write);
    response.end();
  };
  write();
}

function drips(...[, response]: Parameters<Behaviour>): void {
  const timer = setInterval(() => response.write("—"), 50);
  response.once("close", () => clearInterval(timer));
}
