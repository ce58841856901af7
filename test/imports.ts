// Reads the imports of a TypeScript source from its syntax tree: no import hides from it in a comment, a string or a line break.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** `type` leaves nothing in the running program; `dynamic` loads only where the line is reached. */
export type ImportKind = "static" | "type" | "dynamic";

export interface Import {
  /** Path of the importing file from the repository's root, with forward slashes. */
  readonly file: string;
  readonly line: number;
  readonly kind: ImportKind;
  /** As written. */
  readonly specifier: string;
  /** False when the specifier is worked out at run time, so that nobody can say from the source where it leads. */
  readonly literal: boolean;
}

export interface Source {
  readonly file: string;
  readonly tree: ts.SourceFile;
}

/** Every TypeScript and JavaScript file below `folder` (from the root), without node_modules and dist. */
export function sourcesOf(folder: string): Source[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .filter((file) => /\.(ts|js)$/.test(file) && !/\/(node_modules|dist)\//.test(file))
    .sort()
    .map((file) => parse(file, readFileSync(join(root, file), "utf8")));
}

export function parse(file: string, text: string): Source {
  return { file, tree: ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true) };
}

/** Functions that load the module named by their first argument. */
const LOADERS = ["require", "import.meta.resolve", "loadOptional"];

export function importsOf({ file, tree }: Source): Import[] {
  const found: Import[] = [];
  const add = (node: ts.Node, specifier: ts.Node, kind: ImportKind): void => {
    const line = tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;
    const literal = ts.isStringLiteralLike(specifier);
    found.push({ file, line, kind, literal, specifier: literal ? specifier.text : specifier.getText(tree) });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      add(
        node,
        node.moduleSpecifier,
        node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword ? "type" : "static",
      );
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
      add(node, node.moduleSpecifier, node.isTypeOnly ? "type" : "static");
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node, node.argument.literal, "type");
    } else if (ts.isCallExpression(node) && node.arguments[0] !== undefined) {
      const called = node.expression.getText(tree);
      if (node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node, node.arguments[0], "dynamic");
      else if (LOADERS.includes(called)) add(node, node.arguments[0], "dynamic");
    } else if (ts.isNewExpression(node) && node.expression.getText(tree) === "URL") {
      // A worker or a child process: `new URL("./worker.ts", import.meta.url)`.
      const [path, base] = node.arguments ?? [];
      const code = path !== undefined && ts.isStringLiteralLike(path) && /\.(ts|js)$/.test(path.text);
      if (code && base?.getText(tree) === "import.meta.url") add(node, path, "dynamic");
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** Lines on which the file reads the process's environment. */
export function environmentReads({ tree }: Source): number[] {
  const lines: number[] = [];
  const note = (node: ts.Node): void => {
    lines.push(tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node)) {
      const name = ts.isPropertyAccessExpression(node)
        ? node.name.text
        : node.argumentExpression.getText(tree).slice(1, -1);
      if (name === "env" && /^(globalThis\.)?process$/.test(node.expression.getText(tree))) note(node);
    } else if (ts.isImportSpecifier(node) && (node.propertyName ?? node.name).text === "env") {
      const from = node.parent.parent.parent.moduleSpecifier;
      if (ts.isStringLiteral(from) && /^(node:)?process$/.test(from.text)) note(node);
    } else if (ts.isVariableDeclaration(node) && node.initializer?.getText(tree) === "process") {
      if (ts.isObjectBindingPattern(node.name) && /\benv\b/.test(node.name.getText(tree))) note(node);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return lines;
}
