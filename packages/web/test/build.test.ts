import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { bundlePages, MOST_VERIFY_BYTES } from "../src/bundle.ts";
import { PLACE } from "../src/embed.ts";
import { pages } from "../src/pages.ts";

const built = bundlePages();
const both = Object.entries(built);

/** The text inside the only element of this name without attributes. */
function inside(html: string, name: "script" | "style"): string {
  const parts = html.split(`<${name}>`);
  expect(parts).toHaveLength(2);
  return (parts[1] ?? "").split(`</${name}>`)[0] ?? "";
}

const directives = (html: string): string =>
  /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1] ?? "";
const hash = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

describe("the build", () => {
  it("gives the same bytes again, also from another folder and another process", () => {
    expect(bundlePages()).toEqual(built);
    const elsewhere = mkdtempSync(`${tmpdir()}/spur-web-`);
    try {
      const bundle = fileURLToPath(new URL("../src/bundle.ts", import.meta.url));
      const code = `import { createHash } from "node:crypto"; import { bundlePages } from ${JSON.stringify(bundle)};
        for (const html of Object.values(bundlePages())) console.log(createHash("sha256").update(html).digest("hex"));`;
      const out = execFileSync(process.execPath, ["--input-type=module-typescript", "-e", code], { cwd: elsewhere });
      const digests = both.map(([, html]) => createHash("sha256").update(html).digest("hex"));
      expect(out.toString().trim().split("\n")).toEqual(digests);
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
  });
  it("keeps verify.html small", () => {
    expect(Buffer.byteLength(built.verifyHtml)).toBeLessThanOrEqual(MOST_VERIFY_BYTES);
  });
  it("is what the ledger serves", () => {
    expect(pages()).toEqual(built);
  });
});

describe.each(both)("%s", (name, html) => {
  const script = inside(html, "script");
  const style = inside(html, "style");

  it("runs its own script and style and nothing else", () => {
    const csp = directives(html);
    expect(csp).toContain("default-src 'none'");
    expect(csp).toContain(`script-src ${hash(script)}`);
    expect(csp).toContain(`style-src ${hash(style)}`);
    expect(csp).toContain("require-trusted-types-for 'script'");
    expect(csp).not.toMatch(/unsafe|http|\*/);
    expect(csp.includes("connect-src 'self'")).toBe(name === "indexHtml");
    expect(html).not.toMatch(/\son[a-z]+\s*=\s*"/i);
  });
  it("loads nothing from anywhere", () => {
    const outside = html.replace(script, "").replace(style, "");
    for (const [, address] of outside.matchAll(/\s(?:src|href|action|data|poster|srcset)\s*=\s*"([^"]*)"/gi)) {
      expect(address).toMatch(/^(#|data:image\/svg\+xml,)/);
    }
    expect(outside).not.toMatch(/<(link|iframe|object|embed|base|img|video|audio)\b(?! rel="icon")/i);
    expect(style).not.toMatch(/url\(|@import|@font-face/i);
    const calls =
      /\b(XMLHttpRequest|WebSocket|EventSource|sendBeacon|importScripts|RTCPeerConnection|Worker)\b|\bimport\(/;
    expect(script).not.toMatch(calls);
    // Addresses in the script are names: SVG's namespace, in-toto's statement type, types of foreign statements, a log's address in a command.
    for (const [address] of script.matchAll(/https?:\/\/[^\s"'`\\)]+/g)) {
      expect(address).toMatch(
        /^(http:\/\/www\.w3\.org\/2000\/svg|https:\/\/\$\{|https:\/\/(in-toto\.io|slsa\.dev|model_signing|spdx\.dev|cyclonedx\.org)\/)/,
      );
    }
    if (name === "verifyHtml") expect(script).not.toMatch(/\bfetch\(/);
  });
  it("never parses data as markup", () => {
    expect(script).not.toMatch(
      /\.(innerHTML|outerHTML|srcdoc)\b|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function/,
    );
  });
  it("says in its head what it is", () => {
    expect(html.startsWith("<!doctype html>\n")).toBe(true);
    expect(html).toContain('<meta charset="utf-8">');
    expect(html.split(PLACE)).toHaveLength(name === "verifyHtml" ? 2 : 1);
  });
});

it("dist, where there is one, carries its digests", () => {
  const dist = (name: string): Buffer | undefined => {
    try {
      return readFileSync(new URL(`../dist/${name}`, import.meta.url));
    } catch {
      return undefined;
    }
  };
  const digests = dist("digests.json");
  if (digests === undefined) return;
  const said = JSON.parse(digests.toString()) as Record<string, { sha256: string; bytes: number }>;
  for (const [name, { sha256, bytes }] of Object.entries(said)) {
    const file = dist(name) ?? Buffer.alloc(0);
    expect([createHash("sha256").update(file).digest("hex"), file.length]).toEqual([sha256, bytes]);
  }
});
