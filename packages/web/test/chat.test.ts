import { describe, expect, it } from "vitest";
import { readRequest, readResponse } from "../src/chat/read.ts";

const event = (chunk: unknown): string => `data: ${JSON.stringify(chunk)}\n\n`;
const delta = (index: number, more: object): string => event({ choices: [{ index, delta: more }] });

describe("a request", () => {
  it("is read as turns, with parts that are no text named", () => {
    const turns = readRequest(
      JSON.stringify({
        messages: [
          { role: "developer", content: "Be brief." },
          {
            role: "user",
            content: [
              { type: "text", text: "What is this?" },
              { type: "image_url", image_url: { url: "x" } },
            ],
          },
          { role: "assistant", content: null, tool_calls: [{ function: { name: "look", arguments: '{"at":1}' } }] },
          { role: "tool", content: "a cat" },
          { role: "critic", content: "hm" },
        ],
      }),
    );
    expect(turns?.map((turn) => turn.role)).toEqual(["system", "user", "assistant", "tool", "other"]);
    expect(turns?.[1]).toMatchObject({ text: "What is this?", media: ["image_url"] });
    expect(turns?.[2]?.calls).toEqual([{ name: "look", arguments: '{"at":1}' }]);
    expect(turns?.[4]?.name).toBe("critic");
  });
  it.each(["", "[]", "null", "42", '{"messages":7}', "{", "[".repeat(50_000)])(
    "that is none is left as bytes: %.12s",
    (text) => {
      expect(readRequest(text)).toBeUndefined();
    },
  );
});

describe("a response", () => {
  it("is put together from a stream, with comments, odd line ends, two answers, and a call in pieces", () => {
    const stream =
      ": keep-alive\r\n\r\n" +
      delta(1, { role: "assistant", content: "b1" }) +
      delta(0, { content: "a1 " }).replaceAll("\n\n", "\r\n\r\n") +
      delta(0, { content: "a2", reasoning_content: "because" }) +
      delta(0, { tool_calls: [{ index: 0, function: { name: "f", arguments: '{"x"' } }] }) +
      delta(0, { tool_calls: [{ index: 0, function: { arguments: ":1}" } }] }) +
      event({ choices: [], usage: { total_tokens: 3 } }) +
      "data: not json\n\ndata: [DONE]\n\n";
    expect(readResponse(stream)).toEqual([
      {
        role: "assistant",
        text: "a1 a2",
        reasoning: "because",
        calls: [{ name: "f", arguments: '{"x":1}' }],
        media: [],
        choice: 0,
      },
      { role: "assistant", text: "b1", calls: [], media: [], choice: 1 },
    ]);
  });
  it("is read from one body", () => {
    const body = { choices: [{ index: 0, message: { role: "assistant", content: "yes", refusal: null } }] };
    expect(readResponse(JSON.stringify(body))).toEqual([{ role: "assistant", text: "yes", calls: [], media: [] }]);
  });
  it.each(["", "hello", "{}", '{"error":{"message":"x"}}'])("that is none is left as bytes: %s", (text) => {
    expect(readResponse(text)).toBeUndefined();
  });
});
