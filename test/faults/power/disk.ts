import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { FileNode, type BytesLuck } from "./file.ts";
import type { Call, Moment } from "./trace.ts";

/** What a name stands for; nothing, after a removal. */
export interface Version {
  readonly nth: number;
  readonly node: Node | undefined;
}

export type Node = FileNode | FolderNode;

/** Decides what of all that was never synced has reached the disk all the same. */
export interface Luck extends BytesLuck {
  /** What a name stands for: `versions[0]` was synced, the others came after it. */
  name(versions: readonly Version[]): Version;
}

/** A folder: what each name stands for on the disk, and since. */
export class FolderNode {
  readonly names = new Map<string, Version[]>();

  at(name: string): Node | undefined {
    return this.names.get(name)?.at(-1)?.node;
  }

  set(name: string, version: Version): void {
    const versions = this.names.get(name) ?? [{ nth: -1, node: undefined }];
    this.names.set(name, [...versions, version]);
  }

  synced(nth: number): void {
    for (const [name, versions] of this.names) {
      const last = versions.filter((version) => version.nth < nth).at(-1);
      const later = versions.filter((version) => version.nth >= nth);
      if (last === undefined) continue;
      if (last.node === undefined && later.length === 0) this.names.delete(name);
      else this.names.set(name, [{ nth: -1, node: last.node }, ...later]);
    }
  }
}

interface Open {
  readonly node: Node;
  readonly path: string;
  readonly appends: boolean;
  at: number;
}

/**
 * A disk under a page cache, as far as POSIX promises anything of them: what was written may be on the disk or not, each change by itself,
 * until a sync of that file has returned without an error; and what a name stands for, until a sync of its folder has.
 */
export class Disk {
  readonly root = new FolderNode();
  readonly #base: string;
  readonly #fds = new Map<number, Open>();
  readonly #syncs = new Map<Call, number>();
  #nth = 0;

  /**
   * `base`: the real folder that {@link root} stands for. `from`: what lies on the disk at the beginning; `lost` names files that only
   * readers find there, since a sync of them had failed.
   */
  constructor(base: string, from?: string, lost: readonly string[] = []) {
    this.#base = base;
    if (from !== undefined) load(this.root, from);
    for (const path of lost) {
      const file = new FileNode(Buffer.alloc(0));
      file.change({ nth: this.#nth++, at: 0, bytes: (this.at(path) as FileNode).seen });
      file.failed(this.#nth);
      this.#folderOf(path).names.set(basename(path), [{ nth: -1, node: file }]);
    }
  }

  /** How many changes there have been. */
  get changes(): number {
    return this.#nth;
  }

  /** A new process: it has no file open. */
  newProcess(): void {
    this.#fds.clear();
    this.#syncs.clear();
  }

  /** What a call does to the disk; true if it does anything. */
  apply({ when, call }: Moment): boolean {
    const fd = Number(call.args[0]);
    if (when === "begin") {
      // Another thread may get the same number before the call is seen to return.
      if (call.name === "close") return this.#fds.delete(fd) && false;
      const isSync = call.name === "fsync" || call.name === "fdatasync";
      if (isSync && this.#fds.has(fd)) this.#syncs.set(call, this.#nth);
      return false;
    }
    if (call.name === "fsync" || call.name === "fdatasync") return this.#sync(call, fd);
    if (call.result === undefined || call.result < 0) return false;
    switch (call.name) {
      case "openat":
        return this.#open(call);
      case "write":
      case "writev":
        return this.#write(fd, call, undefined);
      case "pwrite64":
      case "pwritev":
        return this.#write(fd, call, Number(call.args[3]));
      case "ftruncate":
        return this.#truncate(this.#fds.get(fd)?.node, Number(call.args[1]));
      case "rename":
        return this.#rename(call.args[0], call.args[1]);
      case "renameat":
      case "renameat2":
        return this.#rename(call.args[1], call.args[3]);
      case "unlink":
      case "rmdir":
        return this.#name(call.args[0], undefined);
      case "unlinkat":
        return this.#name(call.args[1], undefined);
      case "mkdir":
        return this.#name(call.args[0], new FolderNode());
      case "mkdirat":
        return this.#name(call.args[1], new FolderNode());
      case "close":
        return false;
      default:
        if (call.args.some((arg) => arg instanceof Buffer && this.#inside(arg.toString()) !== undefined) || this.#fds.has(fd))
          throw new Error(`the recorder does not know ${call.name}`); // prettier-ignore
        return false;
    }
  }

  /** True if the descriptor is of this disk. */
  has(fd: number): boolean {
    return this.#fds.has(fd);
  }

  /** Under which path a descriptor of this disk was opened. */
  pathOf(fd: number): string | undefined {
    return this.#fds.get(fd)?.path;
  }

  /** What stands at a path below the base. */
  at(path: string): Node | undefined {
    return path.split("/").reduce<Node | undefined>((node, name) => (node instanceof FolderNode ? node.at(name) : undefined), this.root); // prettier-ignore
  }

  #inside(path: string): string | undefined {
    return path.startsWith(`${this.#base}/`) ? path.slice(this.#base.length + 1) : undefined;
  }

  #folderOf(path: string): FolderNode {
    const folder = dirname(path) === "." ? this.root : this.at(dirname(path));
    if (!(folder instanceof FolderNode)) throw new Error(`the recording has no folder of ${path}`);
    return folder;
  }

  #open(call: Call): boolean {
    const absolute = (call.args[1] as Buffer).toString();
    const path = absolute === this.#base ? "" : this.#inside(absolute);
    if (path === undefined) return false;
    if (call.args[0] !== "AT_FDCWD") throw new Error(`${absolute} is opened from a folder`);
    const flags = (call.args[2] as string).split("|");
    let node = path === "" ? this.root : this.at(path);
    let changes = false;
    if (node === undefined) {
      if (!flags.includes("O_CREAT")) throw new Error(`${absolute} is not in the recording`);
      node = new FileNode(Buffer.alloc(0));
      this.#folderOf(path).set(basename(path), { nth: this.#nth++, node });
      changes = true;
    } else if (flags.includes("O_TRUNC")) changes = this.#truncate(node, 0);
    this.#fds.set(call.result as number, { node, path: absolute, appends: flags.includes("O_APPEND"), at: 0 });
    return changes;
  }

  #write(fd: number, call: Call, offset: number | undefined): boolean {
    const open = this.#fds.get(fd);
    if (open === undefined || !(open.node instanceof FileNode)) return false;
    const bytes = (call.args[1] as Buffer).subarray(0, call.result);
    const at = offset ?? (open.appends ? open.node.seen.length : open.at);
    if (offset === undefined) open.at = at + bytes.length;
    open.node.change({ nth: this.#nth++, at, bytes });
    return bytes.length > 0;
  }

  #truncate(node: Node | undefined, size: number): boolean {
    if (!(node instanceof FileNode)) return false;
    node.change({ nth: this.#nth++, at: size });
    return true;
  }

  #rename(from: string | Buffer | undefined, to: string | Buffer | undefined): boolean {
    const [old, path] = [this.#inside(String(from)), this.#inside(String(to))];
    if (old === undefined && path === undefined) return false;
    if (old === undefined || path === undefined) throw new Error(`renamed across the disk: ${String(from)}`);
    const node = this.at(old);
    const nth = this.#nth++;
    this.#folderOf(old).set(basename(old), { nth, node: undefined });
    this.#folderOf(path).set(basename(path), { nth, node });
    return true;
  }

  #name(path: string | Buffer | undefined, node: Node | undefined): boolean {
    const inside = this.#inside(String(path));
    if (inside === undefined) return false;
    this.#folderOf(inside).set(basename(inside), { nth: this.#nth++, node });
    return true;
  }

  #sync(call: Call, fd: number): boolean {
    const nth = this.#syncs.get(call);
    this.#syncs.delete(call);
    const node = this.#fds.get(fd)?.node;
    if (nth === undefined || node === undefined) return false;
    if (call.result === 0) node.synced(nth);
    else if (call.error !== undefined && node instanceof FileNode) node.failed(nth);
    return true;
  }
}

function load(folder: FolderNode, path: string): void {
  for (const name of readdirSync(path)) {
    const at = join(path, name);
    const node = statSync(at).isDirectory() ? new FolderNode() : new FileNode(readFileSync(at));
    if (node instanceof FolderNode) load(node, at);
    folder.names.set(name, [{ nth: -1, node }]);
  }
}

/** Memory that processes share, not a disk: after a power loss it holds anything. */
const SHARED = /-shm$/;

/** Writes what is left of a folder. */
export function writeLeft(folder: FolderNode, to: string, luck: Luck): void {
  mkdirSync(to, { recursive: true });
  for (const [name, versions] of folder.names) {
    const { node } = versions.length === 1 ? (versions[0] as Version) : luck.name(versions);
    if (node instanceof FolderNode) writeLeft(node, join(to, name), luck);
    else if (node !== undefined) writeFileSync(join(to, name), SHARED.test(name) ? Buffer.alloc(32_768, 0x5a) : node.left(luck)); // prettier-ignore
  }
}
