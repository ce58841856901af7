/** One turn of a conversation, as far as it could be read. */
export interface Turn {
  readonly role: "system" | "user" | "assistant" | "tool" | "other";
  /** The role as written, where it is none of those that have a word. */
  readonly name?: string;
  readonly text: string;
  readonly reasoning?: string;
  readonly calls: readonly { readonly name: string; readonly arguments: string }[];
  /** Kinds of parts that are not text: "image_url", … */
  readonly media: readonly string[];
  /** Which of several answers, from 0. */
  readonly choice?: number;
}

type Dict = { readonly [name: string]: unknown };

/** The turns of a chat request; undefined if the bytes are not one. Reads, never judges: the exact bytes are shown beside it. */
export function readRequest(text: string): readonly Turn[] | undefined {
  const body = parse(text);
  if (!isDict(body)) return undefined;
  if (Array.isArray(body["messages"])) {
    return (body["messages"] as readonly unknown[]).filter(isDict).map((message) => turnOf(message));
  }
  const prompt = body["prompt"] ?? body["input"];
  return typeof prompt === "string" ? [plain("user", prompt)] : undefined;
}

/** The answers of a chat response: one JSON body, or the events of a stream as they were sent. */
export function readResponse(text: string): readonly Turn[] | undefined {
  const body = parse(text);
  if (isDict(body)) {
    if (!Array.isArray(body["choices"])) return undefined;
    const choices = (body["choices"] as readonly unknown[]).filter(isDict);
    return choices.map((choice, i) => {
      const message = choice["message"];
      const turn = isDict(message)
        ? turnOf({ role: "assistant", ...message })
        : plain("assistant", str(choice["text"]));
      return choices.length > 1 ? { ...turn, choice: typeof choice["index"] === "number" ? choice["index"] : i } : turn;
    });
  }
  return readStream(text);
}

interface Draft {
  text: string;
  reasoning: string;
  calls: Map<number, { name: string; arguments: string }>;
}

/** Server-sent events of a chat stream put together; comments, keep-alives and unknown events are passed over. */
function readStream(text: string): readonly Turn[] | undefined {
  const drafts = new Map<number, Draft>();
  let events = 0;
  for (const event of text.split(/\r?\n\r?\n|\r\r/)) {
    const data = event
      .split(/\r\n|\n|\r/)
      .filter((line) => line.startsWith("data:"))
      .map((line) => line.slice(5).replace(/^ /, ""))
      .join("\n");
    if (data === "") continue;
    events++;
    const chunk = data === "[DONE]" ? undefined : parse(data);
    if (!isDict(chunk) || !Array.isArray(chunk["choices"])) continue;
    for (const choice of (chunk["choices"] as readonly unknown[]).filter(isDict)) addDelta(drafts, choice);
  }
  if (events === 0) return undefined;
  return [...drafts]
    .sort(([a], [b]) => a - b)
    .map(([index, draft]) => ({
      role: "assistant",
      text: draft.text,
      ...(draft.reasoning === "" ? {} : { reasoning: draft.reasoning }),
      calls: [...draft.calls.values()],
      media: [],
      ...(drafts.size > 1 ? { choice: index } : {}),
    }));
}

function addDelta(drafts: Map<number, Draft>, choice: Dict): void {
  const index = typeof choice["index"] === "number" ? choice["index"] : 0;
  const draft = drafts.get(index) ?? {
    text: "",
    reasoning: "",
    calls: new Map<number, { name: string; arguments: string }>(),
  };
  drafts.set(index, draft);
  const delta = isDict(choice["delta"]) ? choice["delta"] : {};
  draft.text += str(delta["content"]) + str(delta["refusal"]) + str(choice["text"]);
  draft.reasoning += str(delta["reasoning_content"]);
  if (!Array.isArray(delta["tool_calls"])) return;
  for (const call of (delta["tool_calls"] as readonly unknown[]).filter(isDict)) {
    const at = typeof call["index"] === "number" ? call["index"] : 0;
    const made = isDict(call["function"]) ? call["function"] : {};
    const before = draft.calls.get(at) ?? { name: "", arguments: "" };
    draft.calls.set(at, {
      name: before.name + str(made["name"]),
      arguments: before.arguments + str(made["arguments"]),
    });
  }
}

function turnOf(message: Dict): Turn {
  const written = str(message["role"]);
  const role = written === "developer" ? "system" : written;
  const known = role === "system" || role === "user" || role === "assistant" || role === "tool";
  const parts: readonly unknown[] = Array.isArray(message["content"]) ? (message["content"] as readonly unknown[]) : [];
  const dicts = parts.filter(isDict);
  const texts = dicts.filter((part) => typeof part["text"] === "string").map((part) => str(part["text"]));
  const calls = Array.isArray(message["tool_calls"])
    ? (message["tool_calls"] as readonly unknown[]).filter(isDict)
    : [];
  const reasoning = str(message["reasoning_content"]);
  return {
    role: known ? role : "other",
    ...(known ? {} : { name: written }),
    text: [str(message["content"]), ...texts, str(message["refusal"])].filter((text) => text !== "").join("\n"),
    ...(reasoning === "" ? {} : { reasoning }),
    calls: calls.map((call) => {
      const made = isDict(call["function"]) ? call["function"] : {};
      return { name: str(made["name"]), arguments: str(made["arguments"]) };
    }),
    media: dicts.filter((part) => typeof part["text"] !== "string").map((part) => str(part["type"]) || "?"),
  };
}

function plain(role: "user" | "assistant", text: string): Turn {
  return { role, text, calls: [], media: [] };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Not JSON, or deeper than the engine goes: shown as bytes.
  }
}

function isDict(value: unknown): value is Dict {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function str(value: unknown): string {
  return typeof value === "string" ? value : "";
}
