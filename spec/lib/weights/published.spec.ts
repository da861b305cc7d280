import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { proxyFor } from '../../../lib/web/http.ts';
import { loadWeights } from '../../../lib/weights/load.ts';
import { cachedPath, cacheFolder, publicSources } from '../../../lib/weights/published.ts';
import { networkNamed } from '../../../reference/networks/index.ts';

describe('proxies and the cache folder', () => {
  const proxy = (url: string, env: NodeJS.ProcessEnv) => proxyFor(new URL(url), env)?.href ?? null;
  it('follow the usual variables', () => {
    expect(proxy('https://a.org/', { HTTPS_PROXY: 'http://p:1' })).to.equal('http://p:1/');
    expect(proxy('https://a.org/', { HTTP_PROXY: 'http://p:1' })).to.equal(null);
    expect(proxy('http://a.org/', { all_proxy: 'p:8' })).to.equal('http://p:8/');
    for (const list of ['*', 'a.org', '.a.org', '*.a.org', 'x, a.org ', 'a.org:80']) {
      expect(proxy('http://b.a.org/', { http_proxy: 'p:8', no_proxy: list }), list).to.equal(null);
    }
    for (const list of ['b.org', 'xa.org', 'a.org:81', '']) {
      expect(proxy('http://a.org/', { http_proxy: 'p:8', no_proxy: list }), list).to.equal('http://p:8/');
    }
  });
  it('lie where XDG says', () => {
    expect(cacheFolder({ XDG_CACHE_HOME: '/c' })).to.equal('/c/alexnet-oracle/weights');
    expect(cacheFolder({ XDG_CACHE_HOME: 'relative' })).to.match(/\.cache\/alexnet-oracle\/weights$/);
  });
  it('hold one file a source; every source has a network, a licence and a checksum of the right length', () => {
    const paths = publicSources.map((source) => cachedPath(source, '/c'));
    expect(new Set(paths).size).to.equal(publicSources.length);
    for (const { network, licence, hashes, preprocess, url } of publicSources) {
      for (const { algorithm, digits } of hashes)
        expect(digits).to.match(new RegExp(`^[0-9a-f]{${algorithm === 'sha256' ? 64 : 40}}$`));
      expect(hashes.some(({ algorithm }) => algorithm === 'sha256')).to.equal(true);
      // torch.hub: the digits after the last hyphen of the name are the first of the SHA-256
      const named = /-([0-9a-f]{8})\.pth$/.exec(url)?.[1] ?? '';
      expect(hashes.some(({ digits }) => digits.startsWith(named))).to.equal(true);
      expect(licence).to.not.equal('');
      expect(networkNamed(network).preprocess).to.deep.equal(preprocess);
    }
  });
});

describe('--weights NAME', () => {
  it('is the cached file with the published network and preprocessing; before that it names the command', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cache-'));
    const { bytes, hashes } = publicSources[3];
    const before = process.env.XDG_CACHE_HOME;
    process.env.XDG_CACHE_HOME = folder;
    try {
      const missing = await loadWeights('onnx-zoo').catch((e: Error) => e);
      expect((missing as Error).message).to.match(/`alexnet weights get onnx-zoo` downloads it/);
      const path = cachedPath(publicSources[3]);
      mkdirSync(join(path, '..'), { recursive: true });
      const tiny = readFileSync(new URL('../../../fixtures/format/weights/onnx/typed.onnx', import.meta.url));
      // another geometry, the same names: bvlc's 227 as the zoo's 224 has the same shapes
      writeFileSync(path, tiny);
      const other = await loadWeights('onnx-zoo').catch((e: Error) => e);
      expect((other as Error).message).to.match(
        /^onnx-zoo: \d+ bytes, published \d+; `alexnet weights get onnx-zoo`/,
      );
      const digits = createHash('sha256').update(tiny).digest('hex');
      Object.assign(publicSources[3], {
        bytes: tiny.length,
        hashes: [{ algorithm: 'sha256', digits, by: '' }],
      });
      const loaded = await loadWeights('onnx-zoo');
      expect(loaded.network.name).to.equal('onnx-zoo');
      expect(loaded.preprocess).to.deep.equal(networkNamed('onnx-zoo').preprocess);
      expect(loaded.source).to.match(/^onnx-zoo \(/);
    } finally {
      Object.assign(publicSources[3], { bytes, hashes });
      if (before === undefined) delete process.env.XDG_CACHE_HOME;
      else process.env.XDG_CACHE_HOME = before;
      rmSync(folder, { recursive: true });
    }
  });
});
