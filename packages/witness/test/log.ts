// A log of somebody else: entries, checkpoints and requests at any size, forks of it, and the files that it would serve.
import { hash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { concatBytes, toBase64, utf8 } from "@spur/verifier/bytes";
import { useSha256 } from "@spur/verifier/hash";
import { formatCheckpoint } from "@spur/verifier/note/checkpoint";
import { formatNote } from "@spur/verifier/note/note";
import { consistencyProof, leafHash, rootOf } from "@spur/verifier/tlog/merkle";
import { formatBundle, formatBundlePath, formatTilePath, subtreeRoot, tileWidth } from "@spur/verifier/tlog/tile";
import { makeSigner, type Signer } from "../../verifier/test/make-log.ts";

// As the command line does it.
useSha256((data) => new Uint8Array(hash("sha256", data, "buffer")));

export class TestLog {
  readonly origin: string;
  readonly signer: Signer;
  readonly #entry: (index: number) => Uint8Array;
  readonly #entries: Uint8Array[] = [];
  readonly #leaves: Uint8Array[] = [];

  /** From entry `forkAt` on, a log with another `fork` has other entries. */
  constructor(
    origin: string,
    { key = origin, fork = "", forkAt = 0 }: { key?: string; fork?: string; forkAt?: number } = {},
  ) {
    this.origin = origin;
    this.signer = makeSigner(origin, key);
    this.#entry = (i) => utf8(`entry ${i}${i >= forkAt ? fork : ""}`);
  }

  get vkey(): string {
    return this.signer.vkey;
  }

  entries(size: number): readonly Uint8Array[] {
    while (this.#entries.length < size) {
      const entry = this.#entry(this.#entries.length);
      this.#entries.push(entry);
      this.#leaves.push(leafHash(entry));
    }
    return this.#entries.slice(0, size);
  }

  leaves(size: number): readonly Uint8Array[] {
    this.entries(size);
    return this.#leaves.slice(0, size);
  }

  text(size: number, extensions: readonly string[] = []): string {
    return formatCheckpoint({ origin: this.origin, size, root: rootOf(this.leaves(size)), extensions });
  }

  note(
    size: number,
    { extensions = [], signers = [this.signer] }: { extensions?: readonly string[]; signers?: readonly Signer[] } = {},
  ): string {
    return signed(this.text(size, extensions), signers);
  }

  proof(from: number, to: number): string[] {
    return from === 0 || from === to ? [] : consistencyProof(this.leaves(to), from).map(toBase64);
  }

  request(old: number, size: number): string {
    return requestOf(old, this.proof(old, size), this.note(size));
  }

  /** Writes what a tlog-tiles log of this size serves: all tiles and bundles, and its checkpoint. */
  place(folder: string, size: number, note = this.note(size)): void {
    const put = (path: string, bytes: string | Uint8Array): void => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), bytes);
    };
    const leaves = this.leaves(size);
    for (let level = 0; 256 ** level <= size; level++) {
      for (let index = 0; tileWidth(level, index, size) > 0; index++) {
        const width = tileWidth(level, index, size);
        const span = 256 ** level;
        const hashes = Array.from({ length: width }, (_, i) => {
          const from = (index * 256 + i) * span;
          return subtreeRoot(leaves.slice(from, from + span));
        });
        put(formatTilePath({ level, index, width }), concatBytes(...hashes));
        if (level > 0) continue;
        const entries = this.entries(size).slice(index * 256, index * 256 + width);
        put(formatBundlePath({ index, width }), formatBundle(entries));
      }
    }
    put("checkpoint", note);
  }
}

export function signed(text: string, signers: readonly Signer[]): string {
  return formatNote(
    text,
    signers.map((signer) => signer.sign(text)),
  );
}

export function requestOf(old: number | string, proof: readonly string[], note: string): string {
  return `old ${old}\n${proof.map((line) => `${line}\n`).join("")}\n${note}`;
}
