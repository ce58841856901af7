import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { canonicalBytes, type JsonObject } from "@spur/verifier/statement/canonical";
import { draftsOf } from "../src/gateway/drafts.ts";
import { flatHeaders, presentedSecrets, toClient, toUpstream } from "../src/gateway/headers.ts";
import { lookAtBody, memberText, outcomeOf, StreamLook } from "../src/gateway/outcome.ts";
import { LineGate } from "../src/gateway/stream.ts";
import type { ServedModel } from "../src/gateway/upstream.ts";

function through(pieces: readonly Buffer[]): { released: Buffer; rest: Buffer; done: boolean; largest: number } {
  const gate = new LineGate();
  const out = pieces.map((piece) => gate.push(piece));
  return {
    released: Buffer.concat(out),
    rest: gate.rest(),
    done: gate.done,
    largest: Math.max(0, ...out.map((o) => o.length)),
  };
}

function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
}

const pieceOfStream = fc.constantFrom(
  "data: ",
  "data:",
  "[DONE]",
  "\n",
  "\r\n",
  "\r",
  "{}",
  " ",
  "ä語🙂",
  ": keep-alive",
  "dat",
  "event: x",
  "\ufeff",
);

describe("the line gate", () => {
  it("changes no byte and holds from the first [DONE] line on, however the stream is cut into chunks", () => {
    fc.assert(
      fc.property(fc.array(pieceOfStream, { maxLength: 30 }), fc.array(fc.nat(), { maxLength: 20 }), (text, cuts) => {
        const bytes = Buffer.from(text.join(""));
        const { released, rest, done } = through(cutAt(bytes, cuts));
        expect(Buffer.concat([released, rest]).equals(bytes)).toBe(true);
        // The slow twin: split into lines by the standard's rule, look for the first that says [DONE].
        const lines = bytes.toString("utf8").split(/(?<=\r\n|\n|\r(?!\n))/);
        const first = lines.findIndex(
          (line, i) => /^data: ?\[DONE\]/.test(i === 0 ? line.replace(/^\ufeff/, "") : line) && /[\r\n]$/.test(line),
        );
        expect(done).toBe(first !== -1);
        if (first !== -1)
          expect(Buffer.from(lines.slice(0, first).join("")).length).toBeGreaterThanOrEqual(released.length - 3);
        expect(released.toString("utf8")).not.toMatch(/(^|[\r\n])data: ?\[DONE\]/);
        if (!done) expect(/[\r\n]/.test(rest.toString("latin1"))).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ["data: [DONE]\n\n", 0],
    ["data:[DONE]\r\n\r\n", 0],
    ["\ufeffdata: [DONE]\n\n", 3],
    ["data: {}\n\ndata: [DONE]\n\n: after", 10],
    ["data: {}\rdata: [DONE]\r\r", 9],
  ])("stops %j at %d", (text, at) => {
    const { released, done } = through([Buffer.from(text)]);
    expect([released.length, done]).toEqual([at, true]);
  });

  it.each([
    'data: {"content":"data: [DONE]"}\n\n',
    "data:  [DONE]\n\n",
    "xdata: [DONE]\n",
    "[DONE]\n",
    "data: x[DONE]\n",
    ": data: [DONE]\n",
  ])("lets %j pass", (text) => {
    const { released, done } = through([Buffer.from(text)]);
    expect([released.toString(), done]).toEqual([text, false]);
  });

  it("lets a keep-alive comment through at once, and one line of 10 MB in one go without being slow", () => {
    const gate = new LineGate();
    expect(gate.push(Buffer.from(": keep-alive\n\n")).toString()).toBe(": keep-alive\n\n");
    const line = Buffer.concat([Buffer.from("data: "), Buffer.alloc(10_000_000, "x"), Buffer.from("\n\n")]);
    const started = performance.now();
    const { released, largest } = through(
      cutAt(
        line,
        Array.from({ length: 10_000 }, (_, i) => i * 1000),
      ),
    );
    expect([released.length, largest]).toEqual([line.length, line.length]);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});

describe("a look at the answer", () => {
  const look = (body: string) => lookAtBody(Buffer.from(body));

  it("takes usage as written: big numbers, white space, the last of two", () => {
    const usage = (body: string): string | undefined =>
      look(body).usage && Buffer.from(look(body).usage as Uint8Array).toString();
    expect(usage('{"usage": {"total_tokens" : 12345678901234567890, "x": 1.10} }')).toBe(
      '{"total_tokens" : 12345678901234567890, "x": 1.10}',
    );
    expect(usage('{"usage":{"a":1},"\\u0075sage":{"a":2}}')).toBe('{"a":2}');
    expect(usage('{"usage":null}')).toBeUndefined();
    expect(usage('{"x":{"usage":{"a":1}}}')).toBeUndefined();
  });

  it("finds a member exactly as written in any JSON", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue(), fc.nat(3), (others, value, space) => {
        const text = JSON.stringify({ ...others, 'na"me\\': value }, null, space);
        expect(JSON.parse(memberText(text, 'na"me\\') as string)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(memberText(text, "not there, surely")).toBeUndefined();
      }),
    );
  });

  it.each([
    ["{", "failed"],
    ["<html>", "failed"],
    ["null", "failed"],
    ["[]", "failed"],
    ['{"choices":[]}', "failed"],
    ['{"choices":[{"finish_reason":"stop"}]}', "complete"],
    ['{"choices":[{"finish_reason":"length"}]}', "complete"],
    ['{"choices":[{"message":{}}]}', "complete"],
    ['{"choices":[{"finish_reason":"stop"},{"finish_reason":"content_filter"}]}', "refused"],
    ['{"error":{"message":"no"}}', "failed"],
  ])("judges %s as %s", (body, outcome) => {
    expect(outcomeOf("done", 200, false, look(body))).toBe(outcome);
  });

  it("is not thrown by 100,000 levels", () => {
    expect(look(`{"x":${"[".repeat(100_000)}${"]".repeat(100_000)},"choices":[{}]}`).choices).toBe(true);
  });

  it("judges by status and end before content", () => {
    const good = look('{"choices":[{"finish_reason":"stop"}]}');
    expect(outcomeOf("gone", 200, false, good)).toBe("cancelled");
    expect(outcomeOf("cut", 200, true, good)).toBe("partial");
    expect(outcomeOf("too-long", 200, true, good)).toBe("partial");
    expect(outcomeOf("down", undefined, false, good)).toBe("failed");
    expect(outcomeOf("redirect", 307, false, good)).toBe("failed");
    expect(outcomeOf("done", 402, false, good)).toBe("failed");
    expect(outcomeOf("done", 400, false, look('{"error":{"code":"content_filter"}}'))).toBe("refused");
  });

  it("judges streams: with a finish reason, with [DONE] alone, given up, broken by an error event", () => {
    const judge = (text: string): string => {
      const stream = new StreamLook();
      stream.lines(Buffer.from(text));
      stream.end(Buffer.alloc(0));
      return outcomeOf("done", 200, true, stream.seen);
    };
    const part = 'data: {"choices":[{"delta":{"content":"x"},"finish_reason":null}]}\r\n\r\n';
    expect(judge(`${part}data: {"choices":[{"finish_reason":"stop"}]}\n\n`)).toBe("complete");
    expect(judge(`${part}data: [DONE]`)).toBe("complete");
    expect(judge(part)).toBe("partial");
    expect(judge(`${part}data: {"error":{}}\n\ndata: [DONE]\n\n`)).toBe("partial");
    expect(judge('data: {"error":{}}\n\n')).toBe("failed");
    expect(judge("nonsense\n\n")).toBe("failed");
  });
});

const chunkOfStream = fc.constantFrom(
  ...[
    '{"choices":[{"delta":{"content":"x"},"finish_reason":null}],"usage":null}',
    '{"choices":[{"delta":{"content":"\\"error\\": \\"usage\\":1"},"finish_reason" : null}],"usage" : null}',
    '{"choices":[{"finish_reason":null},{"finish_reason":"stop"}]}',
    '{"choices":[{"\\u0066inish_reason":"content_filter"}]}',
    '{"choices":[{"delta":{},"finish_reason"\n:\t"length"}]}'.replace(/\n/, "\ndata: "),
    '{"choices":[],"usage":{"total_tokens":3}}',
    '{"\\u0075sage":{"total_tokens":4},"choices":[]}',
    '{"error":null,"choices":[{"finish_reason":null}]}',
    '{"error":{"code":"content_filter"}}',
    '{not json, but it names "error"}',
  ].flatMap((data) => [`data: ${data}\n\n`, `data:${data}\r\n\r\n`, `event: x\ndata: ${data}\n\n`]),
  ": keep-alive\n\n",
  "data: [DONE]\n\n",
  "data\n\n",
  "\n",
);

describe("a look at a stream", () => {
  it("sees the same whether it parses every event or only those that can tell something", () => {
    let skipped = 0;
    fc.assert(
      fc.property(fc.array(chunkOfStream, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 4 }), (text, cuts) => {
        const bytes = Buffer.from(text.join(""));
        const whole = new StreamLook(); // in one piece: nothing was seen before it, so all of it is parsed
        whole.lines(bytes);
        whole.end(Buffer.alloc(0));
        // As they mostly come, an event a piece; and cut anywhere.
        for (const pieces of [text.map((piece) => Buffer.from(piece)), cutAt(bytes, cuts)]) {
          const gate = new LineGate();
          const look = new StreamLook();
          for (const piece of pieces) {
            const lines = gate.push(piece);
            look.lines(lines);
            if (look.seen.choices && /^data: \{"choices":.*null\}\n\n$/.test(lines.toString())) skipped++;
          }
          look.end(gate.rest());
          expect(look.seen).toEqual(whole.seen);
        }
      }),
      { numRuns: 3_000 },
    );
    expect(skipped).toBeGreaterThan(100);
  });

  it("costs next to nothing for tokens", () => {
    const token = Buffer.from('data: {"choices":[{"delta":{"content":"word"},"finish_reason":null}]}\n\n');
    const look = new StreamLook();
    const parse = vi.spyOn(JSON, "parse");
    try {
      for (let i = 0; i < 100; i++) look.lines(token);
      expect(parse).toHaveBeenCalledTimes(1);
      look.lines(Buffer.from('data: {"choices":[{"finish_reason":"stop"}]}\n\n'));
      expect([parse.mock.calls.length, look.seen.finished]).toEqual([2, true]);
    } finally {
      parse.mockRestore();
    }
  });
});

describe("what is sealed of an exchange", () => {
  it("is canonical JSON", () => {
    const value = fc.option(
      fc.string({ unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)) }),
      { nil: undefined },
    );
    const time = fc.option(fc.nat(), { nil: undefined });
    fc.assert(
      fc.property(value, value, value, value, time, time, (userAgent, idempotencyKey, retryCount, id, ms, status) => {
        const timing = { startedAtMs: 1, forwardedAtMs: ms, headAtMs: ms, firstByteAtMs: ms, endedAtMs: 2, end: "done", status, upstreamRequestId: id, encoding: id } as const; // prettier-ignore
        const [output] = draftsOf({
          rec: "a", decisionRec: "b", caller: "key-1", served: { deployment: "d", policy: "p" } as ServedModel, request: Buffer.from("{}"), response: undefined,
          outcome: "complete", released: true, usage: undefined, client: { userAgent, idempotencyKey, retryCount }, timing,
        }); // prettier-ignore
        for (const slot of [2, 4]) {
          const bytes = output?.slots?.[slot] as Uint8Array;
          expect(Buffer.from(canonicalBytes(JSON.parse(Buffer.from(bytes).toString()) as JsonObject))).toEqual(Buffer.from(bytes)); // prettier-ignore
        }
        const defined = Object.fromEntries(Object.entries(timing).filter(([, member]) => member !== undefined));
        expect(JSON.parse(Buffer.from(output?.slots?.[4] as Uint8Array).toString())).toEqual(defined);
      }),
    );
  });
});

describe("headers", () => {
  it("keeps the Spur key, cookies, addresses and hop-by-hop headers here, and passes the rest as it came", () => {
    const secret = "spur_key_12345678";
    const received = [
      "Authorization",
      `Bearer ${secret}`,
      "X-Api-Key",
      "other_key_1234",
      "api-key",
      "k",
      "X-Odd",
      `is ${secret}`,
      "Cookie",
      "a=b",
    ];
    received.push(
      "Connection",
      "keep-alive, X-Hop",
      "x-hop",
      "1",
      "Host",
      "gateway",
      "Content-Length",
      "3",
      "X-Forwarded-For",
      "10.0.0.1",
    );
    received.push(
      "Accept-Encoding",
      "gzip, br",
      "Content-Type",
      "application/json",
      "X-Thing",
      "1",
      "x-thing",
      "2",
      "x-spur-record",
      "forged",
    );
    const secrets = presentedSecrets({ authorization: `Bearer ${secret}`, "x-api-key": "other_key_1234" });
    expect(toUpstream(received, secrets, "up")).toEqual(
      ["Content-Type", "application/json", "X-Thing", "1", "x-thing", "2", "accept-encoding", "identity", "authorization", "Bearer up"],
    ); // prettier-ignore
    expect(toUpstream(received, secrets, undefined)).not.toContain("authorization");
  });

  it("gives the client what the upstream says about the answer, not what it says about origins", () => {
    const raw = [
      "X-Request-Id",
      "1",
      "Set-Cookie",
      "a=b",
      "Alt-Svc",
      "h3",
      "Retry-After",
      "3",
      "x-spur-record",
      "forged",
      "Bad",
      "a\u0001b",
    ];
    raw.push("Access-Control-Allow-Origin", "*", "Transfer-Encoding", "chunked", "X-Latin", "\xe4");
    expect(toClient(flatHeaders(raw.map((part) => Buffer.from(part, "latin1"))))).toEqual([
      "X-Request-Id",
      "1",
      "Retry-After",
      "3",
      "X-Latin",
      "\xe4",
    ]);
  });
});
