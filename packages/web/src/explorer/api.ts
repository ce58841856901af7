import type { Answer } from "@spur/verifier/evidence/report";
import type { TraceEdge } from "../trace/layout.ts";

/** GET /spur/v1/head */
export interface Head {
  readonly origin: string;
  readonly vkey: string;
  readonly size: number;
  /** The newest checkpoint: its note, or the root out of it; and when it was made, if the ledger says so. */
  readonly published: {
    readonly size: number;
    readonly root?: string;
    readonly checkpoint?: string;
    readonly atMs?: number;
  } | null;
  readonly demo: boolean;
  readonly version: string;
  readonly contentDays: number;
  /** Where the operator publishes under a policy of witnesses. */
  readonly witnesses?: {
    readonly quorum: "met" | "not-met" | "none";
    readonly waiting?: { readonly size: number; readonly sinceMs: number };
    readonly witnesses: readonly Witness[];
  };
}

/** What the ledger says of one of its witnesses. */
export interface Witness {
  readonly name: string;
  readonly key: string;
  readonly own?: boolean;
  readonly size?: number;
  readonly atMs?: number;
  readonly failing?: { readonly reason: string; readonly sinceMs: number };
}

/** One of GET /spur/v1/records */
export interface RecordRow {
  readonly rec: string;
  readonly index: number;
  readonly register: string;
  readonly seq: number;
  readonly type: string;
  readonly at: string;
  readonly evidence: string;
  readonly removed?: boolean;
}

/** GET /spur/v1/records/<rec>/trace */
export interface Trace {
  readonly entries: readonly (RecordRow & { readonly predicate: { readonly [name: string]: unknown } })[];
  readonly edges: readonly TraceEdge[];
}

/** What the ledger says when it refuses: the title and detail of its problem (RFC 9457). */
export class Refused extends Error {}

/** Requests to the ledger that served this page, and to nobody else: the page's content policy allows no other. */
export const api = {
  head: () => get<Head>("/spur/v1/head"),
  questions: () => get<readonly Answer[]>("/spur/v1/questions"),
  records: async (before?: number): Promise<readonly RecordRow[]> => {
    const more = before === undefined ? "" : `&before=${before}`;
    return (await get<{ records: readonly RecordRow[] }>(`/spur/v1/records?limit=50${more}`)).records;
  },
  trace: (rec: string) => get<Trace>(`/spur/v1/records/${encodeURIComponent(rec)}/trace`),
  /** The evidence file; with the writer's access key, the request and response are opened in it. */
  evidence: async (rec: string, accessKey: string, slots: readonly string[]): Promise<ArrayBuffer> => {
    const open = accessKey === "" || slots.length === 0 ? "" : `?open=${slots.join(",")}`;
    const headers: HeadersInit = accessKey === "" ? {} : { authorization: `Bearer ${accessKey}` };
    const response = await ask(`/spur/v1/records/${encodeURIComponent(rec)}/evidence${open}`, headers);
    return response.arrayBuffer();
  },
};

async function get<T>(path: string): Promise<T> {
  return (await (await ask(path)).json()) as T;
}

async function ask(path: string, headers: HeadersInit = {}): Promise<Response> {
  const response = await fetch(path, { headers, cache: "no-store", credentials: "omit" });
  if (response.ok) return response;
  const problem: unknown = await response.json().catch(() => undefined);
  const { title, detail } = (problem ?? {}) as { title?: unknown; detail?: unknown };
  const words = [title, detail].filter((word) => typeof word === "string");
  throw new Refused(words.length === 0 ? `${response.status} ${response.statusText}` : words.join(": "));
}
