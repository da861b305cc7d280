/** What a device's own words become. */
import { expect } from 'chai';
import { type Device, deviceFailure } from '../../../lib/runtime/failures.ts';

// Left: what onnxruntime, the Vulkan loader and CUDA say (1.30's own messages on machines without them;
// CUDA's as quoted in microsoft/onnxruntime#21684, #11561 and onnxruntime/mobius#316).
describe('a failure of a device becomes one clear line', () => {
  const lib =
    '[ONNXRuntimeError] : 1 : FAIL : Failed to load library libonnxruntime_providers_cuda.so with error: ';
  const call =
    '/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:114 std::conditional_t<THRW, void>';
  const cases: [Device, string, RegExp][] = [
    ['cuda', 'OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library', /not installed/],
    [
      'cuda',
      lib.replace('cuda.so', 'shared.so') +
        '/a/libonnxruntime_providers_shared.so: cannot open shared object file',
      /CUDA libraries are not installed/,
    ],
    ['cuda', `${lib}libcublasLt.so.12: cannot open shared object file`, /libcublasLt\.so\.12 is missing/],
    ['cuda', `${lib}libcudnn.so.9: cannot open shared object file`, /libcudnn\.so\.9 is missing/],
    [
      'cuda',
      `${lib}libcudart.so.12: cannot open shared object file\nFailed to load shared library`,
      /libcudart/,
    ],
    [
      'cuda',
      `${call} CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1`,
      /driver is too old/,
    ],
    ['cuda', `${call} CUDA failure 100: no CUDA-capable device is detected ; GPU=32712`, /no NVIDIA GPU/],
    ['cuda', `${call} CUDA failure 2: out of memory ; GPU=0`, /memory does not suffice/],
    [
      'cuda',
      `${call} CUDA failure 700: an illegal memory access was encountered`,
      /CUDA failed: CUDA failure 700/,
    ],
    ['webgpu', 'Failed to get a WebGPU adapter: No supported adapters', /no GPU with a Vulkan driver/],
    [
      'webgpu',
      "Warning: Couldn't load Vulkan: libvulkan.so.1: cannot open shared object file\nNo supported adapters",
      /libvulkan\.so\.1/,
    ],
  ];
  for (const [device, said, expected] of cases) {
    it(`${device}: ${said.split('\n')[0].slice(-60)}`, () => {
      expect(deviceFailure(device, said)).to.match(expected);
      expect(deviceFailure(device, said)).to.not.match(/\n|onnxruntime_src/);
    });
  }

  it('but not a fault of the model', () => {
    for (const device of ['cpu', 'cuda', 'webgpu'] as const) {
      expect(deviceFailure(device, 'Load model from a.onnx failed:Protobuf parsing failed.')).to.equal(
        undefined,
      );
    }
    expect(deviceFailure('cpu', 'Failed to allocate memory')).to.equal(undefined);
    // of a message without end no more than 200 characters
    const endless = `CUDA failure 700: ${'x'.repeat(300)}`;
    expect(deviceFailure('cuda', endless)).to.equal(`CUDA failed: ${endless.slice(0, 200)}`);
  });
});
