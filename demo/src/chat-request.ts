/** What OpenAI's API answers to a request that it refuses. */
export class ApiError extends Error {
  readonly status: number;
  readonly param: string | null;
  readonly code: string | null;
  constructor(status: number, message: string, param: string | null = null, code: string | null = null) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.param = param;
    this.code = code;
  }
}

/** `{"error":{message, type, param, code}}`: all four are required, the last two may be null. */
export function errorBody({ status, message, param, code }: ApiError): unknown {
  return { error: { message, type: status >= 500 ? "server_error" : "invalid_request_error", param, code } };
}

/** The part of a chat completion request that this model can obey. Members it can't are refused if they ask for another kind of answer, else passed over. */
export type ChatRequest = {
  readonly prompt: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly n: number;
  readonly stop: readonly string[];
  readonly seed?: number;
};

const MAX_PROMPT_CHARACTERS = 65_536;

/** @throws ApiError 400, or 404 for a model that isn't served */
export function parseChatRequest(body: unknown, model: string): ChatRequest {
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw new ApiError(400, "The body must be a JSON object.");
  const given = body as Record<string, unknown>;
  if (typeof given["model"] !== "string") throw new ApiError(400, "you must provide a model parameter", "model");
  if (given["model"] !== model) {
    throw new ApiError(
      404,
      `The model '${given["model"]}' does not exist. Served here: '${model}'.`,
      "model",
      "model_not_found",
    );
  }
  for (const name of ["tools", "functions", "audio", "response_format"]) {
    const asked = given[name];
    const plain =
      asked === undefined ||
      asked === null ||
      (Array.isArray(asked) && asked.length === 0) ||
      (name === "response_format" && isText(asked));
    if (!plain) throw new ApiError(400, `This model does not support '${name}'.`, name, "unsupported_parameter");
  }
  const seed = number(given, "seed", -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, true);
  const options = given["stream_options"];
  return {
    prompt: promptOf(given["messages"]),
    stream: flag(given, "stream"),
    includeUsage:
      typeof options === "object" && options !== null && flag(options as Record<string, unknown>, "include_usage"),
    maxTokens:
      number(given, "max_completion_tokens", 1, 4096, true) ?? number(given, "max_tokens", 1, 4096, true) ?? 64,
    temperature: number(given, "temperature", 0, 2, false) ?? 0.5,
    topP: number(given, "top_p", 0, 1, false) ?? 0.9,
    n: number(given, "n", 1, 16, true) ?? 1,
    stop: stopsOf(given["stop"]),
    ...(seed === undefined ? {} : { seed }),
  };
}

/** It goes on with the last message, whoever wrote it: it was not trained to hold a conversation and does not pretend to. */
function promptOf(messages: unknown): string {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new ApiError(400, "'messages' must be an array with at least one message.", "messages");
  const texts = messages.map((message: unknown, i) => {
    const { role, content } = (message ?? {}) as { role?: unknown; content?: unknown };
    if (typeof role !== "string") throw new ApiError(400, "A message needs a role.", `messages[${i}].role`);
    if (typeof content === "string") return content;
    if (content === null && role === "assistant") return "";
    const parts: unknown[] = Array.isArray(content) ? content : [undefined];
    return parts
      .map((part) => {
        const { type, text } = (part ?? {}) as { type?: unknown; text?: unknown };
        if (type !== "text" || typeof text !== "string")
          throw new ApiError(400, "This model reads text only.", `messages[${i}].content`);
        return text;
      })
      .join("");
  });
  const prompt = texts.at(-1)!;
  if (prompt.length > MAX_PROMPT_CHARACTERS) {
    throw new ApiError(
      400,
      `The last message is longer than ${MAX_PROMPT_CHARACTERS} characters.`,
      "messages",
      "context_length_exceeded",
    );
  }
  return prompt;
}

function stopsOf(stop: unknown): string[] {
  if (stop === undefined || stop === null) return [];
  const stops: unknown[] = Array.isArray(stop) ? stop : [stop];
  if (stops.length > 4 || !stops.every((s): s is string => typeof s === "string" && s.length > 0 && s.length <= 1024)) {
    throw new ApiError(400, "'stop' must be a string or up to 4 strings.", "stop");
  }
  return stops;
}

function number(
  from: Record<string, unknown>,
  name: string,
  least: number,
  most: number,
  integer: boolean,
): number | undefined {
  const value = from[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !(value >= least && value <= most) || (integer && !Number.isInteger(value))) {
    throw new ApiError(400, `'${name}' must be ${integer ? "an integer" : "a number"} from ${least} to ${most}.`, name);
  }
  return value;
}

function flag(from: Record<string, unknown>, name: string): boolean {
  const value = from[name] ?? false;
  if (typeof value !== "boolean") throw new ApiError(400, `'${name}' must be true or false.`, name);
  return value;
}

const isText = (format: unknown): boolean => (format as { type?: unknown } | null)?.type === "text";
