/** Sizes of the index of ids. Those of a database never change: pages are found by them. */
export interface RecShape {
  /** A tail becomes 2^bucketBits pages … */
  readonly bucketBits: number;
  /** … of so many ids on average. */
  readonly bucketIds: number;
  /** So many ids have room on a page; more are as good as impossible, and only slower. */
  readonly pageIds: number;
  /** 2^fanoutBits runs of a level become one of the next. */
  readonly fanoutBits: number;
  /** Filter blocks of a page, of 256 bits. */
  readonly filterBlocks: number;
  /** Pages that are read at a start, for their filters; others when they are first asked for. May change. */
  readonly pagesAtStart: number;
}

/**
 * Tails of 262,144 ids; pages of 8148 bytes, which as a row fill a leaf of the database; 16 bits of filter for an id. A start reads the
 * pages of 16 million ids, a quarter of a second.
 */
export const SHAPE: RecShape = {
  bucketBits: 9,
  bucketIds: 512,
  pageIds: 679,
  fanoutBits: 3,
  filterBlocks: 32,
  pagesAtStart: 32_768,
};

/** Confirms, where a hash was found, that the id at this index is this one. */
export type Holds = (index: number, rec: string) => boolean;

/** Bytes as words of 32 bits: little-endian, as the machines are that this runs on. */
export const wordsOf = (bytes: Uint8Array): Uint32Array =>
  new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
