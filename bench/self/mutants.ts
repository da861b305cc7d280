/** Small faults, one at a time: what a source file becomes when one operator, constant or statement is wrong. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import * as ts from 'typescript/unstable/ast';
import { API, type Checker, TypeFlags } from 'typescript/unstable/sync';
import { root } from '../../spec/support/source.ts';

export interface Mutant {
  /** From the repository's root. */
  readonly file: string;
  readonly line: number;
  /** The line that is changed, without its indentation, and what is put where in it. */
  readonly text: string;
  readonly was: string;
  readonly becomes: string;
  readonly start: number;
  readonly end: number;
}

/** What names a mutant from one version of the file to the next. */
export const nameOf = ({ file, text, was, becomes }: Mutant): string =>
  `${file}: ${text}: ${was} → ${becomes}`;

export const mutated = (source: string, { start, end, becomes }: Mutant): string =>
  source.slice(0, start) + becomes + source.slice(end);

/** `from`: where the change begins, unless at the node itself. */
type Plant = (node: ts.Node, becomes: string, from?: number) => void;

const swapped: Readonly<Record<string, string>> = {
  ...{ '+': '-', '-': '+', '*': '/', '/': '*', '%': '*', '**': '*' },
  ...{ '+=': '-=', '-=': '+=', '*=': '/=', '/=': '*=' },
  ...{ '<': '<=', '<=': '<', '>': '>=', '>=': '>', '===': '!==', '!==': '===' },
  ...{ '&&': '||', '||': '&&' },
};
const exchanged: Readonly<Record<string, string>> = {
  ...{ 'Math.max': 'Math.min', 'Math.min': 'Math.max', 'Math.floor': 'Math.ceil', 'Math.ceil': 'Math.floor' },
  ...{ 'Math.abs': '', 'Math.sqrt': '' },
};

/** The mutants of files, at most `most` of each: which ones hangs on their text alone, so that runs repeat. */
export function mutantsOf(files: readonly string[], most: number): Mutant[] {
  const api = new API({ cwd: root });
  try {
    const [project] = api.updateSnapshot({ openProject: join(root, 'tsconfig.json') }).getProjects();
    return files.flatMap((file) => {
      const source = project.program.getSourceFile(join(root, file));
      if (!source) throw new Error(`${file} is not in tsconfig.json`);
      return chosen(mutantsIn(file, source, project.checker), most);
    });
  } finally {
    api.close();
  }
}

function chosen(all: readonly Mutant[], most: number): Mutant[] {
  const seen = new Map<string, number>();
  const drawn = all.map((mutant) => {
    const name = nameOf(mutant);
    const times = seen.get(name) ?? 0;
    seen.set(name, times + 1);
    return { mutant, by: createHash('sha1').update(`${name} ${times}`).digest('hex') };
  });
  return drawn
    .sort((a, b) => (a.by < b.by ? -1 : 1))
    .slice(0, most)
    .map(({ mutant }) => mutant)
    .sort((a, b) => a.start - b.start);
}

function mutantsIn(file: string, source: ts.SourceFile, checker: Checker): Mutant[] {
  const found: Mutant[] = [];
  const { text } = source;
  const plant: Plant = (node, becomes, start = node.getStart(source)) => {
    const before = text.slice(0, start).split('\n');
    const line = text.split('\n')[before.length - 1].trim();
    const was = text.slice(start, node.end).replace(/\s+/g, ' ');
    if (was !== becomes)
      found.push({ file, line: before.length, text: line, was, becomes, start, end: node.end });
  };
  const walk = (node: ts.Node): void => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node) || ts.isThrowStatement(node))
      return;
    mutate(node, source, plant, checker);
    node.forEachChild(walk);
  };
  walk(source);
  return found;
}

function mutate(node: ts.Node, source: ts.SourceFile, plant: Plant, checker: Checker): void {
  if (ts.isBinaryExpression(node)) ofBinary(node, source, plant);
  else if (ts.isNumericLiteral(node)) ofConstant(node, plant);
  else if (ts.isConditionalExpression(node)) forced(node.condition, plant);
  else if (ts.isIfStatement(node)) forced(node.expression, plant);
  else if (ts.isCallExpression(node)) ofCall(node, source, plant);
  else if (ts.isReturnStatement(node) && node.expression) ofResult(node.expression, source, plant, checker);
  else if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) ofResult(node.body, source, plant, checker);
  else if (ts.isExpressionStatement(node)) plant(node, ';');
  else if (node.kind === ts.SyntaxKind.TrueKeyword) plant(node, 'false');
  else if (node.kind === ts.SyntaxKind.FalseKeyword) plant(node, 'true');
  else if (ts.isPrefixUnaryExpression(node)) {
    const { operator, operand } = node;
    const drops = operator === ts.SyntaxKind.MinusToken || operator === ts.SyntaxKind.ExclamationToken;
    if (drops) plant(node, operand.getText(source));
  }
}

const isText = (node: ts.Node): boolean =>
  ts.isStringLiteral(node) || ts.isTemplateExpression(node) || ts.isNoSubstitutionTemplateLiteral(node);

function ofBinary(
  { left, operatorToken, right }: ts.BinaryExpression,
  source: ts.SourceFile,
  plant: Plant,
): void {
  const operator = operatorToken.getText(source);
  if (isText(left) || (isText(right) && operator === '+')) return;
  if (swapped[operator]) plant(operatorToken, swapped[operator]);
}

/** One of the doubled, the next and the negative number, by its place. */
function ofConstant(node: ts.NumericLiteral, plant: Plant): void {
  const next = String(Number(node.text) + 1);
  const others = Number(node.text) === 0 ? [next] : [String(2 * Number(node.text)), next, `(-${node.text})`];
  plant(node, others[node.pos % others.length]);
}

function forced(condition: ts.Node, plant: Plant): void {
  plant(condition, condition.pos % 2 === 0 ? 'true' : 'false');
}

function ofCall(
  { expression, arguments: given }: ts.CallExpression,
  source: ts.SourceFile,
  plant: Plant,
): void {
  const called = expression.getText(source);
  if (exchanged[called] !== undefined) plant(expression, exchanged[called]);
  else if (given.length > 1) plant(given[given.length - 1], '', given[given.length - 2].end);
}

function ofResult(node: ts.Node, source: ts.SourceFile, plant: Plant, checker: Checker): void {
  if (ts.isNumericLiteral(node)) return; // a constant is one already
  const flags = checker.getTypeAtLocation(node)?.flags ?? 0;
  const own = node.getText(source);
  if (flags & TypeFlags.NumberLike) plant(node, isOrder(node, source) ? `-(${own})` : `2 * (${own})`);
  else if (flags & TypeFlags.StringLike) plant(node, "''");
  else if (isLogical(node, source)) plant(node, `!(${own})`);
}

/** What sort is given: of its results the sign alone counts. */
function isOrder({ parent }: ts.Node, source: ts.SourceFile): boolean {
  const call = ts.isArrowFunction(parent) ? parent.parent : parent;
  return ts.isCallExpression(call) && /[.](sort|toSorted)$/.test(call.expression.getText(source));
}

function isLogical(node: ts.Node, source: ts.SourceFile): boolean {
  if (ts.isPrefixUnaryExpression(node)) return node.operator === ts.SyntaxKind.ExclamationToken;
  return ts.isBinaryExpression(node) && /^(&&|\|\||[<>]=?|[!=]==)$/.test(node.operatorToken.getText(source));
}
