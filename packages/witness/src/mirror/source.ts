import type { Bundle, Tile } from "@spur/verifier/tlog/tile";

/**
 * The public files of the log that is mirrored (C2SP tlog-tiles). Whoever implements it bounds bytes and times; nothing that it gives is
 * believed.
 */
export interface LogSource {
  /** As a message names it. */
  readonly where: string;
  /** The signed note, as it is served now. */
  checkpoint(): Promise<string>;
  /** 32·width bytes. */
  tile(tile: Tile): Promise<Uint8Array>;
  /** `width` entries; undefined where they are withheld by law (451). */
  bundle(bundle: Bundle): Promise<readonly Uint8Array[] | undefined>;
}
