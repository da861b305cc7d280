/** A canvas of one pixel a value, scaled up by the page's style without smoothing. */
import { useLayoutEffect, useRef } from 'preact/hooks';

interface Raster {
  readonly width: number;
  readonly height: number;
  /** RGBA. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
  readonly label?: string;
}

export function Raster({ width, height, pixels, label }: Raster) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    canvas.current?.getContext('2d')?.putImageData(new ImageData(pixels, width, height), 0, 0);
  }, [width, height, pixels]);
  return label === undefined ? (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: a canvas takes no focus
    <canvas ref={canvas} class="raster" width={width} height={height} aria-hidden="true" />
  ) : (
    <canvas ref={canvas} class="raster" width={width} height={height} role="img" aria-label={label} />
  );
}

/** 8-bit RGB as RGBA. */
export function opaque(data: Uint8Array): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray((data.length / 3) * 4);
  for (let i = 0; i < data.length / 3; i++) {
    pixels.set(data.subarray(3 * i, 3 * i + 3), 4 * i);
    pixels[4 * i + 3] = 255;
  }
  return pixels;
}
