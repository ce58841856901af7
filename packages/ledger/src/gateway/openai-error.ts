import type { OutgoingHttpHeaders, ServerResponse } from "node:http";

/** An error in OpenAI's shape: all four members are always there, `param` and `code` may be null. */
export interface OpenAiError {
  readonly status: number;
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

/** Builds an error in OpenAI's shape. `code` is OpenAI's own word where it has one, otherwise one of our codes ("gateway/…"). */
export function openAiError(status: number, code: string, message: string, param: string | null = null): OpenAiError {
  return { status, error: { message, type: typeOf(status), param, code } };
}

function typeOf(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status < 500) return "invalid_request_error";
  return status === 502 ? "upstream_error" : "server_error";
}

/** The error as the body of an answer. */
export function errorBody({ error }: OpenAiError): string {
  return JSON.stringify({ error });
}

/**
 * The error as an event in a running stream. The leading newline ends an event whose blank line has not come yet, so that
 * this one is read by itself; official clients throw at a data object that has `error`.
 */
export function errorEvent({ error }: OpenAiError): string {
  return `\ndata: ${JSON.stringify({ error })}\n\n`;
}

/** Answers with the error, unless the client is gone. `headers` stand beside the content type. */
export function sendError(raw: ServerResponse, error: OpenAiError, headers: Readonly<OutgoingHttpHeaders> = {}): void {
  if (raw.destroyed || raw.headersSent) return;
  const body = Buffer.from(errorBody(error));
  raw.writeHead(error.status, {
    ...headers,
    "content-type": "application/json; charset=utf-8",
    "content-length": body.length,
  });
  raw.end(body);
}
