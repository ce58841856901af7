// Docs and code meet: every error code that can be thrown is documented, and every documented one can be thrown.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { parse, root, sourcesOf, type Source } from "./imports.ts";

const CODE = /^[a-z][a-z0-9]*(-[a-z0-9]+)*\/[a-z0-9]+(-[a-z0-9]+)*$/;

interface Found {
  readonly code: string;
  readonly where: string;
}

/**
 * Codes in the places where a code can stand: an argument of `new …Error(…)`, `fail(…)`, `refuse(…)` or `problem(…)`, and a member
 * or variable named `code`. `a ? "x/y" : "x/z"` counts as both.
 */
function codesThrown({ file, tree }: Source): Found[] {
  const found: Found[] = [];
  const take = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) {
      const line = tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;
      if (CODE.test(node.text)) found.push({ code: node.text, where: `${file}:${line}` });
    } else if (ts.isConditionalExpression(node)) {
      take(node.whenTrue);
      take(node.whenFalse);
    } else if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken) {
      take(node.left);
      take(node.right);
    } else if (ts.isParenthesizedExpression(node) || ts.isAsExpression(node) || ts.isSatisfiesExpression(node)) {
      take(node.expression);
    }
  };
  const visit = (node: ts.Node): void => {
    if (ts.isNewExpression(node) && /Error$/.test(node.expression.getText(tree))) node.arguments?.forEach(take);
    else if (ts.isCallExpression(node) && /(^|\.)(fail|failed|refuse|problem)$/.test(node.expression.getText(tree))) {
      node.arguments.forEach(take);
    } else if (ts.isPropertyAssignment(node) && node.name.getText(tree) === "code") take(node.initializer);
    else if (ts.isVariableDeclaration(node) && node.name.getText(tree) === "code" && node.initializer !== undefined) {
      take(node.initializer);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** All string literals, wherever they stand: a documented code that is in none of them can't be thrown. */
function literals({ tree }: Source): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node)) found.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** The table lines `| code | meaning | what to do |` of docs/errors.md. */
function documented(markdown: string): string[][] {
  return markdown
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
    .map(([code = "", ...rest]) => [code.replaceAll("`", ""), ...rest])
    .filter(([code = ""]) => CODE.test(code));
}

const sources = [
  "packages/verifier/src",
  "packages/ledger/src",
  "packages/witness/src",
  "packages/cli/src",
  "packages/web/src",
  "demo/src",
].flatMap(sourcesOf);

describe("docs/errors.md", () => {
  const table = (): string[][] => documented(readFileSync(join(root, "docs/errors.md"), "utf8"));

  it("names every code that can be thrown", () => {
    const known = new Set(table().map(([code]) => code));
    const thrown = sources.flatMap(codesThrown);
    expect(thrown.length).toBeGreaterThan(20);
    const missing = new Map(thrown.filter(({ code }) => !known.has(code)).map(({ code, where }) => [code, where]));
    expect([...missing].map(([code, where]) => `${code} (${where}) is not in docs/errors.md`).join("\n")).toBe("");
  });

  it("names no code that can't be thrown", () => {
    const written = new Set(sources.flatMap(literals));
    const stale = table().filter(([code = ""]) => !written.has(code));
    expect(stale.map(([code]) => `${code} is documented but stands nowhere in the sources`).join("\n")).toBe("");
  });

  it("says of each, once, what it means and what to do", () => {
    const rows = table();
    const thin = rows
      .filter((cells) => cells.length !== 3 || cells.some((cell) => cell.length < 3))
      .map(([code]) => `${code}: empty cell`);
    const codes = rows.map(([code]) => code);
    const twice = codes.filter((code, i) => codes.indexOf(code) !== i).map((code) => `${code}: twice`);
    expect([...thin, ...twice].join("\n")).toBe("");
  });
});

describe("how codes are found", () => {
  it.each([
    ['throw new VerifyError("a/b", `x`);', ["a/b"]],
    ['throw new SpurError(\n  "a-b/c-d",\n  "x", { status: 409 });', ["a-b/c-d"]],
    ['return { check, verdict: "fail", code: late ? "a/late" : "a/early" };', ["a/late", "a/early"]],
    ['findings.push(fail("opening", "opening/mismatch"));', ["opening/mismatch"]],
    ['report.problem(reply, "key/wrong");', ["key/wrong"]],
    ['// new VerifyError("a/b")\nreply.header("content-type", "text/plain");', []],
    ['throw new Error("this/that or more");', []],
  ])("%s", (text, codes) => {
    expect(codesThrown(parse("packages/x.ts", text)).map(({ code }) => code)).toEqual(codes);
  });

  it("reads table lines", () => {
    expect(documented("| code | meaning | what to do |\n|---|---|---|\n| `a/b` | one \\| two | do it |\ntext")).toEqual(
      [["a/b", "one \\| two", "do it"]],
    );
  });
});
