import type { Command } from "commander";
import type { Context } from "../context.ts";
export function addAudit(_p: Command, _c: Context): void {}
