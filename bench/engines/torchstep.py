"""Training steps of a network in PyTorch, for bench/step.ts: torchstep.py FOLDER cpu|cuda THREADS tf32|float32

FOLDER holds network.json (layers, preprocessing, momentum, weight decay, learning rate) and data.npz (parameters,
images uint8 (N,3,S,S), labels, masks). Answers a line of JSON for each line K on standard input: the losses of K
steps, and seconds. The images go to the device in every step and are shifted and scaled there, as in the graph that
it is compared with.
"""
import json
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

folder, device, threads, tf32 = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "tf32"
torch.set_num_threads(threads)
torch.backends.cuda.matmul.allow_tf32 = tf32
torch.backends.cudnn.allow_tf32 = tf32
torch.backends.cudnn.benchmark = True

spec = json.load(open(folder + "/network.json"))
data = np.load(folder + "/data.npz")
layers = spec["layers"]
parameters = {
    name: torch.nn.Parameter(torch.from_numpy(data[name]).to(device))
    for name in data.files
    if name.endswith((".weight", ".bias"))
}
images = torch.from_numpy(data["images"])
labels = torch.from_numpy(data["labels"].astype(np.int64))
masks = {name[:-5]: torch.from_numpy(data[name]) for name in data.files if name.endswith(".mask")}
mean, deviation = (torch.tensor(spec[key], device=device).view(1, 3, 1, 1) for key in ("mean", "deviation"))
optimiser = torch.optim.SGD(
    parameters.values(), lr=spec["learningRate"], momentum=spec["momentum"], weight_decay=spec["weightDecay"]
)


def symmetric(pad):
    """[top, left, bottom, right] as PyTorch wants it."""
    if pad[:2] != pad[2:]:
        raise ValueError(f"pads {pad}")
    return pad[:2]


def forward(x, sent):
    for layer in layers:
        kind, name, a = layer["kind"], layer["name"], layer.get("attributes", {})
        weight, bias = parameters.get(name + ".weight"), parameters.get(name + ".bias")
        if kind == "conv2d":
            x = F.conv2d(x, weight, bias, a["stride"], symmetric(a["pad"]), a["dilation"], a["groups"])
        elif kind == "linear":
            x = F.linear(x, weight, bias)
        elif kind == "relu":
            x = F.relu(x)
        elif kind == "tanh":
            x = torch.tanh(x)
        elif kind == "lrn" and a["groups"] == 1:
            x = F.local_response_norm(x, a["size"], a["alpha"] * (1 if a["divide"] else a["size"]), a["beta"], a["k"])
        elif kind == "maxpool":
            x = F.max_pool2d(x, a["kernel"], a["stride"], symmetric(a["pad"]), ceil_mode=a["rounding"] != "floor")
        elif kind == "avgpool":  # without padding Caffe's divisor is PyTorch's: the window clipped at the edge
            x = F.avg_pool2d(x, a["kernel"], a["stride"], symmetric(a["pad"]), ceil_mode=a["rounding"] != "floor")
        elif kind == "flatten":
            x = x.flatten(1)
        elif kind == "dropout":
            x = x * sent[name]
            if a["convention"] == "inverted":
                x = x / (1 - a["ratio"])
        else:
            raise ValueError(f"layer {name}: {kind}")
    return x


def step():
    x = (images.to(device).float() - mean) / deviation
    sent = {name: mask.to(device).float() for name, mask in masks.items()}
    optimiser.zero_grad(set_to_none=True)
    loss = F.cross_entropy(forward(x, sent), labels.to(device))
    loss.backward()
    optimiser.step()
    return loss.detach()


name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
print(json.dumps({"torch": torch.__version__, "name": name}), flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    losses = [step() for _ in range(int(line))]
    losses = [float(loss) for loss in losses]  # waits for the device
    print(json.dumps({"losses": losses, "seconds": time.perf_counter() - start}), flush=True)
