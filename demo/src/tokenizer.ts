import { DemoError } from "./errors.ts";

/**
 * Tokens: 0 ends a row (and pads before its start); 1..256 are single bytes, for characters that the vocabulary lacks; then whole characters by
 * frequency; then merges of two earlier tokens (byte-pair encoding over characters). Learnt from text by counting, ties broken by code
 * units: no Unicode tables, no locale, nothing that differs between engines.
 */
export type Tokenizer = {
  /** Text of every token; "" for the end and for single bytes, which the model may read but never writes: so it can't break UTF-8. */
  readonly texts: readonly string[];
  readonly characters: readonly string[];
  readonly merges: readonly (readonly [left: number, right: number])[];
  readonly characterToken: ReadonlyMap<string, number>;
  readonly mergeToken: ReadonlyMap<number, number>;
};

export const END = 0;
export const FIRST_CHARACTER = 257;
const MAX_PIECE = 24; // characters; bounds the work of one piece and the length of one token
const PAIR = 65536; // pair key = left * PAIR + right

/** @throws DemoError `tokenizer/invalid` */
export function makeTokenizer(
  characters: readonly string[],
  merges: readonly (readonly [number, number])[],
): Tokenizer {
  const texts = new Array<string>(FIRST_CHARACTER).fill("");
  const characterToken = new Map<string, number>();
  for (const character of characters) {
    const code = character.codePointAt(0);
    const isScalar = code !== undefined && String.fromCodePoint(code) === character && (code < 0xd800 || code > 0xdfff);
    if (!isScalar || characterToken.has(character)) throw new DemoError("tokenizer/invalid", JSON.stringify(character));
    characterToken.set(character, texts.length);
    texts.push(character);
  }
  const mergeToken = new Map<number, number>();
  for (const [left, right] of merges) {
    const text = `${texts[left] ?? ""}${texts[right] ?? ""}`;
    const key = left * PAIR + right;
    const bad =
      left < FIRST_CHARACTER || right < FIRST_CHARACTER || !texts[left] || !texts[right] || mergeToken.has(key);
    if (bad || texts.length >= PAIR) throw new DemoError("tokenizer/invalid", `merge ${left}+${right}`);
    mergeToken.set(key, texts.length);
    texts.push(text);
  }
  return { texts, characters, merges, characterToken, mergeToken };
}

/** Learns at most `size` tokens; characters get at most two thirds of them. Pairs that occur once are never merged. */
export function learnTokenizer(rows: readonly string[], size: number): Tokenizer {
  const pieceCounts = new Map<string, number>();
  const characterCounts = new Map<string, number>();
  for (const row of rows) {
    for (const piece of pieces(row)) pieceCounts.set(piece, (pieceCounts.get(piece) ?? 0) + 1);
    for (const c of row.toWellFormed()) characterCounts.set(c, (characterCounts.get(c) ?? 0) + 1);
  }
  const room = Math.max(0, Math.floor(((size - FIRST_CHARACTER) * 2) / 3));
  const characters = [...characterCounts]
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .slice(0, room)
    .map(([character]) => character);
  const base = makeTokenizer(characters, []);
  const words = [...pieceCounts].map(([piece, count]) => ({ tokens: characterTokens(base, piece), count }));
  const merges: [number, number][] = [];
  let next = base.texts.length;
  while (next < size) {
    const counts = new Map<number, number>();
    for (const { tokens, count } of words) {
      for (let i = 1; i < tokens.length; i++) {
        if (tokens[i - 1]! < FIRST_CHARACTER || tokens[i]! < FIRST_CHARACTER) continue;
        const key = tokens[i - 1]! * PAIR + tokens[i]!;
        counts.set(key, (counts.get(key) ?? 0) + count);
      }
    }
    // One counting pass serves several merges, as long as they share no token: then none changes another's count.
    const used = new Set<number>();
    const chosen = new Map<number, number>();
    for (const [key, count] of [...counts].sort(([a, m], [b, n]) => n - m || a - b).slice(0, 32)) {
      const left = Math.floor(key / PAIR);
      const right = key % PAIR;
      if (count < 2 || next >= size || used.has(left) || used.has(right)) continue;
      used.add(left).add(right);
      chosen.set(key, next++);
      merges.push([left, right]);
    }
    if (chosen.size === 0) break;
    for (const word of words) word.tokens = applyMerges(word.tokens, chosen);
  }
  return makeTokenizer(characters, merges);
}

/** Tokens of a text, without an end. Lone surrogates become U+FFFD, as in UTF-8 encoders. */
export function encode(tokenizer: Tokenizer, text: string): number[] {
  const out: number[] = [];
  for (const piece of pieces(text)) out.push(...encodePiece(tokenizer, piece));
  return out;
}

/** The earliest learnt merge is applied first, everywhere in the piece, until none applies. */
function encodePiece(tokenizer: Tokenizer, piece: string): number[] {
  let tokens = characterTokens(tokenizer, piece);
  while (true) {
    let best = Infinity;
    let key = -1;
    for (let i = 1; i < tokens.length; i++) {
      const pair = tokens[i - 1]! * PAIR + tokens[i]!;
      const token = tokenizer.mergeToken.get(pair);
      if (token !== undefined && token < best) [best, key] = [token, pair];
    }
    if (key < 0) return tokens;
    tokens = applyMerges(tokens, new Map([[key, best]]));
  }
}

function applyMerges(tokens: readonly number[], chosen: ReadonlyMap<number, number>): number[] {
  const out: number[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const merged = i + 1 < tokens.length ? chosen.get(tokens[i]! * PAIR + tokens[i + 1]!) : undefined;
    out.push(merged ?? tokens[i]!);
    if (merged !== undefined) i++;
  }
  return out;
}

function characterTokens(tokenizer: Tokenizer, piece: string): number[] {
  const out: number[] = [];
  for (const character of piece) {
    const token = tokenizer.characterToken.get(character);
    if (token !== undefined) out.push(token);
    else for (const byte of new TextEncoder().encode(character)) out.push(1 + byte);
  }
  return out;
}

/** Words with the space before them, runs of CJK, single signs and digits: merges never cross these borders. */
function pieces(text: string): string[] {
  const out: string[] = [];
  let piece = "";
  let length = 0;
  let kind = 0;
  for (const character of text.toWellFormed()) {
    const next = kindOf(character.codePointAt(0)!);
    const joins = next !== SIGN && (next === kind || (kind === SPACE && length === 1 && next === LETTER));
    if (piece !== "" && (!joins || length >= MAX_PIECE)) {
      out.push(piece);
      piece = "";
      length = 0;
    }
    piece += character;
    length += 1;
    kind = next;
  }
  if (piece !== "") out.push(piece);
  return out;
}

const SPACE = 1;
const LETTER = 2;
const CJK = 3;
const SIGN = 4;

/** By fixed ranges: `\p{…}` would follow the Unicode version of the engine. */
function kindOf(code: number): number {
  if (code === 0x20) return SPACE;
  if (code < 0x80) return (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a ? LETTER : SIGN;
  if (code < 0xc0 || (code >= 0x2000 && code <= 0x2bff) || (code >= 0x3000 && code <= 0x303f)) return SIGN;
  if (code >= 0xff00 && code <= 0xff65) return SIGN;
  return isCjk(code) ? CJK : LETTER;
}

/** Han, kana and their extensions: scripts written without spaces. */
export function isCjk(code: number): boolean {
  return (
    (code >= 0x3040 && code <= 0x30ff) ||
    (code >= 0x3400 && code <= 0x9fff) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0x20000 && code <= 0x3ffff)
  );
}

/** Letters of scripts that put spaces between words, marks included. */
export function isLetter(code: number): boolean {
  return kindOf(code) === LETTER;
}
