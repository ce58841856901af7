import { describe, expect, it } from "vitest";
import { bundlePages } from "../src/bundle.ts";
import { htmlWithEvidence } from "../src/embed.ts";
import { evidenceInHtml } from "../src/embedded.ts";

const { verifyHtml } = bundlePages();

describe("a page with evidence inside", () => {
  it.each([
    ["nothing", new Uint8Array(0)],
    ["every byte", Uint8Array.from({ length: 256 }, (_, i) => i)],
    ["the end of a script", new TextEncoder().encode('</script><script>alert(1)</script><!-- <script "')],
    ["more than one chunk", Uint8Array.from({ length: 100_003 }, (_, i) => (i * 7) % 256)],
  ])("gives back %s", (_, evidence) => {
    const html = htmlWithEvidence(verifyHtml, evidence);
    expect(evidenceInHtml(html)).toEqual(evidence);
    // The page around it is the published one, byte for byte.
    expect(html.replace(/<script type="application\/octet-stream"[^<]*<\/script>/, "<!--spur-evidence-->")).toBe(
      verifyHtml,
    );
  });
  it("lets no byte of the evidence be markup", () => {
    const html = htmlWithEvidence(verifyHtml, new TextEncoder().encode("</script><img src=x>"));
    expect(html).not.toContain("<img src=x>");
    expect(html.split("<script").length).toBe(verifyHtml.split("<script").length + 1);
  });
  it("is not read where there is none, or more than one", () => {
    const once = htmlWithEvidence(verifyHtml, Uint8Array.of(1));
    expect(evidenceInHtml(verifyHtml)).toBeUndefined();
    expect(evidenceInHtml(once + once)).toBeUndefined();
    expect(evidenceInHtml('<script type="application/octet-stream" id="spur-evidence">A===</script>')).toBeUndefined();
  });
  it("is made from a built verify.html only", () => {
    expect(() => htmlWithEvidence("<html></html>", Uint8Array.of(1))).toThrow(RangeError);
    expect(() => htmlWithEvidence(htmlWithEvidence(verifyHtml, Uint8Array.of(1)), Uint8Array.of(2))).toThrow(
      RangeError,
    );
  });
});
