/**
 * Trained weights that others publish: where, how large, under which checksum and licence, and what their
 * input must go through. Nothing of it is shipped here; `alexnet weights get` downloads.
 */

import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Preprocess } from '../../reference/input/preprocess.ts';
import * as preprocess from '../../reference/input/preprocess.ts';

export interface PublishedHash {
  readonly algorithm: 'sha256' | 'sha1';
  readonly digits: string;
  /** Who says so. */
  readonly by: string;
}

export interface PublicSource {
  /** As given to --weights and to `weights get`. */
  readonly name: string;
  readonly title: string;
  readonly url: string;
  /** The same file elsewhere, asked in this order where `url` fails. */
  readonly mirrors: readonly string[];
  readonly bytes: number;
  /** Published checksums; what is downloaded must have every one of them. */
  readonly hashes: readonly PublishedHash[];
  readonly licence: string;
  /** The network that they are for. */
  readonly network: string;
  readonly preprocess: Preprocess;
}

/** Where the zoo's files went: its repository (github.com/onnx/models) has served none since July 2025. */
const ZOO = 'https://huggingface.co/onnxmodelzoo/legacy_models/resolve/main/validated/vision/classification';

export const publicSources: readonly PublicSource[] = [
  {
    name: 'torchvision',
    title: 'torchvision.models.alexnet, AlexNet_Weights.IMAGENET1K_V1: 56.522 % top-1, 79.066 % top-5',
    url: 'https://download.pytorch.org/models/alexnet-owt-7be5be79.pth',
    mirrors: [],
    bytes: 244_408_911,
    hashes: [
      {
        algorithm: 'sha256',
        digits: '7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02',
        by: "its first 8 digits: torchvision, in the file's name; all: many who downloaded it",
      },
    ],
    licence: 'BSD-3-Clause (torchvision); trained on ImageNet',
    network: 'torchvision',
    preprocess: preprocess.torchvisionPreprocess,
  },
  {
    name: 'bvlc-alexnet',
    title: "Caffe's bvlc_alexnet: 57.1 % top-1, 80.2 % top-5, centre crop",
    url: 'http://dl.caffe.berkeleyvision.org/bvlc_alexnet.caffemodel',
    // NVIDIA's, for its Jetson examples
    mirrors: ['https://nvidia.box.com/shared/static/5j264j7mky11q8emy4q14w3r8hl5v6zh.caffemodel'],
    bytes: 243_862_414,
    hashes: [
      {
        algorithm: 'sha1',
        digits: '9116a64c0fbe4459d18f4bb6b56d647b63920377',
        by: 'its readme.md',
      },
      {
        algorithm: 'sha256',
        digits: '4bff209a9837298157915ef50a4831a59636a6ca1a6b8ebacd990c3a5f3053e0',
        by: 'OpenVINO Open Model Zoo, alexnet/model.yml',
      },
    ],
    licence: 'released for unrestricted use (its readme.md); trained on ImageNet',
    network: 'bvlc-alexnet',
    preprocess: preprocess.caffe,
  },
  {
    name: 'caffenet',
    title: "Caffe's bvlc_reference_caffenet: 57.4 % top-1, 80.4 % top-5, centre crop",
    url: 'http://dl.caffe.berkeleyvision.org/bvlc_reference_caffenet.caffemodel',
    mirrors: [],
    bytes: 243_862_418,
    hashes: [
      {
        algorithm: 'sha1',
        digits: '4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46',
        by: 'its readme.md',
      },
      {
        algorithm: 'sha256',
        digits: '472d4a06035497b180636d8a82667129960371375bd10fcb6df5c6c7631f25e0',
        by: 'Homebrew and Nixpkgs, which test Caffe with it',
      },
    ],
    licence: 'released for unrestricted use (readme.md; earlier: non-commercial); trained on ImageNet',
    network: 'caffenet',
    preprocess: preprocess.caffe,
  },
  {
    name: 'onnx-zoo',
    title: "the ONNX model zoo's bvlcalexnet-12: 54.80 % top-1, 78.23 % top-5",
    url: `${ZOO}/alexnet/model/bvlcalexnet-12.onnx`,
    mirrors: [],
    bytes: 243_863_787,
    hashes: [
      {
        algorithm: 'sha256',
        digits: '6b0da9510f27f234ee96a85dc3809dd210150fdefad87f6850f9788513216945',
        by: 'its Git LFS pointer',
      },
    ],
    licence: 'Apache-2.0 (model zoo); trained on ImageNet',
    network: 'onnx-zoo',
    preprocess: preprocess.onnxZooPreprocess,
  },
  {
    name: 'onnx-zoo-caffenet',
    title: "the ONNX model zoo's caffenet-12, Caffe's weights; loaded into Caffe's own geometry (227)",
    url: `${ZOO}/caffenet/model/caffenet-12.onnx`,
    mirrors: [],
    bytes: 243_863_798,
    hashes: [
      {
        algorithm: 'sha256',
        digits: 'ea563e5c47d1f58e1717cf1a2d8bf288b8adc07af0ad228b622096cd243aeecb',
        by: 'ONNX_HUB_MANIFEST.json of the zoo',
      },
    ],
    licence: 'Apache-2.0 (model zoo); trained on ImageNet',
    network: 'caffenet',
    preprocess: preprocess.caffe,
  },
];

/** Its size for people. */
export const mebibytes = ({ bytes }: PublicSource): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** The source of that name, if there is one. */
export const sourceNamed = (name: string, sources = publicSources): PublicSource | undefined =>
  sources.find((source) => source.name === name);

/** The user's cache folder (XDG Base Directory Specification: $XDG_CACHE_HOME if absolute, else ~/.cache). */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  const xdg = env.XDG_CACHE_HOME;
  return join(xdg?.startsWith('/') ? xdg : join(homedir(), '.cache'), 'alexnet-oracle', 'weights');
}

/** Where a source's file lies once it is there; its name is the last part of the URL. */
export const cachedPath = ({ url }: PublicSource, folder = cacheFolder()): string =>
  join(folder, new URL(url).pathname.split('/').at(-1) as string);
