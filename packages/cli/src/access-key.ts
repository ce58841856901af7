import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Io } from "./io.ts";

/** This machine: the only place where a key found in a file is sent without being named. */
export function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.[0-9]{1,3}){3}$/.test(hostname);
}

/**
 * The access key: as given, else SPUR_KEY, else, for a ledger on this machine only, from the file that it leaves its operator beside its
 * data. A stranger's address never gets a key that was not named for it. `isDemo` is asked where only the ledger itself can say whose
 * key it takes.
 */
export async function findKey(
  io: Io,
  url: string,
  given: string | undefined,
  isDemo: () => Promise<boolean>,
): Promise<string | undefined> {
  const named = given ?? io.env["SPUR_KEY"];
  if (named !== undefined && named !== "") return named.trim();
  if (!isLoopback(url)) return undefined;
  const { SPUR_KEYS, SPUR_DATA } = io.env;
  if (SPUR_KEYS) return read(io, SPUR_KEYS);
  if (SPUR_DATA) return read(io, `${SPUR_DATA.replace(/[/\\]+$/, "")}-keys`);
  const [data, demo] = [await read(io, "spur-data-keys"), await read(io, "spur-demo-keys")];
  if (data === undefined || demo === undefined) return data ?? demo;
  return (await isDemo()) ? demo : data;
}

async function read(io: Io, folder: string): Promise<string | undefined> {
  try {
    const key = (await readFile(join(resolve(io.cwd, folder), "operator.key"), "utf8")).trim();
    return key === "" ? undefined : key;
  } catch {
    return undefined; // not there, or not ours to read: what needs no key still works
  }
}
