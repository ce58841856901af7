// A log in memory, keys that cosign, and servers on loopback that answer `add-checkpoint` as badly as anybody could.
import { createPrivateKey, createPublicKey, randomBytes, sign } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { concatBytes, u64be, utf8 } from "@spur/verifier/bytes";
import { formatCheckpoint } from "@spur/verifier/note/checkpoint";
import { cosignedMessage } from "@spur/verifier/note/cosignature";
import {
  formatNote,
  formatVkey,
  parseVkey,
  TYPE_COSIGNATURE_V1,
  type NoteSignature,
  type VerifierKey,
} from "@spur/verifier/note/note";
import { leafHash, rootOf, type Root } from "@spur/verifier/tlog/merkle";
import { createProver } from "@spur/verifier/tlog/prover";
import { signingKey, type SigningKey } from "@spur/ledger/log/signing-key";
import { createCandidate, type Candidate } from "@spur/ledger/witness/candidate";
import { systemClock, type Clock } from "@spur/ledger/witness/clock";
import { LIMITS, type Limits, type Surroundings } from "@spur/ledger/witness/endpoint";
import { operatorPolicy } from "@spur/ledger/witness/policy";
import { Witnesses } from "@spur/ledger/witness/witnesses";
import { addLogs } from "@spur/witness/manage";
import { startWitness, type RunningWitness } from "@spur/witness/serve";

const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex"); // RFC 8410 §7: the 32-byte seed follows

/** A key that cosigns whatever it is given, at any time. */
export interface Cosigner {
  readonly vkey: string;
  readonly key: VerifierKey;
  cosign(text: string, atS?: number): Omit<NoteSignature, "line">;
  /** The line that a witness answers with. */
  line(text: string, atS?: number): string;
}

export function cosigner(name: string): Cosigner {
  const secret = createPrivateKey({ key: Buffer.concat([PKCS8, randomBytes(32)]), format: "der", type: "pkcs8" });
  const publicKey = new Uint8Array(createPublicKey(secret).export({ format: "der", type: "spki" }).subarray(-32));
  const vkey = formatVkey({ name, type: TYPE_COSIGNATURE_V1, publicKey });
  const key = parseVkey(vkey);
  const cosign = (text: string, atS = Math.floor(Date.now() / 1000)): Omit<NoteSignature, "line"> => {
    const signature = new Uint8Array(sign(null, cosignedMessage(atS, text), secret));
    return { name, keyId: key.keyId, signature: concatBytes(u64be(atS), signature) };
  };
  return { vkey, key, cosign, line: (text, atS) => formatNote("", [cosign(text, atS)]).slice(1) };
}

/** A log of so many entries, and its checkpoints. */
export class MemoryLog {
  readonly signer: SigningKey;
  readonly #leaves: Uint8Array[];

  constructor(
    size: number,
    origin = "memory.invalid/log",
    entry = (i: number): string => `entry ${i}`,
    signer?: SigningKey,
  ) {
    this.signer = signer ?? signingKey(origin, randomBytes(32));
    this.#leaves = Array.from({ length: size }, (_, i) => leafHash(utf8(entry(i))));
  }

  root(size: number): Root {
    return rootOf(this.#leaves.slice(0, size));
  }

  candidate(size: number, more: { notBefore?: number; known?: (size: number) => boolean } = {}): Candidate {
    const root = this.root(size);
    const text = formatCheckpoint({ origin: this.signer.name, size, root });
    const { name, keyId } = this.signer;
    const signature = { name, keyId, signature: this.signer.sign(utf8(text)) };
    const prover = createProver(size, ({ level, index, width }) => {
      const span = 256 ** level;
      const hash = (i: number): Uint8Array => rootOf(this.#leaves.slice(i * span, (i + 1) * span));
      return Promise.resolve(concatBytes(...Array.from({ length: width }, (_, i) => hash(index * 256 + i))));
    });
    const known = more.known ?? ((one: number) => one <= size);
    const older = (at: number): Candidate | undefined => (at > 0 && at < size ? this.candidate(at, more) : undefined);
    return createCandidate({ size, root, text, signature, prover, known, older, notBefore: more.notBefore ?? 0 });
  }
}

/** `add-checkpoint` as it arrived. */
export interface Asked {
  readonly old: number;
  readonly proof: readonly string[];
  /** The whole note. */
  readonly note: string;
  /** What is signed. */
  readonly text: string;
  readonly size: number;
  readonly path: string;
}

export function parseAsked(path: string, body: string): Asked {
  const cut = body.indexOf("\n\n");
  const [first = "", ...proof] = body.slice(0, cut).split("\n");
  const note = body.slice(cut + 2);
  const text = note.slice(0, note.lastIndexOf("\n\n") + 1);
  return { old: Number(first.slice(4)), proof, note, text, size: Number(text.split("\n")[1]), path };
}

export type Behaviour = (asked: Asked, response: ServerResponse, request: IncomingMessage) => void | Promise<void>;

/** A peer on loopback. `behave` may be replaced at any time. */
export interface Peer {
  readonly url: string;
  readonly asked: Asked[];
  behave: Behaviour;
  close(): Promise<void>;
}

const running: Server[] = [];

/** For `afterAll`. */
export async function closePeers(): Promise<void> {
  for (const server of running.splice(0)) await stop(server);
}

async function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

export async function startPeer(behave: Behaviour, port = 0): Promise<Peer> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const one = parseAsked(request.url ?? "", Buffer.concat(parts).toString("utf8"));
      asked.push(one);
      void peer.behave(one, response, request);
    });
    request.on("error", () => undefined);
    response.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  running.push(server);
  const peer: Peer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    behave,
    close: () => stop(server),
  };
  return peer;
}

export const answer =
  (status: number, body = "", headers: Record<string, string> = {}): Behaviour =>
  (_asked, response) =>
    void response.writeHead(status, headers).end(body);

export const stands = (size: number | string): Behaviour =>
  answer(409, `${size}\n`, { "content-type": "text/x.tlog.size" });

export const cosigns =
  (who: Cosigner, atS?: number): Behaviour =>
  ({ text }, response) =>
    void response.end(who.line(text, atS));

/** Never answers. */
export const hangs: Behaviour = () => undefined;

/** Bounds for what ends by itself, however busy this machine is. */
const PATIENT: Limits = { ...LIMITS, graceMs: 250 };
/** Bounds that tests can wait for. */
export const QUICK: Limits = { ...LIMITS, requestMs: 400, roundMs: 1_500, graceMs: 250 };

export const outside = (more: Partial<Surroundings> = {}): Surroundings => ({
  fetch: (url, init) => fetch(url, init),
  clock: systemClock,
  random: () => 0.5,
  ...more,
});

/** The system's clock, moved by hand: what waits still waits for real. */
export function movedClock(): Clock & { by: number } {
  const clock = { ...systemClock, by: 0, now: () => systemClock.now() + clock.by };
  return clock;
}

/** A policy of `threshold` of these witnesses, named w1, w2 …; those without a URL are not asked. */
export function policyOf(threshold: number | "none", witnesses: readonly { vkey: string; url?: string }[]): string {
  const lines = witnesses.map(({ vkey, url }, i) => `witness w${i + 1} ${vkey}${url === undefined ? "" : ` ${url}`}`);
  const names = witnesses.map((_, i) => `w${i + 1}`).join(" ");
  const quorum = threshold === "none" ? ["quorum none"] : [`group g ${threshold} ${names}`, "quorum g"];
  return `${[...lines, ...quorum].join("\n")}\n`;
}

export function clientOf(
  threshold: number | "none",
  witnesses: readonly { vkey: string; url?: string }[],
  more: { limits?: Limits; detectOnly?: boolean; outside?: Partial<Surroundings> } = {},
): Witnesses {
  const policy = operatorPolicy({
    policy: policyOf(threshold, witnesses),
    own: [],
    detectOnly: more.detectOnly ?? false,
  });
  return new Witnesses(policy, outside(more.outside), more.limits ?? PATIENT);
}

/** `spur witness serve`, to be stopped and started again with what it remembers. */
export interface RealWitness {
  readonly vkey: string;
  readonly url: string;
  /** Takes this log from now on. */
  knows(origin: string, vkey: string): void;
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** `laterMs`: how far its clock is ahead. */
export async function startRealWitness(
  folder: string,
  name: string,
  laterMs: () => number = () => 0,
): Promise<RealWitness> {
  const [data, keys] = [join(folder, "data"), join(folder, "keys")];
  let running: RunningWitness | undefined;
  let port = 0;
  const start = async (): Promise<void> => {
    running ??= await startWitness({
      data, keys, host: "127.0.0.1", port, now: () => Date.now() + laterMs(), name, onError: (error) => { throw error; },
    }); // prettier-ignore
    port = Number(new URL(running.url).port);
  };
  await start();
  const vkey = running?.vkeys.find((one) => parseVkey(one).type === TYPE_COSIGNATURE_V1) ?? "";
  return {
    vkey,
    url: `http://127.0.0.1:${port}`,
    knows: (origin, log) => void addLogs(data, [{ origin, vkey: log }]),
    start,
    async stop() {
      const was = running;
      running = undefined;
      await was?.close();
    },
  };
}
