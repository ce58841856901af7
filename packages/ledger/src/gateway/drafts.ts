import { canonicalBytes } from "@spur/verifier/statement/canonical";
import type { Draft } from "../draft.ts";
import type { End, Outcome } from "./outcome.ts";
import type { ServedModel } from "./upstream.ts";

/** One exchange that is over, as the gateway saw it. */
export interface Exchange {
  readonly rec: string;
  readonly decisionRec: string;
  /** Id of the access key. */
  readonly caller: string;
  readonly served: ServedModel;
  /** The request's body as received, which is what was forwarded. */
  readonly request: Uint8Array;
  /** The body as received from the upstream, of whatever status; absent if no answer came. */
  readonly response: Uint8Array | undefined;
  readonly outcome: Outcome;
  /** True if anything of the answer reached, or is now to reach, the client. */
  readonly released: boolean;
  readonly usage: Uint8Array | undefined;
  readonly client: Client;
  readonly timing: Timing;
}

/** Values of the caller's headers, as they came. */
export interface Client {
  readonly userAgent: string | undefined;
  readonly idempotencyKey: string | undefined;
  readonly retryCount: string | undefined;
}

/** When what happened (milliseconds of the Unix epoch), and how it ended on the wire. What is undefined is left out of the record. */
export interface Timing {
  readonly startedAtMs: number;
  /** The request began to leave, its journal row being durable; undefined if it never did. */
  readonly forwardedAtMs: number | undefined;
  readonly headAtMs: number | undefined;
  readonly firstByteAtMs: number | undefined;
  readonly endedAtMs: number;
  readonly end: End;
  readonly status: number | undefined;
  /** The upstream's x-request-id. */
  readonly upstreamRequestId: string | undefined;
  /** Content-Encoding of the response's bytes, where an upstream used one though we asked for none. */
  readonly encoding: string | undefined;
}

/** The one rule of the static policy, as it stands in a decision's sealed detail. */
export const ALLOW_ALL = "allow all";
const DETAIL = canonicalBytes({ rule: ALLOW_ALL });

/**
 * The output and its decision, in the order in which they must stand in the log. Pure.
 * The decision belongs to the ledger, not to the caller, and outlives the removal of the content it was about.
 */
export function draftsOf(exchange: Exchange): Draft[] {
  const { rec, decisionRec, caller, served, request, response, outcome, released, usage, client, timing } = exchange;
  return [
    {
      rec,
      predicateType: "spur:output/v1",
      predicate: { deployment: { rec: served.deployment }, outcome },
      slots: [
        request,
        response,
        callerBytes(caller, client),
        usage,
        timingBytes(timing),
        undefined, // label
        undefined,
        undefined,
      ],
      evidence: "observed",
      retention: "output",
      owner: caller,
      contentDays: served.contentDays,
      ...(served.keepNothing ? { keepNothing: true } : {}),
    },
    {
      rec: decisionRec,
      predicateType: "spur:decision/v1",
      predicate: {
        output: { rec },
        actor: "rule",
        verdict: released ? "released" : "not-delivered",
        policy: { rec: served.policy },
        policyVersion: served.policyVersion,
      },
      slots: [DETAIL],
      evidence: "observed",
      retention: "output",
      owner: "",
    },
  ];
}

// Canonical JSON (RFC 8785), as everywhere: of whole numbers and Latin-1 strings under names in order JSON.stringify writes just that,
// in a fraction of the time. It leaves out what is undefined.

function callerBytes(key: string, { userAgent, idempotencyKey, retryCount }: Client): Uint8Array {
  return Buffer.from(JSON.stringify({ idempotencyKey, key, retryCount, userAgent }));
}

function timingBytes(timing: Timing): Uint8Array {
  const { encoding, end, endedAtMs, firstByteAtMs, forwardedAtMs, headAtMs, startedAtMs, status } = timing;
  const { upstreamRequestId } = timing;
  return Buffer.from(
    JSON.stringify({
      encoding,
      end,
      endedAtMs,
      firstByteAtMs,
      forwardedAtMs,
      headAtMs,
      startedAtMs,
      status,
      upstreamRequestId,
    }),
  );
}
