"""A network's forward pass in PyTorch, for bench/gpu-check.ts: torchforward.py FOLDER cpu|cuda BATCH tf32|float32

FOLDER holds network.json (layers) and data.npz (parameters, image (1,3,S,S)). Answers a line of JSON with the output of
one image, then, for each line on standard input, the seconds of a batch from host memory to the device and back.
"""
import json
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

folder, device, batch, tf32 = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "tf32"
torch.backends.cuda.matmul.allow_tf32 = tf32
torch.backends.cudnn.allow_tf32 = tf32
torch.backends.cudnn.benchmark = True

layers = json.load(open(folder + "/network.json"))["layers"]
data = np.load(folder + "/data.npz")
parameters = {name: torch.from_numpy(data[name]).to(device) for name in data.files if name != "image"}
image = torch.from_numpy(data["image"])


def symmetric(pad):
    """[top, left, bottom, right] as PyTorch wants it."""
    if pad[:2] != pad[2:]:
        raise ValueError(f"pads {pad}")
    return pad[:2]


def forward(x):
    for layer in layers:
        kind, name, a = layer["kind"], layer["name"], layer.get("attributes", {})
        weight, bias = parameters.get(name + ".weight"), parameters.get(name + ".bias")
        if kind == "conv2d":
            x = F.conv2d(x, weight, bias, a["stride"], symmetric(a["pad"]), a["dilation"], a["groups"])
        elif kind == "linear":
            x = F.linear(x, weight, bias)
        elif kind == "relu":
            x = F.relu(x)
        elif kind == "lrn" and a["groups"] == 1:
            x = F.local_response_norm(x, a["size"], a["alpha"] * (1 if a["divide"] else a["size"]), a["beta"], a["k"])
        elif kind == "maxpool":
            x = F.max_pool2d(x, a["kernel"], a["stride"], symmetric(a["pad"]), ceil_mode=a["rounding"] != "floor")
        elif kind == "flatten":
            x = x.flatten(1)
        elif kind == "softmax":
            x = F.softmax(x, 1)
        elif kind == "dropout":
            x = x if a["convention"] == "inverted" else x * (1 - a["ratio"])
        else:
            raise ValueError(f"layer {name}: {kind}")
    return x


name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
with torch.inference_mode():
    y = forward(image.to(device)).cpu().flatten().tolist()
    print(json.dumps({"name": f"PyTorch {torch.__version__} on {name}", "y": y}), flush=True)
    x = image.repeat(batch, 1, 1, 1)
    forward(x.to(device)).cpu()
    for line in sys.stdin:
        start = time.perf_counter()
        forward(x.to(device)).cpu()
        print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)
