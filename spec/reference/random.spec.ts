import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { networks } from '../../reference/networks/index.ts';
import { weightShapes } from '../../reference/oracle.ts';
import { fillNormals, normals, philox, streamOf, uniform, words } from '../../reference/random.ts';

const hex = (text: string) => text.split(' ').map((word) => Number.parseInt(word, 16));

describe('reference/random', () => {
  it('philox gives the known answers published with Random123', () => {
    // github.com/DEShawResearch/random123, tests/kat_vectors: counter, key, result
    const vectors = [
      ['00000000 00000000 00000000 00000000', '00000000 00000000', '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
      ['ffffffff ffffffff ffffffff ffffffff', 'ffffffff ffffffff', '408f276d 41c83b0e a20bc7c6 6d5451fd'],
      ['243f6a88 85a308d3 13198a2e 03707344', 'a4093822 299f31d0', 'd16cfe09 94fdcceb 5001e420 24126ea1'],
    ];
    for (const [counter, key, result] of vectors) {
      const [c0, c1, c2, c3] = hex(counter);
      const [k0, k1] = hex(key);
      expect([...philox([c0, c1, c2, c3], [k0, k1])]).to.deep.equal(hex(result));
    }
  });

  it('streamOf gives the published FNV-1a values', () => {
    // Fowler, Noll, Vo: test vectors of RFC 9923's reference code
    expect(streamOf('')).to.equal(0x811c9dc5);
    expect(streamOf('a')).to.equal(0xe40c292c);
    expect(streamOf('foobar')).to.equal(0xbf9cf968);
  });

  it('word i of a stream is word i mod 4 of block ⌊i/4⌋, keyed by both halves of the seed', () => {
    const seed = 5 * 2 ** 32 + 7;
    const first = 2 ** 34 - 2; // so that the block number outgrows 32 bits on the way
    const drawn = words(seed, 99, 6, first);
    for (let i = 0; i < 6; i++) {
      const index = Math.floor((first + i) / 4);
      const block = philox([index >>> 0, Math.floor(index / 2 ** 32), 99, 0], [7, 5]);
      expect(drawn[i]).to.equal(block[(first + i) % 4]);
    }
  });

  it('any part of a stream can be drawn alone', () => {
    const whole = normals(3, 11, 50);
    expect([...normals(3, 11, 13, 7)]).to.deep.equal([...whole.slice(7, 20)]);
    expect([...words(3, 11, 5, 6)]).to.deep.equal([...words(3, 11, 11).slice(6)]);
  });

  it('uniforms lie strictly between 0 and 1, symmetric about a half', () => {
    expect(uniform(0)).to.equal(2 ** -33);
    expect(uniform(0xffffffff)).to.equal(1 - 2 ** -33);
    expect(uniform(12345)).to.equal(1 - uniform(0xffffffff - 12345));
  });

  it('a standard deviation is applied in float64 and rounded once', () => {
    const out = new Float32Array(40);
    fillNormals(out, 1, 2, 0.3);
    expect([...out]).to.deep.equal([...normals(1, 2, 40)].map((z) => Math.fround(0.3 * z)));
  });

  it('a seed that is not an integer from 0 to 2^53 - 1 is refused', () => {
    for (const seed of [-1, 0.5, NaN, 2 ** 53, Infinity]) {
      expect(() => normals(seed, 0, 1)).to.throw(
        `random: seed must be an integer from 0 to 2^53 - 1 (= ${seed})`,
      );
    }
  });

  it('no two tensors of a network share a stream', () => {
    for (const network of networks) {
      const names = [...weightShapes(network).keys()];
      expect(new Set(names.map(streamOf)).size, network.name).to.equal(names.length);
    }
  });

  describe('normals, 200,000 of them', () => {
    const n = 200_000;
    const z = normals(0, streamOf('fc6.weight'), n);
    const moment = (values: Float64Array, k: number) => values.reduce((sum, v) => sum + v ** k, 0) / n;

    it('have the moments 0, 1, 0, 3 within five standard errors', () => {
      // variances of the sample moments: (μ₂ₖ − μₖ²)/n with μ₂ = 1, μ₄ = 3, μ₆ = 15, μ₈ = 105
      expect(moment(z, 1)).to.be.closeTo(0, 5 * Math.sqrt(1 / n));
      expect(moment(z, 2)).to.be.closeTo(1, 5 * Math.sqrt(2 / n));
      expect(moment(z, 3)).to.be.closeTo(0, 5 * Math.sqrt(15 / n));
      expect(moment(z, 4)).to.be.closeTo(3, 5 * Math.sqrt(96 / n));
    });

    it('have the normal distribution (Kolmogorov distance at quantiles from arbitrary precision)', () => {
      const file = new URL('../../fixtures/math/points.json', import.meta.url);
      const quantiles: [number, number, number][] = JSON.parse(readFileSync(file, 'utf8')).normalQuantile;
      // Dvoretzky–Kiefer–Wolfowitz: the distance exceeds this with probability below 1e-6
      const limit = Math.sqrt(Math.log(2 / 1e-6) / (2 * n));
      for (const [p, quantile] of quantiles) {
        const below = z.reduce((count, v) => count + (v <= quantile ? 1 : 0), 0) / n;
        expect(below, `share below ${quantile}`).to.be.closeTo(p, limit);
      }
    });

    it('are uncorrelated between streams, between seeds and with their neighbours', () => {
      const others = {
        'another layer': normals(0, streamOf('fc7.weight'), n),
        'another seed': normals(1, streamOf('fc6.weight'), n),
        "the seed's high word": normals(2 ** 32, streamOf('fc6.weight'), n),
        'the next number': normals(0, streamOf('fc6.weight'), n, 1),
        'the next block': normals(0, streamOf('fc6.weight'), n, 4),
      };
      for (const [name, other] of Object.entries(others)) {
        const correlation = z.reduce((sum, v, i) => sum + v * other[i], 0) / n;
        expect(correlation, name).to.be.closeTo(0, 5 / Math.sqrt(n));
      }
    });
  });
});
