/** Entries that follow on one another, in one piece of memory of their own. */
export interface Page {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Of each entry, in bytes. */
  readonly lengths: readonly number[];
}

export function pageOf(entries: readonly Uint8Array[]): Page {
  const lengths = entries.map(({ length }) => length);
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  let at = 0;
  for (const entry of entries) {
    bytes.set(entry, at);
    at += entry.length;
  }
  return { bytes, lengths };
}

/** The entries as texts. */
export function* textsOf({ bytes, lengths }: Page): Generator<string> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  for (const length of lengths) yield buffer.toString("utf8", at, (at += length));
}
