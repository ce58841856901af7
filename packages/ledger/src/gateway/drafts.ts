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
  readonly response?: Uint8Array;
  readonly outcome: Outcome;
  /** True if anything of the answer reached, or is now to reach, the client. */
  readonly released: boolean;
  readonly usage?: Uint8Array;
  /** Values of the caller's headers, as they came. */
  readonly client: { readonly userAgent?: string; readonly idempotencyKey?: string; readonly retryCount?: string };
  readonly timing: Timing;
}

/** When what happened (milliseconds of the Unix epoch), and how it ended on the wire. */
export interface Timing {
  readonly startedAtMs: number;
  /** The request began to leave, its journal row being durable; absent if it never did. */
  readonly forwardedAtMs?: number;
  readonly headAtMs?: number;
  readonly firstByteAtMs?: number;
  readonly endedAtMs: number;
  readonly end: End;
  readonly status?: number;
  /** The upstream's x-request-id. */
  readonly upstreamRequestId?: string;
  /** Content-Encoding of the response's bytes, where an upstream used one though we asked for none. */
  readonly encoding?: string;
}

/** The one rule of the static policy, as it stands in a decision's sealed detail. */
export const ALLOW_ALL = "allow all";

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
        canonicalBytes({ key: caller, ...client }),
        usage,
        canonicalBytes({ ...timing }),
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
      slots: [canonicalBytes({ rule: ALLOW_ALL })],
      evidence: "observed",
      retention: "output",
      owner: "",
    },
  ];
}
