/** The library's face, src/index.ts: what is exported says what it is, and what is given can be had. */
import { expect } from 'chai';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { parseOptions } from '../../src/config/parse.js';
import { LockstepError, Migration, NIGHT_DEFAULTS, type Connection } from '../../src/index.js';

const INDEX = fileURLToPath(new URL('../../src/index.ts', import.meta.url));

describe('the library', () => {
  const options = { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2023, types: [] };
  const program = ts.createProgram([INDEX], { ...options, strict: true, skipLibCheck: true });
  const checker = program.getTypeChecker();
  const file = program.getSourceFile(INDEX)!;
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(file)!).map((symbol) => ({
    name: symbol.name,
    symbol: symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol,
  }));
  const isExported = new Set(exported.map(({ symbol }) => symbol));
  const isDescribed = (symbol: ts.Symbol) => symbol.getDocumentationComment(checker).length > 0;

  it('says of each export what it is', () => {
    expect(exported.length).to.be.greaterThan(50);
    const silent = exported.filter(({ symbol }) => !isDescribed(symbol) && !isTagged(symbol));
    expect(silent.map(({ name }) => name)).to.deep.equal([]);
  });

  it('says of each method what it does', () => {
    const methods = exported
      .filter(({ symbol }) => symbol.flags & ts.SymbolFlags.Class)
      .flatMap(({ name, symbol }) =>
        [...(symbol.members?.values() ?? []), ...(symbol.exports?.values() ?? [])]
          .filter((member) => member.flags & (ts.SymbolFlags.Method | ts.SymbolFlags.Accessor))
          .filter((member) => !member.declarations?.some(isPrivate))
          .map((member) => ({ name: `${name}.${member.name}`, member })),
      );
    expect(methods.length).to.be.greaterThan(20);
    const silent = methods.filter(({ member }) => !isDescribed(member) && !isTagged(member));
    expect(silent.map(({ name }) => name)).to.deep.equal([]);
  });

  it('exports what its functions and methods are given and give', () => {
    const missing = new Set<string>();
    const callable = exported.filter(
      ({ symbol }) => symbol.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Function),
    );
    for (const { symbol } of callable)
      for (const type of namedIn(symbol))
        if (!isExported.has(type) && isOurs(type)) missing.add(type.name);
    expect([...missing].sort()).to.deep.equal([]);
  });

  it('takes what the command line takes where nothing is given', () => {
    const { margin, quiet, maxFreeze, watch, rate } = parseOptions(
      {},
      {},
      [],
      [...(['margin', 'quiet', 'maxFreeze', 'watch', 'rate'] as const)],
    );
    expect([margin, quiet * 1000, maxFreeze, watch, rate]).to.deep.equal(
      Object.values(NIGHT_DEFAULTS),
    );
  });

  it('says at once what is no etcd, before it dials', () => {
    const target = 'http://127.0.0.1:2379';
    const refused = (source: string | Connection, code: string) => {
      expect(() => new Migration({ source, target }))
        .to.throw(LockstepError)
        .with.property('code', code);
    };
    for (const source of ['127.0.0.1:2379', 'localhost:2379', '', { endpoints: [] }])
      refused(source, 'BAD_ARGUMENT');
    refused({ endpoints: ['http://10.0.0.1:2379', 'https://10.0.0.2:2379'] }, 'BAD_ARGUMENT');
    refused(target, 'SAME_ETCD');
  });

  /** `@throws` alone says something, too. */
  function isTagged(symbol: ts.Symbol): boolean {
    return symbol.getJsDocTags(checker).length > 0;
  }

  function isOurs(symbol: ts.Symbol): boolean {
    const path = symbol.declarations?.[0]?.getSourceFile().fileName ?? '';
    return path.includes('/src/') && !path.includes('node_modules');
  }

  /** Types that stand by name in the declaration, but for bodies and what is private. */
  function namedIn(symbol: ts.Symbol): Set<ts.Symbol> {
    const found = new Set<ts.Symbol>();
    const visit = (node: ts.Node): void => {
      if (ts.isBlock(node) || isPrivate(node)) return;
      if (ts.isPropertyDeclaration(node) && !node.type) return;
      if (ts.isTypeReferenceNode(node)) {
        const type = checker.getSymbolAtLocation(node.typeName);
        if (type)
          found.add(type.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(type) : type);
      }
      ts.forEachChild(node, visit);
    };
    symbol.declarations?.forEach(visit);
    return found;
  }

  function isPrivate(node: ts.Node): boolean {
    if (ts.isClassElement(node) && node.name && ts.isPrivateIdentifier(node.name)) return true;
    return (
      ts.canHaveModifiers(node) &&
      !ts.isParameter(node) &&
      (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword)
    );
  }
});
