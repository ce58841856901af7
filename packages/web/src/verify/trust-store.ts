const NAME = "spur-trust";

/** What the reader believes, as he gave it: keys one by one, or one trust file. */
export type Given =
  | { readonly kind: "nobody" }
  | { readonly kind: "keys"; readonly vkeys: readonly string[] }
  | { readonly kind: "file"; readonly text: string };

export const NOBODY: Given = { kind: "nobody" };

/** Browser storage, if the page has one: on file:// and in private windows it may be missing or refuse. */
function storage(): Storage | undefined {
  try {
    const store = window.localStorage;
    store.setItem(`${NAME}-probe`, "1");
    store.removeItem(`${NAME}-probe`);
    return store;
  } catch {
    return undefined;
  }
}

export function canRemember(): boolean {
  return storage() !== undefined;
}

/** What the reader asked this device to remember; nobody otherwise. */
export function remembered(): Given {
  try {
    const value: unknown = JSON.parse(storage()?.getItem(NAME) ?? "null");
    if (typeof value !== "object" || value === null) return NOBODY;
    const { vkeys, text } = value as { vkeys?: unknown; text?: unknown };
    if (typeof text === "string") return { kind: "file", text };
    if (Array.isArray(vkeys) && vkeys.length > 0 && vkeys.every((vkey) => typeof vkey === "string"))
      return { kind: "keys", vkeys };
  } catch {
    // Somebody else's or a broken value: as if there were none.
  }
  return NOBODY;
}

/** Remembers, or forgets with {@link NOBODY}. Called only when the reader says so. */
export function remember(given: Given): void {
  try {
    if (given.kind === "nobody") storage()?.removeItem(NAME);
    else
      storage()?.setItem(NAME, JSON.stringify(given.kind === "keys" ? { vkeys: given.vkeys } : { text: given.text }));
  } catch {
    // Full or refused: then it is not remembered, and the next visit asks again.
  }
}
