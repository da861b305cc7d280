/**
 * Bundles companion/ into one page: its style, its script, and in that the worker's. What `alexnet explain` serves and
 * writes is this page with the data put in: {{connect}}, {{scripts}} and {{start}} are left open for it.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'esbuild';

const at = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** What pngjs and lib/onnx want of Node, and a library that is fetched when it is wanted. */
const shims: Plugin = {
  name: 'shims',
  setup({ onResolve }) {
    onResolve({ filter: /^node:(?:os|v8)$/ }, () => ({ path: at('companion/shims/node.ts') }));
    onResolve({ filter: /^h5wasm$/ }, () => ({ path: at('companion/shims/h5wasm.ts') }));
    onResolve({ filter: /^pngjs$/ }, () => ({ path: at('companion/shims/pngjs.ts') }));
    onResolve({ filter: /^(?:zlib|\.\/sync-inflate)$/ }, ({ path, importer }) =>
      importer.includes('pngjs') ? { path: at(`companion/shims/${path.replace('./', '')}.cjs`) } : undefined,
    );
  },
};

/** `import text from 'x.ts?text'`: the file itself; `import text from 'x.ts?bundle'`: it and all that it imports. */
const texts: Plugin = {
  name: 'texts',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\?(?:text|bundle)$/ }, ({ path, resolveDir }) => {
      const [file, form] = path.split('?');
      return { path: fileURLToPath(new URL(file, `file://${resolveDir}/`)), namespace: form };
    });
    onLoad({ filter: /./, namespace: 'text' }, ({ path }) => ({
      contents: readFileSync(path, 'utf8'),
      loader: 'text',
    }));
    onLoad({ filter: /./, namespace: 'bundle' }, async ({ path }) => ({
      contents: await bundled(path, {
        plugins: [shims],
        inject: [at('companion/shims/buffer.ts'), at('companion/shims/node.ts')],
      }),
      loader: 'text',
    }));
  },
};

async function bundled(entry: string, options: BuildOptions): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    minify: true,
    format: 'iife',
    platform: 'browser',
    target: 'es2023',
    charset: 'utf8',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    logLevel: 'silent',
    ...options,
  });
  return outputFiles![0].text.trim();
}

/** The page, what `alexnet explain` puts in left open. */
export async function companionPage(): Promise<string> {
  const { version } = JSON.parse(readFileSync(at('package.json'), 'utf8'));
  // what ends a script must not stand in one
  const code = await bundled(at('companion/ui/main.tsx'), { plugins: [texts] });
  const script = code.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
  const parts: Record<string, string> = {
    version,
    hash: createHash('sha256').update(script).digest('base64'),
    style: await bundled(at('companion/style.css'), {}),
    script,
  };
  const template = readFileSync(at('companion/page.html'), 'utf8');
  return template.replace(/\{\{(\w+)\}\}/g, (slot, name: string) => parts[name] ?? slot);
}
