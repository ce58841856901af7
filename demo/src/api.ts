import { DemoError } from "./errors.ts";

/** One draft as `POST /spur/v1/records` takes it. */
export type WireDraft = {
  readonly predicateType: string;
  readonly predicate: object;
  readonly slots?: Readonly<Record<string, string>>;
  readonly digests?: { readonly sha256?: string; readonly spurRowsV1?: string };
};

export type WireRecord = { readonly rec: string; readonly index: number };
export type Payload = {
  readonly sha256: string;
  readonly bytes: number;
  readonly rows: number;
  readonly rowsRoot: string;
};

/** A ledger over its HTTP API, as any program from elsewhere uses it. */
export type Api = {
  readonly url: string;
  readonly key: string;
  record(...drafts: WireDraft[]): Promise<WireRecord[]>;
  payload(bytes: Uint8Array): Promise<Payload>;
  json<T>(method: string, path: string, body?: unknown): Promise<T>;
  bytes(path: string): Promise<Uint8Array>;
  /** Status alone, whatever it is. */
  status(method: string, path: string, body?: unknown): Promise<number>;
};

/** Throws DemoError `ledger/refused` with the ledger's own words. */
export function connect(url: string, key: string): Api {
  const send = (method: string, path: string, body?: Uint8Array | string): Promise<Response> =>
    fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(typeof body === "string" ? { "content-type": "application/json" } : {}),
      },
      ...(body === undefined ? {} : { body: body as string }),
    });
  async function good(method: string, path: string, body?: Uint8Array | string): Promise<Response> {
    const response = await send(method, path, body);
    if (!response.ok)
      throw new DemoError(
        "ledger/refused",
        `${method} ${path}: ${response.status} ${(await response.text()).slice(0, 500)}`,
      );
    return response;
  }
  const text = (body: unknown): string | undefined => (body === undefined ? undefined : JSON.stringify(body));
  return {
    url,
    key,
    async record(...drafts) {
      const answer = (await (await good("POST", "/spur/v1/records", JSON.stringify({ drafts }))).json()) as {
        records: WireRecord[];
      };
      return answer.records;
    },
    payload: async (bytes) => (await (await good("PUT", "/spur/v1/payloads", bytes)).json()) as Payload,
    json: async <T>(method: string, path: string, body?: unknown) =>
      (await (await good(method, path, text(body))).json()) as T,
    bytes: async (path) => new Uint8Array(await (await good("GET", path)).arrayBuffer()),
    async status(method, path, body) {
      const response = await send(method, path, text(body));
      await response.arrayBuffer();
      return response.status;
    },
  };
}
